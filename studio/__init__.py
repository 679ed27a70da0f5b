"""Seedcrate: loops from MusicGen-family models, on your own machine.

The stable Python face; importing it loads nothing until a name is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from studio.audio.clip import AudioClip
    from studio.generation.coded_take import CodedTake
    from studio.generation.model_face import add_model, get_model, list_models
    from studio.generation.musicgen import MusicGen, generate_audio, save_audio
    from studio.generation.seed_bank import SeedBank, list_banks, open_bank, save_bank

__all__ = [
    "AudioClip",
    "CodedTake",
    "MusicGen",
    "SeedBank",
    "add_model",
    "generate_audio",
    "get_model",
    "list_banks",
    "list_models",
    "open_bank",
    "save_audio",
    "save_bank",
]


def __getattr__(name: str) -> Any:
    """Import what is asked for (PEP 562)."""
    if name == "AudioClip":
        from studio.audio.clip import AudioClip

        return AudioClip
    if name in ("add_model", "get_model", "list_models"):
        from studio.generation import model_face

        return getattr(model_face, name)
    if name == "CodedTake":
        from studio.generation.coded_take import CodedTake

        return CodedTake
    if name in ("SeedBank", "list_banks", "open_bank", "save_bank"):
        from studio.generation import seed_bank

        return getattr(seed_bank, name)
    if name in __all__:
        from studio.generation import musicgen

        return getattr(musicgen, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
