"""The version of the product; nothing else."""

from __future__ import annotations

__version__ = "0.1.0"
