"""Runs that end in an adapter, over a dozen small sounds and a tiny base."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from studio.audio.files import probe
from studio.core.errors import CancelledError, TrainingError
from studio.models.adapters import AdapterUse, open_adapter
from studio.models.backend import Condition
from studio.models.bundle import Bundle, open_bundle
from studio.models.selection import load_backend
from studio.training.lora import AdapterRecipe
from studio.training.workshop.adapter_session import AdapterSession, usual_rate
from studio.training.workshop.checkpoint import CURRENT, CURVE
from studio.training.workshop.dataset import Corpus
from studio.training.workshop.events import (
    Event,
    HeldOutMeasured,
    Notice,
    Planned,
    PreviewMade,
    Resumed,
    StepDone,
)
from studio.training.workshop.settings import TrainingSettings
from studio.training.workshop.template_words import TemplateCaption
from studio.training.workshop.words import Caption
from tests.models.reference import Shape, build_model, save_model
from tests.training.workshop.conftest import Settings, tone, write

Make = Callable[..., AdapterSession]
RECIPE = AdapterRecipe(rank=4, targets=("q", "v", "fc1"))


@pytest.fixture
def base(codec_folder: Path) -> Bundle:
    return open_bundle(codec_folder)


@pytest.fixture
def loops(tmp_path: Path) -> Path:
    """Four bars of clicks near a grid of the base, named by its words, and four tones."""
    folder = tmp_path / "loops"
    for number in range(4):
        tempo = (187.5, 174)[number % 2]
        bar = np.zeros(round(240 / tempo * 32_000), dtype=np.float32)
        for beat in range(4):
            hit = tone(200 + 90 * number, 0.05, decay=60)
            at = round(beat * len(bar) / 4)
            bar[at : at + len(hit)] += hit
        write(folder / f"jungle dusty {number} {tempo:g}bpm.wav", bar)
        write(folder / f"jungle pad {number}.wav", tone(110 * 2 ** (number / 3), 1.1))
    return folder


@pytest.fixture
def session(settings: Settings, base: Bundle, loops: Path) -> Make:
    def make(recipe: AdapterRecipe = RECIPE, **changes: object) -> AdapterSession:
        chosen = settings(**{"folder": loops, "steps": 8, "learning_rate": 0.01, **changes})
        return AdapterSession(chosen, base, recipe, base_name="tiny")

    return make


def _out(session: AdapterSession) -> TrainingSettings:
    return session._settings


def test_a_folder_becomes_an_adapter_that_changes_the_base_towards_it(
    session: Make, base: Bundle
) -> None:
    made = session(preview_every=8)
    events: list[Event] = []
    finished = made.run(events.append)
    folder = _out(made).out
    assert finished.bundle == folder
    adapter = open_adapter(folder)
    assert adapter.base == "tiny"
    assert adapter.base_fingerprint == base.fingerprint
    (planned,) = [event for event in events if isinstance(event, Planned)]
    assert planned.plan.parameters == adapter.parameters
    assert planned.plan.lines()[-3].startswith("about")
    measured = [event for event in events if isinstance(event, HeldOutMeasured)]
    assert measured[-1].nats < measured[0].nats
    notices = [event.text for event in events if isinstance(event, Notice)]
    (compared,) = [text for text in notices if text.startswith("held-out loss")]
    with_it, without = _figures(compared)
    assert with_it < without
    (preview,) = [event for event in events if isinstance(event, PreviewMade)]
    assert preview.text in ("jungle dusty", "")
    use = [AdapterUse(folder=folder)]
    tokens = np.random.default_rng(0).integers(0, 64, (1, 4, 12))
    plain, changed = (
        load_backend(base.folder, backend="torch", adapters=uses).logits(tokens, None)
        for uses in ([], use)
    )
    assert not np.array_equal(plain, changed)
    card = (folder / "README.md").read_text()
    assert "library_name: 'peft'" in card
    assert "| held-out loss of the base |" in card
    checkpoint = torch.load(_out(made).work_folder / CURRENT, weights_only=True)
    assert all(".down." in name or ".up." in name for name in checkpoint["network"])


def _figures(text: str) -> tuple[float, float]:
    words = text.replace(",", "").split()
    return float(words[2]), float(words[words.index("without") - 1])


def test_sounds_on_a_grid_are_learnt_under_the_ruler_and_others_without_words(
    session: Make, base: Bundle
) -> None:
    made = session()
    events: list[Event] = []
    made.run(events.append)
    (planned,) = [event for event in events if isinstance(event, Planned)]
    captions = planned.plan.captions
    ruled = [caption for caption in captions if isinstance(caption, TemplateCaption)]
    assert len(ruled) == 4
    assert all(caption.full().startswith("g4 l1 jungle dusty r4_0 ") for caption in ruled)
    assert [caption.full() for caption in captions if caption not in ruled] == [""] * 4
    texts = [event.text for event in events if isinstance(event, Notice)]
    assert any(text.startswith("4 sounds keep no time, or are too far") for text in texts)
    assert sorted(round(caption.speed, 3) for caption in ruled) == [1.0, 1.0, 1.078, 1.078]
    assert TemplateCaption.spoken(ruled[0].full()) == "jungle dusty"
    assert TemplateCaption.spoken("warm pads 90 bpm") == "warm pads 90 bpm"


def test_a_loop_is_played_so_that_its_bar_is_a_bar_of_the_grid(session: Make) -> None:
    made = session()
    plan = made.plan()
    file_of = made._hearing(plan)
    assert file_of is not None
    lengths = set()
    for sound, caption in zip(plan.survey.sounds, plan.captions, strict=True):
        if isinstance(caption, TemplateCaption):
            lengths.add(probe(file_of(sound)).frames)
        else:
            assert file_of(sound) == plan.survey.folder / sound.path
    assert lengths == {4 * 16 * 640}


def test_only_the_beginning_of_a_long_loop_lies_under_the_ruler(session: Make, loops: Path) -> None:
    for file in loops.iterdir():
        file.unlink()
    for number in range(3):
        long = np.tile(tone(200 + 50 * number, 1.28, decay=3), 12)
        write(loops / f"jungle {number} 187.5bpm.wav", long)
    made = session(held_out_share=0.3)
    seen: list[Corpus] = []
    material = made._material

    def watched(*given: object) -> object:
        found = material(*given)  # type: ignore[arg-type] # passed on as it came
        seen.extend([found.train, found.held_out])
        return found

    made._material = watched  # type: ignore[assignment, method-assign] # to see what it gives
    made.run()
    assert [len(corpus) for corpus in seen] == [2, 1]


def test_a_run_that_was_stopped_takes_the_same_course(session: Make, tmp_path: Path) -> None:
    straight, broken = (session(out=tmp_path / name) for name in ("straight", "broken"))
    straight.run()
    steps: list[int] = []

    def tell(event: Event) -> None:
        if isinstance(event, StepDone):
            steps.append(event.step)

    with pytest.raises(CancelledError):
        broken.run(tell, cancelled=lambda: len(steps) >= 3)
    events: list[Event] = []
    session(out=tmp_path / "broken").run(events.append)
    assert any(isinstance(event, Resumed) for event in events)
    curves = [
        [json.loads(line) for line in (_out(each).work_folder / CURVE).read_text().splitlines()]
        for each in (straight, broken)
    ]
    assert curves[0] == curves[1]
    first, second = (open_adapter(tmp_path / name) for name in ("straight", "broken"))
    assert all(
        np.array_equal(first.changes[name].up, second.changes[name].up) for name in first.changes
    )


def test_wider_bases_are_changed_more_carefully(session: Make) -> None:
    assert [usual_rate(width) for width in (128, 256, 1024)] == [3e-3, 3e-3, 7.5e-4]
    assert _out(session(learning_rate=None)).peak_rate == 3e-3


def test_another_recipe_does_not_go_on_with_a_run(session: Make) -> None:
    session().run()
    with pytest.raises(TrainingError, match="holds a run with another adapter"):
        session(replace(RECIPE, rank=2)).run()


def test_a_base_without_words_is_adapted_too(
    settings: Settings, tmp_path: Path, codec_folder: Path, base: Bundle
) -> None:
    from studio.training.workshop.session import WorkshopSession

    plain = settings(conditioners="none", out=tmp_path / "nano")
    WorkshopSession(plain).run()
    wordless = open_bundle(tmp_path / "nano")
    chosen = settings(out=tmp_path / "adapter", learning_rate=0.01)
    AdapterSession(chosen, wordless, RECIPE, base_name="nano").run()
    use = AdapterUse(folder=tmp_path / "adapter")
    backend = load_backend(tmp_path / "nano", backend="torch", adapters=[use])
    sampling = backend.info.sampling
    assert len(list(backend.steps([Condition()], frames=5, seeds=[1], sampling=sampling))) == 5


def test_without_words_the_base_is_trained_under_the_null_condition(session: Make) -> None:
    made = session(conditioners="none", checkpointing=True)
    events: list[Event] = []
    made.run(events.append)
    (planned,) = [event for event in events if isinstance(event, Planned)]
    assert planned.plan.words == 0
    assert not any(isinstance(caption, TemplateCaption) for caption in planned.plan.captions)
    assert all(type(caption) is Caption for caption in planned.plan.captions)


def test_what_an_adapter_cannot_do_is_refused(
    settings: Settings, base: Bundle, tmp_path: Path
) -> None:
    with pytest.raises(TrainingError, match="keeps its base's codec"):
        AdapterSession(settings(tune_codec_minutes=1), base, RECIPE, base_name="tiny")
    for kind, channels, words in (("melody", 1, "hears a melody"), ("text", 2, "makes stereo")):
        shape = Shape(kind=kind, channels=channels, layers=2)
        folder = save_model(build_model(shape), tmp_path / f"{kind}-{channels}").folder
        chosen = settings(conditioners="none", out=tmp_path / "out", work=tmp_path / kind)
        with pytest.raises(TrainingError, match=words):
            AdapterSession(chosen, open_bundle(folder), RECIPE, base_name="it").run()
