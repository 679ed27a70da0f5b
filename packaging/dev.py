"""Prepare this checkout and run it: `python3 packaging/dev.py run | test | lint | check`.

Owns the virtual environment `.venv` beside `pyproject.toml` and what has to be installed in it
and around it. Standard library only, and nothing of the product is imported: this file runs
before anything is installed.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import json
import os
import shlex
import shutil
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OLDEST_PYTHON = (3, 11)

# PyPI's torch for Linux carries gigabytes of CUDA; this build is for machines without a GPU.
CPU_TORCH = "torch==2.13.0+cpu"
CPU_TORCH_INDEX = "https://download.pytorch.org/whl/cpu"

# Debian's names. Qt's wheels link against the X libraries, sounddevice loads PortAudio.
SYSTEM_PACKAGES = [
    "libportaudio2",
    "libasound2-plugins",
    "libdbus-1-3",
    "libegl1",
    "libgl1",
    "libglib2.0-0",
    "libfontconfig1",
    "fontconfig",
    "fonts-dejavu-core",
    "libx11-xcb1",
    "libxcb-cursor0",
    "libxcb-icccm4",
    "libxcb-image0",
    "libxcb-keysyms1",
    "libxcb-randr0",
    "libxcb-render-util0",
    "libxcb-shape0",
    "libxcb-xkb1",
    "libxkbcommon-x11-0",
]
# The end-to-end tests bring their own screen, window manager, hand and sound card.
TEST_SYSTEM_PACKAGES = [
    "xvfb",
    "openbox",
    "xdotool",
    "x11-utils",
    "pulseaudio",
    "pulseaudio-utils",
    "imagemagick",
]
# Tests that need the screen or the sound card to themselves, and processor time when it is due.
TESTS_APART = ["tests/end_to_end", "tests/playback"]
MOST_TEST_PROCESSES = 4
NETWORK_SIGNS = ("NewConnectionError", "NameResolutionError", "ConnectTimeout", "Max retries")

USAGE = """\
usage: python3 packaging/dev.py VERB [arguments]

  run [arguments of studio]    start Seedcrate; no arguments open the window
  test [arguments of pytest]   the tests, without the slow ones
  lint                         style, types and import contracts
  check                        lint, and all tests with the slow ones

The first use installs what is missing into .venv; later ones start at once."""


class SetupError(Exception):
    """Something that keeps the environment from being made, in one line."""


def main(arguments: list[str]) -> int:
    """Carry out one verb and return the exit status."""
    verb, rest = (arguments[0], arguments[1:]) if arguments else ("", [])
    if verb not in {"run", "test", "lint", "check"}:
        asked = verb in {"-h", "--help", "help"}
        print(USAGE, file=sys.stdout if asked else sys.stderr)
        return 0 if asked else 2
    try:
        require_python()
        python = prepare(for_tests=verb != "run")
        if verb == "run":
            return become([str(python), "-P", "-m", "studio", *rest])
        if verb == "test":
            chosen = ["-m", "not slow"]
            if rest:
                return become([str(python), "-m", "pytest", *chosen, *rest], ROOT)
            return run_tests(python, chosen)
        return run_steps(check_steps(python, with_tests=verb == "check"))
    except SetupError as error:
        print(f"dev.py: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("dev.py: interrupted; the same command goes on from here.", file=sys.stderr)
        return 130


def check_steps(python: Path, *, with_tests: bool) -> list[tuple[str, list[str]]]:
    """Name and command of every check, cheapest first."""
    steps: list[tuple[str, list[str]]] = [
        ("style", [str(python), "-m", "ruff", "check", "."]),
        ("format", [str(python), "-m", "ruff", "format", "--check", "."]),
        ("imports", [str(python.with_name("lint-imports")), "--no-logo", "--no-cache"]),
        ("types", [str(python), "-m", "mypy"]),
    ]
    if with_tests:
        steps += test_steps(python)
    return steps


def test_steps(python: Path) -> list[tuple[str, list[str]]]:
    """All tests in two runs: those that must be alone, then the others, shared out."""
    pytest = [str(python), "-m", "pytest"]
    processes = min(MOST_TEST_PROCESSES, os.cpu_count() or 1)
    shared_out = ["-n", str(processes), "--dist", "worksteal"] if processes > 1 else []
    others = [f"--ignore={folder}" for folder in TESTS_APART]
    return [
        ("tests of screen and sound", [*pytest, *TESTS_APART]),
        ("other tests", [*pytest, *others, *shared_out]),
    ]


def run_tests(python: Path, chosen: list[str]) -> int:
    """Run all tests; pytest's closing line is the last one, unless the first run failed."""
    failed = []
    for name, command in test_steps(python):
        print(f"--- {name}", flush=True)
        if subprocess.call([*command, *chosen], cwd=ROOT):
            failed.append(name)
    if failed:
        print("--- failed: " + ", ".join(failed), flush=True)
    return 1 if failed else 0


