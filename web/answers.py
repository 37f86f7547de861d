"""Answers of the API: rows as JSON, CSV or Arrow, and what accompanies them.

Belongs here: the form of an answer, its envelope, its tag. Does not belong here: which rows
(``web.api``), sending them (``web.delivery``).
"""

import base64
import binascii
import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum
from importlib.metadata import version
from typing import Any
from urllib.parse import urlencode

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from web.problem_details import Refusal, bad_parameter

HEADER = "X-Liqheat-"

_RELEASE = version("liqheat")


class MediaType(StrEnum):
    """The forms of an answer."""

    json = "application/json"
    csv = "text/csv"
    arrow = "application/vnd.apache.arrow.stream"
    grid = "application/vnd.liqheat.grid"


# Cells of the largest answer: an answer is made in memory before it is sent.
_MOST_CELLS = 3_000_000
_MOST_JSON_ROWS = 5_000
_DEFAULT_JSON_ROWS = 1_000
_MOST_ROWS = 250_000


def most_rows(media: MediaType, column_count: int) -> int:
    """Return how many rows an answer may have."""
    if media is MediaType.json:
        return _MOST_JSON_ROWS
    return min(_MOST_ROWS, _MOST_CELLS // max(column_count, 1))


def choose_media(form: str | None, accept: str, offered: tuple[MediaType, ...]) -> MediaType:
    """Return the form of an answer: what ``format`` says, else what ``Accept`` prefers.

    Parameters
    ----------
    form : str or None
        The parameter ``format``: a name of `MediaType`.
    accept : str
        The header; empty is anything.
    offered : tuple of MediaType
        What there is, the default first.

    Raises
    ------
    Refusal
        Nothing that is offered is accepted.
    """
    names = ", ".join(one.name for one in offered)
    if form is not None:
        for one in offered:
            if form == one.name:
                return one
        raise bad_parameter("format", f"format {form[:40]!r} is not offered", f"there are: {names}")
    best, weight = None, 0.0
    for one in offered:
        own = _weight(one, accept)
        if own > weight:
            best, weight = one, own
    if best is None:
        raise Refusal(
            406,
            "Not acceptable",
            "this answer has none of the media types that Accept lists",
            f"there are: {', '.join(offered)}; or give format={offered[0].name}",
        )
    return best


def _weight(media: MediaType, accept: str) -> float:
    """Return how much a header prefers a media type, 0 to 1; the most specific range decides."""
    found = (-1, 0.0)
    for part in accept.split(",") if accept.strip() else ["*/*"]:
        name, *parameters = (one.strip().lower() for one in part.split(";"))
        main = media.split("/")[0]
        specific = {media.value: 2, f"{main}/*": 1, "*/*": 0}.get(name)
        if specific is None:
            continue
        quality = next((one[2:] for one in parameters if one.startswith("q=")), "1")
        try:
            found = max(found, (specific, min(max(float(quality), 0.0), 1.0)))
        except ValueError:
            continue
    return found[1]


@dataclass(frozen=True, slots=True)
class Envelope:
    """What accompanies the rows of an answer.

    Parameters
    ----------
    publication : str
        Publication that they are from.
    as_of : datetime or None
        Hour of the answer, UTC; None without maps.
    coverage : float or None
        Share of the last 24 hours that bars and open interest cover [0-1].
    grade : str or None
        Grade of the asset on the venue: A, B or C.
    params_hash : str or None
        Hash of the parameters of the map.
    subject : mapping of str to str
        What is the same in every row: asset, provider, venue, unit, semantics.
    """

    publication: str
    as_of: datetime | None
    coverage: float | None
    grade: str | None
    params_hash: str | None
    subject: Mapping[str, str]

    def members(self, now: datetime, *, is_stale: bool, next_page: str | None) -> dict[str, Any]:
        """Return the members of the JSON envelope, without the rows."""
        age = None if self.as_of is None else max(int((now - self.as_of).total_seconds()), 0)
        return {
            "as_of": None if self.as_of is None else instant_text(self.as_of),
            "age_seconds": age,
            "is_stale": is_stale,
            "coverage": self.coverage,
            "grade": self.grade,
            "params_hash": self.params_hash,
            "publication": self.publication,
            **self.subject,
            "next": next_page,
        }


def headers_of(members: Mapping[str, Any]) -> dict[str, str]:
    """Return the members of an envelope as headers; what is not known has none."""
    return {
        HEADER + name.replace("_", "-").title(): _header_text(value)
        for name, value in members.items()
        if value is not None
    }


def _header_text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    # A header holds no control characters and only Latin letters.
    text = str(value).encode("ascii", "backslashreplace").decode()
    return "".join(one if one.isprintable() else " " for one in text)[:2000]


@dataclass(frozen=True, slots=True)
class Encoded:
    """The rows of an answer, encoded.

    Parameters
    ----------
    body : bytes or memoryview
        The rows: a JSON array, CSV, an Arrow stream, or a binary grid.
    envelope : Envelope
        What accompanies them.
    has_next : bool
        Whether more rows follow.
    """

    body: bytes | memoryview
    envelope: Envelope
    has_next: bool


def encode(rows: pa.Table, media: MediaType, envelope: Envelope, *, has_next: bool) -> Encoded:
    """Return rows in a media type.

    Parameters
    ----------
    rows : Table
        The rows; instants are UTC.
    media : MediaType
        json, csv or arrow.
    envelope : Envelope
        What accompanies them; an Arrow schema carries it as metadata.
    has_next : bool
        Whether more rows follow.
    """
    rows = _finite(rows)
    body: bytes | memoryview
    if media is MediaType.arrow:
        body = _arrow(rows, envelope)
    elif media is MediaType.csv:
        body = _csv(rows)
    else:
        body = _json(rows)
    return Encoded(body, envelope, has_next)


def _finite(rows: pa.Table) -> pa.Table:
    """Return rows with NULL for NaN and infinity, which JSON does not have: all forms are equal."""
    for place, field in enumerate(rows.schema):
        if pa.types.is_floating(field.type):
            is_finite = pc.is_finite(rows.column(place))
            if not pc.all(is_finite, min_count=0).as_py():
                known = pc.if_else(is_finite, rows.column(place), pa.scalar(None, field.type))
                rows = rows.set_column(place, field.with_nullable(True), known)
    return rows


def _arrow(rows: pa.Table, envelope: Envelope) -> memoryview:
    known = {
        "publication": envelope.publication,
        "as_of": None if envelope.as_of is None else instant_text(envelope.as_of),
        "coverage": envelope.coverage,
        "grade": envelope.grade,
        "params_hash": envelope.params_hash,
        **envelope.subject,
    }
    metadata = {f"liqheat.{name}": str(value) for name, value in known.items() if value is not None}
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema.with_metadata(metadata)) as writer:
        writer.write_table(rows.replace_schema_metadata(metadata))
    return memoryview(sink.getvalue())


