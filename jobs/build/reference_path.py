"""The reference path of an asset: hourly bars of the one contract that is followed on each day.

Belongs here: which contract that is, and its bars joined to hours. Does not belong here: the models
that read the path (``path_replay``).

The path of a day is that of the linear contract with most USD volume on the day before, which is
known when the day begins; of an inverse one where no linear one traded. A contract without a bar
in the last hour of that day has stopped, as far as is known, and counts only where all have. On
the first day it is the contract with most volume in the first hour that has bars. A day on which
nothing traded changes nothing. Instants are int64 microseconds since 1970, UTC.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from jobs.build.replay_records import BarColumns
from jobs.instants import DAY_MICROSECONDS, HOUR_MICROSECONDS
from transforms.series import ContractKind, FloatArray, IntArray


class ContractKey(NamedTuple):
    """A contract of an asset, in the order in which it is preferred at equal volume."""

    is_inverse: bool
    venue: str
    instrument: str


@dataclass(frozen=True, slots=True)
class ContractBars:
    """Bars of whole hours in order of time; hours without trade are absent.

    Parameters
    ----------
    end : ndarray of int64, shape (n_bars,)
        End of each hour [microseconds].
    prices : ndarray of float64, shape (6, n_bars)
        open, high, low, close, mark high, mark low [USD per unit of the asset]; marks NaN where
        none of the hour is known.
    volume_usd : ndarray of float64, shape (n_bars,)
        Traded volume [USD].
    """

    end: IntArray
    prices: FloatArray
    volume_usd: FloatArray

    def __len__(self) -> int:
        """Return the number of bars."""
        return len(self.end)

    def part(self, start: int, stop: int) -> "ContractBars":
        """Return the bars from `start` up to but not including `stop`."""
        own = slice(start, stop)
        return ContractBars(self.end[own], self.prices[:, own], self.volume_usd[own])

    def without(self, hours: IntArray) -> "ContractBars":
        """Return the bars but those of some hours [microseconds]."""
        kept = ~np.isin(self.end, hours)
        return ContractBars(self.end[kept], self.prices[:, kept], self.volume_usd[kept])


@dataclass(frozen=True, slots=True)
class PathBars:
    """Bars of a path.

    Parameters
    ----------
    bars : ContractBars
        Its bars.
    contract : ndarray of int64, shape (n_bars,)
        Index of the contract of each bar in `contracts`.
    contracts : tuple of ContractKey
        The contracts.
    chosen : mapping of int to ContractKey
        By midnight [microseconds], the contract of the day that begins.
    """

    bars: ContractBars
    contract: IntArray
    contracts: tuple[ContractKey, ...]
    chosen: Mapping[int, ContractKey]


def hourly_bars(bars: BarColumns, contract_kind: ContractKind) -> ContractBars:
    """Return the bars of one contract joined to hours.

    An hour's mark extremes are those of its bars, on the last price in bars without a mark; NaN
    where no bar of the hour has one.

    Parameters
    ----------
    bars : BarColumns
        Bars of the contract, of an hour or less.
    contract_kind : {'linear', 'inverse'}
        Whether volume is in units of the asset or in USD.

    Examples
    --------
    >>> from jobs.build.replay_records import EMPTY_BARS
    >>> len(hourly_bars(EMPTY_BARS, "linear"))
    0
    """
    hour_end = -(-bars.end // HOUR_MICROSECONDS) * HOUR_MICROSECONDS
    first = np.flatnonzero(np.diff(hour_end, prepend=-1))
    if len(first) == 0:
        return ContractBars(hour_end, bars.prices, bars.volume)
    last = np.append(first[1:], len(bars)) - 1
    opens, high, low, close, mark_high, mark_low = bars.prices
    is_marked = ~(np.isnan(mark_high) | np.isnan(mark_low))
    has_mark = np.logical_or.reduceat(is_marked, first)
    marks = (
        np.where(has_mark, extreme.reduceat(np.where(is_marked, mark, price), first), np.nan)
        for extreme, mark, price in ((np.maximum, mark_high, high), (np.minimum, mark_low, low))
    )
    worth = 1.0 if contract_kind == "inverse" else close
    prices = (
        opens[first],
        np.maximum.reduceat(high, first),
        np.minimum.reduceat(low, first),
        close[last],
        *marks,
    )
    return ContractBars(
        hour_end[last], np.stack(prices), np.add.reduceat(bars.volume * worth, first)
    )


@dataclass(slots=True)
class ReferencePath:
    """Which contract is followed, and what decides about the next day.

    Parameters
    ----------
    contract : ContractKey, optional
        The contract followed; None before the first bar.
    traded_usd : dict of ContractKey to float
        Volume of each contract since the last midnight [USD].
    last_end : dict of ContractKey to int
        End of the last bar of each contract since then [microseconds].
    """

    contract: ContractKey | None = None
    traded_usd: dict[ContractKey, float] = field(default_factory=dict)
    last_end: dict[ContractKey, int] = field(default_factory=dict)

    def follow(self, hours: Mapping[ContractKey, ContractBars], start: int, end: int) -> PathBars:
        """Return the path over a span (start, end], and move on to its end.

        Parameters
        ----------
        hours : mapping of ContractKey to ContractBars
            Bars of the asset's contracts that end in the span.
        start, end : int
            The span [microseconds], which follows the one before.
        """
        followed: list[tuple[ContractKey, ContractBars]] = []
        chosen: dict[int, ContractKey] = {}
        midnight = (start // DAY_MICROSECONDS + 1) * DAY_MICROSECONDS
        edges = [start, *range(midnight, end, DAY_MICROSECONDS), end]
        places = {
            key: np.searchsorted(bars.end, edges, side="right") for key, bars in hours.items()
        }
        for day, day_end in enumerate(edges[1:]):
            of_day = {
                key: bars.part(int(places[key][day]), int(places[key][day + 1]))
                for key, bars in hours.items()
                if places[key][day] < places[key][day + 1]
            }
            if self.contract is None and of_day:
                self.contract = _first_choice(of_day)
            if self.contract is not None and self.contract in of_day:
                followed.append((self.contract, of_day[self.contract]))
            self._count(of_day)
            if day_end % DAY_MICROSECONDS == 0:
                self._choose(day_end)
                if self.contract is not None:
                    chosen[day_end] = self.contract
        return _joined(followed, chosen)

    def _count(self, of_day: Mapping[ContractKey, ContractBars]) -> None:
        """Add the volume of some hours, hour by hour: sums do not depend on how a day is cut."""
        for key, bars in of_day.items():
            before = self.traded_usd.get(key, 0.0)
            self.traded_usd[key] = float(np.cumsum(np.append(before, bars.volume_usd))[-1])
            self.last_end[key] = int(bars.end[-1])

    def _choose(self, midnight: int) -> None:
        """Choose the contract of the day that begins."""
        traded = {key: usd for key, usd in self.traded_usd.items() if usd > 0.0}
        going = {key: usd for key, usd in traded.items() if self.last_end[key] == midnight}
        self.traded_usd, self.last_end = {}, {}
        if traded:
            self.contract = _largest(going or traded)


def _first_choice(hours: Mapping[ContractKey, ContractBars]) -> ContractKey:
    """Return the contract with most volume in the first hour that has bars."""
    first = min(int(bars.end[0]) for bars in hours.values())
    return _largest(
        {key: float(bars.volume_usd[0]) for key, bars in hours.items() if bars.end[0] == first}
    )


def _largest(traded_usd: Mapping[ContractKey, float]) -> ContractKey:
    """Return the linear contract with most volume, an inverse one where there is no linear one."""
    return min(traded_usd, key=lambda key: (key.is_inverse, -traded_usd[key], key))


def _joined(
    followed: list[tuple[ContractKey, ContractBars]], chosen: Mapping[int, ContractKey]
) -> PathBars:
    """Return the bars of days one after the other."""
    contracts = tuple(sorted({key for key, _ in followed}))
    none = ContractBars(np.zeros(0, dtype=np.int64), np.zeros((6, 0)), np.zeros(0))
    days = [none, *(bars for _, bars in followed)]
    return PathBars(
        ContractBars(
            np.concatenate([bars.end for bars in days]),
            np.concatenate([bars.prices for bars in days], axis=1),
            np.concatenate([bars.volume_usd for bars in days]),
        ),
        np.repeat(
            np.array([contracts.index(key) for key, _ in followed], dtype=np.int64),
            [len(bars) for _, bars in followed],
        ),
        contracts,
        chosen,
    )
