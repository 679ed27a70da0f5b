"""Which models are on this machine, and where.

Owns the way from a name to a folder in the Hugging Face layout, and the list of models that a
person has added. It opens no connection (`hub` does), computes nothing when it is made, and never
touches a folder that is not its own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from studio.core.errors import ModelError
from studio.core.paths import resources_dir
from studio.core.storage import one_line, shown_path
from studio.models.adapters import ADAPTER_CONFIG, is_adapter, open_adapter
from studio.models.bundle import open_bundle, sha256_of
from studio.models.catalog import (
    HOUSE,
    SILENT_KINDS,
    KnownModel,
    ModelKind,
    find_known,
    known_models,
)
from studio.models.hub.cache import (
    forget_repository,
    holds_bundle,
    holds_model,
    is_repository,
    ownerless_snapshot_of,
    repository_folder,
    snapshot_of,
)
from studio.models.measurements import Measurements
from studio.models.native_backend.store import PackedStore
from studio.models.shelf.conversions import Conversions
from studio.models.shelf.digests import DigestCache
from studio.models.shelf.registry import AddedModel, Registry

NOT_STATED = "not stated"
_NAME = re.compile(r"\w[\w. +-]{0,78}\w|\w")


@dataclass(frozen=True, kw_only=True)
class ModelEntry:
    """A model as a list shows it.

    Attributes:
        name: What a person types.
        licence: Of its weights: an SPDX name, or "not stated".
        size_megabytes: Of its files, in units of a million bytes.
        sample_rate: In Hz; 0 for what has no sound.
        channels: 1 is mono; 0 for what has no sound.
        codebooks: Codes of one frame, over all channels; 0 for what has no sound.
        kind: "text", "melody" or "unconditional"; a "part" makes no sound alone, an "adapter"
            changes a model.
        embedded: Whether it comes with the program.
        registered: Whether the person added it as a folder.
        path: Where it lies; None when it is not on this machine.
        base: The model that an adapter was made for, as far as it says; else "".
    """

    name: str
    licence: str
    size_megabytes: int
    sample_rate: int
    channels: int
    codebooks: int
    kind: ModelKind
    embedded: bool
    registered: bool
    path: Path | None
    base: str = ""

    @property
    def plays(self) -> bool:
        """Whether it makes sound by itself."""
        return self.kind not in SILENT_KINDS


class ModelShelf:
    """The models of one library.

    Args:
        folder: Where the list of added models and all conversions are kept, `Paths.models_dir`;
            None for a shelf without either.
        on_notice: Told one line about what takes long or was not found in order.

    Attributes:
        measurements: What is known about this machine and its models.
        packed: Large models' weights in the form that this machine reads.
    """

    def __init__(
        self, folder: Path | None, *, on_notice: Callable[[str], None] | None = None
    ) -> None:
        self._folder = folder
        self._notify = on_notice or _ignore
        self._registry = None if folder is None else Registry(folder / "models.json")
        self._conversions = None if folder is None else Conversions(folder / "converted")
        self._digests = None if folder is None else DigestCache(folder / "digests.json")
        self.measurements = Measurements(None if folder is None else folder / "measurements.json")
        self.packed = PackedStore(None if folder is None else folder / "packed")

    # --- finding -------------------------------------------------------------------------------

    def resolve(self, name_or_folder: str | Path) -> Path:
        """The folder of a model, in the Hugging Face layout.

        Args:
            name_or_folder: A name in the catalogue, a name that was added, the `owner/name` of
                any model in the local Hugging Face cache, or a folder. A model whose weights
                are pickles, as audiocraft writes them, is converted, once.

        Raises:
            ModelError: There is no such model on this machine, or it is broken.
            StorageError: A conversion found no room.
        """
        name = str(name_or_folder)
        if name == HOUSE:
            return _house()
        known = find_known(name)
        added: dict[str, AddedModel] = {}
        if isinstance(name_or_folder, str) and known is None:
            added = self._added()
            if name in added:
                present = self._present(name, added[name])
                _refuse_adapter(name, present)
                return self._bundle(present)
        folder = _existing_folder(name)
        if folder is not None:
            _refuse_adapter(name, folder)
        if folder is None:
            folder = snapshot_of(name if known is None else known.repository)
        if folder is None:
            raise _absent(name, known, added)
        return self._bundle(folder)

    def resolve_adapter(self, name_or_folder: str | Path) -> Path:
        """The folder of an adapter.

        Args:
            name_or_folder: A name that was added, or a folder.

        Raises:
            ModelError: There is no such adapter on this machine.
        """
        name = str(name_or_folder)
        added = self._added()
        if isinstance(name_or_folder, str) and name in added:
            folder: Path | None = self._present(name, added[name])
        else:
            folder = _existing_folder(name)
        if folder is None:
            known = sorted(other for other in added if added[other].kind == "adapter")
            choices = ", ".join([*map(one_line, known), "or a folder"])
            raise ModelError(
                f"There is no adapter {one_line(name)!r:.200}; choose {choices} with an"
                f" {ADAPTER_CONFIG}."
            )
        if not is_adapter(folder):
            raise ModelError(
                f"{one_line(name):.200} is not an adapter, it has no {ADAPTER_CONFIG}; choose it"
                " as the model instead."
            )
        return folder

    def models(self) -> tuple[ModelEntry, ...]:
        """The catalogue and what was added; quick, and a damaged list costs a notice only."""
        added = self._added()
        return (
            *(_catalogued(model) for model in known_models()),
            *(_listed(name, added[name]) for name in sorted(added, key=str.casefold)),
        )

    def must_convert(self, folder: Path) -> bool:
        """Whether a folder's model will be converted when it is used, if it was not already."""
        if holds_bundle(folder):
            return False
        # Only now: what reads those formats takes its time to load.
        from studio.models.audiocraft.folder import needs_conversion

        return needs_conversion(folder)

    def digest(self, file: Path) -> str:
        """The hex SHA-256 of a file, remembered for large ones; for `open_bundle`.

        Raises:
            OSError: It cannot be read.
        """
        return sha256_of(file) if self._digests is None else self._digests.digest(file)

    def find_part(self, name: str) -> Path:
        """The folder of what a model in audiocraft's format refers to, such as "t5-base".

        The name comes out of a checkpoint, so it is looked up in the Hugging Face cache alone.

        Raises:
            ModelError: It is not on this machine.
        """
        known = find_known(name)
        repository = name if known is None else known.repository
        folder = snapshot_of(repository)
        if folder is None and repository == f"google-t5/{name}":
            # Where older tools put it, before the repository had an owner.
            folder = ownerless_snapshot_of(name)
        if folder is None:
            if known is None and not is_repository(name):
                raise ModelError(f"The model needs {name!r:.120}, which is no published part.")
            raise ModelError(
                f'The model needs {name:.120} to be converted; fetch it with "studio models get'
                f' {name:.120}".'
            )
        return folder

    # --- changing ------------------------------------------------------------------------------

    def add(self, folder: Path, name: str | None = None) -> ModelEntry:
        """Give a folder with a model or an adapter a name; it stays where it is.

        It is opened and checked first; a model in audiocraft's format is converted.

        Args:
            folder: A model in either format, or an adapter.
            name: What to call it; None takes the folder's own name.

        Raises:
            ModelError: The folder is not usable, or the name is taken or not possible.
            StorageError: The list or the conversion cannot be written.
        """
        if self._registry is None:
            raise ModelError("This shelf keeps no list of models; open a library to add to.")
        folder = Path(folder).expanduser().absolute()
        name = folder.name if name is None else name
        self._check_free(name, folder, self._registry.read())
        if is_adapter(folder):
            facts = _adapter_facts(folder)
        else:
            facts = _facts(folder, self._bundle(folder))
        with self._registry.changing() as added:
            self._check_free(name, folder, added)
            added[name] = facts
        return _listed(name, facts)

    def remove(self, name: str) -> None:
        """Forget an added model, or delete a downloaded one from the Hugging Face cache.

        What was converted or packed from it is deleted too; a person's own folder never is.

        Raises:
            ModelError: It comes with the program, or is not on this machine.
            StorageError: It cannot be deleted.
        """
        if name == HOUSE:
            raise ModelError("The model house comes with the program and stays.")
        known = find_known(name)
        if known is None and self._forget(name):
            return
        repository = name if known is None else known.repository
        if not is_repository(repository):
            raise ModelError(
                f'There is no model {one_line(name)!r:.120} to remove; "studio models" lists them.'
            )
        if not forget_repository(repository):
            raise ModelError(f"The model {repository} is not on this machine.")
        place = repository_folder(repository)
        if self._conversions is not None:
            self._conversions.forget(place / "snapshots" / "all")
        self.packed.forget(place)

    def _forget(self, name: str) -> bool:
        """Take a name off the list; False when it is not on it."""
        if self._registry is None or name not in self._registry.read():
            return False
        with self._registry.changing() as added:
            gone = added.pop(name, None)
            shared = gone is None or gone.folder in {other.folder for other in added.values()}
        if gone is not None and not shared:
            if self._conversions is not None:
                self._conversions.forget(Path(gone.folder))
            self.packed.forget(Path(gone.folder))
        return True

    # --- inside --------------------------------------------------------------------------------

    def _bundle(self, folder: Path) -> Path:
        """The folder itself, or what was converted from it."""
        if not self.must_convert(folder):
            return folder
        if self._conversions is None:
            raise ModelError(
                f"The model folder {shown_path(folder)} must be converted first; add it with"
                ' "studio models add".'
            )
        shown = shown_path(folder)
        return self._conversions.of(
            folder,
            find=self.find_part,
            on_start=lambda: self._notify(f"Converting {shown}, once; this may take minutes."),
        )

    def _present(self, name: str, added: AddedModel) -> Path:
        folder = Path(added.folder)
        if not folder.is_dir():
            raise ModelError(
                f"The folder {shown_path(folder)} of the model {name} is gone; put it back, or"
                f' forget it with "studio models remove {name}".'
            )
        return folder

    def _check_free(self, name: str, folder: Path, added: dict[str, AddedModel]) -> None:
        if not _NAME.fullmatch(name):
            raise ModelError(
                f"{one_line(name)!r:.120} cannot be the name of a model; choose letters and digits"
                " with --name."
            )
        taken = {known.name.casefold() for known in known_models()}
        taken |= {other.casefold() for other in added if added[other].folder != str(folder)}
        if name.casefold() in taken:
            raise ModelError(f"There is a model {name} already; choose another name with --name.")

    def _added(self) -> dict[str, AddedModel]:
        """What was added; a damaged list is told of and counts as empty."""
        try:
            return {} if self._registry is None else self._registry.read()
        except ModelError as error:
            self._notify(error.user_message)
            return {}


