"""The Python face: `from studio import MusicGen, generate_audio, save_audio`.

Owns the signatures that other people's scripts use. It adds no behaviour to the engine, which
runs in the calling process.
"""

from __future__ import annotations

import functools
import operator
import os
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Self, SupportsIndex, Unpack

import numpy as np
from numpy.typing import ArrayLike, NDArray

from studio.audio.clip import AudioClip
from studio.core.errors import InputError
from studio.core.paths import default_paths
from studio.generation.coded_take import CodedTake
from studio.generation.engine import DEFAULT_BATCH, Engine
from studio.generation.engine_child import limit_threads
from studio.generation.loading import load_model
from studio.generation.material import last_part, melody_of
from studio.generation.options import Options
from studio.generation.request import FREE_SEEDS, Chunk, GenerationRequest, Take
from studio.generation.revision import extended, regenerated
from studio.models.codes import CodeSequence
from studio.models.shelf.shelf import ModelShelf


class MusicGen:
    """A model in memory. Made by `from_pretrained`.

    Letters in shapes: B sounds, K codebooks, T codec frames, S steps of the delayed grid, V codes
    in a codebook, C channels, N sample frames.
    """

    def __init__(
        self,
        name: str,
        engine: Engine,
        precision: str | None = None,
        adapters: Mapping[str, float] | None = None,
    ) -> None:
        self._name = name
        self._engine = engine
        self._precision = precision
        self._adapters = tuple((adapters or {}).items())
        plain = GenerationRequest(prompt="", model=name, adapters=self._adapters).checked()
        self._info = engine.load(name, precision, plain.adapters)

    @classmethod
    def from_pretrained(
        cls,
        name: str | os.PathLike[str] = "house",
        *,
        backend: str | None = None,
        precision: str | None = None,
        adapters: Mapping[str, float] | None = None,
    ) -> Self:
        """Load a model.

        Args:
            name: "house" (embedded), another name of the catalogue, or a bundle folder.
            backend: What computes; None picks the best one here.
            precision: Number format of the decoder's weights: "float32", "bfloat16" or "int8"
                (fastest, smallest); None takes the one that suits model and machine.
            adapters: What changes the model: names of adapters that were added, or their
                folders, and how much of each. 1 is as it was trained, 0 is none.

        Raises:
            InputError: A strength makes no sense.
            ModelError: The model or an adapter is unknown or broken, or they do not fit.
        """
        limit_threads()
        shelf = ModelShelf(default_paths().models_dir)
        load = functools.partial(load_model, shelf=shelf, backend=backend)
        return cls(os.fspath(name), Engine(load), precision, adapters)

    @property
    def name(self) -> str:
        """As it was asked for."""
        return self._name

    @property
    def precision(self) -> str:
        """Number format of the decoder's weights."""
        return self._info.precision

    @property
    def sampling_rate(self) -> int:
        """Sample frames a second, in Hz."""
        return self._info.sample_rate

    @property
    def channels(self) -> int:
        """C."""
        return self._info.channels

    @property
    def codebooks(self) -> int:
        """K."""
        return self._info.codebooks

    @property
    def codebook_size(self) -> int:
        """V; as a token it is the filler of the delayed grid."""
        return self._info.codebook_size

    @property
    def frame_rate(self) -> float:
        """Codec frames a second."""
        return self._info.frame_rate

    def generate(self, descriptions: str | Sequence[str], **options: Unpack[Options]) -> Any:
        """Make sound.

        Args:
            descriptions: One prompt or several.
            **options: See `Options`.

        Returns:
            float32 [C, N] for one prompt; a list of them for a list of prompts or seeds or a
            `count` above 1: for each prompt each of its seeds.

        Raises:
            StudioError: See `Engine.generate`.
        """
        sounds = [take.clip.samples for take in self.takes(descriptions, **options)]
        listed = isinstance(options.get("seed"), Sequence) or not isinstance(descriptions, str)
        return sounds if listed or len(sounds) > 1 else sounds[0]

    def takes(self, descriptions: str | Sequence[str], **options: Unpack[Options]) -> list[Take]:
        """As `generate`, with each take's codes, seed and whole recipe.

        Raises:
            StudioError: See `Engine.generate`.
        """
        callback = options.get("callback")
        return self._engine.generate_many(
            self._requests(descriptions, options),
            batch=options.get("batch", DEFAULT_BATCH),
            on_chunk=None if callback is None else lambda place, chunk: callback(chunk),
        )

    def stream(self, description: str, **options: Unpack[Options]) -> Iterator[NDArray[np.float32]]:
        """Make one sound and give its parts as soon as they are final; to cancel, stop iterating.

        Joined they are what `generate` returns, except that a loop's first 10 ms are not yet
        blended with its end.

        Yields:
            float32 [C, n].

        Raises:
            StudioError: See `Engine.generate`.
        """
        requests = self._requests(description, options)
        if len(requests) != 1:
            raise InputError("A stream is one take; give one description and one seed.")
        callback = options.get("callback")
        return self._parts(requests[0], callback)

    def codes(
        self, descriptions: str | Sequence[str], **options: Unpack[Options]
    ) -> NDArray[np.int64]:
        """The undelayed codec tokens alone, int64 [B, K, T], without making sound.

        `max_steps` is T. A loop's codes reach a little past its end: its seam is made of that.

        Raises:
            InputError: The takes differ in length.
        """
        requests = self._requests(descriptions, options)
        codes = self._engine.codes(requests, batch=options.get("batch", DEFAULT_BATCH))
        if len({each.shape for each in codes}) > 1:
            raise InputError("The takes differ in length; give max_steps to get codes of them all.")
        return np.stack(codes)

    def extend(
        self,
        take: Take,
        *,
        bars: int | None = None,
        duration_seconds: float | None = None,
        seed: int | None = None,
    ) -> Take:
        """Let a take go on, from its codes.

        Args:
            take: A finished take of this model.
            bars: Length of the whole new loop; see `duration_seconds`.
            duration_seconds: Length of the whole new take. Without either length it doubles.
            seed: Of the new part; None keeps the take's own.

        Raises:
            StudioError: See `Engine.generate`.
        """
        request = extended(
            self._own(take.request),
            take.codes,
            model_hash=take.model_hash,
            length_seconds=take.clip.duration_seconds,
            bars=_whole(bars),
            duration_seconds=_real(duration_seconds),
            seed=_whole(seed),
        )
        return self._engine.generate(request)

    def regenerate(
        self,
        take: Take,
        *,
        from_seconds: float,
        to_seconds: float | None = None,
        seed: int | None = None,
    ) -> Take:
        """Make one part of a take anew, from what stands before it; the rest stays.

        Args:
            take: A finished take of this model.
            from_seconds: Where the new part begins.
            to_seconds: Where it ends; None is the take's end.
            seed: Of the new part; None draws one.

        Raises:
            StudioError: See `Engine.generate`.
        """
        request = regenerated(
            self._own(take.request),
            take.codes,
            model_hash=take.model_hash,
            from_seconds=_real(from_seconds),
            to_seconds=_real(to_seconds),
            seed=secrets.randbelow(FREE_SEEDS) if seed is None else _whole(seed),
        )
        return self._engine.generate(request)

    def resound(self, coded: CodedTake) -> Take:
        """Make the sound of a take again from its codes, as those of a seed bank are kept.

        Args:
            coded: A take of this model; `CodedTake.of(take)` makes one.

        Raises:
            InputError: It is another model's, or damaged.
            StudioError: See `Engine.generate`.
        """
        return self._engine.resound(replace(coded, request=self._own(coded.request)))

    def encode(self, audio: ArrayLike) -> NDArray[np.int64]:
        """Sound [B, C, N], [C, N] or [N] at `sampling_rate` to codec tokens [B, K, T].

        Raises:
            InputError: The sound does not fit the model.
        """
        samples = np.asarray(audio, dtype=np.float32)
        if not 1 <= samples.ndim <= 3:
            raise InputError(f"The sound must be [batch, channels, frames], not {samples.shape}.")
        while samples.ndim < 3:
            samples = samples[None]
        return self._engine.encode(self._name, samples)

    def decode(self, codes: ArrayLike) -> NDArray[np.float32]:
        """Codec tokens to sound: [B, K, T] to [B, C, N], [K, T] to [C, N].

        Raises:
            InputError: The codes do not fit the model.
        """
        tokens = np.asarray(codes)
        if tokens.ndim == 2:
            whole: NDArray[np.float32] = self._engine.decode(self._name, tokens[None])[0]
            return whole
        return self._engine.decode(self._name, tokens)

    def logits(
        self, tokens: ArrayLike, descriptions: str | Sequence[str] | None = None
    ) -> NDArray[np.float32]:
        """What the network thinks of a delayed grid, for parity checks.

        Args:
            tokens: int [B, K, S], fillers included.
            descriptions: One for each row, or one for all; None or "" is the null condition.

        Returns:
            The conditional stream's float32 [B, K, S, V].

        Raises:
            InputError: Tokens or descriptions do not fit.
        """
        grid = np.asarray(tokens)
        texts = [descriptions] * len(grid) if isinstance(descriptions, str) else descriptions
        return self._engine.logits(self._name, grid, texts)

    def _own(self, request: GenerationRequest) -> GenerationRequest:
        """A recipe with this model in the place of its own."""
        return replace(
            request, model=self._name, precision=self._precision, adapters=self._adapters
        )

    def _requests(
        self, descriptions: str | Sequence[str], options: Options
    ) -> list[GenerationRequest]:
        unknown = sorted(set(options) - set(Options.__annotations__))
        if unknown:
            raise TypeError(f"unknown option {unknown[0]!r}")
        prompts = [descriptions] if isinstance(descriptions, str) else list(descriptions)
        if not prompts:
            raise InputError("There is no description; give one, or an empty text.")
        seed = options.get("seed")
        count = options.get("count", 1)
        if seed is None:
            seed = secrets.randbelow(FREE_SEEDS)
        if isinstance(seed, Sequence) and count != 1:
            raise InputError("Give a list of seeds or a count, not both.")
        material, before = self._material(options)
        requests = []
        for prompt in prompts:
            request = GenerationRequest(
                prompt=prompt,
                model=self._name,
                tempo_bpm=_real(options.get("bpm")),
                bars=_whole(options.get("bars")),
                key=options.get("key"),
                duration_seconds=_real(options.get("duration_seconds")),
                max_steps=_whole(options.get("max_steps")),
                top_k=_whole(options.get("top_k")),
                top_p=_real(options.get("top_p")),
                temperature=_real(options.get("temperature")),
                guidance=_real(options.get("guidance")),
                precision=self._precision,
                adapters=self._adapters,
                negative=options.get("negative", ""),
                **material,
            )
            if before is not None:
                request = self._engine.continued(request, before)
            if isinstance(seed, Sequence):
                requests += [request.with_seed(_whole(each)).checked() for each in seed]
            else:
                requests += request.with_seed(_whole(seed)).seeds(count)
        return requests

    def _material(self, options: Options) -> tuple[dict[str, Any], AudioClip | None]:
        """The fields of a request that say what it follows, and a sound it goes on from."""
        fields: dict[str, Any] = {}
        melody, sound = options.get("melody"), options.get("continuation")
        seconds = _real(options.get("continue_seconds"))
        if isinstance(melody, str | os.PathLike):
            fields["melody_file"] = os.fspath(melody)
        elif melody is not None:
            fields["melody"] = melody_of(self._clip(melody))
        if isinstance(sound, str | os.PathLike):
            file = {"continue_file": os.fspath(sound), "continue_seconds": seconds}
            return fields | file, None
        if sound is None:
            return fields, None
        codes = None if isinstance(sound, AudioClip) else np.asarray(sound)
        if codes is not None and np.issubdtype(codes.dtype, np.integer):
            return fields | {"source": CodeSequence.from_array(codes)}, None
        return fields, last_part(self._clip(sound), seconds)

    def _clip(self, sound: Any) -> AudioClip:
        if isinstance(sound, AudioClip):
            return sound
        samples = np.asarray(sound, dtype=np.float32)
        if samples.ndim not in (1, 2) or not samples.size:
            raise InputError(f"The sound must be [channels, frames], not {list(samples.shape)}.")
        return AudioClip(samples=samples, sample_rate=self.sampling_rate)

    def _parts(
        self, request: GenerationRequest, callback: Callable[[Chunk], None] | None
    ) -> Iterator[NDArray[np.float32]]:
        for chunk in self._engine.stream(request):
            if callback is not None:
                callback(chunk)
            if chunk.samples.shape[1]:
                yield chunk.samples


