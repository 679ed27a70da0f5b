"""Broken, hostile and unlucky conversions: one line, nothing run, nothing left."""

from __future__ import annotations

import errno
import io
import json
import os
import pickle
import resource
import shutil
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from studio.core.errors import ModelError, StorageError
from studio.models.torch_backend.audiocraft.convert import convert_audiocraft
from studio.models.torch_backend.audiocraft.pickled import load_pickle, tensor_table
from tests.models.audiocraft_writer import (
    codec_settings,
    codec_state,
    language_settings,
    language_state,
    save_package,
    save_pointer,
    tiny_model,
    write_audiocraft,
    write_published,
)

STATE, CODEC = "state_dict.bin", "compression_state_dict.bin"


class Touch:
    """A pickle of it makes a file when it is opened."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return os.mkdir, (str(self.file),)


@pytest.fixture(scope="module")
def model() -> Any:
    return tiny_model("text")


@pytest.fixture(scope="module")
def pristine(model: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pristine")
    write_published(folder / "published", model)
    write_audiocraft(folder / "audiocraft", model, "text")
    return folder


@pytest.fixture
def place(pristine: Path, tmp_path: Path) -> Path:
    """A folder with `audiocraft` and `published`, free to be spoilt."""
    shutil.copytree(pristine, tmp_path / "place")
    return tmp_path / "place"


def convert(place: Path) -> None:
    published = {"t5-base": "t5", "facebook/encodec_32khz": "encodec"}

    def find(name: str) -> Path:
        if name not in published:
            raise ModelError(f"{name} is not on this machine.")
        return place / "published" / published[name]

    convert_audiocraft(place / "audiocraft", place / "out", find=find)


def refused(place: Path, *, file: str, cause: str) -> None:
    """Expect one line that names `file` and `cause`, and nothing left behind."""
    with pytest.raises(ModelError) as caught:
        convert(place)
    message = caught.value.user_message
    assert "\n" not in message
    assert len(message) < 900
    assert file in message
    assert cause in message
    assert {entry.name for entry in place.iterdir()} == {"audiocraft", "published"}


def resave(file: Path, change: Callable[[dict[str, Any]], None]) -> None:
    package = torch.load(file, weights_only=True)
    change(package)
    torch.save(package, file)


def test_the_pristine_folder_converts(place: Path) -> None:
    convert(place)

    assert (place / "out" / "model.safetensors").is_file()


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("name", [STATE, CODEC])
@pytest.mark.parametrize("where", ["value", "weights"])
def test_a_pickle_never_runs_code(
    place: Path, model: Any, name: str, where: str, legacy: bool
) -> None:
    trace, file = place.parent / "ran", place / "audiocraft" / name
    language = name == STATE
    state: dict[str, Any] = language_state(model, "text") if language else codec_state(model)
    written = language_settings(model, "text") if language else codec_settings(model)
    if where == "weights":
        state["emb.0.weight"] = Touch(trace)
        save_package(file, state, written, legacy=legacy)
    else:
        hostile = {"best_state": state, "xp.cfg": "a: 1", "version": Touch(trace)}
        torch.save(hostile, file, _use_new_zipfile_serialization=not legacy)

    refused(place, file=name, cause="never runs code")

    assert not trace.exists()
    torch.load(file, weights_only=False)
    assert trace.exists()


def test_a_bare_pickle_never_runs_code(place: Path) -> None:
    trace = place.parent / "ran"
    (place / "audiocraft" / STATE).write_bytes(pickle.dumps({"best_state": Touch(trace)}))

    refused(place, file=STATE, cause="damaged or not complete")

    assert not trace.exists()


def test_the_oldest_form_never_runs_code(place: Path) -> None:
    trace = place.parent / "ran"
    content = pickle.dumps(Touch(trace))
    with tarfile.open(place / "audiocraft" / STATE, "w") as archive:
        for name in ("pickle", "storages", "tensors"):
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))

    refused(place, file=STATE, cause="oldest of torch's forms")

    assert not trace.exists()


@pytest.mark.parametrize("part", ["t5", "encodec"])
def test_a_published_part_never_runs_code(place: Path, part: str) -> None:
    trace, folder = place.parent / "ran", place / "published" / part
    (folder / "model.safetensors").unlink()
    torch.save({"encoder.x": Touch(trace)}, folder / "pytorch_model.bin")
    save_pointer(place / "audiocraft" / CODEC, "facebook/encodec_32khz")

    refused(place, file="pytorch_model.bin", cause="never runs code")

    assert not trace.exists()


def test_a_hugging_face_pickle_never_runs_code(place: Path, model: Any) -> None:
    trace, folder = place.parent / "ran", place / "audiocraft"
    shutil.rmtree(folder)
    model.config.save_pretrained(folder)
    torch.save({"decoder.x": Touch(trace)}, folder / "pytorch_model.bin")

    refused(place, file="pytorch_model.bin", cause="never runs code")

    assert not trace.exists()


def test_settings_never_run_code(place: Path) -> None:
    trace = place.parent / "ran"
    text = f"a: !!python/object/apply:os.mkdir [{str(trace)!r}]"
    resave(place / "audiocraft" / STATE, lambda package: package.update({"xp.cfg": text}))

    refused(place, file=STATE, cause="not plain YAML")

    assert not trace.exists()


@pytest.mark.parametrize("name", [STATE, CODEC])
@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("kept", [0.0, 0.02, 0.5, 0.999])
def test_a_truncated_file_is_refused(
    place: Path, model: Any, name: str, legacy: bool, kept: float
) -> None:
    file = place / "audiocraft" / name
    if legacy:
        state = language_state(model, "text") if name == STATE else codec_state(model)
        save_package(file, state, language_settings(model, "text"), legacy=True)
    content = file.read_bytes()
    file.write_bytes(content[: int(kept * len(content))])

    refused(place, file=name, cause="damaged or not complete" if kept else "empty")


@pytest.mark.parametrize("content", [b"\x00" * 4096, b"PK\x03\x04" + b"x" * 4096, b"no", b"\x80"])
def test_what_is_no_checkpoint_is_refused(place: Path, content: bytes) -> None:
    (place / "audiocraft" / STATE).write_bytes(content)

    refused(place, file=STATE, cause="it is damaged")


@pytest.mark.parametrize("content", [[1, 2], 3, {1: 2}, "text"])
def test_another_content_is_refused(place: Path, content: object) -> None:
    torch.save(content, place / "audiocraft" / STATE)

    refused(place, file=STATE, cause="dictionary of names")


@pytest.mark.parametrize("state", [None, {}, [], "text", {"model": {}}])
def test_a_file_without_weights_is_refused(place: Path, state: object) -> None:
    resave(place / "audiocraft" / STATE, lambda package: package.update(best_state=state))

    refused(place, file=STATE, cause="table of tensors")


@pytest.mark.parametrize(
    "value",
    [
        torch.zeros(17, 32, dtype=torch.int64),
        torch.zeros(17, 32, dtype=torch.complex64),
        torch.zeros(17, 32).to_sparse(),
        torch.zeros(17, 32, device="meta"),
        torch.zeros(1).expand(10**12),
        [1.0, 2.0],
        None,
        3,
    ],
    ids=["whole", "complex", "sparse", "meta", "repeated", "list", "none", "number"],
)
def test_what_is_not_a_plain_tensor_is_refused(place: Path, value: object) -> None:
    resave(place / "audiocraft" / STATE, lambda p: p["best_state"].update({"emb.0.weight": value}))

    refused(place, file=STATE, cause="emb.0.weight")


@pytest.mark.parametrize(
    ("name", "tensor"),
    [
        (STATE, "transformer.layers.1.linear2.weight"),
        (STATE, "emb.3.weight"),
        (CODEC, "decoder.model.3.convtr.convtr.weight_v"),
        (CODEC, "encoder.model.13.lstm.weight_hh_l1"),
    ],
)
def test_a_missing_or_misshapen_tensor_is_named(place: Path, name: str, tensor: str) -> None:
    file = place / "audiocraft" / name
    ours = tensor.split(".conv")[0].replace("model.", "layers.") if name == CODEC else tensor
    resave(file, lambda package: package["best_state"].update({tensor: torch.zeros(3, 4)}))
    refused(place, file=name, cause=ours)

    resave(file, lambda package: package["best_state"].pop(tensor))
    refused(place, file=name, cause=ours)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize(
    ("name", "tensor"),
    [
        (STATE, "transformer.layers.1.self_attn.in_proj_weight"),
        (STATE, "condition_provider.conditioners.description.output_proj.bias"),
        (CODEC, "decoder.model.3.convtr.convtr.weight_g"),
        (CODEC, "quantizer.vq.layers.0._codebook.embed_avg"),
    ],
)
def test_a_number_that_is_none_is_found(place: Path, name: str, tensor: str, value: float) -> None:
    def spoil(package: dict[str, Any]) -> None:
        package["best_state"][tensor].view(-1)[-1] = value

    resave(place / "audiocraft" / name, spoil)

    refused(place, file=name, cause="NaN or infinity")


def test_a_bias_that_is_not_zero_is_refused(place: Path) -> None:
    bias = torch.zeros(16)
    bias[3] = 0.5
    resave(place / "audiocraft" / STATE, lambda p: p["best_state"].update({"linears.2.bias": bias}))

    refused(place, file=STATE, cause="linears.2.bias is not zero")


@pytest.mark.parametrize("name", [STATE, CODEC])
def test_missing_settings_are_refused(place: Path, name: str) -> None:
    resave(place / "audiocraft" / name, lambda package: package.pop("xp.cfg"))

    refused(place, file=name, cause="it has no xp.cfg")


@pytest.mark.parametrize(
    "pointer", ["../../x", "/etc/passwd", "https://example.org/codec.bin", "file:///x", "", 7]
)
def test_a_codec_outside_of_the_published_ones_is_refused(place: Path, pointer: Any) -> None:
    save_pointer(place / "audiocraft" / CODEC, pointer)

    refused(place, file=CODEC, cause="not the name of a published model")


def test_a_codec_that_is_not_here_is_said_to_be_missing(place: Path) -> None:
    save_pointer(place / "audiocraft" / CODEC, "dac_44khz")

    refused(place, file="dac_44khz", cause="not on this machine")


def test_a_text_encoder_outside_of_the_published_ones_is_refused(place: Path) -> None:
    def point_out(package: dict[str, Any]) -> None:
        package["xp.cfg"] = package["xp.cfg"].replace("t5-base", "../../t5")

    resave(place / "audiocraft" / STATE, point_out)

    refused(place, file=STATE, cause="not the name of a published model")


def test_a_codec_of_other_codebooks_is_refused(place: Path) -> None:
    other = tiny_model("unconditional", codec={"codebook_size": 32, "target_bandwidths": [1.0]})
    save_package(place / "audiocraft" / CODEC, codec_state(other), codec_settings(other))

    refused(place, file=STATE, cause="its codec 4 of 32")


@pytest.mark.parametrize("file", ["config.json", "tokenizer.json", "model.safetensors"])
@pytest.mark.parametrize("how", ["missing", "truncated"])
def test_an_incomplete_text_encoder_is_named(place: Path, file: str, how: str) -> None:
    part = place / "published" / "t5" / file
    if how == "missing":
        part.unlink()
        refused(place, file=str(part), cause="missing")
    elif file != "tokenizer.json":
        part.write_bytes(part.read_bytes()[:100])
        refused(place, file=str(part), cause="is not usable")


@pytest.mark.parametrize(
    ("part", "key", "value"),
    [
        ("t5", "d_model", 24),
        ("t5", "model_type", "bert"),
        ("t5", "feed_forward_proj", "gated-gelu"),
        ("t5", "num_layers", 3),
        ("t5", "vocab_size", 10**6),
        ("t5", "num_heads", 0),
        ("encodec", "model_type", "dac"),
        ("encodec", "use_causal_conv", True),
        ("encodec", "num_filters", 3),
        ("encodec", "upsampling_ratios", [8, 5, 4]),
        ("encodec", "sampling_rate", None),
    ],
)
def test_a_published_part_of_another_kind_is_refused(
    place: Path, part: str, key: str, value: object
) -> None:
    file = place / "published" / part / "config.json"
    config = json.loads(file.read_text())
    config[key] = value
    file.write_text(json.dumps(config))
    save_pointer(place / "audiocraft" / CODEC, "facebook/encodec_32khz")

    refused(place, file=str(file.parent), cause="is not usable")


def test_a_part_with_numbers_that_are_none_is_refused(place: Path) -> None:
    file = place / "published" / "t5" / "model.safetensors"
    table = load_file(file)
    table["shared.weight"][0, 0] = float("nan")
    save_file(table, file, metadata={"format": "pt"})

    refused(place, file=str(file), cause="NaN or infinity")


def test_an_index_cannot_lead_out_of_its_folder(place: Path) -> None:
    folder = place / "published" / "t5"
    shutil.move(folder / "model.safetensors", folder.parent / "outside.safetensors")
    index = {"weight_map": {"shared.weight": "../outside.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))

    refused(place, file="index.json", cause="not the name of a file beside it")


def test_another_hugging_face_model_is_not_converted(place: Path) -> None:
    shutil.rmtree(place / "audiocraft")
    (place / "audiocraft").mkdir()
    (place / "audiocraft" / "config.json").write_text('{"model_type": "llama"}')
    torch.save({"x": torch.zeros(1)}, place / "audiocraft" / "pytorch_model.bin")

    refused(place, file="config.json", cause="'llama' is not a MusicGen")


def test_a_folder_with_nothing_to_convert_is_refused(place: Path) -> None:
    shutil.rmtree(place / "audiocraft")
    (place / "audiocraft").mkdir()

    refused(place, file=str(place / "audiocraft"), cause="holds no state_dict.bin")


def test_an_archive_that_unpacks_to_more_is_refused(tmp_path: Path) -> None:
    plain, packed = tmp_path / "plain.bin", tmp_path / "packed.bin"
    torch.save({"x": torch.zeros(100_000)}, plain)
    with zipfile.ZipFile(plain) as source, zipfile.ZipFile(packed, "w") as target:
        for entry in source.infolist():
            target.writestr(entry.filename, source.read(entry), zipfile.ZIP_DEFLATED)

    with pytest.raises(ModelError, match="compressed"):
        load_pickle(packed)
    assert list(load_pickle(plain)) == ["x"]


def test_names_that_are_none_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "x.bin"
    for name in ("a\nb", "a" * 301, 7):
        torch.save({"state": {name: torch.zeros(1)}}, file)
        with pytest.raises(ModelError, match="not the name of a tensor"):
            tensor_table(load_pickle(file)["state"], file)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    legacy=st.booleans(),
    flips=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=6),
    near=st.sampled_from([200, 2_000, 10**9]),
)
def test_a_file_with_wrong_bytes_is_read_or_refused_in_one_line(
    tmp_path_factory: pytest.TempPathFactory,
    legacy: bool,
    flips: list[tuple[float, int]],
    near: int,
) -> None:
    file = tmp_path_factory.mktemp("flipped") / "x.bin"
    weights = {"a": torch.zeros(40, 3), "b": torch.ones(7)}
    save_package(file, weights, {"x": 1}, legacy=legacy)
    content = bytearray(file.read_bytes())
    for place, value in flips:
        content[int(place * (min(near, len(content)) - 1))] = value
    file.write_bytes(content)

    held, message = 0, str(file)
    try:
        table = tensor_table(load_pickle(file).get("best_state"), file)
        held = sum(value.nbytes for value in table.values())
    except ModelError as error:
        message = error.user_message

    assert held <= 2 * len(content)
    assert str(file) in message
    assert "\n" not in message


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"none\.bin.*missing"):
        load_pickle(tmp_path / "none.bin")


def test_an_existing_target_is_left_alone(place: Path) -> None:
    (place / "out").mkdir()
    (place / "out" / "mine.txt").write_text("kept")

    with pytest.raises(StorageError, match="already there"):
        convert(place)

    assert [file.name for file in (place / "out").iterdir()] == ["mine.txt"]


def only_the_sources_are_left(place: Path) -> bool:
    return {entry.name for entry in place.iterdir()} == {"audiocraft", "published"}


def test_a_disk_without_room_is_said_before_anything_is_written(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=10**6))

    with pytest.raises(StorageError, match=r"needs 1 MB and the disk has 1 MB left") as caught:
        convert(place)

    assert "\n" not in caught.value.user_message
    assert only_the_sources_are_left(place)


@pytest.mark.parametrize(
    ("fault", "raised"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), StorageError),
        (OSError(errno.EIO, "Input/output error"), StorageError),
        (KeyboardInterrupt(), KeyboardInterrupt),
    ],
)
# The weights, the generation settings, the tokenizer, the configuration; folders in between.
@pytest.mark.parametrize("flushes", [0, 1, 3, 5])
def test_a_write_that_fails_leaves_nothing(
    place: Path,
    monkeypatch: pytest.MonkeyPatch,
    fault: BaseException,
    raised: type[BaseException],
    flushes: int,
) -> None:
    done: Iterator[int] = iter(range(100))
    flush = os.fsync

    def fail(descriptor: int) -> None:
        if next(done) == flushes:
            raise fault
        flush(descriptor)

    monkeypatch.setattr(os, "fsync", fail)

    with pytest.raises(raised) as caught:
        convert(place)

    if isinstance(caught.value, StorageError):
        assert "\n" not in caught.value.user_message
        assert str(place / "out") in caught.value.user_message
        assert "was not written" in caught.value.user_message
    assert only_the_sources_are_left(place)


def test_a_file_that_the_disk_does_not_take_leaves_nothing(place: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, hard))
    try:
        with pytest.raises(StorageError, match="was not written"):
            convert(place)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    assert only_the_sources_are_left(place)


def test_of_two_conversions_at_once_the_first_to_finish_stays(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = shutil.disk_usage

    def another_finishes(folder: Path) -> Any:
        (place / "out").mkdir()
        (place / "out" / "config.json").write_text("the other's")
        return room(folder)

    monkeypatch.setattr(shutil, "disk_usage", another_finishes)

    convert(place)

    assert (place / "out" / "config.json").read_text() == "the other's"
    assert {entry.name for entry in place.iterdir()} == {"audiocraft", "published", "out"}
