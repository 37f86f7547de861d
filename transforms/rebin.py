"""Maps of outside providers, in cells of their own, put onto the published grid.

Belongs here: sharing what a cell holds among published bins without loss, and without stripes.
Does not belong here: reading a provider's answer, and what its values mean.

A cell from ``price_low`` to ``price_high`` is spread evenly in log price and given to the bins it
overlaps. A cell without width (a point) is shared linearly between the two nodes next to it, which
belong to bins, as fresh positions of our own estimators are (cloud in cell; R. W. Hockney and J. W.
Eastwood, Computer Simulation Using Particles, 1988, ch. 5). What lies beyond the published range
is not lost: it is summed per map, below and above.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from transforms.compiler import compiled
from transforms.errors import InvalidInput
from transforms.grid import (
    BIN_LOG_WIDTH,
    NODES_PER_BIN,
    FloatArray,
    IntArray,
    published_bins,
)
from transforms.maps import MapBatch

_SNAP_BINS = 1e-6
"""Distance from a bin edge [bins] that is but rounding of its price: what ends there ends on it."""

_POINT_BINS = 1e-5
"""Width [bins] below which a cell is a point."""


@dataclass(frozen=True, slots=True)
class RebinnedMaps:
    """Maps on the published grid, and what they hold beyond it.

    Parameters
    ----------
    maps : MapBatch
        One map per price given, over all published bins, in the unit of the cells.
    below_range, above_range : ndarray of float64, shape (n_maps,)
        Amount below the first and above the last published bin, in the same unit.
    """

    maps: MapBatch
    below_range: FloatArray
    above_range: FloatArray


def rebin_cells(
    map_index: npt.NDArray[np.int64],
    price_low: FloatArray,
    price_high: FloatArray,
    value: FloatArray,
    price: npt.ArrayLike,
) -> RebinnedMaps:
    """Return maps on the published grid that hold what their cells hold.

    Parameters
    ----------
    map_index : ndarray of int, shape (n_cells,)
        Map each cell belongs to, from 0; in any order. Cells may overlap (one per leverage, say)
        and add up.
    price_low, price_high : ndarray of float64, shape (n_cells,)
        Ends of each cell [USD per unit of the asset]; equal for a point.
    value : ndarray of float64, shape (n_cells,)
        What each cell holds, in the provider's unit.
    price : array_like of float, shape (n_maps,)
        Close at the instant of each map [USD per unit of the asset]; it decides which bins are
        published.

    Returns
    -------
    RebinnedMaps
        The sum over bins, below and above is the sum over cells, to rounding.

    Raises
    ------
    InvalidInput
        If lengths differ, a map index has no price, a price is not finite or not above 0, a cell
        is upside down, or a value is not finite or negative. Nothing is repaired in silence.

    Examples
    --------
    A cell over two whole bins and half a third, and a point a quarter of the way from node 1 (bin
    0) to node 2 (bin 1):

    >>> done = rebin_cells(
    ...     map_index=np.array([0, 1]),
    ...     price_low=np.exp([-0.0005, 0.00125]),
    ...     price_high=np.exp([0.0045, 0.00125]),
    ...     value=np.array([5.0, 1.0]),
    ...     price=[1.0, 1.0],
    ... )
    >>> zero = -int(done.maps.first_bin[0])
    >>> dense = done.maps.values.reshape(2, -1)
    >>> dense[:, zero : zero + 4].round(9).tolist()
    [[2.0, 2.0, 1.0, 0.0], [0.75, 0.25, 0.0, 0.0]]
    """
    prices = np.atleast_1d(np.asarray(price, dtype=np.float64))
    _check_cells(map_index, price_low, price_high, value, prices.size)
    first_bin, n_bins = published_bins(prices)
    offsets = np.concatenate((np.zeros(1, np.int64), np.cumsum(n_bins)))
    values, below, above = _share_out(
        map_index.astype(np.int64),
        np.log(price_low) / BIN_LOG_WIDTH,
        np.log(price_high) / BIN_LOG_WIDTH,
        value.astype(np.float64),
        first_bin,
        offsets,
    )
    return RebinnedMaps(
        maps=MapBatch(values=values, offsets=offsets, first_bin=first_bin, price=prices),
        below_range=below,
        above_range=above,
    )


def _check_cells(
    map_index: npt.NDArray[np.int64],
    price_low: FloatArray,
    price_high: FloatArray,
    value: FloatArray,
    n_maps: int,
) -> None:
    """Refuse cells that make no sense."""
    columns = {"price_low": price_low, "price_high": price_high, "value": value}
    for name, column in columns.items():
        if column.shape != map_index.shape or map_index.ndim != 1:
            raise InvalidInput(
                f"{name} has shape {column.shape} and map_index {map_index.shape}; give one of "
                "each per cell, 1-D"
            )
    for name, is_wrong, rule in (
        ("map_index", (map_index < 0) | (map_index >= n_maps), f"0 to {n_maps - 1}"),
        ("price_low", ~(np.isfinite(price_low) & (price_low > 0.0)), "finite and above 0"),
        ("price_high", ~(np.isfinite(price_high) & (price_high >= price_low)), "at or above low"),
        ("value", ~(np.isfinite(value) & (value >= 0.0)), "finite and not negative"),
    ):
        if np.any(is_wrong):
            cell = int(np.argmax(is_wrong))
            received = {"map_index": map_index, **columns}[name][cell]
            raise InvalidInput(
                f"{name}[{cell}] is {received}, expected {rule}; quarantine such cells before"
            )


@compiled
def _snap(position: float) -> float:
    """Return the nearest whole number where the position is one but for rounding."""
    whole = round(position)
    return float(whole) if abs(position - whole) < _SNAP_BINS else position


@compiled
def _share_out(
    map_index: IntArray,
    low: FloatArray,
    high: FloatArray,
    value: FloatArray,
    first_bin: IntArray,
    offsets: IntArray,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return the bins of all maps end to end, and what is below and above; prices are in bins."""
    n_maps = first_bin.size
    values = np.zeros(offsets[-1])
    below = np.zeros(n_maps)
    above = np.zeros(n_maps)
    for cell in range(map_index.size):
        m = map_index[cell]
        n_bins = offsets[m + 1] - offsets[m]
        row = values[offsets[m] : offsets[m + 1]]
        if high[cell] - low[cell] < _POINT_BINS:
            node_position = _snap(0.5 * (low[cell] + high[cell]) * NODES_PER_BIN)
            node = math.floor(node_position)
            weight = node_position - node
            for step, share in ((0, 1.0 - weight), (1, weight)):
                i = (node + step) // NODES_PER_BIN - first_bin[m]
                if i < 0:
                    below[m] += share * value[cell]
                elif i >= n_bins:
                    above[m] += share * value[cell]
                else:
                    row[i] += share * value[cell]
            continue
        # The lower edge of bin j is at j - 1/4 bins of log price: half a node below its first.
        start = _snap(low[cell] + 0.25) - first_bin[m]
        end = _snap(high[cell] + 0.25) - first_bin[m]
        density = value[cell] / (end - start)
        below[m] += density * max(min(end, 0.0) - start, 0.0)
        above[m] += density * max(end - max(start, float(n_bins)), 0.0)
        first = math.floor(min(max(start, 0.0), float(n_bins)))
        last = math.ceil(min(max(end, 0.0), float(n_bins)))
        for i in range(first, last):
            row[i] += density * (min(end, i + 1.0) - max(start, float(i)))
    return values, below, above
