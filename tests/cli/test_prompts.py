from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from studio.cli.prompts import MAX_PROMPTS, read_prompts
from studio.core.errors import InputError


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_prompts_stand_on_lines_of_their_own(tmp_path: Path, line_end: str) -> None:
    file = tmp_path / "prompts.txt"
    lines = ["# night", "dub 120 bpm", "", "   ", "  # more", "  Ünruhe, F#m  ", "#"]
    file.write_bytes(b"\xef\xbb\xbf" + line_end.join(lines).encode())
    assert read_prompts(file) == [(2, "dub 120 bpm"), (6, "Ünruhe, F#m")]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no prompt"),
        (b"\n# only this\n  \n", "no prompt"),
        (b"RIFF\x24\x00\x00\x00WAVE", "no text"),
        ("düb".encode("latin-1"), "UTF-8"),
        (b"a\n" * (MAX_PROMPTS + 1), f"{MAX_PROMPTS} are the most"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, content: bytes, message: str) -> None:
    file = tmp_path / "prompts.txt"
    file.write_bytes(content)
    with pytest.raises(InputError, match=message) as fault:
        read_prompts(file)
    assert str(file) in fault.value.user_message


def test_a_huge_file_is_refused_without_being_read(tmp_path: Path) -> None:
    file = tmp_path / "prompts.txt"
    with file.open("wb") as sparse:
        sparse.truncate(2**30)
    with pytest.raises(InputError, match="larger than 4 MB"):
        read_prompts(file)


@pytest.mark.parametrize("name", ["missing.txt", ".", "nul\0", "x" * 300])
def test_what_is_no_file_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError):
        read_prompts(tmp_path / name)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(content=st.binary(max_size=200))
def test_any_bytes_are_prompts_or_an_error_of_one_line(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "prompts.txt"
    file.write_bytes(content)
    fault = ""
    prompts: list[tuple[int, str]] = []
    try:
        prompts = read_prompts(file)
    except InputError as error:
        fault = error.user_message
    assert bool(fault) is not bool(prompts)
    assert "\n" not in fault
    assert all(text.strip() == text != "" for _, text in prompts)