def _ignore(notice: str) -> None:
    """Used when nobody listens."""


def _existing_folder(name: str) -> Path | None:
    try:
        folder = Path(name).expanduser()
        return folder if name and folder.is_dir() else None
    except (OSError, RuntimeError):
        # Too long for a path, or somebody's home who is unknown here.
        return None


def _absent(name: str, known: KnownModel | None, added: Mapping[str, AddedModel]) -> ModelError:
    if known is not None or is_repository(name):
        return ModelError(
            f'The model {name} is not on this machine; fetch it with "studio models get {name}"'
            f' or choose "{HOUSE}".'
        )
    names = [model.name for model in known_models() if model.kind not in SILENT_KINDS]
    own = (other for other in sorted(added) if added[other].kind not in SILENT_KINDS)
    choices = ", ".join([*names, *map(one_line, own)])
    return ModelError(
        f"There is no model {one_line(name)!r:.200}; choose {choices}, or a folder with a"
        " config.json."
    )


def _house() -> Path:
    return resources_dir() / "models" / HOUSE


def _catalogued(model: KnownModel) -> ModelEntry:
    return ModelEntry(
        name=model.name,
        licence=model.licence,
        size_megabytes=model.size_megabytes,
        sample_rate=model.sample_rate,
        channels=model.channels,
        codebooks=model.codebooks,
        kind=model.kind,
        embedded=model.embedded,
        registered=False,
        path=_house() if model.embedded else snapshot_of(model.repository),
    )


