"""The search box's language, as objects that know both SQL and Python.

Owns the parsing of what a person types and what it means. Every text reaches SQLite as a bound
value: nothing typed is ever SQL or full-text syntax. It runs no statement.

The idea of a query that gives an SQL condition and a Python match of the same meaning comes from
beets (`beets.dbcore.query`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, Literal, Protocol

from studio.core.errors import InputError
from studio.library.naming import clean_text, fold, key_class, normal_tag
from studio.library.records import SampleRecord

MAX_QUERY_CHARACTERS: Final = 2_000
MAX_TERMS: Final = 60
TEMPO_TOLERANCE_BPM: Final = 0.5
LARGEST_INTEGER: Final = 2**63 - 1

SqlValue = str | int | float
Sql = tuple[str, tuple[SqlValue, ...]]
NumberField = Literal["tempo_bpm", "bars", "duration_seconds", "rating", "seed", "id"]
FlagField = Literal["favourite", "generated", "imported", "missing", "deleted", "tagged", "rated"]


class Query(Protocol):
    """One condition on a sound."""

    def sql(self) -> Sql:
        """The condition on a row of `samples`, and the values of its `?`."""
        ...

    def matches(self, record: SampleRecord) -> bool:
        """The same condition on a record."""
        ...


def search_text(record: SampleRecord) -> str:
    """What free text is looked for in: name, prompt, tags, and an imported file's path."""
    path = record.relative_path if record.origin == "imported" else ""
    return "\n".join(fold(part) for part in (record.name, record.prompt or "", *record.tags, path))


@dataclass(frozen=True)
class TextQuery:
    """A piece of text, already folded, anywhere in the search text."""

    text: str

    def sql(self) -> Sql:
        """From three characters on the trigram index finds it; shorter ones need a walk."""
        if len(self.text) < 3:
            return "instr(samples.search_text, ?) > 0", (self.text,)
        phrase = '"' + self.text.replace('"', '""') + '"'
        return (
            "samples.id IN (SELECT rowid FROM samples_text WHERE samples_text MATCH ?)",
            (phrase,),
        )

    def matches(self, record: SampleRecord) -> bool:
        """Whether the text is part of the record's search text."""
        return self.text in search_text(record)


@dataclass(frozen=True)
class TagQuery:
    """A tag, or with `prefix` every tag that begins so."""

    tag: str
    prefix: bool = False

    def sql(self) -> Sql:
        """A look-up in the tag table."""
        if self.prefix:
            # Every string that begins with the prefix sorts before prefix + the last character.
            return (
                "samples.id IN (SELECT sample_id FROM sample_tags WHERE tag >= ? AND tag < ?)",
                (self.tag, self.tag + "\U0010ffff"),
            )
        return "samples.id IN (SELECT sample_id FROM sample_tags WHERE tag = ?)", (self.tag,)

    def matches(self, record: SampleRecord) -> bool:
        """Whether the record has it."""
        if self.prefix:
            return any(tag.startswith(self.tag) for tag in record.tags)
        return self.tag in record.tags


@dataclass(frozen=True)
class NumberQuery:
    """A number within bounds; an unknown number is in none."""

    field: NumberField
    low: float | None = None
    high: float | None = None
    low_included: bool = True
    high_included: bool = True

    def sql(self) -> Sql:
        """One or two comparisons on an indexed column."""
        column = f"samples.{self.field}"
        parts, values = [], []
        if self.low is not None:
            parts.append(f"{column} {'>=' if self.low_included else '>'} ?")
            values.append(self.low)
        if self.high is not None:
            parts.append(f"{column} {'<=' if self.high_included else '<'} ?")
            values.append(self.high)
        return " AND ".join(parts) or f"{column} IS NOT NULL", tuple(values)

    def matches(self, record: SampleRecord) -> bool:
        """Whether the record's number is within the bounds."""
        value: float | None = getattr(record, self.field)
        if value is None:
            return False
        if self.low is not None and (
            value < self.low or (value == self.low and not self.low_included)
        ):
            return False
        return self.high is None or value < self.high or (value == self.high and self.high_included)


@dataclass(frozen=True)
class KeyQuery:
    """A key under any of its names, as `naming.key_class` numbers it."""

    number: int

    def sql(self) -> Sql:
        """An equality on an indexed column."""
        return "samples.key_class = ?", (self.number,)

    def matches(self, record: SampleRecord) -> bool:
        """Whether the record is in this key."""
        return record.key is not None and key_class(record.key) == self.number


@dataclass(frozen=True)
class ModelQuery:
    """A part of a model's name, whatever the case of its letters a-z."""

    part: str

    def sql(self) -> Sql:
        """A LIKE whose wildcards in the text are escaped."""
        escaped = re.sub(r"([\\%_])", r"\\\1", self.part)
        return r"samples.model LIKE ? ESCAPE '\'", (f"%{escaped}%",)

    def matches(self, record: SampleRecord) -> bool:
        """Whether the record's model has the part in its name."""
        return record.model is not None and _ascii_lower(self.part) in _ascii_lower(record.model)


