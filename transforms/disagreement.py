"""How far the maps of one asset and instant differ from one another, in what, and by whom.

Belongs here: the metrics of a pair of maps, their summary over a group of maps, and which maps are
so alike that they share a vote.
Does not belong here: what the maps have in common (``transforms.consensus``).

Each metric compares two maps on coarse bins (see ``transforms.maps``), over all coarse bins of the
window, zeros included, whatever the side: a row of side 'long' takes the 100 coarse bins below and
above price as much as a row of side 'both', whose map is the sum of long and short by price (longs
stand below price and shorts above, so in effect the one laid after the other). The empty half
of a one-sided map enters `cosine` not at all and lifts `pearson` and `spearman`: compare those
with rows of the same side only. With a, b the maps, p = a / sum a and q = b / sum b:

scale_log_ratio
    ln(sum a / sum b). NaN unless both maps count the same thing in the same unit.
overlap_ratio
    sum min(p, q); 1 for the same shape, 0 for maps that share no bin.
jensen_shannon_bits
    Divergence with base-2 logarithms, from 0 to 1 (J. Lin, Divergence measures based on the
    Shannon entropy, IEEE Trans. Inf. Theory 37, 1991). The divergence, not its square root.
wasserstein_bps
    First Wasserstein distance in log price: 1e4 x 0.004 x sum |P - Q| over the cumulated P, Q.
cosine, pearson, spearman
    Of a and b by bin; ranks of equal bins are averaged. Correlations are NaN where a map holds the
    same in every bin.
peak_distance_bps
    1e4 |ln(peak_a / peak_b)|, between the centres of the fullest coarse bins; of equally full bins
    the one nearest to price counts, then the lower. On 'both' these are the peaks of whichever side
    is fuller, so a large value there may say that the maps point to opposite sides of price.
band_match_ratio
    Share of the five largest bands (``transforms.bands``, on published bins) of one map that have
    any band of the other in the same place, mean of both ways. On 'both' the bands of the two
    sides are ranked together, and match only bands of their own side.
reach_ratio, placement_ratio
    1 - overlap = reach + placement. Reach is the total variation, sum |p - q| / 2, after summing p
    and q into buckets of |ln(centre / price)| of 0-1, 1-2, 2-5, 5-10, 10-20 % below price and the
    same above (lower ends belong to a bucket): how far from price the mass stands, hence the
    leverage assumed. Placement is the rest: where exactly, hence the entries assumed.

Every metric but `scale_log_ratio` depends on shapes alone. A map without shape (empty in the
window, or holding NaN, an infinity or a negative value) makes all metrics NaN and the row not
comparable; it is never an error, so that one bad map does not stop an hour.
"""

from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from transforms.bands import Bands, find_bands, has_band_near
from transforms.compiler import compiled
from transforms.errors import InvalidInput
from transforms.grid import BIN_LOG_WIDTH, FloatArray, IntArray
from transforms.maps import (
    BINS_PER_COARSE_BIN,
    COARSE_LOG_WIDTH,
    N_COARSE_BINS,
    SIDES,
    has_shape_by_side,
    price_position,
    require_groups,
)

BoolArray = npt.NDArray[np.bool_]

MATCHED_BANDS = 5
"""Largest bands of a map that are looked for in the other; fewer where it has fewer."""

REACH_EDGES = (0.01, 0.02, 0.05, 0.10)
"""Inner edges of the buckets of |ln(centre / price)| [ln]."""

SAME_VOTE_OVERLAP = 0.9
"""Overlap above which two maps share a vote [1]: they say the same with the same assumptions."""

_REACH_EDGES_BINS = np.array(REACH_EDGES) / BIN_LOG_WIDTH
_N_BUCKETS = 2 * (len(REACH_EDGES) + 1)


