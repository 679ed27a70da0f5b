"""How good an embedded model is, always beside what it is held against.

Owns the measures of takes: tempo, grid, repetition, nearness to fresh loops. Every figure comes
with its baselines: real loops, the codec's own reconstruction of them, wrong tempos, random
codes, white noise. It trains nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studio.editing.tempo import tempo_error
from studio.models.backend import Condition, MusicBackend, Sampling
from studio.models.prompting import SIXTEENTHS_IN_BAR, PromptTemplate
from studio.training.captions import caption_words
from studio.training.loopsynth import LoopLabels, SynthLoop, render_loop
from studio.training.spectral import mel_filters

_FRESH_SEED = 20_000_000
_WRONG_TEMPO = 1.13
_WINDOW = 1024
_HOP = 160
_BANDS = 40


@dataclass(frozen=True, kw_only=True, eq=False)
class Material:
    """Sounds of one kind, one for each prompt.

    Attributes:
        audio: float32 [N, frames].
        codes: int64 [N, K, T], None for what has none.
    """

    audio: NDArray[np.float32]
    codes: NDArray[np.int64] | None = None


def fresh_loops(count: int, offset: int = 0) -> list[SynthLoop]:
    """Loops whose patterns no training loop has."""
    seeds = range(_FRESH_SEED + offset, _FRESH_SEED + offset + count)
    return [render_loop(seed, split="validation") for seed in seeds]


def measure_model(
    backend: MusicBackend, template: PromptTemplate, *, takes: int = 96
) -> dict[str, dict[str, float]]:
    """Measure untiled takes of `takes` unseen captions, and all baselines: {kind: {measure: x}}."""
    loops = fresh_loops(takes)
    labels = [loop.labels for loop in loops]
    real = _played_round(backend, template, loops)
    rebuilt = _rebuilt(backend, real)
    reference = _played_round(backend, template, fresh_loops(takes, offset=takes))
    rng = np.random.default_rng(0)
    assert rebuilt.codes is not None
    scrambled = rng.integers(backend.info.codebook_size, size=rebuilt.codes.shape)
    noise = 0.1 * rng.standard_normal(real.audio.shape).astype(np.float32)
    kinds = {
        "fresh loops": Material(audio=real.audio, codes=rebuilt.codes),
        "codec's reconstruction": rebuilt,
        "takes": _takes(backend, template, labels),
        "random codes": Material(audio=backend.decode(scrambled)[:, 0], codes=scrambled),
        "white noise": Material(audio=noise),
    }
    wanted = descriptors(reference.audio, backend.info.sample_rate)
    return {
        name: _measure(material, labels, template, backend, wanted)
        for name, material in kinds.items()
    }


def _played_round(
    backend: MusicBackend, template: PromptTemplate, loops: Sequence[SynthLoop]
) -> Material:
    hop = round(backend.info.sample_rate / backend.info.frame_rate)
    frames = template.context_frames * hop
    return Material(audio=np.stack([np.resize(loop.samples, frames) for loop in loops]))


def _rebuilt(backend: MusicBackend, real: Material) -> Material:
    codes = np.concatenate([backend.encode(part[:, None]) for part in _parts(real.audio)])
    audio = np.concatenate([backend.decode(part)[:, 0] for part in _parts(codes)])
    return Material(audio=audio, codes=codes)


def _parts(rows: NDArray[Any], size: int = 8) -> list[NDArray[Any]]:
    return [rows[i : i + size] for i in range(0, len(rows), size)]


def _takes(
    backend: MusicBackend, template: PromptTemplate, labels: Sequence[LoopLabels]
) -> Material:
    rng = np.random.default_rng(1)
    codes = [
        take_codes(
            backend,
            captioned(one, template, rng),
            template.context_frames,
            seed,
            backend.info.sampling,
        )
        for seed, one in enumerate(labels)
    ]
    rows = np.stack(codes)
    audio = np.concatenate([backend.decode(part)[:, 0] for part in _parts(rows)])
    return Material(audio=audio, codes=rows)


def captioned(one: LoopLabels, template: PromptTemplate, rng: np.random.Generator) -> Condition:
    """What a loop is asked for: a true caption in words that the template has."""
    period = template.period_bars(one.bars, one.grid)
    words = [word for word in caption_words(one, template, rng) if word in template.words]
    return Condition(
        text=template.text(words, grid=one.grid, period_bars=period),
        negative=template.text([], grid=one.grid, period_bars=period),
    )


def take_codes(
    backend: MusicBackend, condition: Condition, frames: int, seed: int, sampling: Sampling
) -> NDArray[np.int64]:
    """One take's codes [K, T]."""
    columns = backend.steps([condition], frames=frames, seeds=[seed], sampling=sampling)
    return np.stack([column[0] for column in columns], axis=1)