def _listed(name: str, facts: AddedModel) -> ModelEntry:
    folder = Path(facts.folder)
    return ModelEntry(
        name=name,
        licence=NOT_STATED,
        size_megabytes=facts.size_megabytes,
        sample_rate=facts.sample_rate,
        channels=facts.channels,
        codebooks=facts.codebooks,
        kind=facts.kind,
        embedded=False,
        registered=True,
        path=folder if is_adapter(folder) or holds_model(folder) else None,
        base=facts.base,
    )


def _refuse_adapter(name: str, folder: Path) -> None:
    """Say what to do with an adapter that was given for a model."""
    if is_adapter(folder) and not holds_model(folder):
        raise ModelError(
            f"{one_line(name):.200} is an adapter, not a model; choose the model it was made for,"
            " and this with --adapter."
        )


def _adapter_facts(folder: Path) -> AddedModel:
    """Open an adapter and note what the list shows.

    Raises:
        ModelError: It is broken, or of another kind.
    """
    adapter = open_adapter(folder)
    return AddedModel(
        folder=str(folder),
        size_megabytes=max(1, round(4 * adapter.parameters / 1e6)),
        sample_rate=0,
        channels=0,
        codebooks=0,
        kind="adapter",
        base=adapter.base,
    )


def _facts(folder: Path, bundle_folder: Path) -> AddedModel:
    """Open a model and note what the list shows.

    Raises:
        ModelError: It is broken, or of another kind.
    """
    bundle = open_bundle(bundle_folder)
    decoder = bundle.config.get("decoder")
    codec = bundle.config.get("audio_encoder")
    decoder = decoder if isinstance(decoder, dict) else {}
    codec = codec if isinstance(codec, dict) else {}
    kind: ModelKind = "text" if bundle.has_text else "unconditional"
    if bundle.has_melody:
        kind = "melody"
    return AddedModel(
        folder=str(folder),
        size_megabytes=round(sum(file.stat().st_size for file in bundle.weight_files) / 1e6),
        sample_rate=_whole(codec.get("sampling_rate"), 32_000),
        channels=_whole(decoder.get("audio_channels"), 1),
        codebooks=_whole(decoder.get("num_codebooks"), 4),
        kind=kind,
    )


def _whole(value: object, usual: int) -> int:
    return value if type(value) is int else usual
