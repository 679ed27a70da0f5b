from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.ui.query_terms import has_term, tag_term, toggle_term

WORDS = st.lists(st.from_regex(r"[a-z]{1,6}(:[a-z0-9]{1,4})?", fullmatch=True), max_size=5)


def test_a_tag_of_two_words_is_quoted():
    assert tag_term("two words") == 'tag:"two words"'


@pytest.mark.parametrize("query", ["", "dark", 'bpm:170-176 "exact words"'])
def test_toggling_twice_changes_nothing(query):
    term = tag_term("two words")
    added = toggle_term(query, term)
    assert has_term(added, term)
    assert toggle_term(added, term) == query


@given(WORDS)
def test_toggling_twice_changes_nothing_for_any_words(words):
    query = " ".join(words)
    if not has_term(query, "is:favourite"):
        assert toggle_term(toggle_term(query, "is:favourite"), "is:favourite") == query


def test_a_part_of_a_term_is_not_the_term():
    assert not has_term("tag:darkest", "tag:dark")


def test_upper_case_is_the_same_term():
    assert toggle_term("rain TAG:Dark", "tag:dark") == "rain"
