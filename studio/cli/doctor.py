"""`studio doctor`: what works here, and what to do about the rest.

Owns the list of checks. A missing sound card is a note, since everything else works without one;
a missing model or a damaged library is a fault.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from typing import TYPE_CHECKING, Any, Literal

from studio.cli.context import Context, print_json
from studio.core.errors import DeviceError, StudioError
from studio.core.version import __version__
from studio.models.measurements import Measurements

if TYPE_CHECKING:
    from studio.models.bundle import Bundle
    from studio.models.shapes import Shapes

_PACKAGES = ("numba", "torch", "numpy", "PySide6-Essentials", "soundfile", "rtmixer")
_TRIAL_RATE = 32_000
_LATER = "is found out when the model is loaded for the first time"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One line of the report.

    Attributes:
        name: What was looked at.
        state: "ok", "note" (works without it) or "fault".
        text: What was found; may have several lines.
    """

    name: str
    state: Literal["ok", "note", "fault"]
    text: str


def add_parser(verbs: Any) -> None:
    """Add the verb to the command line."""
    parser = verbs.add_parser("doctor", help="say what works on this machine")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace, context: Context) -> int:
    """Do it; 1 when something is broken."""
    checks: tuple[tuple[str, Callable[[Context], Finding]], ...] = (
        ("program", _program),
        ("packages", _packages),
        ("processor", _processor),
        ("model", _model),
        ("backend", _backend),
        ("measured", _measured),
        ("folders", _folders),
        ("library", _library),
        ("sound card", _sound_card),
    )
    findings = [_found(name, check, context) for name, check in checks]
    if arguments.json:
        print_json({finding.name: asdict(finding) for finding in findings})
    else:
        for finding in findings:
            first, *rest = finding.text.splitlines()
            print(f"{finding.state:<6}{finding.name:<12}{first}")
            for line in rest:
                print(f"{'':<18}{line}")
    return 1 if any(finding.state == "fault" for finding in findings) else 0


class _NotMeasuredError(Exception):
    """Nobody has found this out yet."""


class _Known(Measurements):
    """Answers what is known and measures nothing: to look must not take long."""

    def __init__(self, measurements: Measurements) -> None:
        self._measurements = measurements

    def of(self, question: str, measure: Callable[[], Mapping[str, float]]) -> Mapping[str, float]:
        answers = self._measurements.known()
        if question not in answers:
            raise _NotMeasuredError(question)
        return answers[question]


def _found(name: str, check: Callable[[Context], Finding], context: Context) -> Finding:
    try:
        return check(context)
    except DeviceError as error:
        return Finding(name=name, state="note", text=error.user_message)
    except StudioError as error:
        return Finding(name=name, state="fault", text=error.user_message)


def _program(context: Context) -> Finding:
    text = f"Seedcrate {__version__}, Python {platform.python_version()}, {platform.platform()}"
    return Finding(name="program", state="ok", text=f"{text}, {sys.executable}")


def _packages(context: Context) -> Finding:
    found, missing = [], []
    for name in _PACKAGES:
        try:
            found.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            missing.append(name)
    if missing:
        return Finding(name="packages", state="fault", text=f"missing: {', '.join(missing)}")
    return Finding(name="packages", state="ok", text=", ".join(found))


def _processor(context: Context) -> Finding:
    from studio.generation.engine_child import physical_cores
    from studio.models.native_backend.precision import processor_name

    text = f"{physical_cores()} cores, {os.cpu_count()} threads, {processor_name()}"
    return Finding(name="processor", state="ok", text=text)


