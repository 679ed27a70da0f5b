"""Seed banks of a few made-up takes, and a hand for the table that shows them."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from studio.generation.coded_take import CodedTake
from studio.generation.request import MAX_SEED, GenerationRequest
from studio.generation.seed_bank import SeedBank, save_bank
from studio.models.codes import CodeSequence
from studio.ui.seedbank_model import Column

FACTS = [
    ("dark jungle break, reese bass", 174.0, "Am", 2, 7),
    ("amen break, ragga stabs", 170.0, "F#m", 1, MAX_SEED),
    ("haunted pads over rolling drums", 92.5, "C", 2, 30),
    ("texture without a beat", None, None, None, 4),
]


def coded(prompt, tempo_bpm, key, bars, seed):
    length = {"bars": bars} if bars else {"duration_seconds": 2.0}
    rng = np.random.default_rng(seed)
    return CodedTake(
        request=GenerationRequest(prompt=prompt, seed=seed, tempo_bpm=tempo_bpm, key=key, **length),
        codes=CodeSequence.from_array(rng.integers(0, 512, (4, 40))),
        model_hash="ab" * 32,
    )


TAKES = tuple(coded(*facts) for facts in FACTS)


def write_banks(folder):
    """Two banks: one of all takes, one of the first."""
    save_bank(folder / "jungle.npz", SeedBank(name="jungle", takes=TAKES))
    save_bank(folder / "techno.npz", SeedBank(name="techno", takes=TAKES[:1]))


def click(dialog, row, modifiers=Qt.KeyboardModifier.NoModifier):
    place = dialog.table.visualRect(dialog.table.rows.index(row, Column.PROMPT)).center()
    QTest.mouseClick(dialog.table.viewport(), Qt.MouseButton.LeftButton, modifiers, place, delay=-1)


def heard(audition, take):
    """The take plays, and is the one in the waveform."""
    sound = audition.sound
    return audition.playing and sound is not None and sound.seed == take.request.seed
