"""Measured maps against every model at the same instants, and intervals over days.

Belongs here: which pairs are compared and how they are summed up. Does not belong here: the metrics
(``transforms.disagreement``), words (``page``).
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from bench.accuracy.recorded import HOUR, HourlyBars, read_binance_bars
from bench.measured.model_maps import MODELS, model_windows
from bench.measured.recorded import (
    FOLDER,
    WALLET_COINS,
    MeasuredCells,
    choose_hours,
    read_own_hours,
    read_population,
    read_wallets,
)
from sources.errors import InputRejected
from transforms.disagreement import REACH_EDGES, Disagreement, measure_disagreement
from transforms.maps import COMPARED_RANGE, N_WINDOW_BINS
from transforms.series import FloatArray, IntArray
from transforms.skill.bootstrap import draw_blocks, interval

BY_DISTANCE: Final = "distance alone"
"""The mean measured map of other days, by distance from price: it knows no place."""
DAY_BEFORE: Final = "itself, a day before"
"""The measured map of the day before at its prices, within six hours."""
EVEN: Final = "right reach, spread evenly"
"""What the measured map holds in each class of distance, even within it: its placement is what a
map leaves that knows no place."""

WITH_TOTAL: Final = MODELS[:5]
"""Models whose USD are positions; of the others only shapes are compared."""

DISTANCES: Final = (0.01, 0.02, 0.05, 0.10, 0.20)
"""Distances within which mass is shown [ln]."""

LEAST_CELLS: Final = 5
"""Mean cells a map and side below which a coin is not compared."""

LEAST_RANKED: Final = 5
"""Bins of .4 % in a class of distance below which their ranks do not count."""

_DAY: Final = 24 * HOUR
_SEED: Final = 1


@dataclass(frozen=True, slots=True, eq=False)
class MapMetrics:
    """Metrics of one model against measured maps, by instant and side (long, short, both).

    Parameters
    ----------
    overlap, reach, placement : ndarray of float64, shape (n, 3)
        Shared part of the shape, and the two parts of the rest [ratio]; NaN: not comparable.
    log_total : ndarray of float64, shape (n, 3)
        ln(model / measured) of the USD within 20 % [ln].
    placed : ndarray of float64, shape (n, 3)
        Shared part of the shape once the model holds in each class of distance what was measured
        there [ratio]: above that of ``EVEN``, it knows places within them.
    rank : ndarray of float64, shape (n,)
        Correlation of ranks of bins of .4 % within classes of distance, both sides pooled [1]: 0
        for a map that knows no place, however smooth. NaN: nothing to rank.
    """

    overlap: FloatArray
    reach: FloatArray
    placement: FloatArray
    log_total: FloatArray
    placed: FloatArray
    rank: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class MapComparison:
    """One asset's measured maps against every model.

    Parameters
    ----------
    asset, venue : str
        The asset, and the venue whose hours the models ran on.
    cells : MeasuredCells
        The measured maps.
    metrics : dict of MapMetrics
        By model, references included.
    near : dict of ndarray of float64, shape (n, 2, n_distances)
        Positions within each of ``DISTANCES`` [USD at the price], by model; ``measured`` is one of
        them.
    open_interest_usd : dict of ndarray of float64, shape (n,)
        Open interest of a side behind each of them [USD]; NaN: not known.
    """

    asset: str
    venue: str
    cells: MeasuredCells
    metrics: dict[str, MapMetrics]
    near: dict[str, FloatArray]
    open_interest_usd: dict[str, FloatArray]

    def shares_near(self, name: str) -> FloatArray:
        """Return shares of open interest within each distance at the first instant, by side."""
        shares: FloatArray = self.near[name][0] / self.open_interest_usd[name][0]
        return shares


@dataclass(frozen=True, slots=True, eq=False)
class MapComparisons:
    """All that the page shows.

    Parameters
    ----------
    wallets : tuple of MapComparison
        Leading wallets, by coin.
    left_out : dict of str
        Coins that are not compared, and why.
    population : MapComparison or None
        All accounts; None where they are not recorded.
    """

    wallets: tuple[MapComparison, ...]
    left_out: dict[str, str]
    population: MapComparison | None


def compare_recorded(data: Path) -> MapComparisons:
    """Return every comparison that a folder of recordings allows."""
    wallets: list[MapComparison] = []
    left_out: dict[str, str] = {}
    for asset in WALLET_COINS if any((data / FOLDER).glob("top_wallets_*.jsonl")) else ():
        own = read_own_hours(data, asset)
        hours = choose_hours(data, asset, own)
        if hours is None:
            left_out[asset] = "no hours with open interest are recorded"
            continue
        try:
            cells = read_wallets(data, asset, own)
        except InputRejected as exc:
            narrow = "its cells are narrower than the cent that prices are rounded to"
            left_out[asset] = narrow if "ambiguous" in str(exc) else str(exc)
            continue
        if cells is None or len(cells.value) < 2 * LEAST_CELLS * len(cells.at):
            left_out[asset] = f"fewer than {LEAST_CELLS} cells a map and side were held"
            continue
        venue, bars = hours
        models = model_windows(bars, asset, cells.at, cells.price)
        wallets.append(_compare(venue, cells, bars, models | _references(cells)))
    return MapComparisons(tuple(wallets), left_out, _compare_population(data))


def _compare_population(data: Path) -> MapComparison | None:
    """Return all accounts against every model on Binance's hours; None where not recorded."""
    if not any((data / FOLDER).glob("all_accounts_BTC_*.json")):
        return None
    cells, bars = read_population(data), read_binance_bars(data, "BTC")
    models = model_windows(bars, "BTC", cells.at, cells.price)
    measured = cells.windows(np.arange(1), cells.price)
    return _compare("binance", cells, bars, models | {EVEN: _spread_evenly(measured)})