def run_steps(steps: list[tuple[str, list[str]]]) -> int:
    """Run every step, even after one that failed, and name those that did."""
    failed = []
    for name, command in steps:
        print(f"--- {name}", flush=True)
        if subprocess.call(command, cwd=ROOT):
            failed.append(name)
    print("--- failed: " + ", ".join(failed) if failed else "--- all checks passed", flush=True)
    return 1 if failed else 0


def become(command: list[str], folder: Path | None = None) -> int:
    """Hand this process over to `command`, so that signals and exit status are its own."""
    if folder is not None:
        os.chdir(folder)
    sys.stdout.flush()
    sys.stderr.flush()
    if os.name == "posix":
        os.execv(command[0], command)
    child = subprocess.Popen(command)
    while True:
        try:
            return child.wait()
        except KeyboardInterrupt:
            continue  # the console sent Ctrl+C to the child as well; it decides


def require_python() -> None:
    """Go on in a newer Python of this machine when this one is too old.

    Raises:
        SetupError: There is none.
    """
    if sys.version_info >= OLDEST_PYTHON:
        return
    for name in ("python3.13", "python3.12", "python3.11", "python3.14"):
        newer = shutil.which(name)
        if newer:
            raise SystemExit(become([newer, str(Path(__file__).resolve()), *sys.argv[1:]]))
    wanted = ".".join(map(str, OLDEST_PYTHON))
    found = ".".join(map(str, sys.version_info[:2]))
    raise SetupError(f"Seedcrate needs Python {wanted} or newer, this is {found}; install one.")


def prepare(*, for_tests: bool) -> Path:
    """Install what is missing and return the environment's Python.

    A stamp in `.venv` remembers for which project file, Python and place everything was
    installed, so that nothing is asked of pip or apt while it still holds.

    Raises:
        SetupError: Something cannot be installed.
    """
    environment = ROOT / ".venv"
    python = environment / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    key = installation_key(ROOT)
    done = read_stamp(environment, key) if python.exists() else set()
    purposes = {"run", "test"} if for_tests else {"run"}
    system_parts = {f"system for {purpose}" for purpose in purposes}
    python_parts = {f"python for {purpose}" for purpose in purposes}
    now = set(done)
    if not system_parts <= done:
        names = SYSTEM_PACKAGES + (TEST_SYSTEM_PACKAGES if for_tests else [])
        if install_system_packages(names):
            now |= system_parts
    if not python_parts <= done:
        make_environment(environment, python)
        install_python_packages(environment, python, for_tests=for_tests)
        now |= python_parts
    if now != done:
        write_stamp(environment, key, now)
    return python


def installation_key(root: Path) -> str:
    """A digest of everything that decides what must be installed."""
    digest = hashlib.sha256()
    for part in (
        (root / "pyproject.toml").read_bytes(),
        Path(__file__).read_bytes(),
        sys.version.encode(),
        str(root).encode(),
    ):
        digest.update(hashlib.sha256(part).digest())
    return digest.hexdigest()


def read_stamp(environment: Path, key: str) -> set[str]:
    """What is installed for `environment`; nothing when it was made for another key."""
    try:
        stamp = json.loads((environment / "seedcrate-ready.json").read_text(encoding="utf-8"))
        return set(stamp["done"]) if stamp["key"] == key else set()
    except (OSError, ValueError, KeyError, TypeError):
        return set()


def write_stamp(environment: Path, key: str, done: set[str]) -> None:
    """Remember what is installed."""
    text = json.dumps({"key": key, "done": sorted(done)})
    (environment / "seedcrate-ready.json").write_text(text, encoding="utf-8")


def install_system_packages(names: list[str]) -> bool:
    """Install missing Debian packages as root; otherwise print the one line that does.

    Returns:
        Whether nothing is missing any more, as far as this program can know.
    """
    if not sys.platform.startswith("linux"):
        return True
    if not (shutil.which("apt-get") and shutil.which("dpkg-query")):
        if not shutil.which("ldconfig") or "libportaudio" not in output_of(["ldconfig", "-p"]):
            say("Sound needs the system's PortAudio library, the window the X libraries of Qt 6.")
        return True
    installed = installed_debian_packages()
    missing = [name for name in names if name not in installed]
    if not missing:
        return True
    if os.geteuid() != 0:
        say("Missing system packages; for sound and window run this once:")
        say("  sudo apt-get install -y " + " ".join(missing))
        return False
    say(f"Installing {len(missing)} system packages: {' '.join(missing)}")
    command = ["apt-get", "install", "-y", "-q", "--no-install-recommends", *missing]
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    if run_quietly(command, environment):
        run_quietly(["apt-get", "update", "-q"], environment)
        if run_quietly(command, environment):
            say(f"apt-get could not install them; see what `{shlex.join(command)}` says.")
            return False
    return True


