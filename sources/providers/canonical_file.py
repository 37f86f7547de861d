"""Any provider's map as a file of canonical rows, CSV or Parquet.

Columns, by name, in any order: ``provider, asset, as_of, price_low, price_high, side, value, unit,
semantics`` are needed; ``model`` (by default ``file``), ``venue_scope`` (by default the context's,
else ``all``), ``window, leverage, reference_price, observed_open_interest_ratio`` may be there;
others are ignored. Each means what it means in ``sources.records``, ``provider_map``. Instants are
ISO 8601 with a zone. A bad row goes to quarantine, numbered from 1 without the header.
"""

import io
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.csv

from sources.bounds import check_cells, check_plain_columns, open_parquet
from sources.providers.provider import AnswerContext, Provider, raw_sha256
from sources.providers.provider_answer import (
    LARGEST_LEVERAGE,
    MapRows,
    decode_text,
    excerpt,
    expected_asset,
    read_instant,
    read_numbers,
    rejected,
    venue_scope_of,
)
from sources.records import INSTANT, SCHEMAS, Batch

NAME = "canonical_file"
NEEDED = (
    "provider",
    "asset",
    "as_of",
    "price_low",
    "price_high",
    "side",
    "value",
    "unit",
    "semantics",
)
OPTIONAL = (
    "model",
    "venue_scope",
    "window",
    "leverage",
    "reference_price",
    "observed_open_interest_ratio",
)
_WORDS = {
    "side": ("long", "short", "unknown"),
    "unit": ("usd", "base", "contracts", "relative"),
    "semantics": ("standing", "opened", "realised"),
}
_NUMBERS_NEEDED = ("price_low", "price_high", "value")
_NUMBERS_OPTIONAL = ("leverage", "reference_price", "observed_open_interest_ratio")
_PARQUET_MAGIC = b"PAR1"

LARGEST_ROWS = 500_000
"""Rows of one file; a day of a provider's finest maps of one asset is a tenth of it."""

_SPLIT = f"split it into files of at most {LARGEST_ROWS:,} rows"

Mask = npt.NDArray[np.bool_]


def parse(raw: bytes, context: AnswerContext) -> list[Batch]:
    """Return the records of a file of canonical rows.

    Parameters
    ----------
    raw : bytes
        The file; Parquet if it begins like one, else CSV.
    context : AnswerContext
        ``asset`` or ``symbol``, where given, must be the asset of every row; ``max_age`` is held
        against the newest row.

    Returns
    -------
    list of Batch
        ``provider_map`` with unit and semantics as each row states, then ``quarantine``.
    """
    rows = MapRows(NAME, context, raw, "", "")
    table = _read_parquet(raw, context) if raw[:4] == _PARQUET_MAGIC else _read_csv(raw, rows)
    twice = {name for name in table.column_names if table.column_names.count(name) > 1}
    if twice:
        raise rejected(
            NAME, context, f"column {', '.join(sorted(twice))} is there twice", "name each once"
        )
    missing = [name for name in NEEDED if name not in table.column_names]
    if missing:
        raise rejected(
            NAME,
            context,
            f"no column {', '.join(missing)} (there is {excerpt(', '.join(table.column_names))})",
            f"name the columns {', '.join(NEEDED)}",
        )
    if table.num_rows > LARGEST_ROWS:
        raise rejected(NAME, context, f"{table.num_rows:,} rows", _SPLIT)
    columns = {name: _column(table, name) for name in (*NEEDED, *OPTIONAL)}
    numbers = {name: read_numbers(columns[name]) for name in (*_NUMBERS_NEEDED, *_NUMBERS_OPTIONAL)}
    instants = [read_instant(_as_text(each)) for each in columns["as_of"]]
    usable = _refuse_bad_rows(rows, columns, numbers, instants)
    usable = _refuse_repeated_rows(rows, columns, usable)
    if usable.any():
        rows.check_as_of(
            max(each for each, keep in zip(instants, usable, strict=True) if keep and each)
        )
        _check_assets(columns["asset"], usable, context)
        rows.add_table(_records(columns, numbers, instants, usable, raw, context))
    return rows.batches()


