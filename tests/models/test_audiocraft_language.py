from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from studio.core.errors import ModelError
from studio.models.audiocraft.folder import Settings, parse_settings
from studio.models.audiocraft.language import LanguageLayout, language_layout, plain_names
from tests.models.audiocraft_writer import Kind, language_settings, language_state, tiny_model

Shapes = dict[str, tuple[int, ...]]


@pytest.fixture(scope="module")
def described() -> Callable[[Kind, int], tuple[dict[str, Any], Shapes]]:
    """Settings and tensor shapes of a tiny model, free to be spoilt."""
    made: dict[tuple[Kind, int], tuple[str, Shapes]] = {}

    def describe(kind: Kind, channels: int = 1) -> tuple[dict[str, Any], Shapes]:
        if (kind, channels) not in made:
            model = tiny_model(kind, channels=channels)
            text = yaml.safe_dump(language_settings(model, kind))
            state = language_state(model, kind)
            made[kind, channels] = text, {n: tuple(v.shape) for n, v in state.items()}
        text, shapes = made[kind, channels]
        return yaml.safe_load(text), dict(shapes)

    return describe


def layout_of(settings: Mapping[str, Any], shapes: Shapes) -> LanguageLayout:
    return language_layout(parse_settings(yaml.safe_dump(dict(settings))), shapes)


def put(settings: dict[str, Any], path: str, value: Any) -> None:
    *parents, last = path.split(".")
    for key in parents:
        settings = settings.setdefault(key, {})
    settings[last] = value


@pytest.mark.parametrize("kind", ["text", "melody", "unconditional"])
@pytest.mark.parametrize("channels", [1, 2])
def test_sizes_and_kind_are_read(described: Any, kind: Kind, channels: int) -> None:
    layout = layout_of(*described(kind, channels))

    family = "musicgen_melody_decoder" if kind == "melody" else "musicgen_decoder"
    expected = {
        "model_type": family,
        "vocab_size": 16,
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "ffn_dim": 128,
        "num_codebooks": 4 * channels,
        "audio_channels": channels,
        "bos_token_id": 16,
        "pad_token_id": 16,
    }
    assert layout.kind == kind
    assert layout.decoder.items() >= expected.items()
    assert layout.decoder.get("cross_attention", True) == (kind != "unconditional")
    assert layout.text_encoder == (None if kind == "unconditional" else "t5-base")
    assert layout.chroma_length == (235 if kind == "melody" else 0)
    assert layout.guidance == (1.0 if kind == "unconditional" else 3.0)
    assert layout.generation()["decoder_start_token_id"] == 16


def test_chroma_frames_follow_the_length_that_was_taught(described: Any) -> None:
    settings, shapes = described("melody")
    settings["dataset"]["segment_duration"] = 10

    assert layout_of(settings, shapes).chroma_length == 1 + 10 * 32_000 // 4096


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("lm_model", "transformer_lm_magnet"),
        ("transformer_lm.norm_first", False),
        ("transformer_lm.norm", "rms_norm"),
        ("transformer_lm.activation", "relu"),
        ("transformer_lm.causal", False),
        ("transformer_lm.positional_embedding", "rope"),
        ("transformer_lm.positional_embedding", "sin_rope"),
        ("transformer_lm.xpos", True),
        ("transformer_lm.past_context", 100),
        ("transformer_lm.layer_scale", 1e-4),
        ("transformer_lm.qk_layer_norm", True),
        ("transformer_lm.qk_layer_norm_cross", True),
        ("transformer_lm.kv_repeat", 2),
        ("codebooks_pattern.modeling", "parallel"),
        ("codebooks_pattern.delay.delays", [0, 0, 0, 0]),
        ("codebooks_pattern.delay.delays", [0, 1, 2]),
        ("codebooks_pattern.delay.delays", "0123"),
        ("codebooks_pattern.delay.flatten_first", 1),
        ("codebooks_pattern.delay.empty_initial", -1),
        ("interleave_stereo_codebooks.per_timestep", True),
        ("interleave_stereo_codebooks.use", True),
        ("fuser.cross_attention_pos_emb", True),
        ("fuser.cross", []),
        ("fuser.sum", ["description"]),
        ("fuser.cross", "description"),
        ("conditioners.description.model", "lut"),
        ("conditioners.description.t5.finetune", True),
        ("conditioners.description.t5.normalize_text", True),
        ("conditioners.description.t5.name", "../t5"),
        ("conditioners.self_wav", {"model": "style"}),
        ("conditioners", None),
        ("conditioners", "none"),
        ("transformer_lm.num_heads", 5),
        ("transformer_lm.num_heads", None),
        ("transformer_lm.num_heads", "four"),
        ("transformer_lm.norm_first", "${transformer_lm.norm_first}"),
        ("classifier_free_guidance.inference_coef", -1),
    ],
)
def test_settings_of_another_kind_of_model_are_refused(
    described: Any, path: str, value: object
) -> None:
    settings, shapes = described("text")
    put(settings, path, value)

    with pytest.raises(ModelError) as caught:
        layout_of(settings, shapes)

    assert "\n" not in caught.value.user_message


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("model", "style"),
        ("chroma_stem.n_chroma", 24),
        ("chroma_stem.radix2_exp", 12),
        ("chroma_stem.argmax", False),
        ("chroma_stem.sample_rate", 16_000),
        ("chroma_stem.winhop", 1000),
    ],
)
def test_another_melody_is_refused(described: Any, path: str, value: object) -> None:
    settings, shapes = described("melody")
    put(settings, f"conditioners.self_wav.{path}", value)

    with pytest.raises(ModelError, match=path.rpartition(".")[2] if "." in path else "style"):
        layout_of(settings, shapes)


