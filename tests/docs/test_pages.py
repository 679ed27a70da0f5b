"""The documentation says what the code is."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest

from studio.core import errors
from studio.core.errors import StudioError
from studio.core.settings import Settings

LINK = re.compile(r"\[[^\]]*\]\(([^)#\s]+)(#[^)\s]*)?\)")
IMPORT_NAMES = {"PySide6-Essentials": "PySide6", "pyyaml": "yaml"}


def project(repository: Path) -> dict[str, object]:
    text = (repository / "pyproject.toml").read_text(encoding="utf-8")
    return dict(tomllib.loads(text)["project"])


def dependencies(repository: Path) -> list[str]:
    """Of the product and of its extras, those of its makers aside."""
    stated = project(repository)
    declared, extras = stated["dependencies"], stated["optional-dependencies"]
    assert isinstance(declared, list)
    assert isinstance(extras, dict)
    chosen = [name for extra, names in extras.items() if extra != "dev" for name in names]
    return sorted({re.split(r"[<>=!~; \[]", name)[0] for name in [*declared, *chosen]})


def page(repository: Path, name: str) -> str:
    return (repository / "docs" / name).read_text(encoding="utf-8")


def test_the_readme_gives_a_reason_for_every_dependency(repository: Path) -> None:
    readme = (repository / "README.md").read_text(encoding="utf-8")
    table = dict(re.findall(r"^\| ([\w-]+) \| (.+) \|$", readme, flags=re.MULTILINE))
    del table["package"]
    assert sorted(table) == sorted(dependencies(repository))
    assert all(len(reason) > 10 for reason in table.values())


def test_every_dependency_is_imported(repository: Path) -> None:
    imported = {name for path in (repository / "studio").rglob("*.py") for name in imports(path)}
    unused = [
        name for name in dependencies(repository) if IMPORT_NAMES.get(name, name) not in imported
    ]
    assert unused == []


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module.split(".")[0]


def test_every_setting_is_described_with_its_default(repository: Path) -> None:
    text = page(repository, "settings.md")
    for field in fields(Settings):
        default = {"": "empty", True: "true", False: "false"}.get(field.default, field.default)
        row = re.search(rf"^\| `{field.name}` \| ([^|]+) \| [^|]+ \|$", text, flags=re.MULTILINE)
        assert row, field.name
        assert row[1].strip().strip("`") == str(default)


def test_every_error_is_listed_with_its_exit_status(repository: Path) -> None:
    text = page(repository, "command-line.md")
    tree = [StudioError, *every_subclass(StudioError)]
    assert {error.__name__ for error in tree} <= set(dir(errors))
    for error in tree:
        row = re.search(rf"^\| `{error.__name__}` \| (\d+) \| .+ \|$", text, flags=re.MULTILINE)
        assert row, error.__name__
        assert int(row[1]) == error.exit_status


def every_subclass(kind: type[StudioError]) -> Iterator[type[StudioError]]:
    for subclass in kind.__subclasses__():
        if subclass.__module__ == errors.__name__:
            yield subclass
            yield from every_subclass(subclass)


def test_the_architecture_page_names_every_package_and_module(repository: Path) -> None:
    text = page(repository, "architecture.md")
    for path in (repository / "studio").rglob("*.py"):
        if path.name == "__init__.py":
            assert f"{path.parent.name}/" in text, path
        else:
            assert path.name in text, path


def test_the_architecture_page_names_nothing_that_is_not_there(repository: Path) -> None:
    text = page(repository, "architecture.md")
    files = {path.name for path in (repository / "studio").rglob("*.py")}
    (tree,) = re.findall(r"^```\n(studio/\n.+?)^```", text, flags=re.MULTILINE | re.DOTALL)
    assert set(re.findall(r"\b\w+\.py\b", tree)) - files == set()


def test_links_lead_somewhere(repository: Path) -> None:
    pages = [repository / "README.md", *(repository / "docs").rglob("*.md")]
    broken = [
        f"{path.relative_to(repository)}: {target}"
        for path in pages
        for target, _ in LINK.findall(path.read_text(encoding="utf-8"))
        if not target.startswith(("https://", "http://")) and not (path.parent / target).exists()
    ]
    assert broken == []


def test_every_decision_is_in_the_list_and_numbered_once(repository: Path) -> None:
    folder = repository / "docs" / "decisions"
    pages = sorted(path.name for path in folder.glob("[0-9]*.md"))
    listed = re.findall(r"\((\d{4}-[\w-]+\.md)\)", page(repository, "decisions/README.md"))
    assert listed == pages
    assert [name[:4] for name in pages] == [f"{n:04}" for n in range(1, len(pages) + 1)]


@pytest.mark.parametrize("heading", ["## Reason", "## Price"])
def test_every_decision_has_a_reason_and_a_price(repository: Path, heading: str) -> None:
    pages = list((repository / "docs" / "decisions").glob("[0-9]*.md"))
    assert pages
    assert [path.name for path in pages if heading not in path.read_text(encoding="utf-8")] == []
