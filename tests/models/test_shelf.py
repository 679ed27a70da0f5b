from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import types
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.core.errors import ModelError, StorageError
from studio.models.bundle import open_bundle
from studio.models.catalog import known_models
from studio.models.shelf.registry import Registry
from studio.models.shelf.shelf import ModelShelf
from tests.generation.tiny_bundle import write_tiny_bundle
from tests.models.adapter_writer import random_factors, write_adapter


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty Hugging Face cache."""
    folder = tmp_path / "hub"
    folder.mkdir()
    monkeypatch.setenv("HF_HUB_CACHE", str(folder))
    return folder


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_bundle(tmp_path_factory.mktemp("bundles") / "tiny")


@pytest.fixture
def shelf(tmp_path: Path) -> ModelShelf:
    return ModelShelf(tmp_path / "models")


def store(cache: Path, repository: str, *names: str) -> Path:
    model = cache / f"models--{repository.replace('/', '--')}"
    snapshot = model / "snapshots" / "abc1234"
    snapshot.mkdir(parents=True)
    for name in names or ("config.json", "model.safetensors"):
        (snapshot / name).write_text("{}")
    (model / "refs").mkdir()
    (model / "refs" / "main").write_text("abc1234")
    return snapshot


# --- finding --------------------------------------------------------------------------------------


def test_the_embedded_model_is_always_there(shelf: ModelShelf) -> None:
    assert open_bundle(shelf.resolve("house")).name == "house"


def test_a_folder_is_a_model(shelf: ModelShelf, tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    assert shelf.resolve(folder) == folder
    assert shelf.resolve(str(folder)) == folder


@pytest.mark.parametrize("name", ["facebook/musicgen-small", "someone/their-own.model"])
def test_models_are_found_in_the_local_cache(name: str, cache: Path, shelf: ModelShelf) -> None:
    snapshot = store(cache, name)
    assert shelf.resolve(name) == snapshot


@pytest.mark.parametrize("variable", ["HF_HOME", "XDG_CACHE_HOME"])
def test_the_cache_is_where_the_other_tools_have_it(
    variable: str, tmp_path: Path, shelf: ModelShelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HF_HUB_CACHE")
    monkeypatch.delenv("HF_HOME", raising=False)
    monkeypatch.setenv(variable, str(tmp_path / "elsewhere"))
    below = "hub" if variable == "HF_HOME" else "huggingface/hub"
    snapshot = store(tmp_path / "elsewhere" / below, "someone/model")
    assert shelf.resolve("someone/model") == snapshot


def test_a_download_that_lacks_a_file_is_not_a_model_yet(cache: Path, shelf: ModelShelf) -> None:
    snapshot = store(cache, "someone/model", "config.json")
    index = {"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}
    (snapshot / "model.safetensors.index.json").write_text(json.dumps(index))
    (snapshot / "model-1.safetensors").write_bytes(b"")
    with pytest.raises(ModelError, match="studio models get someone/model"):
        shelf.resolve("someone/model")
    (snapshot / "model-2.safetensors").write_bytes(b"")
    assert shelf.resolve("someone/model") == snapshot


@pytest.mark.parametrize("commit", ["../../../..", "abc1234\nx", "", "/etc"])
def test_a_reference_cannot_lead_out_of_the_cache(
    commit: str, cache: Path, shelf: ModelShelf
) -> None:
    store(cache, "someone/model")
    (cache / "models--someone--model" / "refs" / "main").write_text(commit)
    with pytest.raises(ModelError):
        shelf.resolve("someone/model")


def test_a_known_model_that_is_not_here_says_how_to_get_it(shelf: ModelShelf) -> None:
    with pytest.raises(ModelError, match='"studio models get facebook/musicgen-large"'):
        shelf.resolve("facebook/musicgen-large")


@pytest.mark.parametrize(
    "name", ["hous", "", "../nowhere", "a/b/c", "--/..", "~nobody-of-this-name", "x" * 100_000]
)
def test_an_unknown_model_lists_those_there_are(name: str, shelf: ModelShelf) -> None:
    with pytest.raises(ModelError) as caught:
        shelf.resolve(name)
    whole = [model.name for model in known_models() if model.kind != "part"]
    assert all(name in caught.value.user_message for name in whole)
    assert "\n" not in caught.value.user_message
    assert len(caught.value.user_message) < 1_500


def test_the_list_says_what_is_on_disk(cache: Path, shelf: ModelShelf) -> None:
    snapshot = store(cache, "facebook/musicgen-stereo-small")
    listed = {entry.name: entry for entry in shelf.models()}
    assert list(listed) == [model.name for model in known_models()]
    assert listed["facebook/musicgen-stereo-small"].path == snapshot
    assert listed["facebook/musicgen-small"].path is None
    assert listed["house"].path is not None
    assert listed["facebook/musicgen-stereo-melody"].codebooks == 8


def test_finding_and_listing_load_neither_torch_nor_the_hub(repository: Path) -> None:
    program = (
        "import sys; from studio.models.shelf.shelf import ModelShelf; s = ModelShelf(None);"
        "s.models(); s.resolve('house');"
        "print([m for m in ('torch', 'huggingface_hub', 'tqdm') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=repository
    )
    assert done.stdout.strip() == "[]"


# --- adding and removing --------------------------------------------------------------------------


def test_an_added_model_has_a_name_in_every_later_run(
    shelf: ModelShelf, bundle: Path, tmp_path: Path
) -> None:
    entry = shelf.add(bundle, "dusty loops")
    later = ModelShelf(tmp_path / "models")
    assert later.resolve("dusty loops") == bundle
    assert later.models()[-1] == entry
    assert (entry.name, entry.kind, entry.registered, entry.embedded) == (
        "dusty loops", "text", True, False,
    )  # fmt: skip
    assert (entry.sample_rate, entry.channels, entry.codebooks) == (32_000, 1, 4)
    assert entry.path == bundle


def test_the_folder_s_own_name_is_the_usual_one(shelf: ModelShelf, bundle: Path) -> None:
    assert shelf.add(bundle).name == "tiny"
    assert shelf.add(bundle).name == "tiny"
    assert len(shelf.models()) == len(known_models()) + 1


@pytest.mark.parametrize("name", ["house", "House", "t5-base", "taken", "TAKEN"])
def test_a_name_that_is_taken_is_refused(
    name: str, shelf: ModelShelf, bundle: Path, tmp_path: Path
) -> None:
    shelf.add(bundle, "taken")
    other = tmp_path / "other"
    other.symlink_to(bundle)
    with pytest.raises(ModelError, match="--name"):
        shelf.add(other, name)
    assert [entry.name for entry in shelf.models() if entry.registered] == ["taken"]


@pytest.mark.parametrize("name", ["", "a/b", "..", "-x", "two\nlines", "x" * 200, "a\\b", "~"])
def test_a_name_that_could_be_a_path_is_refused(name: str, shelf: ModelShelf, bundle: Path) -> None:
    with pytest.raises(ModelError, match="cannot be the name"):
        shelf.add(bundle, name)


def test_a_broken_folder_is_not_added(shelf: ModelShelf, tmp_path: Path) -> None:
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "config.json").write_text('{"model_type": "bert"}')
    for folder in (tmp_path / "broken", tmp_path / "missing"):
        with pytest.raises(ModelError) as caught:
            shelf.add(folder)
        assert str(folder) in caught.value.user_message
    assert not (tmp_path / "models" / "models.json").exists()


def test_a_removed_model_is_forgotten_and_its_folder_kept(shelf: ModelShelf, bundle: Path) -> None:
    shelf.add(bundle, "mine")
    shelf.remove("mine")
    assert (bundle / "model.safetensors").is_file()
    with pytest.raises(ModelError, match="There is no model 'mine'"):
        shelf.resolve("mine")
    with pytest.raises(ModelError, match="to remove"):
        shelf.remove("mine")


def test_a_downloaded_model_is_deleted_from_the_cache(cache: Path, shelf: ModelShelf) -> None:
    snapshot = store(cache, "google-t5/t5-base")
    other = store(cache, "someone/else")
    shelf.remove("t5-base")
    assert not snapshot.exists()
    assert other.exists()
    with pytest.raises(ModelError, match="not on this machine"):
        shelf.remove("t5-base")


def test_removing_deletes_what_was_packed(
    audiocraft: Path, conversions: list[Path], shelf: ModelShelf, bundle: Path, cache: Path
) -> None:
    fetched = store(cache, "google-t5/t5-base")
    for name, folder in (("own", bundle), ("again", bundle), ("theirs", audiocraft)):
        shelf.add(folder, name)
    sources = {"own": bundle, "theirs": shelf.resolve("theirs"), "fetched": fetched}

    def packed() -> set[str]:
        return {key for key in sources if shelf.packed.load(key) is not None}

    for key, source in sources.items():
        shelf.packed.save(key, {"all": np.zeros(3)}, source=source)
    for name, left in (
        ("own", {"own", "theirs", "fetched"}),
        ("again", {"theirs", "fetched"}),
        ("theirs", {"fetched"}),
        ("t5-base", set()),
    ):
        shelf.remove(name)
        assert packed() == left


@pytest.mark.parametrize("name", ["house", "../..", "/etc", "a/../b", "nothing"])
def test_what_cannot_be_removed_is_refused(name: str, shelf: ModelShelf, cache: Path) -> None:
    with pytest.raises(ModelError):
        shelf.remove(name)
    assert cache.is_dir()
    assert open_bundle(shelf.resolve("house"))


def test_a_folder_that_went_away_says_so(shelf: ModelShelf, tmp_path: Path, bundle: Path) -> None:
    link = tmp_path / "usb"
    link.symlink_to(bundle)
    shelf.add(link, "stick")
    link.unlink()
    with pytest.raises(ModelError, match=r'is gone; .*"studio models remove stick"'):
        shelf.resolve("stick")
    assert shelf.models()[-1].path is None


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        '{"models": []}',
        '{"models": {"x": {}}}',
        '{"models": {"x": {"folder": 3, "size_megabytes": 1, "sample_rate": 1, "channels": 1,'
        ' "codebooks": 1, "kind": "text"}}}',
        "[" * 100_000,
        "\x00\xff",
    ],
)
def test_a_damaged_list_is_told_of_and_never_overwritten(
    text: str, tmp_path: Path, bundle: Path
) -> None:
    notices: list[str] = []
    shelf = ModelShelf(tmp_path / "models", on_notice=notices.append)
    file = tmp_path / "models" / "models.json"
    file.parent.mkdir()
    file.write_text(text)
    assert len(shelf.models()) == len(known_models())
    assert len(notices) == 1
    assert "delete it" in notices[0]
    assert "\n" not in notices[0]
    assert shelf.resolve("house")
    for change in (lambda: shelf.add(bundle), lambda: shelf.remove("tiny")):
        with pytest.raises(ModelError, match="is not usable"):
            change()
    assert file.read_text() == text


FACTS = ["folder", "size_megabytes", "sample_rate", "channels", "codebooks", "kind"]
VALUES = st.none() | st.integers() | st.text(max_size=5) | st.just([]) | st.just("text")


@given(
    stored=st.dictionaries(
        st.just("models"),
        VALUES
        | st.dictionaries(
            st.text(max_size=5), VALUES | st.fixed_dictionaries(dict.fromkeys(FACTS, VALUES))
        ),
    )
)
def test_any_list_is_read_or_refused(stored: object) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "models.json"
        file.write_text(json.dumps(stored))
        with contextlib.suppress(ModelError):
            models = Registry(file).read()
            assert all(type(model.channels) is int for model in models.values())


def test_two_processes_add_without_losing_a_name(
    tmp_path: Path, bundle: Path, repository: Path
) -> None:
    program = (
        "import sys; from pathlib import Path; from studio.models.shelf.shelf import ModelShelf\n"
        "for number in range(8):\n"
        "    ModelShelf(Path(sys.argv[1])).add(Path(sys.argv[2]), f'{sys.argv[3]}{number}')\n"
    )
    running = [
        subprocess.Popen(
            [sys.executable, "-c", program, tmp_path / "models", bundle, name], cwd=repository
        )
        for name in ("left", "right")
    ]
    assert [process.wait() for process in running] == [0, 0]
    names = {e.name for e in ModelShelf(tmp_path / "models").models() if e.registered}
    assert names == {f"{side}{n}" for side in ("left", "right") for n in range(8)}


# --- audiocraft's format --------------------------------------------------------------------------


@pytest.fixture
def audiocraft(tmp_path: Path) -> Path:
    folder = tmp_path / "exported"
    folder.mkdir()
    (folder / "state_dict.bin").write_bytes(b"weights")
    (folder / "compression_state_dict.bin").write_bytes(b"codec")
    return folder


@pytest.fixture
def conversions(monkeypatch: pytest.MonkeyPatch, bundle: Path) -> list[Path]:
    """Stands for the conversion of weights; gives the list of what was converted."""
    done: list[Path] = []

    def convert_audiocraft(folder: Path, target: Path, *, find: Callable[[str], Path]) -> None:
        if (folder / "state_dict.bin").read_bytes() == b"needs t5":
            find("t5-base")
        target.mkdir()
        for file in bundle.iterdir():
            (target / file.name).write_bytes(file.read_bytes())
        done.append(folder)

    module = types.ModuleType("audiocraft")
    module.convert_audiocraft = convert_audiocraft
    monkeypatch.setitem(sys.modules, "studio.models.torch_backend.audiocraft.convert", module)
    return done


def test_an_audiocraft_folder_is_converted_once(
    audiocraft: Path, conversions: list[Path], tmp_path: Path
) -> None:
    notices: list[str] = []
    shelf = ModelShelf(tmp_path / "models", on_notice=notices.append)
    first = shelf.resolve(audiocraft)
    assert first.is_relative_to(tmp_path / "models" / "converted")
    assert open_bundle(first)
    assert shelf.resolve(str(audiocraft)) == first
    assert conversions == [audiocraft]
    assert len(notices) == 1
    assert str(audiocraft) in notices[0]


def test_a_converted_model_keeps_its_name(
    audiocraft: Path, conversions: list[Path], shelf: ModelShelf, cache: Path
) -> None:
    assert open_bundle(shelf.resolve(audiocraft)).name == "exported"
    snapshot = store(cache, "someone/model", "state_dict.bin")
    bundle = shelf.resolve("someone/model")
    assert bundle != snapshot
    assert open_bundle(bundle).name == "someone/model"


def test_a_newer_download_replaces_the_conversion_and_removing_deletes_it(
    conversions: list[Path], shelf: ModelShelf, cache: Path
) -> None:
    old = store(cache, "someone/model", "state_dict.bin")
    first = shelf.resolve("someone/model")
    old.rename(old.with_name("def5678"))
    (old.parent.parent / "refs" / "main").write_text("def5678")
    second = shelf.resolve("someone/model")
    assert len(conversions) == 2
    assert not first.exists()
    (old.parent.parent / "refs" / "main").unlink()
    shelf.remove("someone/model")
    assert not second.exists()
    assert not old.parent.exists()


def test_a_changed_folder_is_converted_again_and_the_old_result_deleted(
    audiocraft: Path, conversions: list[Path], shelf: ModelShelf
) -> None:
    first = shelf.resolve(audiocraft)
    os.utime(audiocraft / "state_dict.bin", ns=(1, 1))
    second = shelf.resolve(audiocraft)
    assert first != second
    assert not first.exists()
    assert len(conversions) == 2


def test_a_conversion_that_lost_a_file_is_made_again(
    audiocraft: Path, conversions: list[Path], shelf: ModelShelf
) -> None:
    first = shelf.resolve(audiocraft)
    (first / "model.safetensors").unlink()
    assert shelf.resolve(audiocraft) == first
    assert open_bundle(first)


def test_half_a_conversion_of_a_killed_process_is_swept(
    audiocraft: Path, conversions: list[Path], shelf: ModelShelf, tmp_path: Path
) -> None:
    half = tmp_path / "models" / "converted" / "0123456789abcdef.part"
    (half / "model").mkdir(parents=True)
    (half / "model" / "model.safetensors").write_bytes(b"half")
    shelf.resolve(audiocraft)
    assert not half.exists()


def test_a_missing_part_leaves_nothing_and_says_how_to_get_it(
    audiocraft: Path, conversions: list[Path], shelf: ModelShelf, tmp_path: Path, cache: Path
) -> None:
    (audiocraft / "state_dict.bin").write_bytes(b"needs t5")
    with pytest.raises(ModelError, match='"studio models get t5-base"'):
        shelf.add(audiocraft)
    assert [p.name for p in (tmp_path / "models" / "converted").iterdir()] == [".lock"]
    store(cache, "google-t5/t5-base")
    assert shelf.add(audiocraft, "mine").path == audiocraft


def test_a_part_cached_by_older_tools_is_found(cache: Path, shelf: ModelShelf) -> None:
    folder = store(cache, "t5-base")
    assert shelf.find_part("t5-base") == folder


@pytest.mark.parametrize("name", ["../../secrets", "/etc", "t5-11b", "x\ny"])
def test_a_part_is_never_looked_up_as_a_path(name: str, shelf: ModelShelf) -> None:
    with pytest.raises(ModelError) as caught:
        shelf.find_part(name)
    assert "\n" not in caught.value.user_message


def test_removing_deletes_the_conversion_but_not_the_folder(
    audiocraft: Path, conversions: list[Path], shelf: ModelShelf
) -> None:
    shelf.add(audiocraft, "one")
    shelf.add(audiocraft, "two")
    made = shelf.resolve("one")
    shelf.remove("one")
    assert made.exists()
    shelf.remove("two")
    assert not made.exists()
    assert (audiocraft / "state_dict.bin").is_file()


def test_a_full_disk_names_the_model(
    audiocraft: Path, shelf: ModelShelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    def convert_audiocraft(folder: Path, target: Path, **rest: object) -> None:
        raise OSError(28, "No space left on device")

    module = types.ModuleType("audiocraft")
    module.convert_audiocraft = convert_audiocraft
    monkeypatch.setitem(sys.modules, "studio.models.torch_backend.audiocraft.convert", module)
    with pytest.raises(StorageError, match="No space left"):
        shelf.resolve(audiocraft)


def test_a_shelf_without_a_folder_says_what_to_do(audiocraft: Path) -> None:
    with pytest.raises(ModelError, match="studio models add"):
        ModelShelf(None).resolve(audiocraft)


# --- adapters -------------------------------------------------------------------------------------


@pytest.fixture
def adapter(bundle: Path, tmp_path: Path) -> Path:
    factors = random_factors(open_bundle(bundle))
    return write_adapter(tmp_path / "dusty", factors, base_model_name_or_path="house")


def test_an_adapter_is_added_and_listed_beside_the_models(shelf: ModelShelf, adapter: Path) -> None:
    entry = shelf.add(adapter)
    assert (entry.name, entry.kind, entry.base) == ("dusty", "adapter", "house")
    assert (entry.path, entry.registered, entry.plays) == (adapter, True, False)
    assert entry.size_megabytes == 1
    assert shelf.models()[-1] == entry
    assert shelf.resolve_adapter("dusty") == adapter
    assert shelf.resolve_adapter(str(adapter)) == adapter
    shelf.remove("dusty")
    assert adapter.is_dir()
    assert "dusty" not in {each.name for each in shelf.models()}


def test_a_broken_adapter_is_not_added(shelf: ModelShelf, adapter: Path) -> None:
    (adapter / "adapter_model.safetensors").write_bytes(b"")
    with pytest.raises(ModelError, match="damaged"):
        shelf.add(adapter)
    assert "dusty" not in {each.name for each in shelf.models()}


def test_an_adapter_is_no_model_and_a_model_no_adapter(
    shelf: ModelShelf, adapter: Path, bundle: Path
) -> None:
    shelf.add(adapter)
    shelf.add(bundle, "tiny")
    for name in ("dusty", str(adapter)):
        with pytest.raises(ModelError, match=r"is an adapter, not a model; .* with --adapter"):
            shelf.resolve(name)
    with pytest.raises(ModelError, match="choose it as the model instead"):
        shelf.resolve_adapter("tiny")
    with pytest.raises(ModelError, match=r"no adapter 'nothing'; choose dusty, or a folder"):
        shelf.resolve_adapter("nothing")
    with pytest.raises(ModelError) as raised:
        shelf.resolve("nothing")
    assert "tiny" in raised.value.user_message
    assert "dusty" not in raised.value.user_message


def test_an_adapter_whose_folder_is_gone_says_so(shelf: ModelShelf, adapter: Path) -> None:
    shelf.add(adapter)
    adapter.rename(adapter.with_name("elsewhere"))
    assert shelf.models()[-1].path is None
    with pytest.raises(ModelError, match=r"folder .*dusty of the model dusty is gone"):
        shelf.resolve_adapter("dusty")


def test_a_list_from_before_there_were_adapters_is_read(
    shelf: ModelShelf, bundle: Path, tmp_path: Path
) -> None:
    shelf.add(bundle, "tiny")
    file = tmp_path / "models" / "models.json"
    stored = json.loads(file.read_text())
    del stored["models"]["tiny"]["base"]
    file.write_text(json.dumps(stored))
    assert shelf.models()[-1].name == "tiny"
