"""From an opened bundle to networks in memory.

Owns which networks a kind of model has, and the guard against configurations that lie about
their size. Names of tensors are the networks' business, files that of `bundle`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from studio.core.errors import ModelError
from studio.models.bundle import CONFIG, WEIGHTS, WEIGHTS_INDEX, Bundle, file_fault
from studio.models.tokenizer import TextTokenizer
from studio.models.torch_backend.codec import EncodecConfig, EncodecModel
from studio.models.torch_backend.codec_channels import ChannelCodec
from studio.models.torch_backend.conditioning import PITCH_CLASSES, Conditioner, MelodyConfig
from studio.models.torch_backend.packing import pack_layers
from studio.models.torch_backend.text import TextConfig
from studio.models.torch_backend.transformer import (
    DecoderConfig,
    MusicDecoder,
    MusicLanguageModel,
)
from studio.models.torch_backend.weights import read_section

_LANGUAGE_PREFIXES = ("text_encoder.", "enc_to_dec_proj.", "audio_enc_to_dec_proj.", "decoder.")


@dataclass(frozen=True, kw_only=True, eq=False)
class Networks:
    """What one bundle holds, ready for inference.

    Attributes:
        decoder: Its linear layers are packed.
        conditioner: Reads prompts and melodies.
        codec: All channels.
        codec_config: Of one channel.
        melody: None where the model hears none.
        parameters: Numbers in text encoder, projections and decoder.
    """

    decoder: MusicDecoder
    conditioner: Conditioner
    codec: ChannelCodec
    codec_config: EncodecConfig
    melody: MelodyConfig | None
    parameters: int


def load_networks(bundle: Bundle) -> Networks:
    """Read the networks of `bundle`.

    Raises:
        ModelError: Its configuration, its tokenizer or its weights are not usable.
    """
    with naming(bundle.folder / CONFIG):
        text = TextConfig.from_hf(bundle.config["text_encoder"]) if bundle.has_text else None
        melody = MelodyConfig.from_hf(bundle.config) if bundle.has_melody else None
        config = DecoderConfig.from_hf(
            bundle.config["decoder"], cross_attention=bundle.has_text and not bundle.has_melody
        )
        codec_config = EncodecConfig.from_hf(bundle.config["audio_encoder"])
        if codec_config.codebook_size != config.vocabulary:
            raise ModelError(
                f"the decoder speaks codebooks of {config.vocabulary},"
                f" the codec of {codec_config.codebook_size}"
            )
        if config.codebooks > config.channels * codec_config.codebooks:
            raise ModelError(
                f"the decoder speaks {config.codebooks // config.channels} codebooks a channel,"
                f" the codec has {codec_config.codebooks}"
            )
    sharded = len(bundle.weight_files) > 1
    with naming(bundle.folder / (WEIGHTS_INDEX if sharded else WEIGHTS)):
        tensors = bundle.tensors()
        if text is None:
            language, decoder = None, _load_decoder(config, bundle, tensors)
            parameters = _size(decoder)
        else:
            bins = 0 if melody is None else PITCH_CLASSES
            language = _load_language(text, config, bins, bundle, tensors)
            decoder, parameters = language.decoder, _size(language)
        codec = _load_codec(codec_config, bundle, tensors)
    pack_layers(decoder)
    tokenizer = None
    if text is not None and bundle.tokenizer_file is not None:
        tokenizer = TextTokenizer(bundle.tokenizer_file, vocabulary=text.vocabulary)
    return Networks(
        decoder=decoder,
        conditioner=Conditioner(bundle.name, language, tokenizer=tokenizer, melody=melody),
        codec=ChannelCodec(codec, channels=config.channels, codebooks=config.codebooks),
        codec_config=codec_config,
        melody=melody,
        parameters=parameters,
    )


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Put the file's name before the cause of a fault found in it."""
    try:
        yield
    except ModelError as error:
        if str(path) in error.user_message:
            raise
        raise file_fault(path, error.user_message) from error
    except ArithmeticError as error:
        raise file_fault(path, f"a number is out of range ({error})") from error


def _load_language(
    text: TextConfig,
    decoder: DecoderConfig,
    chroma_bins: int,
    bundle: Bundle,
    tensors: Mapping[str, Tensor],
) -> MusicLanguageModel:
    # Without storage first: a lying configuration must not fill the memory, and random initial
    # weights would only cost time.
    with torch.device("meta"):
        model = MusicLanguageModel(text, decoder, chroma_bins=chroma_bins)
    _make_room(model, bundle)
    model.load_hf(tensors)
    return model.requires_grad_(False).eval()


def _load_decoder(
    config: DecoderConfig, bundle: Bundle, tensors: Mapping[str, Tensor]
) -> MusicDecoder:
    with torch.device("meta"):
        model = MusicDecoder(config)
    _make_room(model, bundle)
    model.load_hf(tensors)
    return model.requires_grad_(False).eval()


def _load_codec(
    config: EncodecConfig, bundle: Bundle, tensors: Mapping[str, Tensor]
) -> EncodecModel:
    prefix = "audio_encoder."
    with torch.device("meta"):
        blank = EncodecModel(config)
    _check_amount(blank, bundle, (prefix,))
    model = EncodecModel(config)
    try:
        model.load_hf(read_section(tensors, prefix))
    except (RuntimeError, IndexError) as error:
        raise ModelError(f"the tensors of the codec do not fit each other ({error})") from error
    return model.requires_grad_(False).eval()


def _make_room(model: nn.Module, bundle: Bundle) -> None:
    """Give a model on the meta device memory, if the files hold anything like as much."""
    _check_amount(model, bundle, _LANGUAGE_PREFIXES)
    # `Module.to_empty` would import torch's symbolic algebra, half a second.
    blank = {name: torch.empty(tensor.shape) for name, tensor in model.state_dict().items()}
    model.load_state_dict(blank, assign=True)


def _check_amount(model: nn.Module, bundle: Bundle, prefixes: tuple[str, ...]) -> None:
    """Refuse a configuration that asks for far more numbers than the files hold."""
    wanted = _size(model)
    held = sum(
        int(np.prod(entry.shape, dtype=np.float64))
        for name, entry in bundle.entries.items()
        if name.startswith(prefixes)
    )
    if wanted > 4 * held + 2**20:
        raise ModelError(
            f"it holds {held} numbers under {prefixes[0]}* where {CONFIG} asks for {wanted}"
        )


def _size(model: nn.Module) -> int:
    return sum(tensor.numel() for tensor in model.state_dict().values())
