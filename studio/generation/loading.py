"""From a model's name to a model in memory.

Owns the pairing of a backend with the bundle's text template. It knows no network: `models` does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from studio.models.adapters import AdapterUse
from studio.models.backend import MusicBackend
from studio.models.bundle import open_bundle
from studio.models.catalog import HOUSE
from studio.models.prompting import PromptTemplate
from studio.models.selection import load_backend
from studio.models.shelf.shelf import ModelShelf


@dataclass(frozen=True, kw_only=True, eq=False)
class LoadedModel:
    """A model that is ready to make codes.

    Attributes:
        backend: The network.
        template: How tempo, key and words enter the text; None for models that take plain text.
    """

    backend: MusicBackend
    template: PromptTemplate | None = None


def lasting_name(name: str) -> str:
    """The name under which a recipe finds the model again: a folder's becomes absolute."""
    folder = Path(name).expanduser()
    return str(folder.resolve()) if name != HOUSE and folder.is_dir() else name


def load_model(
    name: str,
    *,
    shelf: ModelShelf | None = None,
    backend: str | None = None,
    precision: str | None = None,
    adapters: Sequence[tuple[str, float]] = (),
) -> LoadedModel:
    """Read a model.

    Args:
        name: In the catalogue or on the shelf, or a model folder.
        shelf: The models that a person has added; None knows the catalogue only.
        backend: What computes; None picks.
        precision: Number format of the weights; None picks.
        adapters: What changes it: names on the shelf or folders, with their strengths. One of
            strength 0 is not looked for.

    Raises:
        ModelError: It is unknown or broken, or an adapter is, or they do not fit each other.
    """
    shelf = shelf or ModelShelf(None)
    folder = shelf.resolve(name)
    prompting = open_bundle(folder).prompting
    template = None if prompting is None else PromptTemplate.from_dict(prompting)
    uses = [
        AdapterUse(folder=shelf.resolve_adapter(each), strength=strength)
        for each, strength in adapters
        if strength
    ]
    loaded = load_backend(
        folder,
        backend=backend,
        precision=precision,
        digest=shelf.digest,
        measurements=shelf.measurements,
        packed=shelf.packed,
        adapters=uses,
    )
    return LoadedModel(backend=loaded, template=template)
