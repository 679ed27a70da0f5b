"""`studio seedbank` with a small real model."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from studio.__main__ import main
from studio.audio.files import read_audio
from studio.benchmark.house.picking import BankFigures
from studio.generation import seed_bank
from studio.generation.coded_take import CodedTake
from studio.generation.engine import Engine
from studio.generation.request import Chunk, GenerationRequest, Take
from studio.generation.seed_bank import SeedBank, open_bank, save_bank
from studio.library.library import Library
from studio.models.codes import load_codes, save_codes
from tests.cli.conftest import tone_take

Made = tuple[Path, Path]


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


@pytest.fixture
def second_take(
    studio: Any,
    made_take: Made,
    own_bundle: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> Path:
    """Sample 2 beside the one of `made_take`: half a second that is no loop."""
    output = tmp_path / "second.wav"
    asked = ("--prompt", "rain", "--duration", 0.5, "--seed", 8, "--model", own_bundle)
    assert studio("generate", *asked, "--output", output) == 0
    capsys.readouterr()
    return output


@pytest.fixture
def bank(
    studio: Any, second_take: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> Path:
    """Both takes as a bank."""
    file = tmp_path / "night.npz"
    assert studio("seedbank", "save", file, 1, 2) == 0
    assert capsys.readouterr().out == f"{file}\n"
    return file


@pytest.fixture
def drawn_bank(tmp_path: Path) -> Path:
    """A bank whose codes no model has made: a loop of one bar, half a second, and ten frames."""
    file = tmp_path / "drawn.npz"
    requests = (
        GenerationRequest(prompt="dub", seed=7, tempo_bpm=120.0, bars=1, key="Am"),
        GenerationRequest(prompt="rain", seed=8, duration_seconds=0.5),
        GenerationRequest(prompt="", seed=9, max_steps=10),
    )
    takes = tuple(CodedTake.of(tone_take(request)) for request in requests)
    save_bank(file, SeedBank(name="drawn", takes=takes))
    return file


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the banks lie that come with the program, empty at first."""
    folder = tmp_path / "shipped"
    folder.mkdir()
    monkeypatch.setattr(seed_bank, "banks_dir", lambda: folder)
    return folder


def test_a_bank_of_samples_holds_their_recipes_and_codes(
    studio: Any, bank: Path, made_take: Made, data_dir: Path
) -> None:
    takes = open_bank(bank).takes
    assert [(take.request.prompt, take.request.seed) for take in takes] == [("dub", 7), ("rain", 8)]
    assert takes[0].codes == load_codes(made_take[1])
    with Library.open(data_dir) as library:
        assert {take.model_hash for take in takes} == {library.get(1).model_hash}
        assert library.count() == 2


def test_save_keeps_the_order_and_replaces_a_file_as_other_verbs_do(
    studio: Any, bank: Path, rows: Any
) -> None:
    assert studio("seedbank", "save", bank, 2, "--json") == 0
    assert rows() == [{"path": str(bank), "takes": 1}]
    assert [take.request.prompt for take in open_bank(bank)] == ["rain"]
    assert studio("seedbank", "save", bank, 2, 1) == 0
    assert [take.request.prompt for take in open_bank(bank)] == ["rain", "dub"]


def test_show_has_a_line_for_each_take(
    studio: Any, drawn_bank: Path, data_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert studio("seedbank", "show", drawn_bank) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split() for line in lines] == [
        ["1", "120", "bpm", "1", "bar", "Am", "dub"],
        ["2", "0.5", "s", "rain"],
        ["3", "10", "steps"],
    ]
    assert not data_dir.exists()


def test_show_says_everything_as_json(studio: Any, drawn_bank: Path, rows: Any) -> None:
    assert studio("seedbank", "show", drawn_bank, "--json") == 0
    first, *others = rows()
    assert first == {
        "number": 1,
        "prompt": "dub",
        "seed": 7,
        "bpm": 120.0,
        "bars": 1,
        "key": "Am",
        "duration_seconds": None,
        "max_steps": None,
        "model": "house",
        "model_hash": "ab" * 32,
    }
    lengths = [(row["number"], row["duration_seconds"], row["max_steps"]) for row in others]
    assert lengths == [(2, 0.5, None), (3, None, 10)]


