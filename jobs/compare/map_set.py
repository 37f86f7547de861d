"""The stored maps of some assets and hours, their values around a price, and groups to compare.

Belongs here: reading maps from ``derived.heatmap``, aligning them, choosing which are compared with
one another: those of a scope, and those of a provider's venues. Does not belong here: the metrics
(``transforms``).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from duckdb import DuckDBPyConnection

from jobs.build.hourly_maps import ALL_VENUES
from jobs.errors import JobError
from jobs.grouping import run_offsets
from transforms.maps import COMPARED_RANGE, MapBatch, align_maps
from transforms.series import BoolArray, FloatArray, IntArray
from warehouse.queries import named_query


@dataclass(frozen=True, slots=True)
class Labels:
    """Identity, time and unit of maps of two sides.

    Parameters
    ----------
    text : dict of str to pyarrow.DictionaryArray
        asset, venue, provider, unit, semantics, params_hash.
    hour : ndarray of int64, shape (n_maps,)
        Instants [microseconds].
    """

    text: dict[str, pa.DictionaryArray]
    hour: IntArray

    @classmethod
    def of(cls, table: pa.Table) -> "Labels":
        """Return the labels of a table of maps."""
        names = ("asset", "venue", "provider", "unit", "semantics", "params_hash")
        return cls(
            {name: table.column(name).combine_chunks().dictionary_encode() for name in names},
            table.column("hour").to_numpy(),
        )

    def __len__(self) -> int:
        """Return the number of maps."""
        return len(self.hour)

    def take(self, at: IntArray) -> "Labels":
        """Return the labels of some maps."""
        chosen = pa.array(at)
        return Labels(
            {name: texts.take(chosen) for name, texts in self.text.items()}, self.hour[at]
        )

    def codes(self, name: str) -> npt.NDArray[np.int32]:
        """Return a column as integers, equal where the texts are equal."""
        codes: npt.NDArray[np.int32] = self.text[name].indices.to_numpy()
        return codes

    def names(self, name: str) -> npt.NDArray[np.str_]:
        """Return the distinct texts of a column, in order of their codes."""
        names: npt.NDArray[np.str_] = np.array(self.text[name].dictionary.to_pylist())
        return names

    def values(self, name: str) -> npt.NDArray[np.str_]:
        """Return a column as texts."""
        return self.names(name)[self.codes(name)]

    def columns(self, *names: str) -> dict[str, pa.Array]:
        """Return asset, as_of and the named columns of a table."""
        return {"as_of": self.hour, **{name: self.text[name] for name in ("asset", *names)}}


@dataclass(frozen=True, slots=True)
class MapSet:
    """Maps of some assets and hours in order of asset, venue, hour and provider.

    Parameters
    ----------
    labels : Labels
        Of each map of two sides.
    bins, start_up : pyarrow.ListArray
        Values of the long and the short side of each map in turn, and the part of them that is
        start-up mass; NULL where none is.
    first_bin : ndarray of int32, shape (2 n_maps,)
        Published bin of the first value of each.
    price : ndarray of float64, shape (n_maps,)
        Close around which the map was drawn [USD per unit of the asset].
    is_outside, is_fitting : ndarray of bool, shape (n_maps,)
        Whether the map is of an outside provider, and whether its own price fits the hour.
    covered : ndarray of float64, shape (n_maps, 2)
        Log prices between which the map has values; infinite for maps that cover all prices.
    """

    labels: Labels
    bins: pa.ListArray
    start_up: pa.ListArray
    first_bin: npt.NDArray[np.int32]
    price: FloatArray
    is_outside: BoolArray
    is_fitting: BoolArray
    covered: FloatArray

    def windows(self, maps: IntArray, price: FloatArray) -> FloatArray:
        """Return the windows of some maps around prices, shape (n, 2, n_bins); NaN where unfit."""
        windows = self._windows(self.bins, maps, price)
        windows[~self.is_fitting[maps]] = np.nan
        return windows

    def start_up_windows(self, maps: IntArray, price: FloatArray) -> FloatArray:
        """Return the start-up mass of some maps around prices, shape (n, 2, n_bins)."""
        return self._windows(self.start_up, maps, price)

    def _windows(self, lists: pa.ListArray, maps: IntArray, price: FloatArray) -> FloatArray:
        rows = np.stack((2 * maps, 2 * maps + 1), axis=1).ravel()
        batch = list_batch(lists.take(pa.array(rows)), self.first_bin[rows], np.repeat(price, 2))
        return align_maps(batch).reshape(len(maps), 2, -1)

    def batch(self, maps: IntArray, side: int, price: FloatArray) -> MapBatch:
        """Return one side of some maps, around prices of their own."""
        rows = 2 * maps + side
        return list_batch(self.bins.take(pa.array(rows)), self.first_bin[rows], price)

    def covered_ratio(self, maps: IntArray, price: FloatArray) -> FloatArray:
        """Return the share of the compared prices that some maps cover, by ``SIDES``."""
        low, high = (self.covered[maps] - np.log(price)[:, None]).T
        below = np.clip(np.minimum(high, 0.0) - np.maximum(low, -COMPARED_RANGE), 0.0, None)
        above = np.clip(np.minimum(high, COMPARED_RANGE) - np.maximum(low, 0.0), 0.0, None)
        return np.stack((below, above, (below + above) / 2), axis=1) / COMPARED_RANGE


def list_batch(
    lists: pa.ListArray, first_bin: npt.NDArray[np.integer], price: FloatArray
) -> MapBatch:
    """Return maps whose values are an Arrow list each, without copying them."""
    offsets = lists.offsets.to_numpy()
    values = lists.values.to_numpy()[offsets[0] : offsets[-1]]
    return MapBatch(values, offsets - offsets[0], first_bin, price)


def read_map_set(
    connection: DuckDBPyConnection, assets: Sequence[str], start: datetime, end: datetime
) -> MapSet | None:
    """Return the stored maps of some assets with start < as_of <= end; None where there are none.

    Raises
    ------
    JobError
        A stored map lacks a side.
    """
    table = (
        connection.execute(
            named_query("map_sides"), {"from_at": start, "until_at": end, "assets": assets}
        )
        .to_arrow_table()
        .combine_chunks()
    )
    if table.num_rows == 0:
        return None
    is_short = table.column("is_short").to_numpy()
    if len(is_short) % 2 or is_short[::2].any() or not is_short[1::2].all():
        raise JobError(
            f"a map of {', '.join(assets)} between {start} and {end} has not one row a side in "
            "derived.heatmap; move the warehouse away and run again: it is built from what landed"
        )
    every = pa.array(np.arange(0, table.num_rows, 2))
    maps = table.drop_columns(["liquidation_usd", "start_up_usd", "first_bin_index"]).take(every)
    column = {name: maps.column(name).to_numpy() for name in maps.column_names}
    return MapSet(
        labels=Labels.of(maps),
        bins=table.column("liquidation_usd").chunk(0),
        start_up=table.column("start_up_usd").chunk(0),
        first_bin=table.column("first_bin_index").to_numpy(),
        price=column["price"],
        is_outside=column["is_outside"],
        is_fitting=column["is_fitting"],
        covered=np.stack((column["covered_low"], column["covered_high"]), axis=1),
    )


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
