"""How much the maps of a group differ overall, and which are so alike that they share a vote.

Belongs here: summaries over the pairs of a group of maps.
Does not belong here: the metrics of a pair (``transforms.disagreement``).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from transforms.disagreement import BoolArray, Disagreement
from transforms.grid import FloatArray, IntArray
from transforms.maps import SIDES

SAME_VOTE_OVERLAP = 0.9
"""Overlap above which two maps share a vote [1]: they say the same with the same assumptions."""


@dataclass(frozen=True, slots=True)
class GroupDisagreement:
    """How much the maps of each group differ overall.

    Sides are in the order of ``transforms.maps.SIDES``. Ratios are NaN where no pair is
    comparable. Means weigh every comparable pair equally. Maps without a vote take no part.

    Parameters
    ----------
    provider_count : ndarray of int64, shape (n_groups, 3)
        Votes of maps with a shape.
    overlap_mean_ratio, overlap_std_ratio, overlap_min_ratio : ndarray of float64, \
shape (n_groups, 3)
        Mean, standard deviation (of the pairs at hand, dividing by their number) and smallest
        overlap [0-1].
    scale_spread_log_ratio : ndarray of float64, shape (n_groups, 3)
        ln(largest total / smallest total) [ln] among maps that count the same thing; the widest
        such spread where the group counts several things. NaN where no two maps can be compared.
    reach_mean_ratio, placement_mean_ratio : ndarray of float64, shape (n_groups, 3)
        Means over pairs [0-1]; with the mean overlap they sum to 1.
    reach_share_ratio : ndarray of float64, shape (n_groups, 3)
        Share of the whole difference that is reach [0-1]: mean reach / (mean reach + mean
        placement). NaN where the maps do not differ.
    furthest_pair : ndarray of int64, shape (n_groups, 3)
        Row, in the pairs, of the pair with the smallest overlap; among equals the one with the
        largest Wasserstein distance, then the first. -1 where no pair is comparable.
    """

    provider_count: IntArray
    overlap_mean_ratio: FloatArray
    overlap_std_ratio: FloatArray
    overlap_min_ratio: FloatArray
    scale_spread_log_ratio: FloatArray
    reach_mean_ratio: FloatArray
    placement_mean_ratio: FloatArray
    reach_share_ratio: FloatArray
    furthest_pair: IntArray


def share_votes(disagreement: Disagreement, may_vote: BoolArray) -> IntArray:
    """Return the vote of each map on each side: one for maps that are nearly the same.

    Two maps share a vote if their overlap is above ``SAME_VOTE_OVERLAP``, or if maps between them
    do, each with the next (connected components, so that the order of maps does not matter).

    Parameters
    ----------
    disagreement : Disagreement
        Metrics of the pairs.
    may_vote : ndarray of bool, shape (n_entries,)
        Whether the entry may vote at all.

    Returns
    -------
    ndarray of int64, shape (n_entries, 3)
        The first entry that has the same vote; -1 for an entry that may not vote or has no shape.

    Examples
    --------
    >>> from transforms.disagreement import measure_disagreement
    >>> long = np.zeros((3, 200))
    >>> long[0, 80:90], long[1, 80:90], long[2, 20] = 1.0, 1.0, 1.0
    >>> long[1, 80] = 1.5
    >>> pairs = measure_disagreement(
    ...     long, np.zeros((3, 200)), np.ones(3), np.array([0, 3]), np.zeros(3, np.int64)
    ... )
    >>> share_votes(pairs, np.array([True, True, True]))[:, 0].tolist()
    [0, 0, 2]
    >>> share_votes(pairs, np.array([False, True, True]))[:, 0].tolist()
    [-1, 1, 2]
    """
    votes_here = disagreement.entry_has_shape & may_vote[:, None]
    vote = np.repeat(np.arange(may_vote.size)[:, None], len(SIDES), axis=1)
    for side in range(len(SIDES)):
        a, b = disagreement.entry_a, disagreement.entry_b
        is_same = disagreement.overlap_ratio[:, side] > SAME_VOTE_OVERLAP
        is_same &= votes_here[a, side] & votes_here[b, side]
        a, b = a[is_same], b[is_same]
        before = np.empty(0, dtype=np.int64)
        while not np.array_equal(before, vote[:, side]):
            before = vote[:, side].copy()
            least = np.minimum(before[a], before[b])
            np.minimum.at(vote[:, side], a, least)
            np.minimum.at(vote[:, side], b, least)
    shared: IntArray = np.where(votes_here, vote, -1)
    return shared


def summarise_groups(
    disagreement: Disagreement,
    group_offsets: npt.NDArray[np.int64],
    vote: IntArray | None = None,
) -> GroupDisagreement:
    """Return how much the maps of each group differ overall.

    Parameters
    ----------
    disagreement : Disagreement
        Metrics of the pairs.
    group_offsets : ndarray of int64, shape (n_groups + 1,)
        The groups the pairs were made of.
    vote : ndarray of int64, shape (n_entries, 3), optional
        What `share_votes` returned; by default every map with a shape has a vote of its own.

    Returns
    -------
    GroupDisagreement
        One row per group, also for groups of one map or none.

    Examples
    --------
    >>> from transforms.disagreement import measure_disagreement
    >>> long = np.zeros((3, 200))
    >>> long[0, 80], long[1, 80:84], long[2, 20] = 8.0, 1.0, 1.0
    >>> offsets = np.array([0, 3])
    >>> pairs = measure_disagreement(
    ...     long, np.zeros((3, 200)), np.ones(3), offsets, np.array([0, 0, -1])
    ... )
    >>> whole = summarise_groups(pairs, offsets)
    >>> whole.provider_count.tolist(), whole.overlap_mean_ratio.round(3).tolist()
    ([[3, 0, 3]], [[0.167, nan, 0.167]])
    >>> pair = whole.furthest_pair[0, 0]
    >>> int(pairs.entry_a[pair]), int(pairs.entry_b[pair])
    (1, 2)
    """
    entry_group = np.repeat(np.arange(group_offsets.size - 1), np.diff(group_offsets))
    shape = (group_offsets.size - 1, len(SIDES))
    own = np.arange(entry_group.size)[:, None]
    votes = np.where(disagreement.entry_has_shape, own, -1) if vote is None else vote
    provider_count = np.zeros(shape, dtype=np.int64)
    # The first entry with a vote represents all that share it.
    np.add.at(provider_count, entry_group, votes == own)

    group, has_vote = disagreement.group, votes >= 0
    is_comparable = disagreement.is_comparable & (
        has_vote[disagreement.entry_a] & has_vote[disagreement.entry_b]
    )
    pair_count = np.zeros(shape)
    np.add.at(pair_count, group, is_comparable)
    divisor = np.where(pair_count > 0, pair_count, np.nan)

    def mean(values: FloatArray) -> FloatArray:
        total = np.zeros(shape)
        np.add.at(total, group, np.where(is_comparable, values, 0.0))
        means: FloatArray = total / divisor
        return means

    overlap = np.where(is_comparable, disagreement.overlap_ratio, np.nan)
    overlap_mean = mean(overlap)
    overlap_min, scale_spread = np.full((2, *shape), np.nan)
    np.fmin.at(overlap_min, group, overlap)
    scale = np.where(is_comparable, np.abs(disagreement.scale_log_ratio), np.nan)
    np.fmax.at(scale_spread, group, scale)
    reach, placement = mean(disagreement.reach_ratio), mean(disagreement.placement_ratio)
    difference = reach + placement
    return GroupDisagreement(
        provider_count=provider_count,
        overlap_mean_ratio=overlap_mean,
        overlap_std_ratio=np.sqrt(mean((overlap - overlap_mean[group]) ** 2)),
        overlap_min_ratio=overlap_min,
        scale_spread_log_ratio=scale_spread,
        reach_mean_ratio=reach,
        placement_mean_ratio=placement,
        reach_share_ratio=reach / np.where(difference > 0.0, difference, np.nan),
        furthest_pair=_furthest_pairs(disagreement, is_comparable, shape),
    )


def _furthest_pairs(
    disagreement: Disagreement, is_comparable: BoolArray, shape: tuple[int, int]
) -> IntArray:
    """Return ``GroupDisagreement.furthest_pair``."""
    furthest = np.full(shape, -1, dtype=np.int64)
    for side in range(len(SIDES)):
        pairs = np.flatnonzero(is_comparable[:, side])
        group, overlap = disagreement.group[pairs], disagreement.overlap_ratio[pairs, side]
        order = np.lexsort((-disagreement.wasserstein_bps[pairs, side], overlap, group))
        groups, first = np.unique(group[order], return_index=True)
        furthest[groups, side] = pairs[order][first]
    return furthest
