"""What a model listens to.

Owns finding out whether a model on this machine hears words or a melody, and which words it was
taught, for the hints in the Generate panel. It loads no weights.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from studio.models.bundle import open_bundle
from studio.models.catalog import HOUSE, ModelKind
from studio.models.hub.cache import holds_bundle
from studio.models.prompting import PromptTemplate
from studio.models.shelf.shelf import ModelEntry, ModelShelf


@dataclass(frozen=True, kw_only=True)
class ModelTraits:
    """What a model listens to.

    Attributes:
        kind: "text", "melody" or "unconditional"; None when that is not known.
        template: The words that it was taught; None for a model that takes any words.
        absent: It is listed and not on this machine.
    """

    kind: ModelKind | None = None
    template: PromptTemplate | None = None
    absent: bool = False

    @property
    def hears_words(self) -> bool:
        """Whether a prompt is of use, as far as is known."""
        return self.kind != "unconditional"

    @property
    def follows_melody(self) -> bool:
        """Whether a melody is of use, as far as is known."""
        return self.kind in ("melody", None)


def read_traits(model: str, entry: ModelEntry | None = None) -> ModelTraits:
    """The traits of a model by its entry in the list, or of a folder.

    Raises:
        ModelError: The model is broken; Generate reports that.
    """
    if entry is not None and not entry.embedded and not entry.registered:
        return ModelTraits(kind=entry.kind, absent=entry.path is None)
    folder = Path(model).expanduser()
    if entry is not None:
        if entry.path is None or not holds_bundle(entry.path):
            return ModelTraits(kind=entry.kind, absent=entry.path is None)
        folder = entry.path
    elif model == HOUSE:
        folder = ModelShelf(None).resolve(HOUSE)
    elif not folder.is_dir():
        return ModelTraits()
    bundle = open_bundle(folder)
    kind: ModelKind = "text" if bundle.has_text else "unconditional"
    if bundle.has_melody:
        kind = "melody"
    template = None if bundle.prompting is None else PromptTemplate.from_dict(bundle.prompting)
    return ModelTraits(kind=kind if entry is None else entry.kind, template=template)
