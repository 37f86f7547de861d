"""What the maps of one asset and instant have in common, bin by bin.

Belongs here: the mean map of a group, how widely its members are spread around it, and how many of
them call a bin dense.
Does not belong here: how two members differ (``transforms.disagreement``) and the bands of the
mean map (``transforms.bands``, which takes it as it takes any other).

Bins are the published ones of the window (see ``transforms.maps``), so that a row of the
consensus joins with the rows of the maps it was made of. A member's map enters as its shape
p = map / sum of map over the window and side: a provider whose totals are twenty times those of
another weighs the same, and a provider of relative units takes part. Maps that share a vote (see
``transforms.group_disagreement.share_votes``) split the weight of one. On side 'both', p is the sum
of long and short over the sum of both, so there a provider's lopsidedness counts too.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from transforms.compiler import compiled
from transforms.grid import FloatArray, IntArray
from transforms.maps import (
    has_shape_by_side,
    require_groups,
    top_decile_thresholds,
    window_first_bin,
)


@dataclass(frozen=True, slots=True)
class Consensus:
    """The mean map of each group and the spread around it.

    Sides are in the order of ``transforms.maps.SIDES``, bins those of the window.

    Parameters
    ----------
    first_bin : ndarray of int64, shape (n_groups,)
        Published bin of the first column; 0 for a group without members.
    provider_count : ndarray of int64, shape (n_groups, 3)
        Votes of the maps with a shape; only they take part.
    mean_ratio, min_ratio, max_ratio : ndarray of float64, shape (n_groups, 3, N_WINDOW_BINS)
        Mean, each vote weighing the same, smallest and largest p [share of the side, 0-1]. NaN
        where no map takes part.
    variation_ratio : ndarray of float64, shape (n_groups, 3, N_WINDOW_BINS)
        Coefficient of variation: standard deviation of p around its mean, with the same weights,
        over the mean. NaN where there are fewer than two votes or all leave the bin empty.
    dense_count : ndarray of int32, shape (n_groups, 3, N_WINDOW_BINS)
        Votes of providers that put the bin into the top decile of their bins that are not empty.
    """

    first_bin: IntArray
    provider_count: IntArray
    mean_ratio: FloatArray
    min_ratio: FloatArray
    max_ratio: FloatArray
    variation_ratio: FloatArray
    dense_count: npt.NDArray[np.int32]


def build_consensus(
    long: FloatArray,
    short: FloatArray,
    price: npt.ArrayLike,
    group_offsets: npt.NDArray[np.int64],
    vote: IntArray | None = None,
) -> Consensus:
    """Return the consensus of each group.

    Parameters
    ----------
    long, short : ndarray of float64, shape (n_entries, N_WINDOW_BINS)
        Windows of the long and of the short map of each entry (a provider, say), as
        `transforms.maps.align_maps` returns them.
    price : array_like of float, shape (n_entries,)
        Close at the instant of the maps, the same within a group [USD per unit of the asset].
    group_offsets : ndarray of int64, shape (n_groups + 1,)
        Group ``g`` (an asset at an instant) is the entries
        ``group_offsets[g]:group_offsets[g + 1]``.
    vote : ndarray of int64, shape (n_entries, 3), optional
        Vote of each entry by side (`transforms.group_disagreement.share_votes`); an entry with -1
        takes no part. By default each has its own.

    Returns
    -------
    Consensus
        One row per group. Maps without shape on a side (empty, NaN, negative) are left out there;
        a group without any is NaN.

    Raises
    ------
    InvalidInput
        If shapes do not fit, or two entries of a group have different windows.

    Examples
    --------
    >>> long = np.zeros((2, 200))
    >>> long[0, 80], long[1, 80:84] = 8.0, 1.0
    >>> both = build_consensus(long, np.zeros((2, 200)), [1.0, 1.0], np.array([0, 2]))
    >>> both.mean_ratio[0, 0, 79:82].tolist()
    [0.0, 0.625, 0.125]
    >>> both.variation_ratio[0, 0, 79:82].tolist()
    [nan, 0.6, 1.0]
    >>> both.dense_count[0, 0, 79:82].tolist(), both.provider_count.tolist()
    ([0, 2, 1], [[2, 0, 2]])
    """
    groups, prices = require_groups(group_offsets, long, short, price)
    own = np.arange(groups[-1])[:, None] if vote is None else vote
    votes = np.where(has_shape_by_side(long, short), own, -1).astype(np.int64)
    n_groups = groups.size - 1
    first_bin = np.zeros(n_groups, dtype=np.int64)
    is_filled = np.diff(groups) > 0
    first_bin[is_filled] = window_first_bin(prices[groups[:-1][is_filled]])
    thresholds = [top_decile_thresholds(side) for side in (long, short, long + short)]
    shape = (n_groups, 3, long.shape[1])
    ratios = np.full((4, *shape), np.nan)
    dense = np.zeros(shape, dtype=np.int32)
    count = _combine(long, short, votes, np.stack(thresholds, axis=1), groups, ratios, dense)
    mean, smallest, largest, variation = ratios
    return Consensus(first_bin, count, mean, smallest, largest, variation, dense)


@compiled
def _split_votes(vote: IntArray, entries: IntArray, weight: FloatArray) -> int:
    """Write the entries that take part and their weights, which sum to 1; return how many votes.

    Entries that share a vote split it.
    """
    n = 0
    n_votes = 0
    for entry in range(vote.size):
        if vote[entry] < 0:
            continue
        sharing = 0
        is_first = True
        for other in range(vote.size):
            if vote[other] == vote[entry]:
                sharing += 1
                is_first = is_first and other >= entry
        n_votes += is_first
        entries[n] = entry
        weight[n] = 1.0 / sharing
        n += 1
    for i in range(n):
        weight[i] /= n_votes
    entries[n:] = -1
    return n_votes


@compiled
def _fill_share(long: FloatArray, short: FloatArray, side: int, held: FloatArray) -> None:
    """Write what an entry holds on a side: 0 longs, 1 shorts, 2 both."""
    for i in range(held.size):
        held[i] = 0.0
        if side != 1:
            held[i] += long[i]
        if side != 0:
            held[i] += short[i]


@compiled
def _count_dense(
    held: FloatArray,
    threshold: float,
    counted: npt.NDArray[np.bool_],
    dense: npt.NDArray[np.int32],
) -> None:
    """Count the bins that an entry calls dense, but those its vote has counted already."""
    for i in range(held.size):
        if held[i] >= threshold and not counted[i]:
            counted[i] = True
            dense[i] += 1


@compiled
def _normalise(held: FloatArray) -> None:
    """Turn what is held into shares of its sum."""
    total = 0.0
    for value in held:
        total += value
    for i in range(held.size):
        held[i] /= total


@compiled
def _combine(
    long: FloatArray,
    short: FloatArray,
    vote: IntArray,
    thresholds: FloatArray,
    group_offsets: IntArray,
    ratios: FloatArray,
    dense: npt.NDArray[np.int32],
) -> IntArray:
    """Return how many votes there are and write the rest where it belongs, NaN and 0 before.

    `ratios` has shape (4, n_groups, 3, n_bins): mean, smallest, largest and variation.
    Arrays are copied element by element: assigning one to a slice doubles the time to compile.
    """
    mean, smallest, largest, variation = ratios[0], ratios[1], ratios[2], ratios[3]
    n_groups = group_offsets.size - 1
    n_bins = long.shape[1]
    count = np.zeros((n_groups, 3), dtype=np.int64)
    biggest_group = 0
    for g in range(n_groups):
        biggest_group = max(biggest_group, group_offsets[g + 1] - group_offsets[g])
    share = np.empty((biggest_group, n_bins))
    entries = np.empty(biggest_group, dtype=np.int64)
    weight = np.empty(biggest_group)
    # Whether a vote has called a bin dense: entries that share one may both do.
    counted = np.empty((biggest_group, n_bins), dtype=np.bool_)
    squares = np.empty(n_bins)
    for g in range(n_groups):
        start, stop = group_offsets[g], group_offsets[g + 1]
        for side in range(3):
            n_votes = _split_votes(vote[start:stop, side], entries, weight)
            count[g, side] = n_votes
            if n_votes == 0:
                continue
            counted[:] = False
            n = 0
            while n < stop - start and entries[n] >= 0:
                entry = start + entries[n]
                _fill_share(long[entry], short[entry], side, share[n])
                _count_dense(
                    share[n],
                    thresholds[entry, side],
                    counted[vote[entry, side] - start],
                    dense[g, side],
                )
                _normalise(share[n])
                n += 1
            middle, low, high = mean[g, side], smallest[g, side], largest[g, side]
            for i in range(n_bins):
                middle[i] = 0.0
                low[i] = np.inf
                high[i] = 0.0
                squares[i] = 0.0
            for m in range(n):
                for i in range(n_bins):
                    middle[i] += weight[m] * share[m, i]
                    low[i] = min(low[i], share[m, i])
                    high[i] = max(high[i], share[m, i])
            for i in range(n_bins):
                # Rounding may carry the mean of equal shares past them.
                middle[i] = min(max(middle[i], low[i]), high[i])
            for m in range(n):
                for i in range(n_bins):
                    squares[i] += weight[m] * (share[m, i] - middle[i]) ** 2
            for i in range(n_bins):
                if n_votes > 1 and middle[i] > 0.0:
                    variation[g, side, i] = np.sqrt(squares[i]) / middle[i]
    return count
