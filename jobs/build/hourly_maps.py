"""Maps of one asset, provider and venue, hour by hour: summed over venues, read back, as rows.

Belongs here: the shape of maps in ``derived.heatmap``. Does not belong here: modelling; a sum over
venues is the only arithmetic.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from duckdb import DuckDBPyConnection

from transforms.series import SIDES, BoolArray, FloatArray, IntArray
from warehouse.contracts import stored_rows

QUANTILE_COLUMNS = ("liquidation_q10_usd", "liquidation_q50_usd", "liquidation_q90_usd")
"""Columns of ``uncertainty.QUANTILES`` in derived.heatmap."""

ALL_VENUES = "all"
"""Venue of the sum over venues."""


@dataclass(frozen=True, slots=True)
class MapIdentity:
    """Whose maps these are, and in what they count.

    Parameters
    ----------
    asset, provider, venue : str
        Whose.
    params_hash, run_id : str
        Parameters that made them, and the run that wrote them.
    unit, semantics : str
        Unit of the values, and what they count; other than these for outside providers only.
    """

    asset: str
    provider: str
    venue: str
    params_hash: str
    run_id: str
    unit: str = "usd"
    semantics: str = "standing"


@dataclass(frozen=True, slots=True)
class HourlyMaps:
    """Maps of one asset, provider and venue, hour by hour.

    Parameters
    ----------
    hours : ndarray of int64, shape (n_hours,)
        Instants [microseconds].
    price : ndarray of float64, shape (n_hours,)
        Close at each [USD per unit of the asset].
    first_bin : ndarray of int64, shape (n_hours,)
        Published bin of the last axis' first element.
    liquidation_usd : ndarray of float, shape (n_hours, 2, n_bins)
        Positions that would be liquidated [USD], longs and shorts.
    start_up_usd : ndarray of float, shape (n_hours, 2, n_bins), optional
        The part of it that is start-up mass [USD]; None where none is.
    quantiles_usd : ndarray of float, shape (n_hours, 3, 2, n_bins), optional
        ``uncertainty.QUANTILES`` of it [USD], NaN in bins without; None where nothing was fitted.
    """

    hours: IntArray
    price: FloatArray
    first_bin: IntArray
    liquidation_usd: npt.NDArray[np.floating]
    start_up_usd: npt.NDArray[np.floating] | None = None
    quantiles_usd: npt.NDArray[np.floating] | None = None


def sum_maps(parts: Sequence[HourlyMaps]) -> HourlyMaps:
    """Return the sum of maps of one asset and provider over venues or instruments.

    An hour that only some of them have is the sum of those; its price is their median price.
    """
    if len(parts) == 1:
        return parts[0]
    hours = np.unique(np.concatenate([maps.hours for maps in parts]))
    first_bin = min(int(maps.first_bin.min()) for maps in parts)
    stop = max(int(maps.first_bin.max()) + maps.liquidation_usd.shape[2] for maps in parts)
    total = np.zeros((len(hours), 2, stop - first_bin))
    has_start_up = any(maps.start_up_usd is not None for maps in parts)
    start_up = np.zeros_like(total) if has_start_up else None
    prices = np.full((len(parts), len(hours)), np.nan)
    for row, maps in enumerate(parts):
        at = np.searchsorted(hours, maps.hours)
        prices[row, at] = maps.price
        columns = (maps.first_bin - first_bin)[:, None] + np.arange(maps.liquidation_usd.shape[2])
        for side in range(len(SIDES)):
            total[at[:, None], side, columns] += maps.liquidation_usd[:, side]
            if start_up is not None and maps.start_up_usd is not None:
                start_up[at[:, None], side, columns] += maps.start_up_usd[:, side]
    price = np.nanmedian(prices, axis=0)
    return HourlyMaps(hours, price, np.full(len(hours), first_bin), total, start_up)


def stored_maps(rows: pa.Table) -> HourlyMaps:
    """Return the maps in rows of derived.heatmap.

    Parameters
    ----------
    rows : pyarrow.Table
        Rows of one asset, provider and venue in order of hour and side, two an hour, with the
        columns ``hour`` [microseconds], ``price``, ``first_bin_index``, ``liquidation_usd`` and
        ``start_up_usd``.
    """
    rows = rows.combine_chunks()
    own_first = rows.column("first_bin_index").to_numpy().astype(np.int64)
    bins = rows.column("liquidation_usd").combine_chunks()
    widths = bins.value_lengths().to_numpy()
    # The first bin of an empty side is arbitrary.
    first = int(own_first[widths > 0].min(initial=np.iinfo(np.int32).max))
    stop = max(int((own_first + widths)[widths > 0].max(initial=0)), first + 1)

    def dense(lists: pa.ListArray) -> FloatArray:
        width = lists.value_lengths().fill_null(0).to_numpy()
        values = np.zeros((len(rows), stop - first))
        row = np.repeat(np.arange(len(rows)), width)
        place = np.arange(len(row)) - np.repeat(np.cumsum(width) - width, width)
        values[row, place + np.repeat(own_first - first, width)] = lists.flatten().to_numpy()
        return values.reshape(-1, len(SIDES), stop - first)

    start_up = rows.column("start_up_usd").combine_chunks()
    hours = rows.column("hour").to_numpy()[:: len(SIDES)]
    return HourlyMaps(
        hours,
        rows.column("price").to_numpy()[:: len(SIDES)],
        np.full(len(hours), first),
        dense(bins),
        None if start_up.null_count == len(rows) else dense(start_up),
    )


@dataclass(frozen=True, slots=True)
class TrimmedBins:
    """Rows of bins without the empty ones at both ends, as they are stored.

    Parameters
    ----------
    first : ndarray of int64, shape (n_rows,)
        First bin that is kept of each row; 0 where a row is empty.
    offsets : ndarray of int32, shape (n_rows + 1,)
        Where the kept values of each row begin among all kept values.
    is_kept : ndarray of bool, shape (n_rows, n_bins)
        Bins that are kept.
    """

    first: IntArray
    offsets: npt.NDArray[np.int32]
    is_kept: BoolArray

    @classmethod
    def of(cls, is_filled: BoolArray) -> "TrimmedBins":
        """Return the trimming of rows, shape (n_rows, n_bins), by which bins hold anything."""
        n_bins = is_filled.shape[1]
        is_empty = ~is_filled.any(axis=1)
        first = np.where(is_empty, 0, is_filled.argmax(axis=1))
        stop = np.where(is_empty, 0, n_bins - is_filled[:, ::-1].argmax(axis=1))
        bins = np.arange(n_bins)
        is_kept = (bins >= first[:, None]) & (bins < stop[:, None])
        offsets = np.concatenate(([0], np.cumsum(stop - first))).astype(np.int32)
        return cls(first, offsets, is_kept)

    def lists(self, values: npt.NDArray[np.generic], is_null: BoolArray | None = None) -> pa.Array:
        """Return the kept values of rows, shape (n_rows, n_bins); NaN as NULL, as null rows."""
        kept = values[self.is_kept]
        # Values without NaN are wrapped, not copied.
        has_nan = bool(np.isnan(kept).any())
        return pa.ListArray.from_arrays(
            self.offsets,
            pa.array(kept, from_pandas=has_nan),
            mask=None if is_null is None else pa.array(is_null),
        )


def nullable(values: FloatArray) -> pa.Array:
    """Return a column of values, whatever their shape, with NaN as NULL."""
    return pa.array(np.ascontiguousarray(values).ravel(), from_pandas=True)


def repeat_sides(n_hours: int, sides: Sequence[str] = SIDES) -> pa.Array:
    """Return the column of sides of a table with one row a side in each hour."""
    return pa.array(sides).take(pa.array(np.tile(np.arange(len(sides)), n_hours)))


def heatmap_rows(identity: MapIdentity, maps: HourlyMaps) -> pa.Table:
    """Return rows of derived.heatmap, one a side, without the empty bins at both ends.

    Start-up mass has the same bins; it is NULL where a side has none.
    """
    n_hours, _, n_bins = maps.liquidation_usd.shape
    values = np.ascontiguousarray(maps.liquidation_usd, dtype=np.float32).reshape(-1, n_bins)
    trimmed = TrimmedBins.of(values > 0)
    start_up = None
    if maps.start_up_usd is not None:
        start_up_values = np.asarray(maps.start_up_usd, dtype=np.float32).reshape(-1, n_bins)
        has_none = np.asarray(~start_up_values.any(axis=1))
        start_up = trimmed.lists(start_up_values, is_null=has_none)
    quantiles: dict[str, pa.Array | None] = dict.fromkeys(QUANTILE_COLUMNS)
    if maps.quantiles_usd is not None:
        by_quantile = np.asarray(maps.quantiles_usd, dtype=np.float32).swapaxes(0, 1)
        for name, own in zip(QUANTILE_COLUMNS, by_quantile, strict=True):
            quantiles[name] = trimmed.lists(own.reshape(-1, n_bins))
    return stored_rows(
        "derived.heatmap",
        {
            "asset": identity.asset,
            "as_of": np.repeat(maps.hours, 2),
            "provider": identity.provider,
            "venue": identity.venue,
            "side": repeat_sides(n_hours),
            "price": np.repeat(maps.price, 2),
            "first_bin_index": (trimmed.first + np.repeat(maps.first_bin, 2)).astype(np.int32),
            "liquidation_usd": trimmed.lists(values),
            "start_up_usd": start_up,
            **quantiles,
            "unit": identity.unit,
            "semantics": identity.semantics,
            "params_hash": identity.params_hash,
            "run_id": identity.run_id,
        },
    )


def newest_hour(connection: DuckDBPyConnection, as_of: datetime) -> datetime:
    """Return the newest hour that has a map, at or before `as_of`; `as_of` itself without any."""
    row = connection.execute(
        "select max(as_of) from derived.heatmap where as_of <= ?", [as_of]
    ).fetchone()
    newest: datetime = row[0] if row and row[0] is not None else as_of
    return newest
