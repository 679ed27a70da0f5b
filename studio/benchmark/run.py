"""One run of the benchmark, from what was asked to the report.

Owns the order of the parts and what is in memory meanwhile: fresh processes first, while this one
holds no model, then all contestants side by side.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from studio.benchmark.asking import usual_condition, usual_request
from studio.benchmark.bandwidth import ReadingSpeed
from studio.benchmark.codec_speed import measure_codec
from studio.benchmark.contestants import (
    PLAIN_MLX,
    Contestant,
    Rival,
    device_of,
    load_contestants,
    offered,
)
from studio.benchmark.decoding import Case, Work, measure_decoder
from studio.benchmark.fidelity import measure_fidelity
from studio.benchmark.fresh import FreshTake, measure_process
from studio.benchmark.machine import OtherWork, busy_warnings, read_machine
from studio.benchmark.reference import LIBRARY, Reference, load_references, require_library
from studio.benchmark.result import (
    CodecFigure,
    DecoderFigure,
    FidelityFigure,
    LeftOut,
    ProcessFigure,
    Report,
    TakeFigure,
)
from studio.benchmark.rounds import Spread
from studio.benchmark.takes import measure_takes
from studio.core.errors import StudioError
from studio.models.backend import Condition
from studio.models.bundle import Bundle, open_bundle
from studio.models.shapes import Shapes
from studio.models.shelf.shelf import ModelShelf
from studio.models.tokenizer import TextTokenizer

PARTS = ("decoder", "fidelity", "codec", "takes", "process")
RIVALS = (LIBRARY, PLAIN_MLX)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What shall be measured.

    Attributes:
        backend: What computes.
        precisions: Of our models; None takes all that are offered.
        batches: Takes at once.
        unguided: Whether the decoder is also measured without guidance.
        against: One of `RIVALS` to hold ours against; None for nobody.
        seconds: Length of the sound that each turn makes.
        rounds: Turns of each contestant.
        parts: Some of `PARTS`.
        random: Whether the weights are random, so that what is heard means nothing.
    """

    backend: str
    precisions: tuple[str, ...] | None
    batches: tuple[int, ...]
    unguided: bool
    against: str | None
    seconds: float
    rounds: int
    parts: tuple[str, ...] = PARTS
    random: bool = False


def run_benchmark(
    folder: Path, plan: Plan, models_dir: Path | None, tell: Callable[[str], None]
) -> Report:
    """Measure the model in `folder`.

    Args:
        folder: The bundle.
        plan: What.
        models_dir: Where the digests of large files are remembered; None for nowhere.
        tell: Given one line about what is being done.

    Raises:
        StudioError: The model cannot be loaded, or what it is held against is not installed.
    """
    if plan.against == LIBRARY:
        require_library()
    precisions, left_out = offered(plan.backend, plan.precisions)
    device = device_of(plan.backend)
    machine, others = read_machine(device), OtherWork()
    shelf = ModelShelf(models_dir)
    bundle = open_bundle(folder, digest=shelf.digest)
    shapes = Shapes.of(bundle)
    frames = max(1, round(plan.seconds * shapes.codec.frame_rate))
    frames = min(frames, shapes.window_frames(bundle))
    processes: list[ProcessFigure] = []
    if "process" in plan.parts:
        alone = [
            FreshTake(
                folder=folder,
                models_dir=models_dir,
                backend=plan.backend,
                precision=precision,
                frames=frames,
            )
            for precision in precisions
        ]
        processes, failed = _measure_processes(alone, plan, tell)
        left_out += failed
    ours, missing = load_contestants(folder, plan.backend, precisions, shelf, tell)
    left_out += missing
    references: list[Reference] = []
    rivals: list[Rival] = []
    if plan.against == LIBRARY:
        delay = max(shapes.decoder.delays)
        references, missing = load_references(
            folder, threads=machine.threads, delay=delay, device=device, tell=tell
        )
        rivals += references
        left_out += missing
    elif plan.against == PLAIN_MLX:
        rivals, missing = _plain_ports(folder, bundle, ours, machine.threads, tell)
        left_out += missing
    decoder: list[DecoderFigure] = []
    readings: dict[int, list[float]] = {}
    if "decoder" in plan.parts:
        decoder, readings = _measure_decoder(
            ours, rivals, bundle, shapes, frames, plan, ReadingSpeed(device), tell
        )
    fidelity: list[FidelityFigure] = []
    if "fidelity" in plan.parts:
        if plan.random:
            why = "random weights make no music; what rounding costs them means nothing"
            left_out.append(LeftOut(what="fidelity", why=why))
        else:
            fidelity, missing = measure_fidelity(
                folder, ours, frames=frames, shelf=shelf, tell=tell
            )
            left_out += missing
    codec: list[CodecFigure] = []
    if "codec" in plan.parts:
        # Ours is of this precision whatever the decoder's is.
        alike = [one for one in references if one.precision == "float32"]
        codec = measure_codec(ours[0], alike, frames=frames, rounds=plan.rounds, tell=tell)
        alike.clear()
    # Their memory is not needed any more.
    references.clear()
    rivals.clear()
    takes: list[TakeFigure] = []
    if "takes" in plan.parts:
        request = usual_request(folder, ours[0].model, frames)
        for batch in plan.batches:
            takes += measure_takes(ours, request, batch=batch, rounds=plan.rounds, tell=tell)
    share = others.share()
    return Report(
        machine=machine,
        model=bundle.name,
        parameters=ours[0].model.backend.info.parameters,
        seconds=frames / shapes.codec.frame_rate,
        rounds=plan.rounds,
        read_bytes_per_second={count: Spread.of(read) for count, read in readings.items()},
        decoder=tuple(decoder),
        fidelity=tuple(fidelity),
        codec=tuple(codec),
        takes=tuple(takes),
        processes=tuple(processes),
        left_out=tuple(left_out),
        others_share=share,
        warnings=tuple(busy_warnings(machine, share)),
    )


