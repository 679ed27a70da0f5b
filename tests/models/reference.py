"""Tiny random models, made and saved by transformers, which is the oracle of these tests."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit
from tokenizers.processors import TemplateProcessing

from studio.models.backend import Condition
from studio.models.patterns import codebook_delays

VOCABULARY = 32
CODEBOOKS = 4
WORDS = ("dark", "jungle", "break", "reese", "bass", "dub", "techno", "swing", "hat", "kick")
PROMPT = "dark jungle break reese bass"
SHORT_PROMPT = "dub techno"
CHROMA_FRAMES = 11


@dataclass(frozen=True, kw_only=True)
class Shape:
    """The sizes of a random language model; `codebooks` are those of one channel."""

    kind: str = "text"
    channels: int = 1
    codebooks: int = CODEBOOKS
    vocabulary: int = VOCABULARY
    dim: int = 32
    heads: int = 4
    layers: int = 3
    ffn_dim: int = 64
    text_width: int = 24
    text_layers: int = 2
    text_heads: int = 3


@dataclass(frozen=True)
class Reference:
    """A transformers model and the folder that it was saved to."""

    model: Any
    folder: Path

    @property
    def kind(self) -> str:
        """What the model is conditioned on: text, melody or nothing."""
        kinds = {"musicgen": "text", "musicgen_melody": "melody"}
        return kinds.get(self.model.config.model_type, "unconditional")

    @property
    def decoder(self) -> Any:
        return self.model if self.kind == "unconditional" else self.model.decoder

    @property
    def delays(self) -> tuple[int, ...]:
        config = self.decoder.config
        return codebook_delays(config.num_codebooks, config.audio_channels)

    def texts(self, *texts: str) -> dict[str, torch.Tensor]:
        """Padded token ids and mask as transformers wants them; "" is the null condition."""
        tokenizer = Tokenizer.from_file(str(self.folder / "tokenizer.json"))
        rows = [tokenizer.encode(text).ids for text in texts]
        length = max(len(row) for row in rows)
        shown = [len(row) if text else 0 for row, text in zip(rows, texts, strict=True)]
        return {
            "input_ids": torch.tensor([row + [0] * (length - len(row)) for row in rows]),
            "attention_mask": torch.tensor([[1] * n + [0] * (length - n) for n in shown]),
        }

    def inputs(self, conditions: list[Condition]) -> dict[str, torch.Tensor]:
        """What the model is given for these conditions; all have a melody or none."""
        if self.kind == "unconditional":
            return {}
        given = self.texts(*(condition.text for condition in conditions))
        melodies = [c.melody for c in conditions if c.melody is not None]
        if melodies:
            bins = torch.from_numpy(np.stack(melodies).astype(np.int64))
            given["input_features"] = torch.nn.functional.one_hot(bins, 12).float()
        return given

    @torch.inference_mode()
    def logits(self, tokens: NDArray[np.int64], conditions: list[Condition]) -> NDArray[np.float32]:
        """Logits [B, K, S, V] of the grid `tokens` [B, K, S]."""
        batch, codebooks, steps = tokens.shape
        flat = torch.from_numpy(tokens).reshape(batch * codebooks, steps)
        if self.kind == "unconditional":
            logits = self.model(flat).logits
        else:
            logits = self.model(**self.inputs(conditions), decoder_input_ids=flat).logits
        by_codebook: NDArray[np.float32] = (
            logits[:, -steps:].reshape(batch, codebooks, steps, -1).numpy()
        )
        return by_codebook

    @torch.inference_mode()
    def greedy(
        self,
        conditions: list[Condition],
        *,
        frames: int,
        guidance: float,
        prefix: NDArray[np.int64] | None = None,
    ) -> tuple[NDArray[np.int64], NDArray[np.float32] | None]:
        """Greedy codes [B, K, T], those of `prefix` included, and audio [B, C, N]."""
        batch, codebooks = len(conditions), self.decoder.config.num_codebooks
        options: dict[str, Any] = {
            "do_sample": False,
            "max_new_tokens": frames + max(self.delays),
            "num_return_sequences": 1,
        }
        known = np.zeros((batch, codebooks, 0), np.int64) if prefix is None else prefix
        filler = np.full((batch, codebooks, 1), self.decoder.config.vocab_size)
        start = torch.from_numpy(np.concatenate([filler, known], axis=2)).flatten(0, 1)
        if self.kind == "unconditional":
            # Otherwise transformers takes the filler at the beginning for padding.
            seen_all = torch.ones(batch, start.shape[1], dtype=torch.long)
            # With its cache this class reads only the last column of what it shall continue.
            options |= {"attention_mask": seen_all, "use_cache": prefix is None}
            return self.model.generate(start, **options).numpy(), None
        seen: list[torch.Tensor] = []
        decode = self.model.audio_encoder.decode

        def remember(codes: torch.Tensor, **rest: object) -> object:
            seen.append(codes[0])
            return decode(codes, **rest)

        self.model.audio_encoder.decode = remember
        try:
            audio = self.model.generate(
                **self.inputs(conditions),
                decoder_input_ids=start,
                guidance_scale=guidance,
                **options,
            )
        finally:
            del self.model.audio_encoder.decode
        # The codec of a stereo model is given one channel after the other.
        return torch.stack(seen, dim=2).flatten(1, 2).numpy(), audio.numpy()


def build_model(shape: Shape | None = None, *, text_width: int = 24) -> Any:
    """A model of `shape`, whose text encoder is `text_width` wide if no shape is given."""
    import transformers as hf

    shape = shape or Shape(text_width=text_width)
    torch.manual_seed(0)
    sizes = {
        "vocab_size": shape.vocabulary,
        "hidden_size": shape.dim,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "ffn_dim": shape.ffn_dim,
        "num_codebooks": shape.codebooks * shape.channels,
        "audio_channels": shape.channels,
        "pad_token_id": shape.vocabulary,
        "bos_token_id": shape.vocabulary,
    }
    if shape.kind == "unconditional":
        model: Any = hf.MusicgenForCausalLM(hf.MusicgenDecoderConfig(**sizes)).eval()
    else:
        sections = {
            "text_encoder": hf.T5Config(
                vocab_size=40,
                d_model=shape.text_width,
                d_kv=8,
                d_ff=48,
                num_layers=shape.text_layers,
                num_heads=shape.text_heads,
            ).to_dict(),
            "audio_encoder": _codec_config(shape).to_dict(),
        }
        if shape.kind == "melody":
            config: Any = hf.MusicgenMelodyConfig(
                **sections,
                decoder=hf.MusicgenMelodyDecoderConfig(**sizes).to_dict(),
                chroma_length=CHROMA_FRAMES,
            )
            model = hf.MusicgenMelodyForConditionalGeneration(config).eval()
        else:
            decoder = hf.MusicgenDecoderConfig(**sizes).to_dict()
            config = hf.MusicgenConfig(**sections, decoder=decoder)
            model = hf.MusicgenForConditionalGeneration(config).eval()
        _fill_codebooks(model.audio_encoder)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "audio_encoder" in name or name.startswith("text_encoder"):
                continue
            if "enc_to_dec_proj" in name:
                parameter.normal_(std=0.3)
            elif parameter.ndim > 1:
                parameter.mul_(5.0)
            elif "norm" in name:
                parameter.add_(0.2 * torch.randn_like(parameter))
    model.generation_config.decoder_start_token_id = shape.vocabulary
    model.generation_config.pad_token_id = shape.vocabulary
    model.generation_config.bos_token_id = shape.vocabulary
    return model


def save_model(model: Any, folder: Path) -> Reference:
    """Save `model` as a bundle with a tokenizer."""
    if model.config.model_type == "musicgen_decoder":
        _save_unconditional(model, folder)
        return Reference(model=model, folder=folder)
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


def _codec_config(shape: Shape) -> Any:
    from transformers import EncodecConfig

    rate = 50 * (shape.vocabulary - 1).bit_length() / 1000
    return EncodecConfig(
        sampling_rate=32_000,
        upsampling_ratios=[8, 5, 4, 4],
        num_filters=4,
        hidden_size=16,
        codebook_size=shape.vocabulary,
        codebook_dim=16,
        target_bandwidths=[rate * (shape.codebooks + 0.5)],
        audio_channels=1,
        norm_type="weight_norm",
        use_causal_conv=False,
        use_conv_shortcut=False,
    )


@torch.no_grad()
def _fill_codebooks(codec: Any) -> None:
    """Codes that lie where the latents of noise lie; transformers starts with empty ones."""
    latents = codec.encoder(torch.randn(1, 1, 64_000) * 0.3)[0]
    spread = latents.std(dim=1)
    for layer in codec.quantizer.layers:
        layer.codebook.embed.normal_().mul_(spread)
    codec.quantizer.layers[0].codebook.embed.add_(latents.mean(dim=1))


def _save_unconditional(model: Any, folder: Path) -> None:
    """A decoder and a codec, without the layers that would attend to a text."""
    from transformers import EncodecModel

    config = model.config
    shape = Shape(
        codebooks=config.num_codebooks // config.audio_channels, vocabulary=config.vocab_size
    )
    codec = EncodecModel(_codec_config(shape)).eval()
    _fill_codebooks(codec)
    stored = {f"decoder.{name}": value for name, value in model.state_dict().items()}
    stored = {name: value for name, value in stored.items() if "encoder_attn" not in name}
    stored |= {f"audio_encoder.{name}": value for name, value in codec.state_dict().items()}
    folder.mkdir(parents=True, exist_ok=True)
    save_file({k: v.contiguous() for k, v in stored.items()}, folder / "model.safetensors")
    sections = {
        "model_type": "musicgen",
        "decoder": {**config.to_dict(), "cross_attention": False},
        "audio_encoder": codec.config.to_dict(),
    }
    (folder / "config.json").write_text(json.dumps(sections))
