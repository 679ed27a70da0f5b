"""Writing a model in Hugging Face's layout, as transformers opens it.

Owns the copy of a bundle with what adapters change added for good, and with the tensors that
transformers misses in a model without words. Numbers are kept as they are stored; a changed tensor
is written in float32, so that the copy computes what the adapted model does.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from studio.core.folders import replacing_folder
from studio.models.bundle import CONFIG, GENERATION, PROMPTING, TEXT, TOKENIZER, WEIGHTS, Bundle
from studio.models.model_card import CARD
from studio.models.shapes import CODEC_PREFIX, LANGUAGE_PREFIXES, Shapes, weights_file
from studio.models.torch_backend.audiocraft.bundle import Weight, write_weights
from studio.models.unconditional import UNUSED_TEXT, text_section, unused_shapes

_TOKENIZER_SETTINGS = "tokenizer_config.json"
_COPIED = (GENERATION, PROMPTING, TOKENIZER, _TOKENIZER_SETTINGS)
_FILES = frozenset({CONFIG, WEIGHTS, CARD, *_COPIED})


def export_huggingface(bundle: Bundle, folder: Path, *, card: str | None = None) -> None:
    """Write a model as a folder that transformers opens unchanged.

    Args:
        bundle: The model.
        folder: Where it will be; an earlier bundle there is replaced at the end.
        card: Text of its `README.md`, see `ModelCard.text`.

    Raises:
        ModelError: The model is not usable.
        StorageError: The folder cannot be written, or holds something else; what is there is
            untouched.
    """
    shapes = Shapes.of(bundle)
    config = json.loads(json.dumps(bundle.config))
    unused: dict[str, tuple[int, ...]] = {}
    if config["model_type"] == TEXT and shapes.text is None:
        unused = unused_shapes(shapes.decoder)
        config["text_encoder"] = text_section(UNUSED_TEXT)
        config["decoder"]["cross_attention"] = False
        config |= {"architectures": ["MusicgenForConditionalGeneration"]}
    config["is_encoder_decoder"] = True
    with replacing_folder(folder, mark=CONFIG, allowed=_FILES, what="The export") as fresh:
        write_weights(fresh / WEIGHTS, _Weights(bundle, unused))
        for name in _COPIED:
            if (bundle.folder / name).is_file():
                (fresh / name).write_bytes((bundle.folder / name).read_bytes())
        (fresh / CONFIG).write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")
        if card is not None:
            (fresh / CARD).write_text(card, encoding="utf-8")


class _Weights(Mapping[str, Weight]):
    """A bundle's tensors on their way out, each read when it is written.

    Args:
        bundle: The model.
        unused: What is written as zeros, by its shape.
    """

    def __init__(self, bundle: Bundle, unused: Mapping[str, tuple[int, ...]]) -> None:
        prefixes = (*LANGUAGE_PREFIXES, CODEC_PREFIX)
        self._names = [
            name for name in bundle.entries if name.startswith(prefixes) and name not in unused
        ]
        self._tensors: Mapping[str, Any] = bundle.tensors()
        self._unused = unused
        self._file = weights_file(bundle)

    def __getitem__(self, name: str) -> Weight:
        tensor: Tensor
        if name in self._unused:
            tensor = torch.zeros(self._unused[name], dtype=torch.float16)
        else:
            tensor = self._tensors[name]
        return Weight(tensor=tensor, file=self._file, name=name)

    def __iter__(self) -> Iterator[str]:
        return iter([*self._names, *self._unused])

    def __len__(self) -> int:
        return len(self._names) + len(self._unused)
