"""The seed banks of this computer, as the dialog knows them.

Owns which banks have been read. Files are opened on the bridge's thread, one after another; this
module makes no sound and draws nothing.
"""

from __future__ import annotations

from functools import partial

from PySide6.QtCore import QObject, Signal

from studio.core.errors import StudioError
from studio.generation.seed_bank import SeedBank, list_banks, open_bank
from studio.ui.bridge import Bridge


class SeedBankShelf(QObject):
    """Reads the list of banks, then each of them.

    Signals:
        listed(): The names are known.
        opened(str): The bank of this name has been read, or cannot be.
    """

    listed = Signal()
    opened = Signal(str)

    def __init__(self, bridge: Bridge, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._bridge = bridge
        self._names: tuple[str, ...] | None = None
        self._banks: dict[str, SeedBank] = {}
        self._faults: dict[str, StudioError] = {}

    @property
    def names(self) -> tuple[str, ...] | None:
        """The banks in their order; None until they are known."""
        return self._names

    def bank(self, name: str) -> SeedBank | None:
        """A bank that has been read."""
        return self._banks.get(name)

    def fault(self, name: str) -> StudioError | None:
        """Why a bank cannot be read."""
        return self._faults.get(name)

    def read(self) -> None:
        """Read the list, and those banks that have not been read."""
        self._bridge.run("query", list_banks, self._take_names)

    def _take_names(self, names: tuple[str, ...]) -> None:
        self._names = names
        self.listed.emit()
        for name in names:
            if name not in self._banks:
                self._bridge.run(
                    "query",
                    partial(open_bank, name),
                    partial(self._take_bank, name),
                    partial(self._take_fault, name),
                )

    def _take_bank(self, name: str, bank: SeedBank) -> None:
        self._banks[name] = bank
        self._faults.pop(name, None)
        self.opened.emit(name)

    def _take_fault(self, name: str, error: StudioError) -> None:
        self._faults[name] = error
        self.opened.emit(name)
