"""The command line's page names every verb and flag, and its examples are real."""

from __future__ import annotations

import argparse
import contextlib
import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from studio.audio.clip import AudioClip
from studio.audio.files import probe
from studio.cli import musicgen_cli
from studio.cli.main import build_parser, run
from studio.library import query, search
from studio.library.query import parse_query
from studio.playback.player import Player

EXAMPLE = re.compile(r"^(studio|musicgen-cli) .*$", flags=re.MULTILINE)


@pytest.fixture
def text(repository: Path) -> str:
    return (repository / "docs" / "command-line.md").read_text(encoding="utf-8")


@pytest.fixture
def parser(capsys: pytest.CaptureFixture[str]) -> argparse.ArgumentParser:
    """The whole command line, every flag declared."""
    root = build_parser()
    for _, verb in every_verb(root):
        with contextlib.suppress(SystemExit):
            verb.parse_args(["--help"])
    capsys.readouterr()
    return root


def every_verb(
    parser: argparse.ArgumentParser, name: str = "studio"
) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    yield name, parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for verb, child in action.choices.items():
                yield from every_verb(child, f"{name} {verb}")


def section(text: str, verb: str) -> str:
    """The part of the page about a verb, its actions included."""
    words = verb.split()[:2]
    if len(words) == 1:
        return text[: text.index("\n## ")]
    start = text.index(f"\n## {' '.join(words)}\n")
    return text[start : text.find("\n## ", start + 4)]


def test_every_verb_and_flag_is_described(parser: argparse.ArgumentParser, text: str) -> None:
    missing = []
    for name, verb in every_verb(parser):
        words = name.split()
        part = section(text, name)
        if len(words) == 3 and f"| `{words[2]}" not in part:
            missing.append(name)
        for action in verb._actions:
            for flag in action.option_strings:
                if flag not in {"-h", "--help"} and f"`{flag}" not in part:
                    missing.append(f"{name} {flag}")
    assert missing == []


def test_no_flag_is_described_that_is_not_there(parser: argparse.ArgumentParser, text: str) -> None:
    known = {
        flag for _, verb in every_verb(parser) for action in verb._actions
        for flag in action.option_strings
    }  # fmt: skip
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", text)) - known == set()


def test_every_example_is_understood(parser: argparse.ArgumentParser, text: str) -> None:
    examples = [match[0] for match in EXAMPLE.finditer(text) if "[" not in match[0]]
    assert len(examples) >= 10
    for example in examples:
        program, *arguments = shlex.split(example)
        if program == "musicgen-cli":
            arguments.insert(0, "generate")
        assert parser.parse_args(arguments).verb == arguments[0]


