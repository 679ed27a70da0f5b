from __future__ import annotations

import ast
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

needs_posix = pytest.mark.skipif(os.name != "posix", reason="the stand-in Python is a shell script")


@pytest.fixture
def dev(repository: Path, tmp_path: Path) -> ModuleType:
    """`packaging/dev.py`, in a checkout that holds nothing else."""
    return load(make_checkout(repository, tmp_path / "checkout"))


def make_checkout(repository: Path, root: Path) -> Path:
    (root / "packaging").mkdir(parents=True)
    shutil.copy(repository / "packaging" / "dev.py", root / "packaging")
    (root / "pyproject.toml").write_text("[project]\n")
    return root / "packaging" / "dev.py"


def load(script: Path) -> ModuleType:
    specification = importlib.util.spec_from_file_location("dev_under_test", script)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def put_stand_in(dev: ModuleType, script: str) -> None:
    """A `.venv` that is ready for everything, whose Python is a shell script."""
    python = dev.ROOT / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f"#!/bin/sh\n{script}\n")
    python.chmod(0o755)
    parts = {f"{part} for {use}" for part in ("system", "python") for use in ("run", "test")}
    dev.write_stamp(dev.ROOT / ".venv", dev.installation_key(dev.ROOT), parts)


def start(dev: ModuleType, *arguments: str, folder: Path | None = None) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(dev.ROOT / "packaging" / "dev.py"), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
    )


@needs_posix
def test_run_hands_arguments_folder_signals_and_exit_status_to_the_program(
    dev: ModuleType, tmp_path: Path
) -> None:
    put_stand_in(dev, 'echo $$; pwd; for a; do echo "[$a]"; done; exit 7')
    with start(dev, "run", "generate", "--prompt", "two words", folder=tmp_path) as process:
        out, err = process.communicate()
    lines = out.splitlines()
    assert lines[:2] == [str(process.pid), str(tmp_path)]
    assert lines[2:] == ["[-P]", "[-m]", "[studio]", "[generate]", "[--prompt]", "[two words]"]
    assert process.returncode == 7
    assert err == ""


@needs_posix
def test_test_runs_pytest_in_the_checkout_without_the_slow_tests(
    dev: ModuleType, tmp_path: Path
) -> None:
    put_stand_in(dev, 'pwd; echo "$@"')
    with start(dev, "test", "tests/core", folder=tmp_path) as process:
        out, _ = process.communicate()
    assert out.splitlines() == [str(dev.ROOT), "-m pytest -m not slow tests/core"]


@needs_posix
@pytest.mark.parametrize(
    ("fails", "status", "last"),
    [("nothing", 0, "-m not slow"), ("end_to_end", 1, "--- failed: tests of screen and sound")],
)
def test_all_tests_run_alone_or_shared_out(
    dev: ModuleType, fails: str, status: int, last: str
) -> None:
    put_stand_in(dev, f'echo "$@"; case "$*" in *"pytest tests/{fails}"*) exit 1;; esac')
    with start(dev, "test") as process:
        out, _ = process.communicate()
    assert process.returncode == status
    runs = [line for line in out.splitlines() if not line.startswith("---")]
    assert runs[0] == "-m pytest tests/end_to_end tests/playback -m not slow"
    assert runs[1].startswith("-m pytest --ignore=tests/end_to_end --ignore=tests/playback")
    assert last in out.splitlines()[-1]


@pytest.mark.parametrize(("processors", "shared"), [(1, []), (2, ["-n", "2"]), (16, ["-n", "4"])])
def test_tests_are_shared_out_among_a_few_processes(
    dev: ModuleType, monkeypatch: pytest.MonkeyPatch, processors: int, shared: list[str]
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: processors)
    (_, alone), (_, others) = dev.test_steps(Path("python"))
    assert "-n" not in alone
    assert others[5:7] == shared


@needs_posix
def test_check_runs_every_step_and_names_the_failed_ones(dev: ModuleType) -> None:
    put_stand_in(dev, 'echo "$@"; case "$*" in *mypy*) exit 1;; esac')
    shutil.copy(dev.ROOT / ".venv" / "bin" / "python", dev.ROOT / ".venv" / "bin" / "lint-imports")
    with start(dev, "check") as process:
        out, _ = process.communicate()
    assert process.returncode == 1
    assert out.splitlines()[-1] == "--- failed: types"
    for step in ("ruff check .", "ruff format --check .", "--no-logo", "-m mypy", "-m pytest"):
        assert step in out


