"""Which device computes, with which numbers."""

from __future__ import annotations

import pytest
import torch

from studio.core.errors import ModelError
from studio.models.bundle import open_bundle
from studio.models.torch_backend import device as device_module
from studio.models.torch_backend.backend import TorchBackend
from studio.models.torch_backend.device import (
    EXACT_PARAMETERS,
    device_dtype,
    device_precisions,
    keep_exact,
    pick_device,
)
from tests.models.reference import Reference

CPU, CUDA, MPS = torch.device("cpu"), torch.device("cuda"), torch.device("mps")


@pytest.fixture
def present(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The devices that this machine shall have besides its CPU."""
    names: set[str] = set()
    monkeypatch.setattr(torch.cuda, "is_available", lambda: "cuda" in names)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: "mps" in names)
    return names


def test_the_fastest_device_is_taken(present: set[str]) -> None:
    assert pick_device() == CPU
    present.add("mps")
    assert pick_device() == MPS
    present.add("cuda")
    assert pick_device() == CUDA
    assert pick_device("cpu") == CPU
    assert pick_device("cuda:1") == torch.device("cuda", 1)


@pytest.mark.parametrize("name", ["mps", "cuda:2", "cuda:x", "gpu", ""])
def test_a_device_that_is_not_here_is_refused_in_one_line(present: set[str], name: str) -> None:
    present.add("cuda")
    with pytest.raises(ModelError, match="choose cuda, cpu") as caught:
        pick_device(name)
    assert "\n" not in caught.value.user_message


@pytest.mark.parametrize("able", [True, False])
def test_half_the_bits_are_those_that_a_device_is_good_at(
    monkeypatch: pytest.MonkeyPatch, able: bool
) -> None:
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: able)
    assert ("bfloat16" in device_precisions(CUDA)) is able
    half = torch.bfloat16 if able else torch.float16
    assert device_dtype(CUDA, None, EXACT_PARAMETERS) is half
    assert device_dtype(CUDA, None, EXACT_PARAMETERS - 1) is torch.float32
    assert device_dtype(MPS, None, EXACT_PARAMETERS) is torch.float16
    assert device_dtype(CPU, None, EXACT_PARAMETERS) is torch.float32
    assert device_dtype(CUDA, "float16", 0) is torch.float16


def test_a_precision_that_a_device_is_not_good_at_is_refused() -> None:
    with pytest.raises(ModelError, match=r"mps does not compute with 'bfloat16'.*float16"):
        device_dtype(MPS, "bfloat16", 0)
    with pytest.raises(ModelError, match="'int8'"):
        device_dtype(CPU, "int8", 0)


def test_float32_is_float32_on_cuda_only_by_being_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device_module.torch.backends, "cudnn", _Settings())
    keep_exact(CPU)
    assert torch.backends.cudnn.allow_tf32
    keep_exact(CUDA)
    assert not torch.backends.cudnn.allow_tf32


class _Settings:
    allow_tf32 = True


def test_facts_say_what_the_device_computes_with(reference: Reference) -> None:
    bundle = open_bundle(reference.folder)
    whole = TorchBackend(bundle, device="cpu").info
    half = TorchBackend(bundle, "bfloat16", device="cpu").info
    assert (whole.precision, half.precision) == ("float32", "bfloat16")
    assert whole.cache_bytes == 2 * half.cache_bytes == 3 * 2 * 4 * 32
    assert whole.parameters == half.parameters
    with pytest.raises(ModelError, match="int8"):
        TorchBackend(bundle, "int8", device="cpu")
    with pytest.raises(ModelError, match="There is no device 'tpu'"):
        TorchBackend(bundle, device="tpu")
