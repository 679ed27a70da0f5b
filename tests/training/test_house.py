"""Every stage of the embedded model's making, for moments instead of minutes."""

from __future__ import annotations

import argparse
import io
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from studio.core.errors import StorageError, TrainingError
from studio.models.backend import Condition
from studio.models.prompting import PromptTemplate
from studio.models.selection import load_backend
from studio.models.torch_backend.codec import EncodecModel
from studio.training.adversarial import AdversarialRecipe
from studio.training.bank import open_bank
from studio.training.codec import HOUSE_CODEC, ReconstructionRecipe
from studio.training.evaluation import measure_model
from studio.training.house import (
    HouseRecipe,
    HouseTraining,
    add_arguments,
    house_template,
    run_from_command_line,
)
from studio.training.journal import Journal
from studio.training.language_model import LanguageModelRecipe, build_language_model
from studio.training.tokens import load_codes
from studio.training.workshop.codec_source import load_codec

MOMENT = 0.02
RECIPE = HouseRecipe(
    loops=16,
    held_out_loops=8,
    codec=ReconstructionRecipe(minutes=MOMENT, batch=2, excerpt_frames=6_400, free_steps=1),
    settled=AdversarialRecipe(minutes=MOMENT, batch=1, excerpt_frames=6_400),
    judged=AdversarialRecipe(minutes=MOMENT, batch=1, excerpt_frames=6_400, whole=True),
    adversarial=AdversarialRecipe(minutes=MOMENT, batch=1, excerpt_frames=6_400),
    language_model=LanguageModelRecipe(
        minutes=MOMENT, batch=2, dim=64, layers=2, heads=2, text_layers=1
    ),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A work folder and a bundle that went through every stage once."""
    folder = tmp_path_factory.mktemp("house")
    work = folder / "work"
    work.mkdir()
    journal = Journal(work / "log.jsonl", io.StringIO())
    HouseTraining(RECIPE, work, folder / "bundle", journal).run("bundle")
    return folder


def test_the_stages_end_in_a_bundle_that_plays(folder: Path) -> None:
    backend = load_backend(folder / "bundle")
    template = house_template()
    text = template.text(["jungle"], grid=4, period_bars=1)
    columns = list(
        backend.steps([Condition(text=text)], frames=20, seeds=[1], sampling=backend.info.sampling)
    )
    assert len(columns) == 20
    codes = np.stack([column[0] for column in columns], axis=1)
    audio = backend.decode(codes[None])
    assert audio.shape == (1, 1, 20 * 640)
    assert np.isfinite(audio).all()
    assert backend.info.sampling.guidance == 3.0


def test_codes_are_one_circular_period_of_each_loop(folder: Path) -> None:
    bank = open_bank(folder / "work" / "train")
    coded = load_codes(folder / "work" / "train-codes.npz")
    assert len(bank) == 16
    assert coded.periods.tolist() == [labels.period_frames for labels in bank.labels]
    window = coded.window([3], 400)
    period = int(coded.periods[3])
    assert window.min() >= 0
    assert np.array_equal(window[0, :, period:], window[0, :, :-period])


def test_a_finished_stage_is_not_run_again(folder: Path) -> None:
    work = folder / "work"
    before = (work / "codec.pt").stat().st_mtime_ns
    log = (work / "log.jsonl").read_text()
    HouseTraining(RECIPE, work, folder / "bundle", Journal(work / "log.jsonl")).run("bundle")
    assert (work / "codec.pt").stat().st_mtime_ns == before
    assert (work / "log.jsonl").read_text() == log


def test_the_log_has_a_line_of_json_for_every_stage(folder: Path) -> None:
    lines = [json.loads(line) for line in (folder / "work" / "log.jsonl").read_text().splitlines()]
    stages = {line["stage"] for line in lines}
    assert {"codec done", "language model done", "adversarial done", "bundle"} <= stages


def test_sharpening_leaves_encoder_and_codebooks_alone(folder: Path) -> None:
    plain = torch.load(folder / "work" / "codec-judged.pt", weights_only=True)
    sharp = torch.load(folder / "work" / "codec-sharp.pt", weights_only=True)
    moved = {name for name in plain if not torch.equal(plain[name], sharp[name])}
    assert moved
    assert all(name.startswith("decoder.") for name in moved)


def test_training_against_judges_moves_encoder_and_codebooks_too(folder: Path) -> None:
    plain = torch.load(folder / "work" / "codec.pt", weights_only=True)
    judged = torch.load(folder / "work" / "codec-judged.pt", weights_only=True)
    moved = {name.split(".")[0] for name in plain if not torch.equal(plain[name], judged[name])}
    assert {"encoder", "decoder", "codebooks"} <= moved


def test_a_later_edition_keeps_the_codebooks_that_its_language_model_knows(
    folder: Path, tmp_path: Path
) -> None:
    start = tmp_path / "earlier"
    shutil.copytree(folder / "bundle", start)
    work = tmp_path / "work"
    shutil.copytree(folder / "work" / "train", work / "train")
    shutil.copytree(folder / "work" / "held-out", work / "held-out")
    (work / "loops.done").touch()
    recipe = replace(RECIPE, start=start, codec=replace(RECIPE.codec, minutes=0.0))
    journal = Journal(work / "log.jsonl", io.StringIO())
    HouseTraining(recipe, work, tmp_path / "bundle", journal).run("judged")
    before = load_codec(start).state_dict()
    after = torch.load(work / "codec-judged.pt", weights_only=True)
    moved = {name.split(".")[0] for name in before if not torch.equal(before[name], after[name])}
    assert moved == {"encoder", "decoder"}


def test_the_recipe_fits_the_promised_size() -> None:
    recipe = HouseRecipe().language_model
    model = build_language_model(
        recipe, house_template(), codebooks=HOUSE_CODEC.codebooks, codes=512
    )
    codec = EncodecModel(HOUSE_CODEC)
    parameters = sum(p.numel() for part in (model, codec) for p in part.parameters())
    assert 2 * parameters < 31_000_000


def test_measures_come_with_all_their_baselines(folder: Path) -> None:
    figures = measure_model(load_backend(folder / "bundle"), house_template(), takes=3)
    assert set(figures) == {
        "fresh loops",
        "codec's reconstruction",
        "takes",
        "random codes",
        "white noise",
    }
    assert figures["fresh loops"]["on tempo"] == 1.0
    assert figures["white noise"]["on tempo"] == 0.0


def test_an_excerpt_goes_round_from_before_the_start(folder: Path) -> None:
    bank = open_bank(folder / "work" / "train")
    loop = bank.loop(0)
    excerpt = bank.excerpt(0, -10, len(loop) + 20)
    assert np.array_equal(excerpt[:10], loop[-10:])
    assert np.array_equal(excerpt[10:-10], loop)
    assert np.array_equal(excerpt[-10:], loop[:10])


def test_a_bundle_that_cannot_be_written_leaves_the_old_one(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = tmp_path / "bundle"
    old.mkdir()
    (old / "config.json").write_text("old")

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("studio.training.publish.save_file", full)
    training = HouseTraining(RECIPE, folder / "work", old, Journal(tmp_path / "log"))
    (folder / "work" / "bundle.done").unlink()
    with pytest.raises(StorageError, match="No space left on device"):
        training.run("bundle")
    (folder / "work" / "bundle.done").touch()
    assert (old / "config.json").read_text() == "old"
    assert [file.name for file in tmp_path.iterdir() if file.is_dir()] == ["bundle"]


def test_senseless_minutes_are_refused_before_anything_starts(tmp_path: Path) -> None:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    options = parser.parse_args(
        ["--out", str(tmp_path / "o"), "--work", str(tmp_path / "w"), "--codec-minutes", "-1"]
    )
    with pytest.raises(TrainingError, match="must be positive"):
        run_from_command_line(options)
    assert not (tmp_path / "w").exists()


def test_the_template_reads_back_as_it_was_written() -> None:
    template = house_template()
    assert PromptTemplate.from_dict(json.loads(json.dumps(template.to_dict()))) == template


def test_every_word_the_embedded_bundle_knows_is_one_the_synthesiser_still_teaches() -> None:
    from studio.core.paths import resources_dir

    stored = json.loads((resources_dir() / "models/house/prompting.json").read_text())
    assert set(stored["words"]) <= set(house_template().words)
    assert set(stored["genres"]) <= set(house_template().genres)
