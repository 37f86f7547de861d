"""Which maps are compared with one another: those of a scope, and those of a provider's venues."""

from dataclasses import dataclass

import numpy as np

from jobs.build.hourly_maps import ALL_VENUES
from jobs.compare.map_set import BoolArray, FloatArray, IntArray, Labels, MapSet
from jobs.grouping import run_offsets


@dataclass(frozen=True, slots=True)
class MapGroups:
    """Groups of maps that are compared: an entry is a map in its group.

    Parameters
    ----------
    maps : ndarray of int64, shape (n_entries,)
        Index of the map of each entry.
    offsets : ndarray of int64, shape (n_groups + 1,)
        Entries of each group.
    price : ndarray of float64, shape (n_entries,)
        The one price of the group [USD per unit of the asset].
    labels : Labels
        Of each entry.
    """

    maps: IntArray
    offsets: IntArray
    price: FloatArray
    labels: Labels

    def __len__(self) -> int:
        """Return the number of entries."""
        return len(self.maps)

    @property
    def first(self) -> IntArray:
        """First entry of each group."""
        return self.offsets[:-1]

    @property
    def group(self) -> IntArray:
        """Group of each entry."""
        return np.repeat(np.arange(len(self.first)), np.diff(self.offsets))

    @property
    def scale_keys(self) -> IntArray:
        """What each entry counts in: equal keys compare, -1 compares with nothing."""
        labels = self.labels
        key = labels.codes("unit").astype(np.int64) * len(labels.names("semantics"))
        key += labels.codes("semantics")
        return np.where(labels.values("unit") == "relative", -1, key)


def group_by_scope(maps: MapSet) -> MapGroups:
    """Return the maps of each scope that is compared, hour by hour.

    A scope is all venues, or one venue of which an outside provider has a map.
    """
    labels = maps.labels
    offsets = run_offsets(labels.codes("asset"), labels.codes("venue"), labels.hour)
    is_all = labels.values("venue")[offsets[:-1]] == ALL_VENUES
    has_outside = np.logical_or.reduceat(maps.is_outside, offsets[:-1])
    price = _lower_median(maps.price, offsets)
    return _keep(maps, np.arange(len(labels)), offsets, price, is_all | has_outside)


def group_by_provider(maps: MapSet) -> MapGroups:
    """Return the maps of each provider's venues, hour by hour, around the asset's one price."""
    labels = maps.labels
    asset, venue, provider = (labels.codes(name) for name in ("asset", "venue", "provider"))
    is_all = labels.values("venue") == ALL_VENUES
    by_hour = np.lexsort((maps.price, ~is_all, labels.hour, asset))
    hour_offsets = run_offsets(asset[by_hour], labels.hour[by_hour])
    # The price of the sum over venues counts where there is one.
    all_count = np.add.reduceat(is_all[by_hour].astype(np.int64), hour_offsets[:-1])
    count = np.where(all_count > 0, all_count, np.diff(hour_offsets))
    hour_price = maps.price[by_hour[hour_offsets[:-1] + (count - 1) // 2]]
    price = np.empty_like(maps.price)
    price[by_hour] = np.repeat(hour_price, np.diff(hour_offsets))
    single = np.flatnonzero(~is_all)
    # By name: the order of codes depends on which maps were read.
    by_name = np.argsort(np.argsort(labels.names("venue")))[venue]
    order = single[
        np.lexsort((by_name[single], labels.hour[single], provider[single], asset[single]))
    ]
    offsets = run_offsets(asset[order], provider[order], labels.hour[order])
    return _keep(maps, order, offsets, price[order[offsets[:-1]]], np.diff(offsets) > 1)


def _lower_median(price: FloatArray, offsets: IntArray) -> FloatArray:
    """Return the median price of each run, the lower of two: one around which a map was drawn."""
    run = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    ordered = price[np.lexsort((price, run))]
    median: FloatArray = ordered[(offsets[:-1] + offsets[1:] - 1) // 2]
    return median


def _keep(
    maps: MapSet, order: IntArray, offsets: IntArray, price: FloatArray, is_kept: BoolArray
) -> MapGroups:
    """Return the groups that are kept; prices are by group."""
    sizes = np.diff(offsets)
    chosen = order[np.repeat(is_kept, sizes)]
    return MapGroups(
        maps=chosen,
        offsets=np.concatenate((np.zeros(1, np.int64), np.cumsum(sizes[is_kept]))),
        price=np.repeat(price[is_kept], sizes[is_kept]),
        labels=maps.labels.take(chosen),
    )
