"""The shape of the database, as numbered steps.

Owns the schema. Steps are append-only: a released step is never edited, a new one is added at
the end. It opens no connection of its own.
"""

from __future__ import annotations

import sqlite3
from typing import Final

APPLICATION_ID: Final = 0x53454544
"""Marks the file as a Seedcrate library (`PRAGMA application_id`)."""

_FIRST: Final = (
    """
    CREATE TABLE samples (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        name TEXT NOT NULL,
        relative_path TEXT NOT NULL UNIQUE,
        origin TEXT NOT NULL CHECK (origin IN ('generated', 'imported')),
        content_hash TEXT NOT NULL,
        frames INTEGER NOT NULL CHECK (frames >= 0),
        sample_rate INTEGER NOT NULL CHECK (sample_rate > 0),
        channels INTEGER NOT NULL CHECK (channels > 0),
        duration_seconds REAL NOT NULL,
        tempo_bpm REAL,
        bars INTEGER,
        key TEXT,
        key_class INTEGER,
        prompt TEXT,
        model TEXT,
        model_hash TEXT,
        seed INTEGER,
        favourite INTEGER NOT NULL DEFAULT 0 CHECK (favourite IN (0, 1)),
        rating INTEGER NOT NULL DEFAULT 0 CHECK (rating BETWEEN 0 AND 5),
        tags TEXT NOT NULL DEFAULT '',
        search_text TEXT NOT NULL,
        created_at TEXT NOT NULL,
        missing INTEGER NOT NULL DEFAULT 0 CHECK (missing IN (0, 1)),
        deleted_at TEXT
    )
    """,
    # Big and rarely read, so it is kept out of the rows that a search walks over.
    """
    CREATE TABLE recipes (
        sample_id INTEGER PRIMARY KEY REFERENCES samples(id) ON DELETE CASCADE,
        recipe_json TEXT,
        codebooks INTEGER,
        code_frames INTEGER,
        codes BLOB
    )
    """,
    """
    CREATE TABLE sample_tags (
        tag TEXT NOT NULL,
        sample_id INTEGER NOT NULL REFERENCES samples(id) ON DELETE CASCADE,
        PRIMARY KEY (tag, sample_id)
    ) WITHOUT ROWID
    """,
    "CREATE INDEX sample_tags_by_sample ON sample_tags(sample_id)",
    "CREATE INDEX samples_by_hash ON samples(content_hash)",
    "CREATE INDEX samples_in_bin ON samples(deleted_at) WHERE deleted_at IS NOT NULL",
    # Each holds all that a search needs to filter and sort, so that it reads only the page's rows.
    "CREATE INDEX samples_by_created ON samples(created_at, id, deleted_at) "
    "WHERE deleted_at IS NULL",
    "CREATE INDEX samples_by_name ON samples(name COLLATE NOCASE, created_at, id, deleted_at) "
    "WHERE deleted_at IS NULL",
    "CREATE INDEX samples_by_tempo ON samples(tempo_bpm, created_at, id, deleted_at) "
    "WHERE deleted_at IS NULL",
    "CREATE INDEX samples_by_bars ON samples(bars, created_at, id, deleted_at) "
    "WHERE deleted_at IS NULL",
    "CREATE INDEX samples_by_key ON samples(key_class, created_at, id, deleted_at) "
    "WHERE deleted_at IS NULL",
    "CREATE INDEX samples_by_duration ON samples(duration_seconds, created_at, id, deleted_at) "
    "WHERE deleted_at IS NULL",
    "CREATE INDEX samples_by_rating ON samples(rating, created_at, id, deleted_at) "
    "WHERE deleted_at IS NULL",
    "CREATE INDEX samples_by_favourite ON samples(favourite, created_at, id, deleted_at) "
    "WHERE deleted_at IS NULL",
    "CREATE INDEX samples_by_model ON samples(model COLLATE NOCASE, created_at, id, deleted_at) "
    "WHERE deleted_at IS NULL",
    "CREATE INDEX samples_by_seed ON samples(seed, created_at, id, deleted_at) "
    "WHERE deleted_at IS NULL",
    "CREATE INDEX samples_by_missing ON samples(missing, created_at, id, deleted_at) "
    "WHERE deleted_at IS NULL",
    # The text is folded before it is stored, so that SQL and Python agree on what matches.
    """
    CREATE VIRTUAL TABLE samples_text USING fts5(
        search_text, content='samples', content_rowid='id', tokenize='trigram case_sensitive 1'
    )
    """,
    """
    CREATE TRIGGER samples_text_insert AFTER INSERT ON samples BEGIN
        INSERT INTO samples_text(rowid, search_text) VALUES (new.id, new.search_text);
    END
    """,
    """
    CREATE TRIGGER samples_text_delete AFTER DELETE ON samples BEGIN
        INSERT INTO samples_text(samples_text, rowid, search_text)
        VALUES ('delete', old.id, old.search_text);
    END
    """,
    """
    CREATE TRIGGER samples_text_update AFTER UPDATE OF search_text ON samples BEGIN
        INSERT INTO samples_text(samples_text, rowid, search_text)
        VALUES ('delete', old.id, old.search_text);
        INSERT INTO samples_text(rowid, search_text) VALUES (new.id, new.search_text);
    END
    """,
)

MIGRATIONS: Final[tuple[tuple[str, ...], ...]] = (_FIRST,)
"""Step n (from 1) turns version n-1 into version n; each is a tuple of single statements."""

SCHEMA_VERSION: Final = len(MIGRATIONS)


def schema_version(connection: sqlite3.Connection) -> int:
    """The number of steps that the database has behind it."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def migrate(
    connection: sqlite3.Connection, migrations: tuple[tuple[str, ...], ...] = MIGRATIONS
) -> None:
    """Run the steps that are still missing, inside the transaction that the caller has begun."""
    for number in range(schema_version(connection), len(migrations)):
        for statement in migrations[number]:
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {number + 1}")
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
