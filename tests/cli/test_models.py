from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub.utils import close_session

from studio.models.bundle import open_bundle
from studio.models.catalog import known_models
from studio.models.hub import transfer
from tests.models.adapter_writer import random_factors, write_adapter
from tests.models.audiocraft_writer import tiny_model, write_audiocraft, write_published
from tests.models.hub_server import HubServer, running_hub

NAME = "facebook/musicgen-stereo-melody-large"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty Hugging Face cache."""
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1")
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    return tmp_path / "hub"


@pytest.fixture
def hub(tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    monkeypatch.setattr(transfer, "PAUSE_SECONDS", 0.0)
    with running_hub() as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        server.publish(NAME, tiny_bundle)
        server.publish("someone/tiny", tiny_bundle, licence="apache-2.0")
        yield server
    close_session()


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def listed(studio: Any, capsys: pytest.CaptureFixture[str]) -> dict[str, dict[str, Any]]:
    assert studio("models", "--json") == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    return {row["name"]: row for row in rows}


# --- the list -------------------------------------------------------------------------------------


def test_every_known_model_is_listed_with_its_facts(
    studio: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = listed(studio, capsys)
    assert list(rows) == [model.name for model in known_models()]
    for row in rows.values():
        assert row["licence"]
        assert row["size_megabytes"] > 0
        assert row["on_disk"] is (row["path"] is not None)
    assert [name for name, row in rows.items() if row["on_disk"]] == ["house"]


def test_the_table_fits_a_terminal(studio: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert studio("models") == 0
    lines = capsys.readouterr().out.splitlines()
    rows = [line for line in lines if not line.startswith(" ")]
    assert len(rows) == len(known_models()) + 1
    assert max(map(len, rows)) < 100
    assert rows[1].split()[0] == "house"
    assert [row.split()[0] for row in rows[1:]] == [model.name for model in known_models()]


def test_listing_makes_no_library(studio: Any, data_dir: Path) -> None:
    assert studio("models") == 0
    assert not data_dir.exists()


# --- get ------------------------------------------------------------------------------------------


def test_a_model_is_fetched_after_its_licence_was_accepted(
    studio: Any, hub: HubServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert studio("models", "get", NAME, "--accept-licence") == 0
    said = capsys.readouterr()
    folder = Path(said.out.strip())
    assert (folder / "model.safetensors").is_file()
    assert "CC-BY-NC-4.0" in said.err
    assert f"{hub.url}/{NAME}" in said.err
    assert listed(studio, capsys)[NAME]["path"] == str(folder)


def test_a_fetched_model_makes_a_sound_offline(
    studio: Any, hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert studio("models", "get", "someone/tiny", "--accept-licence") == 0
    hub.asked.clear()
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    wav = tmp_path / "x.wav"
    arguments = ["--prompt", "x", "--max-steps", "5", "--output", wav, "--no-library"]
    assert studio("generate", "--model", "someone/tiny", *arguments) == 0
    assert wav.stat().st_size > 1000
    assert hub.asked == []


def test_json_tells_where_it_lies(
    studio: Any, hub: HubServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert studio("models", "get", "someone/tiny", "--accept-licence", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["name"], told["licence"]) == ("someone/tiny", "apache-2.0")
    assert (Path(told["path"]) / "config.json").is_file()


def test_without_a_terminal_the_licence_must_be_accepted_by_a_flag(
    studio: Any, hub: HubServer, cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert studio("models", "get", NAME) == 1
    said = capsys.readouterr().err
    assert "CC-BY-NC-4.0" in said
    assert "--accept-licence" in said
    assert said.count("\n") == 1
    assert hub.asked == []
    assert not cache.exists()


@pytest.mark.parametrize(("answer", "status"), [("y\n", 0), ("YES\n", 0), ("n\n", 1), ("", 1)])
def test_at_a_terminal_the_licence_is_asked_for(
    answer: str,
    status: int,
    studio: Any,
    hub: HubServer,
    cache: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal(answer))
    assert studio("models", "get", NAME) == status
    assert "10.6 GB" in capsys.readouterr().err
    assert cache.exists() is (status == 0)


def test_a_terminal_shows_how_far_it_is(
    studio: Any, hub: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setattr("studio.cli.models._LEAST_SECONDS", 0.0)
    assert studio("models", "get", NAME, "--accept-licence") == 0
    assert "] 100% of 2 MB" in screen.getvalue()
    assert screen.getvalue().endswith("\r\x1b[K")


def test_a_download_that_broke_says_how_to_go_on(
    studio: Any, hub: HubServer, capsys: pytest.CaptureFixture[str]
) -> None:
    hub.stop_after = [300_000, 0, 0, 0]
    assert studio("models", "get", NAME, "--accept-licence") == 1
    assert "goes on from here" in capsys.readouterr().err
    assert studio("models", "get", NAME, "--accept-licence") == 0


@pytest.mark.parametrize("name", ["house", "nonsense", "no/body", "../x"])
def test_what_cannot_be_fetched_is_one_line(
    name: str, studio: Any, hub: HubServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert studio("models", "get", name, "--accept-licence") == 1
    said = capsys.readouterr().err
    assert name in said
    assert said.count("\n") == 1


def test_ctrl_c_ends_a_download_with_130_and_it_goes_on_later(
    hub: HubServer, studio: Any, data_dir: Path, repository: Path, cache: Path
) -> None:
    hub.seconds_per_piece = 0.05
    program = subprocess.Popen(
        [sys.executable, "-m", "studio", "--data-dir", data_dir, "models", "get", NAME,
         "--accept-licence"],
        cwd=repository,
        env={**os.environ, "HF_ENDPOINT": hub.url},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    started = time.monotonic()
    while not list(cache.glob("models--*/blobs/*.incomplete")):
        assert time.monotonic() - started < 60
        time.sleep(0.02)
    time.sleep(0.3)
    program.send_signal(signal.SIGINT)
    out, err = program.communicate(timeout=60)
    assert program.returncode == 130
    assert out == ""
    assert "Traceback" not in err
    hub.seconds_per_piece = 0.0
    hub.asked.clear()
    assert studio("models", "get", NAME, "--accept-licence") == 0
    assert any(asked.start > 0 for asked in hub.asked)


def test_models_in_audiocraft_s_format_come_with_their_parts_and_make_sound(
    studio: Any, hub: HubServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = tiny_model("text")
    source = write_audiocraft(tmp_path / "audiocraft", model, "text")
    find = write_published(tmp_path / "published", model)
    hub.publish("facebook/musicgen-large", source)
    hub.publish("google-t5/t5-base", find("t5-base"))
    assert studio("models", "get", "facebook/musicgen-large", "--accept-licence") == 0
    said = capsys.readouterr()
    assert "CC-BY-NC-4.0 + Apache-2.0" in said.err
    assert "Converting" in said.err
    assert open_bundle(Path(said.out.strip()))
    wav = tmp_path / "x.wav"
    arguments = ["--prompt", "dark bass", "--max-steps", "5", "--output", wav, "--no-library"]
    assert studio("generate", "--model", "facebook/musicgen-large", *arguments) == 0
    assert wav.stat().st_size > 1000
    assert "Converting" not in capsys.readouterr().err


# --- add and remove -------------------------------------------------------------------------------


def test_an_added_folder_has_a_name(
    studio: Any, tiny_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert studio("models", "add", tiny_bundle, "--name", "dusty") == 0
    assert capsys.readouterr().out.startswith("dusty ")
    row = listed(studio, capsys)["dusty"]
    assert (row["path"], row["registered"]) == (str(tiny_bundle), True)
    wav = tmp_path / "x.wav"
    arguments = ["--prompt", "x", "--max-steps", "5", "--output", wav, "--no-library"]
    assert studio("generate", "--model", "dusty", *arguments) == 0
    capsys.readouterr()
    assert studio("models", "remove", "dusty") == 0
    assert "dusty" not in listed(studio, capsys)
    assert (tiny_bundle / "model.safetensors").is_file()
    assert studio("models", "remove", "dusty") == 1


def test_adding_tells_json(
    studio: Any, tiny_bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert studio("models", "add", tiny_bundle, "--json") == 0
    assert json.loads(capsys.readouterr().out)["name"] == tiny_bundle.name
    assert studio("models", "--json", "add", tiny_bundle) == 0
    assert json.loads(capsys.readouterr().out)["codebooks"] == 4


@pytest.mark.parametrize("content", [None, "{}", '{"model_type": "bert"}', "no JSON"])
def test_a_folder_that_is_no_model_is_refused_in_one_line(
    content: str | None, studio: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "folder"
    if content is not None:
        folder.mkdir()
        (folder / "config.json").write_text(content)
    assert studio("models", "add", folder) == 1
    said = capsys.readouterr().err
    assert str(folder) in said
    assert said.count("\n") == 1


def test_a_damaged_list_is_told_of_once_and_the_rest_listed(
    studio: Any, data_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (data_dir / "models").mkdir(parents=True)
    (data_dir / "models" / "models.json").write_text("{")
    assert studio("models", "--json") == 0
    said = capsys.readouterr()
    assert len(said.out.splitlines()) == len(known_models())
    assert said.err.count("\n") == 1
    assert "models.json" in said.err


# --- adapters and exports -------------------------------------------------------------------------


@pytest.fixture
def adapter(tiny_bundle: Path, tmp_path: Path) -> Path:
    factors = random_factors(open_bundle(tiny_bundle))
    return write_adapter(tmp_path / "crackle", factors, base_model_name_or_path="house")


def test_an_added_adapter_is_listed_with_its_base_and_used_by_its_name(
    studio: Any,
    adapter: Path,
    tiny_bundle: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert studio("models", "add", adapter) == 0
    assert capsys.readouterr().out.startswith("crackle ")
    row = listed(studio, capsys)["crackle"]
    assert (row["kind"], row["base"], row["path"]) == ("adapter", "house", str(adapter))
    assert studio("models") == 0
    assert f"    {adapter}, for house\n" in capsys.readouterr().out
    takes = []
    for flags in ((), ("--adapter", "crackle:0"), ("--adapter", "crackle")):
        wav = tmp_path / f"{len(takes)}.wav"
        arguments = ["--prompt", "dub", "--max-steps", "9", "--seed", "1", "--no-library"]
        studio("generate", "--model", tiny_bundle, *flags, *arguments, "--output", wav)
        takes.append(wav.read_bytes())
    assert takes[0] == takes[1] != takes[2]


@pytest.mark.parametrize("form", ["huggingface", "audiocraft"])
def test_a_model_is_exported_with_its_adapter(
    form: str,
    studio: Any,
    adapter: Path,
    tiny_bundle: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    target = tmp_path / "export"
    flags = ["--format", form, "--output", target, "--adapter", f"{adapter}:0.5"]
    if form == "audiocraft":
        assert studio("models", "export", tiny_bundle, *flags) == 1
        assert "--without-words" in capsys.readouterr().err
        flags.append("--without-words")
    assert studio("models", "export", tiny_bundle, *flags) == 0
    assert capsys.readouterr().out.strip() == str(target)
    card = (target / "README.md").read_text()
    assert "| crackle | strength 0.5 |" in card
    assert "Of the weights: not stated." in card
    assert studio("models", "add", target) == 0
    capsys.readouterr()
    kind = "text" if form == "huggingface" else "unconditional"
    assert listed(studio, capsys)["export"]["kind"] == kind


def test_an_exported_model_keeps_its_own_page_and_licence(
    studio: Any, tiny_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (
        studio("models", "export", "house", "--format", "huggingface", "--output", tmp_path / "h")
        == 0
    )
    assert "Of the weights: MIT." in (tmp_path / "h" / "README.md").read_text()
    again = ["--format", "huggingface", "--output", tmp_path / "again"]
    (tmp_path / "h" / "README.md").write_text("My own page.")
    assert studio("models", "export", tmp_path / "h", *again) == 0
    assert (tmp_path / "again" / "README.md").read_text() == "My own page."
    assert (tmp_path / "again" / "prompting.json").is_file()


def test_an_export_that_makes_no_sense_is_refused(
    studio: Any, tiny_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ["--format", "huggingface", "--output", tmp_path / "export"]
    for extra, words in (
        (["--without-words"], "--without-words is for --format audiocraft"),
        (["--adapter", "nothing"], "There is no adapter 'nothing'"),
        (["--adapter", "nothing:9"], "strength of the adapter nothing must be from -4 to 4"),
    ):
        assert studio("models", "export", tiny_bundle, *flags, *extra) == 1
        assert words in capsys.readouterr().err
    (tmp_path / "export").mkdir()
    (tmp_path / "export" / "song.wav").write_bytes(b"RIFF")
    assert studio("models", "export", tiny_bundle, *flags) == 1
    assert "song.wav is in it" in capsys.readouterr().err
