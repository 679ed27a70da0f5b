from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import yaml

from studio.core.errors import ModelError
from studio.models.audiocraft.codec import CodecLayout, codec_layout, hugging_face_name
from studio.models.audiocraft.folder import parse_settings
from studio.models.torch_backend.codec import EncodecConfig
from tests.models.audiocraft_writer import codec_settings, codec_state, tiny_model

Shapes = dict[str, tuple[int, ...]]

VARIANTS: tuple[dict[str, Any], ...] = (
    {},
    {"use_conv_shortcut": True, "num_residual_layers": 2, "num_lstm_layers": 1},
    {
        "upsampling_ratios": [5, 3, 2],
        "sampling_rate": 16_000,
        "kernel_size": 5,
        "last_kernel_size": 3,
        "residual_kernel_size": 5,
        "num_residual_layers": 3,
        "dilation_growth_rate": 3,
        "hidden_size": 10,
        "codebook_dim": 10,
        "target_bandwidths": [3 * 534 * 4 / 1000],
    },
)


def described(**codec: Any) -> tuple[Any, dict[str, Any], Shapes]:
    model = tiny_model("unconditional", codec=codec)
    shapes = {hugging_face_name(n): tuple(v.shape) for n, v in codec_state(model).items()}
    return model, codec_settings(model), shapes


def layout_of(settings: Mapping[str, Any], shapes: Shapes) -> CodecLayout:
    return codec_layout(parse_settings(yaml.safe_dump(dict(settings))), shapes)


@pytest.mark.parametrize("codec", VARIANTS)
def test_sizes_and_names_are_those_of_the_other_form(codec: dict[str, Any]) -> None:
    model, settings, shapes = described(**codec)

    layout = layout_of(settings, shapes)

    theirs = model.config.audio_encoder
    assert EncodecConfig.from_hf(layout.section) == EncodecConfig.from_hf(theirs.to_dict())
    assert layout.section["codebook_dim"] == theirs.codebook_dim
    targets = {target for placement in layout.placements for target in placement.targets}
    assert targets == {f"audio_encoder.{name}" for name in model.audio_encoder.state_dict()}


def test_any_number_of_codebooks_survives_its_way_through_a_bandwidth() -> None:
    _, settings, shapes = described()
    book = "quantizer.layers.{}.codebook.embed"
    rest = {name: shape for name, shape in shapes.items() if "quantizer" not in name}
    for rate in (16_000, 24_000, 32_000, 44_100):
        settings["sample_rate"] = rate
        text = parse_settings(yaml.safe_dump(settings))
        for bins in (2, 16, 1000, 2048):
            for count in (1, 2, 3, 4, 7, 8, 9, 16, 32):
                books = {book.format(k): (bins, 12) for k in range(count)}
                section = codec_layout(text, rest | books).section
                assert EncodecConfig.from_hf(section).codebooks == count


@pytest.mark.parametrize("shape", [(), (1, 12), (0, 12)])
def test_a_codebook_without_a_choice_is_refused(shape: tuple[int, ...]) -> None:
    _, settings, shapes = described()

    with pytest.raises(ModelError, match="says nothing"):
        layout_of(settings, {**shapes, "quantizer.layers.0.codebook.embed": shape})


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("compression_model", "dac"),
        ("encodec.autoencoder", "other"),
        ("encodec.quantizer", "no_quant"),
        ("encodec.causal", True),
        ("encodec.renormalize", True),
        ("encodec.sample_rate", None),
        ("encodec.sample_rate", "fast"),
        ("channels", 2),
        ("seanet.causal", True),
        ("seanet.activation", "ReLU"),
        ("seanet.activation_params", {"alpha": 0.5}),
        ("seanet.norm", "time_group_norm"),
        ("seanet.pad_mode", "circular"),
        ("seanet.disable_norm_outer_blocks", 1),
        ("seanet.true_skip", "maybe"),
        ("seanet.encoder", {"n_filters": 8}),
        ("seanet.decoder.n_filters", 8),
        ("seanet.decoder.trim_right_ratio", 0.5),
        ("seanet.decoder.final_activation", "Tanh"),
        ("seanet.lstm", 0),
        ("seanet.ratios", []),
        ("seanet.ratios", [8, 5, 4, 2]),
        ("seanet.ratios", [8, 5, 4, True]),
        ("seanet.ratios", [2] * 100),
        ("seanet.ratios", "8544"),
        ("seanet.n_filters", 10**9),
        ("seanet.n_residual_layers", 2),
        ("seanet.kernel_size", -7),
    ],
)
def test_settings_of_another_kind_of_codec_are_refused(path: str, value: object) -> None:
    _, settings, shapes = described()
    *parents, last = path.split(".")
    inner = settings
    for key in parents:
        inner = inner[key]
    inner[last] = value

    with pytest.raises(ModelError) as caught:
        layout_of(settings, shapes)

    assert "\n" not in caught.value.user_message


@pytest.mark.parametrize("pad_mode", ["constant", "reflect"])
def test_the_ends_are_padded_as_the_settings_say(pad_mode: str) -> None:
    _, settings, shapes = described()
    settings["seanet"]["pad_mode"] = pad_mode

    assert layout_of(settings, shapes).section["pad_mode"] == pad_mode


def test_every_tensor_has_one_shape_and_all_but_the_training_state_are_needed() -> None:
    _, settings, shapes = described()
    text = parse_settings(yaml.safe_dump(settings))
    for name, shape in shapes.items():
        with pytest.raises(ModelError):
            codec_layout(text, {**shapes, name: (*shape, 1)})
        without = {other: size for other, size in shapes.items() if other != name}
        if name.endswith(("inited", "cluster_size", "embed_avg")):
            assert codec_layout(text, without).section == codec_layout(text, shapes).section
        elif name != "quantizer.layers.3.codebook.embed":
            with pytest.raises(ModelError):
                codec_layout(text, without)


def test_a_tensor_of_an_unknown_part_is_refused() -> None:
    _, settings, shapes = described()

    with pytest.raises(ModelError, match=r"encoder\.layers\.40\.conv\.bias belongs to a part"):
        layout_of(settings, {**shapes, "encoder.layers.40.conv.bias": (2,)})


def test_newer_weight_norm_keeps_its_names() -> None:
    name = "encoder.model.0.conv.conv.parametrizations.weight.original1"

    assert hugging_face_name(name) == "encoder.layers.0.conv.parametrizations.weight.original1"
    assert hugging_face_name("encoder.model.0.conv.conv.weight_v") == hugging_face_name(name)
