"""Our own kernels for a step, compiled for the CPU, against the plain operators."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from studio.models.backend import Sampling
from studio.models.language_config import DecoderConfig
from studio.models.streams import Stream
from studio.models.torch_backend.device_decoder import DeviceDecoder
from studio.models.torch_backend.device_language import DeviceLanguage
from studio.models.torch_backend.fused_step import MOST_ROWS, FusedStep, FusedSteps
from studio.models.torch_backend.step_graph import PlainLane
from studio.models.torch_backend.transformer import MusicDecoder
from tests.models.cuda_on_cpu import COMPILER, CpuKernels

pytestmark = pytest.mark.skipif(
    shutil.which(COMPILER) is None, reason="no C++ compiler stands in for a GPU's"
)


def _decoder(
    *,
    dim: int = 32,
    heads: int = 2,
    ffn_dim: int = 40,
    layers: int = 1,
    text: bool = True,
    dtype: torch.dtype = torch.float32,
) -> MusicDecoder:
    torch.manual_seed(0)
    decoder = MusicDecoder(
        DecoderConfig(
            codebooks=4,
            vocabulary=30,
            dim=dim,
            layers=layers,
            heads=heads,
            ffn_dim=ffn_dim,
            cross_attention=text,
        )
    ).requires_grad_(False)
    for name, parameter in decoder.named_parameters():
        if parameter.ndim > 1:
            parameter.mul_(3.0)
        elif "norm" in name:
            parameter.add_(0.3 * torch.randn_like(parameter))
    return decoder.to(dtype)


class Spoiling:
    """Compiles something else."""

    def __init__(self, kernels: CpuKernels, right: str, wrong: str) -> None:
        self._kernels, self._right, self._wrong = kernels, right, wrong

    def build(self, source: str, names: Sequence[str], macros: Mapping[str, int]) -> Any:
        assert self._right in source
        return self._kernels.build(source.replace(self._right, self._wrong), names, macros)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["whole", "half"])
@pytest.mark.parametrize(
    ("shape", "rows", "texted"),
    [
        ({"layers": 2}, 2, 1),
        ({"heads": 4}, 4, 4),
        ({"dim": 128, "heads": 1}, 1, 0),
        ({"dim": 24, "heads": 3, "ffn_dim": 1064}, 3, 2),
    ],
    ids=["small", "many heads", "a wide head", "odd sizes"],
)
def test_a_fused_step_is_a_plain_step(
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    dtype: torch.dtype,
    shape: dict[str, int],
    rows: int,
    texted: int,
) -> None:
    """They are held against each other before they are given out."""
    decoder = DeviceDecoder(_decoder(**shape, dtype=dtype))
    kernels = CpuKernels(tmp_path)
    steps = FusedSteps(decoder, kernels)
    reader = steps.reader(rows, texted)
    assert isinstance(reader, FusedStep)
    assert caplog.records == []
    built = list(tmp_path.iterdir())
    assert isinstance(steps.reader(rows, texted), FusedStep)
    assert list(tmp_path.iterdir()) == built


def _codes(language: DeviceLanguage, plans: list[list[Stream]]) -> NDArray[np.int64]:
    takes = len(plans)
    frames = language.frames(
        plans,
        prefix=np.zeros((takes, 4, 3), dtype=np.int64),
        frames=11,
        seeds=list(range(takes)),
        sampling=Sampling(top_k=9, guidance=2.0),
        first_step=0,
        closed=False,
    )
    return np.stack(list(frames), axis=-1)


@pytest.mark.parametrize("case", ["text", "prefix", "texts"])
def test_takes_of_fused_steps_are_those_of_plain_ones(tmp_path: Path, case: str) -> None:
    """Over two lengths of attention; with a prefix the streams begin at different places."""
    decoder = _decoder(layers=1, text=case != "prefix")
    random = torch.Generator().manual_seed(1)

    def vectors(length: int) -> torch.Tensor:
        return torch.randn(length, 32, generator=random)

    plans = [[Stream(text=vectors(5)), Stream()]]
    if case == "texts":
        plans += [[Stream(text=vectors(40)), Stream(text=vectors(1))]]
    if case == "prefix":
        plans = [
            [Stream(prefix=vectors(9)), Stream(prefix=vectors(9))],
            [Stream(prefix=vectors(3))],
        ]
    lane = PlainLane(torch.device("cpu"), longest_block=4, ahead=1, draws=True)
    kernels = CpuKernels(tmp_path)
    fused = DeviceLanguage(decoder, lane=lane, bucket=8, kernels=kernels)
    plain = DeviceLanguage(decoder, lane=lane, bucket=8)
    np.testing.assert_array_equal(_codes(fused, plans), _codes(plain, plans))
    assert "add_inner" in kernels.launches


def test_a_layer_takes_eight_kernels(tmp_path: Path) -> None:
    """Without a text five. What is beside the layers does not grow with them."""
    for text, most in ((True, 8), (False, 5)):
        counts = []
        for layers in (1, 3):
            kernels = CpuKernels(tmp_path)
            decoder = DeviceDecoder(_decoder(layers=layers, text=text))
            reader = FusedSteps(decoder, kernels).reader(2, int(text))
            kernels.launches.clear()
            memory = decoder.new_memory(rows=2, cells=8, texted=int(text), text_length=4)
            reader(torch.zeros(2, 32), memory, torch.zeros(1, dtype=torch.int64), 8)
            counts.append(len(kernels.launches))
        assert counts == [most, 3 * most]


@pytest.mark.parametrize(
    ("shape", "rows"),
    [
        ({}, MOST_ROWS + 1),
        ({"dtype": torch.float16}, 2),
        ({"dim": 48, "heads": 4}, 2),
        ({"dim": 512, "heads": 2}, 2),
        ({"dim": 60, "heads": 6, "ffn_dim": 50}, 2),
    ],
    ids=["many rows", "float16", "a head of three lanes", "a huge head", "odd widths"],
)
def test_what_the_kernels_do_not_suit_is_left_to_plain_operators(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, shape: dict[str, Any], rows: int
) -> None:
    decoder = DeviceDecoder(_decoder(**shape))
    assert FusedSteps(decoder, CpuKernels(tmp_path)).reader(rows, 1) == decoder.read_step
    assert list(tmp_path.iterdir()) == []
    assert caplog.records == []


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("1.0f + erff(", "1.2f + erff("),
        ("+ 1e-5f", "+ 0.5f"),
        ("value[u] = load(own + 2 * DIM)", "value[u] = load(own + DIM)"),
        ("score += bias[u];", "score += 1.0f;\n        if (u) score -= 2.0f;"),
        ("bias[u] > NOTHING", "j_is(u)"),
        ("narrow(wide(*to) + sum)", "narrow(sum)"),
    ],
    ids=["gelu", "norm", "remembering", "scores", "what does not compile", "sum"],
)
def test_kernels_that_are_wrong_are_not_used(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, right: str, wrong: str
) -> None:
    decoder = DeviceDecoder(_decoder())
    steps = FusedSteps(decoder, Spoiling(CpuKernels(tmp_path), right, wrong))
    for _ in range(2):
        assert steps.reader(2, 1) == decoder.read_step
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert "\n" not in record.getMessage()
