from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from studio.benchmark import run as benchmark
from studio.benchmark.published import PUBLISHED
from studio.cli import bench
from studio.models.codec_config import EncodecConfig
from studio.models.language_config import DecoderConfig, TextConfig
from studio.models.shapes import Shapes

Studio = Callable[..., int]
SHORT = ("--seconds", "0.5", "--rounds", "1", "--precision", "float32")
TINY = Shapes(
    text=TextConfig(vocabulary=40, dim=48, head_dim=16, heads=3, ffn_dim=64, layers=1),
    melody=None,
    decoder=DecoderConfig(codebooks=4, vocabulary=64, dim=128, layers=1, heads=4, ffn_dim=256),
    codec=EncodecConfig(
        sampling_rate=32_000,
        num_filters=2,
        hidden_size=8,
        codebook_size=64,
        codebooks=4,
        upsampling_ratios=(8, 5, 4, 4),
    ),
)


def test_a_model_is_measured_as_one_json_object(
    studio: Studio, tiny_bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ("--model", tiny_bundle, *SHORT, "--batch", "1,2", "--part", "decoder,takes")
    assert studio("bench", *asked, "--json") == 0
    said = capsys.readouterr()
    (line,) = said.out.splitlines()
    report: dict[str, Any] = json.loads(line)
    assert report["model"] == "tiny"
    assert [one["batch"] for one in report["decoder"]] == [1, 2]
    assert [one["batch"] for one in report["takes"]] == [1, 2]
    assert report["codec"] == report["processes"] == []
    assert all(line.startswith("studio: ") for line in said.err.splitlines())
    assert "round 1 of 1, native float32, 2 takes, guided" in said.err


def test_random_weights_are_measured_and_gone_afterwards(
    studio: Studio,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setitem(PUBLISHED, "small", TINY)
    assert studio("bench", "--random", "small", *SHORT, "--part", "codec") == 0
    said = capsys.readouterr()
    assert "random weights of small" in said.err
    assert said.out.startswith("random-small: ")
    assert "streamed decode" in said.out
    assert not list(tmp_path.glob("studio-bench-*"))


def test_an_interrupted_run_says_so(
    studio: Studio,
    tiny_bundle: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def interrupted(*given: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(benchmark, "load_contestants", interrupted)
    assert studio("bench", "--model", tiny_bundle, *SHORT, "--part", "codec") == 130
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (("--seconds", "0"), "--seconds must be between 0.1 and 30"),
        (("--rounds", "0"), "--rounds must be between 1 and 100"),
        (("--backend", "abacus"), "no backend 'abacus'"),
        (("--model", "nowhere/such"), "nowhere/such"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(
    studio: Studio, capsys: pytest.CaptureFixture[str], wrong: tuple[str, ...], words: str
) -> None:
    assert studio("bench", *wrong) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert words in line


@pytest.mark.parametrize(
    "wrong",
    [
        ("--batch", "0"),
        ("--batch", "1,many"),
        ("--precision", "int8,"),
        ("--part", "sound"),
        ("--random", "gigantic"),
        ("--model", "house", "--random", "small"),
    ],
)
def test_what_makes_no_sense_is_wrong_usage(
    studio: Studio, capsys: pytest.CaptureFixture[str], wrong: tuple[str, ...]
) -> None:
    assert studio("bench", *wrong) == 2
    assert "usage: studio bench" in capsys.readouterr().err


def test_the_parts_are_those_that_can_be_measured() -> None:
    assert bench._PARTS == benchmark.PARTS
    assert bench._RIVALS == benchmark.RIVALS
