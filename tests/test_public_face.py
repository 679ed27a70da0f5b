"""What other people's scripts do with `from studio import ...`."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import studio
from studio import (
    AudioClip,
    CodedTake,
    MusicGen,
    SeedBank,
    generate_audio,
    open_bank,
    save_audio,
    save_bank,
)
from studio.audio.files import read_audio
from studio.core.errors import InputError, ModelError, StorageError
from studio.generation.request import Chunk
from tests.models.reference import Shape, build_model, save_model


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tests.generation.tiny_bundle import write_tiny_bundle

    return write_tiny_bundle(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="module")
def model(bundle: Path) -> MusicGen:
    return MusicGen.from_pretrained(bundle)


def test_importing_the_package_loads_nothing(repository: Path) -> None:
    script = (
        "import sys, studio; loaded = {'torch', 'numpy', 'PySide6'} & set(sys.modules);"
        "assert set(studio.__all__) <= set(dir(studio));"
        "sys.exit(', '.join(loaded) or 0)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, cwd=repository
    )
    assert ended.returncode == 0, ended.stderr
    with pytest.raises(AttributeError, match="no attribute 'Melody'"):
        _ = studio.Melody


def test_every_name_of_the_face_is_there() -> None:
    assert sorted(studio.__all__) == [
        "AudioClip",
        "CodedTake",
        "MusicGen",
        "SeedBank",
        "add_model",
        "generate_audio",
        "get_model",
        "list_banks",
        "list_models",
        "open_bank",
        "save_audio",
        "save_bank",
    ]
    for name in studio.__all__:
        assert getattr(studio, name).__name__ == name


def test_a_description_becomes_sound_of_the_asked_steps(model: MusicGen) -> None:
    audio = model.generate("jungle, 187.5 bpm", max_steps=20, seed=1)
    assert audio.dtype == np.float32
    assert audio.shape == (1, 20 * 640)
    assert (model.sampling_rate, model.channels) == (32000, 1)
    assert (model.codebooks, model.codebook_size, model.frame_rate) == (4, 64, 50.0)


def test_bars_and_bpm_are_exact(model: MusicGen) -> None:
    assert model.generate("dub", bars=1, bpm=174, seed=1).shape == (1, 44138)


def test_seeds_and_counts_give_the_takes_they_give_alone(model: MusicGen) -> None:
    counted = model.generate("dub", bars=1, bpm=187.5, seed=4, count=2)
    listed = model.generate("dub", bars=1, bpm=187.5, seed=[5, 4])
    alone = model.generate("dub", bars=1, bpm=187.5, seed=5)
    assert np.array_equal(counted[1], alone)
    assert np.array_equal(listed[0], alone)
    (single,) = model.generate("dub", bars=1, bpm=187.5, seed=[5])
    assert np.array_equal(single, alone)
    assert np.array_equal(listed[1], counted[0])
    assert not np.array_equal(counted[0], counted[1])


def test_several_descriptions_give_several_sounds(model: MusicGen) -> None:
    sounds = model.generate(["dub", "techno"], max_steps=5, bpm=187.5, seed=1)
    assert [sound.shape for sound in sounds] == [(1, 3200)] * 2


def test_a_stream_is_the_sound_in_parts(model: MusicGen) -> None:
    heard: list[Chunk] = []
    options = {"max_steps": 60, "bpm": 187.5, "seed": 3}
    parts = list(model.stream("dub", callback=heard.append, **options))
    assert len(parts) > 2
    joined = np.concatenate(parts, axis=1)
    assert np.array_equal(joined, model.generate("dub", **options))
    assert heard[-1].done_steps == 60


def test_codes_decode_to_the_sound_and_encode_to_their_shape(model: MusicGen) -> None:
    codes = model.codes("dub", max_steps=30, bpm=187.5, seed=3)
    assert codes.shape == (1, 4, 30)
    (take,) = model.takes("dub", max_steps=30, bpm=187.5, seed=3)
    assert np.array_equal(codes[0], take.codes)
    audio = model.decode(codes)
    assert audio.shape == (1, 1, 30 * 640)
    assert np.array_equal(model.decode(codes[0]), audio[0])
    quiet = np.abs(take.clip.samples) < 0.7
    assert np.allclose(take.clip.samples[quiet], audio[0][quiet], atol=1e-5)
    for shaped in (audio, audio[0], audio[0, 0]):
        assert model.encode(shaped).shape == (1, 4, 30)


def test_max_steps_counts_codes_and_measures_sound(model: MusicGen) -> None:
    codes = model.codes("174 bpm break", max_steps=100, seed=1)
    (take,) = model.takes("174 bpm break", max_steps=100, seed=1)
    assert codes.shape == (1, 4, 100)
    assert take.clip.frames == 100 * 640
    # The last K - 1 frames of any take are made without knowing what follows.
    shared = take.codes.shape[1] - (model.codebooks - 1)
    assert np.array_equal(take.codes[:, :shared], codes[0, :, :shared])


def test_logits_belong_to_the_delayed_grid(model: MusicGen) -> None:
    grid = np.full((2, 4, 3), model.codebook_size)
    logits = model.logits(grid, ["dub", "techno"])
    assert logits.shape == (2, 4, 3, 64)
    assert np.allclose(model.logits(grid, "dub")[0], logits[0], atol=1e-4)
    assert not np.allclose(model.logits(grid)[0], logits[0], atol=1e-4)


def test_takes_made_at_once_are_those_made_alone(model: MusicGen) -> None:
    options = {"bars": 1, "bpm": 187.5, "seed": 4, "count": 3}
    at_once = model.takes(["dub", "techno"], batch=6, **options)
    alone = model.takes(["dub", "techno"], batch=1, **options)
    assert [take.request for take in at_once] == [take.request for take in alone]
    for one, other in zip(at_once, alone, strict=True):
        assert np.array_equal(one.codes, other.codes)


def test_a_negative_prompt_matters_under_guidance(model: MusicGen) -> None:
    options = {"max_steps": 60, "bpm": 187.5, "seed": 3, "guidance": 20.0}
    plain = model.codes("dub", **options)
    away = model.codes("dub", negative="techno", **options)
    assert not np.array_equal(plain, away)


def test_a_take_begins_with_a_sound_in_any_form(model: MusicGen, tmp_path: Path) -> None:
    """A file, a clip and samples: the last quarter of a second of each, 12 codec frames."""
    sound = 0.5 * np.sin(np.arange(32_000) / 20).astype(np.float32)
    clip = AudioClip(samples=sound, sample_rate=model.sampling_rate)
    clip.save(tmp_path / "sound.wav", subtype="FLOAT")
    codes = [
        model.codes(
            "dub", bpm=187.5, max_steps=30, seed=3, continuation=given, continue_seconds=0.25
        )
        for given in (tmp_path / "sound.wav", clip, sound, sound[None])
    ]
    for each in codes[1:]:
        assert np.array_equal(each, codes[0])
    assert np.array_equal(codes[0][0, :, :12], model.encode(sound[-8_000:])[0, :, :12])


def test_a_take_begins_with_codes(model: MusicGen) -> None:
    (start,) = model.codes("dub", bpm=187.5, max_steps=20, seed=3)
    (codes,) = model.codes("dub", bpm=187.5, max_steps=50, seed=4, continuation=start)
    assert codes.shape == (4, 50)
    assert np.array_equal(codes[:, :20], start)


def test_a_take_goes_on_from_its_codes(model: MusicGen) -> None:
    (take,) = model.takes("dub", bpm=187.5, bars=1, seed=3)
    longer = model.extend(take, bars=3)
    assert (longer.bars, longer.clip.frames) == (3, 3 * take.clip.frames)
    kept = take.clip.frames // 640
    assert np.array_equal(longer.codes[:, :kept], take.codes[:, :kept])
    assert model.extend(take).bars == 2
    in_seconds = model.extend(take, duration_seconds=np.float64(1.5), seed=np.int64(5))
    assert (in_seconds.clip.frames, in_seconds.request.seed) == (48_000, 5)


def test_a_part_is_made_anew_and_the_rest_kept(model: MusicGen) -> None:
    """From 0.4 to 0.8 s: codec frames 20 to 40."""
    (take,) = model.takes("dub", bpm=187.5, bars=1, seed=3)
    other = model.regenerate(take, from_seconds=0.4, to_seconds=0.8, seed=9)
    changed = np.nonzero((take.codes != other.codes).any(axis=0))[0]
    assert (changed[0], changed[-1]) == (20, 39)
    assert other.clip.frames == take.clip.frames
    assert model.regenerate(take, from_seconds=1.0).request.seed != take.request.seed


@pytest.mark.parametrize("length", [{"bars": 2, "bpm": 140.0}, {"duration_seconds": 0.7}])
def test_a_take_sounds_again_from_a_bank_as_it_did(
    model: MusicGen, tmp_path: Path, length: dict[str, float]
) -> None:
    takes = model.takes("dub", seed=[3, 4], **length)
    bank = SeedBank(name="mine", takes=tuple(CodedTake.of(take) for take in takes))
    save_bank(tmp_path / "mine.npz", bank)
    for coded, take in zip(open_bank(tmp_path / "mine.npz"), takes, strict=True):
        again = model.resound(coded)
        assert np.array_equal(again.clip.samples, take.clip.samples)
        assert np.array_equal(again.codes, take.codes)
        assert (again.request, again.model_hash) == (take.request, take.model_hash)
        assert (again.tempo_bpm, again.bars) == (take.tempo_bpm, take.bars)


def test_a_part_made_anew_sounds_again_too(model: MusicGen) -> None:
    (take,) = model.takes("dub", bpm=187.5, bars=1, seed=3)
    other = model.regenerate(take, from_seconds=0.4, to_seconds=0.8, seed=9)
    again = model.resound(CodedTake.of(other))
    assert np.array_equal(again.clip.samples, other.clip.samples)
    assert np.array_equal(again.codes, other.codes)


def test_the_codes_of_another_model_or_recipe_are_refused(model: MusicGen) -> None:
    (take,) = model.takes("dub", bpm=187.5, bars=1, seed=3)
    coded = CodedTake.of(take)
    with pytest.raises(InputError, match="made by another"):
        model.resound(replace(coded, model_hash="ab" * 32))
    with pytest.raises(InputError, match="damaged"):
        model.resound(replace(coded, request=replace(coded.request, bars=2)))


def test_impossible_parts_and_lengths_are_named(model: MusicGen) -> None:
    (take,) = model.takes("dub", bpm=187.5, bars=1, seed=3)
    with pytest.raises(InputError, match="1 bars already"):
        model.extend(take, bars=1)
    with pytest.raises(InputError, match="must end after"):
        model.regenerate(take, from_seconds=1.0, to_seconds=0.5)
    with pytest.raises(InputError, match="cannot begin at 400"):
        model.regenerate(take, from_seconds=400)
    with pytest.raises(InputError, match="has changed since it made"):
        model.extend(replace(take, model_hash="ab" * 32))


def test_a_melody_in_any_form_leads_a_melody_model(model: MusicGen, tmp_path: Path) -> None:
    save_model(build_model(Shape(kind="melody", layers=2)), tmp_path / "melody")
    melodic = MusicGen.from_pretrained(tmp_path / "melody")
    sound = 0.5 * np.sin(2 * np.pi * 440 * np.arange(64_000) / 32_000).astype(np.float32)
    clip = AudioClip(samples=sound, sample_rate=32_000)
    clip.save(tmp_path / "hum.wav", subtype="FLOAT")
    takes = [
        melodic.takes("dub techno", max_steps=20, seed=3, melody=given)[0]
        for given in (tmp_path / "hum.wav", clip, sound)
    ]
    (plain,) = melodic.takes("dub techno", max_steps=20, seed=3)
    for take in takes:
        assert set((take.request.melody or "")[3:-3]) == {"9"}
        assert np.array_equal(take.codes, takes[0].codes)
        assert not np.array_equal(take.codes, plain.codes)
    with pytest.raises(ModelError, match="follows no melody"):
        model.generate("dub", melody=clip)


def test_an_unconditional_model_takes_an_empty_description(tmp_path: Path) -> None:
    save_model(build_model(Shape(kind="unconditional", layers=2)), tmp_path / "micro")
    micro = MusicGen.from_pretrained(tmp_path / "micro")
    assert micro.generate("", max_steps=20, seed=3).shape == (1, 20 * 640)
    with pytest.raises(ModelError, match="without words"):
        micro.generate("dub", max_steps=20)


def test_greedy_is_the_same_under_every_seed(model: MusicGen) -> None:
    one, other = model.generate("dub", max_steps=10, bpm=187.5, top_k=1, seed=[1, 2])
    assert np.array_equal(one, other)


def test_without_a_seed_each_call_is_new(model: MusicGen) -> None:
    codes = [model.codes("dub", max_steps=10, bpm=187.5) for _ in range(2)]
    assert not np.array_equal(*codes)


def test_one_line_makes_a_clip_that_saves_itself(bundle: Path, tmp_path: Path) -> None:
    clip = generate_audio("intro", model=bundle, max_steps=np.int64(8), bpm=187.5, seed=1)
    assert isinstance(clip, AudioClip)
    clip.save(tmp_path / "intro.wav")
    assert read_audio(tmp_path / "intro.wav").frames == 8 * 640


@pytest.mark.parametrize("shape", [(100,), (1, 100), (2, 100)])
def test_save_audio_writes_what_generate_gives(tmp_path: Path, shape: tuple[int, ...]) -> None:
    save_audio(tmp_path / "x.wav", np.full(shape, 0.25), 32000)
    clip = read_audio(tmp_path / "x.wav")
    assert clip.frames == 100
    assert clip.channels == (shape[0] if len(shape) == 2 else 1)
    assert np.array_equal(clip.samples, np.full_like(clip.samples, 0.25))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"bpm": 10}, "tempo"),
        ({"max_steps": 0}, "max steps"),
        ({"max_steps": 10, "bars": 1}, "one length"),
        ({"seed": [1, 2], "count": 2}, "not both"),
        ({"seed": -1}, "seed"),
        ({"seed": 1.5}, "seed"),
        ({"count": 0}, "count"),
        ({"key": "X"}, "key"),
        ({"temperature": 0}, "temperature"),
    ],
)
def test_impossible_options_are_named(
    model: MusicGen, options: dict[str, object], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        model.generate("dub", **options)


def test_misspelt_options_and_no_description_are_refused(model: MusicGen) -> None:
    with pytest.raises(TypeError, match="tempo"):
        model.generate("dub", tempo=120)
    with pytest.raises(InputError, match="description"):
        model.generate([])
    with pytest.raises(InputError, match="one take"):
        model.stream("dub", count=2)


def test_codes_of_different_lengths_are_not_stacked(model: MusicGen) -> None:
    with pytest.raises(InputError, match="length"):
        model.codes(["90 bpm dub", "187.5 bpm dub"], bars=1)


def test_unusable_places_and_models_are_named(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="missing"):
        save_audio(tmp_path / "missing" / "x.wav", np.zeros(10), 32000)
    with pytest.raises(InputError, match="sound"):
        save_audio(tmp_path / "x.wav", np.zeros((1, 1, 1)), 32000)
    with pytest.raises(ModelError, match="no-such-model"):
        MusicGen.from_pretrained("no-such-model")