def _read_csv(raw: bytes, rows: MapRows) -> pa.Table:
    """Return a CSV as a table of text, its rows of the wrong width put aside."""
    # Without its last line break a header alone is no table to pyarrow.
    text = decode_text(raw, NAME, rows.context) + "\n"

    def set_aside(row: "pyarrow.csv.InvalidRow") -> Literal["skip", "error"]:
        rows.reject_row(
            f"{row.actual_columns} columns instead of {row.expected_columns}",
            row.text,
            None if row.number is None else row.number - 1,
        )
        return "skip"

    try:
        header = text.split("\n", 1)[0]
        names = pyarrow.csv.read_csv(io.BytesIO(header.encode() + b"\n")).column_names
        return pyarrow.csv.read_csv(
            io.BytesIO(text.encode()),
            # Rows are numbered only when read by one thread.
            read_options=pyarrow.csv.ReadOptions(use_threads=False),
            parse_options=pyarrow.csv.ParseOptions(invalid_row_handler=set_aside),
            convert_options=pyarrow.csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()),
                null_values=[""],
                strings_can_be_null=True,
            ),
        )
    except pa.ArrowInvalid as exc:
        raise rejected(
            NAME, rows.context, f"not CSV ({excerpt(str(exc), 120)})", "save it as UTF-8 CSV"
        ) from exc


def _read_parquet(raw: bytes, context: AnswerContext) -> pa.Table:
    try:
        with open_parquet(io.BytesIO(raw), context.input_name, len(raw)) as file:
            if file.metadata.num_rows > LARGEST_ROWS:
                raise rejected(NAME, context, f"{file.metadata.num_rows:,} rows", _SPLIT)
            table = file.read()
            for batch in table.to_batches():
                check_cells(batch, context.input_name)
            check_plain_columns(table.schema, (*NEEDED, *OPTIONAL), context.input_name)
            return table
    except (pa.ArrowException, OSError) as exc:
        raise rejected(
            NAME,
            context,
            f"not whole Parquet ({excerpt(str(exc), 120)})",
            "the file was cut or damaged; copy it again",
        ) from exc


def _column(table: pa.Table, name: str) -> list[Any]:
    """Return a column as Python values, None for each row where the table has no such column."""
    if name not in table.column_names:
        return [None] * table.num_rows
    column = table[name]
    if pa.types.is_decimal(column.type):
        column = column.cast(pa.float64())
    values: list[Any] = column.to_pylist()
    return values


def _as_text(value: object) -> object:
    """Return an instant of Parquet as the text CSV would hold; a naive one stays without zone."""
    return value.isoformat() if hasattr(value, "isoformat") else value


def _refuse_bad_rows(
    rows: MapRows,
    columns: dict[str, list[Any]],
    numbers: dict[str, npt.NDArray[np.float64]],
    instants: list[Any],
) -> Mask:
    """Put bad rows aside, each with its first fault, and return which are usable, shape (n,)."""
    count = len(instants)
    low, high, value = numbers["price_low"], numbers["price_high"], numbers["value"]

    def where(is_bad: Callable[[Any], bool], name: str) -> Mask:
        return np.fromiter(map(is_bad, columns[name]), dtype=bool, count=count)

    def is_given(name: str) -> Mask:
        return where(lambda item: item is not None, name)

    with np.errstate(invalid="ignore"):
        faults: list[tuple[str, Mask, str]] = [
            (name, where(lambda item: not isinstance(item, str) or not item.strip(), name), "empty")
            for name in ("provider", "asset")
        ]
        faults.append(
            (
                "as_of",
                np.array([instant is None for instant in instants], dtype=bool),
                "no ISO 8601 instant with a zone",
            )
        )
        faults += [
            ("price_low", ~(np.isfinite(low) & (low > 0)), "no positive number"),
            ("price_high", ~np.isfinite(high), "no finite number"),
            ("price_high", high < low, "below price_low"),
            ("value", ~np.isfinite(value), "no finite number"),
            ("value", value < 0, "negative"),
        ]
        for name, allowed in _WORDS.items():
            unknown = where(lambda item, allowed=allowed: item not in allowed, name)  # type: ignore[misc]
            faults.append((name, unknown, f"none of {', '.join(allowed)}"))
        leverage = numbers["leverage"]
        faults.append(
            (
                "leverage",
                is_given("leverage") & ~((leverage > 0) & (leverage <= LARGEST_LEVERAGE)),
                f"no leverage up to {LARGEST_LEVERAGE:g}",
            )
        )
        faults += [
            (name, is_given(name) & ~(numbers[name] > 0), "no positive number")
            for name in ("reference_price", "observed_open_interest_ratio")
        ]
    usable = np.ones(count, dtype=bool)
    for name, is_bad, reason in faults:
        for index in np.flatnonzero(is_bad & usable):
            received = {key: _as_text(items[index]) for key, items in columns.items()}
            rows.reject_row(f"{name} is {reason}", received, int(index) + 1, name)
        usable &= ~is_bad
    return usable


