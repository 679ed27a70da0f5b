"""Random codecs whose sound neither dies nor explodes, in transformers' form and in ours."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor, nn

from studio.models.torch_backend.codec import EncodecConfig, EncodecModel, nearest_code

PUBLISHED_RATIOS = (8, 5, 4, 4)


def published_shape(**changes: Any) -> EncodecConfig:
    """The published codec's convolutions, with few filters."""
    values: dict[str, Any] = {
        "sampling_rate": 32_000,
        "num_filters": 4,
        "hidden_size": 8,
        "codebook_size": 32,
        "codebooks": 4,
        "upsampling_ratios": PUBLISHED_RATIOS,
        "use_conv_shortcut": False,
    }
    return EncodecConfig(**{**values, **changes})


@st.composite
def configs(draw: st.DrawFn) -> EncodecConfig:
    """Small codecs of any shape that the configuration can state."""
    filters = draw(st.integers(1, 6))
    return EncodecConfig(
        sampling_rate=draw(st.sampled_from([16_000, 22_050, 32_000])),
        num_filters=filters,
        hidden_size=draw(st.integers(1, 9)),
        codebook_size=2 ** draw(st.integers(1, 6)),
        codebooks=draw(st.integers(1, 6)),
        upsampling_ratios=tuple(draw(st.lists(st.integers(1, 6), min_size=1, max_size=3))),
        num_lstm_layers=draw(st.integers(1, 3)),
        num_residual_layers=draw(st.integers(0, 3)),
        kernel_size=draw(st.integers(1, 9)),
        last_kernel_size=draw(st.integers(1, 9)),
        residual_kernel_size=draw(st.integers(1, 5)),
        dilation_growth_rate=draw(st.integers(1, 3)),
        compress=draw(st.integers(1, filters)),
        use_conv_shortcut=draw(st.booleans()),
        pad_mode=draw(st.sampled_from(["reflect", "constant"])),
    )


@torch.no_grad()
def build_codec(config: EncodecConfig, seed: int) -> EncodecModel:
    """A codec with random weights, whose latents and audio peak near 1 for noise."""
    torch.manual_seed(seed)
    model = EncodecModel(config).eval().requires_grad_(False)
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            fan_in = layer.weight[0].numel()
            if isinstance(layer, nn.ConvTranspose2d):
                fan_in = 2 * layer.in_channels
            layer.weight.normal_(0.0, 1.4 / math.sqrt(fan_in))
            assert layer.bias is not None
            layer.bias.normal_(0.0, 0.1)
    noise = torch.randn(1, 1, 40 * config.hop) * 0.3
    _divide_last(model.encoder, model.latents(noise).abs().max())
    latents = model.latents(noise)[0]
    for k in range(config.codebooks):
        model.codebooks[k].normal_().mul_(latents.std(dim=1) / 2**k)
    model.codebooks[0].add_(latents.mean(dim=1))
    codes = torch.randint(config.codebook_size, (1, config.codebooks, 40))
    _divide_last(model.decoder, model.synthesise(model.embed(codes)).abs().max())
    return model


def _divide_last(network: nn.Module, peak: Tensor) -> None:
    last = network.get_submodule("layers")[-1].get_submodule("conv")
    for parameter in last.parameters():
        parameter.div_(peak)


@torch.no_grad()
def as_transformers(model: EncodecModel) -> Any:
    """The same codec as transformers computes it, gains and directions of another length."""
    from transformers import EncodecConfig as ReferenceConfig
    from transformers import EncodecModel as ReferenceModel

    reference = ReferenceModel(ReferenceConfig(**model.config.to_hf())).eval()
    tensors = model.to_hf()
    for name in tensors:
        if name.endswith("original1"):
            tensors[name] *= 3.0
    reference.load_state_dict(tensors)
    return reference


def noise(seed: int, *shape: int) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(0.0, 0.3, shape).astype(np.float32)


def assert_same_codes(actual: Tensor, expected: Tensor, model: EncodecModel, audio: Tensor) -> None:
    """Equal, except where two codes lie equally near and rounding has to choose."""
    assert actual.shape == expected.shape
    latents = model.latents(audio)
    rest = latents.permute(0, 2, 1).flatten(0, 1)
    same = torch.ones(len(rest), dtype=torch.bool)
    for k, book in enumerate(model.codebooks[: actual.shape[1]]):
        mine, theirs = actual[:, k].flatten(), expected[:, k].flatten()
        first, second = ((rest - book[index]).pow(2).sum(1) for index in (mine, theirs))
        torch.testing.assert_close(first[same], second[same], atol=1e-5, rtol=1e-5)
        same &= mine == theirs
        rest = rest - book[nearest_code(rest, book)]
    assert same.float().mean() >= 0.98 or (~same).sum() <= 1
