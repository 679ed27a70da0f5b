"""A new language model that begins as an earlier, smaller one.

Owns what is taken over from the earlier bundle: all its layers, and the embedding of every text
token that both know. Layers it did not have begin by changing nothing, so the grown model plays
as the earlier one did. It trains nothing.
"""

from __future__ import annotations

from pathlib import Path

import torch

from studio.core.errors import TrainingError
from studio.models.bundle import open_bundle
from studio.models.prompting import PromptTemplate
from studio.models.shapes import Shapes
from studio.models.torch_backend.transformer import DecoderBlock, MusicLanguageModel
from studio.training.captions import build_tokenizer
from studio.training.initial_weights import look_at_words

_TEXT_ROWS = "text_encoder.embedding.weight"


@torch.no_grad()
def grow_from(model: MusicLanguageModel, template: PromptTemplate, folder: Path) -> int:
    """Fill a new model with what an earlier bundle learnt.

    Args:
        model: Untrained, its own weights drawn.
        template: Its text template.
        folder: The earlier bundle, whose layers must be of the same width.

    Returns:
        How many text tokens the two share.

    Raises:
        ModelError: The bundle cannot be read.
        TrainingError: It is no smaller model of the same kind.
    """
    bundle = open_bundle(folder)
    shapes = Shapes.of(bundle)
    if shapes.text is None or bundle.prompting is None:
        raise TrainingError(f"{folder.name} has no text template; a new model cannot begin as it.")
    earlier = MusicLanguageModel(shapes.text, shapes.decoder)
    earlier.load_hf(bundle.tensors())
    mine, theirs = model.state_dict(), earlier.state_dict()
    unlike = [
        name
        for name, value in theirs.items()
        if name != _TEXT_ROWS and (name not in mine or mine[name].shape != value.shape)
    ]
    if unlike:
        raise TrainingError(
            f"A model of this size cannot begin as {folder.name}: {unlike[0]} differs. "
            "Begin without it, or keep width, heads and text encoder as they were."
        )
    for name, value in theirs.items():
        if name != _TEXT_ROWS:
            mine[name].copy_(value)
    added = [
        block
        for block in list(model.decoder.blocks)[len(earlier.decoder.blocks) :]
        if isinstance(block, DecoderBlock)
    ]
    for block in added:
        for branch in (block.self_attention.out, block.cross_attention.out, block.ffn_out):
            branch.weight.zero_()
    new_ids = build_tokenizer(template).get_vocab()
    old_ids = build_tokenizer(PromptTemplate.from_dict(bundle.prompting)).get_vocab()
    shared = sorted(set(new_ids) & set(old_ids))
    rows = torch.tensor([new_ids[token] for token in shared])
    mine[_TEXT_ROWS][rows] = theirs[_TEXT_ROWS][torch.tensor([old_ids[t] for t in shared])]
    look_at_words(model, added, template, new_ids)
    return len(shared)
