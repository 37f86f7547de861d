"""Recorded bars, open interest and realised liquidations, read into arrays.

Belongs here: which file of the folder holds what, labels, units, and what is missing. Does not
belong here: what a model makes of it (``panels``).

The folder is laid out as ``market_1h/``, ``calibration/``, ``liquidations/`` and
``binance_dumps/``; a folder with more files or longer ones is read the same way. Bars are labelled
by their open and stored by their end. Where several files hold an hour, the one with most columns
counts: Binance's monthly klines with mark price and taker volume, then hourly tables of it, then
Bybit's bars, then prices beside open interest.
"""

import io
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from transforms.series import BoolArray, FloatArray, IntArray

HOUR: Final = 3_600_000_000

_KLINE_COLUMNS: Final = (
    "open_time", "open", "high", "low", "close", "volume", "close_time", "quote_volume", "count",
    "taker_buy_volume", "taker_buy_quote_volume", "ignore",
)  # fmt: skip
_MILLISECONDS_BELOW: Final = 10**14
"""Stamps of the archive are milliseconds below this and microseconds above."""


@dataclass(frozen=True, slots=True, eq=False)
class HourlyBars:
    """Hours of one asset in order of time; hours that no file holds are absent.

    Parameters
    ----------
    bar_end : ndarray of int64, shape (n_bars,)
        End of each hour [microseconds since 1970, UTC].
    open, high, low, close : ndarray of float64, shape (n_bars,)
        Last traded prices [USD per unit of the asset].
    mark_high, mark_low : ndarray of float64, shape (n_bars,)
        Extremes of the mark price [as above]. NaN: not recorded.
    volume, taker_buy : ndarray of float64, shape (n_bars,)
        Traded, each trade once, and the part whose taker bought [units of the asset]. NaN: not
        recorded.
    open_interest : ndarray of float64, shape (n_bars,)
        At the end of the hour [units of the asset]. NaN: not recorded.
    source : ndarray of int64, shape (n_bars,)
        Number of the table an hour was taken from.
    """

    bar_end: IntArray
    open: FloatArray
    high: FloatArray
    low: FloatArray
    close: FloatArray
    mark_high: FloatArray
    mark_low: FloatArray
    volume: FloatArray
    taker_buy: FloatArray
    open_interest: FloatArray
    source: IntArray

    def __len__(self) -> int:
        """Return the number of hours."""
        return len(self.bar_end)

    @property
    def has_gap_before(self) -> BoolArray:
        """Return which hours do not follow the one before them, the first aside."""
        has_gap: BoolArray = np.diff(self.bar_end, prepend=self.bar_end[:1] - HOUR) != HOUR
        return has_gap

    def part(self, rows: BoolArray | IntArray | slice) -> "HourlyBars":
        """Return some of the hours, in order of time."""
        return HourlyBars(*(getattr(self, one.name)[rows] for one in fields(self)))


_BAR_COLUMNS: Final = tuple(one.name for one in fields(HourlyBars))


def _bars(bar_end: IntArray, source: int, **columns: FloatArray) -> HourlyBars:
    """Return bars of one table, NaN where it lacks a column."""
    unknown = np.full(len(bar_end), np.nan)
    filled = {
        name: np.asarray(columns.get(name, unknown), np.float64) for name in _BAR_COLUMNS[1:-1]
    }
    return HourlyBars(bar_end=bar_end, source=np.full(len(bar_end), source), **filled)


def _microseconds(column: pa.ChunkedArray | pa.Array) -> IntArray:
    """Return instants of a column of stamps or ISO text [microseconds since 1970, UTC]."""
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        texts = [one[:19].replace(" ", "T") for one in column.to_pylist()]
        return np.array(texts, dtype="datetime64[us]").astype(np.int64)
    stamps: IntArray = column.cast(pa.timestamp("us")).to_numpy().astype(np.int64)
    return stamps


def _floats(table: pa.Table, name: str) -> FloatArray:
    return np.asarray(table[name].to_numpy(), dtype=np.float64)


def _read_kline_zip(path: Path) -> pa.Table:
    """Return a monthly file of klines, which has a header in some months only."""
    with zipfile.ZipFile(path) as archive:
        text = archive.read(archive.namelist()[0])
    has_header = not text[:1].isdigit()
    options = pa_csv.ReadOptions(column_names=list(_KLINE_COLUMNS), skip_rows=int(has_header))
    return pa_csv.read_csv(io.BytesIO(text), read_options=options)


