"""`studio train`: a model of one's own from a folder of sounds.

Owns the flags and the telling of what happens. `training.workshop` trains; it is imported only
when the verb is used, because it imports torch.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studio.cli.context import Context, print_json, say
from studio.cli.interrupts import Interrupts
from studio.core.errors import InputError
from studio.models.bundle import CONFIG
from studio.models.catalog import HOUSE, find_known
from studio.models.shelf.shelf import ModelShelf

if TYPE_CHECKING:
    from studio.training.workshop.events import Event, Listener
    from studio.training.workshop.session import WorkshopSession
    from studio.training.workshop.settings import TrainingSettings

_NICENESS = 10
_CLEAR = "\r\x1b[K"
_SIZES_SECONDS = 4.0


def add_parser(verbs: Any) -> None:
    """Add the verb to the command line."""
    parser = verbs.add_parser(
        "train",
        help="train a model of your own on a folder of sounds",
        description="Hear a folder, turn its sounds into codes, train a model on them and write it "
        "as a bundle. The same command goes on where it was stopped.",
        fill=_declare_flags,
    )
    parser.set_defaults(run=run)


def _declare_flags(parser: argparse.ArgumentParser) -> None:
    from studio.training.workshop.sizes import SIZES

    parser.add_argument("folder", nargs="?", type=Path, metavar="FOLDER", help="the sounds")
    parser.add_argument("--out", type=Path, metavar="BUNDLE", help="folder of the finished model")
    parser.add_argument(
        "--size", choices=tuple(SIZES), default="micro", help="how large the model is (micro)"
    )
    parser.add_argument(
        "--conditioners",
        choices=("auto", "none", "text"),
        default="auto",
        help="whether it listens to words; auto does where most sounds have some",
    )
    length = parser.add_mutually_exclusive_group()
    length.add_argument(
        "--minutes", type=float, default=15.0, metavar="N", help="how long to train (15)"
    )
    length.add_argument("--steps", type=int, metavar="N", help="how many steps to train instead")
    parser.add_argument(
        "--codec", default=HOUSE, metavar="NAME", help="model or folder whose codec to use (house)"
    )
    parser.add_argument(
        "--tune-codec",
        type=float,
        default=0.0,
        metavar="MINUTES",
        help="first fit a copy of the codec to the folder",
    )
    parser.add_argument(
        "--context", type=float, default=5.0, metavar="S", help="seconds of a segment (5)"
    )
    parser.add_argument(
        "--short-sounds",
        choices=("auto", "tile", "pad"),
        default="auto",
        help="repeat sounds shorter than a segment, or let silence follow",
    )
    parser.add_argument(
        "--variants", type=int, default=0, metavar="N", help="cuts of each sound; 0 as needed"
    )
    parser.add_argument("--batch", type=int, default=8, metavar="N", help="segments a step (8)")
    parser.add_argument("--learning-rate", type=float, metavar="R", help="highest of the schedule")
    parser.add_argument(
        "--held-out", type=float, default=0.1, metavar="P", help="share never trained on (0.1)"
    )
    parser.add_argument(
        "--measure-every", type=int, default=100, metavar="N", help="steps between measures (100)"
    )
    parser.add_argument(
        "--preview-every", type=int, default=500, metavar="N", help="steps between previews (500)"
    )
    parser.add_argument(
        "--patience",
        type=int,
        default=10,
        metavar="N",
        help="stop after N measures without a better one, 0 never (10)",
    )
    adapter = parser.add_argument_group("an adapter instead of a model")
    adapter.add_argument(
        "--adapter", action="store_true", help="train a small file that changes --base; see --rank"
    )
    adapter.add_argument(
        "--base", metavar="MODEL", help=f"name or folder of the model it is for ({HOUSE})"
    )
    adapter.add_argument("--rank", type=int, metavar="N", help="how much it can learn (8)")
    adapter.add_argument("--alpha", type=float, metavar="A", help="its scale is this over the rank")
    adapter.add_argument(
        "--layers", metavar="L[,L]", help="of q, k, v, out, fc1, fc2, heads what it changes (q,v)"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of weights and order")
    parser.add_argument(
        "--device", choices=("auto", "cpu", "cuda"), default="auto", help="where to compute"
    )
    parser.add_argument(
        "--precision",
        choices=("auto", "float32", "bfloat16"),
        default="auto",
        help="number format of large products; auto measures",
    )
    parser.add_argument("--checkpointing", action="store_true", help="less memory, a third slower")
    parser.add_argument(
        "--memory", type=float, default=8.0, metavar="GB", help="what it may take (8)"
    )
    parser.add_argument("--threads", type=int, metavar="N", help="of the processor")
    parser.add_argument(
        "--work", type=Path, metavar="DIR", help="folder of codes, checkpoints and previews"
    )
    parser.add_argument("--fresh", action="store_true", help="forget an earlier run in that folder")
    parser.add_argument("--plan", action="store_true", help="say what would happen, and end")
    parser.add_argument("--sizes", action="store_true", help="measure every size here, and end")
    parser.add_argument(
        "--with-small", action="store_true", help="with --sizes, measure MusicGen-small's shape too"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object per event on stdout")


def run(arguments: argparse.Namespace, context: Context) -> int:
    """Do it.

    Raises:
        StudioError: See `WorkshopSession`.
    """
    shelf = ModelShelf(context.models_dir)
    _check_adapter_flags(arguments)
    codec = _codec_folder(arguments.codec, shelf)
    if arguments.sizes:
        return _tell_sizes(arguments, codec)
    if arguments.folder is None or arguments.out is None:
        raise InputError("Give a folder of sounds and --out, the folder of the finished model.")
    session = _session(arguments, shelf, _settings(arguments, codec))
    leads = os.environ.get("RANK", "0") == "0"
    if arguments.plan:
        plan = session.plan()
        if arguments.json:
            print_json({"event": "Planned", **_plain_plan(plan)})
        else:
            print("\n".join(plan.lines()))
        return 0
    if hasattr(os, "nice"):
        with contextlib.suppress(OSError):
            os.nice(_NICENESS)
    tell: Listener = _tell_json if arguments.json else _Teller()
    with Interrupts() as interrupts:
        interrupts.hold()
        finished = session.run(tell, cancelled=interrupts.asked)
    if leads and not arguments.json:
        print(finished.bundle)
    return 0


def _codec_folder(name: str, shelf: ModelShelf) -> Path:
    """The folder of a model whose codec is wanted, or of a codec alone."""
    known = find_known(name)
    if known is not None and known.kind == "part":
        return shelf.find_part(name)
    folder = Path(name).expanduser()
    if known is None and (folder / CONFIG).is_file():
        return folder
    return shelf.resolve(name)


def _check_adapter_flags(arguments: argparse.Namespace) -> None:
    """Refuse flags of one kind of training with the other.

    Raises:
        InputError: There are some.
    """
    given = vars(arguments)
    if not arguments.adapter:
        for flag in ("base", "rank", "alpha", "layers"):
            if given[flag] is not None:
                raise InputError(f"--{flag} is for an adapter; add --adapter, or leave it out.")
    elif arguments.codec != HOUSE:
        raise InputError("An adapter keeps its base's codec; leave --codec out.")


def _session(
    arguments: argparse.Namespace, shelf: ModelShelf, settings: TrainingSettings
) -> WorkshopSession:
    """The run that the flags ask for.

    Raises:
        ModelError: The base is unknown or broken.
        TrainingError: It cannot be trained so.
    """
    if not arguments.adapter:
        from studio.training.workshop.session import WorkshopSession

        return WorkshopSession(settings, fresh=arguments.fresh)
    from studio.generation.loading import lasting_name
    from studio.models.bundle import open_bundle
    from studio.training.lora import AdapterRecipe
    from studio.training.workshop.adapter_session import AdapterSession

    name = arguments.base or HOUSE
    rank = 8 if arguments.rank is None else arguments.rank
    recipe = AdapterRecipe(
        rank=rank,
        alpha=2.0 * rank if arguments.alpha is None else arguments.alpha,
        targets=tuple((arguments.layers or "q,v").split(",")),
    )
    return AdapterSession(
        settings,
        open_bundle(shelf.resolve(name), digest=shelf.digest),
        recipe,
        base_name=lasting_name(name),
        fresh=arguments.fresh,
    )


def _settings(arguments: argparse.Namespace, codec: Path) -> TrainingSettings:
    from studio.training.workshop.settings import TrainingSettings

    return TrainingSettings(
        folder=arguments.folder,
        out=arguments.out,
        codec=codec,
        work=arguments.work,
        size=arguments.size,
        conditioners=arguments.conditioners,
        tune_codec_minutes=arguments.tune_codec,
        context_seconds=arguments.context,
        short_sounds=arguments.short_sounds,
        variants=arguments.variants,
        minutes=arguments.minutes,
        steps=arguments.steps,
        batch=arguments.batch,
        learning_rate=arguments.learning_rate,
        held_out_share=arguments.held_out,
        measure_every=arguments.measure_every,
        preview_every=arguments.preview_every,
        patience=arguments.patience,
        seed=arguments.seed,
        device=arguments.device,
        precision=arguments.precision,
        checkpointing=arguments.checkpointing,
        memory_gigabytes=arguments.memory,
        threads=arguments.threads,
    )


class _Teller:
    """Says what a person wants to know on stderr; on a terminal with a line that is redrawn."""

    def __init__(self) -> None:
        self._redraws = sys.stderr.isatty()

    def __call__(self, event: Event) -> None:
        from studio.training.workshop.telling import lines_of, short_line

        line = short_line(event)
        if line is not None:
            if self._redraws:
                print(f"{_CLEAR}{line}", end="", file=sys.stderr, flush=True)
            return
        if self._redraws:
            print(_CLEAR, end="", file=sys.stderr, flush=True)
        for text in lines_of(event):
            say(text)


def _tell_json(event: Event) -> None:
    from studio.training.workshop.events import Planned

    values = _plain_plan(event.plan) if isinstance(event, Planned) else _plain(event)
    print_json({"event": type(event).__name__, **values})


def _plain_plan(plan: Any) -> dict[str, Any]:
    """A plan without what is heard of each file; `scan.json` in the work folder has that."""
    values = {
        name: getattr(plan, name)
        for name in plan.__dataclass_fields__
        if name not in ("survey", "captions")
    }
    heard = plan.survey
    return {
        **values,
        "seconds": plan.seconds,
        "sounds": len(heard.sounds),
        "sound_seconds": heard.seconds,
        "skipped": [[skip.path, skip.reason] for skip in heard.skipped],
        "repeats": len(heard.repeats),
        "near_repeats": heard.near_repeats,
        "clipped": len(heard.clipped),
        "other_files": heard.other_files,
    }


def _plain(event: Event) -> dict[str, Any]:
    return {k: str(v) if isinstance(v, Path) else v for k, v in asdict(event).items()}


def _tell_sizes(arguments: argparse.Namespace, codec_folder: Path) -> int:
    from studio.training.workshop.codec_source import load_codec
    from studio.training.workshop.sizes import SIZES
    from studio.training.workshop.speed_table import (
        heading,
        known_small,
        measure_size,
        measured_small,
        row,
    )

    settings = _settings(
        argparse.Namespace(**{**vars(arguments), "folder": Path(), "out": Path("sizes")}),
        codec_folder,
    )
    codec = load_codec(codec_folder)
    if not arguments.json:
        print(heading())
    for name in SIZES:
        figures = measure_size(name, codec, settings, seconds=_SIZES_SECONDS)
        if arguments.json:
            print_json(asdict(figures))
        else:
            print(row(figures), flush=True)
    small = known_small()
    if arguments.with_small:
        from studio.benchmark.published import PUBLISHED
        from studio.benchmark.random_bundle import random_bundle

        with random_bundle("small", PUBLISHED["small"], say) as bundle:
            small = measured_small(bundle, seconds=_SIZES_SECONDS)
    if arguments.json:
        print_json(asdict(small))
    else:
        print(row(small))
    return 0