def generate_audio(
    description: str, *, model: str | os.PathLike[str] = "house", **options: Unpack[Options]
) -> AudioClip:
    """Make one sound with a model that stays in memory for the next call.

    Args:
        description: The prompt.
        model: Name or bundle folder.
        **options: See `Options`.

    Returns:
        The sound; `clip.save("intro.wav")` writes it.

    Raises:
        StudioError: See `Engine.generate`.
    """
    takes = _shared(os.fspath(model)).takes(description, **options)
    if len(takes) != 1:
        raise InputError("generate_audio makes one take; use MusicGen.generate for several.")
    return takes[0].clip


def save_audio(
    path: str | os.PathLike[str], audio: ArrayLike, sampling_rate: SupportsIndex
) -> None:
    """Write sound [channels, frames] or [frames] as a 24-bit WAV file, whole or not at all.

    Raises:
        InputError: It is no sound.
        StorageError: The file cannot be written.
    """
    samples = np.asarray(audio, dtype=np.float32)
    if samples.ndim not in (1, 2) or not samples.size:
        raise InputError(f"The sound must be [channels, frames], not {list(samples.shape)}.")
    AudioClip(samples=samples, sample_rate=operator.index(sampling_rate)).save(path)


@functools.lru_cache(maxsize=1)
def _shared(name: str) -> MusicGen:
    return MusicGen.from_pretrained(name)


def _real(value: Any) -> Any:
    """Numbers of numpy as Python's own; anything else as it is, for the request to refuse."""
    return float(value) if isinstance(value, np.floating | np.integer) else value


def _whole(value: Any) -> Any:
    return int(value) if isinstance(value, np.integer) else value
