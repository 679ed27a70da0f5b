from __future__ import annotations

import errno
import json
import os
import signal
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from studio.audio.files import probe
from studio.cli.outputs import Target
from studio.cli.progress import ProgressBar
from studio.core.errors import DeviceError, StorageError
from studio.generation.engine import Engine
from studio.generation.request import Chunk, GenerationRequest, Take
from studio.library.library import Library
from studio.library.records import Change
from studio.models.codes import load_codes
from studio.playback.player import Player
from tests.cli.conftest import write_tone
from tests.models.reference import Shape, build_model, save_model


def lines(capsys: pytest.CaptureFixture[str]) -> tuple[list[dict[str, Any]], str]:
    said = capsys.readouterr()
    return [json.loads(line) for line in said.out.splitlines()], said.err


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def test_every_flag_reaches_the_request(
    studio: Any, tones: list[GenerationRequest], data_dir: Path
) -> None:
    flags = (
        "--prompt dub --model house --bpm 140 --bars 4 --key Bbm --seed 9 --top-k 40 --top-p 0.5 "
        "--temperature 0.7 --guidance 2 --adapter dusty --adapter a:b:-0.5"
    )
    assert studio("generate", *flags.split()) == 0
    assert tones == [
        GenerationRequest(
            prompt="dub",
            model="house",
            tempo_bpm=140.0,
            bars=4,
            key="A#m",
            seed=9,
            top_k=40,
            top_p=0.5,
            temperature=0.7,
            guidance=2.0,
            adapters=(("dusty", 1.0), ("a:b", -0.5)),
        )
    ]


def test_what_the_take_follows_reaches_the_request(
    studio: Any, tones: list[GenerationRequest], tmp_path: Path
) -> None:
    sound = write_tone(tmp_path / "tone.wav", 3.0)
    given = ("--melody", sound, "--continue", sound, "--continue-seconds", 0.5)
    assert studio("generate", "--prompt", "", "--negative", "drums, noise", *given) == 0
    (asked,) = tones
    assert (asked.prompt, asked.negative) == ("", "drums, noise")
    assert asked.melody_file == asked.continue_file == str(sound)
    assert asked.melody is not None
    assert set(asked.melody[2:-2]) == {"9"}
    assert asked.continue_seconds == 0.5


def test_a_file_gives_a_prompt_a_line_each_with_its_seeds(
    studio: Any, tones: list[GenerationRequest], tmp_path: Path
) -> None:
    file = tmp_path / "prompts.txt"
    file.write_text("# two\ndub 120 bpm\n\n  techno, F#m \n", encoding="utf-8")
    flags = ("--seed", 5, "--count", 2, "--bars", 1, "--bpm", 100, "--batch", 3)
    assert studio("generate", "--from-file", file, *flags, "--output-dir", tmp_path / "out") == 0
    assert [(asked.prompt, asked.seed) for asked in tones] == [
        ("dub 120 bpm", 5),
        ("dub 120 bpm", 6),
        ("techno, F#m", 5),
        ("techno, F#m", 6),
    ]
    assert len(files(tmp_path / "out")) == 4


def test_the_sample_rate_is_the_files_and_the_library_keeps_the_models(
    studio: Any, tones: list[GenerationRequest], data_dir: Path, tmp_path: Path, rows: Any
) -> None:
    output = tmp_path / "x.wav"
    flags = ("--output", output, "--sample-rate", 48_000, "--codes", "--json")
    assert studio("generate", "--prompt", "dub", *flags) == 0
    (row,) = rows()
    assert (probe(output).frames, probe(output).sample_rate) == (24_000, 48_000)
    assert (row["frames"], row["sample_rate"], row["seconds"]) == (24_000, 48_000, 0.5)
    assert row["codes"] == str(tmp_path / "x.npz")
    assert load_codes(tmp_path / "x.npz").frames == 25
    with Library.open(data_dir) as library:
        (record,) = library.search()
        assert (record.frames, record.sample_rate) == (16_000, 32_000)
        assert probe(library.path(record)).sample_rate == 32_000


