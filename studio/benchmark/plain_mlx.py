"""The decoder's loop as a plain port to mlx writes it, on the same weights.

Owns that loop, to hold our mlx backend against: the memory of keys and values is joined anew at
every step, the text's keys and values are computed again at every step, and under guidance both
streams attend to a text, the null stream to zeros. It makes no sound.

Letters in shapes: B takes, R streams, K codebooks, D model width, H heads, L text tokens.
"""

from __future__ import annotations

import time
from pathlib import Path

import mlx.core as mx
import numpy as np
from numpy.typing import NDArray

from studio.benchmark.asking import GUIDANCE, TOP_K
from studio.benchmark.contestants import PLAIN_MLX
from studio.models.backend import Condition, Sampling
from studio.models.bundle import open_bundle
from studio.models.mlx_backend.loading import load_networks
from studio.models.mlx_backend.transformer import DecoderBlock, attend, sinusoids
from studio.models.patterns import delay
from studio.models.sampling import guide, pick_codes

_Past = tuple[mx.array, mx.array]


class PlainMlxPort:
    """The model of a bundle with text, decoded the plain way.

    Attributes:
        name: What tables call it.
        threads: Of torch, which computes nothing here.
    """

    def __init__(self, folder: Path, precision: str, *, threads: int) -> None:
        networks = load_networks(open_bundle(folder), precision)
        self.name = f"{PLAIN_MLX} {precision}"
        self.threads = threads
        self._decoder = networks.decoder
        self._conditioner = networks.conditioner

    def threads_for(self, streams: int) -> int:
        """Processor threads: always those it was given."""
        return self.threads

    def decode(self, condition: Condition, *, batch: int, frames: int, guided: bool) -> float:
        """Make codes for `batch` takes and give the seconds it took."""
        started = time.perf_counter()
        self.codes(condition, batch=batch, frames=frames, guided=guided)
        return time.perf_counter() - started

    def codes(
        self, condition: Condition, *, batch: int, frames: int, guided: bool
    ) -> NDArray[np.int64]:
        """The delayed grid of `batch` takes of the seeds from 0 on, int64 [B, K, steps + 1]."""
        config = self._decoder.config
        sampling = Sampling(top_k=TOP_K, guidance=GUIDANCE if guided else 1.0)
        ((stream,),) = self._conditioner.streams([condition], guidance=1.0)
        text = stream.text.astype(self._decoder.embedding.dtype)
        heard = [text] * batch + ([mx.zeros_like(text)] * batch if guided else [])
        conditioning = mx.stack(heard)
        blank = np.full((batch, config.codebooks, frames), config.vocabulary, dtype=np.int64)
        grid = delay(blank, config.vocabulary, config.delays)
        delays = np.array(config.delays)
        steps = frames + int(delays.max())
        positions = sinusoids(steps, config.dim).astype(text.dtype)
        past: list[_Past | None] = [None] * len(self._decoder.blocks)
        for step in range(1, steps + 1):
            column = mx.array(grid[:, :, step - 1 : step].astype(np.int32))
            column = mx.concatenate([column] * (len(heard) // batch))
            x = self._decoder.embed(column) + positions[step - 1]
            for layer, block in enumerate(self._decoder.blocks):
                x, past[layer] = _through(block, x, past[layer], conditioning)
            logits = np.array(self._decoder.predict(x)[:, -1].astype(mx.float32))
            wanted = guide(logits[:batch], logits[batch:], GUIDANCE) if guided else logits
            codes = pick_codes(wanted, sampling, seeds=range(batch), step=step - 1)
            new = delays < step
            grid[:, new, step] = codes[:, new]
        return grid


def _through(
    block: DecoderBlock, x: mx.array, past: _Past | None, conditioning: mx.array
) -> tuple[mx.array, _Past]:
    """One block for one column `x` [R, 1, D]: what comes out, and what is remembered."""
    attention = block.self_attention
    qkv = attention.qkv(block.self_norm(x)).reshape(len(x), 1, 3, attention.heads, -1)
    query, key, value = qkv.transpose(2, 0, 3, 1, 4)
    if past is not None:
        key = mx.concatenate([past[0], key], axis=2)
        value = mx.concatenate([past[1], value], axis=2)
    mixed = attend(query, key, value).swapaxes(1, 2).reshape(x.shape)
    x = x + attention.out(mixed)
    x = x + block.cross_attention(block.cross_norm(x), conditioning)
    return x + block.ffn(x), (key, value)