def _archive_bars(data: Path, asset: str, source: int) -> Iterator[HourlyBars]:
    """Yield what Binance's archive holds, month by month."""
    for path in sorted(data.glob(f"**/futures_klines/{asset}USDT-1h-*.zip")):
        table = _read_kline_zip(path)
        stamp = np.asarray(table["open_time"].to_numpy(), dtype=np.int64)
        opened = np.where(stamp < _MILLISECONDS_BELOW, stamp * 1000, stamp)
        high, low = np.full(len(opened), np.nan), np.full(len(opened), np.nan)
        mark_path = path.parents[1] / "mark_price_klines" / path.name
        if mark_path.exists():
            marks = _read_kline_zip(mark_path)
            own, theirs = np.intersect1d(stamp, marks["open_time"].to_numpy(), return_indices=True)[
                1:
            ]
            high[own], low[own] = (_floats(marks, name)[theirs] for name in ("high", "low"))
        yield _bars(
            opened + HOUR,
            source,
            **{name: _floats(table, name) for name in ("open", "high", "low", "close", "volume")},
            taker_buy=_floats(table, "taker_buy_volume"),
            mark_high=high,
            mark_low=low,
        )


def _plain_bars(data: Path, asset: str, source: int) -> Iterator[HourlyBars]:
    """Yield Binance's bars kept as plain CSV."""
    for path in sorted(data.glob(f"calibration/{asset}_1h_binance_bars_*.csv")):
        table = pa_csv.read_csv(path)
        same = ("open", "high", "low", "close", "mark_high", "mark_low")
        yield _bars(
            _microseconds(table["open_time"]) + HOUR,
            source,
            **{name: _floats(table, name) for name in same},
            volume=_floats(table, "volume_base"),
            taker_buy=_floats(table, "taker_buy_base"),
        )


def _binance_table_bars(data: Path, asset: str, source: int) -> Iterator[HourlyBars]:
    """Yield the hourly table of Binance; its open interest is that at the label."""
    for path in sorted(data.glob(f"market_1h/binance_{asset}_1h.parquet")):
        table = pq.read_table(path)
        prices = ("open", "high", "low", "close", "volume")
        bars = _bars(
            _microseconds(table["timestamp"]) + HOUR,
            source,
            **{name: _floats(table, f"{name}_perp_binance") for name in prices},
        )
        yield _with_open_interest_at_label(
            bars, _floats(table, "open_interest_usd_binance") / bars.open
        )


def _bybit_bars(data: Path, asset: str, source: int) -> Iterator[HourlyBars]:
    """Yield Bybit's hours; its open interest counts both sides and is that at the label."""
    names = (f"calibration/bybit_{asset}_1h.parquet", f"market_1h/bybit_{asset}_1h.parquet")
    for path in (found for name in names for found in sorted(data.glob(name))):
        table = pq.read_table(path)
        bars = _bars(
            _microseconds(table["timestamp"]) + HOUR,
            source,
            **{name: _floats(table, name) for name in ("open", "high", "low", "close", "volume")},
        )
        yield _with_open_interest_at_label(bars, _floats(table, "open_interest") / 2.0)


def _with_open_interest_at_label(bars: HourlyBars, at_label: FloatArray) -> HourlyBars:
    """Return bars with the open interest of the label that follows each."""
    at_end = np.full(len(bars), np.nan)
    follows = np.flatnonzero(np.diff(bars.bar_end) == HOUR)
    at_end[follows] = at_label[follows + 1]
    return replace(bars, open_interest=at_end)


def _price_bars(data: Path, asset: str, source: int) -> Iterator[HourlyBars]:
    """Yield prices beside open interest: no volume, and an index rather than one venue's trades."""
    for path in sorted(data.glob(f"calibration/{asset}_1h_binance_price_open_interest.csv")):
        table = pa_csv.read_csv(path)
        close = _floats(table, "price_close")
        yield _bars(
            _microseconds(table["datetime_utc"]) + HOUR,
            source,
            **{name: _floats(table, f"price_{name}") for name in ("open", "high", "low", "close")},
            open_interest=_floats(table, "oi_close") / close,
        )


def _merge(parts: Iterable[HourlyBars]) -> HourlyBars:
    """Return all hours once, each from the first table that holds it."""
    listed = [part for part in parts if len(part)]
    if not listed:
        raise FileNotFoundError("no hourly bars: give --data a folder laid out as described")
    joined = HourlyBars(
        *(np.concatenate([getattr(part, name) for part in listed]) for name in _BAR_COLUMNS)
    )
    is_whole = np.isfinite(joined.open) & (joined.low > 0.0) & (joined.high >= joined.low)
    joined = joined.part(is_whole)
    return joined.part(np.unique(joined.bar_end, return_index=True)[1])


