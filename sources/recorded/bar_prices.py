"""Prices of bars by instrument and instant, to value the snapshots of the same file.

Belongs here: collecting one price of bars and looking it up. Does not belong here: reading files;
closes that are compared with labels (`sources.recorded.known_closes`).
"""

from collections.abc import Callable

import numpy as np
import pyarrow as pa

from sources.recorded.cells import FloatArray, IntArray
from sources.recorded.instrument_book import InstrumentBook
from sources.recorded.part_rows import PartRows
from sources.records import Batch


class BarPrices:
    """One price of the instruments of a file by instant, in USD per unit of the asset.

    Parameters
    ----------
    book : InstrumentBook
        The instruments.
    name : str
        Which price, one of ``SNAPSHOT_PRICES``.
    """

    def __init__(self, book: InstrumentBook, name: str) -> None:
        self._book = book
        self._kind = "mark_ohlc" if name.startswith("mark_") else "ohlcv"
        self._cell = name.removeprefix("mark_")
        self._keys: list[IntArray] = []
        self._prices: list[FloatArray] = []

    @staticmethod
    def _key(series: IntArray, at: IntArray) -> IntArray:
        # Milliseconds fit 43 bits until the year 2248.
        return (series << 43) | (at // 1000)

    def _add(
        self,
        series: IntArray,
        bar_start: IntArray,
        bar_seconds: int | IntArray,
        cells: Callable[[str], FloatArray],
    ) -> None:
        """Keep the price of bars at the instant it holds for: their open, or else their end."""
        is_middle = self._cell == "middle"
        prices = (cells("high") + cells("low")) / 2 if is_middle else cells(self._cell)
        at = bar_start if self._cell == "open" else bar_start + bar_seconds * 1_000_000
        self._keys.append(self._key(series, at))
        self._prices.append(prices)

    def add_rows(self, kind: str, rows: PartRows, bar_seconds: int) -> None:
        """Keep the prices of rows of this file."""
        if kind != self._kind:
            return
        multiplier = self._book.column("base_multiplier")[rows.series]
        nothing = np.full(len(rows), np.nan)
        self._add(
            rows.series,
            rows.at,
            bar_seconds,
            lambda cell: rows.values.get(cell, nothing) / multiplier,
        )

    def add_records(self, batch: Batch) -> None:
        """Keep the prices of another file's records, of the instruments that are in this one."""
        if batch.kind != self._kind:
            return
        known = {(one.venue, one.instrument): i for i, one in enumerate(self._book.instruments)}
        venues, instruments = (batch.table[name].to_pylist() for name in ("venue", "instrument"))
        keys = zip(map(str, venues), map(str, instruments), strict=True)
        series = np.array([known.get(key, -1) for key in keys], dtype=np.int64)
        table = batch.table.filter(pa.array(series >= 0))
        prefix = "mark_" if self._kind == "mark_ohlc" else ""
        # NULL becomes NaN.
        self._add(
            series[series >= 0],
            table["bar_start_at"].cast(pa.int64()).to_numpy(),
            table["bar_seconds"].cast(pa.int64()).to_numpy(),
            lambda cell: table[prefix + cell].to_numpy(),
        )

    def look_up(self, series: IntArray, at: IntArray) -> FloatArray:
        """Return the price of each instrument at each instant; NaN where there is none."""
        keys = np.concatenate([*self._keys, np.empty(0, dtype=np.int64)])
        prices = np.concatenate([*self._prices, np.empty(0)])
        if not len(keys):
            return np.full(len(at), np.nan)
        order = np.argsort(keys, kind="stable")
        keys, prices = keys[order], prices[order]
        wanted = self._key(series, at)
        position = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
        return np.where(keys[position] == wanted, prices[position], np.nan)
