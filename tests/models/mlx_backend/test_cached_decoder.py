"""What a step of the mlx backend costs, counted."""

from __future__ import annotations

from collections.abc import Callable

import mlx.core as mx
import numpy as np
import pytest

from studio.models.backend import Condition
from studio.models.mlx_backend.backend import MlxBackend
from studio.models.mlx_backend.cached_decoder import CachedDecoder
from studio.models.mlx_backend.transformer import CrossAttention
from studio.models.streams import Streams
from tests.models.mlx_backend.test_parity import codes_of, conditions_for
from tests.models.reference import PROMPT

Mirrored = Callable[..., MlxBackend]


@pytest.mark.parametrize("frames", [3, 30])
def test_a_text_is_read_once_for_each_layer(
    mirrored: Mirrored, monkeypatch: pytest.MonkeyPatch, frames: int
) -> None:
    read: list[int] = []
    keys_values = CrossAttention.keys_values

    def note(layer: CrossAttention, conditioning: mx.array) -> mx.array:
        read.append(len(conditioning))
        return keys_values(layer, conditioning)

    monkeypatch.setattr(CrossAttention, "keys_values", note)
    conditions = conditions_for(mirrored("mono"))
    codes_of(mirrored("mono"), [*conditions, conditions[0]], frames)
    layers, texts = 3, 4  # three prompts, one of them twice, and one negative
    assert len(read) == layers * texts


def test_a_step_updates_the_memory_where_it_lies(mirrored: Mirrored) -> None:
    backend = mirrored("mono")
    streams = backend._conditioner.streams([Condition(text=PROMPT)], guidance=3.0)
    cached = CachedDecoder(backend._decoder, Streams(streams), steps=20_000)
    column = np.zeros((1, backend.info.codebooks, 1), dtype=np.int64)
    cached.advance(column)
    held = mx.get_active_memory()
    whole = 2 * 20_000 * backend.info.cache_bytes
    mx.reset_peak_memory()
    cached.advance(column)
    layer = whole / 3
    assert held > whole
    assert mx.get_peak_memory() - held < layer / 10