def _measure_processes(
    takes: Sequence[FreshTake], plan: Plan, tell: Callable[[str], None]
) -> tuple[list[ProcessFigure], list[LeftOut]]:
    figures, failed = [], []
    for take in takes:
        name = f"{take.backend} {take.precision}"
        tell(f"fresh process: {name}")
        try:
            figures.append(measure_process(name, take, plan.rounds))
        except StudioError as error:
            failed.append(LeftOut(what=f"fresh process, {name}", why=error.user_message))
    return figures, failed


def _plain_ports(
    folder: Path,
    bundle: Bundle,
    ours: Sequence[Contestant],
    threads: int,
    tell: Callable[[str], None],
) -> tuple[list[Rival], list[LeftOut]]:
    """A plain port to mlx in each precision that our own mlx backend is measured in."""
    alike = [one for one in ours if one.backend == "mlx"]
    if not alike:
        return [], [LeftOut(what=PLAIN_MLX, why="it is held against --backend mlx only")]
    if not bundle.has_text or bundle.has_melody:
        return [], [LeftOut(what=PLAIN_MLX, why="it knows only models that attend to a text")]
    from studio.benchmark.plain_mlx import PlainMlxPort

    ports: list[Rival] = []
    for one in alike:
        tell(f"loading {PLAIN_MLX} {one.precision}")
        ports.append(PlainMlxPort(folder, one.precision, threads=threads))
    return ports, []


def _measure_decoder(
    ours: Sequence[Contestant],
    rivals: Sequence[Rival],
    bundle: Bundle,
    shapes: Shapes,
    frames: int,
    plan: Plan,
    reading: ReadingSpeed,
    tell: Callable[[str], None],
) -> tuple[list[DecoderFigure], dict[int, list[float]]]:
    condition = usual_condition(bundle.folder, ours[0].model, frames)
    text_tokens = _text_tokens(bundle, shapes, condition)
    work = Work(
        condition=condition,
        config=shapes.decoder,
        frames=frames,
        rounds=plan.rounds,
        text_tokens=text_tokens if shapes.decoder.cross_attention else 0,
        prefix_steps=0 if shapes.melody is None else shapes.melody.frames + text_tokens,
    )
    cases = [
        Case(batch=batch, guided=guided)
        for guided in ((True, False) if plan.unguided else (True,))
        for batch in plan.batches
    ]
    return measure_decoder(ours, rivals, cases, work, reading=reading, tell=tell)


def _text_tokens(bundle: Bundle, shapes: Shapes, condition: Condition) -> int:
    if not condition.text or bundle.tokenizer_file is None or shapes.text is None:
        return 0
    tokenizer = TextTokenizer(bundle.tokenizer_file, vocabulary=shapes.text.vocabulary)
    ids, _ = tokenizer.encode([condition.text])
    return int(ids.shape[1])
