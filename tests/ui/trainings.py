"""Trainings that a test leads, and what they tell."""

from __future__ import annotations

from concurrent.futures import Future
from pathlib import Path

from studio.training.workshop.events import PreviewMade, StepDone
from studio.training.workshop.listening import SoundFacts
from studio.training.workshop.plan import TrainingPlan
from studio.training.workshop.scan import Skip, Sound, Survey

FOLDER = Path("/sounds/tape loops (old)")


class MadeUpJob:
    """A training that a test leads."""

    def __init__(self, request, listener):
        self.request = request
        self.tell = listener
        self.future = Future()
        self.told = []

    def pause(self):
        self.told.append("pause")

    def go_on(self):
        self.told.append("go on")

    def stop(self):
        self.told.append("stop")


class MadeUpTrainings:
    def __init__(self):
        self.jobs = []
        self.fault = None
        self.resting = []
        self.measured = {}

    def _begin(self, request, listener):
        fault, self.fault = self.fault, None
        if fault is not None:
            raise fault
        self.jobs.append(MadeUpJob(request, listener))
        return self.jobs[-1]

    plan = train = measure_sizes = _begin

    def sizes(self, codec):
        return self.measured

    def stopped(self):
        return tuple(self.resting)

    def forget(self, name):
        self.resting = [each for each in self.resting if each.request.name != name]

    def close(self):
        pass


def made_up_plan(**changes):
    facts = SoundFacts(
        **{
            "content_hash": "0",
            "sample_rate": 32_000,
            "channels": 1,
            "duration_seconds": 60.0,
            "peak": 0.5,
            "silent_share": 0.25,
            "clipped_share": 0.0,
            "decays": False,
            "fingerprint": "",
            "tags": {},
        }
        | changes.pop("facts", {})
    )
    survey = Survey(
        folder=FOLDER,
        sounds=tuple(Sound(path=f"loop {n}.wav", facts=facts, group=n) for n in range(3)),
        skipped=(Skip(path="broken.wav", reason="it is damaged"),),
        other_files=2,
        repeats=(("again.wav", "loop 0.wav"),),
        clipped=("loop 1.wav",),
    )
    values = {
        "survey": survey,
        "captions": (),
        "conditioners": "text",
        "words": 40,
        "codec_fingerprint": "ab",
        "size": "micro",
        "parameters": 6_000_000,
        "megabytes": 20.0,
        "frames": 250,
        "frame_rate": 50.0,
        "segments": 36,
        "variants": 8,
        "batch": 8,
        "rows": 8,
        "total_steps": 1200,
        "bfloat16": False,
        "device": "cpu",
        "resumes_at": 0,
        "seconds_a_step": 0.5,
        "tokenising_seconds": 60.0,
        "training_seconds": 600.0,
        "tuning_seconds": 0.0,
    }
    known = TrainingPlan.__dataclass_fields__
    extra = {name: 1 for name in known if name not in values}
    return TrainingPlan(**{**values, **extra, **changes})


def step_done(step, total=1200, **changes):
    values = {
        "step": step,
        "total_steps": total,
        "nats": 4.0,
        "by_codebook": (4.0,),
        "learning_rate": 1e-3,
        "steps_per_second": 4.0,
        "seconds_left": 300.0,
    }
    return StepDone(**{**values, **changes})


def preview(step, wav=Path("/none.wav"), *, copies=False):
    return PreviewMade(
        step=step,
        wav=wav,
        codes=wav.with_suffix(".npz"),
        text="dusty kick",
        nearest="kicks/one.wav",
        code_agreement=0.6 if copies else 0.2,
        usual_agreement=0.4,
        mel_distance=0.3,
        usual_mel_distance=0.8,
        copies=copies,
    )
