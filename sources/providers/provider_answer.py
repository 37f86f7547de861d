"""One answer of a provider while it is read: JSON, what it must hold, its map, its quarantine.

Belongs here: what every format needs. Does not belong here: the format of any one provider, single
values (`sources.providers.answer_values`).
"""

import json
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sources.checks import LONGEST_RECEIVED
from sources.errors import InputRejected
from sources.providers.answer_values import (
    Floats,
    excerpt,
    read_numbers,
    shown,
    split_symbol,
    venue_scope_of,
)
from sources.providers.provider import AnswerContext, Provider, raw_sha256
from sources.records import SCHEMAS, Batch, make_batch
from sources.user_files import parse_number

logger = logging.getLogger(__name__)

T = TypeVar("T")

# Clocks of two services differ; more than this after the reading is a wrong instant.
TOLERATED_AHEAD = timedelta(minutes=10)
# Two prices of one asset at about one time; beyond it is another asset or another unit.
LARGEST_PRICE_RATIO = 1.5
_NO_DATA = "the provider had no data for this request, or changed its format"


@dataclass(frozen=True, slots=True)
class MapCells:
    """Cells of one map; arrays have shape (n,), scalars hold for all of them.

    Parameters
    ----------
    asset, model, venue_scope : str
        What the map is of, as in ``provider_map``.
    as_of : datetime
        Its instant.
    edges : (ndarray of float64, ndarray of float64)
        Lower and upper prices of the cells [USD per quoted unit].
    side : str or ndarray of str
        'long', 'short' or 'unknown'.
    value : ndarray of float64
        In the unit of the answer. Cells of 0 are left out: that is how a map marks empty ones.
    leverage : float or ndarray of float64, optional
        Leverage of the positions.
    reference_price : float, optional
        Price at the instant [USD per quoted unit].
    multiplier : float
        Asset units per quoted unit: prices are divided by it.
    observed_open_interest_ratio : float or ndarray of float64, optional
        Share of open interest covered, where positions are measured.
    """

    asset: str
    as_of: datetime
    model: str
    venue_scope: str
    edges: tuple[Floats, Floats]
    side: str | npt.NDArray[np.str_]
    value: Floats
    leverage: float | Floats | None = None
    reference_price: float | None = None
    multiplier: float = 1.0
    observed_open_interest_ratio: float | Floats | None = None


