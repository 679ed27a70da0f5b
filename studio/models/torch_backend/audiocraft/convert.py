"""Converting a MusicGen folder that is not in safetensors into one that is.

Owns the gathering of a bundle's parts: the language model and the codec out of audiocraft's
`.bin` files, the text encoder and the tokenizer, which audiocraft never stores, out of folders
that the caller finds. Which tensor goes where is decided in `studio.models.audiocraft.language`
and `audiocraft_codec`. It downloads nothing and remembers nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from studio.core.errors import ModelError
from studio.models.audiocraft.codec import codec_layout, hugging_face_name
from studio.models.audiocraft.folder import (
    CODEC_STATE,
    DEFAULT_CODEC,
    SETTINGS,
    STATE,
    Settings,
    is_audiocraft,
    needs_conversion,
    parse_settings,
    require_model_name,
)
from studio.models.audiocraft.language import (
    CHROMA_BINS,
    LanguageLayout,
    Placement,
    language_layout,
    plain_names,
)
from studio.models.bundle import CONFIG, GENERATION, TOKENIZER, WEIGHTS, file_fault
from studio.models.language_config import TextConfig
from studio.models.torch_backend.audiocraft.bundle import Converted, Weight, write_bundle
from studio.models.torch_backend.audiocraft.parts import read_object, read_text, read_weights
from studio.models.torch_backend.audiocraft.pickled import load_pickle, tensor_table
from studio.models.torch_backend.codec import EncodecConfig, EncodecModel
from studio.models.torch_backend.codec_weights import state_from_hf
from studio.models.torch_backend.text import TextEncoder

Find = Callable[[str], Path]

_KINDS = ("musicgen", "musicgen_melody")
# The fields that say what a network computes; others a published file may carry are left behind.
_TEXT_FIELDS = (
    "model_type",
    "vocab_size",
    "d_model",
    "d_kv",
    "d_ff",
    "num_layers",
    "num_heads",
    "relative_attention_num_buckets",
    "relative_attention_max_distance",
    "layer_norm_epsilon",
    "feed_forward_proj",
    "pad_token_id",
    "eos_token_id",
)
_CODEC_FIELDS = (
    "model_type",
    "sampling_rate",
    "audio_channels",
    "normalize",
    "num_filters",
    "hidden_size",
    "codebook_size",
    "codebook_dim",
    "upsampling_ratios",
    "num_lstm_layers",
    "num_residual_layers",
    "kernel_size",
    "last_kernel_size",
    "residual_kernel_size",
    "dilation_growth_rate",
    "compress",
    "use_conv_shortcut",
    "use_causal_conv",
    "norm_type",
    "pad_mode",
    "trim_right_ratio",
    "target_bandwidths",
    "chunk_length_s",
    "overlap",
)


def convert_audiocraft(folder: Path, target: Path, *, find: Find) -> None:
    """Write the model in `folder` to `target` in the Hugging Face layout, whole or not at all.

    Takes audiocraft's folders, and Hugging Face folders whose weights are a pickle. Numbers are
    kept as they are stored, in 16 or 32 bits.

    Args:
        folder: One for which `needs_conversion` is true.
        target: A folder that does not exist yet.
        find: Gives the local Hugging Face folder of a published model ("t5-base",
            "facebook/encodec_32khz"), or raises a `ModelError` that says how to get it.

    Raises:
        ModelError: The model or a part of it is missing, broken, tries to run code, or is of a
            kind that is not computed here.
        StorageError: `target` cannot be written; nothing is left of it.
    """
    if is_audiocraft(folder):
        converted = _from_audiocraft(folder, find)
    elif needs_conversion(folder):
        converted = _from_pickle(folder)
    else:
        raise ModelError(f"{folder} holds no {STATE}: give the folder of an audiocraft model.")
    write_bundle(target, converted)


def _from_audiocraft(folder: Path, find: Find) -> Converted:
    file = folder / STATE
    package = load_pickle(file)
    with _naming(file):
        settings = parse_settings(package.get(SETTINGS))
        table = tensor_table(_best_state(package), file)
        names = plain_names(table)
        tensors = {name: table[stored] for name, stored in names.items()}
        layout = language_layout(settings, _shapes(tensors))
        _require_zero(tensors, layout.biases)
        weights = dict(_placed(layout.placements, tensors, file))
    codec, codec_weights = _codec(folder, settings, find)
    _require_fit(layout, codec, file)
    config: dict[str, Any] = {"model_type": "musicgen"}
    tokenizer = None
    if layout.text_encoder is not None:
        found = find(layout.text_encoder)
        section, text_weights = _text_encoder(found, layout.text_width)
        tokenizer = read_text(found / TOKENIZER)
        weights |= text_weights
        config["text_encoder"] = section
        config["architectures"] = ["MusicgenForConditionalGeneration"]
    if layout.kind == "melody":
        config["model_type"] = "musicgen_melody"
        config["architectures"] = ["MusicgenMelodyForConditionalGeneration"]
        config |= {"num_chroma": CHROMA_BINS, "chroma_length": layout.chroma_length}
    config |= {
        "audio_encoder": codec,
        "decoder": layout.decoder,
        "is_encoder_decoder": True,
        "dtype": "float32",
    }
    return Converted(
        config=config,
        generation=layout.generation(),
        tokenizer=tokenizer,
        weights=weights | codec_weights,
    )


def _from_pickle(folder: Path) -> Converted:
    config = read_object(folder / CONFIG)
    if config.get("model_type") not in _KINDS:
        raise file_fault(
            folder / CONFIG, f"model_type {config.get('model_type')!r:.60} is not a MusicGen"
        )
    generation, tokenizer = folder / GENERATION, folder / TOKENIZER
    return Converted(
        config=config,
        generation=read_object(generation) if generation.exists() else {},
        tokenizer=read_text(tokenizer) if tokenizer.exists() else None,
        weights=read_weights(folder),
    )


def _codec(
    folder: Path, settings: Settings, find: Find
) -> tuple[dict[str, Any], dict[str, Weight]]:
    file = folder / CODEC_STATE
    if not file.exists():
        with _naming(folder / STATE):
            name = _trained_on(settings)
        return _published_codec(find(name))
    package = load_pickle(file)
    if "pretrained" in package:
        with _naming(file):
            name = require_model_name(package["pretrained"])
        return _published_codec(find(name))
    with _naming(file):
        table = tensor_table(_best_state(package), file)
        tensors = {hugging_face_name(name): value for name, value in table.items()}
        layout = codec_layout(parse_settings(package.get(SETTINGS)), _shapes(tensors))
        weights = dict(_placed(layout.placements, tensors, file))
        _check_codec(layout.section, weights)
    return layout.section, weights


def _trained_on(settings: Settings) -> str:
    """The published codec that a language model without one of its own speaks."""
    origin = settings.get("compression_model_checkpoint", "")
    prefix = "//pretrained/"
    if isinstance(origin, str) and origin.startswith(prefix):
        return require_model_name(origin.removeprefix(prefix))
    return DEFAULT_CODEC


def _published_codec(folder: Path) -> tuple[dict[str, Any], dict[str, Weight]]:
    values = read_object(folder / CONFIG)
    section = {key: values[key] for key in _CODEC_FIELDS if key in values}
    with _naming(folder / CONFIG):
        if section.get("model_type") != "encodec":
            raise ModelError(f"a {section.get('model_type')!r:.60} is no EnCodec")
        EncodecConfig.from_hf(section)
    found = read_weights(folder, prefixes=("encoder.", "decoder.", "quantizer."))
    weights = {f"audio_encoder.{name}": weight for name, weight in found.items()}
    with _naming(_file_of(weights, folder)):
        _check_codec(section, weights)
    return section, weights


def _file_of(weights: Mapping[str, Weight], folder: Path) -> Path:
    return next((weight.file for weight in weights.values()), folder / WEIGHTS)


def _check_codec(section: Mapping[str, Any], weights: Mapping[str, Weight]) -> None:
    """Refuse weights that the codec would refuse."""
    tensors = {name.removeprefix("audio_encoder."): w.tensor for name, w in weights.items()}
    with _fitting("codec"):
        with torch.device("meta"):
            model = EncodecModel(EncodecConfig.from_hf(section))
        state_from_hf(tensors, {name: value.shape for name, value in model.state_dict().items()})


def _text_encoder(folder: Path, width: int) -> tuple[dict[str, Any], dict[str, Weight]]:
    values = read_object(folder / CONFIG)
    section = {key: values[key] for key in _TEXT_FIELDS if key in values}
    with _naming(folder / CONFIG):
        config = TextConfig.from_hf(section)
        if config.dim != width:
            raise ModelError(f"d_model {config.dim} does not fit the model, which reads {width}")
    weights = read_weights(folder, prefixes=("encoder.", "shared."))
    embedding = weights.pop("encoder.embed_tokens.weight", None)
    if embedding is not None:
        weights.setdefault("shared.weight", embedding)
    tensors = {name: weight.tensor for name, weight in weights.items()}
    with _naming(_file_of(weights, folder)), _fitting("text encoder"):
        with torch.device("meta"):
            model = TextEncoder(config)
        # On the meta device nothing is copied, only checked.
        model.load_hf(tensors)
    return section, {f"text_encoder.{name}": weight for name, weight in weights.items()}


def _best_state(package: Mapping[str, Any]) -> object:
    state = package.get("best_state")
    nested = state.get("model") if isinstance(state, Mapping) else None
    return nested if isinstance(nested, Mapping) else state


def _shapes(tensors: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(value.shape) for name, value in tensors.items()}


def _placed(
    placements: Iterable[Placement], tensors: Mapping[str, Tensor], file: Path
) -> Iterator[tuple[str, Weight]]:
    for placement in placements:
        parts = tensors[placement.source].chunk(len(placement.targets))
        for target, part in zip(placement.targets, parts, strict=True):
            yield target, Weight(tensor=part, file=file, name=placement.source)


def _require_zero(tensors: Mapping[str, Tensor], names: Iterable[str]) -> None:
    for name in names:
        if bool(tensors[name].any()):
            raise ModelError(f"the bias {name} is not zero, and no MusicGen has one there")


def _require_fit(layout: LanguageLayout, codec: Mapping[str, Any], file: Path) -> None:
    config = EncodecConfig.from_hf(codec)
    held, size = config.codebooks * layout.channels, config.codebook_size
    if held < layout.codebooks or size != layout.codebook_size:
        raise file_fault(
            file,
            f"it speaks {layout.codebooks} codebooks of {layout.codebook_size}, its codec"
            f" {held} of {size}",
        )


@contextmanager
def _naming(file: Path) -> Iterator[None]:
    """Put the file's name before the cause of a fault found in it."""
    try:
        yield
    except ModelError as error:
        if str(file.parent) in error.user_message:
            raise
        raise file_fault(file, error.user_message) from error


@contextmanager
def _fitting(what: str) -> Iterator[None]:
    """Make the network's own complaint about sizes the file's fault."""
    try:
        yield
    except (RuntimeError, IndexError, ArithmeticError, TypeError, ValueError) as error:
        raise ModelError(f"the sizes of the {what} do not fit each other ({error})") from error
