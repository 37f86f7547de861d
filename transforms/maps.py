"""Batches of maps, and the window around price in which maps are compared.

Belongs here: the form in which many maps travel, and which bins of a map count as within 20 % of
price. Bands, disagreement and consensus all look through this one window, so that a bin is in
range for all of them or for none.
Does not belong here: the grid itself, and what is made of the maps.

The window of a map is a whole number of coarse bins. Coarse bin ``k`` holds the published bins
``2 k`` and ``2 k + 1``, its centre is at ``ln p = (4 k + 1.5) LOG_STEP``. It is in range if
``-0.2 <= ln(centre / price) < 0.2``. Centres are 0.004 apart and the interval is half open, so
every window holds exactly 100 coarse bins, that is 200 published ones, 50 coarse centres lying
below price and 50 at it or above.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from transforms.compiler import compiled
from transforms.errors import InvalidInput
from transforms.grid import BIN_LOG_WIDTH, FloatArray, IntArray

COMPARED_RANGE = 0.2
"""Largest |ln(coarse bin centre / price)| in which maps are compared [ln]."""

BINS_PER_COARSE_BIN = 2
"""Published bins in a coarse bin; 0.4 % of price, the finest at which providers can agree."""

COARSE_LOG_WIDTH = BINS_PER_COARSE_BIN * BIN_LOG_WIDTH
"""Width of a coarse bin in log price [ln]."""

N_COARSE_BINS = round(2.0 * COMPARED_RANGE / COARSE_LOG_WIDTH)
"""Coarse bins in a window."""

N_WINDOW_BINS = N_COARSE_BINS * BINS_PER_COARSE_BIN
"""Published bins in a window."""

SIDES = ("long", "short", "both")
"""The order of the axis of sides in every result that has one; 'both' is the sum by price."""


@dataclass(frozen=True, slots=True)
class MapBatch:
    """Many maps, each a dense run of published bins, laid end to end as Arrow lays out lists.

    Parameters
    ----------
    values : ndarray of float32 or float64, shape (n_values,)
        Liquidations by bin [USD, or what the provider counts in], map after map, bins ascending.
    offsets : ndarray of int, shape (n_maps + 1,)
        Map ``m`` is ``values[offsets[m]:offsets[m + 1]]``; an empty run is an empty map.
    first_bin : ndarray of int, shape (n_maps,)
        Published bin of the first value of each map.
    price : ndarray of float64, shape (n_maps,)
        Close at the instant of each map [USD per unit of the asset]. NaN: not known.

    Raises
    ------
    InvalidInput
        If the shapes or the offsets do not fit together.

    Examples
    --------
    >>> batch = MapBatch(
    ...     values=np.array([5.0, 7.0, 1.0]),
    ...     offsets=np.array([0, 2, 3]),
    ...     first_bin=np.array([-3, 4]),
    ...     price=np.array([1.0, 1.0]),
    ... )
    >>> batch.n_maps
    2
    """

    values: npt.NDArray[np.floating[Any]]
    offsets: npt.NDArray[np.integer[Any]]
    first_bin: npt.NDArray[np.integer[Any]]
    price: FloatArray

    def __post_init__(self) -> None:
        """Refuse arrays that do not describe one batch."""
        if self.values.ndim != 1 or self.offsets.ndim != 1 or self.offsets.size == 0:
            raise InvalidInput(
                f"values has shape {self.values.shape} and offsets {self.offsets.shape}; both must "
                "be 1-D and offsets must hold one entry more than there are maps"
            )
        if self.first_bin.shape != (self.n_maps,) or self.price.shape != (self.n_maps,):
            raise InvalidInput(
                f"offsets describe {self.n_maps} maps, but first_bin has shape "
                f"{self.first_bin.shape} and price {self.price.shape}; give one of each per map"
            )
        _require_offsets("offsets", self.offsets, self.values.size)

    @property
    def n_maps(self) -> int:
        """Number of maps in the batch."""
        return int(self.offsets.size) - 1


def _require_offsets(name: str, offsets: npt.NDArray[np.integer[Any]], size: int) -> None:
    """Refuse offsets that do not rise from 0 to the size of what they divide."""
    if (
        offsets.ndim != 1
        or offsets.size == 0
        or offsets[0] != 0
        or offsets[-1] != size
        or np.any(np.diff(offsets) < 0)
    ):
        raise InvalidInput(
            f"{name} must rise from 0 to {size} without falling, got {offsets}; for a slice of an "
            "Arrow list array subtract the first offset and slice the values"
        )


def require_groups(
    group_offsets: npt.NDArray[np.integer[Any]],
    long: FloatArray,
    short: FloatArray,
    price: npt.ArrayLike,
) -> tuple[IntArray, FloatArray]:
    """Return the offsets and prices of groups of aligned maps, refusing what does not fit together.

    Parameters
    ----------
    group_offsets : ndarray of int, shape (n_groups + 1,)
        Group ``g`` is the entries ``group_offsets[g]:group_offsets[g + 1]``.
    long, short : ndarray of float64, shape (n_entries, N_WINDOW_BINS)
        What `align_maps` returned for each side.
    price : array_like of float, shape (n_entries,)
        Close at the instant of the maps [USD per unit of the asset], the same within a group (NaN
        is the same as NaN).

    Returns
    -------
    group_offsets : ndarray of int64, shape (n_groups + 1,)
    price : ndarray of float64, shape (n_entries,)

    Raises
    ------
    InvalidInput
        If an array is no window, lengths differ, the offsets do not rise from 0 to the number of
        entries, or a group has two prices.

    Examples
    --------
    >>> window = np.zeros((2, N_WINDOW_BINS))
    >>> offsets, price = require_groups(np.array([0, 2]), window, window, [7.0, 7.0])
    >>> offsets.tolist(), price.tolist()
    ([0, 2], [7.0, 7.0])
    """
    prices = np.asarray(price, dtype=np.float64)
    n_entries = long.shape[0]
    if long.shape != (n_entries, N_WINDOW_BINS) or short.shape != long.shape:
        raise InvalidInput(
            f"long maps have shape {long.shape} and short ones {short.shape}, expected "
            f"(n_entries, {N_WINDOW_BINS}) both; make them with align_maps"
        )
    if prices.shape != (n_entries,):
        raise InvalidInput(
            f"{n_entries} entries have prices of shape {prices.shape}; give one each"
        )
    _require_offsets("group_offsets", group_offsets, n_entries)
    group = np.repeat(np.arange(group_offsets.size - 1), np.diff(group_offsets))
    expected = prices[group_offsets[group]]
    is_same = (prices == expected) | (np.isnan(prices) & np.isnan(expected))
    if not np.all(is_same):
        entry = int(np.argmin(is_same))
        raise InvalidInput(
            f"group {group[entry]} begins with price {expected[entry]}, but its entry {entry} has "
            f"{prices[entry]}; maps are compared around one price: align a group with one close"
        )
    return group_offsets.astype(np.int64), prices


def window_first_bin(price: npt.ArrayLike) -> IntArray:
    """Return the first published bin of the window around a price.

    It is even, being the first of a coarse bin. The window is that bin and the
    ``N_WINDOW_BINS - 1`` after it.

    Parameters
    ----------
    price : array_like of float, shape (...)
        Close at the instant of the map [USD per unit of the asset].

    Returns
    -------
    ndarray of int64, shape (...)
        Bin index; 0 where the price is not finite or not above 0 (`align_maps` leaves such maps
        without values, so that nothing is read into it).

    Examples
    --------
    The coarse bin -50 has its centre at ln p = -0.1985, the one before at -0.2025, out of range.

    >>> window_first_bin([1.0, 60000.0]).tolist()
    [-100, 5402]
    """
    array = np.asarray(price, dtype=np.float64)
    is_known = np.isfinite(array) & (array > 0.0)
    position = np.log(np.where(is_known, array, 1.0)) / COARSE_LOG_WIDTH
    # A coarse centre is 1.5 nodes, 3/8 of a coarse bin, above the coarse bin's first node.
    first = np.ceil(position - N_COARSE_BINS / 2 - 0.375).astype(np.int64)
    return np.where(is_known, first * BINS_PER_COARSE_BIN, 0)


def price_position(price: npt.ArrayLike) -> FloatArray:
    """Return where a price is among the centres of its window's published bins.

    Parameters
    ----------
    price : array_like of float, shape (...)
        As in `window_first_bin`.

    Returns
    -------
    ndarray of float64, shape (...)
        Position [published bins]: 0 at the centre of the window's first bin. NaN where the price
        is not finite or not above 0.

    Examples
    --------
    >>> price_position([1.0, np.exp(0.0005)]).round(6).tolist()
    [99.75, 100.0]
    """
    array = np.asarray(price, dtype=np.float64)
    known = np.where(np.isfinite(array) & (array > 0.0), array, np.nan)
    return np.log(known) / BIN_LOG_WIDTH - 0.25 - window_first_bin(array)


def near_edge_distance(price: npt.ArrayLike) -> FloatArray:
    """Return how far price has to move to reach each published bin of its window.

    Parameters
    ----------
    price : array_like of float, shape (n_maps,)
        Close at the instant of each map [USD per unit of the asset].

    Returns
    -------
    ndarray of float64, shape (n_maps, N_WINDOW_BINS)
        Distance to the edge nearest to price [ln], 0 for the bin that holds the price. NaN where
        the price is not finite or not above 0.

    Examples
    --------
    The price 1 is in bin 0, half a node above its lower edge.

    >>> near_edge_distance([1.0])[0, 98:102].round(6).tolist()
    [0.0025, 0.0005, 0.0, 0.0015]
    """
    position = price_position(price)[:, None]
    away = np.abs(np.arange(N_WINDOW_BINS) - position) - 0.5
    distance: FloatArray = BIN_LOG_WIDTH * np.maximum(away, 0.0)
    return distance


def align_maps(batch: MapBatch) -> FloatArray:
    """Return the window of every map as one row of an array.

    Parameters
    ----------
    batch : MapBatch
        Maps of one side.

    Returns
    -------
    ndarray of float64, shape (n_maps, N_WINDOW_BINS)
        Liquidations in the window's bins, in the unit of the map. Bins that the map does not hold
        are 0; a map whose price is not known has a row of NaN. Values are passed on as they are,
        NaN and negatives included: `has_shape` returns which rows can be used.

    Examples
    --------
    >>> batch = MapBatch(
    ...     np.array([5.0, 7.0]), np.array([0, 2]), np.array([-101]), np.array([1.0])
    ... )
    >>> row = align_maps(batch)[0]
    >>> row.shape, row[:2].tolist()
    ((200,), [7.0, 0.0])
    """
    aligned: FloatArray = _align(
        batch.values,
        batch.offsets.astype(np.int64),
        batch.first_bin.astype(np.int64),
        window_first_bin(batch.price),
        N_WINDOW_BINS,
    )
    aligned[~(np.isfinite(batch.price) & (batch.price > 0.0))] = np.nan
    return aligned


@compiled
def _align(
    values: npt.NDArray[np.floating[Any]],
    offsets: IntArray,
    first_bin: IntArray,
    window_first: IntArray,
    n_window_bins: int,
) -> FloatArray:
    """Return each map's values in its window, zeros elsewhere."""
    n_maps = offsets.size - 1
    aligned = np.zeros((n_maps, n_window_bins))
    for m in range(n_maps):
        shift = first_bin[m] - window_first[m]
        size = offsets[m + 1] - offsets[m]
        for i in range(max(0, shift), min(n_window_bins, shift + size)):
            aligned[m, i] = values[offsets[m] + i - shift]
    return aligned