def test_without_a_verb_the_usage_is_the_error(
    dev: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    assert dev.main([]) == 2
    assert dev.main(["fly"]) == 2
    assert capsys.readouterr().out == ""
    assert dev.main(["--help"]) == 0
    assert "run [arguments of studio]" in capsys.readouterr().out


@needs_posix
def test_a_ready_environment_is_not_touched(
    dev: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_stand_in(dev, "exit 0")

    def never(*arguments: object, **options: object) -> None:
        raise AssertionError("nothing may be started")

    monkeypatch.setattr(dev.subprocess, "run", never)
    monkeypatch.setattr(dev.subprocess, "Popen", never)
    assert dev.prepare(for_tests=True) == dev.ROOT / ".venv" / "bin" / "python"


def test_a_changed_project_file_or_a_broken_stamp_asks_for_an_installation(
    dev: ModuleType,
) -> None:
    environment = dev.ROOT / ".venv"
    environment.mkdir()
    assert dev.read_stamp(environment, "key") == set()
    key = dev.installation_key(dev.ROOT)
    dev.write_stamp(environment, key, {"python for run"})
    assert dev.read_stamp(environment, key) == {"python for run"}
    (dev.ROOT / "pyproject.toml").write_text("[project]\nname = 'changed'\n")
    assert dev.read_stamp(environment, dev.installation_key(dev.ROOT)) == set()
    for broken in ("", "[]", "{}", '{"key": 1}'):
        (environment / "seedcrate-ready.json").write_text(broken)
        assert dev.read_stamp(environment, key) == set()


def test_an_old_python_without_a_newer_one_is_a_one_line_error(
    dev: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 9, 2))
    monkeypatch.setattr(dev.shutil, "which", lambda name: None)
    assert dev.main(["run"]) == 1
    assert capsys.readouterr().err == (
        "dev.py: Seedcrate needs Python 3.11 or newer, this is 3.9; install one.\n"
    )


def test_names_that_a_package_provides_count_as_installed(
    dev: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    listing = (
        "installed|libglib2.0-0t64, libglib2.0-0 (= 2.80.0), libgio:any\n"
        "config-files|xdotool, \n"
        "installed|libportaudio2, \n"
    )
    monkeypatch.setattr(dev, "output_of", lambda command: listing)
    installed = dev.installed_debian_packages()
    assert {"libglib2.0-0t64", "libglib2.0-0", "libgio", "libportaudio2"} <= installed
    assert "xdotool" not in installed


def test_without_root_the_one_line_to_run_is_printed(
    dev: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(dev.shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(dev.os, "geteuid", lambda: 1000, raising=False)
    monkeypatch.setattr(dev, "installed_debian_packages", lambda: {"libgl1"})
    assert not dev.install_system_packages(["libgl1", "libportaudio2", "xvfb"])
    lines = capsys.readouterr().err.splitlines()
    assert lines[-1].strip() == "sudo apt-get install -y libportaudio2 xvfb"


def test_as_root_missing_packages_are_installed_after_an_update_of_the_lists(
    dev: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(dev.shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(dev.os, "geteuid", lambda: 0, raising=False)
    monkeypatch.setattr(dev, "installed_debian_packages", set)
    started: list[list[str]] = []

    def run(command: list[str], environment: dict[str, str]) -> int:
        started.append(command)
        assert environment["DEBIAN_FRONTEND"] == "noninteractive"
        return 100 if len(started) == 1 else 0

    monkeypatch.setattr(dev, "run_quietly", run)
    assert dev.install_system_packages(["libportaudio2"])
    assert [command[1] for command in started] == ["install", "update", "install"]
    assert started[0][-1] == "libportaudio2"


@pytest.mark.parametrize(
    ("output", "message"),
    [
        (
            "WARNING: Retrying: NewConnectionError('<pip...>: Failed to establish')\n"
            "ERROR: No matching distribution found for numpy\n",
            "The package server cannot be reached",
        ),
        ("ERROR: Could not install: [Errno 28] No space left on device\n", "The disk is full"),
        ("ERROR: first\nERROR: No matching distribution found for x\n", "found for x"),
        ("error: metadata-generation-failed\n", "(metadata-generation-failed)"),
        ("", "pip stopped without a reason"),
    ],
)
def test_what_stopped_pip_is_told_in_one_line(
    dev: ModuleType, tmp_path: Path, output: str, message: str
) -> None:
    log = tmp_path / "install.log"
    log.write_text(output)
    assert message in dev.explain_failure(log)
    assert "\n" not in dev.explain_failure(log)


def test_a_python_without_ensurepip_gets_it_or_says_what_is_missing(
    dev: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[str]] = []

    def refuse(names: list[str]) -> bool:
        asked.append(names)
        return False

    monkeypatch.setattr(dev.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(dev, "install_system_packages", refuse)
    environment = dev.ROOT / ".venv"
    package = "python{}.{}-venv".format(*sys.version_info[:2])
    with pytest.raises(dev.SetupError, match=package):
        dev.make_environment(environment, environment / "bin" / "python")
    assert asked == [[package]]
    assert not environment.exists()


def test_the_cpu_build_is_tried_where_it_may_be_found_and_given_up_with_a_word(
    dev: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[list[str]] = []

    def pip(python: Path, log: Path, what: list[str]) -> int:
        asked.append(what)
        log.touch()
        return int(dev.CPU_TORCH in what)

    monkeypatch.setattr(dev, "pip_install", pip)
    monkeypatch.setattr(dev, "wants_cpu_torch", lambda: True)
    environment = dev.ROOT / ".venv"
    environment.mkdir()
    dev.install_python_packages(environment, Path("python"), for_tests=True)
    assert asked == [
        [dev.CPU_TORCH],
        [dev.CPU_TORCH, "--extra-index-url", dev.CPU_TORCH_INDEX],
        ["--editable", f"{dev.ROOT}[dev]"],
    ]
    assert "taking the ordinary one" in capsys.readouterr().err


def test_the_script_is_read_by_an_old_python_and_needs_only_the_standard_library(
    repository: Path,
) -> None:
    source = (repository / "packaging" / "dev.py").read_text(encoding="utf-8")
    tree = ast.parse(source, feature_version=(3, 8))
    imported = {
        name.split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for name in (
            [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else [alias.name for alias in node.names]
        )
    }
    assert imported <= set(sys.stdlib_module_names)


def test_the_folder_does_not_shadow_the_library_of_its_name(repository: Path) -> None:
    assert not (repository / "packaging" / "__init__.py").exists()


def test_ci_runs_the_command_of_the_readme(repository: Path) -> None:
    command = "python3 packaging/dev.py test"
    assert command in (repository / "README.md").read_text(encoding="utf-8")
    assert command in (repository / ".ci" / "run").read_text(encoding="utf-8").splitlines()[-2]
    assert os.access(repository / ".ci" / "run", os.X_OK)
