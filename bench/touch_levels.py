"""Levels set at recorded hours, what was known then, and whether price touched them.

Belongs here: hours of a coin with volatility before and a day after them, and levels at fixed
distances. Does not belong here: odds and scores (``touch``), levels of bands (``touch_bands``).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow.parquet as pq

from transforms.series import BoolArray, FloatArray, IntArray
from transforms.touch import MONTH_SECONDS, trailing_volatility, weekend_change

LEVELS: Final = -np.log1p(-np.array([0.01, 0.02, 0.03, 0.05, 0.075, 0.10, 0.15, 0.20]))
"""Fixed distances, as falls of 1 to 20 % [ln]."""

MULTIPLES: Final = np.array([1.0, 1.5, 2.0, 2.5])
"""Distances in units of the volatility of the last 30 days over a day [1]."""

HOUR: Final = 3_600_000_000
AHEAD: Final = 24
EVERY_HOURS: Final = 4
FAST_HOURS: Final = 240
SLOW_HOURS: Final = round(MONTH_SECONDS / 3600.0)


@dataclass(frozen=True, slots=True)
class Levels:
    """Levels set at many hours.

    Parameters
    ----------
    hour : ndarray of int64, shape (n,)
        Instant [microseconds].
    distance : ndarray of float64, shape (n, n_levels)
        Distance of each level from the close [ln].
    fast, slow : ndarray of float64, shape (n,)
        Volatility of the last day and of the last 30 days [ln per sqrt day].
    weekend : ndarray of float64, shape (n,)
        ``weekend_change`` [ratio].
    is_touched : ndarray of bool, shape (n, n_levels)
        Whether price reached each level within a day.
    """

    hour: IntArray
    distance: FloatArray
    fast: FloatArray
    slow: FloatArray
    weekend: FloatArray
    is_touched: BoolArray

    def chosen(self, which: BoolArray) -> "Levels":
        """Return some of them."""
        return Levels(*(getattr(self, each.name)[which] for each in fields(self)))

    @classmethod
    def joined(cls, parts: Sequence["Levels"]) -> "Levels":
        """Return all levels in order of time."""
        order = np.argsort(np.concatenate([part.hour for part in parts]), kind="stable")
        return cls(
            *(
                np.concatenate([getattr(part, each.name) for part in parts])[order]
                for each in fields(cls)
            )
        )


def hourly_volatility(
    close: FloatArray,
) -> tuple[FloatArray, FloatArray, IntArray]:
    """Return the volatility of the last day and of the last 30 days, from consecutive hours.

    Parameters
    ----------
    close : ndarray of float64, shape (n,)
        Closes [USD per unit of the asset]. NaN: not known.

    Returns
    -------
    fast, slow : ndarray of float64, shape (n,)
        At the end of each hour [ln per sqrt day]. NaN where no return is known.
    observed : ndarray of int64, shape (n,)
        Returns known in the 30 days.
    """
    squared = np.append(np.nan, np.diff(np.log(close)) ** 2)
    padded = np.concatenate((np.full(SLOW_HOURS - 1, np.nan), squared))[None]
    fast = trailing_volatility(padded, 3600.0, FAST_HOURS)[0, SLOW_HOURS - FAST_HOURS :]
    slow = trailing_volatility(padded, 3600.0, SLOW_HOURS, math.inf)[0]
    is_known = np.lib.stride_tricks.sliding_window_view(np.isfinite(padded[0]), SLOW_HOURS)
    return fast, slow, is_known.sum(axis=1)


@dataclass(frozen=True, slots=True)
class Days:
    """What is known at hours with a full day ahead, and how far price then went.

    Parameters
    ----------
    hour : ndarray of int64, shape (n,)
        Instant [microseconds].
    close : ndarray of float64, shape (n,)
        Close of the hour that ends then [USD per unit of the asset].
    fast, slow, weekend : ndarray of float64, shape (n,)
        As in `Levels`.
    down, up : ndarray of float64, shape (n,)
        Distance of the lowest low and of the highest high of the next day from the close [ln].
    """

    hour: IntArray
    close: FloatArray
    fast: FloatArray
    slow: FloatArray
    weekend: FloatArray
    down: FloatArray
    up: FloatArray


def read_days(path: Path, every_hours: int = EVERY_HOURS) -> Days:
    """Return some hours of one coin: those with a full day ahead and a day of returns behind."""
    table = pq.read_table(path)
    at = table["timestamp"].to_numpy().astype("datetime64[us]").astype(np.int64) // HOUR
    start = int(at.min())
    grid = {name: np.full(int(at.max()) - start + 1, np.nan) for name in ("close", "high", "low")}
    for name, values in grid.items():
        values[at - start] = table[f"{name}_perp_binance"].to_numpy()
    # A bar is labelled by its open; what it shows is known an hour later.
    hour = (start + 1 + np.arange(len(grid["close"]))) * HOUR
    fast, slow, observed = hourly_volatility(grid["close"])
    ahead = {
        name: np.lib.stride_tricks.sliding_window_view(grid[name][1:], AHEAD)
        for name in ("high", "low")
    }
    own = np.flatnonzero(
        (hour[:-AHEAD] // HOUR % every_hours == 0)
        & np.isfinite(grid["close"][:-AHEAD])
        & np.isfinite(ahead["high"]).all(axis=1)
        & (observed[:-AHEAD] >= AHEAD)
    )
    close = grid["close"][own]
    return Days(
        hour=hour[own],
        close=close,
        fast=fast[own],
        slow=slow[own],
        weekend=weekend_change(hour[own]),
        down=np.log(close / ahead["low"][own].min(axis=1)),
        up=np.log(ahead["high"][own].max(axis=1) / close),
    )


def read_levels(path: Path) -> Levels:
    """Return the levels of one coin at fixed distances, both sides, every four hours."""
    days = read_days(path)
    return _both_sides(days, np.tile(LEVELS, (len(days.hour), 1)))


def read_scaled_levels(path: Path) -> Levels:
    """Return the levels of one coin at multiples of its volatility, both sides, every two hours."""
    days = read_days(path, EVERY_HOURS // 2)
    return _both_sides(days, days.slow[:, None] * MULTIPLES)


def _both_sides(days: Days, distance: FloatArray) -> Levels:
    """Return levels at the same distances below and above."""
    return Levels(
        hour=np.tile(days.hour, 2),
        distance=np.tile(distance, (2, 1)),
        fast=np.tile(days.fast, 2),
        slow=np.tile(days.slow, 2),
        weekend=np.tile(days.weekend, 2),
        is_touched=np.concatenate([days.down[:, None] >= distance, days.up[:, None] >= distance]),
    )
