"""The backend that computes with PyTorch, on the CPU in float32.

Owns one loaded bundle, the checks of what is asked of it, and the passage between numpy and
torch. Networks, loop and conditions live in the modules beside it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from studio.core.errors import InputError, ModelError
from studio.models.backend import CodecStream, Condition, ModelInfo, Sampling
from studio.models.bundle import CONFIG, GENERATION, PROMPTING, Bundle
from studio.models.config_fields import read_integer, read_number
from studio.models.streams import Streams
from studio.models.torch_backend.decode import generate_frames
from studio.models.torch_backend.loading import Networks, load_networks, naming

LONGEST_WINDOW_SECONDS = 30
MAX_SEED = 2**63 - 1
_SINGLE_THREAD_PARAMETERS = 50_000_000
_ALL_THREADS = torch.get_num_threads()


class TorchBackend:
    """One bundle, loaded; see `studio.models.backend.MusicBackend`."""

    def __init__(self, bundle: Bundle) -> None:
        """Load the weights of `bundle`.

        Raises:
            ModelError: Its configuration or its weights are not usable.
        """
        networks = load_networks(bundle)
        self._decoder = networks.decoder
        self._conditioner = networks.conditioner
        self._codec = networks.codec
        config, codec = networks.decoder.config, networks.codec_config
        self.info = ModelInfo(
            name=bundle.name,
            sample_rate=codec.sampling_rate,
            channels=config.channels,
            codebooks=config.codebooks,
            codebook_size=config.vocabulary,
            frame_rate=codec.frame_rate,
            window_frames=_window_frames(bundle, networks),
            has_text=bundle.has_text,
            has_melody=bundle.has_melody,
            parameters=networks.parameters,
            cache_bytes=8 * config.layers * config.dim,
            fingerprint=bundle.fingerprint,
            sampling=_recommended_sampling(bundle),
        )
        _use_threads(networks.parameters)

    def steps(
        self,
        conditions: Sequence[Condition],
        *,
        frames: int,
        seeds: Sequence[int],
        sampling: Sampling,
        prefix: NDArray[np.int64] | None = None,
        first_step: int = 0,
        closed: bool = False,
    ) -> Iterator[NDArray[np.int64]]:
        """See `MusicBackend.steps`."""
        codebooks, takes = self.info.codebooks, len(conditions)
        if prefix is None:
            prefix = np.zeros((takes, codebooks, 0), dtype=np.int64)
        self._check_tokens(prefix, highest=self.info.codebook_size - 1)
        if not conditions or not takes == len(seeds) == len(prefix):
            raise InputError(
                f"There are {takes} conditions, {len(seeds)} seeds and {len(prefix)} prefixes;"
                " give one of each for every take."
            )
        if not all(0 <= seed <= MAX_SEED for seed in seeds):
            raise InputError(f"A seed must be between 0 and {MAX_SEED}.")
        if first_step < 0 or frames < 1:
            raise InputError(f"{frames} frames from frame {first_step} on cannot be made.")
        total = prefix.shape[2] + frames
        if total > self.info.window_frames:
            raise InputError(
                f"{total} codec frames do not fit the model's window of {self.info.window_frames}."
            )
        streams = self._conditioner.streams(conditions, guidance=sampling.guidance)
        return generate_frames(
            self._decoder,
            Streams(streams),
            prefix=prefix,
            frames=frames,
            seeds=seeds,
            sampling=sampling,
            first_step=first_step,
            closed=closed,
        )

    def encode(self, audio: NDArray[np.float32]) -> NDArray[np.int64]:
        """See `MusicBackend.encode`."""
        return self._codec.encode(audio)

    def decode(self, codes: NDArray[np.int64]) -> NDArray[np.float32]:
        """See `MusicBackend.decode`."""
        return self._codec.decode(codes)

    def decoder_stream(self) -> CodecStream:
        """See `MusicBackend.decoder_stream`."""
        return self._codec.stream()

    @torch.inference_mode()
    def logits(
        self, tokens: NDArray[np.int64], conditions: Sequence[Condition] | None
    ) -> NDArray[np.float32]:
        """See `MusicBackend.logits`."""
        self._check_tokens(tokens, highest=self.info.codebook_size)
        if conditions is None:
            conditions = [Condition()] * len(tokens)
        if not conditions or len(conditions) != len(tokens):
            raise InputError(
                f"There are {len(conditions)} conditions for {len(tokens)} rows of tokens."
            )
        # Unguided, so that each take has the one stream that its negative plays no part in.
        streams = self._conditioner.streams(conditions, guidance=1.0)
        rows = []
        for grid, (stream,) in zip(tokens, streams, strict=True):
            logits = self._decoder(
                torch.from_numpy(grid.copy())[None],
                None if stream.text is None else stream.text[None],
                None,
                None if stream.prefix is None else stream.prefix[None],
            )
            rows.append(logits[0].transpose(0, 1).numpy())
        return np.stack(rows)

    def _check_tokens(self, tokens: NDArray[np.int64], *, highest: int) -> None:
        if tokens.ndim != 3 or tokens.shape[1] != self.info.codebooks:
            raise InputError(
                f"The codes must be [takes, {self.info.codebooks}, frames], not"
                f" {list(tokens.shape)}."
            )
        if tokens.dtype != np.int64:
            raise InputError(f"The codes must be int64, not {tokens.dtype}.")
        if tokens.size and (tokens.min() < 0 or tokens.max() > highest):
            raise InputError(f"A code is outside 0 to {highest}.")


def _use_threads(parameters: int) -> None:
    """Give a small model one thread, others all that this process was given.

    A step of a small model is over before a second thread has woken up, and on a busy machine
    threads that wait for each other are far slower: the embedded model's two bars took 0.57 s
    on one thread and 1.8 s on two, on two cores with another program at work.
    """
    torch.set_num_threads(1 if parameters < _SINGLE_THREAD_PARAMETERS else _ALL_THREADS)


def _window_frames(bundle: Bundle, networks: Networks) -> int:
    config, melody = networks.decoder.config, networks.melody
    longest = int(LONGEST_WINDOW_SECONDS * networks.codec_config.frame_rate)
    with naming(bundle.folder / PROMPTING):
        taught = read_integer(bundle.prompting or {}, "context_frames", longest)
    occupied = max(config.delays) + 1 + (0 if melody is None else melody.frames)
    if config.max_positions <= occupied:
        with naming(bundle.folder / CONFIG):
            raise ModelError(
                f"max_position_embeddings must be above {occupied}, not {config.max_positions}"
            )
    return min(longest, taught, config.max_positions - occupied)


def _recommended_sampling(bundle: Bundle) -> Sampling:
    # Absent and null both mean: as published, which is what `Sampling` starts from.
    given: dict[str, Any] = {k: v for k, v in bundle.generation.items() if v is not None}
    usual = Sampling()
    with naming(bundle.folder / GENERATION):
        top_p = read_number(given, "top_p", 0.0, low=0.0, high=1.0)
        return Sampling(
            top_k=read_integer(given, "top_k", usual.top_k, low=0),
            top_p=top_p if top_p < 1.0 else 0.0,
            temperature=read_number(given, "temperature", 1.0, low=0.01, high=100.0),
            guidance=read_number(given, "guidance_scale", usual.guidance, low=0.0, high=100.0),
        )
