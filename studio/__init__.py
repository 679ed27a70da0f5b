"""Seedcrate: loops from MusicGen-family models, on your own machine.

The stable Python face; importing it loads nothing until a name is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from studio.audio.clip import AudioClip
    from studio.generation.model_face import add_model, get_model, list_models
    from studio.generation.musicgen import MusicGen, generate_audio, save_audio

__all__ = [
    "AudioClip",
    "MusicGen",
    "add_model",
    "generate_audio",
    "get_model",
    "list_models",
    "save_audio",
]


def __getattr__(name: str) -> Any:
    """Import what is asked for (PEP 562)."""
    if name == "AudioClip":
        from studio.audio.clip import AudioClip

        return AudioClip
    if name in ("add_model", "get_model", "list_models"):
        from studio.generation import model_face

        return getattr(model_face, name)
    if name in __all__:
        from studio.generation import musicgen

        return getattr(musicgen, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
