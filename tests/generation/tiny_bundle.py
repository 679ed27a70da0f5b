"""A bundle of the embedded model's kind, small and with random weights: a real engine for tests."""

from __future__ import annotations

from pathlib import Path

import torch

from studio.models.torch_backend.codec import EncodecConfig, EncodecModel
from studio.training.captions import build_tokenizer
from studio.training.codec import set_initial_weights
from studio.training.house import house_template
from studio.training.language_model import LanguageModelRecipe, build_language_model
from studio.training.publish import publish_bundle

CODEC = EncodecConfig(
    sampling_rate=32_000,
    num_filters=2,
    hidden_size=8,
    codebook_size=64,
    codebooks=4,
    upsampling_ratios=(8, 5, 4, 4),
)


def write_tiny_bundle(folder: Path) -> Path:
    """Write the bundle; returns its folder. The same bytes every time."""
    torch.set_num_threads(1)
    template = house_template()
    recipe = LanguageModelRecipe(dim=128, layers=2, heads=4, text_dim=160, text_layers=1)
    torch.manual_seed(0)
    codec = EncodecModel(CODEC)
    set_initial_weights(codec)
    codec.codebooks.data.normal_(0, 0.5)
    publish_bundle(
        folder,
        codec=codec.eval(),
        model=build_language_model(recipe, template, codebooks=4, codes=64).eval(),
        tokenizer=build_tokenizer(template),
        template=template,
        generation={"do_sample": True, "guidance_scale": 1.5, "temperature": 0.8, "top_k": 30},
    )
    return folder
