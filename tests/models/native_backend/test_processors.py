"""One seed, one take, whatever the processor: narrower ones give the same bits."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from studio.models.native_backend.kernels.emit import processor_features

PROGRAM = """
import hashlib
import numpy as np
from studio.models.native_backend.decoder import CachedDecoder
from studio.models.native_backend.kernels.emit import processor_features
from studio.models.streams import Stream, Streams
from tests.models.native_backend.random_decoder import WIDE, random_decoder

print(*sorted(processor_features() & {"avx512f", "avx512vnni", "avxvnni", "avx2"}))
text = np.random.default_rng(1).standard_normal((5, WIDE.dim), dtype=np.float32)
streams = Streams([(Stream(text=text), Stream())] * 2)
grid = np.random.default_rng(2).integers(0, WIDE.vocabulary, (2, 4, 40))
for precision in ("int8", "int4"):
    decoder = CachedDecoder(WIDE, random_decoder(precision), streams, steps=40, threads=1)
    logits = [decoder.advance(grid[:, :, :9])]
    logits += [decoder.advance(grid[:, :, step : step + 1]) for step in range(9, 40)]
    print(hashlib.sha256(np.stack(logits).tobytes()).hexdigest())
"""
AVX2_ONLY = "+sse2,+sse4.1,+ssse3,+avx,+avx2,+fma,+f16c"


def _run(**environment: str) -> list[str]:
    finished = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={**os.environ, **environment},
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        check=True,
    )
    return finished.stdout.splitlines()


@pytest.mark.skipif(
    platform.machine().lower() not in ("x86_64", "amd64") or "avx2" not in processor_features(),
    reason="no narrower processor is known that this one can pass for",
)
def test_a_narrower_processor_gives_the_same_bits() -> None:
    here, *wide = _run()
    there, *narrow = _run(NUMBA_CPU_NAME="haswell", NUMBA_CPU_FEATURES=AVX2_ONLY)
    assert there == "avx2"
    assert here.startswith("avx2")
    assert narrow == wide
