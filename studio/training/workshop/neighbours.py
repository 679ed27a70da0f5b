"""The overfit meter: is a preview new, or a training sound again?

Owns the two distances between segments, the share of equal codes at the best shift and the
difference of their log-mel pictures, and what is usual between training segments of different
sounds. It generates nothing.

Letters: S segments, K codebooks, T codec frames, M numbers of a sketch.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from studio.training.workshop.dataset import Corpus
from studio.training.workshop.token_cache import SKETCH_FLOOR

_MOST_SEGMENTS = 1500
_MOST_PROBES = 48
_MOST_FRAMES = 300
_LEAST_COMMON = 20
_COMMON_SHARE = 0.05
_USUAL = 95
_SILENCE = -1
_AUDIBLE_NATS = 1.0


@dataclass(frozen=True, kw_only=True)
class Nearness:
    """How near a preview is to training.

    Attributes:
        path: Of the nearest training sound.
        agreement: Share of equal codes with it, at the best shift.
        mel_distance: Log-mel distance to the nearest picture.
    """

    path: str
    agreement: float
    mel_distance: float


class Neighbourhood:
    """The training segments that previews are held against.

    Attributes:
        usual_agreement: What 95 of 100 training segments stay below with any segment of another
            sound; 0 where there is no other sound.
        usual_mel_distance: What 95 of 100 stay above; 0 likewise.
    """

    def __init__(self, train: Corpus, *, seed: int) -> None:
        rng = np.random.default_rng((seed, 3))
        count = min(len(train), _MOST_SEGMENTS)
        chosen = np.sort(rng.choice(len(train), size=count, replace=False))
        self._corpus = train.part(chosen)
        counts = np.bincount(self._corpus.codes[:, 0].reshape(-1))
        self._common = np.flatnonzero(counts > _COMMON_SHARE * counts.sum())
        self._codes = self._telling(self._corpus.codes[:, 0], self._corpus.frames)
        self._sketches = self._corpus.sketches.astype(np.float32)
        probes = rng.choice(count, size=min(count, _MOST_PROBES), replace=False)
        self.usual_agreement, self.usual_mel_distance = self._usual(probes)

    def nearest(self, codes: NDArray[np.int64], sketch: NDArray[np.float16]) -> Nearness:
        """How near codes [K, T] and their picture [M] are."""
        first = self._telling(codes[None, 0].astype(np.int16), np.array([codes.shape[1]]))[0]
        agreements = _agreements(first, self._codes)
        best = int(agreements.argmax())
        return Nearness(
            path=self._corpus.paths[self._corpus.sounds[best]],
            agreement=float(agreements[best]),
            mel_distance=float(_mel_distances(sketch, self._sketches).min()),
        )

    def copies(self, nearness: Nearness) -> bool:
        """Whether something is nearer to training than training sounds are to each other."""
        return (
            self.usual_mel_distance > 0
            and nearness.agreement > self.usual_agreement
            and nearness.mel_distance < self.usual_mel_distance
        )

    def _telling(
        self, codes: NDArray[np.int16], frames: NDArray[np.int32] | NDArray[np.int64]
    ) -> NDArray[np.int16]:
        """Codes of the first codebook; padding and the commonest ones, such as silence, are -1."""
        kept = codes[:, :_MOST_FRAMES].copy()
        kept[np.arange(kept.shape[1])[None] >= frames[:, None]] = _SILENCE
        kept[np.isin(kept, self._common)] = _SILENCE
        return kept

    def _usual(self, probes: NDArray[np.int64]) -> tuple[float, float]:
        groups = self._corpus.groups[self._corpus.sounds]
        agreements, distances = [], []
        for probe in probes:
            others = np.flatnonzero(groups != groups[probe])
            if not len(others):
                return 0.0, 0.0
            agreements.append(_agreements(self._codes[probe], self._codes[others]).max())
            mel = _mel_distances(self._sketches[probe], self._sketches[others])
            distances.append(mel.min())
        usual = float(np.percentile(agreements, _USUAL))
        return usual, float(np.percentile(distances, 100 - _USUAL))


def _agreements(one: NDArray[np.int16], many: NDArray[np.int16]) -> NDArray[np.float64]:
    """Share of equal codes of [T] with each of [S, T], at the shift where it is greatest: [S]."""
    frames = len(one)
    best = np.zeros(len(many))
    reach = frames // 2
    for shift in range(-reach, reach + 1):
        here = one[max(0, shift) : frames + min(0, shift)]
        there = many[:, max(0, -shift) : frames + min(0, -shift)]
        told = (here[None] != _SILENCE) & (there != _SILENCE)
        equal = ((here[None] == there) & told).sum(axis=1)
        best = np.maximum(best, equal / np.maximum(told.sum(axis=1), _LEAST_COMMON))
    return best


def _mel_distances(
    sketch: NDArray[np.float16] | NDArray[np.float32], sketches: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Mean absolute difference of a picture [M] from each of [S, M] where one sounds: [S], nats."""
    picture = sketch.astype(np.float32)[None]
    sounding = np.maximum(picture, sketches) > SKETCH_FLOOR + _AUDIBLE_NATS
    apart = (np.abs(sketches - picture) * sounding).sum(axis=1)
    distances: NDArray[np.float32] = apart / np.maximum(1, sounding.sum(axis=1))
    return distances
