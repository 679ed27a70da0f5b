"""What stands beside every figure: the machine, and how busy it was.

Owns the reading of those facts from the system. It measures nothing of ours.
"""

from __future__ import annotations

import os
import platform
import time
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from studio.generation.engine_child import physical_cores

_BUSY_LOAD = 0.3
_BUSY_SHARE = 0.1


@dataclass(frozen=True, kw_only=True)
class Machine:
    """The facts about this machine.

    Attributes:
        processor: Its name, as it gives it.
        cores: Physical cores that this process may use.
        logical_cores: Hyper-threads counted each.
        threads: Processor threads that a large model takes if nobody says otherwise.
        instructions: Those of the processor that the kernels' speed depends on.
        memory_bytes: Installed; None where the system does not say.
        system: Operating system.
        python: Version.
        packages: Versions of what computes.
        load_average: Of the last minute, before the run; None where the system has none.
        accelerator: What computes instead of the processor; None for nothing.
    """

    processor: str
    cores: int
    logical_cores: int
    threads: int
    instructions: str
    memory_bytes: int | None
    system: str
    python: str
    packages: dict[str, str]
    load_average: float | None
    accelerator: str | None = None


def read_machine(device: str = "cpu") -> Machine:
    """The facts, now; `device` is what will compute, as torch calls it."""
    from studio.models.native_backend.gang import processors
    from studio.models.native_backend.precision import processor_name

    return Machine(
        processor=_processor(),
        cores=physical_cores(),
        logical_cores=os.cpu_count() or 1,
        threads=processors(),
        instructions=processor_name(),
        memory_bytes=_memory("MemTotal"),
        system=platform.platform(),
        python=platform.python_version(),
        packages=_versions("numba", "torch", "mlx", "transformers", "numpy"),
        load_average=os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        accelerator=_accelerator(device),
    )


def available_memory_bytes() -> int | None:
    """Memory that can be had without pushing others out; None where the system does not say."""
    return _memory("MemAvailable")


class OtherWork:
    """How much of the processors other programs take while something runs."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._busy = _busy_seconds()
        self._own = _own_seconds()

    def share(self) -> float | None:
        """Part of all cores' time since the beginning, 0 to 1; None where nobody counts it."""
        busy = _busy_seconds()
        if busy is None or self._busy is None:
            return None
        others = busy - self._busy - (_own_seconds() - self._own)
        whole = (time.monotonic() - self._started) * (os.cpu_count() or 1)
        return min(1.0, max(0.0, others / whole)) if whole else 0.0


def busy_warnings(machine: Machine, share: float | None) -> list[str]:
    """Reasons to trust ratios only, one line each."""
    warnings = []
    load = machine.load_average
    if load is not None and load > _BUSY_LOAD * machine.logical_cores:
        warnings.append(
            f"The machine was busy before the run (load average {load:.2f} on"
            f" {machine.logical_cores} cores): trust the ratios, not the absolute figures."
        )
    if share is not None and share > _BUSY_SHARE:
        warnings.append(
            f"Other programs took {share:.0%} of the processors during the run: trust the ratios,"
            " not the absolute figures."
        )
    return warnings


def _accelerator(device: str) -> str | None:
    if device == "cpu":
        return None
    import torch

    return torch.cuda.get_device_name(device) if device.startswith("cuda") else device


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _memory(field: str) -> int | None:
    try:
        for line in Path("/proc/meminfo").read_text(encoding="utf-8").splitlines():
            if line.startswith(f"{field}:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return None


def _versions(*packages: str) -> dict[str, str]:
    found = {}
    for package in packages:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def _busy_seconds() -> float | None:
    """Processor seconds that all programs together have worked since the start of the system."""
    try:
        first = Path("/proc/stat").read_text(encoding="utf-8").splitlines()[0].split()
    except OSError:
        return None
    user, nice, system, _idle, _waiting, irq, soft = (int(field) for field in first[1:8])
    return (user + nice + system + irq + soft) / os.sysconf("SC_CLK_TCK")


def _own_seconds() -> float:
    """Processor seconds of this process and of the children that have ended."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system
