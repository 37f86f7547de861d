"""From what estimators made to Arrow rows of the derived tables.

Belongs here: shaping. Does not belong here: modelling; a sum over venues is the only arithmetic.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from jobs.build.bracket_choice import bracket_columns
from jobs.build.replay import Series, Stretch
from transforms.series import SIDES, Outputs
from warehouse.contracts import stored_rows

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]

ALL_VENUES = "all"
UNLEVERED = "unlevered"
BEYOND_RANGE = "beyond_range"


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
        What would be closed [USD], longs and shorts.
    start_up_usd : ndarray of float, shape (n_hours, 2, n_bins), optional
        The part of it that is start-up mass [USD]; None where none is.
    """

    hours: IntArray
    price: FloatArray
    first_bin: IntArray
    liquidation_usd: npt.NDArray[np.floating]
    start_up_usd: npt.NDArray[np.floating] | None = None


def sum_maps(parts: Sequence[HourlyMaps]) -> HourlyMaps:
    """Return the sum of maps of one asset and provider over venues or instruments.

    An hour that only some of them have is the sum of those; its price is the median of theirs.
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


def maps_of(stretch: Stretch) -> HourlyMaps:
    """Return the maps of one series."""
    outputs = stretch.outputs
    return HourlyMaps(
        stretch.hours,
        outputs.close,
        outputs.first_bin,
        outputs.liquidation_usd,
        outputs.start_up_usd if outputs.start_up_usd.any() else None,
    )


def stored_maps(rows: pa.Table) -> HourlyMaps:
    """Return the maps that rows of derived.heatmap hold.

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
    # An empty side begins anywhere.
    first = int(own_first[widths > 0].min(initial=np.iinfo(np.int32).max))
    stop = max(int((own_first + widths)[widths > 0].max(initial=0)), first + 1)

    def dense(held: pa.ListArray) -> FloatArray:
        width = held.value_lengths().fill_null(0).to_numpy()
        values = np.zeros((len(rows), stop - first))
        row = np.repeat(np.arange(len(rows)), width)
        place = np.arange(len(row)) - np.repeat(np.cumsum(width) - width, width)
        values[row, place + np.repeat(own_first - first, width)] = held.flatten().to_numpy()
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


def runs(columns: dict[str, np.ndarray], keys: tuple[str, ...]) -> list[slice]:
    """Return the stretches of equal keys of columns that are in order of them."""
    size = len(columns[keys[0]])
    if size == 0:
        return []
    is_new = np.zeros(size, dtype=np.bool_)
    is_new[0] = True
    for name in keys:
        is_new[1:] |= columns[name][1:] != columns[name][:-1]
    firsts = np.flatnonzero(is_new)
    return [
        slice(int(first), int(stop))
        for first, stop in zip(firsts, np.append(firsts[1:], size), strict=True)
    ]


def _sides(n_hours: int) -> pa.Array:
    return pa.array(SIDES).take(pa.array(np.tile(np.arange(2), n_hours)))


def heatmap_rows(
    asset: str,
    provider: str,
    venue: str,
    maps: HourlyMaps,
    *,
    params_hash: str,
    run_id: str,
    unit: str = "usd",
    semantics: str = "standing",
) -> pa.Table:
    """Return rows of derived.heatmap, a row a side, empty bins at both ends left off.

    Arrays of start-up mass have the same bins; they are NULL where a side has none.
    """
    n_hours, _, n_bins = maps.liquidation_usd.shape
    flat = np.ascontiguousarray(maps.liquidation_usd, dtype=np.float32).reshape(-1, n_bins)
    is_filled = flat > 0
    is_empty = ~is_filled.any(axis=1)
    first = np.where(is_empty, 0, is_filled.argmax(axis=1))
    stop = np.where(is_empty, 0, n_bins - is_filled[:, ::-1].argmax(axis=1))
    columns = np.arange(n_bins)
    inside = (columns >= first[:, None]) & (columns < stop[:, None])
    offsets = np.concatenate(([0], np.cumsum(stop - first))).astype(np.int32)
    start_up = None
    if maps.start_up_usd is not None:
        flat_start_up = np.asarray(maps.start_up_usd, dtype=np.float32).reshape(-1, n_bins)
        start_up = pa.ListArray.from_arrays(
            offsets, pa.array(flat_start_up[inside]), mask=pa.array(~flat_start_up.any(axis=1))
        )
    return stored_rows(
        "derived.heatmap",
        {
            "asset": asset,
            "as_of": np.repeat(maps.hours, 2),
            "provider": provider,
            "venue": venue,
            "side": _sides(n_hours),
            "price": np.repeat(maps.price, 2),
            "first_bin_index": (first + np.repeat(maps.first_bin, 2)).astype(np.int32),
            "liquidation_usd": pa.ListArray.from_arrays(offsets, pa.array(flat[inside])),
            "start_up_usd": start_up,
            "unit": unit,
            "semantics": semantics,
            "params_hash": params_hash,
            "run_id": run_id,
        },
    )


def _identity(series: Series, stretch: Stretch, repeats: int) -> dict[str, pa.Array]:
    return {
        "asset": series.asset,
        "as_of": np.repeat(stretch.hours, repeats),
        "provider": stretch.provider,
        "venue": series.venue,
        "instrument": series.instrument,
    }


