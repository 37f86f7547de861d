"""How far two maps of one asset and instant differ, and in what.

Belongs here: the metrics of a pair of maps.
Does not belong here: their summary over a group of maps (``transforms.group_disagreement``), and
what the maps have in common (``transforms.consensus``).

Each metric compares two maps on coarse bins (see ``transforms.maps``), over all coarse bins of the
window, zeros included, whatever the side: a row of side 'long' takes the 100 coarse bins below and
above price as much as a row of side 'both', whose map is the sum of long and short by price (longs
lie below price and shorts above, so in effect one follows the other). The empty half of a
one-sided map enters `cosine` not at all and lifts `pearson` and `spearman`: compare those with rows
of the same side only. With a, b the maps, p = a / sum a and q = b / sum b:

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
    same above (lower ends belong to a bucket): how far from price the mass is, hence the
    leverage assumed. Placement is the rest: where exactly, hence the entries assumed.

Every metric but `scale_log_ratio` depends on shapes alone. A map without shape (empty in the
window, or holding NaN, an infinity or a negative value) makes all metrics NaN and the row not
comparable; it is never an error, so that one bad map does not stop an hour.
"""

from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from transforms.bands import find_bands, has_band_near
from transforms.compiler import compiled
from transforms.errors import InvalidInput
from transforms.grid import BIN_LOG_WIDTH, FloatArray, IntArray
from transforms.maps import (
    BINS_PER_COARSE_BIN,
    COARSE_LOG_WIDTH,
    N_COARSE_BINS,
    SIDES,
    coarsen,
    has_shape_by_side,
    price_position,
    require_groups,
)

BoolArray = npt.NDArray[np.bool_]

MATCHED_BANDS = 5
"""Largest bands of a map that are looked for in the other; fewer where it has fewer."""

