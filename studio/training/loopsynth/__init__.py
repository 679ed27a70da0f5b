"""Synthesised, labelled, grid-locked loops: the material that the embedded model learns from.

Owns sounds, patterns, words and their labels; knows nothing about codecs or networks.
"""

from __future__ import annotations

from studio.training.loopsynth.aliases import ALIASES
from studio.training.loopsynth.captions import caption, true_words, vocabulary
from studio.training.loopsynth.composition import Split
from studio.training.loopsynth.labels import GENRES, KEYS, Kind, LoopLabels
from studio.training.loopsynth.render import SynthLoop, loops_drawn_as, render_loop
from studio.training.loopsynth.timing import (
    FRAME_SAMPLES,
    GRIDS,
    MAX_PERIOD_FRAMES,
    SAMPLE_RATE,
    grid_tempo_bpm,
)

__all__ = [
    "ALIASES",
    "FRAME_SAMPLES",
    "GENRES",
    "GRIDS",
    "KEYS",
    "MAX_PERIOD_FRAMES",
    "SAMPLE_RATE",
    "Kind",
    "LoopLabels",
    "Split",
    "SynthLoop",
    "caption",
    "grid_tempo_bpm",
    "loops_drawn_as",
    "render_loop",
    "true_words",
    "vocabulary",
]