class ProviderAnswer:
    """One answer on its way into batches.

    Parameters
    ----------
    provider : Provider
        Who answered; its unit and semantics hold for every cell added.
    context : AnswerContext
        What is known about the answer.
    raw : bytes
        The answer.
    """

    def __init__(self, provider: Provider, context: AnswerContext, raw: bytes) -> None:
        self.provider = provider.name
        self.context = context
        self.raw = raw
        self._tables: list[pa.Table] = []
        self._quarantined: list[dict[str, object]] = []
        self._shared: dict[str, object] = {
            "provider": provider.name,
            "window": context.window,
            "unit": provider.unit,
            "semantics": provider.semantics,
            "raw_sha256": raw_sha256(raw),
            "source": provider.name,
            "ingested_at": context.ingested_at,
        }

    def refusal(self, what: str, next_step: str) -> InputRejected:
        """Return the error for an answer unusable as a whole: what is wrong and what to do."""
        return InputRejected(f"{self.provider}: {self.context.input_name}: {what}; {next_step}")

    def text(self) -> str:
        """Return the answer as text, refusing what is empty, not UTF-8 or a web page."""
        try:
            text = self.raw.decode("utf-8-sig").strip()
        except UnicodeDecodeError as exc:
            raise self.refusal(
                f"byte {exc.start} is not UTF-8", "give the answer as it was received"
            ) from exc
        if not text:
            raise self.refusal("the answer is empty (0 bytes of text)", "fetch it again")
        if text.startswith("<"):
            raise self.refusal(
                f"an HTML or XML page instead of data ({shown(text)})",
                "a log-in, block or error page was saved; fetch the API's own answer",
            )
        return text

    def json(self) -> Any:  # noqa: ANN401 - JSON
        """Return the answer's JSON value, or refuse it with the place where it is broken."""
        text = self.text()
        try:
            return json.loads(text, parse_int=parse_number)
        except RecursionError as exc:
            raise self.refusal("the JSON is nested too deeply", "fetch it again") from exc
        except json.JSONDecodeError as exc:
            fault = f"not JSON at character {exc.pos} ({exc.msg}, near {text[exc.pos :][:40]!r})"
            # An unterminated string is reported at its start, all else where the text ran out.
            if exc.pos >= len(text) or exc.msg.startswith("Unterminated string"):
                fault = f"the JSON breaks off after {len(text)} characters (truncated)"
            raise self.refusal(fault, "fetch it again") from exc

    def require_object(self, value: object, where: str) -> Mapping[str, Any]:
        """Return a JSON object, or refuse the answer naming what is there instead."""
        if isinstance(value, dict) and value:
            return value
        raise self.refusal(f"{where} is {shown(value)}, expected a filled JSON object", _NO_DATA)

    def require_list(self, value: object, where: str) -> list[Any]:
        """Return a filled JSON list, or refuse the answer naming what is there instead."""
        if isinstance(value, list) and value:
            return value
        raise self.refusal(f"{where} is {shown(value)}, expected a filled list", _NO_DATA)

    def require_levels(self, value: object, where: str) -> Floats:
        """Return a price axis, refusing one that is not positive and strictly ascending.

        Every cell depends on the axis, so one bad level makes the whole answer unusable.
        """
        received = self.require_list(value, where)
        levels = read_numbers(received)
        for index in np.flatnonzero(~(np.isfinite(levels) & (levels > 0))):
            raise self.refusal(
                f"{where}[{index}] is {shown(received[index], 40)}, expected a positive price",
                "the price axis must be whole; fetch the answer again",
            )
        for index in np.flatnonzero(np.diff(levels) <= 0):
            raise self.refusal(
                f"{where} does not ascend at index {index + 1} "
                f"({levels[index]:.8g} then {levels[index + 1]:.8g})",
                "the price axis must ascend; fetch the answer again",
            )
        return levels

    def require_asset(self, answer_symbol: str | None = None) -> tuple[str, float]:
        """Return (asset, units per quoted unit), refusing an answer about another asset.

        Parameters
        ----------
        answer_symbol : str or None
            The symbol in the answer; None if it names none.
        """
        context = self.context
        if context.symbol is None and context.asset is None and answer_symbol is None:
            raise self.refusal(
                "the answer does not name its asset",
                "name the requested asset (asset, or symbol as the provider spells it)",
            )
        symbol = answer_symbol or context.symbol
        # An asset is ours and taken as it is; TUSD is no T quoted in USD.
        asset, multiplier = split_symbol(symbol) if symbol else (context.asset or "", 1.0)
        expected = ((context.asset, context.asset), (context.symbol, self.wanted_of_symbol()))
        for word, name in expected:
            if word is not None and name != asset:
                raise self.refusal(
                    f"the map is of {symbol!r}, not of the requested {word!r}",
                    "give the answer for that asset, or import this one under its own",
                )
        return asset, multiplier

    def wanted_of_symbol(self) -> str | None:
        """Return the asset of the context's symbol; None without one."""
        return split_symbol(self.context.symbol)[0] if self.context.symbol else None

    def require_venue(self) -> str:
        """Return the venue scope the context gives, refusing an answer that names none."""
        if self.context.venue_scope is None:
            raise self.refusal(
                "the answer does not name its venue",
                "name the requested venue, 'all' for an aggregated map",
            )
        return venue_scope_of(self.context.venue_scope)

    def require_capture(self) -> datetime:
        """Return when the answer was captured, refusing one that carries no instant at all."""
        if self.context.captured_at is None:
            raise self.refusal(
                "the answer carries no instant",
                "give the instant of the capture, or put YYYYMMDDTHHMMSSZ into the file's name",
            )
        return self.context.captured_at.astimezone(UTC)

    def check_reference_price(self, price: float) -> None:
        """Refuse an answer whose own price is far from the one expected: another asset or unit."""
        expected = self.context.reference_price
        if expected is None:
            return
        ratio = price / expected
        if not 1 / LARGEST_PRICE_RATIO <= ratio <= LARGEST_PRICE_RATIO:
            raise self.refusal(
                f"its price {price:.8g} is {ratio:.4g} times the expected {expected:.8g}",
                "it is the map of another symbol, or quoted per 1000 units (then give symbol)",
            )

    def check_as_of(self, as_of: datetime) -> None:
        """Refuse a map of the future, or one older than the context allows."""
        age = self.context.ingested_at - as_of
        if age < -TOLERATED_AHEAD:
            raise self.refusal(
                f"as_of {as_of.isoformat()} lies {-age} after the reading at "
                f"{self.context.ingested_at.isoformat()}",
                "check captured_at and the clock of the machine that saved the answer",
            )
        if self.context.max_age is not None and age > self.context.max_age:
            raise self.refusal(
                f"a stale capture: as_of {as_of.isoformat()} is {age} old, "
                f"allowed is {self.context.max_age}",
                "fetch the map again, or import it as history without max_age",
            )

    def reject_row(
        self,
        reason: str,
        received: object,
        row_number: int | None = None,
        column_name: str | None = None,
        venue: str | None = None,
    ) -> None:
        """Quarantine one row, list or value of the answer, with the reason and its text."""
        self._quarantined.append(
            {
                "kind": "provider_map",
                "venue": venue,
                "instrument": self.context.symbol,
                "input_name": self.context.input_name,
                "row_number": row_number,
                "column_name": column_name,
                "reason": f"{self.provider}: {reason}",
                "received": _text(received),
                "source": self.provider,
                "ingested_at": self.context.ingested_at,
            }
        )

    def read_rows(
        self, items: Iterable[object], read: Callable[[Any], T], column_name: str
    ) -> Iterator[T]:
        """Yield what `read` makes of each item; items it raises ValueError for are quarantined."""
        for number, item in enumerate(items, start=1):
            try:
                yield read(item)
            except ValueError as exc:
                self.reject_row(str(exc), item, number, column_name)

    def read_amounts(self, received: Sequence[object], column_name: str, venue: str) -> Floats:
        """Return amounts, shape (n,); unusable ones are quarantined and 0 in the array."""
        amounts = read_numbers(received)
        is_bad = ~(np.isfinite(amounts) & (amounts >= 0))
        for index in np.flatnonzero(is_bad).tolist():
            fault = "is negative" if amounts[index] < 0 else "is not a finite number"
            self.reject_row(f"value {fault}", received[index], index + 1, column_name, venue)
        return np.where(is_bad, 0.0, amounts)

    def add_cells(self, cells: MapCells) -> None:
        """Add cells of one map, checked before."""
        keep = cells.value > 0
        if not keep.any():
            return
        self.check_as_of(cells.as_of)
        columns = {one.name: getattr(cells, one.name) for one in fields(cells)}
        multiplier = columns.pop("multiplier")
        columns["price_low"], columns["price_high"] = (
            edge / multiplier for edge in columns.pop("edges")
        )
        if cells.reference_price is not None:
            columns["reference_price"] = cells.reference_price / multiplier
        for name, values in columns.items():
            if isinstance(values, np.ndarray):
                columns[name] = values[keep]
        batch = make_batch("provider_map", int(keep.sum()), {**self._shared, **columns})
        self._tables.append(batch.table)

    def add_rows(self, rows: Sequence[Mapping[str, object]]) -> None:
        """Add cells of many maps, one row each, checked before; rows override what they share."""
        names = {name: None for row in rows for name in row}
        columns = {name: [row.get(name) for row in rows] for name in names}
        batch = make_batch("provider_map", len(rows), {**self._shared, **columns})
        self._tables.append(batch.table)

    def batches(self, *, may_be_empty: bool = False) -> list[Batch]:
        """Return the batches, refusing an answer without any usable cell.

        Parameters
        ----------
        may_be_empty : bool
            Whether a map without a single filled cell is a legitimate finding (measured positions)
            rather than the sign of a broken answer.
        """
        table = pa.concat_tables([SCHEMAS["provider_map"].empty_table(), *self._tables])
        refused = self._quarantined
        if not table.num_rows and (refused or not may_be_empty):
            what = "every value is zero or there is none: a map of nothing"
            if refused:
                what = (
                    f"no usable cell, {len(refused)} refused, the first because "
                    f"{refused[0]['reason']} ({excerpt(str(refused[0]['received']), 80)})"
                )
            raise self.refusal(what, _NO_DATA)
        batches = [Batch("provider_map", table)]
        if refused:
            quarantine = pa.Table.from_pylist(refused, schema=SCHEMAS["quarantine"])
            batches.append(Batch("quarantine", quarantine))
        logger.info(
            "%s: %s: %d cells, %d rows in quarantine",
            self.provider,
            self.context.input_name,
            table.num_rows,
            len(refused),
        )
        return batches


def _text(value: object) -> str:
    if isinstance(value, str):
        return value[:LONGEST_RECEIVED]
    try:
        return json.dumps(value, default=str)[:LONGEST_RECEIVED]
    except (TypeError, ValueError):
        return repr(value)[:LONGEST_RECEIVED]