def read_binance_bars(data: Path, asset: str) -> HourlyBars:
    """Return an asset's hours on Binance, from other tables where Binance's lack them.

    Hours taken from Bybit carry its volume times the ratio of the volumes of both over the hours
    that both have; hours from the table of prices are moved by the median ratio of the closes and
    have no volume. Open interest is Binance's: of the table of prices first, then of the hourly
    one.
    """
    tables = list(_binance_table_bars(data, asset, 2))
    own = _merge([*_archive_bars(data, asset, 0), *_plain_bars(data, asset, 1), *tables])
    parts = [own]
    bybit = list(_bybit_bars(data, asset, 3))
    if bybit:
        other = _merge(bybit)
        here, there = np.intersect1d(own.bar_end, other.bar_end, return_indices=True)[1:]
        ratio = own.volume[here].sum() / other.volume[there].sum() if len(here) else np.nan
        parts.append(replace(other, volume=other.volume * ratio))
    priced = list(_price_bars(data, asset, 4))
    open_interest = [(table.bar_end, table.open_interest) for table in tables]
    if priced:
        index = _merge(priced)
        here, there = np.intersect1d(own.bar_end, index.bar_end, return_indices=True)[1:]
        basis = float(np.median(own.close[here] / index.close[there])) if len(here) else 1.0
        moved = {name: getattr(index, name) * basis for name in ("open", "high", "low", "close")}
        parts.append(replace(index, **moved))
        open_interest.append((index.bar_end, index.open_interest))
    bars = _merge(parts)
    observed = np.full(len(bars), np.nan)
    for ends, values in open_interest:
        here, there = np.intersect1d(bars.bar_end, ends, return_indices=True)[1:]
        observed[here] = np.where(np.isfinite(values[there]), values[there], observed[here])
    return replace(bars, open_interest=observed)


def read_bybit_bars(data: Path, asset: str) -> HourlyBars:
    """Return an asset's hours on Bybit, open interest counted once."""
    return _merge(_bybit_bars(data, asset, 3))


def read_hyperliquid_bars(data: Path, asset: str) -> HourlyBars | None:
    """Return an asset's hours on Hyperliquid, open interest counted once; None without hours.

    The recorded open interest counts both sides and is that at the label.
    """
    path = data / "market_1h" / f"hyperliquid_{asset}_1h.parquet"
    if not path.exists():
        return None
    table = pq.read_table(path)
    prices = ("open", "high", "low", "close", "volume")
    bars = _bars(
        _microseconds(table["timestamp"]) + HOUR,
        0,
        **{name: _floats(table, f"{name}_perp") for name in prices},
    )
    both_sides = pq.read_table(
        data / "market_1h" / "dex_open_interest.parquet",
        filters=[("venue", "=", "hyperliquid"), ("coin", "=", asset)],
    )
    own, theirs = np.intersect1d(
        bars.bar_end, _microseconds(both_sides["timestamp"]), return_indices=True
    )[1:]
    open_interest = np.full(len(bars), np.nan)
    open_interest[own] = _floats(both_sides, "oi_usd")[theirs] / bars.close[own] / 2.0
    return _merge([replace(bars, open_interest=open_interest)])


def fill_volume(bars: HourlyBars) -> tuple[FloatArray, BoolArray]:
    """Return volume without holes [units of the asset], and where it was filled.

    A missing volume is what hours of that range usually traded: a line through the logs of volume
    in USD and of ln(high / low) over the hours that have both.
    """
    log_range = np.log(np.maximum(np.log(bars.high / bars.low), 1e-4))
    is_known = np.isfinite(bars.volume) & (bars.volume > 0.0)
    is_filled = ~np.isfinite(bars.volume)
    if not is_filled.any():
        return bars.volume, is_filled
    slope, level = np.polyfit(log_range[is_known], np.log(bars.volume * bars.close)[is_known], 1)
    usual = np.exp(level + slope * log_range) / bars.close
    return np.where(is_filled, usual, bars.volume), is_filled


def read_realised(data: Path, asset: str, span: str) -> tuple[IntArray, FloatArray, str]:
    """Return ends of spans [microseconds], realised USD by side, and the scope the files name.

    Parameters
    ----------
    data : Path
        The folder.
    asset : str
        For example ``BTC``.
    span : str
        ``1h`` or ``4h``; a file's name begins with asset and span.

    Returns
    -------
    span_end : ndarray of int64, shape (n_spans,)
    realised_usd : ndarray of float64, shape (n_spans, 2)
    scope : str
        Venues, as in the name of the file.
    """
    name = f"{asset}_{span}_liquidations_*_usd.csv"
    paths = sorted(data.glob(f"calibration/{name}")) or sorted(data.glob(f"liquidations/{name}"))
    if not paths:
        return np.zeros(0, np.int64), np.zeros((0, 2)), ""
    tables = {path: pa_csv.read_csv(path) for path in paths}
    # Scopes are never mixed: of several the longest counts.
    path = max(paths, key=lambda one: tables[one].num_rows)
    table = tables[path]
    sides = [_side_column(table.column_names, side) for side in ("long", "short")]
    label, first = np.unique(_microseconds(table["datetime_utc"]), return_index=True)
    realised = np.column_stack([_floats(table, side) for side in sides])[first]
    scope = path.stem.split("_liquidations_")[1].removesuffix("_usd").replace("_", " + ")
    return label + _hours_of(span) * HOUR, realised, "all venues" if "all" in scope else scope


def _hours_of(span: str) -> int:
    return int(span.removesuffix("h"))


def _side_column(names: Sequence[str], side: str) -> str:
    return next(name for name in names if side in name.lower())
