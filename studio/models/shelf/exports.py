"""A model of the shelf as a folder for other programs.

Owns the choice of the format, the adapters that are added for good, and what the exported folder's
page says: the model's own page if it has one and nothing was changed, else its name, its licence
and what was added. Writing the folder is the torch backend's.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from studio.core.version import __version__
from studio.models.adapters import AdapterUse, with_adapters
from studio.models.bundle import Bundle, open_bundle
from studio.models.catalog import find_known
from studio.models.model_card import CARD, ModelCard
from studio.models.shelf.shelf import ModelShelf

Format = Literal["audiocraft", "huggingface"]
FORMATS: tuple[Format, ...] = ("audiocraft", "huggingface")
_MAX_CARD_BYTES = 2**20


def export_model(
    shelf: ModelShelf,
    name: str,
    folder: Path,
    form: Format,
    *,
    adapters: Sequence[tuple[str, float]] = (),
    words: bool = True,
) -> None:
    """Write a model in another program's format.

    Args:
        shelf: Where models and adapters are found.
        name: Of the model, or its folder.
        folder: Where it will be; an earlier export there is replaced at the end.
        form: "audiocraft" or "huggingface".
        adapters: What changes it: names or folders, with their strengths.
        words: For audiocraft; False leaves them out, see `export_audiocraft`.

    Raises:
        ModelError: The model or an adapter is unknown or broken, or the format has no place for a
            part of it.
        StorageError: The folder cannot be written, or holds something else.
    """
    uses = [
        AdapterUse(folder=shelf.resolve_adapter(each), strength=strength)
        for each, strength in adapters
        if strength
    ]
    bundle = with_adapters(open_bundle(shelf.resolve(name)), uses)
    changes = {each: f"strength {strength:g}" for each, strength in adapters if strength}
    card = _card(bundle, name, folder.name, changes, words=words)
    if form == "huggingface":
        from studio.models.torch_backend.export import export_huggingface

        export_huggingface(bundle, folder, card=card)
    else:
        from studio.models.torch_backend.audiocraft.export import export_audiocraft

        export_audiocraft(bundle, folder, words=words, card=card)


def _card(bundle: Bundle, name: str, exported: str, changes: dict[str, str], *, words: bool) -> str:
    own = bundle.folder / CARD
    if not changes and words and own.is_file() and own.stat().st_size <= _MAX_CARD_BYTES:
        return own.read_text(encoding="utf-8", errors="replace")
    known = find_known(name)
    plain = bundle.name if known is None else known.name
    about = f"The model {plain}, exported by Seedcrate {__version__}."
    if changes:
        about += " Adapters were added to its weights."
    if not words:
        about += " Its words were left out: it plays what it does without a prompt."
    return ModelCard(
        about=about,
        recipe={Path(adapter).name: strength for adapter, strength in changes.items()},
        licence="" if known is None else known.licence,
    ).text(exported)