def _compare(
    venue: str, cells: MeasuredCells, bars: HourlyBars, models: dict[str, FloatArray]
) -> MapComparison:
    """Return the metrics of each model."""
    count = len(cells.at)
    measured = cells.windows(np.arange(count), cells.price)
    last = np.searchsorted(bars.bar_end, cells.at, side="right") - 1
    assumed = (bars.open_interest * bars.close)[last]
    # Every contract has a long and a short, so the larger side is open interest.
    own = cells.side_usd.max(axis=1)
    return MapComparison(
        asset=cells.asset,
        venue=venue,
        cells=cells,
        metrics={name: _metrics_of(measured, made, cells.price) for name, made in models.items()},
        near={"measured": near_mass(measured)}
        | {name: near_mass(made) for name, made in models.items()},
        open_interest_usd={"measured": own} | dict.fromkeys(WITH_TOTAL, assumed),
    )


def _metrics_of(measured: FloatArray, made: FloatArray, price: FloatArray) -> MapMetrics:
    """Return metrics of one model at each instant."""
    found = _disagreement(measured, made, price)
    placed = _disagreement(measured, _with_reach_of(measured, made), price)
    return MapMetrics(
        found.overlap_ratio,
        found.reach_ratio,
        found.placement_ratio,
        -found.scale_log_ratio,
        placed.overlap_ratio,
        _rank_within_classes(measured, made),
    )


def _disagreement(measured: FloatArray, made: FloatArray, price: FloatArray) -> Disagreement:
    """Return how far two maps of each instant differ."""
    count = len(price)
    pairs = np.stack((measured, made), axis=1).reshape(2 * count, *measured.shape[1:])
    return measure_disagreement(
        np.ascontiguousarray(pairs[:, 0]),
        np.ascontiguousarray(pairs[:, 1]),
        np.repeat(price, 2),
        np.arange(0, 2 * count + 1, 2),
        np.zeros(2 * count, dtype=np.int64),
    )


_CENTRES: Final = (np.arange(N_WINDOW_BINS) + 0.5) * (
    2.0 * COMPARED_RANGE / N_WINDOW_BINS
) - COMPARED_RANGE
"""Centres of the bins of a window [ln from price], to half a bin of .2 %."""


def near_mass(windows: FloatArray) -> FloatArray:
    """Return positions within `DISTANCES` of price [USD at the price], (n, 2, n_distances)."""
    at_price = windows * np.exp(-_CENTRES)
    near = [at_price[..., np.abs(_CENTRES) < one].sum(axis=-1) for one in DISTANCES]
    return np.stack(near, axis=-1)