@dataclass(frozen=True, slots=True)
class Disagreement:
    """Metrics of every pair of maps of every group.

    The module says what the metrics mean. Sides are in the order of ``transforms.maps.SIDES``.

    Parameters
    ----------
    entry_has_shape : ndarray of bool, shape (n_entries, 3)
        The entry's map has a shape on that side.
    group, entry_a, entry_b : ndarray of int64, shape (n_pairs,)
        Group of the pair, and the rows of its two maps in the input; ``entry_a < entry_b``.
    is_comparable : ndarray of bool, shape (n_pairs, 3)
        Both maps have a shape on that side.
    scale_log_ratio, overlap_ratio, jensen_shannon_bits, wasserstein_bps, cosine, pearson, \
spearman, peak_distance_bps, band_match_ratio, reach_ratio, placement_ratio : ndarray of float64, \
shape (n_pairs, 3)
        [ln, ratio, bits, bps, and pure numbers]. NaN where not comparable.
    """

    entry_has_shape: BoolArray
    group: IntArray
    entry_a: IntArray
    entry_b: IntArray
    is_comparable: BoolArray
    scale_log_ratio: FloatArray
    overlap_ratio: FloatArray
    jensen_shannon_bits: FloatArray
    wasserstein_bps: FloatArray
    cosine: FloatArray
    pearson: FloatArray
    spearman: FloatArray
    peak_distance_bps: FloatArray
    band_match_ratio: FloatArray
    reach_ratio: FloatArray
    placement_ratio: FloatArray


METRICS = tuple(field.name for field in fields(Disagreement))[5:]
"""Names of the metrics, in the order of the fields."""


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


def coarsen(aligned: FloatArray) -> FloatArray:
    """Return maps summed to coarse bins.

    Parameters
    ----------
    aligned : ndarray of float64, shape (n_maps, N_WINDOW_BINS)
        Windows of maps, as `transforms.maps.align_maps` returns them.

    Returns
    -------
    ndarray of float64, shape (n_maps, N_COARSE_BINS)
        Liquidations by coarse bin, in the unit of the map.

    Examples
    --------
    >>> coarsen(np.arange(200.0)[None, :])[0, :3].tolist()
    [1.0, 5.0, 9.0]
    """
    coarse: FloatArray = aligned.reshape(-1, N_COARSE_BINS, BINS_PER_COARSE_BIN).sum(axis=2)
    return coarse


def pair_entries(
    group_offsets: npt.NDArray[np.int64],
) -> tuple[IntArray, IntArray, IntArray]:
    """Return every pair of entries of every group.

    Parameters
    ----------
    group_offsets : ndarray of int64, shape (n_groups + 1,)
        Group ``g`` is the entries ``group_offsets[g]:group_offsets[g + 1]``.

    Returns
    -------
    group, entry_a, entry_b : ndarray of int64, shape (n_pairs,)
        Group by group, a before b, both ascending.

    Examples
    --------
    >>> group, a, b = pair_entries(np.array([0, 1, 4]))
    >>> group.tolist(), a.tolist(), b.tolist()
    ([1, 1, 1], [1, 1, 2], [2, 3, 3])
    """
    sizes = np.diff(group_offsets)
    after = np.repeat(group_offsets[1:], sizes) - np.arange(group_offsets[-1]) - 1
    entry_a = np.repeat(np.arange(group_offsets[-1]), after)
    # Within the run of one a, b counts up from a + 1.
    run_start = np.cumsum(after) - after
    entry_b = np.arange(entry_a.size) - run_start[entry_a] + entry_a + 1
    group = np.repeat(np.arange(sizes.size), sizes)[entry_a]
    return group, entry_a, entry_b


