from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from studio.core.errors import ModelError
from studio.models.audiocraft.folder import (
    MAX_SETTINGS_BYTES,
    is_audiocraft,
    needs_conversion,
    parse_settings,
    require_model_name,
)


def folder_with(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).touch()
    return folder


@pytest.mark.parametrize(
    ("files", "audiocraft", "convert"),
    [
        (["state_dict.bin"], True, True),
        (["state_dict.bin", "compression_state_dict.bin"], True, True),
        (["state_dict.bin", "config.json", "pytorch_model.bin"], True, True),
        (["state_dict.bin", "config.json", "model.safetensors"], False, False),
        (["state_dict.bin", "config.json", "model.safetensors.index.json"], False, False),
        (["config.json", "pytorch_model.bin"], False, True),
        (["config.json", "pytorch_model.bin.index.json"], False, True),
        (["config.json", "pytorch_model.bin", "model.safetensors"], False, False),
        (["pytorch_model.bin"], False, False),
        (["config.json"], False, False),
        ([], False, False),
    ],
)
def test_a_folder_is_known_by_its_files(
    tmp_path: Path, files: list[str], audiocraft: bool, convert: bool
) -> None:
    folder_with(tmp_path, *files)

    assert is_audiocraft(tmp_path) == audiocraft
    assert needs_conversion(tmp_path) == convert


def test_a_missing_folder_needs_no_conversion(tmp_path: Path) -> None:
    assert not is_audiocraft(tmp_path / "none")
    assert not needs_conversion(tmp_path / "none")


def test_settings_are_found_by_dotted_paths() -> None:
    settings = parse_settings("a:\n  b: 3\n  c: null\nd: [x, y]\n")

    assert settings.get("a.b") == 3
    assert settings.get("a.c", 7) == 7
    assert settings.get("a.none.deeper", 8) == 8
    assert settings.get("d.x", 9) == 9
    assert settings.section("a") == {"b": 3, "c": None}
    assert settings.section("none") == {}
    assert settings.names("d") == ["x", "y"]
    assert settings.names("none") == []


def test_a_reference_stands_for_the_value_it_names() -> None:
    settings = parse_settings("rate: 32000\na: ${b.c}\nb:\n  c: ${rate}\n")

    assert settings.get("a") == 32_000


@pytest.mark.parametrize(
    "text", ["a: ${a}", "a: ${oc.env:HOME}", "a: ${b}${c}", "a: ${b}\nb: ${a}"]
)
def test_a_reference_that_leads_nowhere_is_refused(text: str) -> None:
    with pytest.raises(ModelError, match=r"xp\.cfg: a refers to"):
        parse_settings(text).get("a")


def test_a_reference_to_nothing_is_as_if_absent() -> None:
    assert parse_settings("a: ${none}").get("a", 5) == 5


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        (None, "it has no xp.cfg"),
        ({"a": 1}, "its xp.cfg is a dict, not text"),
        ("a: " + "x" * MAX_SETTINGS_BYTES, "too long"),
        ("- a\n- b\n", "not a mapping"),
        ("", "not a mapping"),
        ("a: [1, 2", "not plain YAML"),
        ("a: \x00", "not plain YAML"),
        ("a: " + "[" * 100_000, "not usable"),
        ("a: " + "9" * 5_000, "not usable"),
        ("a: 2020-13-45", "not usable"),
        ("a: !!python/object/apply:os.system ['true']", "not plain YAML"),
        ("a: !!python/name:os.system", "not plain YAML"),
        ("a: &x [1]\nb: *x\n", "aliases are not allowed"),
    ],
)
def test_settings_that_are_not_plain_are_refused(text: object, cause: str) -> None:
    with pytest.raises(ModelError, match=cause) as caught:
        parse_settings(text)

    assert "\n" not in caught.value.user_message


def test_aliases_cannot_blow_a_short_text_up() -> None:
    levels = ["l0: &l0 {k0: 0, k1: 1, k2: 2}"]
    levels += [f"l{n}: &l{n} {{<<: [*l{n - 1}, *l{n - 1}, *l{n - 1}]}}" for n in range(1, 30)]

    with pytest.raises(ModelError, match="aliases"):
        parse_settings("\n".join(levels))


def test_code_in_settings_does_not_run(tmp_path: Path) -> None:
    trace = tmp_path / "ran"
    text = f"a: !!python/object/apply:os.mkdir [{str(trace)!r}]"

    with pytest.raises(ModelError):
        parse_settings(text)

    assert not trace.exists()
    assert isinstance(yaml.unsafe_load(text), dict)
    assert trace.exists()


@pytest.mark.parametrize("name", ["t5-base", "facebook/encodec_32khz", "dac_44khz", "a.b/c.d"])
def test_a_published_name_is_taken(name: str) -> None:
    assert require_model_name(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "../../x",
        "..",
        "a/../b",
        "a/b/c",
        "/etc/passwd",
        "C:\\x",
        "https://example.org/x.bin",
        "",
        "a" * 101,
        "a..b/c",
        "a\nb",
        7,
        None,
    ],
)
def test_a_pointer_out_of_the_published_names_is_refused(name: object) -> None:
    with pytest.raises(ModelError, match="not the name of a published model"):
        require_model_name(name)