def coarsen(aligned: FloatArray) -> FloatArray:
    """Return maps summed to coarse bins.

    Parameters
    ----------
    aligned : ndarray of float64, shape (..., N_WINDOW_BINS)
        Windows of maps.

    Returns
    -------
    ndarray of float64, shape (..., N_COARSE_BINS)
        Liquidations by coarse bin, in the unit of the map.

    Examples
    --------
    >>> coarsen(np.arange(200.0)[None, :])[0, :3].tolist()
    [1.0, 5.0, 9.0]
    """
    by_bin = aligned.reshape(*aligned.shape[:-1], N_COARSE_BINS, BINS_PER_COARSE_BIN)
    coarse: FloatArray = by_bin.sum(axis=-1)
    return coarse


def has_shape(aligned: FloatArray) -> npt.NDArray[np.bool_]:
    """Return which maps have a shape: finite, nowhere negative, somewhere above 0.

    Parameters
    ----------
    aligned : ndarray of float64, shape (..., n_bins)
        Liquidations by bin.

    Returns
    -------
    ndarray of bool, shape (...)
        False for an empty map and for one that holds NaN, an infinity or a negative value.

    Examples
    --------
    >>> has_shape(np.array([[0.0, 2.0], [0.0, 0.0], [np.nan, 1.0], [-1.0, 2.0]])).tolist()
    [True, False, False, False]
    """
    total = aligned.sum(axis=-1)
    # An infinity or NaN makes the total so too; a negative value shows in the minimum.
    shaped: npt.NDArray[np.bool_] = np.isfinite(total) & (total > 0.0) & (aligned.min(-1) >= 0.0)
    return shaped


