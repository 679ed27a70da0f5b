from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of
from numpy.typing import NDArray
from safetensors.numpy import load_file

from studio.core.file_lock import held
from studio.models.native_backend import packed_file
from studio.models.native_backend import store as module
from studio.models.native_backend.store import PackedStore

KEY = "0123abcd-int8"
Arrays = dict[str, NDArray[Any]]


def packed() -> Arrays:
    random = np.random.default_rng(0)
    return {
        "qkv": random.integers(0, 256, (2, 3, 16, 64, 4), dtype=np.uint8),
        "qkv_scales": random.standard_normal((2, 3, 64), dtype=np.float32),
        "halves": random.standard_normal((3, 5)).astype(np.float16).view(np.int16),
        "norms": random.standard_normal((2, 3, 2, 64), dtype=np.float32),
        "nothing": np.zeros((0, 64), dtype=np.uint16),
        "odd": np.arange(5, dtype=np.int8),
        "one": np.array(3, dtype=np.int64),
    }


def assert_same(found: Arrays | None, expected: Arrays) -> None:
    assert found is not None
    assert list(found) == list(expected)
    for name, array in expected.items():
        assert found[name].dtype == array.dtype
        assert found[name].shape == array.shape
        np.testing.assert_array_equal(found[name], array)
        assert found[name].flags.writeable


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "models" / "packed"


@pytest.fixture
def store(folder: Path) -> PackedStore:
    return PackedStore(folder)


def files_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name != ".lock")


def only_file(folder: Path) -> Path:
    (file,) = folder.glob("*.safetensors")
    return file


# --- keeping and reading --------------------------------------------------------------------------


def test_what_is_kept_is_read_again(store: PackedStore, folder: Path, model: Path) -> None:
    assert store.load(KEY) is None
    store.save(KEY, packed(), source=model)
    assert_same(store.load(KEY), packed())
    assert_same(PackedStore(folder).load(KEY), packed())
    assert len(files_in(folder)) == 1


def test_the_file_is_one_that_other_tools_read(
    store: PackedStore, folder: Path, model: Path
) -> None:
    store.save(KEY, packed(), source=model)
    found = load_file(only_file(folder))
    for name, array in packed().items():
        np.testing.assert_array_equal(found[name], array)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    kept=st.dictionaries(
        st.text(max_size=8).filter(lambda name: name != "__metadata__"),
        arrays_of.arrays(
            dtype=st.sampled_from([np.float32, np.uint8, np.int16, np.uint16, np.float64]),
            shape=arrays_of.array_shapes(min_dims=0, min_side=0, max_side=7),
            elements={"allow_nan": False},
        ),
        max_size=4,
    )
)
def test_arrays_of_any_name_and_shape(kept: Arrays, tmp_path_factory: Any) -> None:
    root = tmp_path_factory.mktemp("any")
    store = PackedStore(root / "packed")
    store.save(KEY, kept, source=root)
    assert_same(store.load(KEY), kept)


def test_pieces_of_arrays_are_put_together(
    store: PackedStore, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packed_file, "_CHUNK_BYTES", 64)
    store.save(KEY, packed(), source=model)
    monkeypatch.setattr(packed_file, "_CHUNK_BYTES", 4096)
    assert_same(store.load(KEY), packed())


def test_arrays_that_are_not_contiguous_are_kept_in_order(store: PackedStore, model: Path) -> None:
    turned = np.arange(12, dtype=np.float32).reshape(3, 4).T
    store.save(KEY, {"turned": turned}, source=model)
    assert_same(store.load(KEY), {"turned": turned})


def test_saving_copies_no_array(store: PackedStore, model: Path) -> None:
    import tracemalloc

    large = {"large": np.ones(2**25, dtype=np.uint8)}
    tracemalloc.start()
    try:
        store.save(KEY, large, source=model)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2**20
    assert_same(store.load(KEY), large)


def test_without_a_folder_nothing_is_kept(model: Path) -> None:
    store = PackedStore(None)
    store.save(KEY, packed(), source=model)
    assert store.load(KEY) is None
    store.forget(model)


@pytest.mark.parametrize("key", ["../up", "a/b", "A", "", "x" * 101, "a.b"])
def test_a_key_cannot_lead_elsewhere(key: str, store: PackedStore, model: Path) -> None:
    with pytest.raises(ValueError, match="is no key"):
        store.save(key, packed(), source=model)
    with pytest.raises(ValueError, match="is no key"):
        store.load(key)


# --- damage ---------------------------------------------------------------------------------------


def made_again(store: PackedStore, folder: Path, model: Path) -> None:
    """A damaged file is neither read nor left, and one in its place is."""
    assert store.load(KEY) is None
    assert files_in(folder) == []
    store.save(KEY, packed(), source=model)
    assert_same(store.load(KEY), packed())


def test_a_file_cut_short_anywhere_is_made_again(
    store: PackedStore, folder: Path, model: Path
) -> None:
    store.save(KEY, packed(), source=model)
    file = only_file(folder)
    whole = file.read_bytes()
    header = 8 + int.from_bytes(whole[:8], "little")
    places = {0, 1, 7, 8, 9, header - 1, header, header + 1, len(whole) - 1}
    for length in sorted(places | set(range(0, len(whole), 997))):
        file.write_bytes(whole[:length])
        made_again(store, folder, model)


