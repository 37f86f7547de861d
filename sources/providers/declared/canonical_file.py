"""Any provider's map as a file of canonical rows, CSV or Parquet.

Columns, by name, in any order: ``provider, asset, as_of, price_low, price_high, side, value, unit,
semantics`` are needed; ``model`` (by default ``file``), ``venue_scope`` (by default the context's,
else ``all``), ``window, leverage, reference_price, observed_open_interest_ratio`` may be there;
others are ignored. Each means what it means in ``sources.records``, ``provider_map``. Instants are
ISO 8601 with a zone. A bad row goes to quarantine, numbered from 1 without the header.
"""

import io
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime
from itertools import islice
from typing import Any, Literal

import pyarrow as pa
import pyarrow.csv

from sources.bounds import check_cells, check_plain_columns, open_parquet
from sources.providers.answer_values import (
    LARGEST_LEVERAGE,
    amount_of,
    excerpt,
    price_of,
    read_instant,
    venue_scope_of,
)
from sources.providers.provider import AnswerContext, Provider
from sources.providers.provider_answer import ProviderAnswer
from sources.records import Batch

Reader = Callable[[Any, str], object]

NAME = "canonical_file"
_PARQUET_MAGIC = b"PAR1"

LARGEST_ROWS = 500_000
"""Rows of one file; a day of a provider's finest maps of one asset is a tenth of it."""

_SPLIT = f"split it into files of at most {LARGEST_ROWS:,} rows"
_CHUNK_ROWS = 10_000


def _text_of(value: object, name: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{name} is empty")
    return value.strip()


def _instant_of(value: object, name: str) -> datetime:
    instant = read_instant(_as_text(value))
    if instant is None:
        raise ValueError(f"{name} is not an ISO 8601 instant with a zone")
    return instant


def _leverage_of(value: object, name: str) -> float:
    leverage = price_of(value, name)
    if leverage > LARGEST_LEVERAGE:
        raise ValueError(f"{name} is above {LARGEST_LEVERAGE:g}")
    return leverage


def _word_of(*allowed: str) -> Reader:
    def read(value: object, name: str) -> str:
        if value not in allowed:
            raise ValueError(f"{name} is none of {', '.join(allowed)}")
        return str(value)

    return read


NEEDED: dict[str, Reader] = {
    "provider": _text_of,
    "asset": _text_of,
    "as_of": _instant_of,
    "price_low": price_of,
    "price_high": price_of,
    "side": _word_of("long", "short", "unknown"),
    "value": amount_of,
    "unit": _word_of("usd", "base", "contracts", "relative"),
    "semantics": _word_of("standing", "opened", "realised"),
}
"""How each needed column is read; readers raise ValueError with what is wrong."""

OPTIONAL: dict[str, Reader] = {
    "model": lambda value, _: str(value).strip(),
    "venue_scope": lambda value, _: venue_scope_of(str(value)),
    "window": lambda value, _: str(value).strip(),
    "leverage": _leverage_of,
    "reference_price": price_of,
    "observed_open_interest_ratio": price_of,
}
"""How each optional column is read where it holds something."""


def parse(raw: bytes, context: AnswerContext) -> list[Batch]:
    """Return the records of a file of canonical rows, unit and semantics as each row states.

    The file is Parquet if it begins like one, else CSV. ``asset`` or ``symbol``, where given, must
    be the asset of every row; ``max_age`` is held against the newest row. See `Provider.parse`.
    """
    answer = ProviderAnswer(PROVIDER, context, raw)
    table = _read_parquet(answer) if raw[:4] == _PARQUET_MAGIC else _read_csv(answer)
    twice = [name for name, count in Counter(table.column_names).items() if count > 1]
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
    rows = _read_rows(answer, table)
    instants: set[datetime] = set()
    assets: set[str] = set()
    while chunk := list(islice(rows, _CHUNK_ROWS)):
        answer.add_rows(chunk)
        instants.update(row["as_of"] for row in chunk)
        assets.update(row["asset"] for row in chunk)
    if instants:
        answer.check_as_of(max(instants))
        _check_assets(answer, assets)
    return answer.batches()


def _read_rows(answer: ProviderAnswer, table: pa.Table) -> Iterator[dict[str, Any]]:
    """Yield the usable rows, typed; the others are quarantined, each with its first fault."""
    context = answer.context
    defaults = {
        "model": context.model or "file",
        "venue_scope": venue_scope_of(context.venue_scope or "all"),
        "window": context.window,
    }
    seen: dict[tuple[object, ...], int] = {}
    table = table.select([name for name in (*NEEDED, *OPTIONAL) if name in table.column_names])
    chunks = table.to_batches(max_chunksize=_CHUNK_ROWS)
    received = (row for chunk in chunks for row in chunk.to_pylist())
    for number, row in enumerate(received, start=1):
        name = ""
        try:
            read: dict[str, Any] = dict(defaults)
            for name, reader in NEEDED.items():
                read[name] = reader(row[name], name)
            for name, reader in OPTIONAL.items():
                if row.get(name) is not None:
                    read[name] = reader(row[name], name)
            name = "price_high"
            if read["price_high"] < read["price_low"]:
                raise ValueError("price_high is below price_low")  # noqa: TRY301 - one kind of fault
        except ValueError as exc:
            answer.reject_row(str(exc), _shown(row), number, name)
            continue
        # A repetition of a whole row would count twice.
        first = seen.setdefault(tuple(row.values()), number)
        if first == number:
            yield read
        else:
            answer.reject_row(f"the same as row {first}", _shown(row), number)


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
            table = _with_plain_numbers(file.read())
            for batch in table.to_batches():
                check_cells(batch, name)
            check_plain_columns(table.schema, (*NEEDED, *OPTIONAL), name)
            return table
    except (pa.ArrowException, OSError) as exc:
        raise answer.refusal(
            f"not whole Parquet ({excerpt(str(exc), 120)})",
            "the file was cut or damaged; copy it again",
        ) from exc


def _with_plain_numbers(table: pa.Table) -> pa.Table:
    """Return a table with decimals as floats."""
    for index, column in enumerate(table.schema):
        if pa.types.is_decimal(column.type):
            table = table.set_column(index, column.name, table[index].cast(pa.float64()))
    return table


def _as_text(value: object) -> object:
    """Return an instant of Parquet as the text CSV would hold; a naive one stays without zone."""
    return value.isoformat() if hasattr(value, "isoformat") else value


def _shown(row: dict[str, object]) -> dict[str, object]:
    return {name: _as_text(value) for name, value in row.items()}


def _check_assets(answer: ProviderAnswer, assets: set[str]) -> None:
    """Refuse a file about another asset than the requested one, if any."""
    if answer.context.asset is None and answer.context.symbol is None:
        return
    expected, _ = answer.require_asset()
    others = assets - {expected}
    if others:
        raise answer.refusal(
            f"the file has rows of {excerpt(', '.join(sorted(others)), 80)}, not only of "
            f"the requested {expected!r}",
            "import it without naming an asset, or split it",
        )


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
