"""`studio generate`: make takes, put them into the library and into files.

Owns the verb's flags and its progress bar. The engine runs in this process, so that nothing
outlives it.
"""

from __future__ import annotations

import argparse
import secrets
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studio.cli.context import Context, print_json
from studio.cli.outputs import check_output, numbered_path, write_new
from studio.core.errors import InputError, StudioError
from studio.generation.request import Chunk, GenerationRequest, Take

if TYPE_CHECKING:
    from studio.library.records import SampleRecord
    from studio.workstation.workstation import Workstation

HIGHEST_FREE_SEED = 2**31
_BAR_CHARACTERS = 30


def add_parser(verbs: Any) -> None:
    """Add the verb to the command line."""
    parser = verbs.add_parser(
        "generate",
        help="make takes from a prompt",
        description="Make takes from a prompt. They go into the library, and into a WAV file "
        "where one is named.",
    )
    add_common_flags(parser)
    parser.add_argument("--bpm", type=float, metavar="N", help="tempo, 60 to 200")
    parser.add_argument("--bars", type=int, metavar="N", help="length of the loop in bars, 1 to 64")
    parser.add_argument("--key", metavar="KEY", help="key such as Am, F#m or C")
    parser.add_argument("--duration", type=float, metavar="S", help="length in seconds, no loop")
    parser.add_argument("--seed", type=int, metavar="N", help="the same seed gives the same take")
    parser.add_argument(
        "--count", type=int, default=1, metavar="N", help="takes of the seeds S, S+1, ..."
    )
    parser.add_argument("--top-k", type=int, metavar="K", help="draw from the K likeliest codes")
    parser.add_argument("--top-p", type=float, metavar="P", help="draw from this probability mass")
    parser.add_argument("--temperature", type=float, metavar="T", help="above 1 is wilder")
    parser.add_argument("--guidance", type=float, metavar="G", help="weight of the prompt")
    parser.add_argument("--no-library", action="store_true", help="write the file only")
    parser.add_argument("--play", action="store_true", help="play each take when it is finished")
    parser.add_argument("--json", action="store_true", help="one JSON object per take on stdout")
    parser.set_defaults(run=run)


def add_common_flags(parser: argparse.ArgumentParser) -> None:
    """The flags that `musicgen-cli` has as well."""
    parser.add_argument("--prompt", required=True, metavar="TEXT", help="what it shall sound like")
    parser.add_argument("--model", default="house", metavar="NAME", help="name or bundle folder")
    parser.add_argument("--max-steps", type=int, metavar="N", help="length in codec frames")
    target = parser.add_mutually_exclusive_group()
    target.add_argument("--output", type=Path, metavar="F", help="WAV file to write")
    target.add_argument(
        "--output-dir", type=Path, metavar="D", help="folder for numbered WAV files"
    )
    parser.add_argument(
        "--prefix", default="take", metavar="P", help="start of the numbered names (take)"
    )


def run(arguments: argparse.Namespace, context: Context) -> int:
    """Do it.

    Raises:
        StudioError: See `Engine.generate`, and `StorageError` for the file.
    """
    requests = _requests(arguments)
    _check_target(arguments, len(requests))
    if arguments.no_library:
        _make_all(requests, arguments, context, None)
        return 0
    from studio.workstation.workstation import Workstation

    with Workstation(context.paths, context.settings) as workstation:
        _make_all(requests, arguments, context, workstation)
    return 0


def _requests(arguments: argparse.Namespace) -> list[GenerationRequest]:
    seed = secrets.randbelow(HIGHEST_FREE_SEED) if arguments.seed is None else arguments.seed
    return GenerationRequest(
        prompt=arguments.prompt,
        model=arguments.model,
        seed=seed,
        tempo_bpm=arguments.bpm,
        bars=arguments.bars,
        key=arguments.key,
        duration_seconds=arguments.duration,
        max_steps=arguments.max_steps,
        top_k=arguments.top_k,
        top_p=arguments.top_p,
        temperature=arguments.temperature,
        guidance=arguments.guidance,
    ).seeds(arguments.count)


