from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from studio.core.errors import InputError
from studio.library.migrations import migrate
from studio.library.query import MAX_QUERY_CHARACTERS, parse_query
from studio.library.records import SampleRecord
from studio.library.samples import insert_sample
from studio.library.search import fetch

PLAIN = SampleRecord(
    id=0,
    name="Jungle break",
    relative_path="samples/aa/1.wav",
    origin="generated",
    content_hash="1",
    frames=32_000,
    sample_rate=32_000,
    channels=1,
    created_at="2026-11-20T09:00:00.000Z",
)
SOUNDS = [
    replace(
        PLAIN,
        prompt='174 bpm jungle break, "dark" reese bass',
        tempo_bpm=174.0,
        bars=2,
        key="Am",
        model="house",
        seed=2**63 - 1,
        rating=4,
        favourite=True,
        tags=("break", "dark", "drum & bass"),
    ),
    replace(
        PLAIN,
        name="Straße Café 100% AND_OR",
        relative_path="/music/Kits/Café.wav",
        origin="imported",
        tempo_bpm=120.4,
        bars=4,
        key="Bbm",
        model="facebook/musicgen-small",
        seed=42,
        tags=("darkness",),
        created_at="2026-10-01T23:59:59.999Z",
        missing=True,
    ),
    replace(
        PLAIN,
        name="鼓 ループ x",
        relative_path="samples/aa/3.wav",
        frames=320_000,
        key="C",
        rating=2,
        created_at="2025-01-31T00:00:00.000Z",
    ),
    replace(
        PLAIN,
        name="gone",
        relative_path="samples/aa/4.wav",
        tempo_bpm=90,
        deleted_at="2026-11-20T09:00:00.000Z",
    ),
]


@pytest.fixture(scope="module")
def connection() -> Iterator[sqlite3.Connection]:
    opened = sqlite3.connect(":memory:", isolation_level=None)
    migrate(opened)
    for sound in SOUNDS:
        insert_sample(opened, sound)
    yield opened
    opened.close()


def found(connection: sqlite3.Connection, text: str) -> list[int]:
    """Ids that SQL finds, after checking that Python agrees."""
    query = parse_query(text)
    condition, values = query.sql()
    rows = connection.execute(f"SELECT id FROM samples WHERE {condition} ORDER BY id", values)
    ids = [row[0] for row in rows]
    records = fetch(connection, [1, 2, 3, 4])
    assert ids == [record.id for record in records if query.matches(record)], text
    return ids


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("", [1, 2, 3]),
        ("jungle", [1]),
        ("JUNGLE reese", [1]),
        ("ungl", [1]),
        ("reese jungle missingword", []),
        ('"jungle break"', [1]),
        ('"break jungle"', []),
        ('"jungle break', [1]),
        ("-jungle", [2, 3]),
        ('-"jungle break"', [2, 3]),
        ("strasse", [2]),
        ("cafe", [2]),
        ("CAFÉ", [2]),
        ("kits", [2]),
        ("samples", []),
        ("100%", [2]),
        ("%", [2]),
        ("_", [2]),
        ("or", [2]),
        ("AND", [2]),
        ("鼓", [3]),
        ("ループ", [3]),
        ("x", [3]),
        ("bpm:174", [1]),
        ("bpm:174.4", [1]),
        ("bpm:175", []),
        ("bpm:120-180", [1, 2]),
        ("bpm:180-120", [1, 2]),
        ("bpm:120..121", [2]),
        ("bpm:121-", [1]),
        ("bpm:-121", [2]),
        ("tempo:>=174", [1]),
        ("bpm:>174", []),
        ("-bpm:174", [2, 3]),
        ("bars:4", [2]),
        ("bars:<4", [1]),
        ("bars:=2", [1]),
        ("length:>5", [3]),
        ("length:1", [1, 2]),
        ("rating:>3", [1]),
        ("rating:0", [2]),
        ("rating:2-4", [1, 3]),
        ("seed:42", [2]),
        ("seed:9223372036854775807", [1]),
        ("seed:9223372036854775806", []),
        ("id:3", [3]),
        ("key:Am", [1]),
        ("key:am", [1]),
        ('key:"A minor"', [1]),
        ("key:A", []),
        ("key:A#m", [2]),
        ("key:Cmaj", [3]),
        ("-key:C", [1, 2]),
        ("tag:dark", [1]),
        ("tag:DARK", [1]),
        ("tag:#dark", [1]),
        ("tag:dark*", [1, 2]),
        ('tag:"drum & bass"', [1]),
        ("-tag:dark", [2, 3]),
        ("tag:dark tag:break", [1]),
        ("model:house", [1]),
        ("model:SMALL", [2]),
        ("model:%", []),
        ("-model:house", [2, 3]),
        ("is:favourite", [1]),
        ("is:fav", [1]),
        ("-is:favourite", [2, 3]),
        ("is:generated", [1, 3]),
        ("is:imported", [2]),
        ("is:missing", [2]),
        ("is:tagged", [1, 2]),
        ("is:rated", [1, 3]),
        ("is:deleted", [4]),
        ("is:deleted jungle", []),
        ("-is:deleted", [1, 2, 3]),
        ("created:2026", [1, 2]),
        ("created:2026-11", [1]),
        ("created:2026-11-20", [1]),
        ("created:>2026-10", [1]),
        ("created:>=2026-10-01", [1, 2]),
        ("created:<2026", [3]),
        ("created:<=2026-10-01", [2, 3]),
        ("http://example", []),
        ("-", [1, 2, 3]),
        ('"', [1, 2, 3]),
        ("bpm: key: tag: is:", [1, 2, 3]),
        ("jungle -", [1]),
        ("174 bpm", [1]),
    ],
)
def test_a_query_finds_the_same_by_sql_and_in_python(
    connection: sqlite3.Connection, text: str, ids: list[int]
) -> None:
    assert found(connection, text) == ids


