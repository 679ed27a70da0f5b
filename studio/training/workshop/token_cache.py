"""Sounds as codes, made once.

Owns the cache: one `.npz` a sound, named by its content and holding the codec's fingerprint and
the layout of segments, written whole or not at all. A shard of another codec, another layout, or
a damaged one is made anew.

Letters: S segments of a sound, K codebooks, T codec frames, M numbers of a sketch.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from studio.core.errors import AudioFileError, CancelledError, StorageError
from studio.core.storage import shown_path, write_atomically
from studio.models.torch_backend.codec import EncodecModel
from studio.training.spectral import mel_filters
from studio.training.workshop.scan import Skip, Sound, Survey
from studio.training.workshop.segments import (
    LEAD_FRAMES,
    Layout,
    Segment,
    Variation,
    segments_of,
)

SKETCH_BANDS = 24
SKETCH_FLOOR = math.log(1e-3)
_SKETCH_FRAMES = 5
_SKETCH_WINDOW = 1024
_AT_ONCE = 4


@dataclass(frozen=True, kw_only=True, eq=False)
class CodedSound:
    """The segments of one sound.

    Attributes:
        codes: int16 [S, K, T].
        frames: int32 [S], how many of each are learnt.
        sketches: float16 [S, M], coarse log-mel pictures for the overfit meter.
        variants: int16 [S], the number of the variation that each was cut in.
    """

    codes: NDArray[np.int16]
    frames: NDArray[np.int32]
    sketches: NDArray[np.float16]
    variants: NDArray[np.int16]


class TokenCache:
    """The codes of sounds under one codec and one layout."""

    def __init__(self, folder: Path, *, codec_fingerprint: str, layout: Layout) -> None:
        """Use `folder`, which is made when the first shard is stored."""
        self._folder = folder
        self._key = f"{codec_fingerprint} {layout.key}"
        self._layout = layout

    def load(self, content_hash: str) -> CodedSound | None:
        """What is stored of a sound; None where there is nothing, or nothing that fits."""
        try:
            with (
                self._file(content_hash).open("rb") as file,
                np.load(file, allow_pickle=False) as stored,
            ):
                if str(stored["key"]) != self._key:
                    return None
                coded = CodedSound(
                    codes=stored["codes"],
                    frames=stored["frames"],
                    sketches=stored["sketches"],
                    variants=stored["variants"],
                )
        except Exception:  # noqa: BLE001 - what a damaged archive can raise is listed nowhere
            return None
        return coded if self._fits(coded) else None

    def store(self, content_hash: str, coded: CodedSound) -> None:
        """Keep the codes of a sound.

        Raises:
            StorageError: They cannot be written; nothing half-written stays.
        """
        content = io.BytesIO()
        np.savez(
            content,
            key=np.array(self._key),
            codes=coded.codes,
            frames=coded.frames,
            sketches=coded.sketches,
            variants=coded.variants,
        )
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(
                f"The token cache {shown_path(self._folder)} cannot be made "
                f"({error.strerror or error}): choose another folder with --work."
            ) from error
        write_atomically(self._file(content_hash), content.getvalue())

    def holds_others(self) -> bool:
        """Whether there are shards here that another codec or layout has made."""
        shard = next(iter(self._folder.glob("*.npz")), None) if self._folder.is_dir() else None
        return shard is not None and self.load(shard.stem) is None

    def _file(self, content_hash: str) -> Path:
        return self._folder / f"{content_hash}.npz"

    def _fits(self, coded: CodedSound) -> bool:
        count = len(coded.frames)
        return (
            coded.codes.dtype == np.int16
            and coded.codes.ndim == 3
            and coded.codes.shape[::2] == (count, self._layout.frames)
            and len(coded.sketches) == len(coded.variants) == count
        )


def tokenise(
    survey: Survey,
    codec: EncodecModel,
    layout: Layout,
    cache: TokenCache,
    *,
    file_of: Callable[[Sound], Path] | None = None,
    progress: Callable[[int, int], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> tuple[Skip, ...]:
    """Put the codes of every sound of a survey into the cache, where they are missing.

    Args:
        survey: The folder.
        codec: What makes the codes.
        layout: How sounds are cut.
        cache: Where the codes are kept.
        file_of: Gives the file to hear for a sound; None hears the sound's own.
        progress: Told how many sounds are done.
        cancelled: Asked before each.

    Returns:
        Sounds that could no longer be read.

    Raises:
        StorageError: The cache cannot be written.
        CancelledError: `cancelled` said so; the sounds that were finished are kept.
    """
    device = codec.codebooks.device
    artist = SketchArtist(layout, device)
    lost: list[Skip] = []
    for done, sound in enumerate(survey.sounds):
        if progress is not None:
            progress(done, len(survey.sounds))
        if cache.load(sound.facts.content_hash) is not None:
            continue
        try:
            file = survey.folder / sound.path if file_of is None else file_of(sound)
            coded = _encode(file, sound, codec, layout, artist, cancelled)
        except AudioFileError as error:
            lost.append(Skip(path=sound.path, reason=error.user_message))
            continue
        cache.store(sound.facts.content_hash, coded)
    if progress is not None:
        progress(len(survey.sounds), len(survey.sounds))
    return tuple(lost)


class SketchArtist:
    """Draws coarse log-mel pictures of segments."""

    def __init__(self, layout: Layout, device: torch.device) -> None:
        filters = mel_filters(layout.sample_rate, _SKETCH_WINDOW, SKETCH_BANDS)
        self._filters = torch.from_numpy(filters).to(device)
        self._window = torch.hann_window(_SKETCH_WINDOW, device=device)
        self._layout = layout

    @torch.inference_mode()
    def draw(self, audio: Tensor) -> NDArray[np.float16]:
        """Audio [B, N] to pictures [B, M], M = 24 bands x T / 5 columns."""
        spectrum = torch.stft(
            audio, _SKETCH_WINDOW, self._layout.hop, window=self._window, return_complex=True
        )
        power = torch.view_as_real(spectrum).square().sum(-1) * (16.0 / _SKETCH_WINDOW**2)
        banded = torch.einsum("mf,bft->bmt", self._filters, power)[..., : self._layout.frames]
        levels = torch.log(torch.sqrt(banded) + math.exp(SKETCH_FLOOR))
        columns = torch.nn.functional.avg_pool1d(levels, _SKETCH_FRAMES, ceil_mode=True)
        drawn: NDArray[np.float16] = columns.flatten(1).half().cpu().numpy()
        return drawn


@torch.inference_mode()
def _encode(
    path: Path,
    sound: Sound,
    codec: EncodecModel,
    layout: Layout,
    artist: SketchArtist,
    cancelled: Callable[[], bool] | None,
) -> CodedSound:
    device, lead = codec.codebooks.device, LEAD_FRAMES * layout.hop
    codes: list[NDArray[np.int16]] = []
    frames: list[int] = []
    sketches: list[NDArray[np.float16]] = []
    variants: list[int] = []
    for batch in _batches(_cuttings(path, sound, layout)):
        if cancelled is not None and cancelled():
            raise CancelledError("Tokenising was cancelled; finished sounds are kept.")
        audio = torch.from_numpy(np.stack([segment.audio for segment, _ in batch])).to(device)
        coded = codec.encode(audio[:, None])[..., LEAD_FRAMES : LEAD_FRAMES + layout.frames]
        codes.append(coded.to(torch.int16).cpu().numpy())
        frames += [segment.frames for segment, _ in batch]
        variants += [variant for _, variant in batch]
        sketches.append(artist.draw(audio[:, lead : lead + layout.samples]))
    return CodedSound(
        codes=np.concatenate(codes)
        if codes
        else np.zeros((0, codec.config.codebooks, layout.frames), np.int16),
        frames=np.array(frames, dtype=np.int32),
        sketches=np.concatenate(sketches) if sketches else np.zeros((0, 0), np.float16),
        variants=np.array(variants, dtype=np.int16),
    )


def _cuttings(path: Path, sound: Sound, layout: Layout) -> Iterator[tuple[Segment, int]]:
    for number in range(layout.variants):
        variation = Variation.numbered(number, sound.facts.content_hash)
        for segment in segments_of(path, layout, decays=sound.facts.decays, variation=variation):
            yield segment, number


def _batches(segments: Iterator[tuple[Segment, int]]) -> Iterator[list[tuple[Segment, int]]]:
    while batch := list(islice(segments, _AT_ONCE)):
        yield batch
