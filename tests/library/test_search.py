from __future__ import annotations

import sqlite3
from collections.abc import Callable

import pytest

from studio.core.errors import InputError
from studio.library.library import Library
from studio.library.query import parse_query
from studio.library.records import SampleRecord
from studio.library.search import ORDERS, _ordering

Add = Callable[..., SampleRecord]


def plan(library: Library, text: str, order: str = "newest") -> str:
    """SQLite's plan for the ids of a page."""
    condition, values = parse_query(text).sql()
    with library._database.reading() as connection:
        rows = connection.execute(
            f"EXPLAIN QUERY PLAN SELECT samples.id FROM samples WHERE {condition} "
            f"ORDER BY {_ordering(order)} LIMIT 200",
            values,
        ).fetchall()
    return "\n".join(row[3] for row in rows)


@pytest.mark.parametrize(
    ("text", "index"),
    [
        ("bpm:120-130", "samples_by_tempo (tempo_bpm>? AND tempo_bpm<?)"),
        ("key:Am", "samples_by_key (key_class=?)"),
        ("seed:7", "samples_by_seed (seed>? AND seed<?)"),
        ("is:favourite", "samples_by_favourite (favourite=?)"),
        ("is:missing", "samples_by_missing (missing=?)"),
        ("tag:dark", "PRIMARY KEY (tag=?)"),
        ("tag:da*", "PRIMARY KEY (tag>? AND tag<?)"),
        ("jungle", "samples_text VIRTUAL TABLE INDEX"),
    ],
)
def test_a_filter_uses_its_index(library: Library, text: str, index: str) -> None:
    assert index in plan(library, text)


def test_every_order_comes_out_of_an_index(library: Library) -> None:
    for order in (sign + name for name in ORDERS for sign in ("", "-")):
        how = plan(library, "", order)
        assert "COVERING INDEX samples_by_" in how, order
        assert "TEMP B-TREE" not in how, order


def test_pages_follow_each_other_without_gap_or_repeat(library: Library, add: Add) -> None:
    for seed in range(7):
        add(seed, tempo_bpm=100.0 + seed % 2)
    for order in ORDERS:
        pages = [
            record.id
            for offset in range(0, 9, 3)
            for record in library.search("", limit=3, offset=offset, order=order)
        ]
        assert pages == library.search_ids("", order=order)
        assert sorted(pages) == [1, 2, 3, 4, 5, 6, 7]


def test_the_newest_comes_first(library: Library, add: Add) -> None:
    ids = [add(seed).id for seed in range(3)]
    assert [record.id for record in library.search()] == ids[::-1]
    assert library.search_ids(order="oldest") == ids


def test_unknown_values_come_last_in_both_directions(library: Library, add: Add) -> None:
    unknown, fast, slow = add(0), add(1, tempo_bpm=180.0), add(2, tempo_bpm=90.0)
    assert library.search_ids(order="tempo") == [slow.id, fast.id, unknown.id]
    assert library.search_ids(order="-tempo") == [fast.id, slow.id, unknown.id]


def test_names_are_sorted_without_regard_to_case(library: Library, add: Add) -> None:
    for name in ("beta", "Alpha", "Gamma"):
        add(name=name)
    assert [record.name for record in library.search(order="name")] == ["Alpha", "beta", "Gamma"]


@pytest.mark.parametrize("order", ["", "-", "size", "name; DROP TABLE samples", "x" * 500])
def test_an_unknown_order_is_an_input_error(library: Library, order: str) -> None:
    with pytest.raises(InputError, match="sorted by") as caught:
        library.search(order=order)
    assert len(caught.value.user_message) < 250


def test_count_and_ids_agree_with_the_page(library: Library, add: Add) -> None:
    for seed in range(5):
        add(seed, prompt="dark" if seed % 2 else "bright")
    assert library.count("dark") == len(library.search("dark")) == 2
    assert library.count() == 5


def test_get_many_keeps_the_order_and_leaves_out_what_is_gone(library: Library, add: Add) -> None:
    first, second = add(0), add(1)
    assert library.get_many([second.id, 99, first.id]) == [second, first]


def test_tags_are_counted_outside_the_bin(library: Library, add: Add) -> None:
    add(0, tags=("dark", "break"))
    binned = add(1, tags=("dark", "old"))
    library.delete([binned.id]).result()
    assert library.tag_counts() == {"break": 1, "dark": 1}
    assert library.all_tags() == ["break", "dark"]


def test_a_failed_search_leaves_no_open_transaction(library: Library, add: Add) -> None:
    with pytest.raises(InputError):
        library.search("bpm:x")
    with library._database.reading() as connection:
        assert not connection.in_transaction
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            connection.execute("DELETE FROM samples")
