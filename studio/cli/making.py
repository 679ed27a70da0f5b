"""Making takes and keeping them: what `generate`, `extend` and `regenerate` share.

Owns the run of the engine in this process, so that nothing outlives it, and what happens to each
finished take: file, library, a line on stdout, the speakers. The verbs own what is asked for.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studio.cli.context import Context, print_json
from studio.cli.interrupts import Interrupts
from studio.cli.outputs import Target, Written, add_output_flags
from studio.cli.progress import ProgressBar
from studio.core.errors import CancelledError, InputError, StudioError
from studio.generation.request import Chunk, GenerationRequest, Take

if TYPE_CHECKING:
    from studio.generation.coded_take import CodedTake
    from studio.generation.engine import Engine
    from studio.library.records import SampleRecord
    from studio.workstation.workstation import Workstation

DEFAULT_BATCH = 8
# The engine gives all takes of a call back at its end; this many stay in memory at most.
_TAKES_A_CALL = 64


def add_making_flags(parser: argparse.ArgumentParser) -> None:
    """The flags of every verb that makes takes."""
    parser.add_argument("--seed", type=int, metavar="N", help="the same seed gives the same take")
    parser.add_argument(
        "--count", type=int, default=1, metavar="N", help="takes of the seeds S, S+1, ..."
    )
    parser.add_argument(
        "--batch",
        type=int,
        default=DEFAULT_BATCH,
        metavar="N",
        help=f"takes that are made at once, at most ({DEFAULT_BATCH})",
    )
    add_keeping_flags(parser)


def add_keeping_flags(parser: argparse.ArgumentParser) -> None:
    """The flags that say what becomes of finished takes."""
    add_output_flags(parser)
    parser.add_argument("--no-library", action="store_true", help="write the file only")
    parser.add_argument("--play", action="store_true", help="play each take when it is finished")
    parser.add_argument("--json", action="store_true", help="one JSON object per take on stdout")


@contextmanager
def opened_library(context: Context, *, wanted: bool) -> Iterator[Workstation | None]:
    """The library, or None where it is not wanted: nothing is made on the disk then.

    Raises:
        StudioError: As `Workstation`.
    """
    if not wanted:
        yield None
        return
    from studio.workstation.workstation import Workstation

    with Workstation(context.paths, context.settings) as workstation:
        yield workstation


def open_engine(context: Context, on_notice: Callable[[str], None]) -> Engine:
    """An engine in this process, for the catalogue's models and those that were added."""
    from studio.generation.engine import Engine
    from studio.generation.engine_child import limit_threads
    from studio.generation.loading import load_model
    from studio.models.shelf.shelf import ModelShelf

    limit_threads()
    return Engine(partial(load_model, shelf=ModelShelf(context.models_dir, on_notice=on_notice)))


def check_target(arguments: argparse.Namespace, takes: int) -> None:
    """Find out before rendering whether what is made can be kept.

    Raises:
        InputError: The flags do not fit each other, or the number of takes.
        StorageError: A file cannot be written.
    """
    if arguments.batch < 1:
        raise InputError(f"--batch must be 1 or more, not {arguments.batch}.")
    check_keeping(arguments, takes)


def check_keeping(arguments: argparse.Namespace, takes: int) -> None:
    """The same for the flags of `add_keeping_flags` alone.

    Raises:
        StudioError: As `check_target`.
    """
    target = Target.of(arguments)
    if not target.named and arguments.no_library and not arguments.play:
        raise InputError("Nothing would be kept; add --output, --output-dir or --play.")
    target.check(takes)


def make_all(
    requests: Sequence[GenerationRequest],
    arguments: argparse.Namespace,
    context: Context,
    workstation: Workstation | None,
) -> None:
    """Make takes; each is written and stored as soon as it is finished.

    Args:
        requests: What to make.
        arguments: Those of `add_making_flags`, which `check_target` has seen.
        context: The run.
        workstation: Its library, None to keep takes out of it.

    Raises:
        StudioError: See `Engine.generate_many`, and what cannot be kept.
        KeyboardInterrupt: Ctrl+C; finished takes are kept.
    """
    with (
        Interrupts() as interrupts,
        ProgressBar(len(requests), f"seed {requests[0].seed}") as bar,
    ):
        engine = open_engine(context, bar.say)
        for first in range(0, len(requests), _TAKES_A_CALL):
            run = _Run(first, arguments, context, workstation, bar, interrupts)
            try:
                engine.generate_many(
                    requests[first : first + _TAKES_A_CALL],
                    batch=arguments.batch,
                    on_chunk=run.show,
                    on_take=run.keep,
                    cancelled=interrupts.asked,
                )
            except CancelledError as error:
                raise KeyboardInterrupt from error


