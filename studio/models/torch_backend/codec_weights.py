"""EnCodec's weights under Hugging Face's names, to and fro.

Owns the tensor names, the folding of the weight norm (both ways of writing it) and the stacking
of the codebooks. It opens no files.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from studio.core.errors import ModelError
from studio.models.torch_backend.weights import read_tensor

CODEBOOKS = "codebooks"
# Gain and direction, as torch writes them now and as it wrote them before.
_NORMED = (
    (".parametrizations.weight.original0", ".parametrizations.weight.original1"),
    (".weight_g", ".weight_v"),
)


def state_from_hf(
    tensors: Mapping[str, Tensor], shapes: Mapping[str, torch.Size]
) -> dict[str, Tensor]:
    """Our tensors, of the given shapes, out of those of a checkpoint.

    Raises:
        ModelError: A tensor is missing, has another shape, or holds NaN or infinity.
    """
    state: dict[str, Tensor] = {}
    for name, shape in shapes.items():
        if name == CODEBOOKS:
            state[name] = _stacked_codebooks(tensors, shape)
        elif name.endswith(".conv.weight"):
            flat = torch.Size((shape[0], shape[1], shape[3]))
            state[name] = _folded(tensors, name.removesuffix(".weight"), flat).unsqueeze(2)
        else:
            state[name] = read_tensor(tensors, name, shape).float()
    return state


def state_to_hf(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The inverse of `state_from_hf`, weight norm unfolded."""
    tensors: dict[str, Tensor] = {}
    for name, value in state.items():
        if name == CODEBOOKS:
            for k, book in enumerate(value):
                prefix = f"quantizer.layers.{k}.codebook."
                tensors[prefix + "embed"] = book.clone()
                tensors[prefix + "embed_avg"] = book.clone()
                tensors[prefix + "cluster_size"] = torch.ones(len(book))
                tensors[prefix + "inited"] = torch.ones(1)
        elif name.endswith(".conv.weight"):
            weight = value.squeeze(2).clone(memory_format=torch.contiguous_format)
            gain, direction = _NORMED[0]
            stem = name.removesuffix(".weight")
            tensors[stem + gain] = torch.linalg.vector_norm(weight, dim=(1, 2), keepdim=True)
            tensors[stem + direction] = weight
        else:
            tensors[name] = value.clone()
    return tensors


def _stacked_codebooks(tensors: Mapping[str, Tensor], shape: torch.Size) -> Tensor:
    names = [f"quantizer.layers.{k}.codebook.embed" for k in range(shape[0])]
    return torch.stack([read_tensor(tensors, name, shape[1:]).float() for name in names])


def _folded(tensors: Mapping[str, Tensor], stem: str, shape: torch.Size) -> Tensor:
    for gain, direction in _NORMED:
        if stem + direction in tensors:
            v = read_tensor(tensors, stem + direction, shape).float()
            g = read_tensor(tensors, stem + gain, torch.Size((shape[0], 1, 1))).float()
            length: Tensor = torch.linalg.vector_norm(v, dim=(1, 2), keepdim=True)
            weight = v * (g / length.clamp_min(1e-12))
            if not bool(torch.isfinite(weight).all()):
                raise ModelError(f"the tensor {stem}{direction} is too small for its gain")
            return weight
    return read_tensor(tensors, stem + ".weight", shape).float()
