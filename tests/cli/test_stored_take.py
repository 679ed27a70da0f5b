from __future__ import annotations

import io
import json
import random
import zipfile
from pathlib import Path

import numpy as np
import pytest

from studio.cli.stored_take import file_take, is_sample
from studio.core.errors import InputError
from studio.generation.request import GenerationRequest
from studio.models.codes import save_codes

RECIPE = GenerationRequest(prompt="dub", tempo_bpm=120.0, bars=1, seed=3)


def write(path: Path, **changes: str) -> Path:
    facts = {
        "model": "house",
        "model_hash": "ab" * 32,
        "recipe": RECIPE.to_json(),
        "seconds": "2.0",
    } | changes
    codes = np.arange(400).reshape(4, 100)
    save_codes(path, codes, **{name: text for name, text in facts.items() if text})
    return path


def test_a_take_comes_back_from_its_file(tmp_path: Path) -> None:
    take = file_take(write(tmp_path / "x.npz"))
    assert take.request == RECIPE
    assert take.codes.shape == (4, 100)
    assert (take.model_hash, take.length_seconds) == ("ab" * 32, 2.0)


@pytest.mark.parametrize(
    ("name", "expected"), [("7", True), ("x.npz", False), ("-1", False), ("9" * 30, False)]
)
def test_a_number_is_a_sample(name: str, expected: bool) -> None:
    assert is_sample(name) is expected


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"recipe": ""}, "without a recipe"),
        ({"recipe": "{"}, "stored recipe"),
        ({"recipe": "{}"}, "stored recipe"),
        ({"recipe": "[" * 100_000}, "damaged recipe"),
        ({"recipe": json.dumps({"prompt": "x", "bars": "two"})}, "bars"),
        ({"recipe": json.dumps({"prompt": "x", "melody": [1]})}, "melody"),
        ({"recipe": json.dumps({"prompt": "x", "model": 7})}, "model"),
        ({"model_hash": ""}, "damaged recipe"),
        ({"seconds": ""}, "damaged recipe"),
        ({"seconds": "nan"}, "damaged recipe"),
        ({"seconds": "-1"}, "damaged recipe"),
        ({"seconds": "long"}, "damaged recipe"),
    ],
)
def test_facts_that_are_none_are_named(
    tmp_path: Path, changes: dict[str, str], message: str
) -> None:
    with pytest.raises(InputError, match=message) as fault:
        file_take(write(tmp_path / "x.npz", **changes))
    assert "x.npz" in fault.value.user_message
    assert "\n" not in fault.value.user_message


def archive(**members: bytes) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as written:
        for name, data in members.items():
            written.writestr(f"{name}.npy", data)
    return content.getvalue()


def array(header: str) -> bytes:
    text = header.encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + b"\0" * 64


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"PK",
        b"no archive at all",
        archive(other=b""),
        archive(codes=b"no array"),
        archive(codes=array("{'descr': '|O', 'fortran_order': False, 'shape': (4, 4)}")),
        archive(codes=array("{'descr': '<i2', 'fortran_order': False, 'shape': (4, 2**40)}")),
        archive(codes=array("{'descr': '<i2', 'fortran_order': False, 'shape': (1, 1" + "0" * 12
                            + ")}")),
        archive(codes=array("((")),
    ],
)  # fmt: skip
def test_a_file_that_is_none_of_codes_is_one_line(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "x.npz"
    file.write_bytes(content)
    with pytest.raises(InputError, match=r"x\.npz") as fault:
        file_take(file)
    assert "\n" not in fault.value.user_message


def test_any_damage_is_one_line_or_harmless(tmp_path: Path) -> None:
    whole = write(tmp_path / "x.npz").read_bytes()
    chance = random.Random(1)
    refused: list[str] = []
    file = tmp_path / "damaged.npz"
    for _ in range(400):
        damaged = bytearray(whole)
        for _ in range(chance.choice((1, 2, 10))):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        if chance.random() < 0.1:
            del damaged[chance.randrange(len(damaged)) :]
        file.write_bytes(damaged)
        try:
            file_take(file)
        except InputError as error:
            refused.append(error.user_message)
    assert len(refused) > 300
    assert not any("\n" in each for each in refused)
