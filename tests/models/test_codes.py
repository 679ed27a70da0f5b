from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from studio.core.errors import InputError, StorageError
from studio.models.codes import CodeSequence, load_codes, save_codes

CODES = arrays(
    np.int64, st.tuples(st.integers(1, 8), st.integers(1, 40)), elements=st.integers(0, 2**15 - 1)
)


@given(CODES)
def test_codes_survive_text(codes: Any) -> None:
    kept = CodeSequence.from_array(codes)
    assert np.array_equal(kept.array, codes)
    assert kept.frames == codes.shape[1]
    assert CodeSequence.from_text(kept.to_text()) == kept


def test_codes_survive_a_file(tmp_path: Path) -> None:
    codes = np.random.default_rng(0).integers(0, 2048, (4, 500))
    save_codes(tmp_path / "a.npz", codes, model="house")
    assert np.array_equal(load_codes(tmp_path / "a.npz").array, codes)
    with np.load(tmp_path / "a.npz", allow_pickle=False) as stored:
        assert str(stored["model"]) == "house"
    with pytest.raises(StorageError, match="missing"):
        save_codes(tmp_path / "missing" / "a.npz", codes)


@pytest.mark.parametrize(
    "codes",
    [
        np.zeros((4, 0), dtype=int),
        np.zeros(4, dtype=int),
        np.zeros((4, 3)),
        np.full((4, 3), -1),
        np.full((4, 3), 2**15),
        np.zeros((65, 3), dtype=int),
        np.zeros((1, 60_001), dtype=int),
    ],
)
def test_what_are_no_codes_is_refused(codes: Any) -> None:
    with pytest.raises(InputError, match=r"[Cc]odes"):
        CodeSequence.from_array(codes)


def write_object(file: Path) -> None:
    np.savez(file, codes=np.array([{}], dtype=object))


def write_bomb(file: Path) -> None:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("codes.npy", bytes(65 * 2**20))


def write_other_name(file: Path) -> None:
    np.savez(file, tokens=np.zeros((4, 3), dtype=int))


def write_cut(file: Path) -> None:
    save_codes(file, np.zeros((4, 3000), dtype=np.int64))
    file.write_bytes(file.read_bytes()[:90])


@pytest.mark.parametrize(
    "write",
    [
        write_object,
        write_bomb,
        write_other_name,
        write_cut,
        lambda file: file.write_bytes(b""),
        lambda file: file.write_bytes(b"PK\x03\x04 not a zip"),
        lambda file: np.savez(file, codes=np.zeros((4, 3))),
        lambda file: None,
    ],
)
def test_a_file_without_codes_is_named_in_one_line(tmp_path: Path, write: Any) -> None:
    file = tmp_path / "x.npz"
    write(file)
    with pytest.raises(InputError, match=r"x\.npz") as caught:
        load_codes(file)
    assert "\n" not in caught.value.user_message