@pytest.mark.parametrize(
    "path", ["interleave_stereo_codebooks", "fuser.cross_attention_pos_emb", "dataset", "channels"]
)
def test_what_older_settings_leave_out_has_its_usual_value(described: Any, path: str) -> None:
    settings, shapes = described("text")
    before = layout_of(settings, shapes)
    put(settings, path, None)

    assert layout_of(settings, shapes) == before


def test_the_first_published_way_to_say_delays_is_understood(described: Any) -> None:
    settings, shapes = described("text")
    before = layout_of(settings, shapes)
    settings["codebooks_pattern"] = {"modeling": None}
    settings["transformer_lm"]["q_modeling"] = "delay"

    assert layout_of(settings, shapes) == before


def test_settings_of_conditioners_together_are_no_conditioner(described: Any) -> None:
    settings, shapes = described("unconditional")
    settings["conditioners"] = {"args": {"merge_text_conditions_p": 0.25}}

    assert layout_of(settings, shapes).kind == "unconditional"


@pytest.mark.parametrize("kind", ["text", "melody", "unconditional"])
def test_every_tensor_is_needed_and_has_one_shape(described: Any, kind: Kind) -> None:
    settings, shapes = described(kind)
    text = parse_settings(yaml.safe_dump(settings))
    for name, shape in shapes.items():
        if "chroma.spec.window" in name:
            continue
        without = {other: size for other, size in shapes.items() if other != name}
        with pytest.raises(ModelError):
            language_layout(text, without)
        with pytest.raises(ModelError):
            language_layout(text, {**shapes, name: (*shape, 1)})
        with pytest.raises(ModelError):
            language_layout(text, {**shapes, name: (shape[0] + 1, *shape[1:])})


@pytest.mark.parametrize(
    "name",
    [
        "transformer.layers.0.layer_scale_1.scale",
        "transformer.layers.0.self_attn.q_layer_norm.weight",
        "transformer.rope.frequencies",
        "emb.9.weight",
        "condition_provider.conditioners.self_wav.rvq.layers.0.embed",
        "condition_provider.conditioners.description.t5.shared.weight",
    ],
)
def test_a_tensor_of_an_unknown_part_is_refused(described: Any, name: str) -> None:
    settings, shapes = described("text")

    with pytest.raises(ModelError, match=f"{name} belongs to a part that is not supported"):
        layout_of(settings, {**shapes, name: (2, 2)})


def test_cross_attention_without_a_condition_is_refused(described: Any) -> None:
    settings, _ = described("unconditional")
    _, shapes = described("text")

    with pytest.raises(ModelError, match="not supported"):
        layout_of(settings, shapes)


def test_biases_are_told_to_be_checked(described: Any) -> None:
    settings, shapes = described("text")
    biases = {
        "linears.0.bias": (16,),
        "transformer.layers.1.linear1.bias": (128,),
        "transformer.layers.1.self_attn.in_proj_bias": (96,),
        "transformer.layers.1.cross_attention.out_proj.bias": (32,),
    }

    layout = layout_of(settings, {**shapes, **biases})

    assert set(layout.biases) == set(biases)


def test_a_projection_between_equal_widths_is_refused(described: Any) -> None:
    settings, shapes = described("text")
    name = "condition_provider.conditioners.description.output_proj.weight"

    with pytest.raises(ModelError, match="from 32 to 32"):
        layout_of(settings, {**shapes, name: (32, 32)})

    settings, shapes = described("melody")
    narrow = {
        other: tuple({32: 12, 96: 36}.get(size, size) for size in shape)
        for other, shape in shapes.items()
    }
    with pytest.raises(ModelError, match="from 12 to 12"):
        layout_of(settings, narrow)


def test_names_lose_what_wrappers_added() -> None:
    names = [
        "module.emb.0.weight",
        "module.transformer.layers.0._fsdp_wrapped_module.self_attn.mha.in_proj_weight",
        "module.transformer.layers.0._checkpoint_wrapped_module.norm1.weight",
        "module.out_norm.weight",
    ]

    assert list(plain_names(names).items()) == [
        ("emb.0.weight", names[0]),
        ("transformer.layers.0.self_attn.in_proj_weight", names[1]),
        ("transformer.layers.0.norm1.weight", names[2]),
        ("out_norm.weight", names[3]),
    ]
    assert plain_names(["emb.0.weight", "x"]) == {"emb.0.weight": "emb.0.weight", "x": "x"}


_SHAPES = st.dictionaries(
    st.sampled_from(
        ["emb.0.weight", "linears.0.weight", "transformer.layers.0.norm1.weight", "out_norm.bias"]
    )
    | st.text(max_size=30),
    st.lists(st.integers(0, 2**40), max_size=4).map(tuple),
)
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)
_SECTIONS = (
    "transformer_lm",
    "conditioners",
    "fuser",
    "codebooks_pattern",
    "interleave_stereo_codebooks",
    "dataset",
)


@given(tree=st.dictionaries(st.sampled_from(_SECTIONS), _VALUES), shapes=_SHAPES)
def test_nonsense_is_refused_in_one_line(tree: dict[str, Any], shapes: Shapes) -> None:
    with pytest.raises(ModelError) as caught:
        language_layout(Settings(tree=tree), shapes)

    assert len(caught.value.user_message) < 1000
