"""Why each choice of a training exists, in the words that stand beside it.

Owns the explanations, the items of the boxes, and the sizes in words. `docs/training.md` says more.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from studio.models.bundle import open_bundle
from studio.models.codec_config import EncodecConfig
from studio.models.hub.cache import holds_bundle
from studio.models.shapes import CODEC_PREFIX
from studio.models.shelf.shelf import ModelEntry
from studio.training.workshop.settings import Conditioners
from studio.training.workshop.sizes import SIZES, Size
from studio.ui.facts import size_text
from studio.workstation.training_child import SizeMeasured

FOLDER: Final = "Every sound in it and below it is heard once. Drop a folder anywhere here."
NAME: Final = "Under this name it stands among the models when it is done."
KINDS: Final = {
    "model": "Learns your sounds and nothing else: small, quick, odd.",
    "adapter": "Leans a model that knows much towards your sounds: minutes are enough, the file is"
    " small, and its strength can be chosen for each take.",
}
WORDS: Final[dict[Conditioners, tuple[str, str]]] = {
    "auto": (
        "Where most sounds have some",
        "Names, tags and sidecars are looked at; with few words it makes sound without any.",
    ),
    "none": ("None", "Nothing to type: every seed is a surprise. Best where names say nothing."),
    "text": (
        "Names, tags and sidecars",
        "Words from names of files and folders, tags, and NAME.json beside a sound, which then"
        " replaces its name. What is not said there cannot be asked for later.",
    ),
}
CODEC: Final = (
    "What turns sound into codes and back; it limits the sound. House is small and quick, made"
    " of drums and basses; others sound better and take longer."
)
TUNE: Final = (
    "Fits a copy of the codec to your sounds first; worth it for sounds far from drums and basses."
)
LENGTH: Final = (
    "Minutes become steps by measuring this computer. It stops earlier when it begins to learn"
    " your sounds by heart."
)
MEASURE: Final = "Measure every size on this computer, with this codec; takes a few minutes"
_USUAL_WORDS: Final = 100
STOPPED: Final = "A training that was stopped goes on where it was."


@dataclass(frozen=True, kw_only=True)
class CodecFacts:
    """What of a codec decides how large a model is.

    Attributes:
        codebooks: Codes a frame.
        vocabulary: Of each.
        parameters: Numbers in the codec.
    """

    codebooks: int
    vocabulary: int
    parameters: int


def read_codec_facts(entry: ModelEntry) -> CodecFacts | None:
    """The facts of a model's codec; None where its folder says nothing of it yet.

    Raises:
        ModelError: The model is broken.
    """
    if entry.path is None or not holds_bundle(entry.path):
        return None
    bundle = open_bundle(entry.path)
    config = EncodecConfig.from_hf(bundle.config["audio_encoder"])
    numbers = sum(
        math.prod(tensor.shape)
        for name, tensor in bundle.entries.items()
        if name.startswith(CODEC_PREFIX)
    )
    return CodecFacts(
        codebooks=config.codebooks, vocabulary=config.codebook_size, parameters=numbers
    )


def size_title(size: Size, codec: CodecFacts | None, *, words: bool) -> str:
    """`micro, 8.1 million, 24 MB`: parameters and bytes of the bundle, with some words or none."""
    if codec is None:
        return size.name
    numbers = size.parameters(
        codebooks=codec.codebooks,
        vocabulary=codec.vocabulary,
        text_tokens=_USUAL_WORDS if words else 0,
    )
    megabytes = 2 * (numbers + codec.parameters) / 1e6
    return f"{size.name}, {numbers / 1e6:.1f} million, {size_text(megabytes)}"


def size_reason(name: str, measured: SizeMeasured | None) -> str:
    """What a size is for, and how fast it was found to be here."""
    about = SIZES[name].about
    reason = f"{about[0].upper()}{about[1:]}. More numbers learn more and need more sound."
    if measured is None:
        return f"{reason} Not measured here yet."
    return (
        f"{reason} Here: {measured.times_real_time:.1f} times real time, trains"
        f" {measured.training_steps_per_second:.1f} steps a second."
    )
