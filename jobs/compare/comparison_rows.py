"""Rows of the derived tables that hold comparisons, and the assumptions behind them.

Belongs here: shaping. Does not belong here: which maps are compared (``compare_maps``).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from jobs.build.hourly_maps import TrimmedBins, nullable, repeat_sides
from jobs.compare.map_set import Labels, MapGroups
from jobs.compare.market_history import MarketHistory
from transforms.bands import BANDS_PER_ZONE, SAME_PLACE_BPS, ZONE_EDGES, ZONES, Bands
from transforms.cascade import CascadeParameters, Cascades
from transforms.consensus import Consensus
from transforms.disagreement import (
    MATCHED_BANDS,
    METRICS,
    REACH_EDGES,
    Disagreement,
)
from transforms.group_disagreement import SAME_VOTE_OVERLAP, GroupDisagreement
from transforms.maps import COARSE_LOG_WIDTH, COMPARED_RANGE, SIDES, window_first_bin
from transforms.series import FloatArray, IntArray
from transforms.touch import (
    DAY_EXPONENT,
    HALF_LIFE_SECONDS,
    LEAST_ODDS,
    MONTH_SECONDS,
    TAIL_SCALE,
    WEEKEND_RATIO,
)
from warehouse.contracts import stored_rows

CONSENSUS = "consensus"
"""Provider of the mean of all maps, and ``params_hash`` of all comparisons."""

CONSENSUS_NEEDS = 2
"""Votes that make a consensus."""

CASCADES = CascadeParameters()
"""Shocks and impact of the cascade scenarios."""

FORCEABLE = ("standing", "expected_realised")
"""Semantics of maps whose values are forced when price reaches them: open positions, or what of
them would be liquidated and published."""

# Why a map has nothing to compare, by code; 0 is no fault.
FAULTS = (
    "",
    "nothing within 20 % of price",
    "its own price lies outside the hour's: a stale capture, or of another asset",
)


def comparison_assumptions() -> list[list[str]]:
    """Return rows of derived.estimator_parameter: the assumptions of all comparisons.

    Examples
    --------
    >>> comparison_assumptions()[0][:4]
    ['consensus', 'consensus', 'model', 'mean of shapes']
    """
    assumptions: list[tuple[str, object, str, str]] = [
        ("model", "mean of shapes", "name", "totals differ twentyfold, shapes can be averaged"),
        ("weight", 1, "of each vote", "none has been shown to be better than another"),
        ("same_vote", SAME_VOTE_OVERLAP, "overlap", "maps with the same assumptions are one voice"),
        ("votes_needed", CONSENSUS_NEEDS, "votes", "one alone agrees with itself"),
        ("compared_range", COMPARED_RANGE, "log price", "beyond it providers rarely draw anything"),
        ("compared_step", COARSE_LOG_WIDTH, "log price", "finer bins would compare noise"),
        ("reach_edges", _listed(REACH_EDGES), "log price", "ends of the buckets of distance"),
        ("matched_bands", MATCHED_BANDS, "bands", "the largest of each map"),
        ("same_place", SAME_PLACE_BPS, "bps", "a narrow band is about as wide"),
        ("zone_edges", _listed(ZONE_EDGES), "log price", "most of a side is far from price"),
        ("dense_quantile", 0.9, "of bins that hold anything", "what stands out of its zone"),
        ("bridged_gap", 1, "bins", "one thin bin does not part a band"),
        ("bands_per_zone", BANDS_PER_ZONE, "bands", "enough of a zone to act on"),
        ("touch_model", "Student tails, 3 degrees", "name", "a baseline for bands to beat"),
        ("tail_scale", TAIL_SCALE, "of distance", "measured on recorded hours"),
        ("least_odds", LEAST_ODDS, "ratio", "rarer events have not been counted"),
        ("volatility_half_life", HALF_LIFE_SECONDS, "s", "every hour of the day has a say"),
        ("volatility_month", MONTH_SECONDS, "s", "a calm day is followed by a less calm one"),
        ("volatility_day_exponent", DAY_EXPONENT, "1", "measured on recorded hours"),
        ("volatility_weekend", WEEKEND_RATIO, "of other days", "measured on recorded hours"),
        (
            "impact_coefficient",
            CASCADES.impact_coefficient,
            "1",
            "square-root law, Y near 1 in many markets (arXiv 1105.1694)",
        ),
        ("shocks", _listed(CASCADES.shocks_ratio), "ratio", "moves of an hour or a day, both ways"),
    ]
    return [[CONSENSUS, CONSENSUS, name, str(value), *words] for name, value, *words in assumptions]


def _listed(values: Sequence[float]) -> str:
    return " ".join(f"{value:g}" for value in values)


def _texts(words: Sequence[str | None], codes: npt.NDArray[np.integer]) -> pa.Array:
    return pa.array(words, pa.string()).take(pa.array(codes))


def disagreement_rows(
    labels: Labels,
    found: Disagreement,
    fault: npt.NDArray[np.int8],
    covered_ratio: FloatArray,
    common_overlap: FloatArray,
    run_id: str,
) -> pa.Table:
    """Return rows of derived.map_disagreement, one a pair and side.

    Parameters
    ----------
    labels : Labels
        Of each entry of the comparison.
    found : Disagreement
        Its pairs.
    fault : ndarray of int8, shape (n_entries, 3)
        Index into ``FAULTS``, by ``SIDES``.
    covered_ratio : ndarray of float64, shape (n_entries, 3)
        Share of the compared prices that the map covers [0-1].
    common_overlap : ndarray of float64, shape (n_pairs, 3)
        Overlap within the prices that both cover [0-1].
    run_id : str
        Written beside each row.
    """
    n_sides = len(SIDES)
    side = np.tile(np.arange(n_sides), len(found.group))
    entry_a, entry_b = (np.repeat(entry, n_sides) for entry in (found.entry_a, found.entry_b))
    columns = labels.take(entry_a).columns()
    for end, entry in (("a", entry_a), ("b", entry_b)):
        for name in ("provider", "venue", "unit", "semantics", "params_hash"):
            columns[f"{name}_{end}"] = labels.text[name].take(pa.array(entry))
        columns[f"covered_{end}_ratio"] = pa.array(covered_ratio[entry, side])
    reasons = [
        "; ".join(f"{end}: {FAULTS[code]}" for end, code in zip("ab", codes, strict=True) if code)
        or None
        for codes in np.ndindex(len(FAULTS), len(FAULTS))
    ]
    code = fault[entry_a, side].astype(np.int64) * len(FAULTS) + fault[entry_b, side]
    return stored_rows(
        "derived.map_disagreement",
        {
            **columns,
            "side": _texts(SIDES, side),
            "is_comparable": found.is_comparable.ravel(),
            "reason": _texts(reasons, code),
            **{name: nullable(getattr(found, name)) for name in METRICS},
            "common_overlap_ratio": nullable(common_overlap),
            "run_id": run_id,
        },
    )


def asset_disagreement_rows(
    groups: MapGroups, found: Disagreement, overall: GroupDisagreement, run_id: str
) -> pa.Table:
    """Return rows of derived.asset_disagreement, one a group and side."""
    labels, n_groups = groups.labels, len(groups.first)
    furthest = overall.furthest_pair.ravel()
    is_known = furthest >= 0
    ends = {}
    for end, entry in (("a", found.entry_a), ("b", found.entry_b)):
        chosen = np.zeros(len(furthest), dtype=np.int64)
        chosen[is_known] = entry[furthest[is_known]]
        ends[f"furthest_provider_{end}"] = labels.text["provider"].take(
            pa.array(chosen, mask=~is_known)
        )
    measures = (
        "overlap_mean_ratio",
        "overlap_std_ratio",
        "overlap_min_ratio",
        "scale_spread_log_ratio",
        "reach_mean_ratio",
        "placement_mean_ratio",
        "reach_share_ratio",
    )
    return stored_rows(
        "derived.asset_disagreement",
        {
            **labels.take(np.repeat(groups.first, len(SIDES))).columns("venue"),
            "side": repeat_sides(n_groups, SIDES),
            "provider_count": overall.provider_count.ravel(),
            **{name: nullable(getattr(overall, name)) for name in measures},
            **ends,
            "run_id": run_id,
        },
    )


def consensus_rows(groups: MapGroups, consensus: Consensus, run_id: str) -> pa.Table:
    """Return rows of derived.consensus, without the empty bins at both ends."""
    group, side = np.nonzero(consensus.provider_count[:, :2] >= CONSENSUS_NEEDS)
    entry = groups.first[group]
    trimmed = TrimmedBins.of(consensus.mean_ratio[group, side] > 0.0)

    def lists(values: npt.NDArray[np.generic]) -> pa.Array:
        return trimmed.lists(values[group, side])

    return stored_rows(
        "derived.consensus",
        {
            **groups.labels.take(entry).columns("venue"),
            "side": _texts(SIDES, side),
            "price": groups.price[entry],
            "provider_count": consensus.provider_count[group, side],
            "first_bin_index": consensus.first_bin[group] + trimmed.first,
            "mean_ratio": lists(consensus.mean_ratio),
            "min_ratio": lists(consensus.min_ratio),
            "max_ratio": lists(consensus.max_ratio),
            "variation_ratio": lists(consensus.variation_ratio),
            "dense_provider_count": lists(consensus.dense_count),
            "params_hash": CONSENSUS,
            "run_id": run_id,
        },
    )


def touch_odds_rows(
    groups: MapGroups, market: MarketHistory, bin_odds: FloatArray, run_id: str
) -> pa.Table:
    """Return rows of derived.touch_odds, one a group; NULL instead of odds that are not known.

    Parameters
    ----------
    groups : MapGroups
        Maps by asset, hour and scope.
    market : MarketHistory
        Before each map.
    bin_odds : ndarray of float64, shape (n_groups, N_WINDOW_BINS)
        Probability that each bin around a group's price is reached within a day [0-1].
    run_id : str
        Written beside each row.
    """
    price = groups.price[groups.first]
    ahead = market.volatility_ahead[groups.first]
    offsets = np.arange(len(price) + 1, dtype=np.int32) * bin_odds.shape[1]
    return stored_rows(
        "derived.touch_odds",
        {
            **groups.labels.take(groups.first).columns("venue"),
            "price": price,
            "volatility_ahead_ratio": nullable(ahead),
            "volatility_hour_count": market.hour_count[groups.first],
            "first_bin_index": window_first_bin(price),
            "touch_probability_24h_ratio": pa.ListArray.from_arrays(
                offsets,
                pa.array(bin_odds.astype(np.float32).ravel()),
                mask=pa.array(np.isnan(ahead)),
            ),
            "run_id": run_id,
        },
    )


@dataclass(frozen=True, slots=True)
class BandRows:
    """The bands of one side of some maps, with the state of those maps.

    Parameters
    ----------
    labels : Labels
        Of the maps; for a consensus, of any map of its group.
    side : str
        ``long`` or ``short``.
    is_consensus : bool
        Whether the bands are those of the mean map of a group.
    price : ndarray of float64, shape (n_maps,)
        Close [USD per unit of the asset].
    market : MarketHistory
        Volatility before each map.
    side_expected_usd : ndarray of float64, shape (n_maps,)
        Expected liquidations of the whole side within 24 hours, in the unit of the map.
    provider_count : ndarray of int64, shape (n_maps,)
        Votes of providers that could agree.
    bands : Bands
        The bands.
    odds : ndarray of float64, shape (n_bands,)
        Probability that the densest bin is touched within a day [0-1].
    start_up_ratio : ndarray of float64, shape (n_bands,)
        Share of the band that is start-up mass [0-1], NaN where not known.
    agreeing : ndarray of int64, shape (n_bands,)
        Votes of providers that have a band there.
    """

    labels: Labels
    side: str
    is_consensus: bool
    price: FloatArray
    market: MarketHistory
    side_expected_usd: FloatArray
    provider_count: IntArray
    bands: Bands
    odds: FloatArray
    start_up_ratio: FloatArray
    agreeing: IntArray


def band_rows(found: BandRows, run_id: str) -> pa.Table:
    """Return rows of derived.band."""
    bands, own = found.bands, found.bands.map_index
    labels, market = found.labels.take(own), found.market.take(own)
    columns = labels.columns("venue", "provider", "params_hash")
    is_usd = is_forceable = np.zeros(len(own), dtype=np.bool_)
    if found.is_consensus:
        columns["provider"] = columns["params_hash"] = CONSENSUS
    else:
        is_usd = labels.values("unit") == "usd"
        is_forceable = is_usd & np.isin(labels.values("semantics"), FORCEABLE)
    expected, side_expected = (
        pa.array(values, mask=~is_forceable | np.isnan(values))
        for values in (bands.expected_forced_usd, found.side_expected_usd[own])
    )
    return stored_rows(
        "derived.band",
        {
            **columns,
            "side": found.side,
            "rank": bands.rank,
            "size_rank": bands.size_rank,
            "zone": _texts(ZONES, bands.zone),
            "price": found.price[own],
            "first_bin_index": bands.first_bin,
            "last_bin_index": bands.last_bin,
            "peak_bin_index": bands.peak_bin,
            "liquidation_usd": pa.array(bands.liquidation_usd, mask=~is_usd),
            "expected_forced_usd_24h": expected,
            "side_expected_forced_usd_24h": side_expected,
            "side_share_ratio": bands.side_share_ratio,
            "start_up_ratio": nullable(found.start_up_ratio),
            "volatility_day_ratio": nullable(market.volatility_day),
            "volatility_month_ratio": nullable(market.volatility_month),
            "volatility_hour_count": market.hour_count,
            "touch_probability_24h_ratio": nullable(found.odds),
            "agreeing_provider_count": found.agreeing,
            "provider_count": found.provider_count[own],
            "run_id": run_id,
        },
    )


def cascade_rows(
    labels: Labels, price: FloatArray, market: MarketHistory, cascades: Cascades, run_id: str
) -> pa.Table:
    """Return rows of derived.cascade_scenario, those of a map in the order of the shocks."""
    n_shocks = len(CASCADES.shocks_ratio)
    every = np.repeat(np.arange(len(price)), n_shocks)
    return stored_rows(
        "derived.cascade_scenario",
        {
            **labels.take(every).columns("venue", "provider", "params_hash"),
            "shock_ratio": np.tile(CASCADES.shocks_ratio, len(price)),
            "price": price[every],
            "volatility_day_ratio": nullable(market.volatility_day[every]),
            "volume_day_usd": nullable(market.volume_day_usd[every]),
            "forced_first_usd": nullable(cascades.forced_first_usd),
            "forced_usd": nullable(cascades.forced_usd),
            "end_price": nullable(cascades.end_price),
            "slip_bps": nullable(cascades.slip_bps),
            "amplification_ratio": nullable(cascades.amplification),
            "is_range_exhausted": cascades.is_range_exhausted.ravel(),
            "run_id": run_id,
        },
    )