def _backend(context: Context) -> Finding:
    from studio.generation.engine_child import limit_threads

    limit_threads()
    from studio.models.accelerators import possible_backends
    from studio.models.bundle import open_bundle
    from studio.models.native_backend.gang import SMALL_PARAMETERS
    from studio.models.shapes import Shapes
    from studio.models.shelf.shelf import ModelShelf

    shelf = ModelShelf(context.models_dir)
    bundle = open_bundle(shelf.resolve(context.settings.model), digest=shelf.digest)
    shapes = Shapes.of(bundle)
    picked, *others = possible_backends()
    why = ""
    if others and shapes.language_parameters >= SMALL_PARAMETERS:
        tried = _trial_of(bundle.fingerprint, (picked, *others), shelf.measurements.known())
        if tried is None:
            text = f"{' or '.join((picked, *others))}; which {_LATER}"
            return Finding(name="backend", state="ok", text=text)
        picked = min(tried, key=tried.__getitem__)
        why = f", the fastest of {', '.join(tried)}"
    if picked == "native":
        why += f"; {_native_choice(bundle, shapes, shelf.measurements)}"
    return Finding(name="backend", state="ok", text=picked + why)


def _trial_of(
    fingerprint: str, backends: Sequence[str], known: Mapping[str, Mapping[str, float]]
) -> Mapping[str, float] | None:
    """What each backend needed for this model, if they were tried."""
    for question, answers in known.items():
        if fingerprint in question and answers.keys() <= set(backends):
            return answers
    return None


def _native_choice(bundle: Bundle, shapes: Shapes, measurements: Measurements) -> str:
    """Threads and precision of the native backend, and why."""
    from studio.models.native_backend.gang import SMALL_PARAMETERS, threads_for
    from studio.models.native_backend.precision import HARMLESS_NATS, suitable_precision
    from studio.models.native_backend.weights import open_tensors

    parameters = shapes.language_parameters
    threads = threads_for(parameters)
    told = f"{threads} thread{'s' if threads > 1 else ''}"
    try:
        precision = suitable_precision(
            open_tensors(bundle),
            shapes.decoder,
            fingerprint=bundle.fingerprint,
            large=parameters >= SMALL_PARAMETERS,
            threads=threads,
            measurements=_Known(measurements),
        )
    except _NotMeasuredError:
        return f"{told}; the precision {_LATER}"
    return f"{told}, {precision}: the fastest that costs at most {HARMLESS_NATS:g} nats a code"


def _measured(context: Context) -> Finding:
    from studio.models.shelf.shelf import ModelShelf

    known = ModelShelf(context.models_dir).measurements.known()
    lines = [_answer(question, numbers) for question, numbers in known.items()]
    return Finding(name="measured", state="ok", text="\n".join(lines) or "nothing yet")


def _answer(question: str, numbers: Mapping[str, float]) -> str:
    """One line for one measurement, in units that are easy to read."""
    factor = 1.0
    if question.startswith("seconds"):
        question, factor = f"milli{question}", 1e3
    told = ", ".join(f"{name} {number * factor:.3g}" for name, number in numbers.items())
    return f"{question}: {told}"


def _model(context: Context) -> Finding:
    from studio.models.bundle import open_bundle
    from studio.models.shelf.shelf import ModelShelf

    shelf = ModelShelf(context.models_dir)
    bundle = open_bundle(shelf.resolve(context.settings.model), digest=shelf.digest)
    return Finding(
        name="model", state="ok", text=f"{bundle.name} {bundle.fingerprint} in {bundle.folder}"
    )


def _folders(context: Context) -> Finding:
    paths = context.paths
    text = f"library {paths.data_dir}, exports {paths.exports_dir}, log {paths.log_file}"
    return Finding(name="folders", state="ok", text=f"{text}, settings {paths.settings_file}")


def _library(context: Context) -> Finding:
    from studio.workstation.workstation import Workstation

    with Workstation(context.paths, context.settings) as workstation:
        report = workstation.check_library()
    if report.problems:
        text = f"{len(report.problems)} problems, the first: {report.problems[0]}"
        return Finding(name="library", state="fault", text=text)
    return Finding(name="library", state="ok", text=f"{report.samples} samples, no problems")


def _sound_card(context: Context) -> Finding:
    from studio.playback.player import Player

    player = Player(context.settings.output_device or None)
    try:
        player.prepare(_TRIAL_RATE)
        return Finding(name="sound card", state="ok", text=str(player.device_name))
    finally:
        player.close()
