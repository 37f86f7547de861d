"""What the stand-in serves: bars, marks, open interest, funding, liquidations per contract.

Belongs here: the arrays, what of them is visible at an instant, and where they come from (a
generator, records of the project, recorded hours). Does not belong here: how a venue spells them.

Prices are USD per unit of the asset and quantities are position units (asset units for linear
contracts, USD for inverse ones), as in `sources.records`; open interest counts each contract once.
All times are milliseconds since 1970, UTC.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR

Times = NDArray[np.int64]
Values = NDArray[np.float64]

# Contract sizes as the venues list them, base units per contract; others follow from the price.
_CONTRACT_SIZES: dict[str, dict[str, float]] = {
    "okx": {"BTC": 0.01, "ETH": 0.1, "SOL": 1, "XRP": 100, "DOGE": 1000, "BNB": 0.01, "AVAX": 1},
    "gate": {"BTC": 1e-4, "ETH": 0.01, "SOL": 1, "XRP": 10, "DOGE": 10, "BNB": 1e-3, "AVAX": 1},
    "kucoin": {"BTC": 1e-3, "ETH": 0.01, "SOL": 0.1, "XRP": 10, "DOGE": 100},
    "htx": {"BTC": 1e-3, "ETH": 0.01, "SOL": 1, "XRP": 10, "DOGE": 100},
    "mexc": {"BTC": 1e-4, "ETH": 0.01, "SOL": 0.1, "XRP": 1, "DOGE": 100},
}
_INVERSE_CONTRACT_USD: dict[str, Mapping[str, float]] = {
    "binance": {"BTC": 100.0},
    "okx": {"BTC": 100.0},
    "htx": {"BTC": 100.0},
    "bybit": {},
    "gate": {},
    "kucoin": {},
    "mexc": {"BTC": 100.0},
    "deribit": {"BTC": 10.0, "ETH": 1.0},
}
_INVERSE_CONTRACT_USD_DEFAULT = {
    "binance": 10.0, "okx": 10.0, "htx": 10.0, "mexc": 10.0, "bybit": 1.0, "gate": 1.0,
    "kucoin": 1.0, "deribit": 10.0,
}  # fmt: skip

_QUOTED_BY_THOUSAND = ("PEPE", "SHIB", "BONK", "FLOKI")

VENUES = (
    "binance", "bybit", "okx", "gate", "hyperliquid", "bitget", "kucoin", "htx", "mexc",
    "deribit",
)  # fmt: skip

ASSETS = {
    "BTC": 70_000.0, "ETH": 2_100.0, "SOL": 90.0, "XRP": 1.4, "DOGE": 0.095, "BNB": 630.0,
    "AVAX": 9.4,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Instrument:
    """One contract of one venue.

    Parameters
    ----------
    venue : str
        One of `VENUES`.
    symbol : str
        As ccxt spells it: ``BTC/USDT:USDT``, ``BTC/USD:BTC``, ``1000PEPE/USDT:USDT``.
    contract_size : float
        Quoted base units (linear) or USD (inverse) of one contract.
    base_multiplier : float
        Asset units per quoted base unit; 1000 for 1000PEPE.
    tick_size : float
        Quoted price step.
    """

    venue: str
    symbol: str
    contract_size: float = 1.0
    base_multiplier: float = 1.0
    tick_size: float = 0.01
    max_leverage: int = 100
    maintenance_margin_ratio: float = 0.005
    funding_interval_hours: int = 8
    listed_at: int = 0
    delisted_at: int | None = None

    @property
    def base(self) -> str:
        return self.symbol.partition("/")[0]

    @property
    def quote(self) -> str:
        return self.symbol.partition("/")[2].partition(":")[0]

    @property
    def settle(self) -> str:
        return self.symbol.partition(":")[2]

    @property
    def is_inverse(self) -> bool:
        return self.settle == self.base

    def is_listed(self, now: int) -> bool:
        return self.listed_at <= now and (self.delisted_at is None or now < self.delisted_at)

    def quoted_price(self, price: float) -> float:
        """Return a price per asset unit as the venue quotes it."""
        return price * self.base_multiplier

    def quoted_quantity(self, quantity: float) -> float:
        """Return position units as quoted base units (linear) or USD (inverse)."""
        return quantity if self.is_inverse else quantity / self.base_multiplier

    def contracts(self, quantity: float) -> float:
        """Return position units as contracts of the venue."""
        return self.quoted_quantity(quantity) / self.contract_size

    def base_quantity(self, quantity: float, price: float) -> float:
        """Return position units as quoted base units, at a price per asset unit."""
        if self.is_inverse:
            return quantity / self.quoted_price(price)
        return quantity / self.base_multiplier

    def usd(self, quantity: float, price: float) -> float:
        """Return position units as USD, at a price per asset unit."""
        return quantity if self.is_inverse else quantity * price


def _quoted_base(venue: str, asset: str) -> tuple[str, float]:
    """Return the base as a venue quotes it, and how many of the asset it is."""
    if asset not in _QUOTED_BY_THOUSAND:
        return asset, 1.0
    if (venue, asset) == ("bybit", "SHIB"):
        return "SHIB1000", 1000.0
    if venue in ("binance", "bybit"):
        return f"1000{asset}", 1000.0
    if venue == "hyperliquid":
        return f"K{asset}", 1000.0
    return asset, 1.0


# Deribit publishes its margins in words alone, so the stand-in cannot have others.
_MARGINS: dict[str, Any] = {"deribit": {"max_leverage": 50, "maintenance_margin_ratio": 0.01}}


def specify(
    venue: str, asset: str, price: float, *, is_inverse: bool = False, listed_at: int = 0
) -> Instrument:
    """Return an instrument with the name, contract size and tick a venue would give it."""
    interval = 1 if venue in ("hyperliquid", "deribit") else 8
    if is_inverse:
        size = _INVERSE_CONTRACT_USD[venue].get(asset, _INVERSE_CONTRACT_USD_DEFAULT[venue])
        return Instrument(
            venue, f"{asset}/USD:{asset}", contract_size=size, tick_size=_tick(price),
            funding_interval_hours=interval, listed_at=listed_at, **_MARGINS.get(venue, {}),
        )  # fmt: skip
    base, multiplier = _quoted_base(venue, asset)
    quote = "USDC" if venue in ("hyperliquid", "deribit") else "USDT"
    size = 1.0
    if venue in _CONTRACT_SIZES:
        # A contract worth between 1 and 10 USD, where the venue's own is not listed above.
        by_price = float(f"{10.0 ** np.floor(1 - np.log10(price)):.12g}")
        size = float(_CONTRACT_SIZES[venue].get(asset, by_price))
    return Instrument(
        venue, f"{base}/{quote}:{quote}", contract_size=size, base_multiplier=multiplier,
        tick_size=_tick(price * multiplier), funding_interval_hours=interval, listed_at=listed_at,
        **_MARGINS.get(venue, {}),
    )  # fmt: skip


def _tick(price: float) -> float:
    """Return a decimal tick that gives a price five digits."""
    return float(f"{10.0 ** np.floor(np.log10(price) - 4):.12g}")


@dataclass(frozen=True, slots=True)
class Candle:
    """One candle as of an instant, in asset units and USD; `is_final` is False while it runs."""

    start: int
    open: float
    high: float
    low: float
    close: float
    quantity: float
    taker_buy: float
    trades: int
    is_final: bool = True


def window(
    times: Times, low: int | None, high: int | None, limit: int | None, *, from_end: bool
) -> slice:
    """Return the slice of sorted times within [low, high], cut to limit from one end.

    >>> window(np.array([10, 20, 30, 40]), 20, None, 2, from_end=False)
    slice(1, 3, None)
    >>> window(np.array([10, 20, 30, 40]), None, None, 2, from_end=True)
    slice(2, 4, None)
    """
    first = 0 if low is None else int(np.searchsorted(times, low, side="left"))
    last = len(times) if high is None else int(np.searchsorted(times, high, side="right"))
    last = max(first, last)
    if limit is not None and last - first > limit:
        if from_end:
            first = last - limit
        else:
            last = first + limit
    return slice(first, last)


def _empty_times() -> Times:
    return np.empty(0, dtype=np.int64)


def _empty_values() -> Values:
    return np.empty(0, dtype=np.float64)


@dataclass(slots=True)
class Series:
    """Everything known of one instrument, the future included.

    Parameters
    ----------
    bar_milliseconds : int
        Length of the stored bars; coarser candles are made of them.
    bar_start : ndarray of int64, shape (n_bars,)
        Opens of the bars, ascending; gaps are allowed.
    open, high, low, close, volume, taker_buy : ndarray of float64, shape (n_bars,)
        Prices [USD per asset unit]; volumes [position units], each trade once.
    mark_open, mark_high, mark_low, mark_close : ndarray of float64, shape (n_bars,)
        Mark prices [USD per asset unit].
    open_interest_at, open_interest, long_short_ratio : ndarray, shape (n_samples,)
        Snapshots [position units, each contract once]; accounts long over accounts short.
    funding_at, funding_rate : ndarray, shape (n_fundings,)
        Settled rates per interval.
    liquidation_at, liquidation_is_long, liquidation_price, liquidation_quantity : ndarray
        Liquidated positions, in time order.
    """

    instrument: Instrument
    bar_milliseconds: int
    bar_start: Times
    open: Values
    high: Values
    low: Values
    close: Values
    volume: Values
    taker_buy: Values
    trades: Times
    mark_open: Values
    mark_high: Values
    mark_low: Values
    mark_close: Values
    open_interest_at: Times = field(default_factory=_empty_times)
    open_interest: Values = field(default_factory=_empty_values)
    long_short_ratio: Values = field(default_factory=_empty_values)
    funding_at: Times = field(default_factory=_empty_times)
    funding_rate: Values = field(default_factory=_empty_values)
    liquidation_at: Times = field(default_factory=_empty_times)
    liquidation_is_long: NDArray[np.bool_] = field(
        default_factory=lambda: np.empty(0, dtype=np.bool_)
    )
    liquidation_price: Values = field(default_factory=_empty_values)
    liquidation_quantity: Values = field(default_factory=_empty_values)
    _frames: dict[tuple[int, bool], tuple[Any, ...]] = field(default_factory=dict, repr=False)
    _samples: dict[int, NDArray[np.intp]] = field(default_factory=dict, repr=False)

    def shifted(self, milliseconds: int) -> "Series":
        """Return the same series, all times moved."""
        return replace(
            self,
            bar_start=self.bar_start + milliseconds,
            open_interest_at=self.open_interest_at + milliseconds,
            funding_at=self.funding_at + milliseconds,
            liquidation_at=self.liquidation_at + milliseconds,
            _frames={},
            _samples={},
        )

    def _columns(self, is_mark: bool) -> tuple[Values, Values, Values, Values]:
        if is_mark:
            return self.mark_open, self.mark_high, self.mark_low, self.mark_close
        return self.open, self.high, self.low, self.close

    def _frame(self, step: int, is_mark: bool) -> tuple[Any, ...]:
        """Return all candles of a step: starts, o, h, l, c, volume, taker buys, trades."""
        if step == self.bar_milliseconds:
            return (
                self.bar_start,
                *self._columns(is_mark),
                self.volume,
                self.taker_buy,
                self.trades,
            )
        key = (step, is_mark)
        if key not in self._frames:
            if step % self.bar_milliseconds:
                raise ValueError(
                    f"{self.instrument.venue} {self.instrument.symbol} has bars of "
                    f"{self.bar_milliseconds} ms, from which {step} ms candles cannot be made; "
                    "load finer bars or refine() them"
                )
            groups = self.bar_start // step * step
            first = np.flatnonzero(np.diff(groups, prepend=groups[:1] - 1))
            last = np.append(first[1:], len(groups)) - 1
            opens, highs, lows, closes = self._columns(is_mark)
            add = np.add.reduceat
            self._frames[key] = (
                groups[first],
                opens[first],
                np.maximum.reduceat(highs, first),
                np.minimum.reduceat(lows, first),
                closes[last],
                add(self.volume, first),
                add(self.taker_buy, first),
                add(self.trades, first),
            )
        return self._frames[key]

    def _running(self, start: int, now: int, is_mark: bool) -> Candle:
        """Return the candle that began at start, with what has traded by now."""
        first = int(np.searchsorted(self.bar_start, start, side="left"))
        last = int(np.searchsorted(self.bar_start, now, side="left")) - 1
        columns = self._columns(is_mark)
        opens, highs, lows, closes = (column[first : last + 1].copy() for column in columns)
        # Within the newest bar the price goes in a straight line from open to close, and volume
        # comes evenly: enough to make a running candle differ from the finished one.
        share = min(1.0, (now - int(self.bar_start[last])) / self.bar_milliseconds)
        scale = np.ones(last + 1 - first)
        scale[-1] = share
        if share < 1.0:
            closes[-1] = opens[-1] + (closes[-1] - opens[-1]) * share
            if not is_mark:
                tick = self.instrument.tick_size / self.instrument.base_multiplier
                closes[-1] = round(closes[-1] / tick) * tick
            highs[-1] = max(opens[-1], closes[-1])
            lows[-1] = min(opens[-1], closes[-1])
        part = slice(first, last + 1)
        return Candle(
            start,
            float(opens[0]),
            float(highs.max()),
            float(lows.min()),
            float(closes[-1]),
            float((self.volume[part] * scale).sum()),
            float((self.taker_buy[part] * scale).sum()),
            int((self.trades[part] * scale).sum()),
            is_final=False,
        )

    def candles(
        self,
        step: int,
        now: int,
        low: int | None = None,
        high: int | None = None,
        limit: int | None = None,
        *,
        from_end: bool,
        is_mark: bool = False,
    ) -> list[Candle]:
        """Return the candles that start within [low, high] and before now, oldest first."""
        frame = self._frame(step, is_mark)
        starts = frame[0][: int(np.searchsorted(frame[0], now, side="left"))]
        part = window(starts, low, high, limit, from_end=from_end)
        columns = (column[part].tolist() for column in frame)
        rows = [Candle(*values) for values in zip(*columns, strict=True)]
        if rows and rows[-1].start + step > now:
            rows[-1] = self._running(rows[-1].start, now, is_mark)
        return rows

    def price(self, now: int, *, is_mark: bool = True) -> float:
        """Return the mark (or last) price per asset unit as of now."""
        if int(np.searchsorted(self.bar_start, now, side="left")) == 0:
            return float(self._columns(is_mark)[0][0])
        candle = self.candles(self.bar_milliseconds, now, limit=1, from_end=True, is_mark=is_mark)
        return candle[-1].close

    def prices_at(self, times: Sequence[int]) -> list[float]:
        """Return mark closes of the bars that end at or before each time."""
        ends = self.bar_start + self.bar_milliseconds
        index = np.searchsorted(ends, np.asarray(times, dtype=np.int64), side="right") - 1
        values: list[float] = self.mark_close[np.maximum(index, 0)].tolist()
        return values

    def samples(
        self,
        period: int,
        now: int,
        low: int | None = None,
        high: int | None = None,
        limit: int | None = None,
        *,
        from_end: bool,
    ) -> list[tuple[int, float, float]]:
        """Return (time, open interest, long/short ratio) on the grid of a period, oldest first."""
        if period not in self._samples:
            self._samples[period] = np.flatnonzero(self.open_interest_at % period == 0)
        index = self._samples[period]
        times = self.open_interest_at[index]
        times = times[: int(np.searchsorted(times, now, side="right"))]
        index = index[window(times, low, high, limit, from_end=from_end)]
        ratios = self.long_short_ratio[index] if len(self.long_short_ratio) else np.ones(len(index))
        return list(
            zip(
                self.open_interest_at[index].tolist(),
                self.open_interest[index].tolist(),
                ratios.tolist(),
                strict=True,
            )
        )

    def open_interest_now(self, now: int) -> float:
        """Return the newest snapshot of open interest at or before now, 0 before the first."""
        index = int(np.searchsorted(self.open_interest_at, now, side="right")) - 1
        return float(self.open_interest[index]) if index >= 0 else 0.0

    def fundings(
        self,
        now: int,
        low: int | None = None,
        high: int | None = None,
        limit: int | None = None,
        *,
        from_end: bool,
    ) -> list[tuple[int, float]]:
        """Return settled (time, rate) by now, oldest first."""
        times = self.funding_at[: int(np.searchsorted(self.funding_at, now, side="right"))]
        part = window(times, low, high, limit, from_end=from_end)
        return list(zip(times[part].tolist(), self.funding_rate[part].tolist(), strict=True))

    def funding_now(self, now: int) -> tuple[int, float]:
        """Return the time of the next settlement and the newest settled rate."""
        interval = self.instrument.funding_interval_hours * HOUR
        settled = self.fundings(now, limit=1, from_end=True)
        return (now // interval + 1) * interval, settled[-1][1] if settled else 0.0

    def liquidations(self, after: int, until: int) -> Iterator[tuple[int, bool, float, float]]:
        """Yield (time, is a long, price, quantity) of liquidations within (after, until]."""
        first = int(np.searchsorted(self.liquidation_at, after, side="right"))
        last = int(np.searchsorted(self.liquidation_at, until, side="right"))
        for i in range(first, last):
            yield (
                int(self.liquidation_at[i]),
                bool(self.liquidation_is_long[i]),
                float(self.liquidation_price[i]),
                float(self.liquidation_quantity[i]),
            )


class MarketData:
    """All series of all venues, by (venue, symbol)."""

    def __init__(self, series: Iterable[Series] = ()) -> None:
        self._series: dict[tuple[str, str], Series] = {}
        for one in series:
            self.add(one)

    def add(self, series: Series) -> None:
        self._series[series.instrument.venue, series.instrument.symbol] = series

    def get(self, venue: str, symbol: str) -> Series:
        return self._series[venue, symbol]

    def of_venue(self, venue: str) -> list[Series]:
        return [one for (name, _), one in self._series.items() if name == venue]

    def __iter__(self) -> Iterator[Series]:
        return iter(self._series.values())

    def __len__(self) -> int:
        return len(self._series)

    def shifted(self, milliseconds: int) -> "MarketData":
        """Return the same market at other times, so that recordings can be played today."""
        return MarketData(one.shifted(milliseconds) for one in self)