def exposure_rows(
    series: Series, stretch: Stretch, leverages: Sequence[float], run_id: str
) -> pa.Table:
    """Return rows of derived.leverage_exposure: tiers, the unlevered, and what is out of range.

    What was consumed and swept is of the tiers alone, whether in range or not.
    """
    outputs = stretch.outputs
    tiers = [f"{leverage:g}x" for leverage in leverages] + [UNLEVERED, BEYOND_RANGE]
    n_rows = 2 * len(stretch.hours)
    offsets = np.arange(n_rows + 1, dtype=np.int32) * len(tiers)

    def by_tier(in_range: FloatArray, unlevered: FloatArray, beyond: FloatArray) -> pa.Array:
        total_beyond = beyond.sum(axis=2, keepdims=True)
        held = np.concatenate((in_range, unlevered[:, :, None], total_beyond), axis=2)
        return pa.ListArray.from_arrays(offsets, pa.array(held.ravel()))

    none = np.zeros_like(outputs.unlevered_base)
    never = none[:, :, None]
    per_base = _quantity_per_base(series, outputs)[:, None, None]
    mask = pa.array(np.isnan(outputs.consumed_usd).any(axis=2).ravel())

    def flow(happened: FloatArray) -> pa.Array:
        held = np.concatenate((happened, none[:, :, None], never), axis=2)
        return pa.ListArray.from_arrays(offsets, pa.array(held.ravel()), mask=mask)

    return stored_rows(
        "derived.leverage_exposure",
        {
            **_identity(series, stretch, 2),
            "side": _sides(len(stretch.hours)),
            "tier": pa.repeat(pa.scalar(tiers), n_rows),
            "position_base": by_tier(
                outputs.in_range_base, outputs.unlevered_base, outputs.beyond_base
            ),
            "position_usd": by_tier(
                outputs.in_range_usd, outputs.unlevered_usd, outputs.beyond_usd
            ),
            "near_base": by_tier(outputs.near_base, none, never),
            "near_usd": by_tier(outputs.near_usd, none, never),
            "consumed_base": flow(outputs.consumed_quantity / per_base),
            "consumed_usd": flow(outputs.consumed_usd),
            "swept_base": flow(outputs.swept_quantity / per_base),
            "swept_usd": flow(outputs.swept_usd),
            "params_hash": stretch.params_hash,
            "run_id": run_id,
        },
    )


def series_hour_rows(series: Series, stretch: Stretch, run_id: str) -> pa.Table:
    """Return rows of derived.series_hour: the books of each hour."""
    outputs = stretch.outputs
    per_base = _quantity_per_base(series, outputs)
    held = (
        outputs.in_range_base.sum(axis=2) + outputs.beyond_base.sum(axis=2) + outputs.unlevered_base
    )
    consumed = outputs.consumed_quantity.sum(axis=2) / per_base[:, None]
    swept = outputs.swept_quantity.sum(axis=2) / per_base[:, None]
    excess = outputs.excess_quantity / per_base[:, None]
    # Bars cleared on last price leave no doubt only when there are none of the other kind.
    is_last = outputs.last_price_count * 2 > outputs.bar_count
    return stored_rows(
        "derived.series_hour",
        {
            **_identity(series, stretch, 1),
            "price": outputs.close,
            "open_interest_base": outputs.open_interest / per_base,
            "long_base": held[:, 0],
            "short_base": held[:, 1],
            "consumed_long_base": _observed(consumed[:, 0]),
            "consumed_short_base": _observed(consumed[:, 1]),
            "swept_long_base": _observed(swept[:, 0]),
            "swept_short_base": _observed(swept[:, 1]),
            "excess_long_base": _observed(excess[:, 0]),
            "excess_short_base": _observed(excess[:, 1]),
            "balance_factor_min": _observed(outputs.balance_min),
            "balance_factor_max": _observed(outputs.balance_max),
            "books_error_ratio": outputs.books_error.max(axis=1),
            "bar_count": outputs.bar_count,
            "violation_count": outputs.violation_count,
            "imputed_count": outputs.imputed_count,
            "liquidation_price_source": pa.array(["mark", "last"]).take(
                pa.array(is_last.astype(np.int64))
            ),
            "start_up_long_ratio": _observed(outputs.start_up_ratio[:, 0]),
            "start_up_short_ratio": _observed(outputs.start_up_ratio[:, 1]),
            "start_up_in_range_ratio": _observed(outputs.start_up_in_range_ratio.max(axis=1)),
            "is_warm_up": stretch.is_warm_up,
            **bracket_columns(stretch.brackets, stretch.hours, stretch.reference_position_usd),
            "params_hash": stretch.params_hash,
            "run_id": run_id,
        },
    )


def _quantity_per_base(series: Series, outputs: Outputs) -> FloatArray:
    """Return quantity per unit of the asset at each instant: the close for inverse contracts."""
    return outputs.close if series.contract_kind == "inverse" else np.ones(len(outputs))


def _observed(values: FloatArray) -> pa.Array:
    """Return values with NaN as NULL."""
    return pa.array(values, mask=np.isnan(values))


def checkpoint_rows(series: Series, stretch: Stretch, run_id: str) -> pa.Table:
    """Return rows of derived.model_checkpoint."""
    kept = stretch.checkpoints
    return stored_rows(
        "derived.model_checkpoint",
        {
            "asset": series.asset,
            "checkpoint_at": np.array([each.at for each in kept], dtype=np.int64),
            "provider": stretch.provider,
            "venue": series.venue,
            "instrument": series.instrument,
            "first_bar_at": series.first_bar_start,
            "last_bar_end_at": np.array([each.last_bar_end for each in kept], dtype=np.int64),
            "observed_bar_end_at": np.array([each.observed_end for each in kept], dtype=np.int64),
            "state": pa.array([each.state.to_bytes() for each in kept], pa.binary()),
            "params_hash": stretch.params_hash,
            "run_id": run_id,
        },
    )