@pytest.mark.parametrize(
    "example",
    [
        "studio library search dark reese bpm:170-176 key:Am",
        "studio library check --deep",
        "studio models --json",
    ],
)
def test_a_cheap_example_runs_in_an_empty_library(
    text: str, example: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert example in text
    arguments = ["--data-dir", str(tmp_path / "library"), *shlex.split(example)[1:]]
    assert run(arguments, open_window=lambda data_dir: 99) == 0
    assert capsys.readouterr().err == ""


def keys_listed(text: str, whose: str) -> list[str]:
    """What the page says that `--json` says."""
    (listed,) = re.findall(rf"one object for {whose}: `([^`]+)`", text)
    return str(listed).split()


def making(text: str) -> list[str]:
    """The examples that make takes or codes, in the order of the page."""
    start, end = text.index("## studio generate"), text.index("## studio seedbank")
    return [match[0] for match in EXAMPLE.finditer(text[start:end])]


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> list[AudioClip]:
    """What the sound card is given; it is done with it at once."""
    heard: list[AudioClip] = []
    monkeypatch.setattr(Player, "play", lambda player, clip, *, loop: heard.append(clip))
    return heard


def test_the_examples_that_make_something_run_in_the_order_of_the_page(
    text: str,
    things: Path,
    played: list[AudioClip],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """On the embedded model, in one library; musicgen-cli in its own."""
    examples = making(text)
    assert len(examples) >= 17
    for example in examples:
        name, *arguments = shlex.split(example)
        if name == "studio":
            whole = ["--data-dir", str(tmp_path / "library"), *arguments]
            status = run(whole, open_window=lambda data_dir: 99)
        else:
            status = musicgen_cli.main(arguments)
        said = capsys.readouterr()
        assert (status, said.err) == (0, ""), example
        if "--json" in arguments:
            (row,) = [json.loads(line) for line in said.out.splitlines()]
            assert keys_listed(text, "each take") == list(row)
        else:
            for path in said.out.splitlines():
                assert Path(path).stat().st_size > 100, example
    assert len(played) == 1
    bars_of = {"x": 2 * 240 / 174, "electro": 240 / 128, "rain": 2.0, "longer": 4.0, "y": None}
    for stem, seconds in bars_of.items():
        sound = probe(things / f"{stem}.wav")
        rate = 48_000 if stem == "electro" else 32_000
        assert sound.sample_rate == rate
        assert seconds is None or sound.frames == round(seconds * rate)
    assert len(list((things / "night").glob("take_000[1-4].*"))) == 8
    assert [path.name for path in sorted((things / "endings").iterdir())] == [
        "take_0001.wav",
        "take_0002.wav",
    ]


def test_the_examples_of_seed_banks_run_in_the_order_of_the_page(
    text: str, things: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """On the embedded model, whose library has two takes before."""
    library = ["--data-dir", str(tmp_path / "library")]
    asked = ["--prompt", "dub 120 bpm", "--bars", "1", "--seed", "1", "--count", "2"]
    whole = [[*library, "generate", *asked, "--output-dir", "own"]]
    for match in EXAMPLE.finditer(section(text, "studio seedbank")):
        whole.append([*library, *shlex.split(match[0])[1:]])
    said = []
    for arguments in whole:
        assert run(arguments, open_window=lambda data_dir: 99) == 0, arguments
        said.append(capsys.readouterr())
        assert said[-1].err == ""
    assert {arguments[3] for arguments in whole[1:]} == {"list", "save", "show", "add"}
    shown = whole.index([*library, "seedbank", "show", "night.npz", "--json"])
    rows = [json.loads(line) for line in said[shown].out.splitlines()]
    assert [list(row) for row in rows] == [keys_listed(text, "each take of a bank")] * 2
    first, second = (path.read_bytes() for path in sorted((things / "own").glob("*.wav")))
    assert (things / "second.wav").read_bytes() == second
    assert (things / "picked" / "take_0002.wav").read_bytes() == first
    assert len(list((things / "picked").iterdir())) == 4


def test_the_keys_of_json_are_listed(
    text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--data-dir", str(tmp_path / "library"), "models", "--json"]
    assert run(arguments, open_window=lambda data_dir: 99) == 0
    keys = json.loads(capsys.readouterr().out.splitlines()[0])
    assert keys_listed(text, "each model") == list(keys)


def test_every_term_of_a_query_is_listed_and_understood(text: str) -> None:
    start = text.index("| term | finds |")
    table = text[start : text.index("\n\n", start)]
    terms = re.findall(r"`([^`]+)`", table)
    for term in terms:
        parse_query(term)
    fields = {term.lstrip("-").split(":")[0] for term in terms if ":" in term}
    assert fields == set(query._FIELDS)
    assert {term[3:] for term in terms if term.startswith("is:")} == set(query._FLAGS)


def test_every_order_is_listed(text: str) -> None:
    (row,) = re.findall(r"^\| `--order ORDER` \| (.+) \|$", text, flags=re.MULTILINE)
    listed = {
        name for name in re.findall(r"`([^`]+)`", row) if not name.startswith(("-", "search"))
    }
    synonyms = {"created", "created_at", "tempo_bpm", "duration_seconds"}
    assert listed == set(search.ORDERS) - synonyms
