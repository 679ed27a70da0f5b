from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.core.errors import ModelError
from studio.models.bundle import open_bundle
from studio.models.catalog import known_models
from studio.models.shelf.registry import Registry
from studio.models.shelf.shelf import ModelShelf
from tests.models.shelf.cached import store

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
