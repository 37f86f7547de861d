"""From comparisons to Arrow rows of the derived tables.

Belongs here: shaping. Does not belong here: what is compared with what (``compare``).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from transforms.bands import BANDS_PER_ZONE, SAME_PLACE_BPS, ZONE_EDGES, ZONES, Bands
from transforms.cascade import CascadeParameters, Cascades
from transforms.consensus import Consensus
from transforms.disagreement import (
    MATCHED_BANDS,
    METRICS,
    REACH_EDGES,
    SAME_VOTE_OVERLAP,
    Disagreement,
    GroupDisagreement,
)
from transforms.maps import COARSE_LOG_WIDTH, COMPARED_RANGE, SIDES
from transforms.touch import (
    DAY_EXPONENT,
    HALF_LIFE_SECONDS,
    LEAST_ODDS,
    MONTH_SECONDS,
    TAIL_SCALE,
)
from warehouse.contracts import stored_rows

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]


CONSENSUS = "consensus"
"""The mean of what providers say, as a provider; and the ``params_hash`` of all comparing."""

CONSENSUS_NEEDS = 2
"""Votes that make a consensus."""

# Meanings of a map under which what is forced when price gets there is what stands there.
_FORCEABLE = ("standing", "expected_realised")

# Why a map has nothing to compare, by the code `fault` gives it; 0 is none.
FAULTS = (
    "",
    "nothing within 20 % of price",
    "its own price lies outside the hour's: a stale capture, or of another asset",
)


def comparison_assumptions() -> list[list[str]]:
    """Return rows of derived.estimator_parameter: what comparing takes for granted.

    Examples
    --------
    >>> comparison_assumptions()[0][:4]
    ['consensus', 'consensus', 'model', 'mean of shapes']
    """
    cascades = CascadeParameters()
    told: list[tuple[str, object, str, str]] = [
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
        (
            "impact_coefficient",
            cascades.impact_coefficient,
            "1",
            "square-root law, Y near 1 in many markets (arXiv 1105.1694)",
        ),
        ("shocks", _listed(cascades.shocks_ratio), "ratio", "moves of an hour or a day, both ways"),
    ]
    return [[CONSENSUS, CONSENSUS, name, str(value), *words] for name, value, *words in told]


def _listed(values: Sequence[float]) -> str:
    return " ".join(f"{value:g}" for value in values)


@dataclass(frozen=True, slots=True)
class Labels:
    """Who, where, when and in what: one entry a map of two sides.

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

    def codes(self, name: str) -> npt.NDArray[np.int32]:
        """Return a column as whole numbers, equal where the texts are."""
        codes: npt.NDArray[np.int32] = self.text[name].indices.to_numpy()
        return codes

    def values(self, name: str) -> npt.NDArray[np.str_]:
        """Return a column as texts."""
        texts: npt.NDArray[np.str_] = np.array(self.text[name].dictionary.to_pylist())[
            self.codes(name)
        ]
        return texts

    def rows(self, at: IntArray, *names: str) -> dict[str, pa.Array]:
        """Return asset, as_of and the columns named of some maps."""
        chosen = pa.array(at)
        return {
            "as_of": self.hour[at],
            **{name: self.text[name].take(chosen) for name in ("asset", *names)},
        }


def _known(values: FloatArray) -> pa.Array:
    """Return values with NaN as NULL."""
    return pa.array(np.ascontiguousarray(values).ravel(), from_pandas=True)


def _chosen(words: Sequence[str | None], codes: npt.NDArray[np.integer]) -> pa.Array:
    return pa.array(words, pa.string()).take(pa.array(codes))


