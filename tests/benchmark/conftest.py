"""Models so small that a benchmark of them takes no time worth measuring."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from studio.benchmark.random_bundle import write_random_bundle
from studio.models.codec_config import EncodecConfig
from studio.models.language_config import DecoderConfig, MelodyConfig, TextConfig
from studio.models.shapes import Shapes

VOCABULARY = 64
TEXT = TextConfig(vocabulary=40, dim=48, head_dim=16, heads=3, ffn_dim=64, layers=1)
CODEC = EncodecConfig(
    sampling_rate=32_000,
    num_filters=2,
    hidden_size=8,
    codebook_size=VOCABULARY,
    codebooks=4,
    upsampling_ratios=(8, 5, 4, 4),
    use_conv_shortcut=False,
)


def tiny_shapes(kind: str = "text", *, channels: int = 1, layers: int = 2) -> Shapes:
    """The shapes of a small model that hears text, a melody, or nothing."""
    decoder = DecoderConfig(
        codebooks=4 * channels,
        vocabulary=VOCABULARY,
        dim=128,
        layers=layers,
        heads=4,
        ffn_dim=512,
        channels=channels,
        cross_attention=kind == "text",
    )
    return Shapes(
        text=None if kind == "nothing" else TEXT,
        melody=MelodyConfig(frames=11) if kind == "melody" else None,
        decoder=decoder,
        codec=CODEC,
    )


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of the usual kind."""
    folder = tmp_path_factory.mktemp("random") / "tiny"
    write_random_bundle(tiny_shapes(), folder)
    return folder
