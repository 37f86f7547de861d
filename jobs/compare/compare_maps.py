"""Comparing the maps of an hour: disagreement, consensus, bands and cascades.

Belongs here: what is computed from which maps, and in which order. Does not belong here: the
metrics (``transforms``) and the shape of the rows (``comparison_rows``).

Maps of one asset and hour are compared within a scope: all venues, or a single venue of which an
outside provider has a map. Bands, cascades and the consensus are made for the same scopes. Maps of
one provider are also compared venue by venue.

Bands and the consensus leave out start-up mass, whose place only shows where a series began. Maps
that are nearly the same share one vote; the true positions of a simulated market have none.
"""

from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from duckdb import DuckDBPyConnection

from jobs.compare.comparison_rows import (
    CASCADES,
    CONSENSUS,
    FORCEABLE,
    BandRows,
    asset_disagreement_rows,
    band_rows,
    cascade_rows,
    comparison_assumptions,
    consensus_rows,
    disagreement_rows,
    touch_odds_rows,
)
from jobs.compare.map_set import MapGroups, MapSet, group_by_provider, group_by_scope, read_map_set
from jobs.compare.market_history import MarketHistory, read_market_history
from jobs.compare.outside_maps import SIMULATED_TRUTH, replace_captures
from jobs.engines.shard_engine import LostShard, ShardEngine, name_span
from jobs.errors import ComparisonLost
from jobs.instants import HOUR
from transforms.bands import Bands, count_agreeing_members, count_agreeing_providers, find_bands
from transforms.cascade import simulate_cascades
from transforms.consensus import Consensus, build_consensus
from transforms.disagreement import (
    Disagreement,
    measure_disagreement,
)
from transforms.grid import BIN_LOG_WIDTH, PUBLISHED_RANGE, bin_center
from transforms.group_disagreement import share_votes, summarise_groups
from transforms.maps import (
    BINS_PER_COARSE_BIN,
    N_WINDOW_BINS,
    SIDES,
    coarsen,
    near_edge_distance,
    window_first_bin,
)
from transforms.series import FloatArray, IntArray
from transforms.touch import SECONDS_PER_DAY, reach_probability
from warehouse.connect import insert_rows, insert_values

NamedRows = tuple[str, pa.Table]
"""A table and rows of it."""

COMPARISON_TABLES = (
    "derived.band",
    "derived.map_disagreement",
    "derived.asset_disagreement",
    "derived.consensus",
    "derived.cascade_scenario",
    "derived.touch_odds",
)

# Asset-hours in memory at once: some five thousand maps, a hundred megabytes or two.
_CHUNK_ASSET_HOURS = 384

# Rows held back until they are inserted [bytes]: each insert ends in a row group that is not full,
# which is compressed again with the rows that follow.
_HELD_BYTES = 128_000_000

# Share of a bin without its start-up mass below which it is a rounding error of 32-bit floats.
_ROUNDING_RATIO = 1e-6


@dataclass(frozen=True, slots=True)
class ChunkMaps:
    """The maps of some assets and hours, with all that comparing them reads.

    Parameters
    ----------
    assets : list of str
        The assets.
    start, end : datetime
        Hours with start < as_of <= end.
    maps : MapSet
        Their maps.
    scopes : MapGroups
        Which of them are compared with one another.
    market : MarketHistory or None
        The market before each; None where there are no scopes.
    run_id : str
        Written beside each row.
    """

    assets: list[str]
    start: datetime
    end: datetime
    maps: MapSet
    scopes: MapGroups
    market: MarketHistory | None
    run_id: str

    @property
    def label(self) -> str:
        """The first assets and the hours."""
        return f"comparing maps of {name_span(self.assets, self.start, self.end)}"


