"""Terms of a search text, switched on and off by buttons.

Owns only the text; what a term means is the library's business. Pure functions.
"""

from __future__ import annotations

import re

_TERM = re.compile(r'(?:"[^"]*"?|[^\s"])+')


def tag_term(tag: str) -> str:
    """`tag:dark`, or `tag:"two words"`."""
    return f'tag:"{tag}"' if re.search(r"\s", tag) else f"tag:{tag}"


def has_term(query: str, term: str) -> bool:
    """Whether the query holds the term, whatever the case of its letters."""
    return term.lower() in (found.lower() for found in _TERM.findall(query))


def toggle_term(query: str, term: str) -> str:
    """The query with the term added at its end, or taken out where it stands."""
    terms: list[str] = _TERM.findall(query)
    if has_term(query, term):
        terms = [found for found in terms if found.lower() != term.lower()]
    else:
        terms.append(term)
    return " ".join(terms)
