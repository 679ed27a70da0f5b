from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from studio.core.errors import InputError
from studio.generation.coded_take import CodedTake
from studio.generation.request import GenerationRequest
from studio.generation.seed_bank import SeedBank, list_banks, open_bank, save_bank
from studio.models.codes import CodeSequence


def coded(
    seed: int, frames: int = 20, codebooks: int = 4, model_hash: str = "ab" * 32
) -> CodedTake:
    rng = np.random.default_rng(seed)
    return CodedTake(
        request=GenerationRequest(prompt=f"loop {seed}", seed=seed, tempo_bpm=120.0, bars=1),
        codes=CodeSequence.from_array(rng.integers(0, 512, (codebooks, frames))),
        model_hash=model_hash,
    )


@pytest.fixture
def bank_file(tmp_path: Path) -> Path:
    file = tmp_path / "mine.npz"
    save_bank(file, SeedBank(name="mine", takes=(coded(1), coded(2, frames=33))))
    return file


def test_a_bank_comes_back_as_it_was(bank_file: Path) -> None:
    bank = open_bank(bank_file)
    assert bank.name == "mine"
    assert tuple(bank) == (coded(1), coded(2, frames=33))
    assert bank.take(2) == coded(2, frames=33)
    assert open_bank(str(bank_file)) == bank


@pytest.mark.parametrize("number", [0, 3, -1])
def test_a_take_that_is_not_there_is_named(bank_file: Path, number: int) -> None:
    with pytest.raises(InputError, match=f"takes 1 to 2, not {number}"):
        open_bank(bank_file).take(number)


def test_an_unknown_bank_is_told_with_those_there_are() -> None:
    with pytest.raises(InputError, match="no seed bank polka") as caught:
        open_bank("polka")
    for name in list_banks():
        assert name in caught.value.user_message


@pytest.mark.parametrize(
    "takes",
    [(), (coded(1), coded(2, codebooks=2)), (coded(1), coded(2, model_hash="cd" * 32))],
)
def test_a_bank_holds_takes_of_one_model(tmp_path: Path, takes: tuple[CodedTake, ...]) -> None:
    with pytest.raises(InputError, match="A bank holds"):
        save_bank(tmp_path / "x.npz", SeedBank(name="x", takes=takes))
    assert not list(tmp_path.iterdir())


def changed(file: Path, **changes: Any) -> bytes:
    with np.load(file) as arrays:
        content = {name: arrays[name] for name in arrays.files} | changes
    written = io.BytesIO()
    np.savez(written, **{name: value for name, value in content.items() if value is not None})
    return written.getvalue()


RECIPE = json.loads(coded(1).request.to_json())


@pytest.mark.parametrize(
    "changes",
    [
        {"kind": np.array("something else")},
        {"kind": None},
        {"recipes": np.array("{}")},
        {"recipes": np.array("no json")},
        {"recipes": np.array(json.dumps([RECIPE]))},
        {"recipes": np.array(json.dumps([RECIPE, RECIPE | {"tempo_bpm": 9000}]))},
        {"recipes": np.array(json.dumps([RECIPE, 3]))},
        {"frames": np.array([20, 32])},
        {"frames": np.array([53, 0])},
        {"frames": np.array([[20, 33]])},
        {"frames": np.array(["a", "b"])},
        {"codes": np.zeros((4, 53))},
        {"codes": np.full((4, 53), -1)},
        {"codes": np.array(3)},
        {"model_hash": None},
    ],
)
def test_a_damaged_bank_is_refused_in_one_line(bank_file: Path, changes: dict[str, Any]) -> None:
    bank_file.write_bytes(changed(bank_file, **changes))
    with pytest.raises(InputError, match=r"mine\.npz") as caught:
        open_bank(bank_file)
    assert "\n" not in caught.value.user_message


@pytest.mark.parametrize("content", [b"", b"RIFF", b"PK\x03\x04" + bytes(40)])
def test_a_file_that_is_no_archive_is_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "x.npz"
    file.write_bytes(content)
    with pytest.raises(InputError, match=r"x\.npz"):
        open_bank(file)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gone\.npz cannot be read"):
        open_bank(tmp_path / "gone.npz")
