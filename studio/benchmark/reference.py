"""The `transformers` library on the same weights, where it is installed.

Owns the lazy import, the loading of the bundle through that library, and its turns. It is never
required, and nothing else of the product touches it.

Letters in shapes: B takes, K codebooks, T codec frames, N sample frames.
"""

from __future__ import annotations

import importlib
import importlib.util
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from studio.benchmark.asking import GUIDANCE, TOP_K
from studio.benchmark.contestants import lacking_memory
from studio.benchmark.result import LeftOut
from studio.core.errors import InputError
from studio.models.backend import Condition
from studio.models.bundle import MELODY, open_bundle
from studio.models.tokenizer import TextTokenizer

LIBRARY = "transformers"
PRECISIONS = ("float32", "bfloat16")
_CLASSES = {
    False: "MusicgenForConditionalGeneration",
    True: "MusicgenMelodyForConditionalGeneration",
}


@dataclass(frozen=True, kw_only=True, eq=False)
class Reference:
    """The model as that library loads it.

    Attributes:
        precision: Of the weights.
        threads: Processor threads.
        delay: Steps beyond the frames.
        device: Where it computes.
    """

    precision: str
    threads: int
    delay: int
    device: str
    _model: Any
    _tokenizer: TextTokenizer

    @property
    def name(self) -> str:
        """What tables call it."""
        return f"{LIBRARY} {self.precision}"

    def threads_for(self, streams: int) -> int:
        """Processor threads: always those it was given."""
        return self.threads

    def decode(self, condition: Condition, *, batch: int, frames: int, guided: bool) -> float:
        """Generate `batch` takes and give the seconds it took, those of the codec taken off."""
        torch.set_num_threads(self.threads)
        codec = self._model.audio_encoder
        decode, spent = codec.decode, [0.0]

        def timed(*args: Any, **rest: Any) -> Any:
            self._settle()
            started = time.perf_counter()
            try:
                return decode(*args, **rest)
            finally:
                self._settle()
                spent[0] += time.perf_counter() - started

        codec.decode = timed
        try:
            started = time.perf_counter()
            ids, mask = self._tokenizer.encode([condition.text] * batch)
            self._model.generate(
                input_ids=torch.from_numpy(ids).to(self.device),
                attention_mask=torch.from_numpy(mask).long().to(self.device),
                do_sample=True,
                top_k=TOP_K,
                guidance_scale=GUIDANCE if guided else 1.0,
                max_new_tokens=frames + self.delay,
            )
            return time.perf_counter() - started - spent[0]
        finally:
            del codec.decode

    @torch.inference_mode()
    def decode_audio(self, codes: NDArray[np.int64]) -> None:
        """Codes [B, K, T] to sound."""
        torch.set_num_threads(self.threads)
        grid = torch.from_numpy(codes)[None].to(self.device)
        self._model.audio_encoder.decode(grid, [None] * len(codes)).audio_values.cpu()

    @torch.inference_mode()
    def encode_audio(self, audio: NDArray[np.float32]) -> None:
        """Sound [B, 1, N] to codes."""
        torch.set_num_threads(self.threads)
        waveform = torch.from_numpy(audio).to(self.device)
        self._model.audio_encoder.encode(waveform).audio_codes.cpu()

    def _settle(self) -> None:
        """Wait until the device has done what it was asked for."""
        if self.device.startswith("cuda"):
            torch.cuda.synchronize(self.device)
        elif self.device == "mps":
            torch.mps.synchronize()


def require_library() -> None:
    """Raise InputError when the library is not installed."""
    if importlib.util.find_spec(LIBRARY) is None:
        raise InputError(
            f"The package {LIBRARY} is not installed; install it, or leave out --against."
        )


def load_references(
    folder: Path, *, threads: int, delay: int, device: str, tell: Callable[[str], None]
) -> tuple[list[Reference], list[LeftOut]]:
    """The model in this library's default precision and in bfloat16, as far as memory goes.

    Args:
        folder: The bundle.
        threads: Processor threads to give it.
        delay: By how many steps the last codebook trails the first.
        device: Where it shall compute.
        tell: Given one line for each.
    """
    bundle = open_bundle(folder)
    if not bundle.has_text or bundle.tokenizer_file is None:
        why = "it opens only models with a text encoder and a tokenizer"
        return [], [LeftOut(what=LIBRARY, why=why)]
    tokenizer = TextTokenizer(
        bundle.tokenizer_file, vocabulary=int(bundle.config["text_encoder"]["vocab_size"])
    )
    library = importlib.import_module(LIBRARY)
    library.utils.logging.set_verbosity_error()
    library.utils.logging.disable_progress_bar()
    opened = getattr(library, _CLASSES[bundle.config["model_type"] == MELODY])
    references: list[Reference] = []
    left_out: list[LeftOut] = []
    for precision in PRECISIONS:
        name = f"{LIBRARY} {precision}"
        lacking = lacking_memory(folder, precision)
        if lacking is not None:
            left_out.append(LeftOut(what=name, why=lacking))
            continue
        tell(f"loading {name}")
        model = opened.from_pretrained(folder).to(device, getattr(torch, precision)).eval()
        references.append(
            Reference(
                precision=precision,
                threads=threads,
                delay=delay,
                device=device,
                _model=model,
                _tokenizer=tokenizer,
            )
        )
    return references, left_out
