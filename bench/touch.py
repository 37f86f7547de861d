"""How well the odds of touch are calibrated, out of sample, on recorded hours.

Run from the project root::

    python -m bench.touch --recorded FOLDER

FOLDER holds ``binance_{COIN}_1h.parquet`` with hourly open, high, low and close. At every fourth
hour levels of 1, 2, 3, 5, 7.5, 10, 15 and 20 % are set on both sides of the close; a level is
touched if the highs or lows of the next 24 hours reach it. Volatilities are those of the pipeline,
from closes up to that hour. The three figures of the odds (exponent of the fast volatility,
volatility of weekends, factor on the distance) are fitted on all levels that were decided before a
window of 30 days, then scored in it, window after window. The shipped figures, the same without the
calendar, and the random walk (normal tails, fast volatility) are scored in the same windows. All
odds are held between .001 and .999.

``bench/README.md`` has the last figures.
"""

import argparse
import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

from transforms.skill.reliability import Touches, log_loss, loss_gain, reliability
from transforms.touch import (
    DAY_EXPONENT,
    LEAST_ODDS,
    MONTH_SECONDS,
    SECONDS_PER_DAY,
    TAIL_SCALE,
    WEEKEND_RATIO,
    reach_probability,
    trailing_volatility,
    weekend_change,
)

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

COINS = ("BTC", "ETH", "SOL", "XRP", "DOGE", "BNB", "AVAX")
LEVELS = -np.log1p(-np.array([0.01, 0.02, 0.03, 0.05, 0.075, 0.10, 0.15, 0.20]))
HOUR = 3_600_000_000
AHEAD = 24
EVERY_HOURS = 4
FAST_HOURS = 240
SLOW_HOURS = round(MONTH_SECONDS / 3600.0)
FIRST_TEST_DAYS = 180
WINDOW_DAYS = 30
EXPONENTS = np.arange(0.4, 0.91, 0.1)
WEEKENDS = (0.55, 0.6, WEEKEND_RATIO, 0.7, 0.75, 1.0)
SCALES = np.arange(0.65, 0.86, 0.05)
GROUPS = (0.0, 0.002, 0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 1.0)

Figures = tuple[float, float, float]
SHIPPED: Figures = (DAY_EXPONENT, WEEKEND_RATIO, TAIL_SCALE)
NO_CALENDAR: Figures = (DAY_EXPONENT, 1.0, TAIL_SCALE)
PREDICTIONS = ("random walk", "no calendar", "shipped", "fitted before")


@dataclass(frozen=True, slots=True)
class Levels:
    """Levels set at many hours.

    Parameters
    ----------
    hour : ndarray of int64, shape (n,)
        Instant [microseconds].
    fast, slow : ndarray of float64, shape (n,)
        Volatility of the last day and of the last 30 days [ln per sqrt day].
    weekend : ndarray of float64, shape (n,)
        ``weekend_change`` [ratio].
    is_touched : ndarray of bool, shape (n, n_levels)
        Whether price reached each of ``LEVELS`` within a day.
    """

    hour: npt.NDArray[np.int64]
    fast: FloatArray
    slow: FloatArray
    weekend: FloatArray
    is_touched: BoolArray

    def chosen(self, which: BoolArray) -> "Levels":
        """Return some of them."""
        return Levels(*(getattr(self, each.name)[which] for each in fields(self)))


def hourly_volatility(
    close: FloatArray,
) -> tuple[FloatArray, FloatArray, npt.NDArray[np.int64]]:
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


def read_levels(path: Path) -> Levels:
    """Return the levels of one coin, both sides, hours with a full day ahead only."""
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
        (hour[:-AHEAD] // HOUR % EVERY_HOURS == 0)
        & np.isfinite(grid["close"][:-AHEAD])
        & np.isfinite(ahead["high"]).all(axis=1)
        & (observed[:-AHEAD] >= AHEAD)
    )
    close = grid["close"][own]
    up = np.log(ahead["high"][own].max(axis=1) / close)
    down = np.log(close / ahead["low"][own].min(axis=1))
    return Levels(
        hour=np.tile(hour[own], 2),
        fast=np.tile(fast[own], 2),
        slow=np.tile(slow[own], 2),
        weekend=np.tile(weekend_change(hour[own]), 2),
        is_touched=np.concatenate((up, down))[:, None] >= LEVELS,
    )


def odds(levels: Levels, figures: Figures = SHIPPED) -> FloatArray:
    """Return the odds with some exponent of the fast volatility, weekend and tail scale."""
    exponent, weekend_ratio, scale = figures
    sigma: FloatArray = levels.fast**exponent * levels.slow ** (1.0 - exponent)
    sigma *= weekend_ratio**levels.weekend
    return reach_probability(LEVELS * (scale / TAIL_SCALE), sigma[:, None], SECONDS_PER_DAY)


def random_walk(levels: Levels) -> FloatArray:
    """Return the odds of a random walk with normal steps of the fast volatility."""
    z = LEVELS / levels.fast[:, None]
    tails = np.vectorize(math.erfc, otypes=[np.float64])(z / math.sqrt(2.0))
    walk: FloatArray = np.maximum(tails, LEAST_ODDS)
    return walk


def fit(levels: Levels) -> Figures:
    """Return the figures with the least log loss."""
    return min(
        ((float(a), w, float(s)) for a in EXPONENTS for w in WEEKENDS for s in SCALES),
        key=lambda figures: float(log_loss(odds(levels, figures), levels.is_touched).mean()),
    )