def disagreement_rows(
    labels: Labels,
    maps: IntArray,
    found: Disagreement,
    fault: npt.NDArray[np.int8],
    covered_ratio: FloatArray,
    common_overlap: FloatArray,
    run_id: str,
) -> pa.Table:
    """Return rows of derived.map_disagreement.

    Parameters
    ----------
    labels : Labels
        Of all maps.
    maps : ndarray of int64, shape (n_entries,)
        The map each entry of the comparison is.
    found : Disagreement
        Its pairs.
    fault : ndarray of int8, shape (n_entries, 3)
        Index into ``FAULTS``.
    covered_ratio : ndarray of float64, shape (n_entries, 3)
        Share of the compared prices of which the map speaks [0-1].
    common_overlap : ndarray of float64, shape (n_pairs, 3)
        Overlap within the prices of which both speak [0-1].
    run_id : str
        Written beside each row.
    """
    n_sides = len(SIDES)
    side = np.tile(np.arange(n_sides), len(found.group))
    ends = {
        end: np.repeat(entry, n_sides)
        for end, entry in (("a", found.entry_a), ("b", found.entry_b))
    }
    columns = labels.rows(maps[ends["a"]])
    for end, entry in ends.items():
        names = ("provider", "venue", "unit", "semantics", "params_hash")
        for name in names:
            columns[f"{name}_{end}"] = labels.text[name].take(pa.array(maps[entry]))
        columns[f"covered_{end}_ratio"] = pa.array(covered_ratio[entry, side])
    reasons = [
        "; ".join(f"{end}: {FAULTS[code]}" for end, code in zip("ab", codes, strict=True) if code)
        or None
        for codes in np.ndindex(len(FAULTS), len(FAULTS))
    ]
    code = fault[ends["a"], side].astype(np.int64) * len(FAULTS) + fault[ends["b"], side]
    return stored_rows(
        "derived.map_disagreement",
        {
            **columns,
            "side": _chosen(SIDES, side),
            "is_comparable": found.is_comparable.ravel(),
            "reason": _chosen(reasons, code),
            **{name: _known(getattr(found, name)) for name in METRICS},
            "common_overlap_ratio": _known(common_overlap),
            "run_id": run_id,
        },
    )


def asset_disagreement_rows(
    labels: Labels,
    maps: IntArray,
    first: IntArray,
    found: Disagreement,
    whole: GroupDisagreement,
    run_id: str,
) -> pa.Table:
    """Return rows of derived.asset_disagreement; `first` is the first entry of each group."""
    n_sides = len(SIDES)
    n_rows = len(first) * n_sides
    furthest = whole.furthest_pair.ravel()
    is_known = furthest >= 0
    ends = {}
    for end, entry in (("a", found.entry_a), ("b", found.entry_b)):
        chosen = np.zeros(n_rows, dtype=np.int64)
        chosen[is_known] = maps[entry[furthest[is_known]]]
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
            **labels.rows(np.repeat(maps[first], n_sides), "venue"),
            "side": _chosen(SIDES, np.tile(np.arange(n_sides), len(first))),
            "provider_count": whole.provider_count.ravel(),
            **{name: _known(getattr(whole, name)) for name in measures},
            **ends,
            "run_id": run_id,
        },
    )


def consensus_rows(
    labels: Labels,
    maps: IntArray,
    first: IntArray,
    price: FloatArray,
    consensus: Consensus,
    run_id: str,
) -> pa.Table:
    """Return rows of derived.consensus, empty bins at both ends left off."""
    n_kept = 2
    group, side = np.nonzero(consensus.provider_count[:, :n_kept] >= CONSENSUS_NEEDS)
    mean = consensus.mean_ratio[group, side]
    is_filled = mean > 0.0
    start = is_filled.argmax(axis=1)
    stop = mean.shape[1] - is_filled[:, ::-1].argmax(axis=1)
    columns = np.arange(mean.shape[1])
    inside = (columns >= start[:, None]) & (columns < stop[:, None])
    offsets = pa.array(np.concatenate(([0], np.cumsum(stop - start))), pa.int32())

    def lists(values: npt.NDArray[np.generic]) -> pa.Array:
        flat = pa.array(values[group, side][inside], from_pandas=True)
        return pa.ListArray.from_arrays(offsets, flat)

    return stored_rows(
        "derived.consensus",
        {
            **labels.rows(maps[first[group]], "venue"),
            "side": _chosen(SIDES, side),
            "price": price[first[group]],
            "provider_count": consensus.provider_count[group, side],
            "first_bin_index": consensus.first_bin[group] + start,
            "mean_ratio": lists(consensus.mean_ratio),
            "min_ratio": lists(consensus.min_ratio),
            "max_ratio": lists(consensus.max_ratio),
            "variation_ratio": lists(consensus.variation_ratio),
            "dense_provider_count": lists(consensus.dense_count),
            "params_hash": CONSENSUS,
            "run_id": run_id,
        },
    )


