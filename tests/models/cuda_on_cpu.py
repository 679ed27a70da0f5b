"""CUDA kernels on the CPU: a C++ compiler makes of them what one processor can run.

The threads of a block take turns, each going on to the next place where they meet: a barrier, or a
shuffle within a warp. So what a kernel computes is seen here, not how fast, nor what happens where
threads do not meet when they must. Blocks run one after another.
"""

from __future__ import annotations

import ctypes
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

COMPILER = "g++"

_BEFORE = r"""
#include <algorithm>
#include <cmath>
#include <cstring>
#include <csetjmp>
#include <cstdint>
#include <functional>
#include <ucontext.h>
#include <utility>
#include <vector>
using std::min;
#define __global__
#define __device__
#define __forceinline__ inline
#define __shared__ static
#define __launch_bounds__(threads)
struct uint4 { unsigned x, y, z, w; };
struct place { unsigned x, y, z; };
static place threadIdx, blockIdx, gridDim;
static float exchange[1024];
static jmp_buf back, places[1024];
static void meet() { if (!_setjmp(places[threadIdx.x])) _longjmp(back, 1); }
static void __syncthreads() { meet(); }
static void __threadfence() {}
static float __shfl_xor_sync(unsigned, float x, int offset) {
  exchange[threadIdx.x] = x;
  meet();
  float other = exchange[threadIdx.x ^ offset];
  meet();
  return other;
}
static unsigned atomicInc(unsigned *at, unsigned limit) {
  unsigned old = *at;
  *at = old >= limit ? 0 : old + 1;
  return old;
}
static float __uint_as_float(unsigned x) { float y; memcpy(&y, &x, 4); return y; }
static unsigned __float_as_uint(float x) { unsigned y; memcpy(&y, &x, 4); return y; }
static float rsqrtf(float x) { return 1.0f / sqrtf(x); }
"""

_AFTER = r"""
static std::function<void()> job;
static bool done[1024];
static std::vector<char> stacks;
static void begin() { job(); done[threadIdx.x] = true; _longjmp(back, 1); }
static void run_block() {
  constexpr size_t size = 1 << 16;
  stacks.resize(THREADS * size);
  bool begun[1024] = {};
  std::fill(done, done + THREADS, false);
  for (bool any = true; any;) {
    any = false;
    for (volatile unsigned t = 0; t < THREADS; t = t + 1) {
      if (done[t]) continue;
      any = true;
      threadIdx = {t, 0, 0};
      if (_setjmp(back)) continue;
      if (begun[t]) _longjmp(places[t], 1);
      begun[t] = true;
      ucontext_t fresh;
      getcontext(&fresh);
      fresh.uc_stack.ss_sp = stacks.data() + t * size;
      fresh.uc_stack.ss_size = size;
      makecontext(&fresh, begin, 0);
      setcontext(&fresh);
    }
  }
}
template <typename... A, size_t... I>
void launch(void (*kernel)(A...), void **args, std::index_sequence<I...>) {
  job = [=] { kernel(*static_cast<A *>(args[I])...); };
}
template <typename... A> void run(void (*kernel)(A...), unsigned x, unsigned y, void **args) {
  launch(kernel, args, std::index_sequence_for<A...>());
  gridDim = {x, y, 1};
  for (unsigned j = 0; j < y; j++)
    for (unsigned i = 0; i < x; i++) { blockIdx = {i, j, 0}; run_block(); }
}
#define SEEN extern "C" __attribute__((visibility("default")))
#define RUN(name) \
  SEEN void run_##name(unsigned x, unsigned y, void **args) { run(name, x, y, args); }
"""


class CpuKernels:
    """Compiles kernels for the CPU; see `studio.models.torch_backend.step_kernels.Kernels`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.launches: list[str] = []

    def build(self, source: str, names: Sequence[str], macros: Mapping[str, int]) -> Any:
        """Gives a function that launches."""
        stem = "-".join(f"{key}{value}" for key, value in macros.items())
        code, library = self._folder / f"{stem}.cc", self._folder / f"{stem}.so"
        code.write_text("\n".join([_BEFORE, source, _AFTER, *(f"RUN({name})" for name in names)]))
        options = [f"-D{key}={value}" for key, value in macros.items()]
        # What a block shares is static here: another library's must not take its place.
        options += ["-fvisibility=hidden", "-fno-gnu-unique"]
        common = ["-O1", "-w", "-std=c++17", "-shared", "-fPIC"]
        command = [COMPILER, *common, *options, "-o", library, code]
        made = subprocess.run(command, capture_output=True, text=True, check=False)
        if made.returncode:
            raise RuntimeError(made.stderr)
        loaded = ctypes.CDLL(str(library))

        def launch(name: str, grid: tuple[int, int], arguments: Sequence[Tensor | int]) -> None:
            self.launches.append(name)
            values = [
                ctypes.c_void_p(each.data_ptr()) if isinstance(each, Tensor) else ctypes.c_int(each)
                for each in arguments
            ]
            pointers = (ctypes.c_void_p * len(values))(
                *(ctypes.cast(ctypes.byref(value), ctypes.c_void_p) for value in values)
            )
            getattr(loaded, f"run_{name}")(*grid, pointers)

        return launch
