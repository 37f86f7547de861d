"""The stored maps of some assets and hours, their labels, and their values around a price.

Belongs here: reading maps from ``derived.heatmap`` and aligning them. Does not belong here: which
are compared (``map_groups``), and the metrics (``transforms``).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from duckdb import DuckDBPyConnection

from jobs.errors import JobError
from transforms.maps import COMPARED_RANGE, MapBatch, align_maps
from warehouse.queries import named_query

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]


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