@pytest.mark.parametrize(
    "text",
    [
        "'; DROP TABLE samples; --",
        '" OR 1=1 --',
        "NEAR(a b)",
        "name:*",
        "jungle*",
        "a AND OR NOT",
        "^(((",
        "\x00\x00\x00",
        "jung\x00le",
        "\ud800\udfff\ud800",
        "{}[]()*+^:;",
        '"""',
        'tag:"',
        '-"',
        "--jungle",
        "\\\\\\",
    ],
)
def test_nothing_that_is_typed_is_sql_or_full_text_syntax(
    connection: sqlite3.Connection, text: str
) -> None:
    found(connection, text)
    assert connection.execute("SELECT count(*) FROM samples").fetchone() == (4,)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("bpm:fast", "bpm:fast"),
        ("bpm:1-2-3", "bpm:1-2-3"),
        ("rating:>", "rating:>"),
        ("seed:9223372036854775808", "too large"),
        ("seed:" + "9" * 400, "seed:"),
        ("key:H", "key:H"),
        ("is:lovely", "is:favourite"),
        ("created:yesterday", "created:"),
        ("tag:" + "x" * 50, "tag"),
        ("a" * (MAX_QUERY_CHARACTERS + 1), str(MAX_QUERY_CHARACTERS)),
        ("a" * 100_000, "100000"),
        ("ab " * 100, "100 terms"),
    ],
)
def test_a_value_that_makes_no_sense_is_one_line_that_names_it(text: str, named: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_query(text)
    assert named in caught.value.user_message
    assert "\n" not in caught.value.user_message
    assert len(caught.value.user_message) < 250


PIECES = st.one_of(
    st.text(max_size=12),
    st.sampled_from(
        ["bpm:", "key:", "tag:", "is:", "-", '"', " ", "*", ">", "174", "Am", "dark", "é", "ß"]
    ),
)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(pieces=st.lists(PIECES, max_size=12))
def test_any_text_is_a_search_or_an_input_error(
    connection: sqlite3.Connection, pieces: list[str]
) -> None:
    text = "".join(pieces)
    messages = []
    try:
        found(connection, text)
    except InputError as error:
        messages.append(error.user_message)
    assert not any("\n" in message for message in messages)


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_every_piece_of_a_name_finds_it(
    connection: sqlite3.Connection, data: st.DataObject
) -> None:
    record = data.draw(st.sampled_from(fetch(connection, [1, 2, 3])))
    word = data.draw(st.sampled_from(record.name.split()))
    start = data.draw(st.integers(0, len(word) - 1))
    end = data.draw(st.integers(start + 1, len(word)))
    assert record.id in found(connection, f'"{word[start:end]}"')