def measure_disagreement(
    long: FloatArray,
    short: FloatArray,
    price: npt.ArrayLike,
    group_offsets: npt.NDArray[np.int64],
    scale_key: npt.NDArray[np.int64],
) -> Disagreement:
    """Return how far every two maps of a group differ, on each side.

    Parameters
    ----------
    long, short : ndarray of float64, shape (n_entries, N_WINDOW_BINS)
        Windows of the long and of the short map of each entry (a provider, say), as
        `transforms.maps.align_maps` returns them; zeros for a side an entry has not.
    price : array_like of float, shape (n_entries,)
        Close at the instant of the maps, the same within a group [USD per unit of the asset].
    group_offsets : ndarray of int64, shape (n_groups + 1,)
        Group ``g`` (an asset at an instant) is the entries
        ``group_offsets[g]:group_offsets[g + 1]``.
    scale_key : ndarray of int64, shape (n_entries,)
        Totals of two entries are compared where their keys are equal and not negative: give one key
        to each unit and semantics, and -1 to relative units.

    Returns
    -------
    Disagreement
        One row per pair. A map without shape, or of unknown price, gives NaN and is not comparable.

    Raises
    ------
    InvalidInput
        If shapes do not fit or two entries of a group differ in price.

    Examples
    --------
    >>> long = np.zeros((2, 200))
    >>> long[0, 80], long[1, 80:84] = 8.0, 1.0
    >>> found = measure_disagreement(
    ...     long, np.zeros((2, 200)), [1.0, 1.0], np.array([0, 2]), np.array([0, 0])
    ... )
    >>> found.overlap_ratio[0].tolist()
    [0.5, nan, 0.5]
    >>> found.scale_log_ratio[0].round(4).tolist(), found.wasserstein_bps[0].round(4).tolist()
    ([0.6931, nan, 0.6931], [20.0, nan, 20.0])
    >>> found.is_comparable[0].tolist()
    [True, False, True]
    """
    groups, prices = require_groups(group_offsets, long, short, price)
    if scale_key.shape != prices.shape:
        raise InvalidInput(
            f"{prices.size} entries have scale_key of shape {scale_key.shape}; give one each"
        )
    group, entry_a, entry_b = pair_entries(groups)
    shaped = has_shape_by_side(long, short)
    is_comparable = shaped[entry_a] & shaped[entry_b]
    coarse = np.stack((coarsen(long), coarsen(short), coarsen(long + short)), axis=1)
    # Centres of coarse bins lie half a published bin above that of their first published bin.
    position = (price_position(prices) - 0.5 * (BINS_PER_COARSE_BIN - 1)) / BINS_PER_COARSE_BIN
    measured = np.full((len(METRICS), entry_a.size, len(SIDES)), np.nan)
    _measure_pairs(
        coarse,
        np.argsort(coarse, axis=2),
        shaped,
        position,
        _reach_buckets(position),
        groups,
        scale_key.astype(np.int64),
        measured,
    )
    long_bands, short_bands = find_bands(long, prices), find_bands(short, prices)
    matched = _match_pairs(*_arrays(long_bands), *_arrays(short_bands), entry_a, entry_b)
    measured[METRICS.index("band_match_ratio")] = np.where(is_comparable, matched, np.nan)
    return Disagreement(
        entry_has_shape=shaped,
        group=group,
        entry_a=entry_a,
        entry_b=entry_b,
        is_comparable=is_comparable,
        **dict(zip(METRICS, measured, strict=True)),
    )


