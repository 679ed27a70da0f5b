"""Seed banks: the good ones among many takes, picked by measure.

Owns what makes a take good enough for a bank, and the banks' files. A take must keep its tempo
and its key; of those that do, the ones most like fresh loops of their genre are taken, none
nearly equal to another.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from studio.benchmark.house.bank_prompts import bank_requests
from studio.core.errors import ModelError, StorageError
from studio.core.paths import resources_dir
from studio.core.storage import shown_path
from studio.editing.key_estimate import estimate_key
from studio.editing.tempo import tempo_error
from studio.generation.coded_take import CodedTake
from studio.generation.engine import Engine
from studio.generation.loading import load_model
from studio.generation.request import Take
from studio.generation.seed_bank import SUFFIX, SeedBank, save_bank
from studio.models.catalog import HOUSE
from studio.training.evaluation import descriptors
from studio.training.loopsynth import GENRES, SAMPLE_RATE, render_loop

_FRESH_SEED: Final = 80_000_000
_FRESH_LOOPS: Final = 96
_KEY_SECONDS: Final = 4.0
_QUIETEST_RMS: Final = 0.02
_MOST_EQUAL: Final = 0.8
_AT_ONCE: Final = 16


@dataclass(frozen=True, kw_only=True)
class BankFigures:
    """How a bank came about.

    Attributes:
        genre: Its name.
        made: Takes that were made for it.
        on_tempo: Of them, those on their tempo.
        keys_asked: Those that were asked for a key.
        in_key: Of them, those in it; of a loop without chords or melody no key can be heard.
        kept: Takes in the bank.
        kept_distance: Median distance of the kept ones to the genre's fresh loops, in standard
            deviations.
        made_distance: The same of all that were made.
        fresh_distance: The same of other fresh loops.
        bytes: Size of the file.
    """

    genre: str
    made: int
    on_tempo: int
    keys_asked: int
    in_key: int
    kept: int
    kept_distance: float
    made_distance: float
    fresh_distance: float
    bytes: int

    def to_json(self) -> dict[str, Any]:
        """As a plain object."""
        return asdict(self)


def make_banks(
    folder: Path,
    *,
    genres: Sequence[str] | None = None,
    candidates: int,
    keep: int,
    tell: Callable[[BankFigures], None],
) -> None:
    """Make one bank for each genre from takes of the embedded model.

    Args:
        folder: Where the files are written.
        genres: Names of the banks; None makes one for each that the synthesiser knows.
        candidates: Takes made for each.
        keep: Takes kept of them, at most.
        tell: Given each bank's figures.

    Raises:
        ModelError: The embedded model is missing or does not know a genre.
        StorageError: A file cannot be written.
    """
    house = resources_dir() / "models" / HOUSE
    loaded = load_model(str(house))
    template = loaded.template
    genres = genres or GENRES
    unknown = set(genres) - set(() if template is None else template.genres)
    if template is None or unknown:
        raise ModelError(f"The embedded model does not know {', '.join(sorted(unknown))}.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(
            f"The folder {shown_path(folder)} cannot be made ({error.strerror or error}); choose"
            " another one."
        ) from error
    engine = Engine(lambda name, precision=None, adapters=(): loaded)
    for genre in genres:
        requests = list(islice(bank_requests(template, genre), candidates))
        takes = engine.generate_many(requests, batch=_AT_ONCE)
        judged = Judge(genre).judge(takes)
        chosen = unlike([one for one in judged if one.good], keep)
        if not chosen:
            raise ModelError(f"No take of {genre} kept tempo and key; make more with --candidates.")
        file = folder / f"{genre}{SUFFIX}"
        bank = SeedBank(name=genre, takes=tuple(CodedTake.of(one.take) for one in chosen))
        save_bank(file, bank)
        tell(_figures(genre, judged, chosen, file.stat().st_size))


@dataclass(frozen=True, kw_only=True, eq=False)
class Judged:
    """A take and what was measured of it.

    Attributes:
        take: It.
        on_tempo: Whether its onsets lie on the grid of its tempo.
        in_key: Whether it is in its key; None where none was asked or none can be heard.
        loud: Whether it is no silence.
        distance: To the genre's fresh loops, in standard deviations.
        fresh_distance: Median of the same of other fresh loops.
    """

    take: Take
    on_tempo: bool
    in_key: bool | None
    loud: bool
    distance: float
    fresh_distance: float

    @property
    def good(self) -> bool:
        """Whether it may be in a bank."""
        return self.on_tempo and self.loud and self.in_key is not False


class Judge:
    """Hears takes of one genre."""

    def __init__(self, genre: str) -> None:
        seeds = range(_FRESH_SEED, _FRESH_SEED + 2 * _FRESH_LOOPS)
        loops = [
            np.resize(sound, 2 * SAMPLE_RATE)
            for sound in (
                render_loop(seed, split="validation", genre=genre).samples for seed in seeds
            )
        ]
        known, others = np.split(descriptors(np.stack(loops), SAMPLE_RATE), 2)
        self._centre, self._spread = known.mean(axis=0), known.std(axis=0) + 1e-3
        self._fresh = float(np.median(self._distances(others)))

    def judge(self, takes: Sequence[Take]) -> list[Judged]:
        """Measure every take, the most typical first."""
        judged = [self._one(take) for take in takes]
        return sorted(judged, key=lambda one: one.distance)

    def _one(self, take: Take) -> Judged:
        rate = take.clip.sample_rate
        sound = take.clip.samples.mean(axis=0)
        assert take.tempo_bpm is not None  # every request names one
        heard = descriptors(np.resize(sound, 2 * rate)[None], rate)
        in_key = None
        if take.request.key is not None and _names_chords(take.request.prompt):
            long_enough = np.resize(sound, max(len(sound), round(_KEY_SECONDS * rate)))
            in_key = estimate_key(long_enough, rate).key == take.request.key
        return Judged(
            take=take,
            on_tempo=tempo_error(np.tile(sound, 2), rate, take.tempo_bpm).on_grid,
            in_key=in_key,
            loud=float(np.sqrt(np.mean(sound**2))) > _QUIETEST_RMS,
            distance=float(self._distances(heard)[0]),
            fresh_distance=self._fresh,
        )

    def _distances(self, heard: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(
            np.sqrt((((heard - self._centre) / self._spread) ** 2).mean(axis=1)), dtype=np.float64
        )


def _names_chords(prompt: str) -> bool:
    """Whether a prompt asks for what makes its key plain to hear."""
    return any(word in prompt for word in ("stab", "chord", "pad", "arp", "lead", "piano", "organ"))


def unlike(judged: Sequence[Judged], keep: int) -> list[Judged]:
    """The first `keep` of which none nearly repeats an earlier one."""
    chosen: list[Judged] = []
    for one in judged:
        if len(chosen) < keep and all(
            _equal_codes(one.take, other.take) < _MOST_EQUAL for other in chosen
        ):
            chosen.append(one)
    return chosen


def _equal_codes(one: Take, other: Take) -> float:
    frames = min(one.codes.shape[1], other.codes.shape[1])
    return float(np.mean(one.codes[0, :frames] == other.codes[0, :frames]))


def _figures(
    genre: str, judged: Sequence[Judged], chosen: Sequence[Judged], size: int
) -> BankFigures:
    asked = [one for one in judged if one.in_key is not None]
    return BankFigures(
        genre=genre,
        made=len(judged),
        on_tempo=sum(one.on_tempo for one in judged),
        keys_asked=len(asked),
        in_key=sum(bool(one.in_key) for one in asked),
        kept=len(chosen),
        kept_distance=round(float(np.median([one.distance for one in chosen])), 3),
        made_distance=round(float(np.median([one.distance for one in judged])), 3),
        fresh_distance=round(judged[0].fresh_distance, 3),
        bytes=size,
    )
