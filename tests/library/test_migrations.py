from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from studio.library.database import Database
from studio.library.library import Library
from studio.library.migrations import MIGRATIONS, SCHEMA_VERSION, migrate, schema_version


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    opened = sqlite3.connect(":memory:", isolation_level=None)
    yield opened
    opened.close()


def test_a_new_database_gets_every_step(connection: sqlite3.Connection) -> None:
    migrate(connection)
    assert schema_version(connection) == SCHEMA_VERSION == len(MIGRATIONS)
    migrate(connection)
    assert schema_version(connection) == SCHEMA_VERSION


def test_an_old_database_gets_the_steps_it_lacks(connection: sqlite3.Connection) -> None:
    migrate(connection, MIGRATIONS[:1])
    later = (*MIGRATIONS, ("ALTER TABLE samples ADD COLUMN colour TEXT",))
    migrate(connection, later)
    assert schema_version(connection) == len(later)
    assert connection.execute("SELECT colour FROM samples").fetchall() == []


def test_a_step_that_fails_leaves_the_old_version(connection: sqlite3.Connection) -> None:
    migrate(connection)
    connection.execute("BEGIN")
    broken = ("ALTER TABLE samples ADD COLUMN colour TEXT", "ALTER TABLE nothing ADD COLUMN x")
    with pytest.raises(sqlite3.OperationalError):
        migrate(connection, (*MIGRATIONS, broken))
    connection.execute("ROLLBACK")
    assert schema_version(connection) == SCHEMA_VERSION
    columns = [row[1] for row in connection.execute("PRAGMA table_info(samples)")]
    assert "colour" not in columns


def test_a_copy_is_kept_before_an_old_database_is_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Library.open(tmp_path).close()
    later = (*MIGRATIONS, ("ALTER TABLE samples ADD COLUMN colour TEXT",))
    monkeypatch.setattr("studio.library.database.SCHEMA_VERSION", len(later))
    monkeypatch.setattr(
        "studio.library.database.migrate", lambda connection: migrate(connection, later)
    )
    Library.open(tmp_path).close()
    (copy,) = (tmp_path / "snapshots").iterdir()
    assert copy.name.endswith(f"-version-{SCHEMA_VERSION}.sqlite3")
    old = sqlite3.connect(copy)
    assert schema_version(old) == SCHEMA_VERSION
    old.close()
    new = Database(tmp_path / "library.sqlite3")
    with new.reading() as connection:
        assert schema_version(connection) == len(later)
    new.close()