def test_a_byte_changed_anywhere_is_found(store: PackedStore, folder: Path, model: Path) -> None:
    store.save(KEY, packed(), source=model)
    file = only_file(folder)
    whole = file.read_bytes()
    header = 8 + int.from_bytes(whole[:8], "little")
    for place in sorted({*range(8), header, len(whole) - 1, *range(header, len(whole), 499)}):
        changed = bytearray(whole)
        changed[place] ^= 0x10
        file.write_bytes(changed)
        made_again(store, folder, model)


def _with_header(file: Path, change: Callable[[dict[str, Any]], object]) -> None:
    content = file.read_bytes()
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    text = json.dumps(change(header) or header).encode()
    file.write_bytes(len(text).to_bytes(8, "little") + text + content[8 + length :])


HEADER_FAULTS: dict[str, Callable[[dict[str, Any]], object]] = {
    "another type of equal width": lambda h: h["qkv"].update(dtype="I8"),
    "another type of another width": lambda h: h["qkv"].update(dtype="F32"),
    "an unknown type": lambda h: h["qkv"].update(dtype="F4"),
    "another shape": lambda h: h["qkv"].update(shape=[3, 2, 16, 64, 4]),
    "a negative shape": lambda h: h["qkv"].update(shape=[-2, -3, 16, 64, 4]),
    "a broken shape": lambda h: h["qkv"].update(shape=[24576.0]),
    "a truth for a number": lambda h: h["one"].update(shape=[True]),
    "no shape": lambda h: h["qkv"].pop("shape") and None,
    "an impossible shape of nothing": lambda h: h["nothing"].update(shape=[0, 2**40, 2**40]),
    "too many axes": lambda h: h["one"].update(shape=[1] * 99),
    "another name": lambda h: h.update(other=h.pop("qkv")),
    "another order": lambda h: dict(reversed(h.items())),
    "a missing array": lambda h: h.pop("nothing") and None,
    "another key": lambda h: h["__metadata__"].update(key="0123abcd-int4"),
    "another check": lambda h: h["__metadata__"].update(check="0" * 64),
    "no facts": lambda h: h.pop("__metadata__") and None,
    "no entries": lambda h: dict.fromkeys(h, 3),
    "a list": lambda h: [h],
}


@pytest.mark.parametrize("fault", HEADER_FAULTS)
def test_a_header_that_says_otherwise_is_found(
    fault: str, store: PackedStore, folder: Path, model: Path
) -> None:
    store.save(KEY, packed(), source=model)
    _with_header(only_file(folder), HEADER_FAULTS[fault])
    made_again(store, folder, model)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(content=st.binary(max_size=200), length=st.none() | st.integers(0, 2**64 - 1))
def test_nothing_in_a_file_ends_the_program(
    content: bytes, length: int | None, tmp_path_factory: Any
) -> None:
    root = tmp_path_factory.mktemp("wild")
    store = PackedStore(root / "packed")
    store.save(KEY, {}, source=root)
    file = only_file(root / "packed")
    file.write_bytes(b"" if length is None else length.to_bytes(8, "little") + content)
    assert store.load(KEY) is None
    assert not file.exists()