@dataclass(frozen=True)
class CreatedQuery:
    """A span of time: created from `start` (included) to `end` (excluded), ISO texts in UTC."""

    start: str | None = None
    end: str | None = None

    def sql(self) -> Sql:
        """One or two comparisons of texts: ISO times sort as they follow each other."""
        parts, values = [], []
        if self.start is not None:
            parts.append("samples.created_at >= ?")
            values.append(self.start)
        if self.end is not None:
            parts.append("samples.created_at < ?")
            values.append(self.end)
        return " AND ".join(parts) or "1", tuple(values)

    def matches(self, record: SampleRecord) -> bool:
        """Whether the record was created in the span."""
        return (self.start is None or record.created_at >= self.start) and (
            self.end is None or record.created_at < self.end
        )


_FLAGS: Final[dict[FlagField, tuple[str, Callable[[SampleRecord], bool]]]] = {
    "favourite": ("samples.favourite = 1", lambda record: record.favourite),
    "generated": ("samples.origin = 'generated'", lambda record: record.origin == "generated"),
    "imported": ("samples.origin = 'imported'", lambda record: record.origin == "imported"),
    "missing": ("samples.missing = 1", lambda record: record.missing),
    "deleted": ("samples.deleted_at IS NOT NULL", lambda record: record.deleted_at is not None),
    "tagged": ("samples.tags <> ''", lambda record: bool(record.tags)),
    "rated": ("samples.rating > 0", lambda record: record.rating > 0),
}


@dataclass(frozen=True)
class FlagQuery:
    """A yes-or-no property."""

    flag: FlagField

    def sql(self) -> Sql:
        """A comparison with a constant."""
        return _FLAGS[self.flag][0], ()

    def matches(self, record: SampleRecord) -> bool:
        """Whether the record has the property."""
        return _FLAGS[self.flag][1](record)


@dataclass(frozen=True)
class NotQuery:
    """Everything that the inner condition does not match, unknown values included."""

    inner: Query

    def sql(self) -> Sql:
        """The inner condition denied, NULL counting as no."""
        condition, values = self.inner.sql()
        return f"NOT coalesce(({condition}), 0)", values

    def matches(self, record: SampleRecord) -> bool:
        """Whether the inner condition does not match."""
        return not self.inner.matches(record)


@dataclass(frozen=True)
class AndQuery:
    """All of the conditions; none at all matches everything."""

    parts: tuple[Query, ...]

    def sql(self) -> Sql:
        """The conditions joined."""
        pieces = [part.sql() for part in self.parts]
        condition = " AND ".join(f"({condition})" for condition, _ in pieces)
        return condition or "1", tuple(value for _, values in pieces for value in values)

    def matches(self, record: SampleRecord) -> bool:
        """Whether all match."""
        return all(part.matches(record) for part in self.parts)


def parse_query(text: str) -> AndQuery:
    """What a person typed, as a query.

    Words must all occur; `"some words"` as they stand; `-` before a term excludes it; fields are
    `bpm: bars: length: rating: seed: id: key: tag: model: created: is:`. Sounds in the bin are
    left out unless `is:deleted` is there. A field with nothing after it, as while typing, and an
    unknown field (which is text) are no errors.

    Raises:
        InputError: A field's value makes no sense, or the text is too long; one line.
    """
    if len(text) > MAX_QUERY_CHARACTERS:
        raise InputError(
            f"The search text has {len(text)} characters: use at most {MAX_QUERY_CHARACTERS}."
        )
    parts: list[Query] = []
    for negated, field, value in _terms(clean_text(text)):
        part = _condition(field, value)
        if part is not None:
            parts.append(NotQuery(part) if negated else part)
    if len(parts) > MAX_TERMS:
        raise InputError(f"The search has {len(parts)} terms: use at most {MAX_TERMS}.")
    if FlagQuery("deleted") not in parts:
        parts.append(_NOT_DELETED)
    return AndQuery(tuple(parts))


@dataclass(frozen=True)
class _NotDeleted:
    """Not in the bin, worded as the partial indexes are."""

    def sql(self) -> Sql:
        return "samples.deleted_at IS NULL", ()

    def matches(self, record: SampleRecord) -> bool:
        return record.deleted_at is None


_NOT_DELETED: Final = _NotDeleted()
_TERM: Final = re.compile(r'(-?)(?:([A-Za-z]+):)?(?:"([^"]*)(?:"|$)|(\S+)|(?=\s|$))\s*')