_CLASSES: Final = np.searchsorted(REACH_EDGES, np.abs(_CENTRES), side="right") + np.where(
    _CENTRES < 0.0, 0, len(REACH_EDGES) + 1
)
"""Class of distance of each bin of a window, those below price first."""

_RANKED_CLASSES: Final = np.flatnonzero(np.bincount(_CLASSES[::2]) >= LEAST_RANKED)

RANKED_BINS: Final = int(np.isin(_CLASSES[::2], _RANKED_CLASSES).sum())
"""Bins of .4 % whose ranks count: of longs those below price, of shorts those above."""


def _spread_evenly(windows: FloatArray) -> FloatArray:
    """Return maps that hold the same in each class of distance and side, even within it."""
    return _with_reach_of(windows, np.ones_like(windows))


def _with_reach_of(measured: FloatArray, made: FloatArray) -> FloatArray:
    """Return maps that hold in each class of distance what was measured there.

    A class that a map leaves empty is filled evenly.
    """
    scaled = np.empty_like(made)
    for number in np.unique(_CLASSES):
        own = number == _CLASSES
        held = made[..., own].sum(axis=-1, keepdims=True)
        shape = np.where(held > 0.0, made[..., own], 1.0)
        whole = shape.sum(axis=-1, keepdims=True)
        scaled[..., own] = shape / whole * measured[..., own].sum(axis=-1, keepdims=True)
    return scaled


def _rank_within_classes(measured: FloatArray, made: FloatArray) -> FloatArray:
    """Return correlations of ranks within classes of distance, shape (n,)."""
    pairs = [each.reshape(*each.shape[:2], -1, 2).sum(axis=-1) for each in (measured, made)]
    classes = _CLASSES[::2]
    moments = np.zeros((3, len(measured)))
    for side in range(measured.shape[1]):
        for number in _RANKED_CLASSES:
            own = number == classes
            first, second = (_centred_ranks(each[:, side, own]) for each in pairs)
            moments += [(first * second).sum(1), (first**2).sum(1), (second**2).sum(1)]
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(moments[0] / np.sqrt(moments[1] * moments[2]))


def _centred_ranks(values: FloatArray) -> FloatArray:
    """Return ranks of each row less their mean, equal values sharing theirs."""
    below = (values[:, None, :] < values[:, :, None]).sum(axis=2)
    level = (values[:, None, :] == values[:, :, None]).sum(axis=2)
    ranks = below + 0.5 * (level - 1)
    return np.asarray(ranks - ranks.mean(axis=1, keepdims=True))


def _references(cells: MeasuredCells) -> dict[str, FloatArray]:
    """Return maps by distance alone, of other days, and those of the day before."""
    count = len(cells.at)
    measured = cells.windows(np.arange(count), cells.price)
    total = measured.sum(axis=(1, 2), keepdims=True)
    shape = np.divide(measured, total, out=np.zeros_like(measured), where=total > 0.0)
    day = cells.at // _DAY
    by_distance = np.stack([shape[day != own].mean(axis=0) for own in day])
    before = np.abs(cells.at[:, None] - cells.at[None, :] - _DAY)
    source = np.argmin(before, axis=1)
    is_near = before[np.arange(count), source] <= 6 * HOUR
    earlier = cells.windows(source, cells.price)
    earlier[~is_near] = np.nan
    return {BY_DISTANCE: by_distance, DAY_BEFORE: earlier, EVEN: _spread_evenly(measured)}


def mean_with_interval(at: IntArray, values: FloatArray) -> tuple[float, float, float]:
    """Return a mean over instants with its 95 % interval, whole days resampled.

    Parameters
    ----------
    at : ndarray of int64, shape (n,)
        Instants [microseconds since 1970, UTC].
    values : ndarray of float64, shape (n,)
        Values [any unit]; NaN: left out.
    """
    known = np.isfinite(values)
    if not known.any():
        return (float("nan"),) * 3
    blocks = draw_blocks(at[known], np.random.default_rng(_SEED), 1.0)
    sums = blocks.sums(np.stack((values[known], np.ones(int(known.sum())))))
    drawn = blocks.drawn(sums)
    low, high = interval(drawn[0] / drawn[1], blocks.n_blocks)
    return float(values[known].mean()), float(low), float(high)