def _reach_buckets(position: FloatArray) -> npt.NDArray[np.int8]:
    """Return the bucket of distance of each coarse bin, shape (n_entries, N_COARSE_BINS).

    Below price buckets count outwards from 0, above it from ``_N_BUCKETS // 2``.
    """
    away = BINS_PER_COARSE_BIN * (np.arange(N_COARSE_BINS) - position[:, None])
    bucket = np.searchsorted(_REACH_EDGES_BINS, np.abs(away), side="right")
    return (bucket + np.where(away < 0.0, 0, _N_BUCKETS // 2)).astype(np.int8)


@compiled
def _average_ranks(values: FloatArray, order: IntArray, ranks: FloatArray) -> None:
    """Write the ranks of the values from 1, equal values sharing the mean of their ranks."""
    start = 0
    while start < values.size:
        end = start + 1
        while end < values.size and values[order[end]] == values[order[start]]:
            end += 1
        for i in range(start, end):
            ranks[order[i]] = 0.5 * (start + end + 1)
        start = end


@compiled
def _center_and_scale(values: FloatArray) -> None:
    """Turn the values into a vector of mean 0 and length 1; NaN where all are equal."""
    mean = 0.0
    smallest = largest = values[0]
    for value in values:
        mean += value / values.size
        smallest = min(smallest, value)
        largest = max(largest, value)
    if smallest == largest:
        for i in range(values.size):
            values[i] = np.nan
        return
    # Brought near 1 first: the squares of very small or large totals leave the range of floats.
    size = max(largest - mean, mean - smallest)
    squares = 0.0
    for i in range(values.size):
        values[i] = (values[i] - mean) / size
        squares += values[i] * values[i]
    length = np.sqrt(squares)
    for i in range(values.size):
        values[i] /= length


@compiled
def _bound(value: float, low: float, high: float) -> float:
    """Return the value, held to bounds that only rounding can make it cross; NaN stays."""
    if value < low:
        return low
    if value > high:
        return high
    return value


@compiled
def _peak(values: FloatArray, position: float) -> int:
    """Return the fullest bin; among equals the one nearest to the price, then the lowest."""
    peak = 0
    for i in range(1, values.size):
        if values[i] > values[peak] or (
            values[i] == values[peak] and abs(i - position) < abs(peak - position)
        ):
            peak = i
    return peak


@compiled
def _measure_pairs(
    coarse: FloatArray,
    order: IntArray,
    shaped: BoolArray,
    position: FloatArray,
    bucket: npt.NDArray[np.int8],
    group_offsets: IntArray,
    scale_key: IntArray,
    result: FloatArray,
) -> None:
    """Write the metrics of all pairs in the order of ``METRICS``, but the one of bands.

    What depends on one map alone is worked out once per map and group, in scratch arrays small
    enough to stay in cache; a pair is then one pass over its bins. Arrays are copied element by
    element: assigning one to a slice doubles the time to compile.
    """
    _, n_sides, n_bins = coarse.shape
    largest = 0
    for g in range(group_offsets.size - 1):
        largest = max(largest, group_offsets[g + 1] - group_offsets[g])

    share = np.empty((largest, n_sides, n_bins))
    cumulated = np.empty((largest, n_sides, n_bins))
    direction = np.empty((largest, n_sides, n_bins))
    centered = np.empty((largest, n_sides, n_bins))
    ranked = np.empty((largest, n_sides, n_bins))
    buckets = np.empty((largest, n_sides, _N_BUCKETS))
    log_total = np.empty((largest, n_sides))
    entropy = np.empty((largest, n_sides))
    peak = np.empty((largest, n_sides), dtype=np.int64)

    pair = 0
    for g in range(group_offsets.size - 1):
        start = group_offsets[g]
        size = group_offsets[g + 1] - start
        if size < 2:
            continue
        for e in range(size):
            for s in range(n_sides):
                if not shaped[start + e, s]:
                    continue
                values = coarse[start + e, s]
                total = 0.0
                for i in range(n_bins):
                    total += values[i]
                log_total[e, s] = np.log(total)
                peak[e, s] = _peak(values, position[start])
                for k in range(_N_BUCKETS):
                    buckets[e, s, k] = 0.0
                entropy[e, s] = 0.0
                running = 0.0
                squares = 0.0
                for i in range(n_bins):
                    p = values[i] / total
                    share[e, s, i] = p
                    running += p
                    squares += p * p
                    centered[e, s, i] = values[i]
                    cumulated[e, s, i] = running
                    buckets[e, s, bucket[start, i]] += p
                    if p > 0.0:
                        entropy[e, s] -= p * np.log(p)
                for i in range(n_bins):
                    direction[e, s, i] = share[e, s, i] / np.sqrt(squares)
                _center_and_scale(centered[e, s])
                _average_ranks(values, order[start + e, s], ranked[e, s])
                _center_and_scale(ranked[e, s])

        for a in range(size):
            for b in range(a + 1, size):
                for s in range(n_sides):
                    if not (shaped[start + a, s] and shaped[start + b, s]):
                        continue
                    overlap = 0.0
                    mixed_entropy = 0.0
                    transport = 0.0
                    cosine = 0.0
                    pearson = 0.0
                    spearman = 0.0
                    for i in range(n_bins):
                        p = share[a, s, i]
                        q = share[b, s, i]
                        overlap += min(p, q)
                        middle = 0.5 * (p + q)
                        if middle > 0.0:
                            mixed_entropy -= middle * np.log(middle)
                        transport += abs(cumulated[a, s, i] - cumulated[b, s, i])
                        cosine += direction[a, s, i] * direction[b, s, i]
                        pearson += centered[a, s, i] * centered[b, s, i]
                        spearman += ranked[a, s, i] * ranked[b, s, i]
                    reach = 0.0
                    for k in range(_N_BUCKETS):
                        reach += 0.5 * abs(buckets[a, s, k] - buckets[b, s, k])
                    divergence = mixed_entropy - 0.5 * (entropy[a, s] + entropy[b, s])
                    overlap = _bound(overlap, 0.0, 1.0)
                    reach = _bound(reach, 0.0, 1.0 - overlap)
                    key = scale_key[start + a]
                    if key >= 0 and key == scale_key[start + b]:
                        result[0, pair, s] = log_total[a, s] - log_total[b, s]
                    result[1, pair, s] = overlap
                    result[2, pair, s] = _bound(divergence / np.log(2.0), 0.0, 1.0)
                    result[3, pair, s] = 1e4 * COARSE_LOG_WIDTH * transport
                    result[4, pair, s] = _bound(cosine, 0.0, 1.0)
                    result[5, pair, s] = _bound(pearson, -1.0, 1.0)
                    result[6, pair, s] = _bound(spearman, -1.0, 1.0)
                    result[7, pair, s] = 1e4 * COARSE_LOG_WIDTH * abs(peak[a, s] - peak[b, s])
                    result[9, pair, s] = reach
                    result[10, pair, s] = 1.0 - overlap - reach
                pair += 1


def _arrays(bands: Bands) -> tuple[IntArray, IntArray, IntArray, FloatArray]:
    """Return what matching needs of the bands, as arrays."""
    return bands.offsets, bands.first_bin, bands.last_bin, bands.liquidation_usd


@compiled
def _match_pairs(
    long_offsets: IntArray,
    long_first: IntArray,
    long_last: IntArray,
    long_held: FloatArray,
    short_offsets: IntArray,
    short_first: IntArray,
    short_last: IntArray,
    short_held: FloatArray,
    entry_a: IntArray,
    entry_b: IntArray,
) -> FloatArray:
    """Return the band match of all pairs and sides; NaN where a map has no bands."""
    matched = np.full((entry_a.size, 3), np.nan)
    for pair in range(entry_a.size):
        for side in range(3):
            matched[pair, side] = 0.0
        for one, other in ((entry_a[pair], entry_b[pair]), (entry_b[pair], entry_a[pair])):
            longs = slice(long_offsets[one], long_offsets[one + 1])
            shorts = slice(short_offsets[one], short_offsets[one + 1])
            other_longs = slice(long_offsets[other], long_offsets[other + 1])
            other_shorts = slice(short_offsets[other], short_offsets[other + 1])
            for side in range(3):
                n_long = long_offsets[one + 1] - long_offsets[one] if side != 1 else 0
                n_short = short_offsets[one + 1] - short_offsets[one] if side != 0 else 0
                n_sought = min(n_long + n_short, MATCHED_BANDS)
                i = 0
                k = 0
                n_near = 0
                # The bands of a side are by rank already: merge the two lists from the top.
                while i + k < n_sought:
                    if k == n_short or (
                        i < n_long and long_held[longs][i] >= short_held[shorts][k]
                    ):
                        n_near += has_band_near(
                            long_first[longs][i],
                            long_last[longs][i],
                            long_first[other_longs],
                            long_last[other_longs],
                        )
                        i += 1
                    else:
                        n_near += has_band_near(
                            short_first[shorts][k],
                            short_last[shorts][k],
                            short_first[other_shorts],
                            short_last[other_shorts],
                        )
                        k += 1
                matched[pair, side] += 0.5 * n_near / n_sought if n_sought > 0 else np.nan
    return matched


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
    n_groups = group_offsets.size - 1
    entry_group = np.repeat(np.arange(n_groups), np.diff(group_offsets))
    shape = (n_groups, len(SIDES))
    own = np.arange(entry_group.size)[:, None]
    votes = np.where(disagreement.entry_has_shape, own, -1) if vote is None else vote
    provider_count = np.zeros(shape, dtype=np.int64)
    # The first entry with a vote stands for all that share it.
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
    overlap_min = np.full(shape, np.nan)
    np.fmin.at(overlap_min, group, overlap)
    scale_spread = np.full(shape, np.nan)
    scale = np.where(is_comparable, np.abs(disagreement.scale_log_ratio), np.nan)
    np.fmax.at(scale_spread, group, scale)
    reach, placement = mean(disagreement.reach_ratio), mean(disagreement.placement_ratio)
    difference = reach + placement

    furthest_pair = np.full(shape, -1, dtype=np.int64)
    for side in range(len(SIDES)):
        pairs = np.flatnonzero(is_comparable[:, side])
        keys = (-disagreement.wasserstein_bps[pairs, side], overlap[pairs, side], group[pairs])
        ordered = pairs[np.lexsort(keys)]
        groups, first = np.unique(group[ordered], return_index=True)
        furthest_pair[groups, side] = ordered[first]

    return GroupDisagreement(
        provider_count=provider_count,
        overlap_mean_ratio=overlap_mean,
        overlap_std_ratio=np.sqrt(mean((overlap - overlap_mean[group]) ** 2)),
        overlap_min_ratio=overlap_min,
        scale_spread_log_ratio=scale_spread,
        reach_mean_ratio=reach,
        placement_mean_ratio=placement,
        reach_share_ratio=reach / np.where(difference > 0.0, difference, np.nan),
        furthest_pair=furthest_pair,
    )