def test_a_file_that_may_not_be_read_stays(
    store: PackedStore, folder: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.save(KEY, packed(), source=model)
    with monkeypatch.context() as patch:

        def refuse(*_: object, **__: object) -> None:
            raise PermissionError(13, "Permission denied")

        patch.setattr(Path, "open", refuse)
        assert store.load(KEY) is None
    assert_same(store.load(KEY), packed())


# --- writing --------------------------------------------------------------------------------------


def test_a_disk_that_fills_up_leaves_nothing(
    store: PackedStore, folder: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = Path.open

    def full(path: Path, *arguments: Any, **options: Any) -> Any:
        stream = opened(path, *arguments, **options)
        if path.suffix == ".part":
            written = stream.write

            def write(content: bytes) -> int:
                if stream.tell() > 5_000:
                    raise OSError(28, "No space left on device")
                return int(written(content))

            return _Replaced(stream, write)
        return stream

    with monkeypatch.context() as patch:
        patch.setattr(packed_file, "_CHUNK_BYTES", 1024)
        patch.setattr(Path, "open", full)
        store.save(KEY, packed(), source=model)
    assert files_in(folder) == []
    assert store.load(KEY) is None


class _Replaced:
    """A stream whose `write` is another."""

    def __init__(self, stream: Any, write: Callable[[bytes], int]) -> None:
        self._stream = stream
        self.write = write

    def __enter__(self) -> _Replaced:
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()


def test_a_disk_that_is_nearly_full_is_left_alone(
    store: PackedStore, folder: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = SimpleNamespace(free=module.SPARE_BYTES + 1000)
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda _: free)
        store.save(KEY, packed(), source=model)
        assert files_in(folder) == []
        store.save(KEY, {"small": np.zeros(1000, dtype=np.uint8)}, source=model)
    assert store.load(KEY) is not None


def test_a_place_that_is_no_folder_costs_nothing(tmp_path: Path, model: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    store = PackedStore(tmp_path / "file")
    store.save(KEY, packed(), source=model)
    assert store.load(KEY) is None
    store.forget(model)


def test_a_failed_replacement_keeps_the_old_file(
    store: PackedStore, folder: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.save(KEY, packed(), source=model)

    def refuse(*_: object) -> None:
        raise PermissionError(13, "in use")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", refuse)
        store.save(KEY, {"other": np.zeros(3)}, source=model)
    assert len(files_in(folder)) == 1
    assert_same(store.load(KEY), packed())


def test_one_writer_at_a_time(store: PackedStore, folder: Path, model: Path) -> None:
    with held(folder / ".lock") as alone:
        assert alone
        store.save(KEY, packed(), source=model)
    assert store.load(KEY) is None
    store.save(KEY, packed(), source=model)
    assert_same(store.load(KEY), packed())


def write_again_and_again(folder: Path, model: Path, value: int) -> None:
    store = PackedStore(folder)
    for _ in range(20):
        store.save(KEY, {"all": np.full(300_000, value, dtype=np.int64)}, source=model)


def test_writers_and_readers_at_once_see_whole_files(folder: Path, model: Path) -> None:
    spawn = multiprocessing.get_context("spawn")
    writers = [
        spawn.Process(target=write_again_and_again, args=(folder, model, value)) for value in (1, 2)
    ]
    here = threading.Thread(target=write_again_and_again, args=(folder, model, 3))
    for writer in (*writers, here):
        writer.start()
    seen = 0
    store = PackedStore(folder)
    while seen < 20 or any(writer.is_alive() for writer in (*writers, here)):
        found = store.load(KEY)
        if found is not None:
            seen += 1
            assert found["all"][0] in (1, 2, 3)
            assert (found["all"] == found["all"][0]).all()
    for writer in (*writers, here):
        writer.join()
    assert [writer.exitcode for writer in writers] == [0, 0]
    assert len(files_in(folder)) == 1


# --- tidying up -----------------------------------------------------------------------------------


def keep(store: PackedStore, key: str, source: Path, *, used: int, size: int = 1000) -> None:
    store.save(key, {"all": np.zeros(size, dtype=np.uint8)}, source=source)
    assert store._folder is not None
    file = store._file(store._folder, key)
    os.utime(file, (used, used))


def kept(store: PackedStore, *keys: str) -> list[str]:
    """Which there are, without using them."""
    assert store._folder is not None
    return [key for key in keys if store._file(store._folder, key).exists()]


def test_what_was_not_used_for_longest_makes_room(
    store: PackedStore, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LIMIT_BYTES", 4500)
    for used, key in enumerate(("a", "b", "c")):
        keep(store, key, model, used=1000 + used)
    assert store.load("a") is not None
    keep(store, "d", model, used=3000)
    assert kept(store, "a", "b", "c", "d") == ["a", "c", "d"]
    keep(store, "e", model, used=4000, size=4500)
    assert kept(store, "a", "b", "c", "d", "e") == ["e"]


def test_what_is_larger_than_everything_may_be_is_not_kept(
    store: PackedStore, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LIMIT_BYTES", 5000)
    keep(store, "a", model, used=1000)
    store.save("b", {"all": np.zeros(5001, dtype=np.uint8)}, source=model)
    assert kept(store, "a", "b") == ["a"]


def test_what_a_killed_process_or_an_older_version_left_is_cleared_away(
    store: PackedStore, folder: Path, model: Path
) -> None:
    folder.mkdir(parents=True)
    for name in (".0123.part", f"{KEY}-v0.safetensors", f"broken{module._SUFFIX}"):
        (folder / name).write_bytes(b"left")
    (folder / "readme.txt").write_text("somebody's")
    store.save(KEY, packed(), source=model)
    assert files_in(folder) == [f"{KEY}{module._SUFFIX}", "readme.txt"]


def test_weights_go_with_their_model(store: PackedStore, tmp_path: Path, model: Path) -> None:
    repository, gone = tmp_path / "hub" / "models--a--b", tmp_path / "gone"
    snapshot = repository / "snapshots" / "abc"
    for place in (snapshot, gone, tmp_path / "modelled"):
        place.mkdir(parents=True)
    keep(store, "mine", model, used=1)
    keep(store, "like", tmp_path / "modelled", used=2)
    keep(store, "theirs", snapshot, used=3)
    keep(store, "gone", gone, used=4)
    gone.rmdir()
    store.forget(model)
    assert kept(store, "mine", "like", "theirs", "gone") == ["like", "theirs"]
    shutil.rmtree(repository)
    store.forget(repository)
    assert kept(store, "like", "theirs") == ["like"]


def test_weights_of_models_that_are_gone_make_room_first(
    store: PackedStore, tmp_path: Path, model: Path
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    keep(store, "gone", gone, used=5)
    gone.rmdir()
    keep(store, "new", model, used=6)
    assert kept(store, "gone", "new") == ["new"]
