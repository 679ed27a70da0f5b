"""Writing a model as audiocraft would have exported it.

Owns the two files that audiocraft loads, `state_dict.bin` and `compression_state_dict.bin`: plain
tensors, text and nothing else, so that they open with `torch.load(weights_only=True)`. Names and
settings are `studio.models.audiocraft.export`'s.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import Tensor

from studio.core.errors import StorageError
from studio.core.folders import replacing_folder
from studio.core.storage import shown_path
from studio.models.asked import recommended_sampling
from studio.models.audiocraft.export import (
    CHROMA_WINDOW,
    CHROMA_WINDOW_FRAMES,
    FORM_VERSION,
    codec_name,
    codec_settings,
    kind_of,
    language_settings,
    placements,
    published_text_encoder,
)
from studio.models.audiocraft.folder import CODEC_STATE, SETTINGS, STATE
from studio.models.bundle import Bundle
from studio.models.codec_config import EncodecConfig
from studio.models.model_card import CARD
from studio.models.shapes import CODEC_PREFIX, Shapes, naming, weights_file
from studio.models.torch_backend.codec import EncodecModel
from studio.models.torch_backend.codec_weights import state_from_hf, state_to_hf
from studio.models.torch_backend.weights import Section, read_tensor

_FILES = frozenset({STATE, CODEC_STATE, CARD})


def export_audiocraft(
    bundle: Bundle, folder: Path, *, words: bool = True, card: str | None = None
) -> None:
    """Write a model as a folder that audiocraft's `MusicGen.get_pretrained` opens.

    Args:
        bundle: The model; what adapters add to it is added for good.
        folder: Where it will be; an earlier export there is replaced at the end.
        words: False leaves the words out: the model then is what it is under the null condition.
        card: Text of its `README.md`, see `ModelCard.text`.

    Raises:
        ModelError: The model is not usable, or audiocraft's form has no place for a part of it.
        StorageError: The folder cannot be written, or holds something else; what is there is
            untouched.
    """
    shapes = Shapes.of(bundle)
    kind = kind_of(shapes) if words else "unconditional"
    text_encoder = None
    if kind != "unconditional" and shapes.text is not None:
        text_encoder = published_text_encoder(shapes.text)
    with naming(weights_file(bundle)):
        tensors = bundle.tensors()
        state: dict[str, Tensor] = {}
        for placement in placements(shapes, kind):
            rows, *rest = placement.shape
            shape = torch.Size((rows // len(placement.targets), *rest))
            parts = [read_tensor(tensors, name, shape) for name in placement.targets]
            state[placement.source] = torch.cat(parts) if len(parts) > 1 else parts[0].clone()
        if kind == "melody":
            # audiocraft keeps this table among the weights, and misses it.
            state[CHROMA_WINDOW] = torch.hann_window(CHROMA_WINDOW_FRAMES)
        codec_state = _codec_state(shapes.codec, Section(tensors, CODEC_PREFIX))
    guidance = recommended_sampling(bundle).guidance
    settings = language_settings(shapes, kind, guidance=guidance, text_encoder=text_encoder)
    with replacing_folder(folder, mark=STATE, allowed=_FILES, what="The export") as fresh:
        _save(fresh / STATE, state, settings)
        _save(fresh / CODEC_STATE, codec_state, codec_settings(shapes.codec))
        if card is not None:
            (fresh / CARD).write_text(card, encoding="utf-8")


def _codec_state(config: EncodecConfig, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The codec's tensors under audiocraft's names, its weight norm as audiocraft keeps it."""
    with torch.device("meta"):
        blank = EncodecModel(config).state_dict()
    shapes = {name: value.shape for name, value in blank.items()}
    folded = state_from_hf(tensors, shapes)
    state: dict[str, Tensor] = {}
    for name, value in state_to_hf(folded).items():
        theirs = codec_name(name, config)
        gain_or_direction = (
            f"{name.partition('.parametrizations.')[0]}{theirs[-len('.weight_g') :]}"
        )
        # As they are stored, where they are stored so, in either form: folding would round them.
        kept = tensors.get(name, tensors.get(gain_or_direction, value))
        state[theirs] = kept.reshape(value.shape).clone()
    return state


def _save(file: Path, state: Mapping[str, Tensor], settings: Mapping[str, Any]) -> None:
    package = {
        "best_state": dict(state),
        SETTINGS: yaml.safe_dump(dict(settings), sort_keys=False),
        "version": FORM_VERSION,
        "exported": True,
    }
    try:
        torch.save(package, file)
    except RuntimeError as error:
        # torch reports a failed write so, without the system's reason.
        raise StorageError(
            f"{shown_path(file.parent)} could not be written to the end; free some space or choose"
            " another folder."
        ) from error