def sound_all(
    coded: Sequence[CodedTake],
    arguments: argparse.Namespace,
    context: Context,
    workstation: Workstation | None,
) -> None:
    """Sound takes that were made before; each is written and stored as soon as it is finished.

    Args:
        coded: The takes.
        arguments: Those of `add_keeping_flags`, which `check_keeping` has seen.
        context: The run.
        workstation: Its library, None to keep takes out of it.

    Raises:
        StudioError: See `Engine.resound`, and what cannot be kept.
        KeyboardInterrupt: Ctrl+C; finished takes are kept.
    """
    with (
        Interrupts() as interrupts,
        ProgressBar(len(coded), f"seed {coded[0].request.seed}") as bar,
    ):
        engine = open_engine(context, bar.say)
        run = _Run(0, arguments, context, workstation, bar, interrupts)
        for place, each in enumerate(coded):
            try:
                take = engine.resound(each, partial(run.show, place), interrupts.asked)
            except CancelledError as error:
                raise KeyboardInterrupt from error
            run.keep(place, take)


class _Run:
    """Takes on their way out of the engine.

    A batch's takes are finished together, so all of them are kept before anything else happens:
    Ctrl+C, a fault of one of them, or playing.
    """

    def __init__(
        self,
        first: int,
        arguments: argparse.Namespace,
        context: Context,
        workstation: Workstation | None,
        bar: ProgressBar,
        interrupts: Interrupts,
    ) -> None:
        self._first = first
        self._arguments = arguments
        self._target = Target.of(arguments)
        self._context = context
        self._workstation = workstation
        self._bar = bar
        self._interrupts = interrupts
        self._begun: set[int] = set()
        self._kept = 0
        self._fault: Exception | None = None
        self._finished: list[Take] = []

    def show(self, place: int, chunk: Chunk) -> None:
        """A take has grown."""
        self._interrupts.hold()
        self._begun.add(place)
        self._bar.show(self._first + place, chunk)

    def keep(self, place: int, take: Take) -> None:
        """A take is finished."""
        self._kept += 1
        self._finished.append(take)
        self._bar.clear()
        try:
            written, record = self._store(take)
            self._tell(take, written, record)
        except (StudioError, BrokenPipeError) as error:
            self._fault = self._fault or error
        if self._kept >= len(self._begun):
            self._end_batch()

    def _end_batch(self) -> None:
        if self._fault is not None:
            raise self._fault
        self._interrupts.release()
        finished, self._finished = self._finished, []
        if self._arguments.play:
            for take in finished:
                _play(take, self._context)

    def _store(self, take: Take) -> tuple[Written | None, SampleRecord | None]:
        """Write the files, then store the take; a fault of one does not cost the other."""
        beside = take_facts(take.request, take.model_hash, take.clip.duration_seconds)
        if self._workstation is None:
            return self._target.write(take, beside), None
        written, fault = None, None
        try:
            written = self._target.write(take, beside)
        except StudioError as error:
            fault = error
        try:
            record = self._workstation.save_take(take).result()
        except StudioError as error:
            if written is None:
                raise
            raise type(error)(
                f"{error.user_message} The file {written.path} was written."
            ) from error
        if fault is not None:
            raise type(fault)(f"{fault.user_message} The library has it as {record.id}.") from fault
        return written, record

    def _tell(self, take: Take, written: Written | None, record: SampleRecord | None) -> None:
        path = None if written is None else written.path
        if path is None and record is not None and self._workstation is not None:
            path = self._workstation.path(record)
        if self._arguments.json:
            print_json(facts(take, path, written, record))
        elif path is not None:
            print(path, flush=True)


def take_facts(
    request: GenerationRequest, model_hash: str, length_seconds: float
) -> dict[str, str]:
    """What is stored beside a take's codes, so that a take can go on from the file."""
    return {
        "model": request.model,
        "model_hash": model_hash,
        "recipe": request.to_json(),
        "seconds": repr(length_seconds),
    }


def facts(
    take: Take, path: Path | None, written: Written | None, record: SampleRecord | None
) -> dict[str, Any]:
    """What `--json` says about a take; the sound's figures are those of the file at `path`."""
    request = take.request
    clip = take.clip if written is None else written.clip
    codes = None if written is None else written.codes
    return {
        "path": None if path is None else str(path.absolute()),
        "codes": None if codes is None else str(codes.absolute()),
        "id": None if record is None else record.id,
        "seed": request.seed,
        "model": request.model,
        "model_hash": take.model_hash,
        "prompt": request.prompt,
        "negative": request.negative,
        "precision": request.precision,
        "adapters": [list(use) for use in request.adapters],
        "bpm": take.tempo_bpm,
        "key": take.key,
        "bars": take.bars,
        "frames": clip.frames,
        "sample_rate": clip.sample_rate,
        "channels": clip.channels,
        "seconds": round(clip.duration_seconds, 6),
        "from_seconds": request.from_seconds,
        "to_seconds": request.to_seconds,
        "seconds_taken": round(take.seconds_taken, 3),
    }


def _play(take: Take, context: Context) -> None:
    from studio.playback.player import Player

    settings = context.settings
    player = Player(settings.output_device or None)
    try:
        player.set_volume_db(settings.volume_db)
        player.play(take.clip, loop=False)
        while player.playing:
            time.sleep(0.05)
        if player.error is not None:
            raise player.error
    finally:
        player.close()
