"""audiocraft's language model in Hugging Face terms.

Owns what the settings and tensor shapes of a `state_dict.bin` say about the model: which kind it
is, the `decoder` section of a `config.json`, and where each tensor goes. It refuses whatever the
networks of this package do not compute. It sees names and shapes only, no numbers.

Facts: facebookresearch/audiocraft, `models/lm.py`, `models/builders.py`, `modules/transformer.py`
and `modules/conditioners.py`; names as transformers' converter writes them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from studio.core.errors import ModelError
from studio.models.audiocraft.folder import SETTINGS, Settings, require_model_name
from studio.models.config_fields import read_integer, read_number

Kind = Literal["text", "melody", "unconditional"]
Shape = tuple[int, ...]

CHROMA_BINS = 12
_CHROMA_HOP = 4096
_MAX_POSITIONS = 2048
_TOP_K = 250

_LAYER = "transformer.layers."
_TARGET = "decoder.model.decoder."
_TEXT = "condition_provider.conditioners.description.output_proj."
_MELODY = "condition_provider.conditioners.self_wav.output_proj."
# Tables that are computed, not learnt.
_COMPUTED = re.compile(r"condition_provider\.conditioners\.self_wav\.chroma\.[a-z.]+")
_BIAS = re.compile(
    r"linears\.\d+\.bias|transformer\.layers\.\d+\."
    r"(linear[12]\.bias|(self_attn|cross_attention)\.(in_proj_bias|out_proj\.bias))"
)
_WRAPPERS = re.compile(r"(^|\.)(_fsdp_wrapped_module|_checkpoint_wrapped_module)\.")

# What audiocraft takes where the settings say nothing is given behind each.
_REQUIRED: Mapping[str, tuple[Any, Any]] = {
    "lm_model": ("transformer_lm", "transformer_lm"),
    "transformer_lm.norm_first": (True, False),
    "transformer_lm.norm": ("layer_norm", "layer_norm"),
    "transformer_lm.activation": ("gelu", "gelu"),
    "transformer_lm.causal": (True, True),
    "transformer_lm.positional_embedding": ("sin", "sin"),
    "transformer_lm.positional_scale": (1, 1),
    "transformer_lm.max_period": (10_000, 10_000),
    "transformer_lm.xpos": (False, False),
    "transformer_lm.past_context": (None, None),
    "transformer_lm.layer_scale": (None, None),
    "transformer_lm.qk_layer_norm": (False, False),
    "transformer_lm.qk_layer_norm_cross": (False, False),
    "transformer_lm.kv_repeat": (1, 1),
    "codebooks_pattern.delay.flatten_first": (0, 0),
    "codebooks_pattern.delay.empty_initial": (0, 0),
    "interleave_stereo_codebooks.per_timestep": (False, False),
    "fuser.cross_attention_pos_emb": (False, False),
}
_CHROMA: Mapping[str, tuple[Any, Any]] = {
    "n_chroma": (CHROMA_BINS, None),
    "radix2_exp": (14, None),
    "argmax": (True, False),
    "sample_rate": (32_000, None),
    "nfft": (None, None),
    "winlen": (None, None),
    "winhop": (None, None),
}


@dataclass(frozen=True, kw_only=True)
class Placement:
    """Where one tensor of a checkpoint goes.

    Attributes:
        source: Its name there.
        shape: The shape it must have.
        targets: The names that its rows are shared out to, in equal parts.
    """

    source: str
    shape: Shape
    targets: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class LanguageLayout:
    """A language model in Hugging Face terms.

    Attributes:
        kind: What it is conditioned on.
        decoder: The `decoder` section of its `config.json`.
        text_encoder: The published T5 that reads its prompts, None without.
        text_width: Width of that T5's vectors, 0 without.
        chroma_length: Chroma frames of a melody, 0 without.
        guidance: The guidance it was made for.
        placements: Every tensor of the Hugging Face model, by what it is made from.
        biases: Tensors with no place there; they must be all zero.
    """

    kind: Kind
    decoder: dict[str, Any]
    text_encoder: str | None
    text_width: int
    chroma_length: int
    guidance: float
    placements: tuple[Placement, ...] = field(repr=False)
    biases: tuple[str, ...] = ()

    @property
    def channels(self) -> int:
        """1 mono, 2 stereo."""
        return int(self.decoder["audio_channels"])

    @property
    def codebooks(self) -> int:
        """Codebooks of all channels together."""
        return int(self.decoder["num_codebooks"])

    @property
    def codebook_size(self) -> int:
        """Codes in one codebook."""
        return int(self.decoder["vocab_size"])

    def generation(self) -> dict[str, Any]:
        """The `generation_config.json`: audiocraft's own defaults."""
        filler = self.codebook_size
        return {
            "decoder_start_token_id": filler,
            "pad_token_id": filler,
            "bos_token_id": filler,
            "do_sample": True,
            "guidance_scale": self.guidance,
            "top_k": _TOP_K,
        }


