"""Events in words, the same for every face that has a line of text.

Owns the wording only.
"""

from __future__ import annotations

from studio.training.workshop.events import (
    BaselineMeasured,
    CheckpointSaved,
    CodecTuned,
    Event,
    Finished,
    HeldOutMeasured,
    Notice,
    Paused,
    Planned,
    PreviewMade,
    Progress,
    Resumed,
    StepDone,
)
from studio.training.workshop.plan import spoken_duration

_STAGES = {
    "scan": "hearing the folder",
    "codec": "fitting the codec",
    "tokens": "sounds as codes",
    "training": "training",
}


def short_line(event: Event) -> str | None:
    """What a line that is drawn again and again shows of an event; None for one worth keeping."""
    if isinstance(event, Progress):
        return f"{_STAGES[event.stage]} {event.done} of {event.total}"
    if isinstance(event, StepDone):
        left = "" if event.seconds_left is None else f", {spoken_duration(event.seconds_left)} left"
        return (
            f"step {event.step} of {event.total_steps}, loss {event.nats:.3f}, "
            f"{event.steps_per_second:.1f} steps/s{left}"
        )
    return "" if isinstance(event, CheckpointSaved) else None


def lines_of(event: Event) -> list[str]:
    """An event worth keeping, in lines."""
    if isinstance(event, Planned):
        return event.plan.lines()
    if isinstance(event, Notice):
        return [event.text]
    if isinstance(event, CodecTuned):
        before, after = event.before["log_mel"], event.after["log_mel"]
        return [f"codec fitted: held-out log-mel distance {before} before, {after} after"]
    if isinstance(event, BaselineMeasured):
        if not event.held_out_segments:
            return []
        return [
            f"unigram baseline {event.mean:.3f} nats ({_each(event.nats)}) on "
            f"{event.held_out_segments} held-out segments"
        ]
    if isinstance(event, HeldOutMeasured):
        baseline = sum(event.baseline) / len(event.baseline)
        return [
            f"step {event.step}: held out {event.nats:.3f} ({_each(event.by_codebook)}), unigram "
            f"{baseline:.3f}, training {event.training_nats:.3f}, best {event.best_nats:.3f} at "
            f"step {event.best_step}"
        ]
    if isinstance(event, PreviewMade):
        verdict = "nearer to it than training sounds are to each other" if event.copies else "new"
        said = f' of "{event.text}"' if event.text else ""
        return [
            f"preview{said}: {event.wav}",
            f"nearest {event.nearest}: {event.code_agreement:.0%} of codes equal (usual "
            f"{event.usual_agreement:.0%}), log-mel distance {event.mel_distance:.2f} (usual "
            f"{event.usual_mel_distance:.2f}): {verdict}",
        ]
    if isinstance(event, Resumed):
        return [f"goes on after step {event.step}"]
    if isinstance(event, Paused):
        return [f"{'paused' if event.paused else 'goes on'} after step {event.step}"]
    if isinstance(event, Finished):
        line = f"{event.reason} after {event.steps} steps; weights of step {event.best_step}"
        if event.nats is not None:
            line += f", held out {event.nats:.3f} nats against unigram {event.baseline:.3f}"
        return [f"{line}; {event.megabytes:.0f} MB"]
    return []


def _each(nats: tuple[float, ...]) -> str:
    return " ".join(f"{value:.2f}" for value in nats)