def _csv(rows: pa.Table) -> memoryview:
    sink = pa.BufferOutputStream()
    text = pa.table(
        {
            name: _csv_column(rows.column(index).combine_chunks())
            for index, name in enumerate(rows.column_names)
        }
    )
    pa_csv.write_csv(text, sink)
    return memoryview(sink.getvalue())


def _csv_column(column: pa.Array) -> pa.Array:
    if pa.types.is_primitive(column.type) and not pa.types.is_temporal(column.type):
        return column
    return _texts(column)


def _json(rows: pa.Table) -> bytes:
    if rows.num_rows == 0:
        return b"[]"
    parts: list[Any] = []
    for index, name in enumerate(rows.column_names):
        before = "{" if index == 0 else ","
        parts += [f"{before}{json.dumps(name)}:", _json_values(rows.column(index).combine_chunks())]
    lines = pc.binary_join_element_wise(*parts, "}", "")
    return b"[" + ",\n".join(lines.to_pylist()).encode() + b"]"


def _json_values(column: pa.Array) -> pa.Array:
    """Return the values of a column as JSON text."""
    kind = column.type
    if pa.types.is_floating(kind):
        return pc.fill_null(column.cast(pa.string()), "null")
    if pa.types.is_integer(kind) or pa.types.is_boolean(kind):
        return pc.fill_null(column.cast(pa.string()), "null")
    if pa.types.is_nested(kind):
        return pa.array([_nested_text(one) for one in column.to_pylist()])
    # Few values differ: each is written once.
    distinct = column.dictionary_encode()
    texts = pa.array([json.dumps(_plain(one)) for one in distinct.dictionary.to_pylist()])
    return pc.fill_null(texts.take(distinct.indices), "null") if len(texts) else _nulls(column)


def _nulls(column: pa.Array) -> pa.Array:
    return pa.array(["null"] * len(column))


def _texts(column: pa.Array) -> pa.Array:
    """Return instants, texts and nested values as text; NULL stays NULL."""
    if pa.types.is_nested(column.type):
        found = column.to_pylist()
        return pa.array([None if one is None else _nested_text(one) for one in found], pa.string())
    distinct = column.dictionary_encode()
    texts = pa.array([_plain(one) for one in distinct.dictionary.to_pylist()], pa.string())
    return texts.take(distinct.indices)


