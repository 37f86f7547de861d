"""Closes of bars by instrument and instant, to hold the figures of an import against.

Belongs here: collecting closes and looking them up. Does not belong here: reading files, and what
follows from a price.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from sources.recorded.cells import FloatArray, IntArray, pc

_CLOSE_COLUMNS = {"mark_ohlc": "mark_close", "ohlcv": "close"}


@dataclass(frozen=True, slots=True)
class InstrumentCloses:
    """Closes of one instrument.

    Parameters
    ----------
    at : ndarray of int64, shape (n,)
        Ends of bars, ascending [microseconds since 1970].
    price : ndarray of float64, shape (n,)
        USD per asset unit.
    is_mark : bool
        Whether they are of the mark price; else of trades.
    """

    at: IntArray
    price: FloatArray
    is_mark: bool

    def look_up(self, at: IntArray) -> FloatArray:
        """Return the close at each instant, shape (n_rows,); NaN where there is none."""
        if not len(self.at):
            return np.full(len(at), np.nan)
        position = np.minimum(np.searchsorted(self.at, at), len(self.at) - 1)
        return np.where(self.at[position] == at, self.price[position], np.nan)


@dataclass(slots=True)
class KnownCloses:
    """Closes from the files of an import, and from earlier.

    Parameters
    ----------
    stored : callable, optional
        Returns what is known from earlier of a venue's instrument: tables as `add` takes them, by
        kind.
    by_date_only : list of str
        Inputs whose labels no close explained: `import_file` adds their names.
    """

    stored: Callable[[str, str], Mapping[str, pa.Table]] | None = None
    by_date_only: list[str] = field(default_factory=list)
    _tables: dict[tuple[str, str, str], list[pa.Table]] = field(default_factory=dict)
    _closes: dict[tuple[str, str], InstrumentCloses] = field(default_factory=dict)
    _stored: set[tuple[str, str]] = field(default_factory=set)

    def add(self, kind: str, table: pa.Table) -> None:
        """Keep the closes of records of ``mark_ohlc`` or ``ohlcv``; other kinds are passed by."""
        if kind not in _CLOSE_COLUMNS or table.num_rows == 0:
            return
        self._closes.clear()
        names = table.select(["venue", "instrument"]).group_by(["venue", "instrument"])
        for one in names.aggregate([]).to_pylist():
            venue, instrument = str(one["venue"]), str(one["instrument"])
            self._tables.setdefault((kind, venue, instrument), []).append(
                _close_columns(table, kind, venue, instrument)
            )

    def of(self, venue: str, instrument: str) -> InstrumentCloses:
        """Return the closes of an instrument: of the mark price where any is known, else trades."""
        key = (venue, instrument)
        if key not in self._closes:
            if self.stored is not None and key not in self._stored:
                self._stored.add(key)
                for kind, table in self.stored(venue, instrument).items():
                    self.add(kind, table)
            # One instrument's files follow one another, so the last one is enough.
            self._closes = {key: self._join(venue, instrument)}
        return self._closes[key]

    def _join(self, venue: str, instrument: str) -> InstrumentCloses:
        for kind in _CLOSE_COLUMNS:
            tables = self._tables.get((kind, venue, instrument))
            if tables:
                joined = pa.concat_tables(tables)
                at = joined["at"].to_numpy()
                price = joined["price"].to_numpy()
                order = np.argsort(at, kind="stable")
                return InstrumentCloses(at[order], price[order], kind == "mark_ohlc")
        return InstrumentCloses(np.empty(0, np.int64), np.empty(0), False)


def _close_columns(table: pa.Table, kind: str, venue: str, instrument: str) -> pa.Table:
    is_wanted = pc.and_(pc.equal(table["venue"], venue), pc.equal(table["instrument"], instrument))
    chosen = table.filter(is_wanted)
    start = chosen["bar_start_at"].cast(pa.int64()).to_numpy()
    length = chosen["bar_seconds"].cast(pa.int64()).to_numpy()
    price = chosen[_CLOSE_COLUMNS[kind]].to_numpy()
    return pa.table({"at": start + length * 1_000_000, "price": price})