def _terms(text: str) -> Iterator[tuple[bool, str, str]]:
    """The terms as (negated, field or "", value); a quote left open ends with the text."""
    position = 0
    while position < len(text):
        found = _TERM.match(text, position)
        if found is None or found.end() == position:
            return
        position = found.end()
        minus, field, quoted, word = found.groups()
        field = (field or "").lower()
        value = quoted if quoted is not None else word or ""
        if field and field not in _FIELDS:
            field, value = "", f"{field}:{value}"
        yield bool(minus), field, value


def _condition(field: str, value: str) -> Query | None:
    if field:
        return _FIELDS[field](field, value) if value.strip() else None
    folded = fold(value)
    return TextQuery(folded) if folded else None


def _tag(field: str, value: str) -> Query:
    prefix = value.endswith("*") and len(value) > 1
    return TagQuery(normal_tag(value[:-1] if prefix else value), prefix)


def _model(field: str, value: str) -> Query:
    return ModelQuery(value)


def _key(field: str, value: str) -> Query:
    number = key_class(value)
    if number is None:
        raise InputError(f"{field}:{_shown(value)} is not a key: write it like key:Am or key:F#.")
    return KeyQuery(number)


def _is(field: str, value: str) -> Query:
    word = {"favorite": "favourite", "fav": "favourite", "bin": "deleted"}.get(
        value.lower(), value.lower()
    )
    for flag in _FLAGS:
        if word == flag:
            return FlagQuery(flag)
    raise InputError(f"is:{_shown(value)} is not known: use one of is:{', is:'.join(_FLAGS)}.")


_NUMBER: Final = r"[0-9]{1,19}(?:\.[0-9]{1,9})?"
_RANGE: Final = re.compile(rf"({_NUMBER})?\s*(?:-|\.\.)\s*({_NUMBER})?")
_COMPARISON: Final = re.compile(rf"(<=|>=|=|<|>)?\s*({_NUMBER})")
_NUMBER_FIELDS: Final[dict[str, NumberField]] = {
    "bpm": "tempo_bpm",
    "tempo": "tempo_bpm",
    "bars": "bars",
    "length": "duration_seconds",
    "seconds": "duration_seconds",
    "rating": "rating",
    "seed": "seed",
    "id": "id",
}


def _number(field: str, value: str) -> Query:
    column = _NUMBER_FIELDS[field]
    if (found := _COMPARISON.fullmatch(value.strip())) is not None:
        operator, number = found[1], _value(field, found[2])
        if operator in {">", ">="}:
            return NumberQuery(column, low=number, low_included=operator == ">=")
        if operator in {"<", "<="}:
            return NumberQuery(column, high=number, high_included=operator == "<=")
        if column == "tempo_bpm" and operator is None:
            return NumberQuery(column, number - TEMPO_TOLERANCE_BPM, number + TEMPO_TOLERANCE_BPM)
        return NumberQuery(column, number, number)
    if (found := _RANGE.fullmatch(value.strip())) is not None and (found[1] or found[2]):
        low, high = (_value(field, text) if text else None for text in found.groups())
        if low is not None and high is not None and low > high:
            low, high = high, low
        return NumberQuery(column, low, high)
    raise InputError(
        f"{field}:{_shown(value)} is not a number: write it like {field}:4, {field}:>3 or "
        f"{field}:2-8."
    )


def _value(field: str, text: str) -> float:
    """The number; whole ones stay integers, since a seed has more digits than a float."""
    number = float(text) if "." in text else int(text)
    if number > LARGEST_INTEGER:
        raise InputError(f"{field}:{text} is too large: use at most {LARGEST_INTEGER}.")
    return number


_DATE: Final = re.compile(r"(<=|>=|<|>)?([0-9]{4}(?:-[0-9]{2}){0,2})")


def _created(field: str, value: str) -> Query:
    found = _DATE.fullmatch(value.strip())
    if found is None:
        raise InputError(
            f"created:{_shown(value)} is not a date: write it like created:2026-11 or "
            "created:>2026-11-20."
        )
    operator, start = found.groups()
    end = start + "~"  # sorts after everything that begins with the date
    spans = {">": (end, None), ">=": (start, None), "<": (None, start), "<=": (None, end)}
    return CreatedQuery(*spans.get(operator, (start, end)))


def _shown(value: str) -> str:
    return value if len(value) <= 30 else value[:30] + "..."


def _ascii_lower(text: str) -> str:
    """Lower case for a-z alone, as SQLite's LIKE compares."""
    return text.translate({upper: upper + 32 for upper in range(65, 91)})


_FIELDS: Final[dict[str, Callable[[str, str], Query]]] = {
    **dict.fromkeys(_NUMBER_FIELDS, _number),
    "key": _key,
    "tag": _tag,
    "model": _model,
    "is": _is,
    "created": _created,
}
