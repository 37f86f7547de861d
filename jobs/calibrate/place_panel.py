"""Liquidations by level beside what maps held there before, for an asset.

Belongs here: which spans of price have them, and reading orders, halves of hours and maps. Does not
belong here: cells (``transforms.skill.levels``), scores (``score_places``). Instants are int64
microseconds, UTC.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
from duckdb import DuckDBPyConnection

from jobs.calibrate.panels import AssetPanel
from jobs.grouping import run_slices
from jobs.instants import DAY_MICROSECONDS, HOUR_MICROSECONDS, to_instant
from transforms.engine import run
from transforms.path_only import PATH_ONLY, PATH_ONLY_BRACKETS, hold_constant
from transforms.series import Bars, BoolArray, FloatArray, IntArray
from transforms.skill.levels import (
    FARTHEST,
    OLDEST,
    ReachedLevels,
    amounts_in_cells,
    farthest_first,
    halves_of,
    oldest_first,
)
from transforms.skill.panel import Panel
from transforms.skill.places import Places
from warehouse.queries import named_query

LEAST_HOURS: Final = 72
"""Hours with prices of liquidations below which halves of hours are preferred."""

LEAST_COVERED: Final = 0.9
"""Part of a window's spans of which a model needs maps: all are scored on the spans that all have,
so one with fewer would thin the others [ratio]."""


@dataclass(frozen=True, slots=True, eq=False)
class PlaceSpans:
    """What was liquidated in the cells of spans, and what each model and null had there.

    Parameters
    ----------
    end : ndarray of int64, shape (n_spans,)
        Ends [microseconds].
    realised_usd : ndarray of float64, shape (n_spans, 2, n_cells)
        Liquidations [USD].
    is_reached : ndarray of bool, shape (n_spans, 2, n_cells)
        Cells that count.
    held : mapping of str to ndarray of float64, shape (n_spans, 2, n_cells)
        By model and null [any unit]; NaN where it has no map.
    """

    end: IntArray
    realised_usd: FloatArray
    is_reached: BoolArray
    held: Mapping[str, FloatArray]

    def since(self, origin: int) -> Places | None:
        """Return a group for each side of the spans that end after an instant.

        Models with maps of too few of them are left out, then spans of which one of the others has
        none; None where nothing is left.
        """
        own = self.end > origin
        known = {
            model: np.atleast_1d(np.isfinite(usd).all(axis=(1, 2)))
            for model, usd in self.held.items()
        }
        if not own.any():
            return None
        kept = [model for model in known if known[model][own].mean() >= LEAST_COVERED]
        own &= np.logical_and.reduce([known[model] for model in kept])
        if not own.any():
            return None
        cells = self.realised_usd.shape[2]
        return Places(
            np.repeat(self.end[own], 2),
            self.realised_usd[own].reshape(-1, cells),
            self.is_reached[own].reshape(-1, cells),
            {model: self.held[model][own].reshape(-1, cells) for model in kept},
        )


@dataclass(frozen=True, slots=True)
class PlacePanel:
    """Where liquidations of an asset came, within hours and within days.

    Parameters
    ----------
    has_prices : bool
        Whether a feed gives prices of liquidations.
    cells : str
        What hours are split into: levels or halves.
    hours : PlaceSpans or None
        Hours; None where nothing is known of places within them.
    days : PlaceSpans or None
        Days, cells are levels; None without prices of liquidations.
    """

    has_prices: bool
    cells: str
    hours: PlaceSpans | None
    days: PlaceSpans | None


def read_places(
    connection: DuckDBPyConnection, own: AssetPanel, from_at: int, until_at: int
) -> PlacePanel:
    """Return where liquidations of an asset came in the hours of a time.

    Where hours with prices of liquidations are too few, halves of hours stand in.

    Parameters
    ----------
    connection : DuckDBPyConnection
        The writer's.
    own : AssetPanel
        The asset's hours.
    from_at, until_at : int
        Hours that end after the first instant and not after the second [microseconds].
    """
    instruments = connection.execute(
        "select distinct instrument from staging.stg_instrument where asset = ?", [own.panel.asset]
    ).fetchall()
    window = {
        "asset": own.panel.asset,
        "instruments": [instrument for (instrument,) in instruments],
        "from_at": to_instant(from_at),
        "until_at": to_instant(until_at),
    }
    hours, days = _hours(own.panel, from_at, until_at), _days(own.panel, from_at, until_at)
    orders = connection.execute(named_query("place_orders"), window).to_arrow_table()
    by_hour, by_day = (
        _places_by_level(connection, own.panel, levels, orders) for levels in (hours, days)
    )
    has_prices = orders.num_rows > 0
    if by_hour is None or len(by_hour.end) < LEAST_HOURS:
        halves = connection.execute(named_query("place_halves"), window).to_arrow_table()
        by_half = _places_by_half(connection, own.panel, hours, halves)
        if by_half is not None:
            return PlacePanel(has_prices, "halves", by_half, by_day)
    return PlacePanel(has_prices, "levels", by_hour, by_day)


def _hours(panel: Panel, from_at: int, until_at: int) -> ReachedLevels:
    """Return the levels of each hour that is not left out, from the close before it."""
    known = np.isfinite(panel.previous_close + panel.low + panel.high) & ~panel.is_left_out
    at = np.flatnonzero((panel.span_end > from_at) & (panel.span_end <= until_at) & known)
    end = panel.span_end[at]
    return ReachedLevels.between(
        end - HOUR_MICROSECONDS, end, panel.previous_close[at], panel.low[at], panel.high[at]
    )


def _days(panel: Panel, from_at: int, until_at: int) -> ReachedLevels:
    """Return the levels of each day whose 24 hours are known, from the close at its midnight."""
    known = np.isfinite(panel.previous_close + panel.low + panel.high)
    own = np.flatnonzero((panel.span_end > from_at) & (panel.span_end <= until_at) & known)
    day = (panel.span_end[own] - 1) // DAY_MICROSECONDS
    days, first, count = np.unique(day, return_index=True, return_counts=True)
    is_whole = count == 24
    low = np.minimum.reduceat(panel.low[own], first)[is_whole]
    high = np.maximum.reduceat(panel.high[own], first)[is_whole]
    begin = days[is_whole] * DAY_MICROSECONDS
    price = panel.previous_close[own[first[is_whole]]]
    return ReachedLevels.between(begin, begin + DAY_MICROSECONDS, price, low, high)


def _places_by_level(
    connection: DuckDBPyConnection, panel: Panel, levels: ReachedLevels, orders: pa.Table
) -> PlaceSpans | None:
    """Return what was liquidated on the levels of spans; None where it was on none."""
    hour_end = orders["hour_end"].to_numpy()
    span = np.searchsorted(levels.end, hour_end)
    is_inside = span < len(levels)
    is_inside[is_inside] = levels.start[span[is_inside]] < hour_end[is_inside]
    columns = (orders[name].to_numpy()[is_inside] for name in ("side", "level_bin", "usd"))
    realised = amounts_in_cells(levels, span[is_inside], *columns)
    rows = np.flatnonzero(realised.sum(axis=(1, 2)) > 0.0)
    if not rows.size:
        return None
    levels, realised = levels.part(rows), realised[rows]
    # Fewer spans may have fewer cells.
    realised = realised[:, :, : levels.n_cells]
    return PlaceSpans(levels.end, realised, levels.is_reached, _held(connection, panel, levels))


def _places_by_half(
    connection: DuckDBPyConnection, panel: Panel, levels: ReachedLevels, halves: pa.Table
) -> PlaceSpans | None:
    """Return what was liquidated in halves of hours; None where both halves of none are known."""
    row = np.searchsorted(levels.end, halves["hour_end"].to_numpy())
    is_inside = row < len(levels)
    is_inside[is_inside] = levels.end[row[is_inside]] == halves["hour_end"].to_numpy()[is_inside]
    side, row = halves["side"].to_numpy()[is_inside], row[is_inside]
    realised = np.zeros((len(levels), 2, 2))
    for half, name in enumerate(("first_usd", "second_usd")):
        realised[row, side, half] = halves[name].to_numpy()[is_inside]
    cells = np.ones((len(levels), 2), np.int64)
    low, high = (halves[f"first_{name}_bin"].to_numpy()[is_inside] for name in ("low", "high"))
    cells[row, 0] = levels.price_bin[row] - low + 1
    cells[row, 1] = high - levels.price_bin[row] + 1
    rows = np.flatnonzero(realised.sum(axis=(1, 2)) > 0.0)
    if not rows.size:
        return None
    levels, cells = levels.part(rows), np.maximum(cells[rows], 1)
    held = {
        model: halves_of(levels, usd, cells)
        for model, usd in _held(connection, panel, levels).items()
    }
    return PlaceSpans(levels.end, realised[rows], np.ones((len(rows), 2, 2), np.bool_), held)


def _held(
    connection: DuckDBPyConnection, panel: Panel, levels: ReachedLevels
) -> dict[str, FloatArray]:
    """Return what each model and null puts into the cells of spans, NaN where it has no map."""
    parameters = {
        "asset": panel.asset,
        "starts": [to_instant(int(at)) for at in levels.start],
        "low_bins": levels.low_bin.tolist(),
        "high_bins": levels.high_bin.tolist(),
    }
    maps = connection.execute(named_query("place_maps"), parameters).to_arrow_table()
    held = _held_by_maps(levels, maps.combine_chunks()) if maps.num_rows else {}
    held[PATH_ONLY.provider] = _held_by_path(panel, levels)
    held[FARTHEST] = farthest_first(levels)
    held[OLDEST] = oldest_first(levels, panel.span_end, panel.low, panel.high)
    return held


def _held_by_maps(levels: ReachedLevels, maps: pa.Table) -> dict[str, FloatArray]:
    """Return what published maps hold, by provider."""
    providers = np.array(maps["provider"].to_pylist(), dtype=object)
    span, side, first = (maps[name].to_numpy() for name in ("span", "side", "first_bin"))
    bins = maps["usd"].chunk(0)
    counts, offsets = np.diff(bins.offsets.to_numpy()), bins.offsets.to_numpy()
    usd = bins.values.to_numpy(zero_copy_only=False).astype(np.float64)
    held = {}
    for rows in run_slices(providers):
        own = counts[rows]
        within = np.arange(own.sum()) - np.repeat(np.cumsum(own) - own, own)
        amounts = amounts_in_cells(
            levels,
            np.repeat(span[rows], own),
            np.repeat(side[rows], own),
            np.repeat(first[rows], own) + within,
            usd[offsets[rows.start] : offsets[rows.stop]],
        )
        has_map = np.zeros((len(levels), 2), np.bool_)
        has_map[span[rows], side[rows]] = True
        held[str(providers[rows.start])] = np.where(has_map[..., None], amounts, np.nan)
    return held


def _held_by_path(panel: Panel, levels: ReachedLevels) -> FloatArray:
    """Return what ``path_only`` holds, run over the panel's hours; it publishes no map."""
    known = np.isfinite(panel.open + panel.high + panel.low + panel.close)
    end = panel.span_end[known]
    order = np.argsort(levels.start, kind="stable")
    after = np.searchsorted(end, levels.start[order], side="right") - 1
    # A span that begins with the panel's first bar has no path before it.
    has_path = after >= 0
    held = np.full(levels.is_reached.shape, np.nan)
    if not has_path.any():
        return held
    _, outputs = run(
        PATH_ONLY,
        hold_constant(_bars(panel, known)),
        after[has_path],
        brackets=PATH_ONLY_BRACKETS,
    )
    spans = order[has_path]
    n_maps, _, n_bins = outputs.liquidation_usd.shape
    index = np.indices((n_maps, 2, n_bins)).reshape(3, -1)
    amounts = amounts_in_cells(
        levels,
        spans[index[0]],
        index[1],
        outputs.first_bin[index[0]] + index[2],
        outputs.liquidation_usd.ravel().astype(np.float64),
    )
    held[spans] = amounts[spans]
    return held


def _bars(panel: Panel, known: BoolArray) -> Bars:
    """Return the hours of a panel whose prices are known as bars."""
    end = panel.span_end[known]
    nothing, no = np.full(len(end), np.nan), np.zeros(len(end), np.bool_)
    return Bars(
        open=panel.open[known],
        high=panel.high[known],
        low=panel.low[known],
        close=panel.close[known],
        mark_high=nothing,
        mark_low=nothing,
        volume=np.zeros(len(end)),
        taker_buy=nothing,
        open_interest=np.zeros(len(end)),
        is_imputed=no,
        has_gap_before=np.diff(end, prepend=end[:1] - HOUR_MICROSECONDS) != HOUR_MICROSECONDS,
        bar_seconds=3600,
        bar_end=end,
    )
