"""The models' part of the workstation, against a Hub on this machine."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub.utils import close_session

from studio.core.errors import CancelledError, ModelError
from studio.core.paths import Paths
from studio.models.bundle import open_bundle
from studio.models.catalog import known_models
from studio.workstation.models import Models, _in_child
from studio.workstation.workstation import Workstation
from tests.generation.tiny_bundle import write_tiny_bundle
from tests.models.hub_server import HubServer, running_hub

WAIT = 60
NAME = "facebook/musicgen-small"
LICENCE = "CC-BY-NC-4.0"


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_bundle(tmp_path_factory.mktemp("bundles") / "tiny")


@pytest.fixture
def hub(bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1")
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    with running_hub() as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        server.publish(NAME, bundle)
        yield server
    close_session()


def on_disk(workstation: Workstation) -> dict[str, Path]:
    return {entry.name: entry.path for entry in workstation.models() if entry.path is not None}


def test_a_model_is_fetched_in_the_background(hub: HubServer, workstation: Workstation) -> None:
    assert list(on_disk(workstation)) == ["house"]
    licence = workstation.licence_of(NAME).result(WAIT)
    told: list[tuple[int, int]] = []
    threads: set[int] = set()

    def progress(done: int, total: int) -> None:
        threads.add(threading.get_ident())
        told.append((done, total))

    folder = workstation.download_model(NAME, licence.name, progress).result(WAIT)
    assert on_disk(workstation)[NAME] == folder
    assert told[-1][0] == told[-1][1]
    assert threads
    assert threading.get_ident() not in threads
    workstation.remove_model(NAME)
    assert list(on_disk(workstation)) == ["house"]


def test_what_prevents_it_arrives_with_the_future(hub: HubServer, workstation: Workstation) -> None:
    with pytest.raises(ModelError, match="not accepted"):
        workstation.download_model(NAME, "MIT").result(WAIT)
    with pytest.raises(ModelError, match="There is no model no/body"):
        workstation.licence_of("no/body").result(WAIT)


def test_a_download_can_be_cancelled_and_goes_on_later(
    hub: HubServer, workstation: Workstation
) -> None:
    stop = threading.Event()

    def progress(done: int, total: int) -> None:
        if done > 500_000:
            stop.set()

    future = workstation.download_model(NAME, LICENCE, progress, cancelled=stop.is_set)
    with pytest.raises(CancelledError):
        future.result(WAIT)
    hub.asked.clear()
    workstation.download_model(NAME, LICENCE).result(WAIT)
    assert any(asked.start > 0 for asked in hub.asked)


def test_closing_stops_a_download(hub: HubServer, paths: Paths) -> None:
    models = Models(paths.models_dir)
    going = threading.Event()
    closed = threading.Event()

    def progress(done: int, total: int) -> None:
        going.set()
        closed.wait(WAIT)

    future = models.download(NAME, LICENCE, progress)
    assert going.wait(WAIT)
    closing = threading.Thread(target=models.close)
    closing.start()
    closed.set()
    closing.join(WAIT)
    with pytest.raises(CancelledError):
        future.result(WAIT)
    with pytest.raises(CancelledError, match="closed"):
        models.download(NAME, LICENCE).result(WAIT)
    models.close()


def test_a_folder_is_added_and_removed(workstation: Workstation, bundle: Path) -> None:
    entry = workstation.add_model(bundle, "mine")
    assert entry in workstation.models()
    assert len(workstation.models()) == len(known_models()) + 1
    workstation.remove_model("mine")
    assert entry not in workstation.models()
    assert open_bundle(bundle)


def test_a_broken_model_of_another_format_is_refused_by_the_child_that_reads_it(
    workstation: Workstation, tmp_path: Path
) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "state_dict.bin").write_bytes(b"no pickle")
    with pytest.raises(ModelError) as caught:
        workstation.add_model(broken)
    assert "state_dict.bin" in caught.value.user_message
    assert [entry for entry in workstation.models() if entry.registered] == []


def test_a_conversion_that_is_killed_says_so(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=f"The conversion of {tmp_path} stopped"):
        _in_child(tmp_path, os.abort)