def plain_names(names: Iterable[str]) -> dict[str, str]:
    """The names that audiocraft's modules have, to those under which a file holds them.

    Takes off what data-parallel wrappers and an enclosing module put before a name, and the
    extra level of attention that was not made for streaming.
    """
    plain = {_WRAPPERS.sub(r"\1", name): name for name in names}
    first = next((name for name in plain if re.fullmatch(r"(.+\.)?emb\.0\.weight", name)), "")
    prefix = first.removesuffix("emb.0.weight")
    return {
        re.sub(r"(self_attn|cross_attention)\.mha\.", r"\1.", name.removeprefix(prefix)): stored
        for name, stored in plain.items()
    }


def language_layout(settings: Settings, shapes: Mapping[str, Shape]) -> LanguageLayout:
    """Work out what model `settings` and `shapes` describe.

    Args:
        settings: Its `xp.cfg`.
        shapes: The shape of each tensor, under `plain_names`.

    Raises:
        ModelError: A tensor is missing or superfluous or has another shape than the others ask
            for, or the model is of a kind that is not computed here.
    """
    kind = _kind(settings)
    for path, (supported, absent) in _REQUIRED.items():
        settings.require(path, supported, absent=absent)
    codebooks = _count(shapes, r"(?:emb|linears)\.(\d+)\.weight", "emb.0.weight")
    layers = _count(shapes, r"transformer\.layers\.(\d+)\..+", f"{_LAYER}0.norm1.weight")
    rows, dim = _matrix(shapes, "emb.0.weight")
    ffn, _ = _matrix(shapes, f"{_LAYER}0.linear1.weight")
    text_width = 0 if kind == "unconditional" else _matrix(shapes, f"{_TEXT}weight")[1]
    if dim == text_width or (kind == "melody" and dim == CHROMA_BINS):
        raise ModelError(f"its projection from {dim} to {dim} has no place in Hugging Face's form")
    placements = tuple(
        language_placements(
            kind,
            codebooks=codebooks,
            rows=rows,
            dim=dim,
            layers=layers,
            ffn=ffn,
            text_width=text_width,
        )
    )
    biases = _check_tensors(placements, shapes)
    heads = settings.get("transformer_lm.num_heads")
    heads = read_integer({"num_heads": heads}, "num_heads", 0, high=256)
    if dim % heads or dim % 2:
        raise ModelError(f"{SETTINGS}: num_heads {heads} do not share {dim} channels")
    channels = 2 if settings.get("interleave_stereo_codebooks.use", False) is True else 1
    _check_delays(settings, codebooks, channels)
    decoder = {
        "model_type": "musicgen_melody_decoder" if kind == "melody" else "musicgen_decoder",
        "vocab_size": rows - 1,
        "hidden_size": dim,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "ffn_dim": ffn,
        "num_codebooks": codebooks,
        "audio_channels": channels,
        "activation_function": "gelu",
        "max_position_embeddings": _MAX_POSITIONS,
        "scale_embedding": False,
        "pad_token_id": rows - 1,
        "bos_token_id": rows - 1,
        "tie_word_embeddings": False,
    }
    if kind == "unconditional":
        decoder["cross_attention"] = False
    guidance = {"inference_coef": settings.get("classifier_free_guidance.inference_coef", 3.0)}
    return LanguageLayout(
        kind=kind,
        decoder=decoder,
        text_encoder=None if kind == "unconditional" else _text_encoder(settings),
        text_width=text_width,
        chroma_length=_chroma_length(settings) if kind == "melody" else 0,
        guidance=read_number(guidance, "inference_coef", 3.0, low=0.0, high=100.0),
        placements=placements,
        biases=biases,
    )