def has_shape_by_side(long: FloatArray, short: FloatArray) -> npt.NDArray[np.bool_]:
    """Return which entries have a shape on each side.

    Parameters
    ----------
    long, short : ndarray of float64, shape (n_entries, n_bins)
        Liquidations by bin.

    Returns
    -------
    ndarray of bool, shape (n_entries, 3)
        By ``SIDES``. An entry with one side empty has a shape on 'both'; one with NaN or a negative
        value on either side has not.

    Examples
    --------
    >>> has_shape_by_side(np.array([[1.0], [1.0]]), np.array([[0.0], [-0.5]])).tolist()
    [[True, False, True], [True, False, False]]
    """
    both = np.concatenate((long, short), axis=1)
    return np.stack((has_shape(long), has_shape(short), has_shape(both)), axis=1)


def top_decile_thresholds(values: FloatArray) -> FloatArray:
    """Return the 90th percentile of the bins of each map that are not empty.

    Between two order statistics it interpolates linearly, as NumPy does by default; the position
    is worked out in whole numbers, so that a value exactly at the percentile is never lost.

    Parameters
    ----------
    values : ndarray of float64, shape (..., n_bins)
        Liquidations by bin. Only maps with a shape (see `has_shape`) have a threshold.

    Returns
    -------
    ndarray of float64, shape (...)
        Threshold in the unit of `values`; infinity if every bin is empty.

    Examples
    --------
    >>> top_decile_thresholds(np.array([[0.0, 1.0, 2.0, 3.0], [0.0, 0.0, 0.0, 0.0]])).tolist()
    [2.8, inf]
    """
    ordered = np.sort(values, axis=-1)
    n_filled = (values > 0.0).sum(axis=-1)
    tenths = 9 * np.maximum(n_filled - 1, 0)
    # The bins that are not empty are last.
    below = np.minimum(values.shape[-1] - n_filled + tenths // 10, values.shape[-1] - 1)
    above = np.minimum(below + 1, values.shape[-1] - 1)
    low = np.take_along_axis(ordered, below[..., None], axis=-1)[..., 0]
    high = np.take_along_axis(ordered, above[..., None], axis=-1)[..., 0]
    with np.errstate(invalid="ignore"):
        threshold = low + (high - low) * (tenths % 10 / 10.0)
    thresholds: FloatArray = np.where(n_filled > 0, threshold, np.inf)
    return thresholds