def test_a_fault_of_one_take_does_not_cost_the_others_of_its_batch(
    studio: Any,
    tones: list[GenerationRequest],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    write = Target.write

    def faulty(target: Target, take: Take, facts: dict[str, str]) -> Any:
        if take.request.seed == 2:
            raise StorageError("take 2 was not written, the disk is full.")
        return write(target, take, facts)

    monkeypatch.setattr(Target, "write", faulty)
    folder = tmp_path / "out"
    flags = ("--seed", 1, "--count", 8, "--batch", 4, "--no-library", "--output-dir", folder)
    assert studio("generate", "--prompt", "dub", *flags) == 1
    assert capsys.readouterr().err == "studio: take 2 was not written, the disk is full.\n"
    assert len(files(folder)) == 3


@pytest.mark.parametrize(
    ("flag", "field", "value"),
    [("--duration", "duration_seconds", 2.5), ("--max-steps", "max_steps", 300)],
)
def test_other_lengths_reach_the_request(
    studio: Any, tones: list[GenerationRequest], flag: str, field: str, value: float
) -> None:
    assert studio("generate", "--prompt", "dub", flag, value) == 0
    assert getattr(tones[0], field) == value


def test_json_says_everything_about_a_take_and_nothing_else(
    studio: Any,
    tones: list[GenerationRequest],
    capsys: pytest.CaptureFixture[str],
    data_dir: Path,
    tmp_path: Path,
) -> None:
    output = tmp_path / "x.wav"
    assert (
        studio(
            *("generate", "--prompt", "dub", "--bpm", 140, "--bars", 2, "--seed", 7),
            *("--output", output, "--json"),
        )
        == 0
    )
    (row,), err = lines(capsys)
    expected = {
        "path": str(output),
        "id": 1,
        "seed": 7,
        "model": "house",
        "prompt": "dub",
        "adapters": [],
        "bpm": 140.0,
        "key": None,
        "bars": 2,
        "frames": 16000,
        "sample_rate": 32000,
        "channels": 1,
        "seconds": 0.5,
        "seconds_taken": 0.1,
    }
    assert expected.items() <= row.items()
    assert err == ""


def test_the_output_has_the_bytes_of_the_librarys_file(
    studio: Any, tones: list[GenerationRequest], data_dir: Path, tmp_path: Path
) -> None:
    output = tmp_path / "x.wav"
    assert studio("generate", "--prompt", "dub", "--seed", 7, "--output", output) == 0
    with Library.open(data_dir, read_only=True) as library:
        (record,) = library.search()
        assert library.path(record).read_bytes() == output.read_bytes()
        assert record.seed == 7


def test_without_a_file_the_take_is_in_the_library(
    studio: Any, tones: list[GenerationRequest], capsys: pytest.CaptureFixture[str], data_dir: Path
) -> None:
    assert studio("generate", "--prompt", "dub") == 0
    path = Path(capsys.readouterr().out.strip())
    assert probe(path).frames == 16000
    assert data_dir / "samples" in path.parents


def test_count_makes_the_seeds_that_follow_into_numbered_files(
    studio: Any, tones: list[GenerationRequest], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    folder = tmp_path / "new" / "takes"
    arguments = ("generate", "--prompt", "dub", "--seed", 7, "--count", 3, "--no-library")
    target = ("--output-dir", folder, "--prefix", "dub", "--json")
    assert studio(*arguments, *target) == 0
    assert studio(*arguments, *target) == 0
    assert [asked.seed for asked in tones] == [7, 8, 9] * 2
    assert files(folder) == [f"dub_{number:04d}.wav" for number in range(1, 7)]
    rows, _ = lines(capsys)
    assert [Path(row["path"]).name for row in rows] == files(folder)
    assert {row["id"] for row in rows} == {None}
    first, again = folder / "dub_0001.wav", folder / "dub_0004.wav"
    assert first.read_bytes() == again.read_bytes()


def test_no_library_leaves_the_data_folder_alone(
    studio: Any, tones: list[GenerationRequest], data_dir: Path, tmp_path: Path
) -> None:
    output = tmp_path / "x.wav"
    assert studio("generate", "--prompt", "dub", "--no-library", "--output", output) == 0
    assert not data_dir.exists()


def test_a_new_seed_is_drawn_each_time(studio: Any, tones: list[GenerationRequest]) -> None:
    for _ in range(3):
        assert studio("generate", "--prompt", "dub") == 0
    assert len({asked.seed for asked in tones}) == 3


def test_a_take_goes_on_from_a_sound(
    studio: Any, tiny_bundle: Path, tmp_path: Path, rows: Any
) -> None:
    """With a real engine: a second of sound, the last half of it kept, 1.2 s in all."""
    output = tmp_path / "x.wav"
    sound = write_tone(tmp_path / "tone.wav")
    flags = ("--model", tiny_bundle, "--bpm", 120, "--duration", 1.2, "--output", output)
    kept = ("--continue", sound, "--continue-seconds", 0.5, "--no-library", "--json")
    assert studio("generate", "--prompt", "dub", *flags, *kept) == 0
    (row,) = rows()
    assert (row["frames"], row["from_seconds"]) == (38_400, 0.5)


def test_an_unconditional_model_needs_no_words(
    studio: Any, data_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "micro"
    save_model(build_model(Shape(kind="unconditional", layers=2)), folder)
    capsys.readouterr()
    flags = ("--model", folder, "--max-steps", 10, "--count", 2)
    assert studio("generate", "--prompt", "", *flags) == 0
    with Library.open(data_dir) as library:
        assert [record.frames for record in library.search()] == [6_400, 6_400]
        assert all(record.name for record in library.search())
    capsys.readouterr()
    assert studio("generate", "--prompt", "dub", *flags) == 1
    assert "makes sound without words; leave the prompt empty" in capsys.readouterr().err


def test_an_adapter_that_is_not_there_is_named_in_one_line(
    studio: Any, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    flags = ("--prompt", "dub", "--max-steps", 2, "--no-library", "--output", tmp_path / "x.wav")
    assert studio("generate", *flags, "--adapter", "nothing:0.5") == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert "There is no adapter 'nothing'" in err
    assert studio("generate", *flags, "--adapter", "nothing:9") == 1
    assert "strength of the adapter 'nothing' must be from -4 to 4" in capsys.readouterr().err


def test_an_added_model_is_known_by_its_name(
    studio: Any, tiny_bundle: Path, tmp_path: Path
) -> None:
    output = tmp_path / "x.wav"
    flags = ("--model", "dusty", "--bpm", 120, "--max-steps", 8, "--no-library")
    assert studio("models", "add", tiny_bundle, "--name", "dusty") == 0
    assert studio("generate", "--prompt", "dub", *flags, "--output", output) == 0
    assert probe(output).frames == 8 * 640


def test_a_full_disk_leaves_nothing_half_written(
    studio: Any,
    tones: list[GenerationRequest],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    folder = tmp_path / "out"
    folder.mkdir()
    monkeypatch.setattr(os, "fsync", full)
    arguments = ("generate", "--prompt", "dub", "--no-library")
    assert studio(*arguments, "--output", folder / "x.wav") == 1
    assert studio(*arguments, "--output-dir", folder) == 1
    said = capsys.readouterr()
    assert said.err.count("disk is full") == said.err.count("\n") == 2
    assert "out/x.wav" in said.err
    assert "out/take_0001.wav" in said.err
    assert files(folder) == []


def test_a_file_that_cannot_be_written_does_not_cost_the_take(
    studio: Any,
    tones: list[GenerationRequest],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    data_dir: Path,
    tmp_path: Path,
) -> None:
    def full(target: Target, take: object, facts: object) -> None:
        raise StorageError(f"{target.file} was not written, the disk is full.")

    monkeypatch.setattr(Target, "write", full)
    output = tmp_path / "x.wav"
    assert studio("generate", "--prompt", "dub", "--output", output) == 1
    expected = f"studio: {output} was not written, the disk is full. The library has it as 1.\n"
    assert capsys.readouterr().err == expected
    with Library.open(data_dir) as library:
        assert library.count() == 1


def test_a_library_that_is_full_does_not_cost_the_file(
    studio: Any,
    tones: list[GenerationRequest],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    def full(library: Library, sample: object) -> Future[Change]:
        future: Future[Change] = Future()
        future.set_exception(StorageError("The disk is full."))
        return future

    monkeypatch.setattr(Library, "add_take", full)
    output = tmp_path / "x.wav"
    assert studio("generate", "--prompt", "dub", "--output", output) == 1
    expected = f"studio: The disk is full. The file {output} was written.\n"
    assert capsys.readouterr().err == expected
    assert probe(output).frames == 16000


@pytest.mark.parametrize("moment", ["before", "in a step", "storing"])
def test_ctrl_c_ends_with_130_and_keeps_every_finished_take(
    studio: Any,
    tones: list[GenerationRequest],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    data_dir: Path,
    tmp_path: Path,
    moment: str,
) -> None:
    """Two takes are made at once, and Ctrl+C is pressed in the second batch."""
    make, show, keep = Engine.generate_many, ProgressBar.show, Library.add_take

    def press(when: str, count: int) -> None:
        if when == moment and count == 3:
            signal.raise_signal(signal.SIGINT)

    def shown(bar: ProgressBar, place: int, chunk: Chunk) -> None:
        press("in a step", place + 1)
        show(bar, place, chunk)

    def stored(library: Library, sample: Any) -> Any:
        press("storing", sample.seed - 6)
        return keep(library, sample)

    def made(engine: Engine, requests: Any, **rest: Any) -> Any:
        if moment == "before":
            signal.raise_signal(signal.SIGINT)
        return make(engine, requests, **rest)

    monkeypatch.setattr(Engine, "generate_many", made)
    monkeypatch.setattr(ProgressBar, "show", shown)
    monkeypatch.setattr(Library, "add_take", stored)
    folder = tmp_path / "out"
    arguments = ("--prompt", "dub", "--seed", 7, "--count", 6, "--batch", 2, "--output-dir", folder)
    assert studio("generate", *arguments) == 130
    assert capsys.readouterr().err == "studio: Interrupted; what was finished is kept.\n"
    expected = {"before": 0, "in a step": 2, "storing": 4}[moment]
    assert files(folder) == [f"take_{number:04d}.wav" for number in range(1, expected + 1)]
    with Library.open(data_dir) as library:
        assert library.count() == expected
        assert library.check().ok
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_play_without_a_sound_card_keeps_the_take_and_says_so(
    studio: Any,
    tones: list[GenerationRequest],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    def no_card(player: Player, clip: object, *, loop: bool) -> None:
        raise DeviceError("No sound card was found.")

    monkeypatch.setattr(Player, "play", no_card)
    output = tmp_path / "x.wav"
    assert studio("generate", "--prompt", "dub", "--output", output, "--play") == 1
    assert capsys.readouterr().err == "studio: No sound card was found.\n"
    assert output.exists()
