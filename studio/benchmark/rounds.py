"""Contestants that take turns, so that a busy moment strikes all of them.

Owns the order of the turns and what is drawn from them: medians, the extremes beside them, and
ratios from the turns of the same round. It knows nothing of models.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Self, TypeVar

_Result = TypeVar("_Result")


@dataclass(frozen=True, kw_only=True)
class Spread:
    """The middle of some measurements and their extremes."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Self:
        """Of one value or more."""
        return cls(median=median(values), low=min(values), high=max(values))


def take_turns(
    contestants: Mapping[str, Callable[[], _Result]],
    rounds: int,
    on_turn: Callable[[int, str], None] = lambda done, name: None,
) -> dict[str, list[_Result]]:
    """Let every contestant have one turn in every round.

    Args:
        contestants: What each does in its turn, by name.
        rounds: 1 or more.
        on_turn: Told before each turn how many rounds are done, and whose turn it is.

    Returns:
        For each contestant what its turns gave, round by round.
    """
    results: dict[str, list[_Result]] = {name: [] for name in contestants}
    for done in range(rounds):
        for name, turn in contestants.items():
            on_turn(done, name)
            results[name].append(turn())
    return results


def ratio(above: Sequence[float], below: Sequence[float]) -> Spread:
    """Of two contestants' measurements in the same rounds."""
    return Spread.of([one / other for one, other in zip(above, below, strict=True)])
