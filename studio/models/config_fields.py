"""Reading numbers out of a checkpoint's configuration, which nobody vouches for.

Owns the checks on single fields. It does not know which fields a network needs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from studio.core.errors import ModelError


def read_integer(
    section: Mapping[str, Any], key: str, default: int, *, low: int = 1, high: int = 1_000_000
) -> int:
    """The whole number under `key`, or `default` where the configuration leaves it out.

    Raises:
        ModelError: It is not a whole number within `low` and `high`.
    """
    value = section.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise ModelError(f"{key} must be a whole number from {low} to {high}, not {value!r:.60}")
    return value


def read_number(
    section: Mapping[str, Any], key: str, default: float, *, low: float, high: float
) -> float:
    """The finite number under `key`, or `default` where the configuration leaves it out.

    Raises:
        ModelError: It is not a finite number within `low` and `high`.
    """
    value = section.get(key, default)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not math.isfinite(value) or not low <= value <= high:
        raise ModelError(f"{key} must be a number from {low} to {high}, not {value!r:.60}")
    return float(value)


def require_value(section: Mapping[str, Any], key: str, supported: Any) -> None:
    """Accept the configuration only if `key` is absent or holds the one supported value.

    Raises:
        ModelError: It holds something else.
    """
    value = section.get(key, supported)
    if value != supported:
        raise ModelError(f"{key} {value!r:.60} is not supported, only {supported!r}")
