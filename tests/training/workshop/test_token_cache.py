from __future__ import annotations

import errno
import os
from pathlib import Path

import numpy as np
import pytest

from studio.core.errors import CancelledError, StorageError
from studio.models.torch_backend.codec import EncodecModel
from studio.training.workshop.scan import Survey, survey
from studio.training.workshop.segments import Layout
from studio.training.workshop.token_cache import TokenCache, tokenise

LAYOUT = Layout(sample_rate=32_000, hop=640, frames=25, variants=2)


@pytest.fixture
def heard(sounds: Path) -> Survey:
    return survey(sounds)


@pytest.fixture
def cache(tmp_path: Path) -> TokenCache:
    return TokenCache(tmp_path / "tokens", codec_fingerprint="codec a", layout=LAYOUT)


def test_every_sound_is_coded_once(
    heard: Survey, codec: EncodecModel, cache: TokenCache, tmp_path: Path
) -> None:
    told: list[tuple[int, int]] = []
    lost = tokenise(heard, codec, LAYOUT, cache, progress=lambda *counts: told.append(counts))
    assert lost == ()
    assert told[-1] == (12, 12)
    for sound in heard.sounds:
        coded = cache.load(sound.facts.content_hash)
        assert coded is not None
        segments = 2 if "pads" in sound.path else 1
        assert sorted(set(coded.variants.tolist())) == [0, 1]
        assert (coded.variants == 0).sum() == segments
        assert coded.codes.shape == (len(coded.frames), 4, 25)
        assert 0 <= coded.codes.min() <= coded.codes.max() < 64
        assert len(coded.sketches) == len(coded.frames)
    stamps = [file.stat().st_mtime_ns for file in sorted((tmp_path / "tokens").iterdir())]
    tokenise(heard, codec, LAYOUT, cache)
    assert stamps == [file.stat().st_mtime_ns for file in sorted((tmp_path / "tokens").iterdir())]


def test_codes_are_those_of_the_codec(
    heard: Survey, codec: EncodecModel, cache: TokenCache
) -> None:
    """Of a tone that goes on: its frames away from the ends, whatever stood before it."""
    import torch

    from studio.audio.files import read_audio

    tokenise(heard, codec, LAYOUT, cache)
    sound = next(sound for sound in heard.sounds if "pads" in sound.path)
    coded = cache.load(sound.facts.content_hash)
    assert coded is not None
    samples = torch.from_numpy(read_audio(heard.folder / sound.path).mono().copy())
    alone = codec.encode(samples[None, None])[0, :, :25].numpy()
    assert (coded.codes[0, :, 3:] == alone[:, 3:]).mean() > 0.9


def test_shards_of_another_codec_or_layout_are_made_anew(
    heard: Survey, codec: EncodecModel, cache: TokenCache, tmp_path: Path
) -> None:
    tokenise(heard, codec, LAYOUT, cache)
    assert not cache.holds_others()
    other = TokenCache(tmp_path / "tokens", codec_fingerprint="codec b", layout=LAYOUT)
    assert other.holds_others()
    assert all(other.load(sound.facts.content_hash) is None for sound in heard.sounds)
    longer = Layout(sample_rate=32_000, hop=640, frames=30, variants=2)
    wider = TokenCache(tmp_path / "tokens", codec_fingerprint="codec a", layout=longer)
    tokenise(heard, codec, longer, wider)
    assert all(wider.load(sound.facts.content_hash) is not None for sound in heard.sounds)


@pytest.mark.parametrize("content", [b"", b"junk", b"PK\x03\x04" + bytes(100)])
def test_a_damaged_shard_is_made_anew(
    heard: Survey, codec: EncodecModel, cache: TokenCache, tmp_path: Path, content: bytes
) -> None:
    tokenise(heard, codec, LAYOUT, cache)
    broken = next((tmp_path / "tokens").iterdir())
    whole = np.load(broken)["codes"]
    broken.write_bytes(content)
    assert cache.load(broken.stem) is None
    tokenise(heard, codec, LAYOUT, cache)
    assert np.array_equal(np.load(broken)["codes"], whole)


def test_a_full_disk_is_one_line_and_leaves_nothing_half_written(
    heard: Survey,
    codec: EncodecModel,
    cache: TokenCache,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match="disk is full"):
        tokenise(heard, codec, LAYOUT, cache)
    assert list((tmp_path / "tokens").iterdir()) == []


def test_what_can_no_longer_be_read_is_listed(
    heard: Survey, codec: EncodecModel, cache: TokenCache
) -> None:
    gone = heard.sounds[3]
    (heard.folder / gone.path).unlink()
    (lost,) = tokenise(heard, codec, LAYOUT, cache)
    assert lost.path == gone.path
    assert "does not exist" in lost.reason


def test_finished_sounds_are_kept_when_it_is_stopped(
    heard: Survey, codec: EncodecModel, cache: TokenCache, tmp_path: Path
) -> None:
    asked = iter([False] * 4 + [True])
    with pytest.raises(CancelledError):
        tokenise(heard, codec, LAYOUT, cache, cancelled=lambda: next(asked))
    kept = list((tmp_path / "tokens").iterdir())
    assert 0 < len(kept) < 12
    assert all(file.suffix == ".npz" for file in kept)