REACH_EDGES = (0.01, 0.02, 0.05, 0.10)
"""Inner edges of the buckets of |ln(centre / price)| [ln]."""

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
    coarse = coarsen(np.stack((long, short, long + short), axis=1))
    # Centres of coarse bins lie half a published bin above that of their first published bin.
    position = (price_position(prices) - 0.5 * (BINS_PER_COARSE_BIN - 1)) / BINS_PER_COARSE_BIN
    measured = np.full((entry_a.size, len(SIDES), len(METRICS)), np.nan)
    _measure_pairs(
        coarse,
        np.argsort(coarse, axis=2),
        shaped,
        position,
        _reach_buckets(position),
        groups,
        measured,
    )
    is_same_scale = (scale_key[entry_a] >= 0) & (scale_key[entry_a] == scale_key[entry_b])
    measured[~is_same_scale, :, METRICS.index("scale_log_ratio")] = np.nan
    matched = _match_pairs(_side_bands(long, prices), _side_bands(short, prices), entry_a, entry_b)
    measured[..., METRICS.index("band_match_ratio")] = np.where(is_comparable, matched, np.nan)
    return Disagreement(
        entry_has_shape=shaped,
        group=group,
        entry_a=entry_a,
        entry_b=entry_b,
        is_comparable=is_comparable,
        **{name: np.ascontiguousarray(measured[..., k]) for k, name in enumerate(METRICS)},
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


class _Shapes(NamedTuple):
    """What the metrics need of each map of a group, shape (n_maps, n_sides, ...)."""

    share: FloatArray
    cumulated: FloatArray
    direction: FloatArray
    centered: FloatArray
    ranked: FloatArray
    buckets: FloatArray
    log_total: FloatArray
    entropy: FloatArray
    peak: IntArray


@compiled
def _describe_map(
    values: FloatArray,
    order: IntArray,
    bucket: npt.NDArray[np.int8],
    position: float,
    shapes: _Shapes,
    e: int,
    s: int,
) -> None:
    """Write what depends on one map alone as entry `e` and side `s` of `shapes`."""
    n_bins = values.size
    share, cumulated, direction = shapes.share[e, s], shapes.cumulated[e, s], shapes.direction[e, s]
    centered, ranked, buckets = shapes.centered[e, s], shapes.ranked[e, s], shapes.buckets[e, s]
    total = 0.0
    for i in range(n_bins):
        total += values[i]
    for k in range(_N_BUCKETS):
        buckets[k] = 0.0
    entropy = 0.0
    running = 0.0
    squares = 0.0
    for i in range(n_bins):
        p = values[i] / total
        share[i] = p
        running += p
        squares += p * p
        centered[i] = values[i]
        cumulated[i] = running
        buckets[bucket[i]] += p
        if p > 0.0:
            entropy -= p * np.log(p)
    for i in range(n_bins):
        direction[i] = share[i] / np.sqrt(squares)
    _center_and_scale(centered)
    _average_ranks(values, order, ranked)
    _center_and_scale(ranked)
    shapes.log_total[e, s] = np.log(total)
    shapes.entropy[e, s] = entropy
    shapes.peak[e, s] = _peak(values, position)


@compiled
def _compare_maps(shapes: _Shapes, a: int, b: int, s: int, found: FloatArray) -> None:
    """Write the metrics of two maps on one side in the order of ``METRICS``, but that of bands."""
    overlap = 0.0
    mixed_entropy = 0.0
    transport = 0.0
    cosine = 0.0
    pearson = 0.0
    spearman = 0.0
    shares, other_shares = shapes.share[a, s], shapes.share[b, s]
    cumulated, other_cumulated = shapes.cumulated[a, s], shapes.cumulated[b, s]
    direction, other_direction = shapes.direction[a, s], shapes.direction[b, s]
    centered, other_centered = shapes.centered[a, s], shapes.centered[b, s]
    ranked, other_ranked = shapes.ranked[a, s], shapes.ranked[b, s]
    for i in range(shares.size):
        p = shares[i]
        q = other_shares[i]
        overlap += min(p, q)
        middle = 0.5 * (p + q)
        if middle > 0.0:
            mixed_entropy -= middle * np.log(middle)
        transport += abs(cumulated[i] - other_cumulated[i])
        cosine += direction[i] * other_direction[i]
        pearson += centered[i] * other_centered[i]
        spearman += ranked[i] * other_ranked[i]
    reach = 0.0
    for k in range(_N_BUCKETS):
        reach += 0.5 * abs(shapes.buckets[a, s, k] - shapes.buckets[b, s, k])
    divergence = mixed_entropy - 0.5 * (shapes.entropy[a, s] + shapes.entropy[b, s])
    overlap = _bound(overlap, 0.0, 1.0)
    reach = _bound(reach, 0.0, 1.0 - overlap)
    found[0] = shapes.log_total[a, s] - shapes.log_total[b, s]
    found[1] = overlap
    found[2] = _bound(divergence / np.log(2.0), 0.0, 1.0)
    found[3] = 1e4 * COARSE_LOG_WIDTH * transport
    found[4] = _bound(cosine, 0.0, 1.0)
    found[5] = _bound(pearson, -1.0, 1.0)
    found[6] = _bound(spearman, -1.0, 1.0)
    found[7] = 1e4 * COARSE_LOG_WIDTH * abs(shapes.peak[a, s] - shapes.peak[b, s])
    found[9] = reach
    found[10] = 1.0 - overlap - reach


@compiled
def _measure_pairs(
    coarse: FloatArray,
    order: IntArray,
    shaped: BoolArray,
    position: FloatArray,
    bucket: npt.NDArray[np.int8],
    group_offsets: IntArray,
    result: FloatArray,
) -> None:
    """Write the metrics of all pairs, last axis in the order of ``METRICS``.

    What depends on one map alone is worked out once per map and group, in scratch arrays small
    enough to stay in cache; a pair is then one pass over its bins.
    """
    _, n_sides, n_bins = coarse.shape
    largest = 0
    for g in range(group_offsets.size - 1):
        largest = max(largest, group_offsets[g + 1] - group_offsets[g])
    share, cumulated, direction, centered, ranked = np.empty((5, largest, n_sides, n_bins))
    log_total, entropy = np.empty((2, largest, n_sides))
    buckets = np.empty((largest, n_sides, _N_BUCKETS))
    peak = np.empty((largest, n_sides), dtype=np.int64)
    shapes = _Shapes(
        share, cumulated, direction, centered, ranked, buckets, log_total, entropy, peak
    )
    pair = 0
    for g in range(group_offsets.size - 1):
        start = group_offsets[g]
        size = group_offsets[g + 1] - start
        if size < 2:
            continue
        for e in range(size):
            for s in range(n_sides):
                if shaped[start + e, s]:
                    values, ranks = coarse[start + e, s], order[start + e, s]
                    _describe_map(values, ranks, bucket[start], position[start], shapes, e, s)
        for a in range(size):
            for b in range(a + 1, size):
                for s in range(n_sides):
                    if shaped[start + a, s] and shaped[start + b, s]:
                        _compare_maps(shapes, a, b, s, result[pair, s])
                pair += 1


class _SideBands(NamedTuple):
    """What matching needs of the bands of one side; see ``Bands``."""

    offsets: IntArray
    first_bin: IntArray
    last_bin: IntArray
    usd: FloatArray


def _side_bands(aligned: FloatArray, prices: FloatArray) -> _SideBands:
    bands = find_bands(aligned, prices)
    return _SideBands(bands.offsets, bands.first_bin, bands.last_bin, bands.liquidation_usd)


@compiled
def _has_twin(bands: _SideBands, band: int, other: int) -> bool:
    """Return whether another map has a band where this one is."""
    own = slice(bands.offsets[other], bands.offsets[other + 1])
    return has_band_near(
        bands.first_bin[band], bands.last_bin[band], bands.first_bin[own], bands.last_bin[own]
    )


@compiled
def _matched_share(long: _SideBands, short: _SideBands, one: int, other: int, side: int) -> float:
    """Return the share of a map's largest bands that another map has too; NaN without any."""
    i, k = long.offsets[one], short.offsets[one]
    stop_i = long.offsets[one + 1] if side != 1 else i
    stop_k = short.offsets[one + 1] if side != 0 else k
    n_sought = min(stop_i - i + stop_k - k, MATCHED_BANDS)
    n_near = 0
    # The bands of a side are by rank already: merge the two lists from the top.
    for _ in range(n_sought):
        if k == stop_k or (i < stop_i and long.usd[i] >= short.usd[k]):
            n_near += _has_twin(long, i, other)
            i += 1
        else:
            n_near += _has_twin(short, k, other)
            k += 1
    return n_near / n_sought if n_sought > 0 else np.nan


@compiled
def _match_pairs(
    long: _SideBands, short: _SideBands, entry_a: IntArray, entry_b: IntArray
) -> FloatArray:
    """Return the band match of all pairs and sides; NaN where a map has no bands."""
    matched = np.empty((entry_a.size, 3))
    for pair in range(entry_a.size):
        a, b = entry_a[pair], entry_b[pair]
        for side in range(3):
            there = _matched_share(long, short, a, b, side)
            back = _matched_share(long, short, b, a, side)
            matched[pair, side] = 0.5 * there + 0.5 * back
    return matched
