"""Loops as codes: what the language model is trained on.

Owns encoding a bank once, each loop played round so that its first frame already carries the
tail of its last hit, and the storage of the result.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from studio.models.torch_backend.codec import EncodecModel
from studio.training.bank import LoopBank
from studio.training.codec import codec_products
from studio.training.journal import Journal

_LEAD_FRAMES = 20
_TRAIL_FRAMES = 6
_BATCH = 12


@dataclass(frozen=True, kw_only=True, eq=False)
class CodedLoops:
    """One period of codes a loop, padded with -1.

    Attributes:
        codes: int16 [loops, K, longest period].
        periods: int64 [loops], codec frames of each.
    """

    codes: NDArray[np.int16]
    periods: NDArray[np.int64]

    def window(self, indices: Sequence[int], frames: int) -> NDArray[np.int64]:
        """Loops played round from their first bar: int64 [len(indices), K, frames]."""
        rows = []
        for index in indices:
            positions = np.arange(frames) % self.periods[index]
            rows.append(self.codes[index][:, positions])
        return np.stack(rows).astype(np.int64)


@torch.inference_mode()
def encode_bank(model: EncodecModel, bank: LoopBank, journal: Journal) -> CodedLoops:
    """Encode one period of every loop, in batches of like length."""
    model.eval()
    products = codec_products(model)
    hop = model.config.hop
    periods = np.array([labels.period_frames for labels in bank.labels], dtype=np.int64)
    shape = (len(bank), model.config.codebooks, int(periods.max()))
    codes = np.full(shape, -1, dtype=np.int16)
    order = np.argsort(periods, kind="stable")
    for begin in range(0, len(order), _BATCH):
        chosen = order[begin : begin + _BATCH]
        longest = int(periods[chosen].max())
        frames = (longest + _LEAD_FRAMES + _TRAIL_FRAMES) * hop
        audio = np.stack([bank.excerpt(int(i), -_LEAD_FRAMES * hop, frames) for i in chosen])
        with products():
            latents = model.latents(torch.from_numpy(audio)[:, None])
        rows = model.quantise(latents.float())
        for row, index in zip(rows, chosen, strict=True):
            period = row[:, _LEAD_FRAMES : _LEAD_FRAMES + periods[index]]
            codes[index, :, : periods[index]] = period.numpy().astype(np.int16)
        if begin // _BATCH % 100 == 0:
            journal.write("tokens", loops=begin + len(chosen), of=len(order))
    return CodedLoops(codes=codes, periods=periods)


def save_codes(file: Path, coded: CodedLoops) -> None:
    """Store codes and periods in one `.npz`."""
    np.savez(file, codes=coded.codes, periods=coded.periods)


def load_codes(file: Path) -> CodedLoops:
    """Read what `save_codes` stored."""
    with np.load(file, allow_pickle=False) as stored:
        return CodedLoops(codes=stored["codes"], periods=stored["periods"])