def _check_target(arguments: argparse.Namespace, count: int) -> None:
    if arguments.output is not None:
        if count > 1:
            raise InputError(
                f"--output names one file, not {count}; use --output-dir and --prefix instead."
            )
        check_output(arguments.output)
    elif arguments.output_dir is not None:
        numbered_path(arguments.output_dir, arguments.prefix, 1)
    elif arguments.no_library and not arguments.play:
        raise InputError("Nothing would be kept; add --output, --output-dir or --play.")


def _make_all(
    requests: list[GenerationRequest],
    arguments: argparse.Namespace,
    context: Context,
    workstation: Workstation | None,
) -> None:
    from studio.generation.engine import Engine
    from studio.generation.engine_child import limit_threads

    limit_threads()
    engine = Engine()
    for number, request in enumerate(requests, start=1):
        title = f"take {number}/{len(requests)} " if len(requests) > 1 else ""
        with ProgressBar(title + f"seed {request.seed}") as bar:
            take = engine.generate(request, bar.show)
        path, record = _keep(take, arguments, workstation)
        if arguments.json:
            print_json(facts(take, path, record))
        elif path is not None:
            print(path, flush=True)
        if arguments.play:
            _play(take, context)


def _keep(
    take: Take, arguments: argparse.Namespace, workstation: Workstation | None
) -> tuple[Path | None, SampleRecord | None]:
    """Write the file, then store the take; a fault of one does not cost the other."""
    if workstation is None:
        return _write(take, arguments), None
    path, fault = None, None
    try:
        path = _write(take, arguments)
    except StudioError as error:
        fault = error
    try:
        record = workstation.save_take(take).result()
    except StudioError as error:
        if path is None:
            raise
        raise type(error)(f"{error.user_message} The file {path} was written.") from error
    if fault is not None:
        raise type(fault)(f"{fault.user_message} The library has it as {record.id}.") from fault
    return path or workstation.path(record), record


def _write(take: Take, arguments: argparse.Namespace) -> Path | None:
    if arguments.output is not None:
        take.clip.save(arguments.output)
        return Path(arguments.output)
    if arguments.output_dir is not None:
        return write_new(arguments.output_dir, arguments.prefix, take.clip)
    return None


def facts(take: Take, path: Path | None, record: SampleRecord | None) -> dict[str, Any]:
    """What `--json` says about a take."""
    request = take.request
    return {
        "path": None if path is None else str(path.absolute()),
        "id": None if record is None else record.id,
        "seed": request.seed,
        "model": request.model,
        "model_hash": take.model_hash,
        "prompt": request.prompt,
        "bpm": take.tempo_bpm,
        "key": take.key,
        "bars": take.bars,
        "frames": take.clip.frames,
        "sample_rate": take.clip.sample_rate,
        "channels": take.clip.channels,
        "seconds": round(take.clip.duration_seconds, 6),
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


class ProgressBar:
    """One line on stderr while a take is made; nothing when stderr is no terminal."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._visible = sys.stderr.isatty()

    def __enter__(self) -> ProgressBar:
        self._draw(0.0, "loading")
        return self

    def __exit__(self, *error: object) -> None:
        if self._visible:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)

    def show(self, chunk: Chunk) -> None:
        """Draw how far the take is."""
        part = chunk.done_steps / chunk.total_steps
        self._draw(part, f"{part:4.0%}")

    def _draw(self, part: float, text: str) -> None:
        if self._visible:
            full = round(part * _BAR_CHARACTERS)
            line = "#" * full + "." * (_BAR_CHARACTERS - full)
            print(f"\r\x1b[K{self._title} [{line}] {text}", end="", file=sys.stderr, flush=True)
