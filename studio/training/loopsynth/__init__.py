"""Synthesised, labelled, grid-locked loops: the material that the embedded model learns from.

Owns sounds, patterns, words and their labels; knows nothing about codecs or networks.
"""

from __future__ import annotations

from studio.training.loopsynth.aliases import ALIASES
from studio.training.loopsynth.captions import caption, vocabulary
from studio.training.loopsynth.composition import Split, split_of
from studio.training.loopsynth.labels import GENRES, KEYS, LoopLabels
from studio.training.loopsynth.render import SynthLoop, render_loop
from studio.training.loopsynth.timing import FRAME_SAMPLES, GRIDS, SAMPLE_RATE, grid_tempo_bpm

__all__ = [
    "ALIASES",
    "FRAME_SAMPLES",
    "GENRES",
    "GRIDS",
    "KEYS",
    "SAMPLE_RATE",
    "LoopLabels",
    "Split",
    "SynthLoop",
    "caption",
    "grid_tempo_bpm",
    "render_loop",
    "split_of",
    "vocabulary",
]
