"""Which device computes, and which numbers it computes with.

Owns the choice of a device, the precisions of a decoder there, and what is set once for a device.
It moves no weights.
"""

from __future__ import annotations

from collections.abc import Callable

import torch

from studio.core.errors import ModelError

EXACT_PARAMETERS = 50_000_000
"""A model below this is fast enough in float32 on every device."""


def pick_device(name: str | None = None) -> torch.device:
    """The device of this name; without a name the fastest one here.

    Args:
        name: "cuda", "cuda:1", "mps" or "cpu".

    Raises:
        ModelError: There is no such device.
    """
    present = [kind for kind, is_here in _KINDS.items() if is_here()]
    if name is None:
        return torch.device(present[0])
    kind, _, index = name.partition(":")
    if kind not in present or (index and not _is_counted(kind, index)):
        raise ModelError(f"There is no device {name!r:.40} here; choose {', '.join(present)}.")
    return torch.device(name)


def device_precisions(device: torch.device) -> tuple[str, ...]:
    """The precisions that `device` is good at, the most exact first."""
    if device.type == "mps":
        return ("float32", "float16")
    if device.type == "cuda" and not torch.cuda.is_bf16_supported(including_emulation=False):
        return ("float32", "float16")
    return ("float32", "bfloat16", "float16")


def device_dtype(device: torch.device, precision: str | None, parameters: int) -> torch.dtype:
    """What a decoder's numbers are on `device`.

    Args:
        device: Where.
        precision: Its name; None takes float32 for a small model, and for a large one half the
            bits where the device is good at that.
        parameters: Numbers in the language model.

    Raises:
        ModelError: The device is not good at this precision.
    """
    able = device_precisions(device)
    if precision is None:
        halves = device.type != "cpu" and parameters >= EXACT_PARAMETERS
        precision = able[1] if halves else able[0]
    if precision not in able:
        raise ModelError(
            f"The device {device} does not compute with {precision!r:.40};"
            f" choose {', '.join(able)}."
        )
    dtype = getattr(torch, precision)
    assert isinstance(dtype, torch.dtype)
    return dtype


def keep_exact(device: torch.device) -> None:
    """Let float32 be float32 on `device`, for the whole process.

    By default cuDNN rounds what convolutions and the LSTM multiply to 10 bits, by which a streamed
    codec would differ from the whole.
    """
    if device.type == "cuda":
        torch.backends.cudnn.allow_tf32 = False


def _is_counted(kind: str, index: str) -> bool:
    return index.isdecimal() and int(index) < (torch.cuda.device_count() if kind == "cuda" else 1)


_KINDS: dict[str, Callable[[], bool]] = {
    "cuda": lambda: torch.cuda.is_available(),
    "mps": lambda: torch.backends.mps.is_available(),
    "cpu": lambda: True,
}