def _measure(
    material: Material,
    labels: Sequence[LoopLabels],
    template: PromptTemplate,
    backend: MusicBackend,
    wanted: NDArray[np.float64],
) -> dict[str, float]:
    rate = backend.info.sample_rate
    tempos = [template.grid_tempo_bpm(one.grid) for one in labels]
    checks = [tempo_error(x, rate, t) for x, t in zip(material.audio, tempos, strict=True)]
    wrong = [
        tempo_error(x, rate, t * _WRONG_TEMPO) for x, t in zip(material.audio, tempos, strict=True)
    ]
    figures = {
        "on tempo": _mean([check.on_grid for check in checks]),
        "on a tempo 13 % too fast": _mean([check.on_grid for check in wrong]),
        "grid resultant": _mean([check.grid_resultant for check in checks]),
        "grid resultant, wrong tempo": _mean([check.grid_resultant for check in wrong]),
        "Frechet distance to fresh loops": round(
            frechet_distance(descriptors(material.audio, rate), wanted), 3
        ),
        "rms": _mean([float(np.sqrt(np.mean(x**2))) for x in material.audio]),
    }
    if material.codes is not None:
        figures["codebook 1 equal after a period"] = _mean(
            [
                _equal_after(codes[0], one.bars * SIXTEENTHS_IN_BAR * one.grid)
                for codes, one in zip(material.codes, labels, strict=True)
            ]
        )
    return figures


def _mean(values: Sequence[float]) -> float:
    known = [value for value in values if not np.isnan(value)]
    return round(float(np.mean(known)), 3)


def _equal_after(codes: NDArray[np.int64], lag: int) -> float:
    if lag >= len(codes):
        return float("nan")
    return float(np.mean(codes[lag:] == codes[:-lag]))


def descriptors(audio: NDArray[np.float32], sample_rate: int) -> NDArray[np.float64]:
    """Level, spread and rise of log-mel bands of each sound: [N, 40]."""
    filters = mel_filters(sample_rate, _WINDOW, _BANDS).T
    window = np.hanning(_WINDOW).astype(np.float32)
    rows = []
    for sound in audio:
        frames = np.lib.stride_tricks.sliding_window_view(sound, _WINDOW)[::_HOP] * window
        magnitudes = np.abs(np.fft.rfft(frames, axis=1)) @ filters
        pairs = np.log(magnitudes + 0.01).reshape(len(frames), _BANDS // 2, 2).mean(axis=2)
        rises = np.maximum(0, pairs[2:] - pairs[:-2]).mean(axis=0)
        rows.append(np.concatenate([pairs.mean(axis=0), pairs.std(axis=0)[::2], 3 * rises[::2]]))
    return np.array(rows, dtype=np.float64)


def frechet_distance(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Frechet distance of two sets [N, D] taken as Gaussian.

    Source: Dowson and Landau 1982, "The Frechet distance between multivariate normal
    distributions".
    """
    ridge = 1e-4 * np.eye(a.shape[1])
    covariance_a, covariance_b = np.cov(a.T) + ridge, np.cov(b.T) + ridge
    roots = np.sqrt(np.maximum(np.linalg.eigvals(covariance_a @ covariance_b).real, 0))
    shift = ((a.mean(axis=0) - b.mean(axis=0)) ** 2).sum()
    return float(shift + np.trace(covariance_a) + np.trace(covariance_b) - 2 * roots.sum())
