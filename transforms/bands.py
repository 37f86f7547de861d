"""Bands: runs of bins that stand out from the rest of their side, and who agrees on them.

Belongs here: finding and ranking the bands of a map, and telling whether two bands are one place.
Does not belong here: the odds that price gets there, and what happens then.

Definition. Among the bins of the map's window (see ``transforms.maps``), a bin is dense if it is
not empty and holds at least the 90th percentile of the side's bins that are not empty. Bins are
equally wide in log price, so what a bin holds is its density. Dense bins no more than one bin
apart belong to one band, which runs from the first of them to the last and holds everything in
between, the bridged bin too. Bands are ranked by what they hold; ten per side are kept.

Ties, in the peak of a band and in the rank, go to what is nearer to the price, then to the lower
price.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numba import njit

from transforms.errors import InvalidInput
from transforms.grid import BIN_LOG_WIDTH, FloatArray, IntArray, bin_center, bin_edges
from transforms.maps import (
    N_WINDOW_BINS,
    has_shape,
    price_position,
    top_decile_thresholds,
    window_first_bin,
)

BANDS_PER_SIDE = 10
"""Bands kept of a map; the tenth of a real map holds a few percent of its side."""

SAME_PLACE_BPS = 25.0
"""Widest gap between two bands that still count as one place [bps of log price]."""

SAME_PLACE_BINS = int(SAME_PLACE_BPS / (1e4 * BIN_LOG_WIDTH))
"""The same in whole published bins: bands end at bin edges, so gaps are 0, 20, 40 ... bps."""


@dataclass(frozen=True, slots=True)
class Bands:
    """The bands of many maps of one side, one entry a band, map after map, by rank.

    Parameters
    ----------
    offsets : ndarray of int64, shape (n_maps + 1,)
        The bands of map ``m`` are the entries ``offsets[m]:offsets[m + 1]``.
    map_index : ndarray of int64, shape (n_bands,)
        Row of the map in what `find_bands` was given.
    rank : ndarray of int64, shape (n_bands,)
        1 for the band that holds most.
    first_bin, last_bin, peak_bin : ndarray of int64, shape (n_bands,)
        Published bins: the ends of the run, both within it, and its densest bin.
    price_low, price_high, price_peak : ndarray of float64, shape (n_bands,)
        Outer edges of the run and centre of the densest bin [USD per unit of the asset].
    liquidation_usd : ndarray of float64, shape (n_bands,)
        What the run holds, in the unit of the map [USD for maps in USD].
    distance_bps : ndarray of float64, shape (n_bands,)
        ``1e4 ln(price_peak / price)`` [bps]; below 0 for a band below the price.
    side_share_ratio : ndarray of float64, shape (n_bands,)
        Share of what the map holds in its window [0-1].
    """

    offsets: IntArray
    map_index: IntArray
    rank: IntArray
    first_bin: IntArray
    last_bin: IntArray
    peak_bin: IntArray
    price_low: FloatArray
    price_high: FloatArray
    price_peak: FloatArray
    liquidation_usd: FloatArray
    distance_bps: FloatArray
    side_share_ratio: FloatArray


def find_bands(aligned: FloatArray, price: npt.ArrayLike) -> Bands:
    """Return the bands of every map.

    Parameters
    ----------
    aligned : ndarray of float64, shape (n_maps, N_WINDOW_BINS)
        Windows of maps of one side, as `transforms.maps.align_maps` returns them.
    price : array_like of float, shape (n_maps,)
        Close at the instant of each map [USD per unit of the asset].

    Returns
    -------
    Bands
        At most ``BANDS_PER_SIDE`` a map. A map without shape (empty, NaN, negative, or of unknown
        price) has none; any other has at least one.

    Raises
    ------
    InvalidInput
        If `aligned` is no window or `price` has another length.

    Examples
    --------
    >>> aligned = np.zeros((1, N_WINDOW_BINS))
    >>> aligned[0, [90, 92, 95]] = 10.0, 30.0, 1.0
    >>> bands = find_bands(aligned, [1.0])

    The 90th percentile of 1, 10, 30 is 26: only the bin of 30 stands out.

    >>> bands.peak_bin.tolist(), bands.price_peak.round(5).tolist()
    ([-8], [0.98462])
    >>> bands.distance_bps.round(6).tolist(), bands.side_share_ratio.round(3).tolist()
    ([-155.0], [0.732])
    """
    prices = np.asarray(price, dtype=np.float64)
    if aligned.ndim != 2 or aligned.shape[1] != N_WINDOW_BINS or prices.shape != aligned.shape[:1]:
        raise InvalidInput(
            f"aligned has shape {aligned.shape} and price {prices.shape}, expected "
            f"(n_maps, {N_WINDOW_BINS}) and (n_maps,); make the former with align_maps"
        )
    shaped = has_shape(aligned)
    found, held, count = _find_runs(
        aligned, shaped, top_decile_thresholds(aligned), price_position(prices), BANDS_PER_SIDE
    )
    is_band = np.arange(BANDS_PER_SIDE) < count[:, None]
    map_index, place = np.nonzero(is_band)
    first, last, peak = found[is_band].T + window_first_bin(prices)[map_index]
    usd = held[is_band]
    price_peak = bin_center(peak)
    return Bands(
        offsets=np.concatenate((np.zeros(1, np.int64), np.cumsum(count))),
        map_index=map_index,
        rank=place + 1,
        first_bin=first,
        last_bin=last,
        peak_bin=peak,
        price_low=bin_edges(first)[0],
        price_high=bin_edges(last)[1],
        price_peak=price_peak,
        liquidation_usd=usd,
        distance_bps=1e4 * np.log(price_peak / prices[map_index]),
        side_share_ratio=usd / aligned.sum(axis=1)[map_index],
    )


@njit(nogil=True, cache=True)
def _is_better(held_a: float, away_a: float, held_b: float, away_b: float) -> bool:
    """Tell whether a beats b, which stands lower: by what it holds, then by nearness."""
    return held_a > held_b or (held_a == held_b and away_a < away_b)


@njit(nogil=True, cache=True)
def _find_runs(
    aligned: FloatArray,
    shaped: npt.NDArray[np.bool_],
    thresholds: FloatArray,
    position: FloatArray,
    n_kept: int,
) -> tuple[IntArray, FloatArray, IntArray]:
    """Return (first, last, peak) within the window, the sum and the count of each map's bands.

    Arrays are copied element by element: assigning one to a slice triples the time to compile.
    """
    n_maps, n_bins = aligned.shape
    found = np.zeros((n_maps, n_kept, 3), dtype=np.int64)
    held = np.zeros((n_maps, n_kept))
    count = np.zeros(n_maps, dtype=np.int64)
    run = np.empty((n_bins, 3), dtype=np.int64)
    run_held = np.empty(n_bins)
    for m in range(n_maps):
        if not shaped[m]:
            continue
        row = aligned[m]
        n_runs = 0
        last_dense = -3
        for i in range(n_bins):
            if row[i] < thresholds[m]:
                continue
            if i - last_dense > 2:
                for part in range(3):
                    run[n_runs, part] = i
                n_runs += 1
            r = n_runs - 1
            run[r, 1] = i
            peak = run[r, 2]
            if _is_better(row[i], abs(i - position[m]), row[peak], abs(peak - position[m])):
                run[r, 2] = i
            last_dense = i
        for r in range(n_runs):
            run_held[r] = 0.0
            for i in range(run[r, 0], run[r, 1] + 1):
                run_held[r] += row[i]
        count[m] = min(n_runs, n_kept)
        for place in range(count[m]):
            best = -1
            for r in range(n_runs):
                if run_held[r] >= 0.0 and (
                    best < 0
                    or _is_better(
                        run_held[r],
                        abs(run[r, 2] - position[m]),
                        run_held[best],
                        abs(run[best, 2] - position[m]),
                    )
                ):
                    best = r
            for part in range(3):
                found[m, place, part] = run[best, part]
            held[m, place] = run_held[best]
            run_held[best] = -1.0
    return found, held, count


def count_agreeing_providers(
    consensus: Bands, providers: Bands, group_offsets: npt.NDArray[np.int64]
) -> IntArray:
    """Return how many providers have a band where the consensus has one.

    A provider agrees on a band if one of its own bands overlaps it or ends within
    ``SAME_PLACE_BPS`` of it, edge to edge. Both must be of the same side.

    Parameters
    ----------
    consensus : Bands
        Bands of the consensus maps, one map per group.
    providers : Bands
        Bands of the providers' maps of the same side.
    group_offsets : ndarray of int64, shape (n_groups + 1,)
        Group ``g`` is the providers' maps ``group_offsets[g]:group_offsets[g + 1]``.

    Returns
    -------
    ndarray of int64, shape (n_consensus_bands,)
        Number of providers that agree on each band of the consensus.

    Raises
    ------
    InvalidInput
        If the offsets do not fit the bands.

    Examples
    --------
    >>> aligned = np.zeros((3, N_WINDOW_BINS))
    >>> aligned[0, 90] = aligned[1, 92] = aligned[2, 93] = 1.0
    >>> providers = find_bands(aligned, [1.0, 1.0, 1.0])
    >>> consensus = find_bands(aligned[:1], [1.0])

    One bin lies free between 90 and 92 (20 bps), two between 90 and 93 (40 bps).

    >>> count_agreeing_providers(consensus, providers, np.array([0, 3])).tolist()
    [2]
    """
    if group_offsets.size != consensus.offsets.size or (
        group_offsets[-1] != providers.offsets.size - 1
    ):
        raise InvalidInput(
            f"group_offsets describe {group_offsets.size - 1} groups of {group_offsets[-1]} maps, "
            f"but there are {consensus.offsets.size - 1} consensus maps and "
            f"{providers.offsets.size - 1} maps of providers; pass bands of the same groups"
        )
    counted: IntArray = _count_agreeing(
        consensus.offsets,
        consensus.first_bin,
        consensus.last_bin,
        providers.offsets,
        providers.first_bin,
        providers.last_bin,
        group_offsets.astype(np.int64),
    )
    return counted


def count_agreeing_members(bands: Bands, group_offsets: npt.NDArray[np.int64]) -> IntArray:
    """Return how many maps of its group have a band where a band is, its own map included.

    Parameters
    ----------
    bands : Bands
        Bands of all maps of one side.
    group_offsets : ndarray of int64, shape (n_groups + 1,)
        Group ``g`` is the maps ``group_offsets[g]:group_offsets[g + 1]``.

    Returns
    -------
    ndarray of int64, shape (n_bands,)
        Number of maps, as `count_agreeing_providers` counts them; at least 1.

    Raises
    ------
    InvalidInput
        If the offsets do not fit the bands.

    Examples
    --------
    >>> aligned = np.zeros((3, N_WINDOW_BINS))
    >>> aligned[0, 90] = aligned[1, 92] = aligned[2, 93] = 1.0
    >>> bands = find_bands(aligned, [1.0, 1.0, 1.0])
    >>> count_agreeing_members(bands, np.array([0, 3])).tolist()
    [2, 3, 2]
    """
    n_maps = bands.offsets.size - 1
    if group_offsets[-1] != n_maps:
        raise InvalidInput(
            f"group_offsets describe {group_offsets[-1]} maps, but there are {n_maps}; pass the "
            "groups the maps were made of"
        )
    counted: IntArray = _count_agreeing_members(
        bands.offsets, bands.first_bin, bands.last_bin, group_offsets.astype(np.int64)
    )
    return counted


@njit(nogil=True, cache=True)
def _count_agreeing_members(
    offsets: IntArray, first: IntArray, last: IntArray, group_offsets: IntArray
) -> IntArray:
    """Return the number of maps of its group that have a band near each band."""
    agreeing = np.zeros(first.size, dtype=np.int64)
    for g in range(group_offsets.size - 1):
        start, stop = group_offsets[g], group_offsets[g + 1]
        for band in range(offsets[start], offsets[stop]):
            for m in range(start, stop):
                own = slice(offsets[m], offsets[m + 1])
                if has_band_near(first[band], last[band], first[own], last[own]):
                    agreeing[band] += 1
    return agreeing


@njit(nogil=True, cache=True)
def has_band_near(first: int, last: int, other_first: IntArray, other_last: IntArray) -> bool:
    """Return whether one of the other bands overlaps a band or ends close enough to it.

    Parameters
    ----------
    first, last : int
        Ends of the band [published bins].
    other_first, other_last : ndarray of int64, shape (n_others,)
        Ends of the other bands [published bins].

    Returns
    -------
    bool
        True if at most ``SAME_PLACE_BINS`` bins lie free between the band and another.

    Examples
    --------
    >>> others = np.array([7]), np.array([9])
    >>> has_band_near(4, 5, *others), has_band_near(3, 4, *others), has_band_near(8, 20, *others)
    (True, False, True)
    """
    for i in range(other_first.size):
        free = max(other_first[i] - last, first - other_last[i]) - 1
        if free <= SAME_PLACE_BINS:
            return True
    return False


@njit(nogil=True, cache=True)
def _count_agreeing(
    consensus_offsets: IntArray,
    consensus_first: IntArray,
    consensus_last: IntArray,
    offsets: IntArray,
    first: IntArray,
    last: IntArray,
    group_offsets: IntArray,
) -> IntArray:
    """Return the number of maps of its group that have a band near each consensus band."""
    agreeing = np.zeros(consensus_first.size, dtype=np.int64)
    for g in range(group_offsets.size - 1):
        for band in range(consensus_offsets[g], consensus_offsets[g + 1]):
            for m in range(group_offsets[g], group_offsets[g + 1]):
                own = slice(offsets[m], offsets[m + 1])
                if has_band_near(
                    consensus_first[band], consensus_last[band], first[own], last[own]
                ):
                    agreeing[band] += 1
    return agreeing
