from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from huggingface_hub import snapshot_download
from huggingface_hub.utils import close_session
from hypothesis import given
from hypothesis import strategies as st

from studio.core.errors import CancelledError, ModelError, StorageError
from studio.models.bundle import open_bundle
from studio.models.hub import transfer
from studio.models.hub.download import Licence, download, licence_of
from studio.models.hub.listing import read_answer
from studio.models.shelf.shelf import ModelShelf
from tests.generation.tiny_bundle import write_tiny_bundle
from tests.models.hub_server import HubServer, running_hub

NAME = "someone/tiny"
MUSICGEN = "facebook/musicgen-small"
WEIGHTS = "model.safetensors"


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_bundle(tmp_path_factory.mktemp("bundles") / "tiny")


@pytest.fixture
def hub(bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    """A Hub with a tiny model, an empty cache, and no pauses."""
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    for variable in ("HF_HUB_CACHE", "HF_HUB_OFFLINE", "HF_TOKEN", "TRANSFORMERS_OFFLINE"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1")
    monkeypatch.setattr(transfer, "PAUSE_SECONDS", 0.0)
    with running_hub() as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        server.publish(NAME, bundle, licence="mit")
        server.publish(MUSICGEN, bundle, licence="cc-by-nc-4.0")
        yield server
    close_session()


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "home" / "hub"


def blobs(cache: Path, name: str = NAME) -> dict[str, int]:
    folder = cache / f"models--{name.replace('/', '--')}" / "blobs"
    return {file.name: file.stat().st_size for file in folder.iterdir()}


def get(name: str = NAME, licence: str = "mit", **how: object) -> Path:
    return download(name, accepted_licence=licence, **how)


# --- the ordinary way -----------------------------------------------------------------------------


def test_a_downloaded_model_is_found_offline_and_equals_the_original(
    hub: HubServer, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf = ModelShelf(None)
    folder = get(MUSICGEN, "CC-BY-NC-4.0")
    assert open_bundle(folder).fingerprint == open_bundle(bundle).fingerprint
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert shelf.resolve(MUSICGEN) == folder
    (entry,) = [entry for entry in shelf.models() if entry.name == MUSICGEN]
    assert entry.path == folder
    assert open_bundle(folder).name == MUSICGEN


def test_other_tools_find_it_too(hub: HubServer, cache: Path) -> None:
    folder = get()
    assert snapshot_download(NAME, cache_dir=cache, local_files_only=True) == str(folder)


def test_only_what_is_needed_is_asked_for(hub: HubServer, bundle: Path) -> None:
    extra = {"pytorch_model.bin": b"x", "README.md": b"x", "model.fp32.safetensors": b"x"}
    files = {file.name: file.read_bytes() for file in bundle.iterdir()}
    hub.publish(NAME, {**files, **extra, "spiece.model": b"x", "state_dict.bin": b"x"})
    folder = get(licence="not stated")
    wanted = {"config.json", "generation_config.json", "prompting.json", "tokenizer.json", WEIGHTS}
    assert {file.name for file in folder.iterdir()} == wanted
    assert set(hub.files_asked()) == wanted


def test_weights_in_several_files_are_those_of_the_index(hub: HubServer) -> None:
    index = b'{"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}'
    files = {
        "config.json": b"{}",
        "model.safetensors.index.json": index,
        "model-1.safetensors": b"1" * 200_000,
        "model-2.safetensors": b"2" * 200_000,
        "model-3.safetensors": b"3",
    }
    hub.publish(NAME, files)
    folder = get(licence="not stated")
    assert (folder / "model-2.safetensors").read_bytes() == b"2" * 200_000
    assert "model-3.safetensors" not in hub.files_asked()
    del hub.repositories[NAME]["model-2.safetensors"]
    with pytest.raises(ModelError, match=r"lacks its file 'model-2.safetensors'"):
        get(licence="not stated")


@pytest.mark.parametrize("index", [b"{}", b"no", b'{"weight_map": {"a": "../../x"}}'])
def test_an_index_that_names_no_weights_is_refused(index: bytes, hub: HubServer) -> None:
    hub.publish(NAME, {"config.json": b"{}", "model.safetensors.index.json": index})
    with pytest.raises(ModelError, match="names no weights"):
        get(licence="not stated")


def test_weights_as_pickles_are_the_last_choice(hub: HubServer) -> None:
    index = b'{"weight_map": {"a": "pytorch_model-1.bin", "b": "pytorch_model-2.bin"}}'
    pickles = {"pytorch_model-1.bin": b"1", "pytorch_model-2.bin": b"2", "config.json": b"{}"}
    hub.publish(NAME, {**pickles, "pytorch_model.bin.index.json": index})
    folder = get(licence="not stated")
    assert {file.name for file in folder.iterdir()} == {*pickles, "pytorch_model.bin.index.json"}
    hub.publish(NAME, {**pickles, "pytorch_model.bin": b"3"}, version=2)
    assert {file.name for file in get(licence="not stated").iterdir()} == {
        "config.json", "pytorch_model.bin",
    }  # fmt: skip


def test_audiocraft_weights_are_taken_where_there_are_no_others(hub: HubServer) -> None:
    hub.publish(
        NAME,
        {
            "state_dict.bin": b"x" * 200_000, "compression_state_dict.bin": b"y",
            "pytorch_model.bin": b"z", "config.json": b"{}",
        },
    )  # fmt: skip
    assert {file.name for file in get(licence="not stated").iterdir()} == {
        "state_dict.bin", "compression_state_dict.bin",
    }  # fmt: skip


def test_the_parts_that_a_model_needs_come_with_it_once(hub: HubServer, bundle: Path) -> None:
    large, part = "facebook/musicgen-large", "google-t5/t5-base"
    hub.publish(large, {"state_dict.bin": b"x", "compression_state_dict.bin": b"y"})
    hub.publish(part, bundle)
    licence = licence_of(large)
    assert licence.name == "CC-BY-NC-4.0 + Apache-2.0"
    get(large, licence.name)
    assert ModelShelf(None).find_part("t5-base").is_dir()
    hub.asked.clear()
    get(large, licence.name)
    assert not any(part in asked.path for asked in hub.asked)


def test_a_model_without_usable_weights_is_refused(hub: HubServer, cache: Path) -> None:
    hub.publish(NAME, {"config.json": b"{}", "model.ckpt": b"x"})
    with pytest.raises(ModelError, match=r"has no model\.safetensors"):
        get(licence="not stated")
    assert not cache.exists()


def test_a_second_download_sends_for_nothing_but_the_list(hub: HubServer) -> None:
    first = get()
    hub.asked.clear()
    assert get() == first
    assert hub.files_asked() == []


def test_progress_ends_at_the_sum_of_all_files(hub: HubServer, bundle: Path) -> None:
    told: list[tuple[int, int]] = []
    folder = get(progress=lambda done, total: told.append((done, total)))
    total = sum(file.stat().st_size for file in folder.iterdir())
    assert told[0] == (0, total)
    assert told[-1] == (total, total)
    assert [done for done, _ in told] == sorted(done for done, _ in told)


def test_nothing_about_the_machine_is_sent(hub: HubServer) -> None:
    get()
    for asked in hub.asked:
        assert asked.headers["user-agent"].startswith("seedcrate/")
        assert ";" not in asked.headers["user-agent"]
        assert "authorization" not in asked.headers


def test_a_token_goes_to_the_hub_but_not_to_the_server_behind_it(
    hub: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HF_HUB_DISABLE_IMPLICIT_TOKEN")
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    elsewhere = hub.url.replace("127.0.0.1", "localhost")
    monkeypatch.setenv("HF_ENDPOINT", elsewhere)
    get()
    behind = [asked for asked in hub.asked if asked.path.startswith("/cdn")]
    assert behind
    assert all("authorization" not in asked.headers for asked in behind)
    assert hub.asked[0].headers["authorization"] == "Bearer hf_secret"


# --- trouble on the way ---------------------------------------------------------------------------


def test_a_dropped_connection_is_taken_up_where_it_broke(hub: HubServer, bundle: Path) -> None:
    hub.stop_after = [200_000, 300_000]
    folder = get()
    starts = [asked.start for asked in hub.asked if asked.path.startswith("/cdn")]
    assert starts[:3] == [0, 200_000, 500_000]
    assert (folder / WEIGHTS).read_bytes() == (bundle / WEIGHTS).read_bytes()


def test_an_interrupted_download_goes_on_in_the_next_run(
    hub: HubServer, bundle: Path, cache: Path
) -> None:
    hub.stop_after = [200_000, 0, 0, 0]
    with pytest.raises(ModelError, match=r"interrupted .* goes on from here"):
        get()
    with pytest.raises(ModelError, match="not on this machine"):
        ModelShelf(None).resolve(NAME)
    assert 200_000 in blobs(cache).values()
    hub.asked.clear()
    folder = get()
    resumed = [asked.start for asked in hub.asked if asked.path.endswith(WEIGHTS)]
    assert resumed
    assert set(resumed) == {200_000}
    assert (folder / WEIGHTS).read_bytes() == (bundle / WEIGHTS).read_bytes()
    assert not [name for name in blobs(cache) if name.endswith(".incomplete")]


def test_a_killed_download_goes_on_in_the_next_run(
    hub: HubServer, cache: Path, repository: Path
) -> None:
    program = (
        "import os, sys\n"
        "from studio.models.hub.download import download\n"
        "def progress(done, total):\n"
        "    if done > 150_000: os._exit(9)\n"
        f"download('{NAME}', accepted_licence='mit', progress=progress)\n"
    )
    killed = subprocess.run([sys.executable, "-c", program], check=False, cwd=repository)
    assert killed.returncode == 9
    hub.asked.clear()
    get()
    assert [asked.start > 0 for asked in hub.asked if asked.path.endswith(WEIGHTS)] == [True, True]


def test_a_server_without_ranges_is_read_from_the_beginning(hub: HubServer, bundle: Path) -> None:
    hub.ignores_ranges = True
    hub.stop_after = [200_000]
    assert (get() / WEIGHTS).read_bytes() == (bundle / WEIGHTS).read_bytes()


def test_a_left_over_that_is_too_long_or_of_another_file_does_no_harm(
    hub: HubServer, bundle: Path, cache: Path
) -> None:
    folder = get()
    blob = (folder / WEIGHTS).resolve()
    part = blob.with_name(blob.name + ".incomplete")
    part.write_bytes(b"x" * (blob.stat().st_size + 1))
    blob.unlink()
    get()
    assert (folder / WEIGHTS).read_bytes() == (bundle / WEIGHTS).read_bytes()
    blob.unlink()
    part.write_bytes(b"x" * 1000)
    with pytest.raises(ModelError, match="damaged"):
        get()
    get()
    assert (folder / WEIGHTS).read_bytes() == (bundle / WEIGHTS).read_bytes()


@pytest.mark.parametrize("file", [WEIGHTS, "config.json"])
def test_a_damaged_file_is_refused_and_the_old_version_kept(
    file: str, hub: HubServer, bundle: Path, cache: Path
) -> None:
    old = get()
    before = blobs(cache)
    files = {each.name: each.read_bytes() for each in bundle.iterdir()}
    hub.publish(NAME, {**files, file: files[file] + b" "}, licence="mit", version=2)
    hub.damaged = {file}
    with pytest.raises(ModelError, match=f"{file} of {NAME} arrived damaged") as caught:
        get()
    assert "\n" not in caught.value.user_message
    assert ModelShelf(None).resolve(NAME) == old
    assert open_bundle(old).fingerprint == open_bundle(bundle).fingerprint
    assert blobs(cache) == before
    hub.damaged.clear()
    new = get()
    assert new != old
    assert ModelShelf(None).resolve(NAME) == new


def test_a_blob_that_rotted_on_disk_is_fetched_again(hub: HubServer, bundle: Path) -> None:
    folder = get()
    blob = (folder / WEIGHTS).resolve()
    content = bytearray(blob.read_bytes())
    content[1000] ^= 1
    blob.write_bytes(content)
    get()
    assert (folder / WEIGHTS).read_bytes() == (bundle / WEIGHTS).read_bytes()


@pytest.mark.parametrize("after", [0, 1, 3])
def test_a_cancelled_download_stops_and_goes_on_later(
    after: int, hub: HubServer, bundle: Path
) -> None:
    asked: list[int] = []

    def cancelled() -> bool:
        asked.append(1)
        return len(asked) > after

    with pytest.raises(CancelledError, match="goes on from here"):
        get(cancelled=cancelled)
    with pytest.raises(ModelError, match="not on this machine"):
        ModelShelf(None).resolve(NAME)
    assert (get() / WEIGHTS).read_bytes() == (bundle / WEIGHTS).read_bytes()


def test_two_downloads_of_one_model_do_not_meet(hub: HubServer) -> None:
    met: list[str] = []

    def progress(done: int, total: int) -> None:
        if done and not met:
            met.append("once")
            with pytest.raises(ModelError, match="Another program is fetching"):
                get()

    get(progress=progress)
    assert met


def test_a_full_disk_is_told_before_anything_is_fetched(
    hub: HubServer, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage("/")._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage)
    with pytest.raises(StorageError, match="There is no room for someone/tiny"):
        get()
    assert hub.files_asked() == []


def test_a_disk_that_fills_up_keeps_what_arrived(
    hub: HubServer, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(StorageError, match="the disk is full"):
            get()
    assert len(blobs(cache)) == 1
    get()


def test_a_system_without_links_gets_copies(
    hub: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, target: object, **rest: object) -> None:
        raise OSError(1, "A required privilege is not held by the client")

    monkeypatch.setattr(Path, "symlink_to", refuse)
    folder = get()
    assert not (folder / WEIGHTS).is_symlink()
    assert ModelShelf(None).resolve(NAME) == folder


# --- permission -----------------------------------------------------------------------------------


def test_a_licence_that_was_not_accepted_stops_everything(hub: HubServer, cache: Path) -> None:
    for wrong in ("", "MIT or so", "cc-by-nc-4.0"):
        with pytest.raises(ModelError, match=r"CC-BY-NC-4\.0, which was not accepted"):
            get(MUSICGEN, wrong)
    assert hub.asked == []
    with pytest.raises(ModelError, match="The licence of someone/tiny is mit"):
        get(NAME, "apache-2.0")
    assert len(hub.asked) == 1
    assert hub.files_asked() == []
    assert not cache.exists()


@pytest.mark.parametrize(
    ("stated", "name"),
    [
        ("mit", "mit"),
        (["mit", "apache-2.0"], "mit + apache-2.0"),
        (None, "not stated"),
        ("", "not stated"),
        (7, "not stated"),
        ("evil\nlicence" + "x" * 500, ("evil?licence" + "x" * 500)[:80]),
    ],
)
def test_the_licence_of_another_model_is_what_its_card_says(
    stated: object, name: str, hub: HubServer
) -> None:
    hub.licences[NAME] = stated
    assert licence_of(NAME) == Licence(name=name, url=f"{hub.url}/{NAME}")


def test_the_licence_of_a_known_model_needs_no_connection(hub: HubServer) -> None:
    assert licence_of(MUSICGEN).name == "CC-BY-NC-4.0"
    assert licence_of("pharoAIsanders420/micro-musicgen-jungle").name == "MIT + CC-BY-NC-4.0"
    assert hub.asked == []


@pytest.mark.parametrize("variable", ["HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"])
def test_offline_means_offline(
    variable: str, hub: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, "1")
    for attempt in (lambda: get(MUSICGEN, "CC-BY-NC-4.0"), lambda: licence_of(NAME)):
        with pytest.raises(ModelError, match=f"while {variable} is set"):
            attempt()
    assert hub.asked == []


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (401, "log in"),
        (403, "agree to its terms"),
        (404, "There is no model"),
        (503, "answered 503"),
    ],
)
def test_a_refusal_of_the_hub_says_what_to_do(status: int, words: str, hub: HubServer) -> None:
    hub.status = status
    with pytest.raises(ModelError, match=words) as caught:
        get()
    assert NAME in caught.value.user_message
    assert "\n" not in caught.value.user_message


def test_a_model_that_is_gated_at_its_files_says_so(hub: HubServer, cache: Path) -> None:
    def closed(done: int, total: int) -> None:
        hub.status = 403

    with pytest.raises(ModelError, match="agree to its terms"):
        get(progress=closed)


def test_a_hub_that_is_down_is_named(hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:1")
    with pytest.raises(ModelError, match=r"http://127\.0\.0\.1:1 cannot be reached") as caught:
        get()
    assert "\n" not in caught.value.user_message


@pytest.mark.parametrize("endpoint", ["nonsense", "ftp://somewhere", "http://", "http://[::"])
def test_an_endpoint_that_is_none_is_named(
    endpoint: str, hub: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", endpoint)
    with pytest.raises(ModelError) as caught:
        get()
    assert endpoint.rstrip("/") in caught.value.user_message


@pytest.mark.parametrize(
    "name", ["house", "", "tiny", "a/b/c", "../x/y", "a/..", "https://x/y", "a/b\n", "a/b?x", "-/x"]
)
def test_what_is_no_repository_is_refused_without_asking(name: str, hub: HubServer) -> None:
    for attempt in (lambda: get(name, "MIT"), lambda: licence_of(name)):
        with pytest.raises(ModelError) as caught:
            attempt()
        assert "\n" not in caught.value.user_message
    assert hub.asked == []


@pytest.mark.parametrize(
    "change",
    [
        lambda about: about.update(sha="../../escape"),
        lambda about: about.update(sha=None),
        lambda about: about.update(siblings="no list"),
        lambda about: about["siblings"][0].update(size=-1),
        lambda about: about["siblings"][0].update(size="many"),
        lambda about: about["siblings"][0].update(blobId="../x"),
        lambda about: about["siblings"][0].update(rfilename=None) or about.pop("sha"),
        lambda about: about["siblings"].append({}),
    ],
)
def test_an_answer_that_makes_no_sense_is_refused(
    change: Callable[[dict[str, object]], object],
    hub: HubServer,
    cache: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from tests.models import hub_server

    about = hub_server._Handler._about

    def changed(handler: hub_server._Handler, name: str) -> dict[str, object]:
        answer = about(handler, name)
        small = [each for each in answer["siblings"] if "lfs" not in each]
        answer["siblings"].sort(key=lambda each: "lfs" in each)
        assert small
        change(answer)
        return answer

    monkeypatch.setattr(hub_server._Handler, "_about", changed)
    with pytest.raises(ModelError, match="cannot be understood"):
        get()
    assert not cache.exists()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=10),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["sha", "siblings", "rfilename", "size", "blobId", "lfs", "sha256"])
            | st.sampled_from(["cardData", "license", "license_name"]),
            inner,
            max_size=6,
        )
    ),
    max_leaves=20,
)


@given(answer=JSON)
def test_any_answer_is_a_repository_or_refused(answer: object) -> None:
    with contextlib.suppress(ValueError, KeyError, TypeError, AttributeError):
        repository = read_answer(NAME, answer)
        assert repository.licence.isprintable()
        assert all("/" not in name and file.size >= 0 for name, file in repository.files.items())


def test_files_with_odd_names_are_left_where_they_are(hub: HubServer, bundle: Path) -> None:
    files = {file.name: file.read_bytes() for file in bundle.iterdir()}
    hub.publish(NAME, {**files, "../../../escape": b"x", ".hidden": b"x"}, licence="mit")
    get()
    assert not any("escape" in name or "hidden" in name for name in hub.files_asked())
