"""Reading a provider's answer: JSON, numbers, symbols, price cells; rows out, with quarantine.

Belongs here: what every format needs. Does not belong here: the format of any one provider.
"""

import json
import logging
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sources.assets import split_asset
from sources.errors import InputRejected
from sources.providers.provider import AnswerContext, raw_sha256
from sources.records import SCHEMAS, Batch
from sources.user_files import parse_number
from sources.venue_names import venue_name

logger = logging.getLogger(__name__)

Floats = npt.NDArray[np.float64]

LONGEST_RECEIVED = 2000  # characters of a row or answer kept in quarantine
# Clocks of two services differ; more than this after the reading is a wrong instant.
TOLERATED_AHEAD = timedelta(minutes=10)
# Two prices of one asset at about one time; beyond it is another asset or another unit.
LARGEST_PRICE_RATIO = 1.5
LARGEST_LEVERAGE = 1000.0

_QUOTES = ("USDT", "USDC", "FDUSD", "BUSD", "USD")


def excerpt(text: str, length: int = 200) -> str:
    """Return at most ``length`` characters of a text, for a message."""
    return text if len(text) <= length else f"{text[: length - 3]}..."


def shown(value: object, length: int = 80) -> str:
    """Return a value as a program writes it, at most ``length`` characters, for a message."""
    return excerpt(repr(value), length)


def rejected(provider: str, context: AnswerContext, what: str, next_step: str) -> InputRejected:
    """Return the error for an answer unusable as a whole: who, which input, what, what to do."""
    return InputRejected(f"{provider}: {context.input_name}: {what}; {next_step}")


def decode_text(raw: bytes, provider: str, context: AnswerContext) -> str:
    """Return the answer as text, refusing what is empty, not UTF-8 or a web page."""
    try:
        text = raw.decode("utf-8-sig").strip()
    except UnicodeDecodeError as exc:
        raise rejected(
            provider,
            context,
            f"byte {exc.start} is not UTF-8",
            "give the answer as it was received",
        ) from exc
    if not text:
        raise rejected(provider, context, "the answer is empty (0 bytes of text)", "fetch it again")
    if text.startswith("<"):
        raise rejected(
            provider,
            context,
            f"an HTML or XML page instead of data ({shown(text)})",
            "a log-in, block or error page was saved; fetch the API's own answer",
        )
    return text


def decode_json(raw: bytes, provider: str, context: AnswerContext) -> Any:  # noqa: ANN401 - JSON
    """Return the answer's JSON value, saying where and how it is broken if it is."""
    text = decode_text(raw, provider, context)
    try:
        return json.loads(text, parse_int=parse_number)
    except (json.JSONDecodeError, RecursionError) as exc:
        raise rejected(provider, context, _json_fault(text, exc), "fetch it again") from exc


def _json_fault(text: str, exc: json.JSONDecodeError | RecursionError) -> str:
    if not isinstance(exc, json.JSONDecodeError):
        return "the JSON is nested too deeply"
    # An unterminated string is reported at its start, all else where the text ran out.
    if exc.pos >= len(text) or exc.msg.startswith("Unterminated string"):
        return f"the JSON breaks off after {len(text)} characters (truncated)"
    return f"not JSON at character {exc.pos} ({exc.msg}, near {text[exc.pos : exc.pos + 40]!r})"


def expect_object(
    value: object, where: str, provider: str, context: AnswerContext
) -> Mapping[str, Any]:
    """Return a JSON object, or refuse the answer naming what stands there instead."""
    if isinstance(value, dict) and value:
        return value
    raise rejected(
        provider,
        context,
        f"{where} is {shown(value)}, expected a filled JSON object",
        "the provider had no data for this request, or changed its format",
    )


def expect_list(value: object, where: str, provider: str, context: AnswerContext) -> list[Any]:
    """Return a filled JSON list, or refuse the answer naming what stands there instead."""
    if isinstance(value, list) and value:
        return value
    raise rejected(
        provider,
        context,
        f"{where} is {shown(value)}, expected a filled list",
        "the provider had no data for this request, or changed its format",
    )


