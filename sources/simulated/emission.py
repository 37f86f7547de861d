"""Turns what was measured of the simulated contracts into records, as their venues would send them.

Belongs here: units, stamps, Arrow tables. Does not belong here: anything that changes the market.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from math import floor, log10
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from sources.records import INSTANT, Batch, make_batch
from sources.simulated.parameters import MarketParameters, SimulatedAsset, SimulatedVenue
from sources.simulated.positions import LOG_STEP, LONG, SHORT, SimulatedContract
from sources.simulated.trading import BAR_MINUTES, HOUR_MINUTES, PUBLISHED_BINS, Measured

SOURCE = "simulated"
TRUTH_PROVIDER = "simulated_truth"
TRUTH_MODEL = "positions"

BARS_PER_HOUR = HOUR_MINUTES // BAR_MINUTES
_BAR_SECONDS = BAR_MINUTES * 60
FUNDING_INTERVAL_HOURS = 8
# Interest of .01 % per 8 h, as most venues fix it, plus what the side in excess pays; both capped.
INTEREST_RATIO = 0.0001
PREMIUM_RATIO = 0.0008
FUNDING_CAP_RATIO = 0.003

_SIDE_NAMES = ["long", "short"]  # by position: LONG, SHORT


@dataclass(frozen=True, slots=True)
class SimulatedInstrument:
    """One contract on one venue.

    Parameters
    ----------
    venue : SimulatedVenue
        Where it trades.
    asset : SimulatedAsset
        What it is on.
    contract : SimulatedContract
        Its figures.
    """

    venue: SimulatedVenue
    asset: SimulatedAsset
    contract: SimulatedContract

    @property
    def symbol(self) -> str:
        """Unified symbol as ccxt spells it."""
        name = self.asset.name
        return f"{name}/USD:{name}" if self.contract.is_inverse else f"{name}/USDT:USDT"

    @property
    def contract_size(self) -> float:
        """Size of a contract [asset units if linear, USD if inverse]."""
        if self.venue.open_interest_unit == "base":
            return 1.0
        return self.contract.lot_quantity

    def quantity(self, lots: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return lots as position units [asset units if linear, USD if inverse]."""
        return np.asarray(lots * self.contract.lot_quantity, dtype=np.float64)


@dataclass(frozen=True, slots=True)
class MeasuredSpan:
    """What was measured of all instruments over the same hours.

    Parameters
    ----------
    start : datetime
        Open of the first bar.
    measured : sequence of (SimulatedInstrument, Measured)
        A pair for each instrument.
    opening_lots : ndarray of int64, shape (n_instruments,)
        Open interest at the start [lots].
    opening_mark : ndarray of float64, shape (n_instruments,)
        Mark price at the start [USD].
    """

    start: datetime
    measured: Sequence[tuple[SimulatedInstrument, Measured]]
    opening_lots: NDArray[np.int64]
    opening_mark: NDArray[np.float64]

    @property
    def n_hours(self) -> int:
        """Length of the span [h]."""
        return self.measured[0][1].truth_first_bin.size

    def values(self, name: str) -> NDArray[Any]:
        """Return a field of `Measured`, shape (instruments, bars or hours, ...)."""
        return np.stack([getattr(measured, name) for _, measured in self.measured])

    def quantities(self, name: str) -> NDArray[np.float64]:
        """Return a per-bar field of lots as position units."""
        lots = zip(self.measured, self.values(name), strict=True)
        return np.stack([instrument.quantity(one) for (instrument, _), one in lots])

    def bar_instants(self) -> NDArray[np.int64]:
        """Return the open of each bar [us since 1970], shape (bars,)."""
        n_bars = self.n_hours * BARS_PER_HOUR
        return _microseconds(self.start) + np.arange(n_bars) * (_BAR_SECONDS * 1_000_000)


