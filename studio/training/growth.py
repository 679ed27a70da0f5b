"""A new model that begins as an earlier, smaller one.

Owns what is taken over from the earlier bundle: of the codec its networks and codebooks, of the
language model all layers and the embedding of every text token that both know. Layers and
codebooks it did not have begin by changing nothing of what earlier ones say, so the grown model
plays as the earlier one did. It trains nothing.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from studio.core.errors import TrainingError
from studio.models.bundle import open_bundle
from studio.models.language_config import DecoderConfig
from studio.models.prompting import PromptTemplate
from studio.models.shapes import Shapes
from studio.models.torch_backend.codec import EncodecConfig, EncodecModel
from studio.models.torch_backend.codec_weights import CODEBOOKS
from studio.models.torch_backend.transformer import DecoderBlock, MusicLanguageModel
from studio.training.bank import LoopBank
from studio.training.captions import build_tokenizer
from studio.training.initial_weights import look_at_words
from studio.training.quantizer import CodebookLearner

_TEXT_ROWS = "text_encoder.embedding.weight"
_EMBEDDING_ROWS, _HEAD_ROWS = "decoder.embedding.weight", "decoder.heads.weight"
_EXCERPT_SECONDS = 1
_EXCERPTS_AT_ONCE = 16
_VECTORS = 96_000


@torch.no_grad()
def add_codebooks(earlier: EncodecModel, config: EncodecConfig, bank: LoopBank) -> EncodecModel:
    """A codec with further codebooks, which code what those of an earlier one leave over.

    Networks and earlier codebooks stay as they are: the first codes of a sound are the same.

    Args:
        earlier: The codec that is grown.
        config: Its own, with more codebooks.
        bank: Loops whose left-over the new codebooks are put on.

    Raises:
        TrainingError: The two differ in more than the number of codebooks, or it is smaller.
    """
    had = earlier.config.codebooks
    if had > config.codebooks or replace(config, codebooks=had) != earlier.config:
        raise TrainingError(
            "A codec can only be grown by codebooks: keep its other sizes, or begin anew."
        )
    torch.manual_seed(2)
    rng = np.random.default_rng(2)
    frames = _EXCERPT_SECONDS * config.sampling_rate
    left_over: list[torch.Tensor] = []
    while sum(map(len, left_over)) < _VECTORS:
        excerpts = bank.random_excerpts(_EXCERPTS_AT_ONCE, frames, rng)
        latents = earlier.latents(torch.from_numpy(excerpts)[:, None])
        rest = latents - earlier.embed(earlier.quantise(latents))
        left_over.append(rest.permute(0, 2, 1).flatten(0, 1))
    learner = CodebookLearner(config.codebooks - had, config.codebook_size, config.hidden_size)
    learner.start(torch.cat(left_over))
    grown = EncodecModel(config)
    state = earlier.state_dict()
    state[CODEBOOKS] = torch.cat([earlier.codebooks, learner.codebooks])
    grown.load_state_dict(state)
    return grown.eval()


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
    _add_silent_codebooks(theirs, earlier.decoder.config, mine)
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


def _add_silent_codebooks(
    theirs: dict[str, torch.Tensor], had: DecoderConfig, mine: dict[str, torch.Tensor]
) -> None:
    """Fill up an earlier model's rows: what further codebooks say is not heard at first."""
    for name, rows in ((_EMBEDDING_ROWS, had.vocabulary + 1), (_HEAD_ROWS, had.vocabulary)):
        added = mine[name][had.codebooks * rows :].clone()
        if name == _EMBEDDING_ROWS:
            added.zero_()
        if len(added) % rows == 0 and added.shape[1] == theirs[name].shape[1]:
            theirs[name] = torch.cat([theirs[name], added])