def _kind(settings: Settings) -> Kind:
    conditioners = {
        name: section.get("model") if isinstance(section, dict) else section
        for name, section in settings.section("conditioners").items()
        if name != "args"
    }
    fused = {
        way: sorted(settings.names(f"fuser.{way}"))
        for way in ("sum", "cross", "prepend", "input_interpolate")
    }
    used = {way: names for way, names in fused.items() if names}
    if not conditioners and not used:
        return "unconditional"
    if conditioners == {"description": "t5"} and used == {"cross": ["description"]}:
        return "text"
    if conditioners == {"description": "t5", "self_wav": "chroma_stem"} and used == {
        "prepend": ["description", "self_wav"]
    }:
        return "melody"
    found = ", ".join(f"{name} {model}" for name, model in conditioners.items()) or "none"
    raise ModelError(
        f"{SETTINGS}: conditioners ({found:.120}) joined in by {', '.join(used) or 'nothing'} are"
        " not supported, only a T5 by cross-attention, or a T5 and a chroma put before, or none"
    )


def _text_encoder(settings: Settings) -> str:
    settings.require("conditioners.description.t5.finetune", False, absent=False)
    settings.require("conditioners.description.t5.normalize_text", False, absent=False)
    return require_model_name(settings.get("conditioners.description.t5.name"))


def _chroma_length(settings: Settings) -> int:
    """Chroma frames in the audio that the model was trained on."""
    for key, (supported, absent) in _CHROMA.items():
        settings.require(f"conditioners.self_wav.chroma_stem.{key}", supported, absent=absent)
    dataset = {"segment_duration": settings.get("dataset.segment_duration", 30)}
    seconds = read_number(dataset, "segment_duration", 30.0, low=1.0, high=600.0)
    return 1 + int(32_000 * seconds) // _CHROMA_HOP


