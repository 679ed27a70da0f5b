"""Kernels of our own for a CUDA device, compiled where they run.

Owns the compiling and the launching, by the C interfaces of NVRTC, which torch brings along, and of
the driver. No compiler needs to be installed. What the kernels compute is in `step_kernels.cu`, and
`fused_step` knows how they follow each other.
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor

SOURCE = Path(__file__).with_suffix(".cu")
THREADS = 128


class Launch(Protocol):
    """Asks for a kernel by its name on the current stream."""

    def __call__(self, name: str, grid: tuple[int, int], arguments: Sequence[Tensor | int]) -> None:
        """Run blocks of `THREADS` threads in a grid of this width and height."""
        ...


class Kernels(Protocol):
    """What compiles kernels for a device."""

    def build(self, source: str, names: Sequence[str], macros: Mapping[str, int]) -> Launch:
        """Compile.

        Args:
            source: In CUDA C++.
            names: The kernels in it, declared `extern "C"`.
            macros: Numbers that the source is compiled with.

        Raises:
            OSError: There is nothing here that compiles.
            RuntimeError: It does not compile.
        """
        ...


class CudaKernels:
    """Compiles for a CUDA device; see `Kernels`."""

    def __init__(self, device: torch.device) -> None:
        self._device = device

    def build(self, source: str, names: Sequence[str], macros: Mapping[str, int]) -> Launch:
        """See `Kernels.build`."""
        major, minor = torch.cuda.get_device_capability(self._device)
        options = [f"--gpu-architecture=sm_{major}{minor}", "-std=c++17"]
        options += [f"-D{name}={value}" for name, value in macros.items()]
        return _Module(compile_cuda(source, options), names, self._device)


class _Module:
    """Loaded kernels; see `Launch`."""

    def __init__(self, binary: bytes, names: Sequence[str], device: torch.device) -> None:
        self._device = device
        self._driver = ctypes.CDLL("nvcuda.dll" if _is_windows() else "libcuda.so.1")
        # The driver loads into the device's context, which torch has made by now.
        torch.zeros(1, device=device)
        module = ctypes.c_void_p()
        self._ask("cuModuleLoadData", ctypes.byref(module), binary)
        self._functions: dict[str, ctypes.c_void_p] = {}
        for name in names:
            function = ctypes.c_void_p()
            self._ask("cuModuleGetFunction", ctypes.byref(function), module, name.encode())
            self._functions[name] = function

    def __call__(self, name: str, grid: tuple[int, int], arguments: Sequence[Tensor | int]) -> None:
        """See `Launch`."""
        values = [_value(argument) for argument in arguments]
        pointers = (ctypes.c_void_p * len(values))(*(ctypes.addressof(value) for value in values))
        stream = ctypes.c_void_p(torch.cuda.current_stream(self._device).cuda_stream)
        size, threads = (*map(ctypes.c_uint, grid), ctypes.c_uint(1)), ctypes.c_uint(THREADS)
        one, none = ctypes.c_uint(1), ctypes.c_uint(0)
        function = self._functions[name]
        self._ask(
            "cuLaunchKernel", function, *size, threads, one, one, none, stream, pointers, None
        )

    def _ask(self, name: str, *arguments: object) -> None:
        fault = getattr(self._driver, name)(*arguments)
        if fault:
            raise RuntimeError(f"{name} failed with {fault}")


def compile_cuda(source: str, options: Sequence[str]) -> bytes:
    """The machine code of `source`.

    Raises:
        OSError: There is no NVRTC.
        RuntimeError: It does not compile; the message begins with what the compiler says.
    """
    compiler = _compiler()
    program = ctypes.c_void_p()
    _must(compiler.nvrtcCreateProgram(ctypes.byref(program), source.encode(), b"", 0, None, None))
    try:
        given = (ctypes.c_char_p * len(options))(*(option.encode() for option in options))
        if compiler.nvrtcCompileProgram(program, len(options), given):
            log = _text(compiler, program, "ProgramLog").rstrip(b"\0")
            raise RuntimeError(log.decode(errors="replace"))
        return _text(compiler, program, "CUBIN")
    finally:
        compiler.nvrtcDestroyProgram(ctypes.byref(program))


def _text(compiler: ctypes.CDLL, program: ctypes.c_void_p, what: str) -> bytes:
    size = ctypes.c_size_t()
    _must(getattr(compiler, f"nvrtcGet{what}Size")(program, ctypes.byref(size)))
    text = ctypes.create_string_buffer(size.value)
    _must(getattr(compiler, f"nvrtcGet{what}")(program, text))
    return text.raw


def _must(fault: int) -> None:
    if fault:
        raise RuntimeError(f"NVRTC failed with {fault}")


def _compiler() -> ctypes.CDLL:
    """NVRTC: the one that torch has loaded, or the one that lies where torch's packages lie.

    Raises:
        OSError: There is none.
    """
    home = Path(torch.__file__).parent
    major = (torch.version.cuda or "").split(".")[0]
    names = [f"libnvrtc.so.{major}"]
    if _is_windows():
        names = [str(file) for file in (home / "lib").glob(f"nvrtc64_{major}*_0.dll")]
    names += [str(file) for file in home.parent.glob(f"nvidia/*/lib/libnvrtc.so.{major}")]
    for name in names:
        try:
            return ctypes.CDLL(name)
        except OSError:
            continue
    raise OSError("there is no NVRTC")


def _value(argument: Tensor | int) -> ctypes.c_void_p | ctypes.c_int:
    if isinstance(argument, Tensor):
        return ctypes.c_void_p(argument.data_ptr())
    return ctypes.c_int(argument)


def _is_windows() -> bool:
    return hasattr(ctypes, "WinDLL")
