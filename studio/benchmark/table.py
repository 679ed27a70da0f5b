"""The report as text for people.

Owns its layout. It measures nothing and prints nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from studio.benchmark.result import Report
from studio.benchmark.rounds import Spread

_NOTHING = "-"


def report_lines(report: Report) -> Iterator[str]:
    """The lines of the whole report."""
    yield from _heading(report)
    for title, header, rows in (
        ("Decoder", _DECODER, _decoder_rows(report)),
        ("Beside float32, on the model's own music", _FIDELITY, _fidelity_rows(report)),
        ("Codec", _CODEC, _codec_rows(report)),
        ("Whole takes, engine warm", _TAKES, _take_rows(report)),
        ("Fresh process", _PROCESS, _process_rows(report)),
    ):
        if rows:
            yield ""
            yield title
            yield from _table(header, rows)
    if report.left_out:
        yield ""
        yield "Left out"
        yield from (f"  {out.what}: {out.why}" for out in report.left_out)


_DECODER = (
    "contestant", "takes", "guided", "threads", "steps/s", "x real time", "x first batch",
    "of the limit", "x others",
)  # fmt: skip
_FIDELITY = ("contestant", "codes", "KL, nats a code", "same likeliest code")
_CODEC = ("contestant", "work", "x real time", "x others", "time / whole")
_TAKES = ("contestant", "takes", "first sound ms", "x real time")
_PROCESS = (
    "contestant", "cold start s", "start", "load", "first sound", "before MB", "loaded MB",
    "peak MB", "unloaded MB",
)  # fmt: skip


def _heading(report: Report) -> Iterator[str]:
    machine = report.machine
    packages = ", ".join(f"{name} {version}" for name, version in machine.packages.items())
    load = "" if machine.load_average is None else f", load {machine.load_average:.2f} before"
    yield (
        f"{report.model}: {report.parameters / 1e6:.0f} million parameters; "
        f"{report.seconds:g} s of sound a turn, {report.rounds} rounds, median (lowest-highest)"
    )
    yield (
        f"{machine.processor}, {machine.cores} cores, {machine.threads} threads,"
        f" {machine.instructions}{load}"
    )
    if machine.accelerator is not None:
        yield f"computed by {machine.accelerator}"
    yield f"{machine.system}, Python {machine.python}, {packages}"
    for threads, speed in sorted(report.read_bytes_per_second.items()):
        whose = f"{threads} thread{'s' if threads > 1 else ''}"
        if machine.accelerator is not None:
            whose = machine.accelerator
        yield f"memory read by {whose}: {_spread(speed, 1e-9, 1)} GB/s"
    for warning in report.warnings:
        yield f"warning: {warning}"


def _decoder_rows(report: Report) -> list[list[str]]:
    return [
        [
            figure.contestant,
            str(figure.batch),
            "yes" if figure.guided else "no",
            str(figure.threads),
            _spread(figure.steps_per_second, 1, 1),
            _spread(figure.times_real_time, 1, 2),
            _NOTHING if figure.gain is None else _spread(figure.gain, 1, 2),
            _NOTHING if figure.limit_share is None else _spread(figure.limit_share, 1, 2),
            _ratios(figure.ratios),
        ]
        for figure in report.decoder
    ]


def _fidelity_rows(report: Report) -> list[list[str]]:
    return [
        [
            figure.contestant,
            str(figure.codes),
            f"{figure.nats:.2g}",
            f"{figure.equal_share:.2%}",
        ]
        for figure in report.fidelity
    ]


def _codec_rows(report: Report) -> list[list[str]]:
    return [
        [
            figure.contestant,
            figure.work,
            _spread(figure.times_real_time, 1, 1),
            _ratios(figure.ratios),
            _NOTHING if figure.whole_cost is None else _spread(figure.whole_cost, 1, 2),
        ]
        for figure in report.codec
    ]


def _take_rows(report: Report) -> list[list[str]]:
    return [
        [
            figure.contestant,
            str(figure.batch),
            _spread(figure.first_sound_seconds, 1e3, 0),
            _spread(figure.times_real_time, 1, 2),
        ]
        for figure in report.takes
    ]


def _process_rows(report: Report) -> list[list[str]]:
    return [
        [
            figure.contestant,
            _spread(figure.cold_start_seconds, 1, 2),
            f"{figure.start_seconds.median:.2f}",
            f"{figure.load_seconds.median:.2f}",
            f"{figure.first_sound_seconds.median:.2f}",
            *(
                _NOTHING if size is None else f"{size / 1e6:.0f}"
                for size in (
                    figure.before_bytes,
                    figure.loaded_bytes,
                    figure.peak_bytes,
                    figure.unloaded_bytes,
                )
            ),
        ]
        for figure in report.processes
    ]


def _ratios(ratios: Mapping[str, Spread]) -> str:
    if not ratios:
        return _NOTHING
    return ", ".join(f"{_spread(ratio, 1, 2)} {name}" for name, ratio in ratios.items())


def _spread(spread: Spread, factor: float, digits: int) -> str:
    middle, low, high = (
        f"{value * factor:.{digits}f}" for value in (spread.median, spread.low, spread.high)
    )
    return f"{middle} ({low}-{high})"


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    lines = [header, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    for line in lines:
        cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        yield "  " + "  ".join(cells).rstrip()