def read_number(value: object) -> float:
    """Return a number given as number or text; NaN where it is neither."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return math.nan
    try:
        return float(value)
    except (ValueError, OverflowError):
        return math.nan


def read_numbers(values: Sequence[object]) -> Floats:
    """Return numbers given as numbers or text, shape (n,); NaN where an item is neither."""
    if set(map(type, values)) <= {float, int}:
        try:
            return np.asarray(values, dtype=np.float64)
        except OverflowError:
            pass
    return np.fromiter(map(read_number, values), dtype=np.float64, count=len(values))


def read_instant(value: object) -> datetime | None:
    """Return an instant given as ISO 8601 with a zone, or as epoch seconds or milliseconds."""
    if isinstance(value, str) and not re.fullmatch(r"\d+(\.\d*)?", value.strip()):
        try:
            instant = datetime.fromisoformat(value.strip())
        except ValueError:
            return None
        return instant.astimezone(UTC) if instant.tzinfo else None
    number = read_number(value)
    if not math.isfinite(number) or number <= 0:
        return None
    # 1e11 seconds is the year 5138, 1e11 milliseconds is 1973: no overlap for market data.
    seconds = number / 1000 if number >= 1e11 else number
    try:
        return datetime.fromtimestamp(seconds, tz=UTC)
    except (ValueError, OverflowError, OSError):
        return None


def split_symbol(symbol: str) -> tuple[str, float]:
    """Return (asset, units of the asset in one quoted unit) of a provider's symbol.

    >>> split_symbol("BTCUSDT"), split_symbol("1000PEPE-USDT-SWAP"), split_symbol("kBONK")
    (('BTC', 1.0), ('PEPE', 1000.0), ('BONK', 1000.0))
    >>> split_symbol("1INCHUSDT"), split_symbol("BTC/USD:BTC")
    (('1INCH', 1.0), ('BTC', 1.0))
    """
    base = re.split(r"[-_/: ]", symbol.strip())[0]
    for quote in _QUOTES:
        if base.upper().endswith(quote) and len(base) > len(quote):
            base = base[: -len(quote)]
            break
    # A small k before a ticker in capitals is Hyperliquid's mark for 1000.
    return split_asset(base, (("k", 1000),))


def venue_scope_of(name: str) -> str:
    """Return our name of a venue as a provider spells it.

    >>> venue_scope_of("Okex"), venue_scope_of("binance_perp_stable"), venue_scope_of("Lighter")
    ('okx', 'binance', 'lighter')
    """
    plain = re.sub(r"_(perp|spot|futures|swap).*$", "", name.strip().lower())
    return venue_name(plain)


def expected_asset(
    provider: str, context: AnswerContext, answer_symbol: str | None
) -> tuple[str, float]:
    """Return (asset, units per quoted unit), refusing an answer about another asset.

    Parameters
    ----------
    provider : str
        Who answered.
    context : AnswerContext
        What was asked for.
    answer_symbol : str or None
        The symbol in the answer; None if it names none.
    """
    if context.symbol is None and context.asset is None and answer_symbol is None:
        raise rejected(
            provider,
            context,
            "the answer does not name its asset",
            "say which asset was asked for (asset, or symbol as the provider spells it)",
        )
    symbol = answer_symbol or context.symbol
    # An asset is ours and taken as it is; TUSD is no T quoted in USD.
    asset, multiplier = split_symbol(symbol) if symbol else (context.asset or "", 1.0)
    wanted = {
        word: name
        for word, name in (
            (context.asset, context.asset),
            (context.symbol, split_symbol(context.symbol)[0] if context.symbol else None),
        )
        if word is not None
    }
    for word, name in wanted.items():
        if name != asset:
            raise rejected(
                provider,
                context,
                f"the map is of {symbol!r}, not of {word!r} as asked for",
                "give the answer for that asset, or import this one under its own",
            )
    return asset, multiplier


def expected_venue(provider: str, context: AnswerContext) -> str:
    """Return the venue scope the context gives, refusing an answer that names none."""
    if context.venue_scope is None:
        raise rejected(
            provider,
            context,
            "the answer does not name its venue",
            "say which venue was asked for, 'all' for an aggregated map",
        )
    return venue_scope_of(context.venue_scope)


def expected_capture(provider: str, context: AnswerContext) -> datetime:
    """Return when the answer was captured, refusing one that carries no instant at all."""
    if context.captured_at is None:
        raise rejected(
            provider,
            context,
            "the answer carries no instant",
            "say when it was captured, or put YYYYMMDDTHHMMSSZ into the file's name",
        )
    return context.captured_at.astimezone(UTC)


def check_reference_price(provider: str, context: AnswerContext, price: float) -> None:
    """Refuse an answer whose own price is far from the one expected: another asset or unit."""
    expected = context.reference_price
    if expected is None:
        return
    ratio = price / expected
    if not 1 / LARGEST_PRICE_RATIO <= ratio <= LARGEST_PRICE_RATIO:
        raise rejected(
            provider,
            context,
            f"its price {price:.8g} is {ratio:.4g} times the expected {expected:.8g}",
            "it is the map of another symbol, or quoted per 1000 units (then say symbol)",
        )


def cells_between(levels: Floats) -> tuple[Floats, Floats]:
    """Return the cells of ascending price levels: each reaches half-way to its neighbours.

    The outermost cells are as wide outwards as inwards. A single level is a point.

    Parameters
    ----------
    levels : ndarray of float64, shape (n,)
        Strictly ascending, positive [USD per unit].

    Returns
    -------
    price_low, price_high : ndarray of float64, shape (n,)
        Edges [USD per unit]; positive.

    Examples
    --------
    >>> low, high = cells_between(np.array([100.0, 110.0, 130.0]))
    >>> low.tolist(), high.tolist()
    ([95.0, 105.0, 120.0], [105.0, 120.0, 140.0])
    """
    if len(levels) == 1:
        return levels.copy(), levels.copy()
    between = (levels[1:] + levels[:-1]) / 2
    lowest = levels[0] - (levels[1] - levels[0]) / 2
    highest = levels[-1] + (levels[-1] - levels[-2]) / 2
    # A grid that starts near zero would reach below it.
    first = lowest if lowest > 0 else levels[0]
    return np.concatenate(([first], between)), np.concatenate((between, [highest]))


def cells_on_ladder(levels: Floats) -> tuple[Floats, Floats]:
    """Return the cells of levels some of which may be left out: half a step to either side.

    The step is the smallest gap, if all gaps are multiples of it; else the levels are points,
    because the gap to the next one listed says nothing about a level's reach.

    Parameters
    ----------
    levels : ndarray of float64, shape (n,)
        Strictly ascending, positive [USD per unit].

    Returns
    -------
    price_low, price_high : ndarray of float64, shape (n,)
        Edges [USD per unit]; equal where the levels are points.

    Examples
    --------
    >>> low, high = cells_on_ladder(np.array([100.0, 102.0, 108.0]))
    >>> low.tolist(), high.tolist()
    ([99.0, 101.0, 107.0], [101.0, 103.0, 109.0])
    """
    gaps = np.diff(levels)
    if len(gaps) == 0:
        return levels.copy(), levels.copy()
    step = float(gaps.min())
    steps = gaps / step
    is_ladder = bool(np.all(np.abs(steps - np.round(steps)) < 1e-3 * np.maximum(steps, 1)))
    half = step / 2 if is_ladder and step / 2 < levels[0] else 0.0
    return levels - half, levels + half


def _text(value: object) -> str:
    if isinstance(value, str):
        return value[:LONGEST_RECEIVED]
    try:
        return json.dumps(value, default=str)[:LONGEST_RECEIVED]
    except (TypeError, ValueError):
        return repr(value)[:LONGEST_RECEIVED]


@dataclass(slots=True)
class MapRows:
    """Rows of one answer on their way into batches.

    Parameters
    ----------
    provider : str
        Who answered.
    context : AnswerContext
        What is known about the answer.
    raw : bytes
        The answer, for its hash.
    unit, semantics : str
        Of every row added.
    """

    provider: str
    context: AnswerContext
    raw: bytes
    unit: str
    semantics: str
    _tables: list[pa.Table] = field(default_factory=list)
    _quarantined: list[dict[str, object]] = field(default_factory=list)
    _hash: str = field(default="", init=False)

    def __post_init__(self) -> None:
        """Hash the answer once."""
        self._hash = raw_sha256(self.raw)

    @property
    def row_count(self) -> int:
        """Rows of the map so far."""
        return sum(table.num_rows for table in self._tables)

    def check_as_of(self, as_of: datetime) -> None:
        """Refuse a map that stands in the future, or is older than the context allows."""
        age = self.context.ingested_at - as_of
        if age < -TOLERATED_AHEAD:
            raise rejected(
                self.provider,
                self.context,
                f"as_of {as_of.isoformat()} lies {-age} after the reading at "
                f"{self.context.ingested_at.isoformat()}",
                "check captured_at and the clock of the machine that saved the answer",
            )
        if self.context.max_age is not None and age > self.context.max_age:
            raise rejected(
                self.provider,
                self.context,
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
        """Put one row, list or value of the answer aside, with the reason and its text."""
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

    def add_cells(
        self,
        *,
        asset: str,
        as_of: datetime,
        model: str,
        venue_scope: str,
        price_low: Floats,
        price_high: Floats,
        side: "str | npt.NDArray[np.str_]",
        value: Floats,
        leverage: "float | Floats | None" = None,
        reference_price: float | None = None,
        observed_open_interest_ratio: "float | Floats | None" = None,
    ) -> None:
        """Add cells of one map; arrays have shape (n,), scalars hold for all of them.

        A zero is how a map says that nothing stands in a cell: such cells are left out, as cells
        beyond the map's reach are. Everything else must have been checked before.
        """
        keep = value > 0
        count = int(np.count_nonzero(keep))
        if count == 0:
            return
        self.check_as_of(as_of)

        def column(values: Any, kind: pa.DataType) -> "pa.Array[Any]":  # noqa: ANN401 - mixed
            if isinstance(values, np.ndarray):
                return pa.array(values[keep], type=kind, from_pandas=True)
            return pa.array([values] * count, type=kind)

        cells = {
            "provider": self.provider,
            "model": model,
            "venue_scope": venue_scope,
            "asset": asset,
            "as_of": as_of,
            "window": self.context.window,
            "price_low": price_low,
            "price_high": price_high,
            "side": side,
            "leverage": leverage,
            "value": value,
            "unit": self.unit,
            "semantics": self.semantics,
            "reference_price": reference_price,
            "observed_open_interest_ratio": observed_open_interest_ratio,
            "raw_sha256": self._hash,
            "source": self.provider,
            "ingested_at": self.context.ingested_at,
        }
        schema = SCHEMAS["provider_map"]
        self._tables.append(
            pa.Table.from_arrays(
                [column(cells[each.name], each.type) for each in schema], schema=schema
            )
        )

    def add_table(self, table: pa.Table) -> None:
        """Add rows that already are in the schema of ``provider_map``."""
        self._tables.append(table)

    def batches(self, *, may_be_empty: bool = False) -> list[Batch]:
        """Return the batches, refusing an answer of which nothing could be used.

        Parameters
        ----------
        may_be_empty : bool
            Whether a map without a single filled cell is a legitimate finding (measured positions)
            rather than the sign of a broken answer.
        """
        if self.row_count == 0 and not (may_be_empty and not self._quarantined):
            if self._quarantined:
                first = self._quarantined[0]
                what = (
                    f"no usable cell, {len(self._quarantined)} refused, the first because "
                    f"{first['reason']} ({excerpt(str(first['received']), 80)})"
                )
            else:
                what = "every value is zero or there is none: a map of nothing"
            raise rejected(
                self.provider,
                self.context,
                what,
                "the provider had no data for this request, or changed its format",
            )
        schema = SCHEMAS["provider_map"]
        batches = [Batch("provider_map", pa.concat_tables([schema.empty_table(), *self._tables]))]
        if self._quarantined:
            batches.append(
                Batch(
                    "quarantine",
                    pa.Table.from_pylist(self._quarantined, schema=SCHEMAS["quarantine"]),
                )
            )
        logger.info(
            "%s: %s: %d cells, %d rows in quarantine",
            self.provider,
            self.context.input_name,
            self.row_count,
            len(self._quarantined),
        )
        return batches


def refuse_bad_values(
    rows: MapRows,
    values: Floats,
    received: Sequence[object],
    column_name: str,
    venue: str | None = None,
) -> Floats:
    """Return the values with unusable ones set to zero, each put in quarantine.

    Parameters
    ----------
    rows : MapRows
        Where refused values go.
    values : ndarray of float64, shape (n,)
        As read; NaN for what is no number.
    received : sequence of length n
        The items as received.
    column_name : str
        Where they stand in the answer.
    venue : str, optional
        Venue they are about.
    """
    bad = ~(np.isfinite(values) & (values >= 0))
    for index in np.flatnonzero(bad):
        number = values[index]
        reason = "value is negative" if number < 0 else "value is not a finite number"
        rows.reject_row(reason, received[int(index)], int(index) + 1, column_name, venue)
    return np.where(bad, 0.0, values)


def read_levels(
    values: Sequence[object], where: str, provider: str, context: AnswerContext
) -> Floats:
    """Return a price axis, refusing one that is not positive and strictly ascending.

    Every cell depends on the axis, so one bad level makes the whole answer unusable.
    """
    levels = read_numbers(values)
    bad = np.flatnonzero(~(np.isfinite(levels) & (levels > 0)))
    if len(bad):
        index = int(bad[0])
        raise rejected(
            provider,
            context,
            f"{where}[{index}] is {shown(values[index], 40)}, expected a positive price",
            "the price axis must be whole; fetch the answer again",
        )
    turns = np.flatnonzero(np.diff(levels) <= 0)
    if len(turns):
        index = int(turns[0])
        raise rejected(
            provider,
            context,
            f"{where} does not ascend at index {index + 1} "
            f"({levels[index]:.8g} then {levels[index + 1]:.8g})",
            "the price axis must ascend; fetch the answer again",
        )
    return levels


def split_sides(prices: Floats, reference_price: float) -> npt.NDArray[np.str_]:
    """Return ``long`` below the price, ``short`` above it, ``unknown`` at it, shape (n,).

    Price must fall to reach a long's liquidation and rise to reach a short's.
    """
    return np.where(
        prices < reference_price,
        "long",
        np.where(prices > reference_price, "short", "unknown"),
    )
