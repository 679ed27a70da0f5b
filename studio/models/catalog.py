"""Which models there are.

Owns the published models' names and facts. It looks at no disk and no network: `shelf` knows what
is on this machine, and `hub` fetches what is not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

HOUSE = "house"
NON_COMMERCIAL = "CC-BY-NC-4.0"

ModelKind = Literal["text", "melody", "unconditional", "part", "adapter"]
SILENT_KINDS: tuple[ModelKind, ...] = ("part", "adapter")
"""What makes no sound alone."""


@dataclass(frozen=True, kw_only=True)
class KnownModel:
    """One entry of the catalogue.

    Attributes:
        name: What a person types.
        kind: "text" takes words, "melody" takes words and a tune, "unconditional" takes neither;
            a "part" makes no sound alone, models in audiocraft's format are completed with it; an
            "adapter" changes a model.
        licence: SPDX name of the licence of its weights.
        size_megabytes: Of the files that are fetched, in units of a million bytes.
        sample_rate: In Hz; 0 for a part without sound.
        channels: 1 is mono; 0 for a part without sound.
        codebooks: Codes of one frame, over all channels; 0 for a part without sound.
        embedded: Whether it comes with the program.
        repository: Its `owner/name` on the Hub, empty for the embedded model.
        parts: Names of what must be fetched beside it.
    """

    name: str
    kind: ModelKind
    licence: str
    size_megabytes: int
    sample_rate: int = 32_000
    channels: int = 1
    codebooks: int = 4
    embedded: bool = False
    repository: str = ""
    parts: tuple[str, ...] = ()


def _of_meta(
    name: str,
    size_megabytes: int,
    *,
    kind: ModelKind = "text",
    stereo: bool = False,
    parts: tuple[str, ...] = (),
) -> KnownModel:
    return KnownModel(
        name=f"facebook/{name}",
        repository=f"facebook/{name}",
        kind=kind,
        licence=NON_COMMERCIAL,
        size_megabytes=size_megabytes,
        channels=2 if stereo else 1,
        codebooks=8 if stereo else 4,
        parts=parts,
    )


def _micro(name: str, size_megabytes: int) -> KnownModel:
    return KnownModel(
        name=f"pharoAIsanders420/{name}",
        repository=f"pharoAIsanders420/{name}",
        kind="unconditional",
        licence="MIT",
        size_megabytes=size_megabytes,
        parts=("facebook/encodec_32khz",),
    )


# docs/models.md says where each size and licence comes from.
_KNOWN = (
    KnownModel(
        name=HOUSE, kind="text", licence="MIT", size_megabytes=25, codebooks=4, embedded=True
    ),
    _of_meta("musicgen-small", 2_360),
    _of_meta("musicgen-medium", 3_920, parts=("t5-base",)),
    _of_meta("musicgen-large", 6_750, parts=("t5-base",)),
    _of_meta("musicgen-melody", 6_230, kind="melody"),
    _of_meta("musicgen-melody-large", 10_510, kind="melody"),
    _of_meta("musicgen-stereo-small", 1_220, stereo=True),
    _of_meta("musicgen-stereo-medium", 4_070, stereo=True),
    _of_meta("musicgen-stereo-large", 6_920, stereo=True),
    _of_meta("musicgen-stereo-melody", 6_330, kind="melody", stereo=True),
    _of_meta("musicgen-stereo-melody-large", 10_640, kind="melody", stereo=True),
    _micro("micro-musicgen-jungle", 269),
    _micro("micro-musicgen-acid", 84),
    KnownModel(
        name="t5-base",
        repository="google-t5/t5-base",
        kind="part",
        licence="Apache-2.0",
        size_megabytes=893,
        sample_rate=0,
        channels=0,
        codebooks=0,
    ),
    KnownModel(
        name="facebook/encodec_32khz",
        repository="facebook/encodec_32khz",
        kind="part",
        licence=NON_COMMERCIAL,
        size_megabytes=236,
    ),
)


def known_models() -> tuple[KnownModel, ...]:
    """Every model with a name, the embedded one first and the parts last."""
    return _KNOWN


def find_known(name: str) -> KnownModel | None:
    """The entry of a name or of a repository; None for one that the catalogue does not have."""
    for model in _KNOWN:
        if name == model.name or (model.repository and name == model.repository):
            return model
    return None
