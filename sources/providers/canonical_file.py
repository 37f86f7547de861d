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
from sources.providers.answer_values import (
    LARGEST_LEVERAGE,
    excerpt,
    read_instant,
    read_numbers,
    venue_scope_of,
)
from sources.providers.provider import AnswerContext, Provider, raw_sha256
from sources.providers.provider_answer import ProviderAnswer
from sources.records import Batch, make_batch

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
    answer = ProviderAnswer(NAME, context, raw)
    table = _read_parquet(answer) if raw[:4] == _PARQUET_MAGIC else _read_csv(answer)
    twice = {name for name in table.column_names if table.column_names.count(name) > 1}
    if twice:
        raise answer.refusal(f"column {', '.join(sorted(twice))} is there twice", "name each once")
    missing = [name for name in NEEDED if name not in table.column_names]
    if missing:
        raise answer.refusal(
            f"no column {', '.join(missing)} (there is {excerpt(', '.join(table.column_names))})",
            f"name the columns {', '.join(NEEDED)}",
        )
    if table.num_rows > LARGEST_ROWS:
        raise answer.refusal(f"{table.num_rows:,} rows", _SPLIT)
    columns = {name: _column(table, name) for name in (*NEEDED, *OPTIONAL)}
    numbers = {name: read_numbers(columns[name]) for name in (*_NUMBERS_NEEDED, *_NUMBERS_OPTIONAL)}
    instants = [read_instant(_as_text(each)) for each in columns["as_of"]]
    usable = _refuse_bad_rows(answer, columns, numbers, instants)
    usable = _refuse_repeated_rows(answer, columns, usable)
    if usable.any():
        answer.check_as_of(
            max(each for each, keep in zip(instants, usable, strict=True) if keep and each)
        )
        _check_assets(answer, columns["asset"], usable)
        answer.add_table(_records(answer, columns, numbers, instants, usable))
    return answer.batches()


def _read_csv(answer: ProviderAnswer) -> pa.Table:
    """Return a CSV as a table of text; rows of the wrong width are quarantined."""
    # Without its last line break a header alone is no table to pyarrow.
    text = answer.text() + "\n"

    def quarantine_line(row: "pyarrow.csv.InvalidRow") -> Literal["skip", "error"]:
        answer.reject_row(
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
            parse_options=pyarrow.csv.ParseOptions(invalid_row_handler=quarantine_line),
            convert_options=pyarrow.csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()),
                null_values=[""],
                strings_can_be_null=True,
            ),
        )
    except pa.ArrowInvalid as exc:
        raise answer.refusal(f"not CSV ({excerpt(str(exc), 120)})", "save it as UTF-8 CSV") from exc


def _read_parquet(answer: ProviderAnswer) -> pa.Table:
    raw, name = answer.raw, answer.context.input_name
    try:
        with open_parquet(io.BytesIO(raw), name, len(raw)) as file:
            if file.metadata.num_rows > LARGEST_ROWS:
                raise answer.refusal(f"{file.metadata.num_rows:,} rows", _SPLIT)
            table = file.read()
            for batch in table.to_batches():
                check_cells(batch, name)
            check_plain_columns(table.schema, (*NEEDED, *OPTIONAL), name)
            return table
    except (pa.ArrowException, OSError) as exc:
        raise answer.refusal(
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
    answer: ProviderAnswer,
    columns: dict[str, list[Any]],
    numbers: dict[str, npt.NDArray[np.float64]],
    instants: list[Any],
) -> Mask:
    """Quarantine bad rows, each with its first fault; return which are usable, shape (n,)."""
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
            answer.reject_row(f"{name} is {reason}", received, int(index) + 1, name)
        usable &= ~is_bad
    return usable


def _refuse_repeated_rows(
    answer: ProviderAnswer, columns: dict[str, list[Any]], usable: Mask
) -> Mask:
    """Put repetitions of a whole row aside, which would count twice; return what is usable."""
    kept = usable.copy()
    seen: dict[tuple[Any, ...], int] = {}
    for index, row in enumerate(zip(*columns.values(), strict=True)):
        first = seen.setdefault(row, index) if usable[index] else index
        if first != index:
            received = dict(zip(columns, map(_as_text, row), strict=True))
            answer.reject_row(f"the same as row {first + 1}", received, index + 1)
            kept[index] = False
    return kept


def _check_assets(answer: ProviderAnswer, assets: list[Any], usable: Mask) -> None:
    """Refuse a file about another asset than the requested one, if any."""
    if answer.context.asset is None and answer.context.symbol is None:
        return
    expected, _ = answer.require_asset()
    others = {asset for asset, keep in zip(assets, usable, strict=True) if keep} - {expected}
    if others:
        raise answer.refusal(
            f"the file has rows of {excerpt(', '.join(sorted(others)), 80)}, not only of "
            f"the requested {expected!r}",
            "import it without naming an asset, or split it",
        )


def _records(
    answer: ProviderAnswer,
    columns: dict[str, list[Any]],
    numbers: dict[str, npt.NDArray[np.float64]],
    instants: list[Any],
    usable: Mask,
) -> pa.Table:
    """Return the usable rows in the schema of ``provider_map``."""
    context = answer.context
    kept = np.flatnonzero(usable).tolist()
    defaults = {"model": context.model or "file", "window": context.window}
    texts = {
        name: [
            defaults.get(name) if items[index] is None else str(items[index]).strip()
            for index in kept
        ]
        for name, items in columns.items()
        if name not in numbers
    }
    scope = context.venue_scope or "all"
    scopes = [venue_scope_of(str(columns["venue_scope"][index] or scope)) for index in kept]
    provenance = {
        "raw_sha256": raw_sha256(answer.raw),
        "source": NAME,
        "ingested_at": context.ingested_at,
    }
    return make_batch(
        "provider_map",
        len(kept),
        {
            **texts,
            **{name: values[usable] for name, values in numbers.items()},
            **provenance,
            "venue_scope": scopes,
            "as_of": [instants[index] for index in kept],
        },
    ).table


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
