from __future__ import annotations

from collections.abc import Callable

import pytest

from studio.core.errors import InputError, LibraryError
from studio.library.library import Library
from studio.library.records import Change, SampleRecord

Add = Callable[..., SampleRecord]


@pytest.fixture
def three(add: Add) -> list[int]:
    """Three sounds: tagged dark, tagged bright, untagged."""
    return [
        add(0, name="one", tags=("dark",)).id,
        add(1, name="two", tags=("bright",)).id,
        add(2, name="three").id,
    ]


def tags(library: Library) -> list[tuple[str, ...]]:
    return [record.tags for record in library.search(order="oldest")]


def test_tags_are_set_added_and_removed(library: Library, three: list[int]) -> None:
    change = library.add_tags(three, ["Loud ", "#DARK"]).result()
    assert change == Change(ids=(1, 2, 3), label="Tag 3 sounds")
    assert tags(library) == [("dark", "loud"), ("bright", "dark", "loud"), ("dark", "loud")]
    change = library.remove_tags(three, ["bright"]).result()
    assert change == Change(ids=(2,), label="Untag 1 sound")
    assert library.set_tags(three[:2], ["new"]).result().ids == (1, 2)
    assert tags(library) == [("new",), ("new",), ("dark", "loud")]
    assert library.all_tags() == ["dark", "loud", "new"]
    assert library.search_ids("tag:new", order="oldest") == [1, 2]
    assert library.search_ids("loud") == [3]


def test_an_edit_that_changes_nothing_is_no_step(library: Library, three: list[int]) -> None:
    change = library.add_tags(three[:1], ["dark"]).result()
    assert not change
    assert library.undo_label == ""


def test_a_tag_that_cannot_be_one_changes_nothing(library: Library, three: list[int]) -> None:
    with pytest.raises(InputError, match="40 characters"):
        library.add_tags(three, ["good", "x" * 41]).result()
    with pytest.raises(InputError, match="letter"):
        library.add_tags(three, ["##"]).result()
    assert tags(library) == [("dark",), ("bright",), ()]


def test_favourite_rating_and_name_are_stored(library: Library, three: list[int]) -> None:
    library.set_favourite(three[:2], True).result()
    library.set_rating(three[1:], 5).result()
    library.rename(3, "  Amen\nroller ").result()
    one, two, amen = library.get_many(three)
    assert (one.favourite, two.favourite, amen.favourite) == (True, True, False)
    assert (one.rating, two.rating, amen.rating) == (0, 5, 5)
    assert amen.name == "Amen roller"
    assert library.search_ids("amen") == [3]
    assert library.search_ids("three") == []


@pytest.mark.parametrize("rating", [-1, 6])
def test_a_rating_goes_from_0_to_5(library: Library, three: list[int], rating: int) -> None:
    with pytest.raises(InputError, match="0 to 5"):
        library.set_rating(three, rating).result()


def test_a_name_cannot_be_empty(library: Library, three: list[int]) -> None:
    with pytest.raises(InputError, match="name"):
        library.rename(three[0], " \n ").result()


def test_one_unknown_sound_stops_the_whole_edit(library: Library, three: list[int]) -> None:
    with pytest.raises(LibraryError, match="no sound 99"):
        library.set_favourite([*three, 99], True).result()
    assert library.count("is:favourite") == 0


def test_the_bin_hides_and_gives_back(library: Library, three: list[int]) -> None:
    change = library.delete(three[:2]).result()
    assert change == Change(removed=(1, 2), label="Delete 2 sounds")
    assert library.search_ids() == [3]
    assert sorted(library.search_ids("is:deleted")) == [1, 2]
    assert library.get(1).deleted_at is not None
    assert library.path(library.get(1)).is_file()
    assert library.restore([1]).result() == Change(ids=(1,), label="Restore 1 sound")
    assert sorted(library.search_ids()) == [1, 3]


def test_every_kind_of_edit_is_undone_and_redone(library: Library, three: list[int]) -> None:
    states = [library.get_many(three)]
    edits: list[Callable[[], object]] = [
        lambda: library.add_tags(three, ["new"]).result(),
        lambda: library.set_tags([1], []).result(),
        lambda: library.set_favourite(three, True).result(),
        lambda: library.set_rating([2], 3).result(),
        lambda: library.rename(2, "other").result(),
        lambda: library.delete([2, 3]).result(),
        lambda: library.restore([3]).result(),
    ]
    for edit in edits:
        edit()
        states.append(library.get_many(three))
    for before in states[-2::-1]:
        assert library.undo().result()
        assert library.get_many(three) == before
    assert not library.undo().result()
    for after in states[1:]:
        assert library.redo().result()
        assert library.get_many(three) == after
    assert not library.redo().result()
    assert library.search_ids("tag:new", order="oldest") == [3]
    assert library.search_ids("tag:new is:deleted") == [2]
    assert library.check().ok


def test_undo_says_what_it_would_do_and_tells_what_it_did(
    library: Library, three: list[int]
) -> None:
    assert (library.undo_label, library.redo_label) == ("", "")
    library.delete(three).result()
    assert library.undo_label == "Delete 3 sounds"
    assert library.undo().result() == Change(ids=(1, 2, 3), label="Delete 3 sounds")
    assert (library.undo_label, library.redo_label) == ("", "Delete 3 sounds")
    assert library.redo().result() == Change(removed=(1, 2, 3), label="Delete 3 sounds")


def test_a_new_edit_forgets_what_was_undone(library: Library, three: list[int]) -> None:
    library.set_rating(three, 1).result()
    library.undo().result()
    library.set_rating(three, 2).result()
    assert library.redo_label == ""
    assert not library.redo().result()
    assert library.get(1).rating == 2


def test_undo_touches_only_its_own_field(library: Library, three: list[int]) -> None:
    library.set_rating([1], 4).result()
    with Library.open(library.folder) as other:
        other.set_favourite([1], True).result()
    library.undo().result()
    record = library.get(1)
    assert (record.rating, record.favourite) == (0, True)


def test_undo_leaves_out_what_is_gone_for_good(library: Library, three: list[int]) -> None:
    library.add_tags(three, ["new"]).result()
    library.delete([1]).result()
    library.empty_bin(older_than_days=-1).result()
    assert library.undo().result() == Change(label="Delete 1 sound")
    assert library.undo().result().ids == (2, 3)
    assert library.check().ok


def test_many_sounds_are_edited_in_one_step(library: Library, add: Add) -> None:
    ids = [add(0).id for _ in range(30)]
    library.set_rating(ids, 5).result()
    library.add_tags(ids, ["a", "b"]).result()
    assert library.count("rating:5 tag:a tag:b") == 30
    library.undo().result()
    assert library.all_tags() == []


def test_a_read_only_library_refuses_edits(library: Library, three: list[int]) -> None:
    with Library.open(library.folder, read_only=True) as reading:
        assert reading.count() == 3
        for future in (reading.set_rating(three, 1), reading.undo(), reading.delete(three)):
            with pytest.raises(LibraryError, match="reading only"):
                future.result()
        assert reading.check().ok


def test_another_program_is_noticed_once(library: Library, three: list[int]) -> None:
    def news() -> Change | None:
        first = library.changed_elsewhere()
        library.undo().result()  # an answer from the writer: the question before it is through
        return first or library.changed_elsewhere()

    news()
    assert news() is None
    with Library.open(library.folder) as other:
        other.set_rating(three, 3).result()
    assert news() == Change(everything=True)
    assert news() is None
    library.set_rating(three, 4).result()
    assert library.changed_elsewhere() is None
