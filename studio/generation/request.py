"""What is asked of the engine and what it gives back.

Owns the frozen values that cross from every face (window, command line, Python) to the engine
and back. It knows nothing of models, files or threads.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, fields, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from studio.audio.clip import AudioClip
from studio.core.errors import InputError
from studio.editing.key import parse_key
from studio.models.adapters import MOST_STRENGTH
from studio.models.codes import CodeSequence
from studio.models.prompting import tempo_in
from studio.models.selection import ALL_PRECISIONS

MIN_TEMPO_BPM = 60.0
MAX_TEMPO_BPM = 200.0
MAX_BARS = 64
MAX_DURATION_SECONDS = 600.0
MAX_PROMPT_CHARACTERS = 2_000
MAX_SEED = 2**63 - 1
FREE_SEEDS = 2**31  # a seed that nobody chose is below this, short enough to be typed
MIN_DURATION_SECONDS = 0.1
MAX_STEPS = 30_000
MAX_TOP_K = 65_536
MIN_TEMPERATURE = 0.01
MAX_TEMPERATURE = 10.0
MAX_GUIDANCE = 20.0
MAX_COUNT = 1_000
MAX_MELODY_FRAMES = 4_800  # ten minutes
MAX_ADAPTERS = 8
_PITCH_CLASSES = frozenset("0123456789ab")


@dataclass(frozen=True, kw_only=True)
class GenerationRequest:
    """Everything that decides how one take sounds.

    Exactly one length applies: `bars` (with `tempo_bpm`), `duration_seconds`, or `max_steps`; it
    is that of the whole take, kept parts included. A sampling field that is None means the
    model's own recommendation.

    A take can be made around what exists: `source` holds codes that are kept, except between
    `from_seconds` and `to_seconds` of the take, where new ones are made from what stands before
    them. Without an end it goes on to the end of the take, also beyond the source's.

    Files are read by the engine, which puts what it took from them (`melody`, `source`) into the
    finished take's request: a recipe needs no file.

    Attributes:
        prompt: Free text.
        model: Name in the catalogue, or a bundle folder.
        seed: Key of the sampling noise; the same seed gives the same take.
        tempo_bpm: Quarter notes a minute; read from the prompt when None and named there.
        bars: Length in bars of 4/4; the take is an exact loop.
        key: Tonic and mode such as "Am", "F#m", "C".
        duration_seconds: Length in seconds.
        max_steps: Length in codec frames (50 a second for every published model).
        top_k: Sample from the k likeliest codes; 1 is greedy, 0 takes all.
        top_p: Nucleus mass; overrides `top_k` when above 0.
        temperature: Divides the logits.
        guidance: Weight of the prompt against the null condition; 1 is unguided.
        precision: Number format of the decoder's weights, one of
            `selection.ALL_PRECISIONS`; None is what suits model and machine.
        adapters: What changes the model: names of adapters, or their folders, and how much of
            each; 1 is as it was trained, 0 is none.
        negative: What guidance leads away from; "" is the null condition.
        melody_file: Sound whose melody a melody model shall follow.
        melody: That melody: the pitch class of each chroma frame (7.8125 a second) as one digit,
            "0" for C to "b" for B.
        continue_file: Sound that the take begins with.
        continue_seconds: How much of that sound's end is taken; None takes all of it.
        source: Codes to keep.
        source_hash: Fingerprint of the model that made these codes; None for any that they fit.
        from_seconds: Where the new part begins, in the take's time; None is the source's end.
        to_seconds: Where it ends; None is the take's end.
    """

    prompt: str
    model: str = "house"
    seed: int = 0
    tempo_bpm: float | None = None
    bars: int | None = None
    key: str | None = None
    duration_seconds: float | None = None
    max_steps: int | None = None
    top_k: int | None = None
    top_p: float | None = None
    temperature: float | None = None
    guidance: float | None = None
    precision: str | None = None
    adapters: tuple[tuple[str, float], ...] = ()
    negative: str = ""
    melody_file: str | None = None
    melody: str | None = None
    continue_file: str | None = None
    continue_seconds: float | None = None
    source: CodeSequence | None = None
    source_hash: str | None = None
    from_seconds: float | None = None
    to_seconds: float | None = None

    def with_seed(self, seed: int) -> Self:
        """The same request under another seed."""
        return replace(self, seed=seed)

    def seeds(self, count: int) -> list[Self]:
        """The same request under the seeds S, S+1, ... S+count-1, each of them checked.

        Raises:
            InputError: `count` or one of the requests is impossible.
        """
        _check_whole("count", count, 1, MAX_COUNT)
        first = self.checked()
        return [first.with_seed(first.seed + offset).checked() for offset in range(count)]

    def checked(self) -> Self:
        """The same request, known to be possible, with the key in its short form.

        Raises:
            InputError: The first value that cannot be met, in one line with the allowed range.
        """
        _check_text("prompt", self.prompt)
        _check_text("negative prompt", self.negative)
        model: object = self.model
        if not isinstance(model, str) or not model.strip():
            raise InputError('The model must be named, for example "house", or be a folder.')
        _check_whole("seed", self.seed, 0, MAX_SEED)
        if self.tempo_bpm is not None:
            _check_number("tempo", self.tempo_bpm, MIN_TEMPO_BPM, MAX_TEMPO_BPM, "bpm")
        if self.bars is not None:
            _check_whole("bars", self.bars, 1, MAX_BARS)
        if self.duration_seconds is not None:
            _check_number(
                "duration",
                self.duration_seconds,
                MIN_DURATION_SECONDS,
                MAX_DURATION_SECONDS,
                "seconds",
            )
        if self.max_steps is not None:
            _check_whole("max steps", self.max_steps, 1, MAX_STEPS)
        lengths = {
            "bars": self.bars,
            "duration": self.duration_seconds,
            "max steps": self.max_steps,
        }
        given = [name for name, value in lengths.items() if value is not None]
        if len(given) > 1:
            raise InputError(f"Give one length only, not {' and '.join(given)} together.")
        self._check_sampling()
        self._check_adapters()
        self._check_material()
        return replace(self, key=None if self.key is None else stored_key(self.key))

    def named_tempo_bpm(self) -> float | None:
        """The tempo that the request or else its prompt names; None where neither does.

        Raises:
            InputError: The prompt names a tempo that cannot be made.
        """
        if self.tempo_bpm is not None:
            return float(self.tempo_bpm)
        tempo_bpm = tempo_in(self.prompt)
        if tempo_bpm is not None:
            _check_number("tempo in the prompt", tempo_bpm, MIN_TEMPO_BPM, MAX_TEMPO_BPM, "bpm")
        return tempo_bpm

    def _check_sampling(self) -> None:
        if self.top_k is not None:
            _check_whole("top-k", self.top_k, 0, MAX_TOP_K)
        if self.top_p is not None:
            _check_number("top-p", self.top_p, 0.0, 1.0)
        if self.temperature is not None:
            _check_number("temperature", self.temperature, MIN_TEMPERATURE, MAX_TEMPERATURE)
        if self.guidance is not None:
            _check_number("guidance", self.guidance, 0.0, MAX_GUIDANCE)
        if self.precision is not None and self.precision not in ALL_PRECISIONS:
            raise InputError(
                f"The precision must be one of {', '.join(ALL_PRECISIONS)}, not "
                f"{_short(self.precision)}."
            )

    def _check_adapters(self) -> None:
        if len(self.adapters) > MAX_ADAPTERS:
            raise InputError(
                f"{MAX_ADAPTERS} adapters are the most at once, not {len(self.adapters)}."
            )
        for use in self.adapters:
            _check_adapter(use)

    def _check_material(self) -> None:
        for name, file in (("melody", self.melody_file), ("sound", self.continue_file)):
            path: object = file
            if path is not None and (not isinstance(path, str) or not path or "\0" in path):
                raise InputError(f"The {name} to follow must be the path of an audio file.")
        melody: object = self.melody
        if melody is not None and not (
            isinstance(melody, str)
            and 0 < len(melody) <= MAX_MELODY_FRAMES
            and _PITCH_CLASSES.issuperset(melody)
        ):
            raise InputError(
                f"The melody must be 1 to {MAX_MELODY_FRAMES} pitch classes, written as 0 to b."
            )
        if self.continue_seconds is not None:
            _check_number(
                "seconds to continue from",
                self.continue_seconds,
                MIN_DURATION_SECONDS,
                MAX_DURATION_SECONDS,
            )
            if self.continue_file is None:
                raise InputError("Seconds to continue from need a sound to continue; name one.")
        if self.from_seconds is None and self.to_seconds is None:
            return
        if self.source is None:
            raise InputError("A part can only be made anew in a take that has codes; give them.")
        start = 0.0 if self.from_seconds is None else self.from_seconds
        _check_number("start of the new part", start, 0.0, MAX_DURATION_SECONDS, "seconds")
        if self.to_seconds is not None:
            _check_number("end of the new part", self.to_seconds, 0.0, MAX_DURATION_SECONDS)
            if self.to_seconds <= start:
                raise InputError(
                    f"The new part must end after its start at {start:g} s, not at"
                    f" {self.to_seconds:g} s."
                )

    def to_json(self) -> str:
        """The whole request as one JSON object with sorted keys."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        if self.source is not None:
            values["source"] = self.source.to_text()
        return json.dumps(values, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read back `to_json`; unknown keys of a newer version are ignored.

        Raises:
            InputError: `text` is not a JSON object with a prompt.
        """
        try:
            values: dict[str, Any] = json.loads(text)
            known = {field.name for field in fields(cls)}
            values = {key: value for key, value in values.items() if key in known}
            uses = values.get("adapters") or ()
            values["adapters"] = tuple((name, strength) for name, strength in uses)
            if values.get("source") is not None:
                values["source"] = CodeSequence.from_text(values["source"])
            return cls(**values)
        except (ValueError, TypeError, AttributeError) as error:
            raise InputError(f"This is not a stored recipe: {error}") from error


def stored_key(text: object) -> str:
    """A key in the form that is kept: "a minor" is "Am", "Bb" is "A#".

    Raises:
        InputError: `text` names no key.
    """
    key = parse_key(text) if isinstance(text, str) else None
    if key is None:
        raise InputError(
            f"The key {_short(text)} is not known; write it as Am, F#m, C or Eb major."
        )
    return key


def _check_text(name: str, value: object) -> None:
    if not isinstance(value, str) or len(value) > MAX_PROMPT_CHARACTERS:
        raise InputError(f"The {name} must be text of at most {MAX_PROMPT_CHARACTERS} characters.")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise InputError(f"The {name} holds bytes that are no text; type it in UTF-8.") from error


def _check_adapter(use: object) -> None:
    match use:
        case (str(name), strength) if name.strip() and "\0" not in name:
            what = f"strength of the adapter {_short(name)}"
            _check_number(what, strength, -MOST_STRENGTH, MOST_STRENGTH)
        case _:
            raise InputError(f"An adapter is a name and its strength, not {_short(use)}.")


def _check_whole(name: str, value: object, low: int, high: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise InputError(
            f"The {name} must be a whole number from {low} to {high}, not {_short(value)}."
        )


def _check_number(name: str, value: object, low: float, high: float, unit: str = "") -> None:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not is_number or not math.isfinite(value) or not low <= value <= high:  # type: ignore[arg-type, operator] # is_number says so
        allowed = f"from {low:g} to {high:g}" + (f" {unit}" if unit else "")
        raise InputError(f"The {name} must be {allowed}, not {_short(value)}.")


def _short(value: object) -> str:
    text = f"{value:g}" if isinstance(value, float) else repr(value)
    return text if len(text) <= 40 else text[:37] + "..."


@dataclass(frozen=True, kw_only=True, eq=False)
class Chunk:
    """A stretch of audio that became final while a take is still being made.

    Attributes:
        start_frame: Position in the take, in sample frames.
        samples: float32 [channels, frames].
        done_steps: Decoder steps taken so far.
        total_steps: Decoder steps the take needs.
    """

    start_frame: int
    samples: NDArray[np.float32]
    done_steps: int
    total_steps: int


@dataclass(frozen=True, kw_only=True, eq=False)
class Take:
    """One finished result.

    Attributes:
        request: What was asked, with the seed and every default filled in.
        clip: The sound, at the exact asked length.
        codes: Undelayed codec tokens, int64 [K, T]: K codebooks, T codec frames.
        model_hash: Fingerprint of the bundle that made it, see `Bundle.fingerprint`.
        tempo_bpm: A fact when the request named a tempo, else None.
        bars: Whole bars, when the take is a loop.
        key: As asked or rendered, None when unknown.
        seconds_taken: Wall time of the engine, for the whole batch that the take was part of.
    """

    request: GenerationRequest
    clip: AudioClip
    codes: NDArray[np.int64]
    model_hash: str
    tempo_bpm: float | None
    bars: int | None
    key: str | None
    seconds_taken: float
