"""What is asked of NVRTC and of the driver, which stand-ins play here."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from studio.models.torch_backend import step_kernels
from studio.models.torch_backend.step_kernels import SOURCE, THREADS, CudaKernels, compile_cuda

CODE, LOG = b"\x7fELF\0code\0", b"step.cu(1): error\n\0"


class Library:
    """Plays both libraries; notes each call."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, tuple[Any, ...]]] = []
        self.faults: dict[str, int] = {}
        self.options: list[bytes] = []
        self.launched: list[tuple[int, ...]] = []

    def __getattr__(self, name: str) -> Callable[..., int]:
        def call(*arguments: Any) -> int:
            self.calls.append((name, arguments))
            act = getattr(self, f"_{name}", None) if hasattr(type(self), f"_{name}") else None
            if act is not None:
                act(*arguments)
            return self.faults.get(name, 0)

        return call

    def _nvrtcCompileProgram(self, program: Any, count: int, options: Any) -> None:  # noqa: N802 - the library's name
        self.options = [options[i] for i in range(count)]

    def _nvrtcGetCUBINSize(self, program: Any, size: Any) -> None:  # noqa: N802 - the library's name
        size._obj.value = len(CODE)

    def _nvrtcGetCUBIN(self, program: Any, text: Any) -> None:  # noqa: N802 - the library's name
        text.raw = CODE

    def _nvrtcGetProgramLogSize(self, program: Any, size: Any) -> None:  # noqa: N802 - the library's name
        size._obj.value = len(LOG)

    def _nvrtcGetProgramLog(self, program: Any, text: Any) -> None:  # noqa: N802 - the library's name
        text.raw = LOG

    def _cuModuleGetFunction(self, function: Any, module: Any, name: bytes) -> None:  # noqa: N802 - the library's name
        function._obj.value = len(name)

    def _cuLaunchKernel(self, function: Any, *sizes: Any) -> None:  # noqa: N802 - the library's name
        *numbers, stream, pointers, extra = sizes
        assert extra is None
        first = ctypes.cast(pointers[0], ctypes.POINTER(ctypes.c_void_p)).contents.value
        second = ctypes.cast(pointers[1], ctypes.POINTER(ctypes.c_int)).contents.value
        launch = (function.value, *(number.value for number in numbers), stream.value)
        self.launched.append((*launch, first or 0, second))

    def names(self) -> list[str]:
        return [name for name, _ in self.calls]


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> Library:
    library = Library()
    monkeypatch.setattr(step_kernels.ctypes, "CDLL", lambda name: library)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (9, 0))
    stream = SimpleNamespace(cuda_stream=77)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: stream)
    return library


def test_kernels_are_compiled_for_the_device_and_launched_on_its_stream(library: Library) -> None:
    kernels = CudaKernels(torch.device("cpu"))
    launch = kernels.build(SOURCE.read_text(encoding="utf-8"), ["ab", "abc"], {"DIM": 64})
    assert library.options == [b"--gpu-architecture=sm_90", b"-std=c++17", b"-DDIM=64"]
    (loaded,) = [arguments for name, arguments in library.calls if name == "cuModuleLoadData"]
    assert loaded[1] == CODE
    assert library.names()[-1] == "cuModuleGetFunction"
    tensor = torch.zeros(3)
    launch("abc", (5, 2), [tensor, 9])
    assert library.launched == [(3, 5, 2, 1, THREADS, 1, 1, 0, 77, tensor.data_ptr(), 9)]


def test_what_the_compiler_says_is_passed_on(library: Library) -> None:
    library.faults["nvrtcCompileProgram"] = 6
    with pytest.raises(RuntimeError, match=r"^step.cu\(1\): error\n$"):
        compile_cuda("int", [])
    assert library.names()[-1] == "nvrtcDestroyProgram"


@pytest.mark.parametrize("fault", ["nvrtcCreateProgram", "cuModuleLoadData", "cuModuleGetFunction"])
def test_a_library_that_refuses_is_an_error(library: Library, fault: str) -> None:
    library.faults[fault] = 3
    with pytest.raises(RuntimeError, match="failed with 3"):
        CudaKernels(torch.device("cpu")).build("", ["a"], {})


def test_without_a_compiler_there_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise OSError(name)

    monkeypatch.setattr(step_kernels.ctypes, "CDLL", missing)
    with pytest.raises(OSError, match="there is no NVRTC"):
        compile_cuda("", [])


def test_the_source_and_the_loader_agree_on_the_threads_of_a_block() -> None:
    assert f"#define THREADS {THREADS}\n" in SOURCE.read_text(encoding="utf-8")