def join(parts: Sequence[Levels]) -> Levels:
    """Return all levels in order of time."""
    order = np.argsort(np.concatenate([part.hour for part in parts]), kind="stable")
    return Levels(
        *(
            np.concatenate([getattr(part, name) for part in parts])[order]
            for name in (each.name for each in fields(Levels))
        )
    )


def score_windows(levels: Levels) -> tuple[Levels, list[FloatArray]]:
    """Print the loss in each window; return all test levels and the odds by `PREDICTIONS`."""
    day = 24 * HOUR
    start = int(levels.hour[0]) + FIRST_TEST_DAYS * day
    parts: list[tuple[Levels, list[FloatArray]]] = []
    print("window from   levels  " + "  ".join(f"{name:>13}" for name in PREDICTIONS))
    for begin in range(start, int(levels.hour[-1]), WINDOW_DAYS * day):
        own = levels.chosen((levels.hour >= begin) & (levels.hour < begin + WINDOW_DAYS * day))
        if len(own.hour) == 0:
            continue
        # What was not decided before the window begins was not known.
        fitted = fit(levels.chosen(levels.hour < begin - day))
        said = [random_walk(own), *(odds(own, each) for each in (NO_CALENDAR, SHIPPED, fitted))]
        parts.append((own, said))
        losses = "  ".join(f"{log_loss(each, own.is_touched).mean():>13.4f}" for each in said)
        from_day = np.datetime64(begin, "us").astype("datetime64[D]")
        figures = ", ".join(f"{each:.2f}" for each in fitted)
        print(f"{from_day}  {own.is_touched.size:>8,}  {losses}   {figures}")
    joined = [np.concatenate([said[k] for _, said in parts]) for k in range(len(PREDICTIONS))]
    return join([own for own, _ in parts]), joined


def print_levels(levels: Levels, said: Sequence[FloatArray]) -> None:
    """Print the loss of each distance, which the mean over all hangs on."""
    print("distance  touched  " + "  ".join(f"{name:>13}" for name in PREDICTIONS))
    losses = [log_loss(each, levels.is_touched).mean(axis=0) for each in said]
    for number, distance in enumerate(-np.expm1(-LEVELS)):
        cells = "  ".join(f"{loss[number]:>13.4f}" for loss in losses)
        print(f"{distance:>8.1%}  {levels.is_touched[:, number].mean():>7.4f}  {cells}")


def print_deciles(levels: Levels, said: FloatArray, name: str) -> None:
    """Print by how much odds exceed touches by tenths of the odds, weekends apart."""
    print(f"{name}: said less touched, all, within a weekend, within the week")
    # Hours since a Monday: 1970-01-01 was a Thursday.
    ahead = (levels.hour // HOUR + 3 * 24)[:, None] + np.arange(AHEAD)
    on_weekend = (ahead // 24 % 7 >= 5).mean(axis=1)
    for low in np.arange(10) / 10.0:
        inside = (said >= low) & (said < low + 0.1)
        cells = []
        for which in (on_weekend >= 0.0, on_weekend == 1.0, on_weekend == 0.0):
            own = inside & which[:, None]
            excess = (said[own] - levels.is_touched[own]).mean() if own.any() else math.nan
            cells.append(f"{own.sum():>9,} {excess:>+7.3f}")
        print(f"{low:.1f} - {low + 0.1:.1f}  " + "   ".join(cells))


def print_reliability(is_touched: BoolArray, walk: FloatArray, shipped: FloatArray) -> None:
    """Print what the odds said and how often levels were touched, by odds."""
    print("odds            random walk: levels  said  touched   shipped: levels  said  touched")
    tables = [reliability(one.ravel(), is_touched.ravel(), GROUPS) for one in (walk, shipped)]
    for group, (low, high) in enumerate(pairwise(GROUPS)):
        cells = [
            f"{one.count[group]:>8,} {one.said[group]:>7.4f} {one.came[group]:>7.4f}"
            for one in tables
        ]
        print(f"{low:.3f} - {high:.3f}  " + "   ".join(cells))


def main() -> None:
    """Print what each window gives, the whole, and how often levels were touched by odds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recorded", type=Path, required=True, help="folder of the Parquet files")
    folder = parser.parse_args().recorded
    levels = join([read_levels(folder / f"binance_{coin}_1h.parquet") for coin in COINS])
    tested, said = score_windows(levels)
    means = ", ".join(f"{log_loss(each, tested.is_touched).mean():.4f}" for each in said)
    print(f"all {tested.is_touched.size:,} levels: {means}")
    set_at = np.repeat(tested.hour, len(LEVELS))
    for name, predicted in zip(PREDICTIONS[1:], said[1:], strict=True):
        touches = Touches(predicted.ravel(), tested.is_touched.ravel(), set_at)
        gain = loss_gain(touches, said[0].ravel(), np.random.default_rng(1))
        print(f"{name} over random walk: {gain.value:.4f} [{gain.low:.4f}, {gain.high:.4f}]")
    print_levels(tested, said)
    print_reliability(tested.is_touched, said[0], said[2])
    for number in (1, 2):
        print_deciles(tested, said[number], PREDICTIONS[number])


if __name__ == "__main__":
    main()
