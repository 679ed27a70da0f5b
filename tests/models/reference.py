"""Tiny random models, made and saved by transformers, which is the oracle of these tests."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit
from tokenizers.processors import TemplateProcessing

from studio.models.backend import Condition

VOCABULARY = 32
CODEBOOKS = 4
WORDS = ("dark", "jungle", "break", "reese", "bass", "dub", "techno", "swing", "hat", "kick")
PROMPT = "dark jungle break reese bass"
SHORT_PROMPT = "dub techno"


@dataclass(frozen=True)
class Reference:
    """A transformers model and the folder that it was saved to."""

    model: Any
    folder: Path

    def texts(self, *texts: str) -> dict[str, torch.Tensor]:
        """Padded token ids and mask as transformers wants them."""
        tokenizer = Tokenizer.from_file(str(self.folder / "tokenizer.json"))
        rows = [tokenizer.encode(text).ids for text in texts]
        length = max(len(row) for row in rows)
        return {
            "input_ids": torch.tensor([row + [0] * (length - len(row)) for row in rows]),
            "attention_mask": torch.tensor(
                [[1] * len(row) + [0] * (length - len(row)) for row in rows]
            ),
        }


def build_model(*, text_width: int) -> Any:
    from transformers import (
        EncodecConfig,
        MusicgenConfig,
        MusicgenDecoderConfig,
        MusicgenForConditionalGeneration,
        T5Config,
    )

    torch.manual_seed(0)
    config = MusicgenConfig(
        text_encoder=T5Config(
            vocab_size=40, d_model=text_width, d_kv=8, d_ff=48, num_layers=2, num_heads=3
        ).to_dict(),
        audio_encoder=EncodecConfig(
            sampling_rate=32_000,
            upsampling_ratios=[8, 5, 4, 4],
            num_filters=4,
            hidden_size=16,
            codebook_size=VOCABULARY,
            codebook_dim=16,
            target_bandwidths=[1.0],
            audio_channels=1,
            norm_type="weight_norm",
            use_causal_conv=False,
            use_conv_shortcut=False,
        ).to_dict(),
        decoder=MusicgenDecoderConfig(
            vocab_size=VOCABULARY,
            hidden_size=32,
            num_hidden_layers=3,
            num_attention_heads=4,
            ffn_dim=64,
            num_codebooks=CODEBOOKS,
            pad_token_id=VOCABULARY,
            bos_token_id=VOCABULARY,
        ).to_dict(),
    )
    model = MusicgenForConditionalGeneration(config).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.startswith("decoder") and parameter.ndim > 1:
                parameter.mul_(5.0)
            elif "norm" in name and "audio" not in name:
                parameter.add_(0.2 * torch.randn_like(parameter))
        # transformers starts with empty codebooks; these lie where the latents of noise lie.
        codec = model.audio_encoder
        latents = codec.encoder(torch.randn(1, 1, 64_000) * 0.3)[0]
        spread = latents.std(dim=1)
        for layer in codec.quantizer.layers:
            layer.codebook.embed.normal_().mul_(spread)
        codec.quantizer.layers[0].codebook.embed.add_(latents.mean(dim=1))
    model.generation_config.decoder_start_token_id = VOCABULARY
    model.generation_config.pad_token_id = VOCABULARY
    return model


def save_model(model: Any, folder: Path) -> Reference:
    model.save_pretrained(folder)
    vocabulary = {word: i for i, word in enumerate(["<pad>", "</s>", "<unk>", *WORDS])}
    tokenizer = Tokenizer(WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = WhitespaceSplit()
    tokenizer.post_processor = TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", vocabulary["</s>"])]
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    return Reference(model=model, folder=folder)


def under(*texts: str) -> list[Condition]:
    """One condition for each prompt."""
    return [Condition(text=text) for text in texts]