def _nested_text(value: object) -> str:
    """Return lists and structs as JSON text, NULL for numbers that are not finite."""

    def finite(one: object) -> object:
        if isinstance(one, float):
            return one if math.isfinite(one) else None
        if isinstance(one, list):
            return [finite(part) for part in one]
        if isinstance(one, dict):
            return {name: finite(part) for name, part in one.items()}
        return one

    return json.dumps(finite(value), default=_plain)


def _plain(value: object) -> str:
    if isinstance(value, datetime):
        return instant_text(value)
    return value.isoformat() if isinstance(value, date) else str(value)


def instant_text(instant: datetime) -> str:
    """Return an instant as ISO 8601 in UTC: 2026-01-15T08:00:00Z."""
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")


@dataclass(frozen=True, slots=True)
class PageOfRows:
    """Which rows of an answer one response holds.

    Parameters
    ----------
    first_row : int
        The first, from 0.
    row_count : int
        How many at most.
    """

    first_row: int
    row_count: int


_PAGING = frozenset({"limit", "cursor", "format"})


def rows_key(publication: str, route: str, items: Iterable[tuple[str, str]]) -> str:
    """Return what identifies the rows that a cursor continues: publication, endpoint, parameters.

    Examples
    --------
    >>> rows_key("p", "/v1/map", [("side", "long"), ("limit", "5")])[:2]
    'p/'
    """
    text = urlencode(sorted(one for one in items if one[0] not in _PAGING))
    return f"{publication}/{hashlib.sha256(f'{route}?{text}'.encode()).hexdigest()[:12]}"


def page_of_rows(
    limit: int | None, cursor: str | None, key: str, media: MediaType, most: int
) -> PageOfRows:
    """Return which rows a response holds.

    Parameters
    ----------
    limit, cursor
        The parameters as they were sent.
    key : str
        From `rows_key`: a cursor of other rows is refused.
    media : MediaType
        The form of the answer.
    most : int
        Rows that it may have.

    Raises
    ------
    Refusal
        More rows than one answer may have, or a cursor that cannot be continued.
    """
    if limit is not None and limit > most:
        other = "" if media is not MediaType.json else f", or up to {_MOST_ROWS:,} as Arrow or CSV"
        raise Refusal(
            422,
            "Answer too large",
            f"limit {limit:,} is more than the {most:,} rows of one {media.name} answer",
            f"ask for {most:,} and follow `next`{other}; /v1/files has everything as Parquet",
            {"parameter": "limit", "most": most},
        )
    default = _DEFAULT_JSON_ROWS if media is MediaType.json else most
    first_row = 0 if cursor is None else _first_row(cursor, key)
    return PageOfRows(first_row, default if limit is None else limit)


def cursor_text(key: str, first_row: int) -> str:
    """Return the cursor of the page that begins with a row of those that a key identifies."""
    return base64.urlsafe_b64encode(f"{key}/{first_row}".encode()).decode().rstrip("=")


def _first_row(cursor: str, key: str) -> int:
    try:
        text = base64.urlsafe_b64decode(cursor[:200] + "=" * (-len(cursor[:200]) % 4)).decode()
        of, _, row = text.rpartition("/")
        first_row = int(row)
    except (binascii.Error, UnicodeError, ValueError):
        first_row, of = -1, ""
    if not 0 <= first_row < 2**40:
        raise bad_parameter(
            "cursor", "cursor is not one that this server gave", "begin without a cursor"
        )
    if of.partition("/")[0] == key.partition("/")[0] and of != key:
        raise bad_parameter(
            "cursor",
            "cursor is of another endpoint or of other parameters",
            "begin without a cursor; only limit and format may change between pages",
        )
    if of != key:
        raise Refusal(
            410,
            "Publication replaced",
            "the cursor is of an earlier publication, whose rows have moved",
            "begin again without a cursor; give as_of or to for hours that stay",
        )
    return first_row


def tag_of(*parts: str) -> str:
    """Return the entity tag of an answer: the same parts of the same release, the same answer.

    Parts are the publication and what was requested of it. Another release may answer in other
    words. Weak, since ``age_seconds`` grows.
    """
    text = "\n".join([_RELEASE, *parts])
    return f'W/"{hashlib.sha256(text.encode()).hexdigest()[:32]}"'


def is_known_tag(tag: str, if_none_match: str | None) -> bool:
    """Return whether a client has the answer with a tag."""
    if not if_none_match:
        return False
    known = [one.strip().removeprefix("W/") for one in if_none_match.split(",")]
    return tag.removeprefix("W/") in known or "*" in known