def installed_debian_packages() -> set[str]:
    """Names of all installed packages and of what they provide."""
    names: set[str] = set()
    listing = output_of(["dpkg-query", "-W", "-f", "${db:Status-Status}|${Package}, ${Provides}\n"])
    for line in listing.splitlines():
        status, _, provided = line.partition("|")
        if status == "installed":
            names.update(item.split("(")[0].split(":")[0].strip() for item in provided.split(","))
    return names


def make_environment(environment: Path, python: Path) -> None:
    """Create the virtual environment, anew when its Python is gone or another version.

    Raises:
        SetupError: Python lacks `ensurepip`, or the folder cannot be written.
    """
    version = "{}.{}".format(*sys.version_info[:2])
    if python.exists():
        question = "import sys; print('{}.{}'.format(*sys.version_info[:2]))"
        if output_of([str(python), "-c", question]).strip() == version and not run_quietly(
            [str(python), "-m", "pip", "--version"]
        ):
            return
    if importlib.util.find_spec("ensurepip") is None:  # Debian keeps it in a package of its own
        package = f"python{version}-venv"
        installed = install_system_packages([package])
        importlib.invalidate_caches()
        if not installed or importlib.util.find_spec("ensurepip") is None:
            raise SetupError(f"This Python cannot make environments; install {package}.")
    say(f"Making {environment} with Python {version}")
    try:
        venv.create(environment, clear=True, with_pip=True, symlinks=os.name != "nt")
    except subprocess.CalledProcessError as error:
        raise SetupError(f"Cannot install pip into {environment}: {error}.") from error
    except OSError as error:
        raise SetupError(f"Cannot make {environment}: {error.strerror or error}.") from error


def install_python_packages(environment: Path, python: Path, *, for_tests: bool) -> None:
    """Install the product, editable, with its dependencies.

    Raises:
        SetupError: pip failed; the whole output is in `.venv/install.log`.
    """
    log = environment / "install.log"
    log.unlink(missing_ok=True)
    say("Installing Python packages (several hundred megabytes the first time)")
    if wants_cpu_torch():
        cpu = pip_install(python, log, [CPU_TORCH])
        if cpu and not lacks_network(log):
            cpu = pip_install(python, log, [CPU_TORCH, "--extra-index-url", CPU_TORCH_INDEX])
        if cpu and not lacks_network(log):
            say("No CPU build of torch was found; taking the ordinary one.")
    project = f"{ROOT}[dev]" if for_tests else str(ROOT)
    if pip_install(python, log, ["--editable", project]):
        raise SetupError(explain_failure(log))


def wants_cpu_torch() -> bool:
    """Whether this is Linux without an NVIDIA driver."""
    nvidia = Path("/proc/driver/nvidia/version").exists() or shutil.which("nvidia-smi")
    return sys.platform.startswith("linux") and not nvidia


def pip_install(python: Path, log: Path, what: list[str]) -> int:
    """Run `pip install`, telling each download; everything else goes to `log`."""
    command = [str(python), "-m", "pip", "install", "--progress-bar", "off", "--retries", "2"]
    with log.open("a", encoding="utf-8") as file:
        process = subprocess.Popen(
            [*command, "--disable-pip-version-check", *what],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
        )
        try:
            for line in process.stdout or ():
                file.write(line)
                if line.strip().startswith("Downloading "):
                    say("  " + line.strip().rsplit("/", 1)[-1])
                elif line.startswith("Installing collected"):
                    say("  unpacking")
            return process.wait()
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait()


def lacks_network(log: Path) -> bool:
    """Whether pip's output shows that no package server could be reached."""
    text = log.read_text(encoding="utf-8", errors="replace")
    return any(sign in text for sign in NETWORK_SIGNS)


def explain_failure(log: Path) -> str:
    """One line for what stopped pip."""
    if lacks_network(log):
        return "The package server cannot be reached; connect this machine once and run it again."
    text = log.read_text(encoding="utf-8", errors="replace")
    if "No space left on device" in text:
        return f"The disk is full; free about 2 GB in {ROOT} and run it again."
    errors = [line for line in text.splitlines() if line.lower().startswith("error:")]
    reason = errors[-1][len("error:") :].strip() if errors else "pip stopped without a reason"
    return f"Cannot install the Python packages ({reason}); all of it is in {log}."


def output_of(command: list[str]) -> str:
    """What `command` prints; nothing when it fails."""
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout
    except OSError:
        return ""


def run_quietly(command: list[str], environment: dict[str, str] | None = None) -> int:
    """The exit status of `command`, whose output is dropped."""
    try:
        return subprocess.run(command, capture_output=True, check=False, env=environment).returncode
    except OSError:
        return 127


def say(text: str) -> None:
    """Tell the person; stdout belongs to what is run."""
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
