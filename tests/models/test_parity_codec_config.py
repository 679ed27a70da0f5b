from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studio.core.errors import ModelError
from studio.models.codec_config import EncodecConfig
from tests.models.codec_reference import published_shape

# What facebook/encodec_32khz states.
PUBLISHED: dict[str, Any] = {
    "model_type": "encodec",
    "audio_channels": 1,
    "chunk_length_s": None,
    "codebook_dim": 128,
    "codebook_size": 2048,
    "compress": 2,
    "dilation_growth_rate": 2,
    "hidden_size": 128,
    "kernel_size": 7,
    "last_kernel_size": 7,
    "norm_type": "weight_norm",
    "normalize": False,
    "num_filters": 64,
    "num_lstm_layers": 2,
    "num_residual_layers": 1,
    "overlap": None,
    "pad_mode": "reflect",
    "residual_kernel_size": 3,
    "sampling_rate": 32_000,
    "target_bandwidths": [2.2],
    "trim_right_ratio": 1.0,
    "upsampling_ratios": [8, 5, 4, 4],
    "use_causal_conv": False,
    "use_conv_shortcut": False,
}


def _oracle(values: dict[str, Any]) -> Any:
    from transformers import EncodecConfig as ReferenceConfig

    return ReferenceConfig(**values)


def test_the_published_codec_has_four_codebooks_at_fifty_frames_a_second() -> None:
    config = EncodecConfig.from_hf(PUBLISHED)
    assert config.codebooks == _oracle(PUBLISHED).num_quantizers == 4
    assert (config.hop, config.frame_rate) == (640, 50.0)
    assert config.to_hf() == PUBLISHED


@settings(deadline=None)
@given(
    rate=st.integers(1000, 96_000),
    ratios=st.lists(st.integers(1, 9), min_size=1, max_size=4),
    bits=st.integers(1, 14),
    bandwidths=st.lists(st.floats(0.01, 100.0), min_size=1, max_size=4),
)
def test_codebooks_are_counted_as_in_transformers(
    rate: int, ratios: list[int], bits: int, bandwidths: list[float]
) -> None:
    values = {
        **PUBLISHED,
        "sampling_rate": rate,
        "upsampling_ratios": ratios,
        "codebook_size": 2**bits,
        "target_bandwidths": bandwidths,
    }
    expected = _oracle(values).num_quantizers
    if not 1 <= expected <= 64:
        with pytest.raises(ModelError, match=f"make {expected} codebooks"):
            EncodecConfig.from_hf(values)
    else:
        assert EncodecConfig.from_hf(values).codebooks == expected


@settings(deadline=None)
@given(
    rate=st.integers(1000, 96_000),
    ratios=st.lists(st.integers(1, 9), min_size=1, max_size=4),
    bits=st.integers(1, 14),
    codebooks=st.integers(1, 64),
)
def test_what_is_written_reads_back_the_same_here_and_in_transformers(
    rate: int, ratios: list[int], bits: int, codebooks: int
) -> None:
    config = published_shape(
        sampling_rate=rate,
        upsampling_ratios=tuple(ratios),
        codebook_size=2**bits,
        codebooks=codebooks,
    )
    values = json.loads(json.dumps(config.to_hf()))
    assert EncodecConfig.from_hf(values) == config
    oracle = _oracle(values)
    assert oracle.num_quantizers == codebooks
    # The model counts them once more, by other arithmetic, when it encodes.
    bits_a_second = math.log2(oracle.codebook_size) * oracle.frame_rate
    assert math.floor(oracle.target_bandwidths[0] * 1000 / bits_a_second) == codebooks


def test_a_field_left_out_means_what_it_means_to_transformers() -> None:
    oracle = _oracle({})
    config = EncodecConfig.from_hf({"use_causal_conv": False, "target_bandwidths": [6.0]})
    for name in (
        "sampling_rate",
        "num_filters",
        "hidden_size",
        "codebook_size",
        "num_lstm_layers",
        "num_residual_layers",
        "kernel_size",
        "last_kernel_size",
        "residual_kernel_size",
        "dilation_growth_rate",
        "compress",
        "use_conv_shortcut",
    ):
        assert getattr(config, name) == getattr(oracle, name)
    assert config.upsampling_ratios == tuple(oracle.upsampling_ratios)
    with pytest.raises(ModelError, match="use_causal_conv True; only False is supported"):
        EncodecConfig.from_hf({})


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"use_causal_conv": True}, "use_causal_conv True"),
        ({"norm_type": "time_group_norm"}, "norm_type 'time_group_norm'"),
        ({"normalize": True}, "normalize True"),
        ({"pad_mode": "circular"}, "pad_mode must be 'reflect' or 'constant'"),
        ({"pad_mode": ["reflect"]}, "pad_mode must be"),
        ({"audio_channels": 2}, "audio_channels 2; only 1"),
        ({"chunk_length_s": 1.0}, "chunk_length_s 1.0"),
        ({"trim_right_ratio": 0.5}, "trim_right_ratio 0.5"),
        ({"codebook_dim": 64}, "codebook_dim 64"),
        ({"pad_mode": "x" * 10_000}, "pad_mode"),
        ({"num_filters": 0}, "num_filters must be"),
        ({"num_filters": 64.5}, "num_filters must be"),
        ({"num_filters": "sixty\nfour"}, "num_filters must be"),
        ({"num_lstm_layers": 0}, "num_lstm_layers must be"),
        ({"num_residual_layers": -1}, "num_residual_layers must be"),
        ({"num_residual_layers": 16, "dilation_growth_rate": 64}, "sizes"),
        ({"compress": 65}, "compress"),
        ({"codebook_size": 1}, "codebook_size"),
        ({"upsampling_ratios": []}, "upsampling_ratios"),
        ({"upsampling_ratios": 8}, "upsampling_ratios"),
        ({"upsampling_ratios": [8, 0]}, "upsampling_ratios"),
        ({"upsampling_ratios": [8, True]}, "upsampling_ratios"),
        ({"upsampling_ratios": [512, 512], "target_bandwidths": [0.044]}, "sizes"),
        ({"upsampling_ratios": [1] * 12, "target_bandwidths": [400.0]}, "sizes"),
        ({"target_bandwidths": []}, "target_bandwidths"),
        ({"target_bandwidths": 2.2}, "target_bandwidths"),
        ({"target_bandwidths": ["2.2"]}, "target_bandwidths"),
        ({"target_bandwidths": [float("nan")]}, "target_bandwidths"),
        ({"target_bandwidths": [float("inf")]}, "target_bandwidths"),
        ({"target_bandwidths": [-2.2]}, "target_bandwidths"),
        ({"target_bandwidths": [0.1]}, "make 0 codebooks"),
    ],
)
def test_what_is_not_built_or_makes_no_sense_is_refused_in_one_line(
    changes: dict[str, Any], cause: str
) -> None:
    with pytest.raises(ModelError) as caught:
        EncodecConfig.from_hf({**PUBLISHED, **changes})
    message = caught.value.user_message
    assert cause in message
    assert "\n" not in message
    assert len(message) < 300