def _microseconds(instant: datetime) -> int:
    """Return microseconds since 1970."""
    return (instant - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def _instants(microseconds: NDArray[np.int64]) -> "pa.Array[Any]":
    """Return an Arrow array of instants."""
    return pa.array(microseconds.reshape(-1), type=pa.int64()).view(INSTANT)


def _words(codes: NDArray[np.integer], words: Sequence[str | None]) -> "pa.Array[Any]":
    """Return the word of each code."""
    return pa.array(words, pa.string()).take(pa.array(codes.reshape(-1)))


def _batch(kind: str, n_rows: int, ingested_at: datetime, columns: dict[str, object]) -> Batch:
    """Return a batch; single values are repeated, arrays flattened, fields left out are NULL."""
    flat = {
        name: value.reshape(-1) if isinstance(value, np.ndarray) else value
        for name, value in columns.items()
    }
    return make_batch(kind, n_rows, {**flat, "source": SOURCE, "ingested_at": ingested_at})


def _names(instruments: Sequence[SimulatedInstrument]) -> dict[str, list[str]]:
    """Return venue and instrument of one row per instrument."""
    return {
        "venue": [item.venue.name for item in instruments],
        "instrument": [item.symbol for item in instruments],
    }


def _key(span: MeasuredSpan, rows_per_instrument: int) -> dict[str, object]:
    """Return venue and instrument of rows that come instrument by instrument."""
    codes = np.repeat(np.arange(len(span.measured)), rows_per_instrument)
    names = _names([instrument for instrument, _ in span.measured])
    return {column: _words(codes, words) for column, words in names.items()}


def parameters_sha256(parameters: MarketParameters) -> str:
    """Return the hash of what a market is made from, whatever the length of the span.

    Parameters
    ----------
    parameters : MarketParameters
        The market.

    Returns
    -------
    str
        64 hexadecimal digits.
    """
    made_from = {name: getattr(parameters, name) for name in parameters.__slots__ if name != "days"}
    return sha256(repr(made_from).encode()).hexdigest()


def reference_batches(
    instruments: Sequence[SimulatedInstrument], start: datetime, ingested_at: datetime
) -> list[Batch]:
    """Return instruments and their leverage brackets, both valid from `start`.

    Parameters
    ----------
    instruments : sequence of SimulatedInstrument
        All contracts.
    start : datetime
        Beginning of the span.
    ingested_at : datetime
        Stamp of the records.

    Returns
    -------
    list of Batch
        ``instrument`` and ``leverage_bracket``. An instrument has one unbounded bracket.
    """
    n_rows = len(instruments)
    key = _names(instruments)
    return [
        _batch("instrument", n_rows, ingested_at, {
            **key,
            "asset": [item.asset.name for item in instruments],
            "quote": ["USD" if item.contract.is_inverse else "USDT" for item in instruments],
            "contract_kind": [item.venue.contract_kind for item in instruments],
            "contract_size": [item.contract_size for item in instruments],
            "base_multiplier": 1.0,
            "tick_size": [item.asset.tick_size for item in instruments],
            "is_active": True,
            "observed_at": start,
        }),
        _batch("leverage_bracket", n_rows, ingested_at, {
            **key,
            "valid_from_at": start,
            "bracket": 1,
            "notional_floor_usd": 0.0,
            "maintenance_margin_ratio": [
                item.asset.maintenance_margin_ratio for item in instruments
            ],
            "maintenance_deduction_usd": 0.0,
            "max_leverage": [item.asset.max_leverage for item in instruments],
            "liquidation_fee_ratio": 0.0,
        }),
    ]  # fmt: skip


def opening_open_interest_batch(
    instruments: Sequence[SimulatedInstrument], book_lots: NDArray[np.int64],
    mark: NDArray[np.float64], start: datetime, ingested_at: datetime,
) -> Batch:  # fmt: skip
    """Return the open interest at which the first bars begin.

    Parameters
    ----------
    instruments : sequence of SimulatedInstrument
        All contracts.
    book_lots : ndarray of int64, shape (n_instruments,)
        Open interest [lots].
    mark : ndarray of float64, shape (n_instruments,)
        Mark price [USD].
    start : datetime
        Instant of the snapshot.
    ingested_at : datetime
        Stamp of the records.

    Returns
    -------
    Batch
        ``open_interest``.
    """
    return _open_interest_batch(
        instruments, book_lots[:, None], mark[:, None],
        {**_names(instruments), "observed_at": start}, ingested_at,
    )  # fmt: skip


def _open_interest_batch(
    instruments: Sequence[SimulatedInstrument], lots: NDArray[np.int64], mark: NDArray[np.float64],
    columns: dict[str, object], ingested_at: datetime,
) -> Batch:  # fmt: skip
    """Return open interest in the units of each venue, and normalised; arrays (instruments, n)."""
    quantity = np.stack([item.quantity(row) for item, row in zip(instruments, lots, strict=True)])
    is_inverse = np.array([item.contract.is_inverse for item in instruments])[:, None]
    units = [item.venue.open_interest_unit for item in instruments]
    codes = np.repeat(np.arange(len(units)), lots.shape[1])
    size = np.array([item.contract_size for item in instruments])[:, None]
    has_amount = np.array([unit != "usd" for unit in units])[:, None]
    amount = pa.array(
        (quantity / size).reshape(-1), mask=np.broadcast_to(~has_amount, lots.shape).reshape(-1)
    )
    words = [None if unit == "usd" else unit for unit in units]
    return _batch("open_interest", lots.size, ingested_at, columns | {
        "open_interest_quantity": quantity,
        "received_amount": amount,
        "received_amount_unit": _words(codes, words),
        "received_value": np.where(is_inverse, quantity, quantity * mark),
        "received_value_unit": "usd",
    })  # fmt: skip


def span_batches(span: MeasuredSpan, digest: str, ingested_at: datetime) -> list[Batch]:
    """Return all records of a span: what venues would send, and the truth.

    Parameters
    ----------
    span : MeasuredSpan
        What was measured.
    digest : str
        Hash of what the market is made from.
    ingested_at : datetime
        Stamp of the records.

    Returns
    -------
    list of Batch
        ``ohlcv``, ``mark_ohlc``, ``open_interest``, ``funding_rate`` where an interval ends in the
        span, ``realised_liquidation`` and the truth as ``provider_map``.
    """
    instruments = [instrument for instrument, _ in span.measured]
    bar_starts = span.bar_instants()
    n_bars = bar_starts.size
    n_rows = n_bars * len(instruments)
    starts = np.tile(bar_starts, len(instruments))
    key = _key(span, n_bars)
    bar_key = key | {"bar_start_at": _instants(starts), "bar_seconds": _BAR_SECONDS}
    last = np.stack(
        [
            np.round(prices, max(0, -floor(log10(item.asset.tick_size))))
            for item, prices in zip(instruments, span.values("last"), strict=True)
        ]
    )
    mark = span.values("mark")
    batches = [
        _batch("ohlcv", n_rows, ingested_at, bar_key | {
            "open": last[:, :, 0], "high": last[:, :, 1],
            "low": last[:, :, 2], "close": last[:, :, 3],
            "volume_quantity": span.quantities("volume_lots"),
            "taker_buy_quantity": span.quantities("taker_buy_lots"),
        }),
        _batch("mark_ohlc", n_rows, ingested_at, bar_key | {
            "mark_open": mark[:, :, 0], "mark_high": mark[:, :, 1],
            "mark_low": mark[:, :, 2], "mark_close": mark[:, :, 3],
        }),
        _open_interest_batch(
            instruments, span.values("book_lots")[:, :, LONG], mark[:, :, 3],
            key | {"observed_at": _instants(starts + _BAR_SECONDS * 1_000_000)}, ingested_at,
        ),
    ]  # fmt: skip
    funding = _funding_batch(span, ingested_at)
    if funding is not None:
        batches.append(funding)
    batches.append(_realised_batch(span, bar_starts, ingested_at))
    batches.append(_truth_batch(span, digest, ingested_at))
    return batches


def _funding_batch(span: MeasuredSpan, ingested_at: datetime) -> Batch | None:
    """Return funding at the ends of intervals in the span, if there are any."""
    hours = np.arange(1, span.n_hours + 1)
    hours = hours[(span.start.hour + hours) % FUNDING_INTERVAL_HOURS == 0]
    if hours.size == 0:
        return None
    at = hours * BARS_PER_HOUR - 1
    # Traders are net long by what the market maker is short.
    excess = -span.values("maker_lots")[:, at] / np.maximum(
        span.values("book_lots")[:, at, LONG], 1
    )
    rate = np.clip(INTEREST_RATIO + PREMIUM_RATIO * excess, -FUNDING_CAP_RATIO, FUNDING_CAP_RATIO)
    instants = _microseconds(span.start) + hours * (3600 * 1_000_000)
    return _batch("funding_rate", rate.size, ingested_at, _key(span, hours.size) | {
        "funded_at": _instants(np.tile(instants, len(span.measured))),
        "funding_rate_ratio": rate,
        "funding_interval_hours": float(FUNDING_INTERVAL_HOURS),
    })  # fmt: skip


def _realised_batch(
    span: MeasuredSpan, bar_starts: NDArray[np.int64], ingested_at: datetime
) -> Batch:
    """Return what feeds publish of the liquidations of each bar and side.

    A bar without any is zero: a throttled feed drops orders of busy minutes, never the first.
    """
    quantity = span.quantities("published_lots")
    is_complete = [item.venue.feed_orders_per_minute is None for item, _ in span.measured]
    n_per_instrument = bar_starts.size * 2
    return _batch(
        "realised_liquidation", quantity.size, ingested_at, _key(span, n_per_instrument) | {
            "period_start_at": _instants(
                np.tile(np.repeat(bar_starts, 2), len(span.measured))
            ),
            "period_seconds": _BAR_SECONDS,
            "side": _words(np.tile([LONG, SHORT], quantity.size // 2), _SIDE_NAMES),
            "liquidated_quantity": quantity,
            "liquidated_usd": span.values("published_usd"),
            "is_complete_feed": pa.array(np.repeat(is_complete, n_per_instrument)),
            "order_key": "",
        },
    )  # fmt: skip


def _truth_batch(span: MeasuredSpan, digest: str, ingested_at: datetime) -> Batch:
    """Return the positions open at the end of each hour, by bin of liquidation price."""
    lots, usd = span.values("truth_lots"), span.values("truth_usd")
    first_bin = span.values("truth_first_bin")
    hour_ends = slice(BARS_PER_HOUR - 1, None, BARS_PER_HOUR)
    close = span.values("last")[:, hour_ends, 3]
    book_lots = span.values("book_lots")[:, hour_ends]
    # Shape (instruments, hours, sides): the part of a side that these rows hold.
    share = lots.sum(axis=3) / np.maximum(book_lots, 1)

    cell = np.flatnonzero(lots)
    row, k = np.divmod(cell, PUBLISHED_BINS)
    series_hour, side = np.divmod(row, 2)
    series, hour = np.divmod(series_hour, span.n_hours)
    node = 2.0 * (first_bin.reshape(-1)[series_hour] + k)
    instants = _microseconds(span.start) + (hour + 1) * (3600 * 1_000_000)
    return _batch("provider_map", cell.size, ingested_at, {
        "provider": TRUTH_PROVIDER,
        "model": TRUTH_MODEL,
        "venue_scope": _words(series, [item.venue.name for item, _ in span.measured]),
        "asset": _words(series, [item.asset.name for item, _ in span.measured]),
        "as_of": _instants(instants),
        "price_low": np.exp((node - 0.5) * LOG_STEP),
        "price_high": np.exp((node + 1.5) * LOG_STEP),
        "side": _words(side, _SIDE_NAMES),
        "value": usd.reshape(-1)[cell],
        "unit": "usd",
        "semantics": "standing",
        "reference_price": close.reshape(-1)[series_hour],
        "observed_open_interest_ratio": share.reshape(-1)[row],
        "raw_sha256": digest,
    })  # fmt: skip
