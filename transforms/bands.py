"""Bands: runs of bins that stand out from their zone, and who agrees on them.

Belongs here: finding and ranking the bands of a map, and telling whether two bands are one place.
Does not belong here: the odds that price gets there, and what happens then.

Definition. The window of a map (see ``transforms.maps``) has four zones by |ln(bin centre /
price)|: 0-.02, .02-.05, .05-.10 and .10-.20; a lower end belongs to its zone, and the last zone
has all that is left of the window. A bin is dense if it is not empty and holds at least the 90th
percentile of the side's bins of its zone that are not empty. Bins are equally wide in log price,
so what a bin holds is its density. Dense bins no more than one bin apart belong to one band, across
the ends of zones too; a band runs from the first of them to the last and holds everything in
between, the bridged bin too. It counts to the zone of its densest bin, where `distance_bps` points.

Bands are ranked by what is expected to be forced of them, the sum over their bins of what the bin
holds times the odds that price reaches the bin; without odds by what they hold. Five a zone are
kept. Zones, because most of a side is far away: one percentile over all of it finds only what
price hardly ever reaches.

Ties, in the peak of a band and in the rank, go to what is nearer to the price, then to the lower
price.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from transforms.compiler import compiled
from transforms.errors import InvalidInput
from transforms.grid import BIN_LOG_WIDTH, FloatArray, IntArray, bin_center, bin_edges
from transforms.maps import N_WINDOW_BINS, has_shape, price_position, window_first_bin

ZONE_EDGES = (0.02, 0.05, 0.10)
"""Ends of the zones within the window, |ln(bin centre / price)| [ln]."""

ZONES = ("0-2 %", "2-5 %", "5-10 %", "10-20 %")
"""Names of the zones, nearest first."""

BANDS_PER_ZONE = 5
"""Bands kept of a zone of a side."""

BANDS_PER_SIDE = BANDS_PER_ZONE * len(ZONES)
"""Most bands of a side."""

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
    rank, size_rank : ndarray of int64, shape (n_bands,)
        1 for the band of which most is expected to be forced, and for the one that holds most.
    zone : ndarray of int64, shape (n_bands,)
        Zone of the densest bin, index into ``ZONES``.
    first_bin, last_bin, peak_bin : ndarray of int64, shape (n_bands,)
        Published bins: the ends of the run, both within it, and its densest bin.
    price_low, price_high, price_peak : ndarray of float64, shape (n_bands,)
        Outer edges of the run and centre of the densest bin [USD per unit of the asset].
    liquidation_usd : ndarray of float64, shape (n_bands,)
        What the run holds, in the unit of the map [USD for maps in USD].
    expected_forced_usd : ndarray of float64, shape (n_bands,)
        What is expected to be forced of it within the time of the odds, in the unit of the map.
        NaN without odds.
    distance_bps : ndarray of float64, shape (n_bands,)
        ``1e4 ln(price_peak / price)`` [bps]; below 0 for a band below the price.
    side_share_ratio : ndarray of float64, shape (n_bands,)
        Share of what the map holds in its window [0-1].
    """

    offsets: IntArray
    map_index: IntArray
    rank: IntArray
    size_rank: IntArray
    zone: IntArray
    first_bin: IntArray
    last_bin: IntArray
    peak_bin: IntArray
    price_low: FloatArray
    price_high: FloatArray
    price_peak: FloatArray
    liquidation_usd: FloatArray
    expected_forced_usd: FloatArray
    distance_bps: FloatArray
    side_share_ratio: FloatArray