def _check_delays(settings: Settings, codebooks: int, channels: int) -> None:
    pattern, path = settings.get("codebooks_pattern.modeling"), "codebooks_pattern.delay.delays"
    if pattern is None:
        # So the first published models say it; there is no list of delays then.
        settings.require("transformer_lm.q_modeling", "delay", absent=None)
        delays = None
    else:
        settings.require("codebooks_pattern.modeling", "delay", absent=None)
        delays = settings.get(path)
    delays = list(range(codebooks)) if delays is None else delays
    wanted = [k // channels for k in range(codebooks)]
    if codebooks % channels or delays != wanted:
        raise ModelError(
            f"{SETTINGS}: {path} {delays!r:.80} are not supported for {channels} x"
            f" {codebooks // channels} codebooks, only {wanted}"
        )


def language_placements(
    kind: Kind, *, codebooks: int, rows: int, dim: int, layers: int, ffn: int, text_width: int
) -> Iterator[Placement]:
    """Every tensor of a language model of these sizes.

    Args:
        kind: What it is conditioned on.
        codebooks: Over all channels.
        rows: Of an embedding: the codes and the filler.
        dim: Width of the decoder.
        layers: Blocks.
        ffn: Inner width of the feed-forward layers.
        text_width: Of the text encoder; 0 without.
    """
    square, vector = (dim, dim), (dim,)
    for k in range(codebooks):
        yield _one(f"emb.{k}.weight", (rows, dim), f"{_TARGET}embed_tokens.{k}.weight")
        yield _one(f"linears.{k}.weight", (rows - 1, dim), f"decoder.lm_heads.{k}.weight")
    attentions = {"self_attn": "self_attn"}
    norms = {"norm1": "self_attn_layer_norm", "norm2": "final_layer_norm"}
    if kind == "text":
        attentions["cross_attention"] = "encoder_attn"
        norms["norm_cross"] = "encoder_attn_layer_norm"
    for layer in range(layers):
        source, target = f"{_LAYER}{layer}.", f"{_TARGET}layers.{layer}."
        for name, ours in attentions.items():
            yield Placement(
                source=f"{source}{name}.in_proj_weight",
                shape=(3 * dim, dim),
                targets=tuple(f"{target}{ours}.{part}_proj.weight" for part in "qkv"),
            )
            yield _one(f"{source}{name}.out_proj.weight", square, f"{target}{ours}.out_proj.weight")
        yield _one(f"{source}linear1.weight", (ffn, dim), f"{target}fc1.weight")
        yield _one(f"{source}linear2.weight", (dim, ffn), f"{target}fc2.weight")
        for name, ours in norms.items():
            yield _one(f"{source}{name}.weight", vector, f"{target}{ours}.weight")
            yield _one(f"{source}{name}.bias", vector, f"{target}{ours}.bias")
    yield _one("out_norm.weight", vector, f"{_TARGET}layer_norm.weight")
    yield _one("out_norm.bias", vector, f"{_TARGET}layer_norm.bias")
    if kind != "unconditional":
        yield _one(f"{_TEXT}weight", (dim, text_width), "enc_to_dec_proj.weight")
        yield _one(f"{_TEXT}bias", vector, "enc_to_dec_proj.bias")
    if kind == "melody":
        yield _one(f"{_MELODY}weight", (dim, CHROMA_BINS), "audio_enc_to_dec_proj.weight")
        yield _one(f"{_MELODY}bias", vector, "audio_enc_to_dec_proj.bias")


def _one(source: str, shape: Shape, target: str) -> Placement:
    return Placement(source=source, shape=shape, targets=(target,))


def require_shapes(placements: Iterable[Placement], shapes: Mapping[str, Shape]) -> None:
    """Check that every source is there and has its shape.

    Raises:
        ModelError: One is missing or has another shape.
    """
    for placement in placements:
        found = shapes.get(placement.source)
        if found is None:
            raise ModelError(f"the tensor {placement.source} is missing")
        if found != placement.shape:
            raise ModelError(
                f"the tensor {placement.source} has the shape {list(found)},"
                f" expected {list(placement.shape)}"
            )


def _check_tensors(
    placements: tuple[Placement, ...], shapes: Mapping[str, Shape]
) -> tuple[str, ...]:
    require_shapes(placements, shapes)
    left = sorted(shapes.keys() - {placement.source for placement in placements})
    for name in left:
        if not _BIAS.fullmatch(name) and not _COMPUTED.fullmatch(name):
            raise ModelError(f"the tensor {name:.120} belongs to a part that is not supported")
    return tuple(name for name in left if _BIAS.fullmatch(name))


def _count(shapes: Mapping[str, Shape], pattern: str, first: str) -> int:
    """How many parts there are whose names are numbered 0, 1, ... under `pattern`."""
    found = {int(match[1]) for name in shapes if (match := re.fullmatch(pattern, name))}
    count = next(number for number in range(len(found) + 1) if number not in found)
    if not count:
        raise ModelError(f"the tensor {first} is missing")
    return count


def _matrix(shapes: Mapping[str, Shape], name: str) -> tuple[int, int]:
    shape = shapes.get(name)
    if shape is None:
        raise ModelError(f"the tensor {name} is missing")
    if len(shape) != 2 or min(shape) < 2:
        raise ModelError(f"the tensor {name} has the shape {list(shape)}, not that of a matrix")
    return shape[0], shape[1]