@dataclass(frozen=True, slots=True)
class BandContext:
    """What stands around the bands of some maps of one side.

    Parameters
    ----------
    maps : ndarray of int64, shape (n_maps,)
        The map whose labels hold: the one itself, or any of the group of a consensus.
    side : str
        ``long`` or ``short``.
    is_consensus : bool
        Whether the bands are of the mean map of a group.
    price : ndarray of float64, shape (n_maps,)
        Close [USD per unit of the asset].
    volatility_day, volatility_month : ndarray of float64, shape (n_maps,)
        Fast and slow volatility [ln per sqrt day], NaN where not known.
    volatility_hour_count : ndarray of int64, shape (n_maps,)
        Hours behind the slow one.
    side_expected_usd : ndarray of float64, shape (n_maps,)
        What is expected to be forced of the whole side within 24 hours, in the unit of the map.
    provider_count : ndarray of int64, shape (n_maps,)
        Votes of providers that could agree.
    """

    maps: IntArray
    side: str
    is_consensus: bool
    price: FloatArray
    volatility_day: FloatArray
    volatility_month: FloatArray
    volatility_hour_count: IntArray
    side_expected_usd: FloatArray
    provider_count: IntArray


def band_rows(
    labels: Labels,
    context: BandContext,
    bands: Bands,
    odds: FloatArray,
    start_up_ratio: FloatArray,
    agreeing: IntArray,
    run_id: str,
) -> pa.Table:
    """Return rows of derived.band.

    Parameters
    ----------
    labels : Labels
        Of all maps.
    context : BandContext
        Of the maps the bands are of.
    bands : Bands
        The bands.
    odds : ndarray of float64, shape (n_bands,)
        Odds that the densest bin is touched within a day [0-1].
    start_up_ratio : ndarray of float64, shape (n_bands,)
        Share of what stands in the band that is start-up mass [0-1], NaN where not known.
    agreeing : ndarray of int64, shape (n_bands,)
        Votes of providers that have a band there.
    run_id : str
        Written beside each row.
    """
    own = bands.map_index
    maps = context.maps[own]
    n_rows = len(own)
    columns = labels.rows(maps, "venue", "provider", "params_hash")
    is_usd = is_forceable = np.zeros(n_rows, dtype=np.bool_)
    if context.is_consensus:
        columns["provider"] = columns["params_hash"] = CONSENSUS
    else:
        is_usd = np.isin(labels.values("unit")[maps], ("usd",))
        is_forceable = is_usd & np.isin(labels.values("semantics")[maps], _FORCEABLE)
    expected, side_expected = (
        pa.array(values, mask=~is_forceable | np.isnan(values))
        for values in (bands.expected_forced_usd, context.side_expected_usd[own])
    )
    return stored_rows(
        "derived.band",
        {
            **columns,
            "side": context.side,
            "rank": bands.rank,
            "size_rank": bands.size_rank,
            "zone": _chosen(ZONES, bands.zone),
            "price": context.price[own],
            "first_bin_index": bands.first_bin,
            "last_bin_index": bands.last_bin,
            "peak_bin_index": bands.peak_bin,
            "liquidation_usd": pa.array(bands.liquidation_usd, mask=~is_usd),
            "expected_forced_usd_24h": expected,
            "side_expected_forced_usd_24h": side_expected,
            "side_share_ratio": bands.side_share_ratio,
            "start_up_ratio": _known(start_up_ratio),
            "volatility_day_ratio": _known(context.volatility_day[own]),
            "volatility_month_ratio": _known(context.volatility_month[own]),
            "volatility_hour_count": context.volatility_hour_count[own],
            "touch_probability_24h_ratio": _known(odds),
            "agreeing_provider_count": agreeing,
            "provider_count": context.provider_count[own],
            "run_id": run_id,
        },
    )


def cascade_rows(
    labels: Labels,
    maps: IntArray,
    price: FloatArray,
    volatility: FloatArray,
    volume_day_usd: FloatArray,
    parameters: CascadeParameters,
    cascades: Cascades,
    run_id: str,
) -> pa.Table:
    """Return rows of derived.cascade_scenario, those of a map in the order of its shocks."""
    n_shocks = len(parameters.shocks_ratio)
    return stored_rows(
        "derived.cascade_scenario",
        {
            **labels.rows(np.repeat(maps, n_shocks), "venue", "provider", "params_hash"),
            "shock_ratio": np.tile(parameters.shocks_ratio, len(maps)),
            "price": np.repeat(price, n_shocks),
            "volatility_day_ratio": _known(np.repeat(volatility, n_shocks)),
            "volume_day_usd": _known(np.repeat(volume_day_usd, n_shocks)),
            "forced_first_usd": _known(cascades.forced_first_usd),
            "forced_usd": _known(cascades.forced_usd),
            "end_price": _known(cascades.end_price),
            "slip_bps": _known(cascades.slip_bps),
            "amplification_ratio": _known(cascades.amplification),
            "is_range_exhausted": cascades.is_range_exhausted.ravel(),
            "run_id": run_id,
        },
    )