def find_bands(aligned: FloatArray, price: npt.ArrayLike, odds: FloatArray | None = None) -> Bands:
    """Return the bands of every map.

    Parameters
    ----------
    aligned : ndarray of float64, shape (n_maps, N_WINDOW_BINS)
        Windows of maps of one side, as `transforms.maps.align_maps` returns them.
    price : array_like of float, shape (n_maps,)
        Close at the instant of each map [USD per unit of the asset].
    odds : ndarray of float64, shape (n_maps, N_WINDOW_BINS), optional
        Odds that price reaches the near edge of each bin [0-1]; a map with a NaN among them has
        none.

    Returns
    -------
    Bands
        At most ``BANDS_PER_SIDE`` a map. A map without shape (empty, NaN, negative, or of unknown
        price) has none; any other has at least one in each zone in which it holds something that
        no band of a neighbouring zone swallows.

    Raises
    ------
    InvalidInput
        If `aligned` or `odds` is no window or `price` has another length.

    Examples
    --------
    >>> aligned = np.zeros((1, N_WINDOW_BINS))
    >>> aligned[0, [60, 84, 86, 95]] = 10.0, 20.0, 30.0, 1.0
    >>> bands = find_bands(aligned, [1.0])
    >>> [ZONES[zone] for zone in bands.zone], bands.peak_bin.tolist()
    (['2-5 %', '5-10 %', '0-2 %'], [-14, -40, -5])
    >>> bands.distance_bps.round(6).tolist(), bands.side_share_ratio.round(3).tolist()
    ([-275.0, -795.0, -95.0], [0.492, 0.164, 0.016])

    The 90th percentile of 20 and 30 is 29: of the second zone only the bin of 30 stands out. With
    odds, what is near comes first:

    >>> odds = np.where(np.arange(N_WINDOW_BINS) < 90, 0.01, 0.5)[None, :]
    >>> likely = find_bands(aligned, [1.0], odds)
    >>> likely.peak_bin.tolist(), likely.expected_forced_usd.round(3).tolist()
    ([-5, -14, -40], [0.5, 0.3, 0.1])
    >>> likely.size_rank.tolist()
    [3, 1, 2]
    """
    prices = np.asarray(price, dtype=np.float64)
    if aligned.ndim != 2 or aligned.shape[1] != N_WINDOW_BINS or prices.shape != aligned.shape[:1]:
        raise InvalidInput(
            f"aligned has shape {aligned.shape} and price {prices.shape}, expected "
            f"(n_maps, {N_WINDOW_BINS}) and (n_maps,); make the former with align_maps"
        )
    if odds is None:
        odds = np.broadcast_to(np.nan, aligned.shape)
    if odds.shape != aligned.shape:
        raise InvalidInput(
            f"odds have shape {odds.shape} and aligned {aligned.shape}; give the odds of each bin"
        )
    found, amounts, count = _find_runs(aligned, has_shape(aligned), odds, price_position(prices))
    is_band = np.arange(BANDS_PER_SIDE) < count[:, None]
    map_index, place = np.nonzero(is_band)
    first, last, peak = found[is_band, :3].T + window_first_bin(prices)[map_index]
    usd, expected = amounts[is_band].T
    price_peak = bin_center(peak)
    return Bands(
        offsets=np.concatenate((np.zeros(1, np.int64), np.cumsum(count))),
        map_index=map_index,
        rank=place + 1,
        size_rank=found[is_band, 4],
        zone=found[is_band, 3],
        first_bin=first,
        last_bin=last,
        peak_bin=peak,
        price_low=bin_edges(first)[0],
        price_high=bin_edges(last)[1],
        price_peak=price_peak,
        liquidation_usd=usd,
        expected_forced_usd=expected,
        distance_bps=1e4 * np.log(price_peak / prices[map_index]),
        side_share_ratio=usd / aligned.sum(axis=1)[map_index],
    )


@compiled
def _is_better(held_a: float, away_a: float, held_b: float, away_b: float) -> bool:
    """Return whether a beats b, which lies lower: by what it holds, then by nearness."""
    return held_a > held_b or (held_a == held_b and away_a < away_b)


@compiled
def _zone(away_bins: float) -> int:
    """Return the zone of a bin whose centre is so many bins from the price."""
    zone = 0
    for edge in ZONE_EDGES:
        zone += away_bins * BIN_LOG_WIDTH >= edge
    return zone


