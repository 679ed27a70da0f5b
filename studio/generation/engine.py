"""Makes takes.

Owns the way from a request to a finished take in the calling process: model, windows, streaming.
It starts no thread and no process, writes no file, and keeps one model in memory.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from studio.audio.clip import AudioClip
from studio.core.errors import EngineError, InputError
from studio.generation.coded_take import CodedTake
from studio.generation.loading import LoadedModel, lasting_name, load_model
from studio.generation.material import encode_clip, with_melody, with_source
from studio.generation.memory import give_back_memory
from studio.generation.planning import RenderPlan, plan_render, playing_speed
from studio.generation.rendering import (
    Rendered,
    kept_codes,
    largest_batch,
    new_frames,
    render,
    run_together,
)
from studio.generation.request import Chunk, GenerationRequest, Take
from studio.models.backend import Condition, ModelInfo

_WARM_UP_FRAMES = 14
DEFAULT_BATCH = 8


Adapters = tuple[tuple[str, float], ...]
"""What changes a model, see `GenerationRequest.adapters`."""


def never() -> bool:
    """The answer of a caller that does not cancel."""
    return False


class ModelLoader(Protocol):
    """What reads a model."""

    def __call__(
        self, name: str, *, precision: str | None = None, adapters: Adapters = ()
    ) -> LoadedModel:
        """Read a model by name or folder, in a precision where one is given, and changed."""
        ...


class Engine:
    """The engine of every face: window (in a child process), command line and Python.

    Args:
        model_loader: Reads a model by name or folder, in a precision where one is given.
    """

    def __init__(self, model_loader: ModelLoader = load_model) -> None:
        self._load = model_loader
        self._name: str | None = None
        self._precision: str | None = None
        self._adapters: Adapters = ()
        self._model: LoadedModel | None = None

    def info(self, model: str) -> ModelInfo:
        """What a model is; loads it.

        Raises:
            ModelError: It is unknown or broken.
        """
        return self._loaded(model).backend.info

    def load(self, model: str, precision: str | None, adapters: Adapters = ()) -> ModelInfo:
        """Have a model in memory in a precision, None being the usual one.

        Raises:
            ModelError: It or an adapter is unknown or broken, or this machine does not compute so.
        """
        return self._loaded_in(model, precision, adapters).backend.info

    def is_loaded(self, model: str, precision: str | None, adapters: Adapters = ()) -> bool:
        """Whether a request for `model` in `precision` with `adapters` finds it in memory."""
        return self._holds(lasting_name(model), precision, _lasting(adapters))

    def warm_up(self, model: str, precision: str | None = None, adapters: Adapters = ()) -> None:
        """Load a model and run it for a moment, so that the next take starts at once.

        Raises:
            ModelError: It is unknown or broken.
        """
        info = self.load(model, precision, adapters)
        frames = min(_WARM_UP_FRAMES, info.window_frames)
        prompt = "warm up" if info.has_text else ""
        request = GenerationRequest(
            prompt=prompt,
            model=model,
            precision=precision,
            adapters=adapters,
            max_steps=frames,
        )
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
        for _, part in self._made([request], 1, cancelled):
            if isinstance(part, Take):
                return part
            yield part
        raise AssertionError("every request ends with its take")

    def resound(
        self,
        coded: CodedTake,
        on_chunk: Callable[[Chunk], None] | None = None,
        cancelled: Callable[[], bool] = never,
    ) -> Take:
        """Make a finished take's sound again from its codes, as it was.

        Raises:
            InputError: The codes are another model's, or not those of the recipe.
            StudioError: As `generate`.
        """
        started = time.perf_counter()
        model, plan = self._planned(coded.request)
        info = model.backend.info
        coded.check(plan, info)
        parts = render(model.backend, [plan], cancelled, coded.codes.array[None])
        while True:
            try:
                _, chunk = next(parts)
            except StopIteration as end:
                return _take(plan, end.value[0], info, time.perf_counter() - started)
            if on_chunk is not None:
                on_chunk(chunk)

    def generate_many(
        self,
        requests: Sequence[GenerationRequest],
        *,
        batch: int = DEFAULT_BATCH,
        on_chunk: Callable[[int, Chunk], None] | None = None,
        on_take: Callable[[int, Take], None] | None = None,
        cancelled: Callable[[], bool] = never,
    ) -> list[Take]:
        """Make takes, those that follow each other and are equally long by the same steps.

        Each is as it would be alone.

        Args:
            requests: What to make.
            batch: The most takes at once, 1 or more; fewer where they would need too much memory.
            on_chunk: As in `generate`, with the request's place among `requests`.
            on_take: Given each take, in order, as soon as it is finished.
            cancelled: Asked before every decoder step.

        Raises:
            StudioError: As `generate`; the takes given to `on_take` are complete.
        """
        if batch < 1:
            raise InputError(f"The batch must hold 1 take or more, not {batch}.")
        takes: list[Take] = []
        for place, part in self._made(requests, batch, cancelled):
            if isinstance(part, Take):
                takes.append(part)
                if on_take is not None:
                    on_take(place, part)
            elif on_chunk is not None:
                on_chunk(place, part)
        return takes

    def codes(
        self,
        requests: Sequence[GenerationRequest],
        *,
        batch: int = DEFAULT_BATCH,
        cancelled: Callable[[], bool] = never,
    ) -> list[NDArray[np.int64]]:
        """The undelayed codec tokens of takes without their sound, int64 [K, T] each.

        `max_steps` is T itself; a take's own codes may be more or fewer, when its sound is
        played at another tempo to be `max_steps` codec frames long.

        Raises:
            StudioError: As `generate`.
        """
        codes = []
        for model, plans in self._batches(requests, batch, codes_only=True):
            made = np.stack(list(new_frames(model.backend, plans, cancelled)), axis=2)
            for plan, new in zip(plans, made, strict=True):
                head, tail = kept_codes(plan, model.backend.info)
                codes.append(np.concatenate([head, new, tail], axis=1))
        return codes

    def encode_clip(self, model: str, clip: AudioClip) -> NDArray[np.int64]:
        """The codec tokens [K, T] of a sound at any rate and channel count.

        Raises:
            InputError: The sound is empty or holds values that are not numbers.
        """
        return encode_clip(self._loaded(model).backend, clip).array

    def continued(self, request: GenerationRequest, clip: AudioClip) -> GenerationRequest:
        """The request for a take that begins with a sound.

        Raises:
            InputError: The sound is empty or holds values that are not numbers.
        """
        model = self._loaded_in(request.model, request.precision, request.adapters)
        speed = playing_speed(request, model.backend.info, model.template)
        source = encode_clip(model.backend, clip, speed=speed)
        return replace(request, source=source, from_seconds=clip.duration_seconds)

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
        """The model as it is in memory, in any precision and with any adapters, else plain."""
        if self._model is not None and self._name == lasting_name(name):
            return self._model
        return self._loaded_in(name, None)

    def _loaded_in(self, name: str, precision: str | None, adapters: Adapters = ()) -> LoadedModel:
        name, adapters = lasting_name(name), _lasting(adapters)
        if self._model is None or not self._holds(name, precision, adapters):
            if self._model is not None:
                self._model = None  # two models at once may not fit into memory
                give_back_memory()
            self._model = self._load(name, precision=precision, adapters=adapters)
            self._name, self._precision, self._adapters = name, precision, adapters
        return self._model

    def _holds(self, name: str, precision: str | None, adapters: Adapters) -> bool:
        if self._model is None or (self._name, self._adapters) != (name, adapters):
            return False
        return precision in (self._precision, self._model.backend.info.precision)

    def _planned(
        self, request: GenerationRequest, *, codes_only: bool = False
    ) -> tuple[LoadedModel, RenderPlan]:
        """The model of a request, and its plan with every file read."""
        request = with_melody(request.checked())
        uses = tuple((lasting_name(name), strength) for name, strength in request.adapters)
        request = replace(request, model=lasting_name(request.model), adapters=uses)
        model = self._loaded_in(request.model, request.precision, request.adapters)
        info = model.backend.info
        if request.continue_file is not None:
            speed = playing_speed(request, info, model.template)
            request = with_source(request, model.backend, speed)
        return model, plan_render(request, info, model.template, codes_only=codes_only)

    def _batches(
        self, requests: Sequence[GenerationRequest], batch: int, *, codes_only: bool = False
    ) -> Iterator[tuple[LoadedModel, list[RenderPlan]]]:
        """Neighbouring requests that run by the same steps, planned; each batch when it is due."""
        if batch < 1:
            raise InputError(f"The batch must hold 1 take or more, not {batch}.")
        done = 0
        while done < len(requests):
            known = requests[done]
            model, first = self._planned(known, codes_only=codes_only)
            limit = min(batch, largest_batch(first, model.backend.info))
            plans = [first]
            for request in requests[done + 1 : done + limit]:
                if lasting_name(request.model) != first.request.model:
                    break
                if request.precision != known.precision or request.adapters != known.adapters:
                    break
                # Where only the seed differs, the files have been read.
                alike = request.with_seed(known.seed) == known
                full = first.request.with_seed(request.seed) if alike else request
                plan = self._planned(full, codes_only=codes_only)[1]
                if not run_together(first, plan):
                    break
                plans.append(plan)
            yield model, plans
            done += len(plans)

    def _made(
        self, requests: Sequence[GenerationRequest], batch: int, cancelled: Callable[[], bool]
    ) -> Iterator[tuple[int, Chunk | Take]]:
        """The place of a request and sound of its take, and at the end of each batch its takes."""
        done = 0
        started = time.perf_counter()
        try:
            for model, plans in self._batches(requests, batch):
                rendered = yield from _moved(done, render(model.backend, plans, cancelled))
                seconds = time.perf_counter() - started
                for plan, result in zip(plans, rendered, strict=True):
                    yield done, _take(plan, result, model.backend.info, seconds)
                    done += 1
                started = time.perf_counter()
        except MemoryError as error:
            raise EngineError(
                "There is not enough memory for this take; ask for a shorter one, or close "
                "other programs."
            ) from error


def _lasting(adapters: Adapters) -> Adapters:
    """Those that change anything, under names that last."""
    return tuple((lasting_name(name), strength) for name, strength in adapters if strength)


def _moved(
    places: int, parts: Generator[tuple[int, Chunk], None, list[Rendered]]
) -> Generator[tuple[int, Chunk], None, list[Rendered]]:
    """A batch's parts, with places counted from the first of all requests."""
    while True:
        try:
            place, chunk = next(parts)
        except StopIteration as end:
            rendered: list[Rendered] = end.value
            return rendered
        yield places + place, chunk


def _take(plan: RenderPlan, rendered: Rendered, info: ModelInfo, seconds: float) -> Take:
    codes, samples = rendered
    return Take(
        request=plan.request,
        clip=AudioClip(samples=samples, sample_rate=info.sample_rate),
        codes=codes,
        model_hash=info.fingerprint,
        tempo_bpm=plan.tempo_bpm,
        bars=plan.request.bars,
        key=plan.key,
        seconds_taken=seconds,
    )


def _check_codes(codes: NDArray[np.int64], info: ModelInfo, *, allow_filler: bool) -> None:
    if codes.ndim != 3 or codes.shape[1] != info.codebooks or 0 in codes.shape:
        raise InputError(
            f"The codes must be [batch, {info.codebooks}, frames], not {list(codes.shape)}."
        )
    highest = info.codebook_size - (0 if allow_filler else 1)
    if not np.issubdtype(codes.dtype, np.integer) or codes.min() < 0 or codes.max() > highest:
        raise InputError(f"The codes must be whole numbers from 0 to {highest}.")