def compare_maps(
    connection: DuckDBPyConnection,
    assets: list[str],
    start: datetime,
    end: datetime,
    run_id: str,
    engine: ShardEngine,
) -> int:
    """Replace the comparisons of the maps of some assets and hours; return the row count.

    Runs in the caller's transaction. The rows of an hour depend on its maps and on the bars up to
    it, not on how hours are cut into calls.

    Parameters
    ----------
    connection : DuckDBPyConnection
        The writer's; maps and hourly bars of the hours must be there already.
    assets : list of str
        Assets to compare.
    start, end : datetime
        Hours with start < as_of <= end.
    run_id : str
        Written beside each row.
    engine : ShardEngine
        Where maps are compared.

    Raises
    ------
    JobError
        A stored map lacks a side.
    ComparisonLost
        The engine lost some assets, which then have rows of only some hours: the caller's
        transaction is to be rolled back.
    """
    for name in COMPARISON_TABLES:
        connection.execute(
            f"delete from {name} where as_of > ? and as_of <= ? and list_contains(?, asset)",
            [start, end, assets],
        )
    _store_assumptions(connection)
    row_count = replace_captures(connection, assets, start, end, run_id)
    held: dict[str, list[pa.Table]] = defaultdict(list)
    held_bytes = 0
    n_assets = -(-len(assets) // engine.shard_count)
    chunks = _read_chunks(connection, assets, start, end, run_id, n_assets)
    for outcome in engine.stream(compare_chunk, chunks):
        if isinstance(outcome, LostShard):
            raise ComparisonLost(str(outcome), outcome.shard.assets)
        for name, rows in outcome:
            held[name].append(rows)
            held_bytes += rows.nbytes
        if held_bytes > _HELD_BYTES:
            row_count += _insert_held(connection, held)
            held_bytes = 0
    return row_count + _insert_held(connection, held)


def _store_assumptions(connection: DuckDBPyConnection) -> None:
    """Store the assumptions of comparisons, unless they are there."""
    of_ours = "derived.estimator_parameter where params_hash = ?"
    known = connection.execute(f"from {of_ours}", [CONSENSUS]).fetchall()
    assumptions = comparison_assumptions()
    if sorted(known) != sorted(map(tuple, assumptions)):
        connection.execute(f"delete from {of_ours}", [CONSENSUS])
        insert_values(connection, "derived.estimator_parameter", assumptions)


def _insert_held(connection: DuckDBPyConnection, held: dict[str, list[pa.Table]]) -> int:
    """Insert rows that were held back, and forget them; return how many."""
    row_count = sum(
        insert_rows(connection, name, pa.concat_tables(parts)) for name, parts in held.items()
    )
    held.clear()
    return row_count


def _read_chunks(
    connection: DuckDBPyConnection,
    assets: list[str],
    start: datetime,
    end: datetime,
    run_id: str,
    n_assets: int,
) -> Iterator[ChunkMaps]:
    """Yield the maps of each chunk of at most so many assets."""
    for chunk in _chunks(connection, assets, start, end, n_assets):
        maps = read_map_set(connection, *chunk)
        if maps is not None:
            scopes = group_by_scope(maps)
            market = read_market_history(connection, scopes) if len(scopes) else None
            yield ChunkMaps(*chunk, maps, scopes, market, run_id)


def _chunks(
    connection: DuckDBPyConnection,
    assets: list[str],
    start: datetime,
    end: datetime,
    most_assets: int,
) -> Iterator[tuple[list[str], datetime, datetime]]:
    """Yield assets and hours that fit into memory together."""
    row = connection.execute(
        "select min(as_of), max(as_of) from derived.heatmap "
        "where as_of > ? and as_of <= ? and list_contains(?, asset)",
        [start, end, assets],
    ).fetchone()
    if row is None or row[0] is None:
        return
    at, last = row[0] - HOUR, row[1]
    hours = min(int((last - at) / HOUR), _CHUNK_ASSET_HOURS)
    n_assets = min(max(_CHUNK_ASSET_HOURS // hours, 1), most_assets)
    while at < last:
        stop = min(at + hours * HOUR, last)
        for place in range(0, len(assets), n_assets):
            yield assets[place : place + n_assets], at, stop
        at = stop


def compare_chunk(chunk: ChunkMaps, pool: ThreadPoolExecutor) -> list[NamedRows]:  # noqa: ARG001
    """Return the rows of a chunk table by table.

    Reads nothing but the chunk, so any process with these sources can run it.
    """
    maps, scopes, market, run_id = chunk.maps, chunk.scopes, chunk.market, chunk.run_id
    rows: list[NamedRows] = []
    venues = group_by_provider(maps)
    if len(venues):
        windows = maps.windows(venues.maps, venues.price)
        found = _measure(venues, windows)
        rows.append(_pair_rows(maps, venues, windows, found, run_id))
    if market is not None:
        rows += _compare_scopes(maps, scopes, market, run_id)
    return rows


def _compare_scopes(
    maps: MapSet, scopes: MapGroups, market: MarketHistory, run_id: str
) -> Iterator[NamedRows]:
    windows = maps.windows(scopes.maps, scopes.price)
    found = _measure(scopes, windows)
    yield _pair_rows(maps, scopes, windows, found, run_id)

    # The true positions of a simulated market are judged by, not counted.
    vote = share_votes(found, scopes.labels.values("provider") != SIMULATED_TRUTH)
    overall = summarise_groups(found, scopes.offsets, vote)
    yield (
        "derived.asset_disagreement",
        asset_disagreement_rows(scopes, found, overall, run_id),
    )
    start_up = maps.start_up_windows(scopes.maps, scopes.price)
    settled = _without_start_up(windows, start_up)
    consensus = build_consensus(settled[:, 0], settled[:, 1], scopes.price, scopes.offsets, vote)
    yield "derived.consensus", consensus_rows(scopes, consensus, run_id)
    start_up[maps.is_outside[scopes.maps]] = np.nan
    # Price and volatility are the same throughout a group.
    price, ahead = scopes.price[scopes.first], market.volatility_ahead[scopes.first]
    bin_odds = reach_probability(near_edge_distance(price), ahead[:, None], SECONDS_PER_DAY)
    yield "derived.touch_odds", touch_odds_rows(scopes, market, bin_odds, run_id)
    for side in (0, 1):
        sides = _SideMaps(side, settled[:, side], start_up[:, side], vote[:, side])
        yield from _find_bands(scopes, sides, consensus, market, bin_odds, run_id)
    yield from _simulate_cascades(maps, scopes, market, run_id)


def _measure(groups: MapGroups, windows: FloatArray) -> Disagreement:
    """Return how far the maps of each group differ."""
    return measure_disagreement(
        windows[:, 0], windows[:, 1], groups.price, groups.offsets, groups.scale_keys
    )


def _without_start_up(windows: FloatArray, start_up: FloatArray) -> FloatArray:
    """Return the maps without their start-up mass; NaN stays."""
    left = windows - start_up
    return np.where(left <= _ROUNDING_RATIO * windows, 0.0, left)


def _pair_rows(
    maps: MapSet, groups: MapGroups, windows: FloatArray, found: Disagreement, run_id: str
) -> NamedRows:
    """Return the rows of how far the maps of each group differ, pair by pair."""
    covered = maps.covered_ratio(groups.maps, groups.price)
    is_fitting = maps.is_fitting[groups.maps][:, None]
    fault = np.where(found.entry_has_shape, 0, np.where(is_fitting, 1, 2)).astype(np.int8)
    overlap = _common_overlap(maps.covered[groups.maps], groups, windows, covered, found)
    rows = disagreement_rows(groups.labels, found, fault, covered, overlap, run_id)
    return "derived.map_disagreement", rows


def _common_overlap(
    covered: FloatArray,
    groups: MapGroups,
    windows: FloatArray,
    covered_ratio: FloatArray,
    found: Disagreement,
) -> FloatArray:
    """Return the overlap within the prices that both maps of a pair cover, by ``SIDES``.

    Parameters
    ----------
    covered : ndarray of float64, shape (n_entries, 2)
        Log prices between which each map has values.
    groups : MapGroups
        What is compared.
    windows : ndarray of float64, shape (n_entries, 2, n_bins)
        Their values around the price of the group.
    covered_ratio : ndarray of float64, shape (n_entries, 3)
        Share of the compared prices that each covers.
    found : Disagreement
        The pairs.
    """
    overlap = found.overlap_ratio.copy()
    is_partial = covered_ratio[:, 2] < 1.0
    pairs = np.flatnonzero(is_partial[found.entry_a] | is_partial[found.entry_b])
    a, b = found.entry_a[pairs], found.entry_b[pairs]
    low = np.maximum(covered[a, 0], covered[b, 0])
    high = np.minimum(covered[a, 1], covered[b, 1])
    first = window_first_bin(groups.price[a])[:, None]
    centers = np.log(bin_center(first + np.arange(0, N_WINDOW_BINS, BINS_PER_COARSE_BIN)))
    centers += BIN_LOG_WIDTH / 2
    is_common = (centers >= low[:, None]) & (centers <= high[:, None])

    def shape(entry: IntArray, sides: slice) -> FloatArray:
        inside = coarsen(windows[entry, sides].sum(axis=1)) * is_common
        total = inside.sum(axis=1, keepdims=True)
        return np.asarray(inside / np.where(total > 0.0, total, np.nan))

    for number, sides in enumerate((slice(0, 1), slice(1, 2), slice(0, 2))):
        overlap[pairs, number] = np.minimum(shape(a, sides), shape(b, sides)).sum(axis=1)
    return overlap


@dataclass(frozen=True, slots=True)
class _SideMaps:
    """One side of the maps of scopes.

    Parameters
    ----------
    number : int
        Its index in ``SIDES``.
    windows, start_up : ndarray of float64, shape (n_entries, n_bins)
        Values without start-up mass, and that mass; NaN where not known.
    vote : ndarray of int64, shape (n_entries,)
        The vote of each map.
    """

    number: int
    windows: FloatArray
    start_up: FloatArray
    vote: npt.NDArray[np.int64]


def _find_bands(
    scopes: MapGroups,
    side: _SideMaps,
    consensus: Consensus,
    market: MarketHistory,
    bin_odds: FloatArray,
    run_id: str,
) -> Iterator[NamedRows]:
    """Yield the bands of one side of the maps, and those of their consensus.

    The odds that each bin of a group's window is reached have shape (n_groups, n_bins).
    """
    first, group = scopes.first, scopes.group
    count = consensus.provider_count[:, side.number]
    expected = (side.windows * bin_odds[group]).sum(axis=1)

    own = find_bands(side.windows, scopes.price, bin_odds[group])
    mean = np.where((count > 1)[:, None], consensus.mean_ratio[:, side.number], np.nan)
    common = find_bands(mean, scopes.price[first], bin_odds)
    every = np.arange(len(scopes))
    for bands, entries, is_consensus in ((own, every, False), (common, first, True)):
        agreeing = (
            count_agreeing_providers(common, own, scopes.offsets, side.vote)
            if is_consensus
            else count_agreeing_members(own, scopes.offsets, side.vote)
        )
        history = market.take(entries)
        odds = reach_probability(
            bands.distance_bps / 1e4, history.volatility_ahead[bands.map_index], SECONDS_PER_DAY
        )
        found = BandRows(
            labels=scopes.labels.take(entries),
            side=SIDES[side.number],
            is_consensus=is_consensus,
            price=scopes.price[entries],
            market=history,
            side_expected_usd=expected[entries],
            provider_count=count[group[entries]],
            bands=bands,
            odds=odds,
            start_up_ratio=np.full(len(odds), np.nan)
            if is_consensus
            else _start_up_ratio(own, scopes.price, side.start_up),
            agreeing=agreeing,
        )
        yield "derived.band", band_rows(found, run_id)


def _start_up_ratio(bands: Bands, price: FloatArray, start_up: FloatArray) -> FloatArray:
    """Return the share of start-up mass in the bins of bands [0-1], NaN where not known."""
    mass = np.zeros(len(bands.map_index))
    # Most maps have none any more: the sums of the others are all that takes time.
    has_some = np.asarray(start_up.any(axis=1))
    some = np.flatnonzero(has_some[bands.map_index])
    own = bands.map_index[some]
    bins = np.arange(N_WINDOW_BINS) + window_first_bin(price)[own, None]
    inside = (bins >= bands.first_bin[some, None]) & (bins <= bands.last_bin[some, None])
    mass[some] = (start_up[own] * inside).sum(axis=1)
    ratio: FloatArray = mass / (mass + bands.liquidation_usd)
    return ratio


def _simulate_cascades(
    maps: MapSet, scopes: MapGroups, market: MarketHistory, run_id: str
) -> Iterator[NamedRows]:
    """Yield the scenarios of the maps in USD of what is forced when price comes.

    What a ledger forces are liquidations that would be published, those on levels alone.
    """
    labels = scopes.labels
    chosen = np.flatnonzero(
        (labels.values("unit") == "usd")
        & np.isin(labels.values("semantics"), FORCEABLE)
        & maps.is_fitting[scopes.maps]
    )
    if len(chosen) == 0:
        return
    own, price, history = scopes.maps[chosen], scopes.price[chosen], market.take(chosen)
    reach = np.abs(maps.covered[own] - np.log(price)[:, None]).min(axis=1)
    cascades = simulate_cascades(
        maps.batch(own, 0, price),
        maps.batch(own, 1, price),
        history.volatility_day,
        history.volume_day_usd,
        np.minimum(reach, PUBLISHED_RANGE),
        CASCADES,
    )
    rows = cascade_rows(labels.take(chosen), price, history, cascades, run_id)
    yield "derived.cascade_scenario", rows
