from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from studio.audio.clip import AudioClip
from studio.cli.outputs import Target, at_rate, check_output, numbered_path, write_new
from studio.core.errors import InputError, StorageError
from studio.editing.loops import loop_frames, seam_step
from studio.generation.request import GenerationRequest, Take
from tests.cli.conftest import tone_take


def loop(tempo_bpm: float, bars: int, sample_rate: int) -> Take:
    """A loop of whole periods, so that its seam cannot be told from the rest."""
    frames = loop_frames(tempo_bpm, bars, sample_rate)
    periods = round(frames * 330 / sample_rate)
    samples = 0.5 * np.sin(2 * np.pi * periods * np.arange(frames) / frames)
    take = tone_take(GenerationRequest(prompt="", tempo_bpm=tempo_bpm, bars=bars))
    return replace(take, clip=AudioClip(samples=samples, sample_rate=sample_rate))


@pytest.mark.parametrize("sample_rate", [8_000, 22_050, 44_100, 47_999, 48_000, 96_000, 192_000])
@pytest.mark.parametrize(("tempo_bpm", "bars"), [(174.0, 1), (93.7, 2)])
def test_a_loop_stays_exact_and_seamless_at_any_rate(
    sample_rate: int, tempo_bpm: float, bars: int
) -> None:
    take = loop(tempo_bpm, bars, 32_000)
    clip = at_rate(take, sample_rate)
    assert clip.sample_rate == sample_rate
    assert clip.frames == loop_frames(tempo_bpm, bars, sample_rate)
    assert seam_step(clip.samples) < 2
    assert np.abs(clip.samples).max() == pytest.approx(0.5, abs=0.02)
    cycles = round(take.clip.frames * 330 / 32_000) / take.clip.duration_seconds
    seconds = np.arange(clip.frames) / sample_rate
    expected = 0.5 * np.sin(2 * np.pi * cycles * seconds)
    after_the_fade = slice(sample_rate // 100, None)
    assert np.abs((clip.samples[0] - expected)[after_the_fade]).max() < 1e-4


def test_a_take_that_is_no_loop_keeps_its_time(tmp_path: Path) -> None:
    take = tone_take(GenerationRequest(prompt=""))
    assert at_rate(take, 48_000).frames == 24_000
    assert at_rate(take, 32_000) is take.clip


def test_a_loop_at_its_own_rate_is_left_alone() -> None:
    take = loop(120.0, 1, 32_000)
    assert at_rate(take, 32_000) is take.clip


def target(**changes: object) -> Target:
    nothing = Target(file=None, folder=None, prefix="take", sample_rate=None, codes=False)
    return replace(nothing, **changes)


@pytest.mark.parametrize(
    ("changes", "takes", "message"),
    [
        ({"file": "x.wav"}, 2, "--output-dir"),
        ({"file": "x.wav", "sample_rate": 1}, 1, "from 8000 to 192000 Hz, not 1"),
        ({"file": "x.wav", "sample_rate": 192_001}, 1, "from 8000"),
        ({"sample_rate": 48_000}, 1, "--sample-rate is about a written file"),
        ({"codes": True}, 1, "--codes is about a written file"),
        ({"file": "x.npz", "codes": True}, 1, "name of the codes"),
        ({"folder": "takes", "prefix": "../x"}, 1, "prefix"),
        ({"folder": "takes", "prefix": "x" * 250}, 1, "prefix"),
        ({"folder": "takes", "prefix": ""}, 1, "prefix"),
    ],
)
def test_flags_that_do_not_fit_are_refused_before_anything_is_made(
    changes: dict[str, object],
    takes: int,
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("file", "folder"):
        if name in changes:
            changes = changes | {name: Path(str(changes[name]))}
    with pytest.raises(InputError, match=message):
        target(**changes).check(takes)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["", "missing/x.wav", "y" * 300 + "/x.wav"])
def test_places_that_are_none_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(StorageError):
        check_output(tmp_path / name)


def test_a_number_that_codes_have_is_not_given_again(tmp_path: Path) -> None:
    (tmp_path / "take_0007.npz").write_bytes(b"")
    clip = tone_take(GenerationRequest(prompt="")).clip
    assert write_new(tmp_path, "take", clip).name == "take_0008.wav"
    assert numbered_path(tmp_path, "take", 8).exists()


def test_a_folder_is_made_with_its_first_file_only(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "takes"
    target(folder=folder).check(3)
    assert not folder.exists()
    written = target(folder=folder).write(tone_take(GenerationRequest(prompt="")), {})
    assert written is not None
    assert written.path == folder / "take_0001.wav"


@pytest.mark.parametrize("name", ["file", "file/takes", "y" * 300, "y" * 300 + "/takes"])
def test_a_folder_that_cannot_be_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError):
        target(folder=tmp_path / name).check(1)