def test_text_of_strangers_stays_on_its_line(
    studio: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    strange = CodedTake.of(tone_take(GenerationRequest(prompt="dub\n\x1b[31mred")))
    save_bank(tmp_path / "x.npz", SeedBank(name="x", takes=(strange,)))
    assert studio("seedbank", "show", tmp_path / "x.npz") == 0
    said = capsys.readouterr().out
    assert said.count("\n") == 1
    assert "\x1b" not in said


def test_all_takes_of_a_bank_go_into_another_library_as_they_were(
    bank: Path, made_take: Made, second_take: Path, tmp_path: Path, rows: Any
) -> None:
    other = tmp_path / "other"
    assert main(["--data-dir", str(other), "seedbank", "add", str(bank), "--json"]) == 0
    told = rows()
    assert [(row["id"], row["prompt"], row["seed"]) for row in told] == [
        (1, "dub", 7),
        (2, "rain", 8),
    ]
    for row, before in zip(told, (made_take[0], second_take), strict=True):
        assert Path(row["path"]).is_relative_to(other)
        assert np.array_equal(read_audio(Path(row["path"])).samples, read_audio(before).samples)
    with Library.open(other) as library:
        assert library.count() == 2
        assert library.check(deep=True).ok
        codes = library.codes(1)
    assert codes is not None
    assert np.array_equal(codes, load_codes(made_take[1]).array)


def test_a_take_that_was_added_can_go_on(bank: Path, tmp_path: Path, rows: Any) -> None:
    other = ("--data-dir", str(tmp_path / "other"))
    assert main([*other, "seedbank", "add", str(bank), "--take", "1"]) == 0
    rows_before = len(files(tmp_path / "other"))
    assert main([*other, "extend", "1", "--bars", "2"]) == 0
    assert len(files(tmp_path / "other")) > rows_before


def test_one_take_becomes_the_file_it_was(
    studio: Any,
    bank: Path,
    made_take: Made,
    data_dir: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    output = tmp_path / "again.wav"
    asked = ("--take", 1, "--output", output, "--codes", "--no-library")
    assert studio("seedbank", "add", bank, *asked) == 0
    assert capsys.readouterr().out == f"{output}\n"
    assert output.read_bytes() == made_take[0].read_bytes()
    assert output.with_suffix(".npz").read_bytes() == made_take[1].read_bytes()
    with Library.open(data_dir) as library:
        assert library.count() == 2


def test_chosen_takes_become_numbered_files_in_the_order_asked(
    bank: Path, made_take: Made, second_take: Path, tmp_path: Path
) -> None:
    """No library is made where none is wanted."""
    other, folder = tmp_path / "other", tmp_path / "out"
    asked = ["--take", "2", "--take", "1", "--output-dir", str(folder), "--prefix", "n"]
    command = ["--data-dir", str(other), "seedbank", "add", str(bank), *asked, "--no-library"]
    assert main(command) == 0
    assert files(folder) == ["n_0001.wav", "n_0002.wav"]
    assert (folder / "n_0001.wav").read_bytes() == second_take.read_bytes()
    assert (folder / "n_0002.wav").read_bytes() == made_take[0].read_bytes()
    assert not other.exists()


def test_the_banks_that_come_with_the_program_have_names(
    studio: Any, drawn_bank: Path, shipped: Path, capsys: pytest.CaptureFixture[str], rows: Any
) -> None:
    shutil.copy(drawn_bank, shipped / "night.npz")
    save_bank(shipped / "dawn.npz", SeedBank(name="dawn", takes=open_bank(drawn_bank).takes[1:]))
    assert studio("seedbank", "list") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split() for line in lines] == [["dawn", "2", "takes"], ["night", "3", "takes"]]
    assert studio("seedbank", "list", "--json") == 0
    assert rows() == [{"name": "dawn", "takes": 2}, {"name": "night", "takes": 3}]
    assert studio("seedbank", "show", "dawn", "--json") == 0
    assert [row["prompt"] for row in rows()] == ["rain", ""]


def test_without_any_bank_the_list_is_empty(
    studio: Any, shipped: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert studio("seedbank", "list") == 0
    assert capsys.readouterr() == ("", "")


@pytest.fixture
def here(drawn_bank: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder: a bank, and what is none."""
    folder = tmp_path / "here"
    folder.mkdir()
    shutil.copy(drawn_bank, folder / "night.npz")
    (folder / "cut.npz").write_bytes(drawn_bank.read_bytes()[:300])
    (folder / "empty.npz").touch()
    save_codes(folder / "take.npz", open_bank(drawn_bank).take(1).codes.array, model="house")
    monkeypatch.chdir(folder)
    return folder


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("show", "polka"), "no seed bank polka"),
        (("show", ""), "There is no seed bank"),
        (("show", "missing.npz"), "missing.npz cannot be read"),
        (("show", "cut.npz"), "cut.npz"),
        (("show", "empty.npz"), "empty.npz"),
        (("show", "take.npz"), "take.npz is no seed bank"),
        (("add", "polka"), "no seed bank polka"),
        (("add", "cut.npz"), "cut.npz"),
        (("add", "night.npz", "--take", "4"), "takes 1 to 3, not 4"),
        (("add", "night.npz", "--take", "1", "--take", "0"), "takes 1 to 3, not 0"),
        (("add", "night.npz", "--take", "-1"), "takes 1 to 3, not -1"),
        (("add", "night.npz", "--no-library"), "Nothing would be kept"),
        (("add", "night.npz", "--output", "x.wav"), "--output names one file, not 3"),
        (("add", "night.npz", "--take", "1", "--output", "no/x.wav"), "no does not exist"),
        (("add", "night.npz", "--output-dir", "/dev/null/x"), "Cannot create the folder"),
        (("add", "night.npz", "--codes"), "--codes is about a written file"),
        (("add", "night.npz", "--output-dir", "x", "--sample-rate", "1"), "from 8000 to 192000"),
        (("save", "x.wav", "1"), "not x.wav."),
        (("save", "x", "1"), "not x."),
        (("save", "no/x.npz", "1"), "no does not exist"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_leaves_nothing(
    studio: Any,
    here: Path,
    data_dir: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    message: str,
) -> None:
    before = files(here)
    assert studio("seedbank", *arguments) == 1
    said = capsys.readouterr()
    assert message in said.err
    assert said.err.count("\n") == 1
    assert said.out == ""
    assert files(here) == before
    assert not data_dir.exists()


@pytest.mark.parametrize("number", [1, 999, -1])
def test_a_sample_that_is_not_there_is_named(
    studio: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str], number: int
) -> None:
    assert studio("seedbank", "save", tmp_path / "x.npz", number) == 1
    err = capsys.readouterr().err
    assert f"no sound {number} " in err
    assert err.count("\n") == 1
    assert not (tmp_path / "x.npz").exists()


def test_a_damaged_bank_of_the_program_is_named(
    studio: Any, shipped: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (shipped / "broken.npz").touch()
    assert studio("seedbank", "list") == 1
    err = capsys.readouterr().err
    assert "broken.npz" in err
    assert err.count("\n") == 1


def test_an_imported_sample_has_nothing_to_save(
    studio: Any, made_take: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert studio("library", "import", made_take[0].with_name("imported.wav")) == 0
    capsys.readouterr()
    file = tmp_path / "x.npz"
    assert studio("seedbank", "save", file, 1, 2) == 1
    err = capsys.readouterr().err
    assert "was imported and has no codes" in err
    assert err.count("\n") == 1
    assert not file.exists()


def test_takes_of_two_models_are_no_bank(
    studio: Any,
    made_take: Made,
    own_bundle: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    change_model(own_bundle)
    asked = ("--prompt", "dub", "--bpm", 120, "--bars", 1, "--model", own_bundle)
    assert studio("generate", *asked) == 0
    capsys.readouterr()
    file = tmp_path / "x.npz"
    assert studio("seedbank", "save", file, 1, 2) == 1
    err = capsys.readouterr().err
    assert "takes of one model" in err
    assert err.count("\n") == 1
    assert not file.exists()


def change_model(bundle: Path) -> None:
    config = bundle / "generation_config.json"
    config.write_text(config.read_text("utf-8").replace("0.8", "0.9"), encoding="utf-8")


def test_a_model_that_has_changed_since_does_not_sound_its_takes(
    studio: Any,
    bank: Path,
    own_bundle: Path,
    data_dir: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    change_model(own_bundle)
    folder = tmp_path / "out"
    assert studio("seedbank", "add", bank, "--output-dir", folder) == 1
    said = capsys.readouterr()
    assert 'seed 7, "dub"' in said.err
    assert said.err.count("\n") == 1
    assert said.out == ""
    assert not folder.exists()
    with Library.open(data_dir) as library:
        assert library.count() == 2


def test_a_take_that_fails_costs_none_of_those_before(
    studio: Any, bank: Path, data_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good, other = open_bank(bank).takes
    bad = replace(other, request=GenerationRequest(prompt="rain", seed=8, model="no-such-model"))
    save_bank(bank, SeedBank(name="night", takes=(good, bad)))
    assert studio("seedbank", "add", bank) == 1
    said = capsys.readouterr()
    assert "no-such-model" in said.err
    assert said.err.count("\n") == 1
    assert said.out.count("\n") == 1
    with Library.open(data_dir) as library:
        assert library.count() == 3


def test_interrupted_it_keeps_the_takes_before(
    studio: Any,
    bank: Path,
    data_dir: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    whole = Engine.resound

    def resound(
        engine: Engine,
        coded: CodedTake,
        on_chunk: Callable[[Chunk], None],
        cancelled: Callable[[], bool],
    ) -> Take:
        if coded.request.seed == 8:
            silence = np.zeros((1, 0), dtype=np.float32)
            on_chunk(Chunk(start_frame=0, samples=silence, done_steps=0, total_steps=25))
            signal.raise_signal(signal.SIGINT)
        return whole(engine, coded, on_chunk, cancelled)

    monkeypatch.setattr(Engine, "resound", resound)
    assert studio("seedbank", "add", bank) == 130
    said = capsys.readouterr()
    assert "Interrupted" in said.err
    assert said.out.count("\n") == 1
    with Library.open(data_dir) as library:
        assert library.count() == 3


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("play", "jungle"),
        ("show",),
        ("add",),
        ("add", "night.npz", "--take", "one"),
        ("add", "night.npz", "--output", "x.wav", "--output-dir", "x"),
        ("add", "night.npz", "--seed", "7"),
        ("save", "x.npz"),
        ("save", "x.npz", "one"),
    ],
)
def test_wrong_usage_is_status_2(studio: Any, data_dir: Path, arguments: tuple[str, ...]) -> None:
    assert studio("seedbank", *arguments) == 2
    assert not data_dir.exists()


def test_picking_tells_of_each_bank(
    studio: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: Any
) -> None:
    figures = BankFigures(
        genre="dub",
        made=9,
        on_tempo=8,
        keys_asked=3,
        in_key=2,
        kept=4,
        kept_distance=0.5,
        made_distance=0.7,
        fresh_distance=0.6,
        bytes=4_000,
    )
    asked: dict[str, Any] = {}

    def make_banks(folder: Path, *, tell: Any, **options: Any) -> None:
        asked.update(options, folder=folder)
        tell(figures)

    monkeypatch.setattr("studio.benchmark.house.picking.make_banks", make_banks)
    place = tmp_path / "banks"
    assert studio("seedbank", "pick", place, "--genre", "dub", "--keep", 4, "--json") == 0
    assert rows() == [figures.to_json()]
    assert asked == {"folder": place, "genres": ["dub"], "candidates": 192, "keep": 4}


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--candidates", 0), "--candidates must be from 1 to 1000, not 0"),
        (("--keep", -1), "--keep must be from 1 to 1000, not -1"),
        (("--genre", "polka"), "does not know polka"),
    ],
)
def test_what_cannot_be_picked_is_one_line(
    studio: Any,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    flags: tuple[object, ...],
    message: str,
) -> None:
    place = tmp_path / "banks"
    assert studio("seedbank", "pick", place, *flags) == 1
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1
    assert not place.exists()