@compiled
def _zone_thresholds(row: FloatArray, position: float, thresholds: FloatArray) -> None:
    """Write the 90th percentile of the bins of each zone that are not empty, infinity without any.

    The position among order statistics is worked out in whole numbers, as in
    `transforms.maps.top_decile_thresholds`, so that a bin exactly at the percentile is not lost.
    """
    filled = np.empty(row.size)
    for zone in range(thresholds.size):
        n_filled = 0
        for i in range(row.size):
            if row[i] > 0.0 and _zone(abs(i - position)) == zone:
                filled[n_filled] = row[i]
                n_filled += 1
        thresholds[zone] = np.inf
        if n_filled > 0:
            ordered = np.sort(filled[:n_filled])
            tenths = 9 * (n_filled - 1)
            low = ordered[tenths // 10]
            high = ordered[min(tenths // 10 + 1, n_filled - 1)]
            thresholds[zone] = low + (high - low) * (tenths % 10 / 10.0)


@compiled
def _collect_runs(row: FloatArray, position: float, run: IntArray) -> int:
    """Write (first, last, peak, zone) of each run of dense bins, lowest first; return how many."""
    thresholds = np.empty(len(ZONE_EDGES) + 1)
    _zone_thresholds(row, position, thresholds)
    n_runs = 0
    last_dense = -3
    for i in range(row.size):
        if row[i] < thresholds[_zone(abs(i - position))]:
            continue
        if i - last_dense > 2:
            for part in range(3):
                run[n_runs, part] = i
            n_runs += 1
        r = n_runs - 1
        run[r, 1] = i
        peak = run[r, 2]
        if _is_better(row[i], abs(i - position), row[peak], abs(peak - position)):
            run[r, 2] = i
        last_dense = i
    for r in range(n_runs):
        run[r, 3] = _zone(abs(run[r, 2] - position))
    return n_runs


@compiled
def _best_run(score: FloatArray, run: IntArray, position: float) -> int:
    """Return the run with the highest score that is not negative; ties as in `_is_better`."""
    best = -1
    for r in range(score.size):
        away, best_away = abs(run[r, 2] - position), abs(run[best, 2] - position)
        if score[r] >= 0.0 and (best < 0 or _is_better(score[r], away, score[best], best_away)):
            best = r
    return best


@compiled
def _find_runs(
    aligned: FloatArray,
    shaped: npt.NDArray[np.bool_],
    odds: FloatArray,
    position: FloatArray,
) -> tuple[IntArray, FloatArray, IntArray]:
    """Return (first, last, peak, zone, rank by size), (held, expected) and the count of bands."""
    n_maps, n_bins = aligned.shape
    found = np.zeros((n_maps, BANDS_PER_SIDE, 5), dtype=np.int64)
    amounts = np.full((n_maps, BANDS_PER_SIDE, 2), np.nan)
    count = np.zeros(n_maps, dtype=np.int64)
    run = np.empty((n_bins, 4), dtype=np.int64)
    held = np.empty(n_bins)
    expected = np.empty(n_bins)
    score = np.empty(n_bins)
    for m in range(n_maps):
        if not shaped[m]:
            continue
        row = aligned[m]
        has_odds = True
        for i in range(n_bins):
            has_odds = has_odds and not np.isnan(odds[m, i])
        n_runs = _collect_runs(row, position[m], run)
        for r in range(n_runs):
            held[r] = 0.0
            expected[r] = 0.0 if has_odds else np.nan
            for i in range(run[r, 0], run[r, 1] + 1):
                held[r] += row[i]
                expected[r] += row[i] * odds[m, i]
            score[r] = expected[r] if has_odds else held[r]
        in_zone = np.zeros(len(ZONE_EDGES) + 1, dtype=np.int64)
        for _ in range(n_runs):
            best = _best_run(score[:n_runs], run, position[m])
            score[best] = -1.0
            if in_zone[run[best, 3]] == BANDS_PER_ZONE:
                continue
            in_zone[run[best, 3]] += 1
            place = count[m]
            for part in range(4):
                found[m, place, part] = run[best, part]
            amounts[m, place, 0] = held[best]
            amounts[m, place, 1] = expected[best]
            count[m] += 1
        _rank_by_size(found[m], amounts[m], count[m], position[m])
    return found, amounts, count


@compiled
def _rank_by_size(found: IntArray, amounts: FloatArray, count: int, position: float) -> None:
    """Write the rank of each band by what it holds; ties as in `_is_better`, then the lower."""
    for own in range(count):
        found[own, 4] = 1
        own_away = abs(found[own, 2] - position)
        for other in range(count):
            away = abs(found[other, 2] - position)
            is_tie = amounts[other, 0] == amounts[own, 0] and away == own_away
            if _is_better(amounts[other, 0], away, amounts[own, 0], own_away) or (
                is_tie and found[other, 2] < found[own, 2]
            ):
                found[own, 4] += 1


def count_agreeing_providers(
    consensus: Bands,
    providers: Bands,
    group_offsets: npt.NDArray[np.int64],
    vote: IntArray | None = None,
) -> IntArray:
    """Return how many votes there are for a band where the consensus has one.

    A provider agrees on a band if one of its own bands overlaps it or ends within
    ``SAME_PLACE_BPS`` of it, edge to edge. Both must be of the same side. Providers that share a
    vote count once.

    Parameters
    ----------
    consensus : Bands
        Bands of the consensus maps, one map per group.
    providers : Bands
        Bands of the providers' maps of the same side.
    group_offsets : ndarray of int64, shape (n_groups + 1,)
        Group ``g`` is the providers' maps ``group_offsets[g]:group_offsets[g + 1]``.
    vote : ndarray of int64, shape (n_maps,), optional
        Vote of each provider's map on this side (`transforms.group_disagreement.share_votes`); by
        default each has its own.

    Returns
    -------
    ndarray of int64, shape (n_consensus_bands,)
        Number of votes for each band of the consensus.

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
    return _count_agreeing(
        *_runs(consensus),
        np.arange(group_offsets.size),
        *_runs(providers),
        group_offsets.astype(np.int64),
        _votes(providers, vote),
    )


def _runs(bands: Bands) -> tuple[IntArray, IntArray, IntArray]:
    """Return which runs of bins the bands of each map are."""
    return bands.offsets, bands.first_bin, bands.last_bin


def _votes(bands: Bands, vote: IntArray | None) -> IntArray:
    """Return the vote of each map, its own where none is given."""
    n_maps = bands.offsets.size - 1
    votes = np.arange(n_maps) if vote is None else vote
    if votes.shape != (n_maps,):
        raise InvalidInput(f"{n_maps} maps have votes of shape {votes.shape}; give one each")
    # A column of all sides is not contiguous, and would be compiled for once more.
    return np.ascontiguousarray(votes, dtype=np.int64)


def count_agreeing_members(
    bands: Bands, group_offsets: npt.NDArray[np.int64], vote: IntArray | None = None
) -> IntArray:
    """Return how many votes of its group there are for a band, its own map's included.

    Parameters
    ----------
    bands : Bands
        Bands of all maps of one side.
    group_offsets : ndarray of int64, shape (n_groups + 1,)
        Group ``g`` is the maps ``group_offsets[g]:group_offsets[g + 1]``.
    vote : ndarray of int64, shape (n_maps,), optional
        As in `count_agreeing_providers`.

    Returns
    -------
    ndarray of int64, shape (n_bands,)
        Number of votes, as `count_agreeing_providers` counts them; at least 1 where the band's own
        map has a vote.

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
    # Each map is judged as if it were a consensus, by the maps of its group.
    groups = group_offsets.astype(np.int64)
    runs = _runs(bands)
    return _count_agreeing(*runs, groups, *runs, groups, _votes(bands, vote))


@compiled
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


@compiled
def _count_agreeing(
    judged_offsets: IntArray,
    judged_first: IntArray,
    judged_last: IntArray,
    judged_groups: IntArray,
    offsets: IntArray,
    first: IntArray,
    last: IntArray,
    group_offsets: IntArray,
    vote: IntArray,
) -> IntArray:
    """Return the votes of its group for each band judged.

    Of group ``g`` the maps ``judged_groups[g]:judged_groups[g + 1]`` are judged.
    """
    agreeing = np.zeros(judged_first.size, dtype=np.int64)
    voted_for = np.full(vote.size, -1, dtype=np.int64)
    for g in range(group_offsets.size - 1):
        judged = slice(judged_offsets[judged_groups[g]], judged_offsets[judged_groups[g + 1]])
        for band in range(judged.start, judged.stop):
            for m in range(group_offsets[g], group_offsets[g + 1]):
                if vote[m] < 0 or voted_for[vote[m]] == band:
                    continue
                own = slice(offsets[m], offsets[m + 1])
                if has_band_near(judged_first[band], judged_last[band], first[own], last[own]):
                    voted_for[vote[m]] = band
                    agreeing[band] += 1
    return agreeing