def _refuse_repeated_rows(rows: MapRows, columns: dict[str, list[Any]], usable: Mask) -> Mask:
    """Put repetitions of a whole row aside, which would count twice; return what is usable."""
    kept = usable.copy()
    seen: dict[tuple[Any, ...], int] = {}
    for index, row in enumerate(zip(*columns.values(), strict=True)):
        first = seen.setdefault(row, index) if usable[index] else index
        if first != index:
            received = dict(zip(columns, map(_as_text, row), strict=True))
            rows.reject_row(f"the same as row {first + 1}", received, index + 1)
            kept[index] = False
    return kept


def _check_assets(assets: list[Any], usable: Mask, context: AnswerContext) -> None:
    """Refuse a file about another asset than the one asked for, if one was."""
    if context.asset is None and context.symbol is None:
        return
    expected, _ = expected_asset(NAME, context, None)
    others = {asset for asset, keep in zip(assets, usable, strict=True) if keep} - {expected}
    if others:
        raise rejected(
            NAME,
            context,
            f"the file has rows of {excerpt(', '.join(sorted(others)), 80)}, not only of "
            f"{expected!r} as asked for",
            "import it without naming an asset, or split it",
        )


def _records(
    columns: dict[str, list[Any]],
    numbers: dict[str, npt.NDArray[np.float64]],
    instants: list[Any],
    usable: Mask,
    raw: bytes,
    context: AnswerContext,
) -> pa.Table:
    """Return the usable rows in the schema of ``provider_map``."""
    kept = np.flatnonzero(usable).tolist()
    count = len(kept)
    scope = context.venue_scope or "all"
    defaults = {"model": context.model or "file", "window": context.window}
    constants: dict[str, Any] = {
        "raw_sha256": raw_sha256(raw),
        "source": NAME,
        "ingested_at": context.ingested_at,
    }

    def column(name: str, kind: pa.DataType) -> "pa.Array[Any]":
        if name in numbers:
            return pa.array(numbers[name][usable], type=kind, from_pandas=True)
        if name == "as_of":
            return pa.array([instants[index] for index in kept], type=INSTANT)
        if name == "venue_scope":
            scopes = [columns[name][index] or scope for index in kept]
            return pa.array([venue_scope_of(str(each)) for each in scopes], type=kind)
        if name in columns:
            values = [columns[name][index] for index in kept]
            default = defaults.get(name)
            return pa.array(
                [default if each is None else str(each).strip() for each in values], type=kind
            )
        return pa.array([constants[name]] * count, type=kind)

    schema = SCHEMAS["provider_map"]
    return pa.Table.from_arrays([column(each.name, each.type) for each in schema], schema=schema)


PROVIDER = Provider(
    name=NAME,
    sends="rows in the canonical form, of whichever provider each row names",
    unit="",
    semantics="",
    valuation="as each row's provider states",
    documentation_url="",
    models=(),
    key_variables=(),
    answer_suffix=".csv",
    parse=parse,
)
