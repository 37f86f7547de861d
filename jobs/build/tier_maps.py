"""Maps by leverage tier of one asset, provider and venue: of a series, summed, read back, as rows.

Belongs here: the shape of maps in ``derived.heatmap_by_tier``, which has the newest hours only.
Does not belong here: maps over all tiers (``hourly_maps``), and how a tier's map comes about
(``transforms``).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from jobs.build import limits
from jobs.build.hourly_maps import MapIdentity, TrimmedBins
from jobs.build.replay_records import Stretch
from transforms.maps import N_WINDOW_BINS, window_first_bin
from transforms.series import SIDES, Float32Array, FloatArray, IntArray
from warehouse.contracts import stored_rows


@dataclass(frozen=True, slots=True)
class TierMaps:
    """Maps by side and tier of some hours, without the empty bins at both ends of each.

    Rows are in order of hour, side and tier.

    Parameters
    ----------
    hours, price
        As in `HourlyMaps`.
    n_tiers : int
        Tiers of a side.
    first_bin, n_bins : ndarray of int64, shape (n_hours * 2 * n_tiers,)
        Published bin of each row's first value, and how many values it has.
    usd : ndarray of float32, shape (sum of n_bins,)
        Positions that would be liquidated, row after row [USD].
    """

    hours: IntArray
    price: FloatArray
    n_tiers: int
    first_bin: IntArray
    n_bins: IntArray
    usd: Float32Array

    @classmethod
    def of(
        cls, hours: IntArray, price: FloatArray, first_bin: IntArray, usd: npt.NDArray[np.floating]
    ) -> "TierMaps":
        """Return them from the arrays of all bins.

        Parameters
        ----------
        hours, price : ndarray, shape (n_hours,)
            As above.
        first_bin : ndarray of int64, shape (n_hours,)
            Published bin of the last axis' first element.
        usd : ndarray of float, shape (n_hours, 2, n_tiers, n_bins)
            Positions that would be liquidated [USD].
        """
        n_tiers, n_bins = usd.shape[2:]
        values = np.asarray(usd, dtype=np.float32).reshape(-1, n_bins)
        trimmed = TrimmedBins.of(values > 0.0)
        kept = np.diff(trimmed.offsets).astype(np.int64)
        first = np.where(kept > 0, trimmed.first + np.repeat(first_bin, 2 * n_tiers), 0)
        return cls(hours, price, n_tiers, first, kept, values[trimmed.is_kept])

    @classmethod
    def of_stretch(cls, stretch: Stretch) -> "TierMaps | None":
        """Return those of the newest hours of a series; None where no hour has one."""
        by_tier = stretch.outputs.liquidation_by_tier_usd
        if len(by_tier) == 0:
            return None
        newest = slice(-len(by_tier), None)
        outputs = stretch.outputs
        return cls.of(
            stretch.hours[newest], outputs.close[newest], outputs.first_bin[newest], by_tier
        )

    @classmethod
    def of_rows(cls, rows: pa.Table) -> "TierMaps":
        """Return the maps in rows of derived.heatmap_by_tier.

        Parameters
        ----------
        rows : pyarrow.Table
            Rows of one asset, provider and venue in order of hour, side and leverage, with the
            columns ``hour`` [microseconds], ``price``, ``first_bin_index`` and ``liquidation_usd``.
        """
        rows = rows.combine_chunks()
        hours, first_rows = np.unique(rows.column("hour").to_numpy(), return_index=True)
        bins = rows.column("liquidation_usd").combine_chunks()
        return cls(
            hours,
            rows.column("price").to_numpy()[first_rows],
            len(rows) // (len(hours) * len(SIDES)),
            rows.column("first_bin_index").to_numpy().astype(np.int64),
            bins.value_lengths().to_numpy().astype(np.int64),
            bins.flatten().to_numpy(),
        )


def prices_contradict(parts: Sequence[TierMaps]) -> bool:
    """Return whether in some hour the prices of maps are so far apart that one may be set apart."""
    prices = _prices(parts)[1]
    return bool(
        (np.nanmax(prices, axis=0) > limits.CONTRADICTORY * np.nanmin(prices, axis=0)).any()
    )


def sum_tier_maps(parts: Sequence[TierMaps]) -> TierMaps:
    """Return the sum of maps of one asset and provider over venues or instruments, all bins.

    An hour that only some of them have is the sum of those; its price is their median price, as
    that of their maps over all tiers.
    """
    first = min(int(each.first_bin[each.n_bins > 0].min(initial=2**31)) for each in parts)
    stop = max(
        int((each.first_bin + each.n_bins)[each.n_bins > 0].max(initial=0)) for each in parts
    )
    hours, prices = _prices(parts)
    first_bin = np.full(len(hours), min(first, stop))
    return _sum(parts, hours, np.nanmedian(prices, axis=0), first_bin, max(stop - first, 1))


def sum_near_price(parts: Sequence[TierMaps]) -> TierMaps:
    """Return the same sum, the bins of the window around its price alone."""
    hours, prices = _prices(parts)
    price = np.nanmedian(prices, axis=0)
    return _sum(parts, hours, price, window_first_bin(price), N_WINDOW_BINS)


def _prices(parts: Sequence[TierMaps]) -> tuple[IntArray, FloatArray]:
    """Return all hours, and the price of each part in them, shape (n_parts, n_hours)."""
    hours = np.unique(np.concatenate([each.hours for each in parts]))
    prices = np.full((len(parts), len(hours)), np.nan)
    for row, each in enumerate(parts):
        prices[row, np.searchsorted(hours, each.hours)] = each.price
    return hours, prices


def _sum(
    parts: Sequence[TierMaps],
    hours: IntArray,
    price: FloatArray,
    first_bin: IntArray,
    width: int,
) -> TierMaps:
    """Return the sum of maps in `width` bins from `first_bin` of each hour on."""
    n_tiers = parts[0].n_tiers
    n_rows = len(SIDES) * n_tiers
    total = np.zeros((len(hours) * n_rows, width))
    for each in parts:
        own_row = np.repeat(np.arange(len(each.n_bins)), each.n_bins)
        begins = np.cumsum(each.n_bins) - each.n_bins
        bins = np.arange(len(each.usd)) + (each.first_bin - begins)[own_row]
        hour = np.searchsorted(hours, each.hours)[own_row // n_rows]
        column = bins - first_bin[hour]
        is_inside = (column >= 0) & (column < width)
        row = hour * n_rows + own_row % n_rows
        total[row[is_inside], column[is_inside]] += each.usd[is_inside]
    usd = total.reshape(len(hours), len(SIDES), n_tiers, width)
    return TierMaps.of(hours, price, first_bin, usd)


def tier_map_rows(identity: MapIdentity, leverages: Sequence[float], maps: TierMaps) -> pa.Table:
    """Return rows of derived.heatmap_by_tier, one a side and tier, empty ones included."""
    n_rows = len(SIDES) * maps.n_tiers
    offsets = np.concatenate(([0], np.cumsum(maps.n_bins))).astype(np.int32)
    side = np.tile(np.repeat(np.arange(len(SIDES)), maps.n_tiers), len(maps.hours))
    return stored_rows(
        "derived.heatmap_by_tier",
        {
            "asset": identity.asset,
            "as_of": np.repeat(maps.hours, n_rows),
            "provider": identity.provider,
            "venue": identity.venue,
            "side": pa.array(SIDES).take(pa.array(side)),
            "leverage": np.tile(np.asarray(leverages, dtype=np.float64), len(side) // maps.n_tiers),
            "price": np.repeat(maps.price, n_rows),
            "first_bin_index": maps.first_bin.astype(np.int32),
            "liquidation_usd": pa.ListArray.from_arrays(offsets, pa.array(maps.usd)),
            "params_hash": identity.params_hash,
            "run_id": identity.run_id,
        },
    )
