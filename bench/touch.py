"""How well the odds of touch are calibrated, out of sample, on recorded hours.

Run from the project root::

    python -m bench.touch --recorded FOLDER

FOLDER holds ``binance_{COIN}_1h.parquet`` with hourly open, high, low and close. At every fourth
hour levels of 1, 2, 3, 5, 7.5, 10, 15 and 20 % are set on both sides of the close; a level is
touched if the highs or lows of the next 24 hours reach it. Volatilities are those of the pipeline,
from closes up to that hour. The three figures of the odds (exponent of the fast volatility,
volatility of weekends, factor on the distance) are fitted on all levels that were decided before a
window of 30 days, then scored in it, window after window; the first window follows 90 days. The
shipped figures, the same without the calendar, and the random walk (normal tails, fast volatility)
are scored in the same windows. All odds are held between .001 and .999.

Which levels are set decides how large a loss is, so there are two more sets: every two hours levels
at 1, 1.5, 2 and 2.5 times the volatility of the last 30 days, so that no coin is nearer than
another, and the near edges of bands (``touch_bands``), for which the odds are made. The latter need
``bybit_{COIN}_1h.parquet`` with open interest in the same folder.

``bench/README.md`` has the last figures.
"""

import argparse
import math
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np

from bench.touch_bands import BAND_MODELS, read_band_levels
from bench.touch_levels import AHEAD, HOUR, LEVELS, Levels, read_levels, read_scaled_levels
from transforms.series import BoolArray, FloatArray
from transforms.skill.reliability import Touches, even_edges, log_loss, loss_gain, reliability
from transforms.touch import (
    DAY_EXPONENT,
    LEAST_ODDS,
    SECONDS_PER_DAY,
    TAIL_SCALE,
    WEEKEND_RATIO,
    reach_probability,
)

COINS = ("BTC", "ETH", "SOL", "XRP", "DOGE", "BNB", "AVAX")
FIRST_TEST_DAYS = 90
WINDOW_DAYS = 30
EXPONENTS = np.arange(0.4, 0.91, 0.1)
WEEKENDS = (0.55, 0.6, WEEKEND_RATIO, 0.7, 0.75, 1.0)
SCALES = np.arange(0.65, 0.86, 0.05)
GROUPS = (0.0, 0.002, 0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 1.0)

Figures = tuple[float, float, float]
SHIPPED: Figures = (DAY_EXPONENT, WEEKEND_RATIO, TAIL_SCALE)
NO_CALENDAR: Figures = (DAY_EXPONENT, 1.0, TAIL_SCALE)
PREDICTIONS = ("random walk", "no calendar", "shipped", "fitted before")


def odds(levels: Levels, figures: Figures = SHIPPED) -> FloatArray:
    """Return the odds with some exponent of the fast volatility, weekend and tail scale."""
    exponent, weekend_ratio, scale = figures
    sigma: FloatArray = levels.fast**exponent * levels.slow ** (1.0 - exponent)
    sigma *= weekend_ratio**levels.weekend
    return reach_probability(
        levels.distance * (scale / TAIL_SCALE), sigma[:, None], SECONDS_PER_DAY
    )


def random_walk(levels: Levels) -> FloatArray:
    """Return the odds of a random walk with normal steps of the fast volatility."""
    z = levels.distance / levels.fast[:, None]
    tails = np.vectorize(math.erfc, otypes=[np.float64])(z / math.sqrt(2.0))
    walk: FloatArray = np.maximum(tails, LEAST_ODDS)
    return walk


def fit(levels: Levels) -> Figures:
    """Return the figures with the least log loss."""
    return min(
        ((float(a), w, float(s)) for a in EXPONENTS for w in WEEKENDS for s in SCALES),
        key=lambda figures: float(log_loss(odds(levels, figures), levels.is_touched).mean()),
    )


def score_windows(levels: Levels) -> tuple[Levels, list[FloatArray]]:
    """Print the loss in each window; return all test levels and the odds by `PREDICTIONS`."""
    day = 24 * HOUR
    # The first level follows a day of returns.
    start = int(levels.hour[0]) + (FIRST_TEST_DAYS - 1) * day
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
    return Levels.joined([own for own, _ in parts]), joined


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


def print_tenths(is_touched: BoolArray, said: FloatArray) -> None:
    """Print by how much shipped odds exceed touches, by tenths of the levels."""
    table = reliability(said.ravel(), is_touched.ravel(), even_edges(said))
    excess = " ".join(f"{one:+.3f}" for one in table.said - table.came)
    print(f"shipped: said less touched, by tenths of the levels: {excess}")


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


def print_scores(name: str, levels: Levels) -> tuple[Levels, list[FloatArray]]:
    """Print what each window of a set of levels gives, the whole, and touches by odds."""
    print(f"\n{name}")
    tested, said = score_windows(levels)
    means = ", ".join(f"{log_loss(each, tested.is_touched).mean():.4f}" for each in said)
    print(f"all {tested.is_touched.size:,} levels: {means}")
    set_at = np.repeat(tested.hour, tested.distance.shape[1])
    for rival, predicted in zip(PREDICTIONS[1:], said[1:], strict=True):
        touches = Touches(predicted.ravel(), tested.is_touched.ravel(), set_at)
        gain = loss_gain(touches, said[0].ravel(), np.random.default_rng(1))
        print(f"{rival} over random walk: {gain.value:.4f} [{gain.low:.4f}, {gain.high:.4f}]")
    print_reliability(tested.is_touched, said[0], said[2])
    print_tenths(tested.is_touched, said[2])
    for number in (1, 2):
        print_deciles(tested, said[number], PREDICTIONS[number])
    return tested, said


def main() -> None:
    """Print the scores of levels at fixed distances and of near edges of bands."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recorded", type=Path, required=True, help="folder of the Parquet files")
    folder = parser.parse_args().recorded
    paths = [folder / f"binance_{coin}_1h.parquet" for coin in COINS]
    fixed = Levels.joined([read_levels(path) for path in paths])
    print_levels(*print_scores("fixed distances", fixed))
    scaled = Levels.joined([read_scaled_levels(path) for path in paths])
    print_scores("multiples of the volatility of 30 days", scaled)
    bands = []
    for model in BAND_MODELS:
        own = Levels.joined([read_band_levels(folder, coin, model) for coin in COINS])
        walk, shipped = (
            log_loss(each, own.is_touched).mean() for each in (random_walk(own), odds(own))
        )
        print(f"{model}: {own.hour.size:,} bands, random walk {walk:.4f}, shipped {shipped:.4f}")
        bands.append(own)
    print_scores("near edges of bands", Levels.joined(bands))


if __name__ == "__main__":
    main()
