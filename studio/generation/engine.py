"""Makes takes.

Owns the way from a request to a finished take in the calling process: model, windows, streaming.
It starts no thread and no process, writes no file, and keeps one model in memory.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from studio.audio.clip import AudioClip
from studio.core.errors import CancelledError, EngineError, InputError
from studio.generation.loading import LoadedModel, lasting_name, load_model
from studio.generation.planning import RenderPlan, plan_render
from studio.generation.request import Chunk, GenerationRequest, Take
from studio.generation.streaming import TakeStream
from studio.models.backend import Condition, ModelInfo

_WARM_UP_FRAMES = 14


def never() -> bool:
    """The answer of a caller that does not cancel."""
    return False


class Engine:
    """The engine of every face: window (in a child process), command line and Python.

    Args:
        model_loader: Reads a model by name or folder.
    """

    def __init__(self, model_loader: Callable[[str], LoadedModel] = load_model) -> None:
        self._load = model_loader
        self._name: str | None = None
        self._model: LoadedModel | None = None

    def info(self, model: str) -> ModelInfo:
        """What a model is; loads it.

        Raises:
            ModelError: It is unknown or broken.
        """
        return self._loaded(model).backend.info

    def is_loaded(self, model: str) -> bool:
        """Whether `model` is the one in memory."""
        return self._model is not None and self._name == lasting_name(model)

    def warm_up(self, model: str) -> None:
        """Load a model and run it for a moment, so that the next take starts at once.

        Raises:
            ModelError: It is unknown or broken.
        """
        info = self.info(model)
        frames = min(_WARM_UP_FRAMES, info.window_frames)
        request = GenerationRequest(prompt="warm up", model=model, max_steps=frames)
        self.generate(request)

    def generate(
        self,
        request: GenerationRequest,
        on_chunk: Callable[[Chunk], None] | None = None,
        cancelled: Callable[[], bool] = never,
    ) -> Take:
        """Make one take.

        Args:
            request: What to make.
            on_chunk: Given each stretch of sound as soon as it is final. Chunks follow each other
                without a gap and add up to the take, whose first 10 ms are blended with its end
                afterwards when it is a loop.
            cancelled: Asked before every decoder step.

        Raises:
            InputError: The request is impossible.
            ModelError: The model is unknown or broken.
            CancelledError: `cancelled` said so; nothing is kept.
            EngineError: There is not enough memory.
        """
        chunks = self.stream(request, cancelled)
        while True:
            try:
                chunk = next(chunks)
            except StopIteration as end:
                take: Take = end.value
                return take
            if on_chunk is not None:
                on_chunk(chunk)

    def stream(
        self, request: GenerationRequest, cancelled: Callable[[], bool] = never
    ) -> Generator[Chunk, None, Take]:
        """Make one take and yield its sound meanwhile; to cancel, stop iterating.

        Yields:
            Chunks as `generate` gives them to `on_chunk`.

        Returns:
            The take.

        Raises:
            StudioError: As `generate`.
        """
        started = time.perf_counter()
        request = request.checked()
        request = replace(request, model=lasting_name(request.model))
        try:
            model = self._loaded(request.model)
            plan = plan_render(request, model.backend.info, model.template)
            codes, samples = yield from self._render(model, plan, cancelled)
        except MemoryError as error:
            raise EngineError(
                "There is not enough memory for this take; ask for a shorter one, or close "
                "other programs."
            ) from error
        info = model.backend.info
        return Take(
            request=plan.request,
            clip=AudioClip(samples=samples, sample_rate=info.sample_rate),
            codes=codes,
            model_hash=info.fingerprint,
            tempo_bpm=plan.tempo_bpm,
            bars=plan.request.bars,
            key=plan.key,
            seconds_taken=time.perf_counter() - started,
        )

    def codes(
        self, request: GenerationRequest, cancelled: Callable[[], bool] = never
    ) -> NDArray[np.int64]:
        """The undelayed codec tokens of a take without its sound, int64 [K, T].

        `max_steps` is T itself; a take's own codes may be more or fewer, when its sound is
        played at another tempo to be `max_steps` codec frames long.

        Raises:
            StudioError: As `generate`.
        """
        model = self._loaded(request.checked().model)
        plan = plan_render(request, model.backend.info, model.template, codes_only=True)
        return np.stack(list(self._frames(model, plan, cancelled)), axis=1)

    def encode(self, model: str, audio: NDArray[np.float32]) -> NDArray[np.int64]:
        """Sound [B, C, N] at the model's rate to codec tokens [B, K, T].

        Raises:
            InputError: The sound does not fit the model.
        """
        backend = self._loaded(model).backend
        if audio.ndim != 3 or audio.shape[1] != backend.info.channels or audio.shape[2] == 0:
            raise InputError(
                f"The sound must be [batch, {backend.info.channels}, frames] at "
                f"{backend.info.sample_rate} Hz, not {list(audio.shape)}."
            )
        if not np.isfinite(audio).all():
            raise InputError("The sound holds values that are not numbers; check its source.")
        return backend.encode(np.ascontiguousarray(audio, dtype=np.float32))

    def decode(self, model: str, codes: NDArray[np.int64]) -> NDArray[np.float32]:
        """Codec tokens [B, K, T] to sound [B, C, N].

        Raises:
            InputError: The codes do not fit the model.
        """
        backend = self._loaded(model).backend
        _check_codes(codes, backend.info, allow_filler=False)
        return backend.decode(np.ascontiguousarray(codes, dtype=np.int64))

    def logits(
        self, model: str, tokens: NDArray[np.int64], texts: Sequence[str] | None
    ) -> NDArray[np.float32]:
        """Logits [B, K, S, V] of the delayed grid [B, K, S] that the network sees.

        Raises:
            InputError: The tokens or the number of texts do not fit.
        """
        backend = self._loaded(model).backend
        _check_codes(tokens, backend.info, allow_filler=True)
        if texts is not None and len(texts) != tokens.shape[0]:
            raise InputError(
                f"There must be one text for each of {tokens.shape[0]} sequences, not {len(texts)}."
            )
        conditions = None if texts is None else [Condition(text=text) for text in texts]
        return backend.logits(np.ascontiguousarray(tokens, dtype=np.int64), conditions)

    def _loaded(self, name: str) -> LoadedModel:
        name = lasting_name(name)
        if self._model is None or self._name != name:
            self._model = None  # two models at once may not fit into memory
            self._model = self._load(name)
            self._name = name
        return self._model

    def _render(
        self, model: LoadedModel, plan: RenderPlan, cancelled: Callable[[], bool]
    ) -> Generator[Chunk, None, tuple[NDArray[np.int64], NDArray[np.float32]]]:
        info = model.backend.info
        stream = TakeStream(
            model.backend.decoder_stream(),
            channels=info.channels,
            sample_rate=info.sample_rate,
            speed=plan.speed,
            sample_frames=plan.sample_frames,
            seam_frames=plan.seam_frames,
        )

        def chunk(samples: NDArray[np.float32], done_steps: int) -> Chunk:
            return Chunk(
                start_frame=stream.told_frames - samples.shape[1],
                samples=samples,
                done_steps=done_steps,
                total_steps=plan.codec_frames,
            )

        frames: list[NDArray[np.int64]] = []
        for frame in self._frames(model, plan, cancelled):
            frames.append(frame)
            new = stream.push(frame)
            if new is not None:
                yield chunk(new, len(frames))
        last, whole = stream.finish()
        yield chunk(last, len(frames))
        return np.stack(frames, axis=1), whole

    def _frames(
        self, model: LoadedModel, plan: RenderPlan, cancelled: Callable[[], bool]
    ) -> Iterator[NDArray[np.int64]]:
        """The take's codec frames [K] one by one, window after window."""
        made: list[NDArray[np.int64]] = []
        for window in plan.windows:
            prefix = None
            if window.prefix_frames:
                prefix = np.stack(made[window.first_frame :], axis=1)[None]
            steps = model.backend.steps(
                [Condition(text=plan.text)],
                frames=window.new_frames,
                seeds=[plan.request.seed],
                sampling=plan.sampling,
                prefix=prefix,
                first_step=window.first_frame,
            )
            for frame in _until_cancelled(steps, cancelled):
                made.append(frame[0])
                yield frame[0]


def _until_cancelled(
    steps: Iterator[NDArray[np.int64]], cancelled: Callable[[], bool]
) -> Iterator[NDArray[np.int64]]:
    while True:
        if cancelled():
            raise CancelledError("Cancelled; the takes that were finished are kept.")
        frame = next(steps, None)
        if frame is None:
            return
        yield frame


def _check_codes(codes: NDArray[np.int64], info: ModelInfo, *, allow_filler: bool) -> None:
    if codes.ndim != 3 or codes.shape[1] != info.codebooks or 0 in codes.shape:
        raise InputError(
            f"The codes must be [batch, {info.codebooks}, frames], not {list(codes.shape)}."
        )
    highest = info.codebook_size - (0 if allow_filler else 1)
    if not np.issubdtype(codes.dtype, np.integer) or codes.min() < 0 or codes.max() > highest:
        raise InputError(f"The codes must be whole numbers from 0 to {highest}.")
