"""Comparing: what comes of the maps of an hour when they are set side by side.

Belongs here: which maps are set against which, and the volatility and volume around them.
Does not belong here: the metrics (``transforms``) and the shape of the rows (``compare_tables``).

Maps of one asset and hour are set side by side within one scope: all of venue 'all', and those of
a single venue where somebody from outside speaks of that venue. Bands, cascades and the consensus
are made for the same scopes. Maps of one provider are also set against one another venue by venue.

Bands and the consensus leave out start-up mass, which is where it is because a series began there.
Maps that are nearly the same share one vote; the true positions of a simulated market have none.
"""

import math
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from duckdb import DuckDBPyConnection

from jobs.build.map_rows import ALL_VENUES
from jobs.build.replay import HOUR
from jobs.build.replay_inputs import instant
from jobs.compare.comparison_rows import (
    CONSENSUS,
    BandContext,
    Labels,
    asset_disagreement_rows,
    band_rows,
    cascade_rows,
    comparison_assumptions,
    consensus_rows,
    disagreement_rows,
)
from jobs.compare.outside_maps import SIMULATED_TRUTH, replace_captures
from jobs.errors import JobError
from transforms.bands import Bands, count_agreeing_members, count_agreeing_providers, find_bands
from transforms.cascade import CascadeParameters, simulate_cascades
from transforms.consensus import Consensus, build_consensus
from transforms.disagreement import (
    Disagreement,
    coarsen,
    measure_disagreement,
    share_votes,
    summarise_groups,
)
from transforms.grid import BIN_LOG_WIDTH, PUBLISHED_RANGE, bin_center
from transforms.maps import (
    BINS_PER_COARSE_BIN,
    COMPARED_RANGE,
    N_WINDOW_BINS,
    SIDES,
    MapBatch,
    align_maps,
    near_edge_distance,
    window_first_bin,
)
from transforms.touch import (
    MONTH_SECONDS,
    SECONDS_PER_DAY,
    blend_volatility,
    reach_probability,
    trailing_volatility,
)
from warehouse.connect import insert_rows
from warehouse.models import set_window

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
Rows = list[tuple[str, pa.Table]]

TABLES = (
    "derived.band",
    "derived.map_disagreement",
    "derived.asset_disagreement",
    "derived.consensus",
    "derived.cascade_scenario",
)

# Asset-hours worked through at once: some five thousand maps, a hundred megabytes or two.
_CHUNK_ASSET_HOURS = 384

# Hours of which squared returns count for the fast volatility: ten half-lives, after which a
# thousandth is left; and for the slow one.
_FAST_HOURS = 240
_SLOW_HOURS = round(MONTH_SECONDS / 3600.0)
_VOLUME_HOURS = 24

# Hours of returns that make odds.
_ODDS_NEED_HOURS = 24

# What is left of a bin after its start-up mass, below which it is rounding of 32-bit floats.
_ROUNDING_RATIO = 1e-6

_CASCADES = CascadeParameters()

_MAPS = """
select
    asset, venue, epoch_us(as_of) as hour, provider, side = 'short' as is_short,
    price, first_bin_index, liquidation_usd, coalesce(start_up_usd, []::float[]) as start_up_usd,
    heatmap.unit, heatmap.semantics,
    heatmap.params_hash,
    is_fitting is not null as is_outside,
    coalesce(is_fitting, true) as is_fitting,
    coalesce(ln(covered_price_low), '-infinity'::double) as covered_low,
    coalesce(ln(covered_price_high), 'infinity'::double) as covered_high,
from derived.heatmap
left join derived.outside_map using (asset, as_of, provider, venue)
where as_of > ? and as_of <= ? and list_contains(?, asset)
order by asset, venue, hour, provider, is_short
"""

# Sorted before they are summed, so that the last bit does not depend on the order of the scan.
_MARKET = """
with venue_hour as (
    select asset, venue, as_of, squared_log_return, volume_usd
    from intermediate.int_instrument_hour
    where as_of > ? and as_of <= ? and list_contains(?, asset)
),
scope_hour as (
    select asset, 'all' as venue, as_of, squared_log_return, volume_usd from venue_hour
    anti join intermediate.int_set_apart using (asset, venue, as_of)
    union all
    select asset, venue, as_of, squared_log_return, volume_usd from venue_hour
    where list_contains(?, venue)
)
select
    asset, venue, epoch_us(as_of) as hour,
    coalesce(median(squared_log_return), 'nan'::double) as squared_log_return,
    list_sum(list_sort(list(volume_usd))) as volume_usd,
from scope_hour
group by asset, venue, as_of
"""


@dataclass(frozen=True, slots=True)
class _Maps:
    """Maps of some assets and hours in order of asset, venue, hour and provider.

    Parameters
    ----------
    labels : Labels
        Of each map of two sides.
    bins, start_up : pyarrow.ListArray
        What the long and the short side of each map in turn hold, and how much of that is start-up
        mass; NULL where nothing is.
    first_bin : ndarray of int32, shape (2 n_maps,)
        Published bin of the first value of each.
    price : ndarray of float64, shape (n_maps,)
        Close around which the map was drawn [USD per unit of the asset].
    is_outside, is_fitting : ndarray of bool, shape (n_maps,)
        Whether the map came from outside, and whether its own price fits the hour.
    covered : ndarray of float64, shape (n_maps, 2)
        Log prices between which the map speaks; infinite for maps that speak of all.
    """

    labels: Labels
    bins: pa.ListArray
    start_up: pa.ListArray
    first_bin: npt.NDArray[np.int32]
    price: FloatArray
    is_outside: BoolArray
    is_fitting: BoolArray
    covered: FloatArray

    def aligned(self, price: FloatArray) -> FloatArray:
        """Return the windows around prices, shape (n_maps, 2, n_bins); NaN where unfit."""
        windows = self._windows(self.bins, price)
        windows[~self.is_fitting] = np.nan
        return windows

    def aligned_start_up(self, price: FloatArray) -> FloatArray:
        """Return the start-up mass in the windows around prices, shape (n_maps, 2, n_bins)."""
        return self._windows(self.start_up, price)

    def _windows(self, lists: pa.ListArray, price: FloatArray) -> FloatArray:
        offsets = lists.offsets.to_numpy()
        batch = MapBatch(
            lists.values.to_numpy()[offsets[0] : offsets[-1]],
            offsets - offsets[0],
            self.first_bin,
            np.repeat(price, 2),
        )
        return align_maps(batch).reshape(len(price), 2, -1)

    def batch(self, chosen: IntArray, side: int, price: FloatArray) -> MapBatch:
        """Return one side of the maps chosen, around prices of their own."""
        rows = 2 * chosen + side
        taken = self.bins.take(pa.array(rows))
        return MapBatch(
            taken.values.to_numpy(), taken.offsets.to_numpy(), self.first_bin[rows], price
        )

    def covered_ratio(self, chosen: IntArray, price: FloatArray) -> FloatArray:
        """Return the share of the compared prices of which maps speak, by ``SIDES``."""
        low, high = (self.covered[chosen] - np.log(price)[:, None]).T
        below = np.clip(np.minimum(high, 0.0) - np.maximum(low, -COMPARED_RANGE), 0.0, None)
        above = np.clip(np.minimum(high, COMPARED_RANGE) - np.maximum(low, 0.0), 0.0, None)
        return np.stack((below, above, (below + above) / 2), axis=1) / COMPARED_RANGE


@dataclass(frozen=True, slots=True)
class _Side:
    """Maps set side by side: entries in groups.

    Parameters
    ----------
    maps : ndarray of int64, shape (n_entries,)
        The map each entry is.
    offsets : ndarray of int64, shape (n_groups + 1,)
        Entries of each group.
    price : ndarray of float64, shape (n_entries,)
        The one price of the group [USD per unit of the asset].
    """

    maps: IntArray
    offsets: IntArray
    price: FloatArray

    @property
    def first(self) -> IntArray:
        """First entry of each group."""
        return self.offsets[:-1]

    @property
    def group(self) -> IntArray:
        """Group of each entry."""
        return np.repeat(np.arange(len(self.first)), np.diff(self.offsets))


@dataclass(frozen=True, slots=True)
class _Market:
    """What the market did before each entry's map.

    Parameters
    ----------
    volatility_day, volatility_month : ndarray of float64, shape (n_entries,)
        Standard deviation of the log return over a day [ln per sqrt day]: of the last ten days
        with a half-life of 24 hours, and plainly of the last 30 days. NaN: not known.
    hour_count : ndarray of int64, shape (n_entries,)
        Hours of the last 30 days whose returns are known.
    volume_day_usd : ndarray of float64, shape (n_entries,)
        Traded in a day [USD]. NaN: not known.
    """

    volatility_day: FloatArray
    volatility_month: FloatArray
    hour_count: IntArray
    volume_day_usd: FloatArray

    @property
    def volatility_ahead(self) -> FloatArray:
        """Volatility of the odds [ln per sqrt day]; NaN where too few hours are known."""
        blended = blend_volatility(self.volatility_day, self.volatility_month)
        return np.where(self.hour_count >= _ODDS_NEED_HOURS, blended, np.nan)


def compare_maps(
    connection: DuckDBPyConnection,
    assets: list[str],
    start: datetime,
    end: datetime,
    run_id: str,
) -> int:
    """Replace what comes of comparing the maps of some assets and hours; return the row count.

    Runs in the caller's transaction. What an hour gets depends on its maps and on the bars up to
    it, not on how hours are cut into calls.

    Parameters
    ----------
    connection : DuckDBPyConnection
        The writer's; maps and hourly bars of the hours must be there already.
    assets : list of str
        Assets wanted.
    start, end : datetime
        Hours with start < as_of <= end.
    run_id : str
        Written beside each row.

    Raises
    ------
    JobError
        A stored map lacks a side.
    """
    for name in TABLES:
        connection.execute(
            f"delete from {name} where as_of > ? and as_of <= ? and list_contains(?, asset)",
            [start, end, assets],
        )
    connection.execute("delete from derived.estimator_parameter where params_hash = ?", [CONSENSUS])
    connection.executemany(
        "insert into derived.estimator_parameter values (?, ?, ?, ?, ?, ?)",
        comparison_assumptions(),
    )
    row_count = replace_captures(connection, assets, start, end, run_id)
    with ThreadPoolExecutor(1) as pool:
        for tables in _one_ahead(pool, _comparisons(connection, assets, start, end, run_id)):
            for name, rows in tables:
                row_count += insert_rows(connection, name, rows)
    return row_count


def _comparisons(
    connection: DuckDBPyConnection, assets: list[str], start: datetime, end: datetime, run_id: str
) -> Iterator[Callable[[], Rows]]:
    """Yield what makes the rows of a chunk; everything that it needs has been read."""
    for window in _chunks(connection, assets, start, end):
        maps = _read_maps(connection, *window)
        if maps is not None:
            scopes = _by_scope(maps)
            market = _market(connection, maps, scopes) if len(scopes.maps) else None
            yield partial(_compared, maps, scopes, market, run_id)


def _one_ahead(pool: ThreadPoolExecutor, works: Iterator[Callable[[], Rows]]) -> Iterator[Rows]:
    """Yield what works return, the next one under way while one is stored."""
    under_way: Future[Rows] | None = None
    for work in works:
        following = pool.submit(work)
        if under_way is not None:
            yield under_way.result()
        under_way = following
    if under_way is not None:
        yield under_way.result()


def _chunks(
    connection: DuckDBPyConnection, assets: list[str], start: datetime, end: datetime
) -> Iterator[tuple[list[str], datetime, datetime]]:
    """Yield assets and hours that fit into memory together."""
    row = connection.execute(
        "select min(as_of), max(as_of) from derived.heatmap "
        "where as_of > ? and as_of <= ? and list_contains(?, asset)",
        [start, end, assets],
    ).fetchone()
    if row is None or row[0] is None:
        return
    at, last = row[0] - timedelta(hours=1), row[1]
    hours = min(int((last - at) / timedelta(hours=1)), _CHUNK_ASSET_HOURS)
    n_assets = max(_CHUNK_ASSET_HOURS // hours, 1)
    while at < last:
        stop = min(at + timedelta(hours=hours), last)
        for place in range(0, len(assets), n_assets):
            yield assets[place : place + n_assets], at, stop
        at = stop


def _read_maps(
    connection: DuckDBPyConnection, assets: list[str], start: datetime, end: datetime
) -> _Maps | None:
    """Return the stored maps, their bins where Arrow has them."""
    table = connection.execute(_MAPS, [start, end, assets]).to_arrow_table().combine_chunks()
    if table.num_rows == 0:
        return None
    is_short = table.column("is_short").to_numpy()
    if len(is_short) % 2 or is_short[::2].any() or not is_short[1::2].all():
        raise JobError(
            f"a map of {', '.join(assets)} between {start} and {end} has not one row a side in "
            "derived.heatmap; move the warehouse away and run again: it is built from what landed"
        )
    every = pa.array(np.arange(0, table.num_rows, 2))
    maps = table.drop_columns(["liquidation_usd", "start_up_usd", "first_bin_index"]).take(every)
    return _Maps(
        labels=Labels.of(maps),
        bins=table.column("liquidation_usd").chunk(0),
        start_up=table.column("start_up_usd").chunk(0),
        first_bin=table.column("first_bin_index").to_numpy(),
        price=maps.column("price").to_numpy(),
        is_outside=maps.column("is_outside").to_numpy(),
        is_fitting=maps.column("is_fitting").to_numpy(),
        covered=np.stack(
            (maps.column("covered_low").to_numpy(), maps.column("covered_high").to_numpy()), axis=1
        ),
    )


def _runs(*keys: npt.NDArray[np.integer]) -> IntArray:
    """Return the offsets of the runs of equal keys."""
    is_new = np.ones(len(keys[0]) + 1, dtype=np.bool_)
    is_new[1:-1] = False
    for key in keys:
        is_new[1:-1] |= key[1:] != key[:-1]
    return np.flatnonzero(is_new)


def _middle(price: FloatArray, offsets: IntArray) -> FloatArray:
    """Return the middle price of each run, the lower of two: one that a map was drawn around."""
    run = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    ordered = price[np.lexsort((price, run))]
    middle: FloatArray = ordered[(offsets[:-1] + offsets[1:] - 1) // 2]
    return middle


def _kept(maps: IntArray, offsets: IntArray, price: FloatArray, is_kept: BoolArray) -> _Side:
    """Return the groups that are kept; prices are by group."""
    sizes = np.diff(offsets)
    chosen = np.repeat(is_kept, sizes)
    return _Side(
        maps=maps[chosen],
        offsets=np.concatenate((np.zeros(1, np.int64), np.cumsum(sizes[is_kept]))),
        price=np.repeat(price[is_kept], sizes[is_kept]),
    )


def _by_scope(maps: _Maps) -> _Side:
    """Return the maps of each scope that is compared, hour by hour."""
    labels = maps.labels
    offsets = _runs(labels.codes("asset"), labels.codes("venue"), labels.hour)
    venues = np.array(labels.text["venue"].dictionary.to_pylist())
    is_all = venues[labels.codes("venue")[offsets[:-1]]] == ALL_VENUES
    has_outside = np.logical_or.reduceat(maps.is_outside, offsets[:-1])
    return _kept(
        np.arange(len(maps.price)), offsets, _middle(maps.price, offsets), is_all | has_outside
    )


def _by_provider(maps: _Maps) -> _Side:
    """Return the maps of each provider's venues, hour by hour, around the asset's one price."""
    labels = maps.labels
    venues = np.array(labels.text["venue"].dictionary.to_pylist())
    asset, venue, provider = (labels.codes(name) for name in ("asset", "venue", "provider"))
    is_all = venues[venue] == ALL_VENUES
    by_hour = np.lexsort((maps.price, ~is_all, labels.hour, asset))
    hour_offsets = _runs(asset[by_hour], labels.hour[by_hour])
    # The sum over venues stands for the asset where there is one.
    all_count = np.add.reduceat(is_all[by_hour].astype(np.int64), hour_offsets[:-1])
    count = np.where(all_count > 0, all_count, np.diff(hour_offsets))
    hour_price = maps.price[by_hour[hour_offsets[:-1] + (count - 1) // 2]]
    price = np.empty_like(maps.price)
    price[by_hour] = np.repeat(hour_price, np.diff(hour_offsets))
    single = np.flatnonzero(~is_all)
    # By name: codes go by which venue the maps at hand begin with.
    by_name = np.argsort(np.argsort(venues))[venue]
    order = single[
        np.lexsort((by_name[single], labels.hour[single], provider[single], asset[single]))
    ]
    offsets = _runs(asset[order], provider[order], labels.hour[order])
    return _kept(order, offsets, price[order[offsets[:-1]]], np.diff(offsets) > 1)


def _scale_keys(labels: Labels, maps: IntArray) -> IntArray:
    """Return what totals are counted in: equal keys compare, -1 compares with nothing."""
    units = labels.text["unit"].dictionary.to_pylist()
    key = labels.codes("unit").astype(np.int64) * len(labels.text["semantics"].dictionary)
    key += labels.codes("semantics")
    is_relative = np.array([unit == "relative" for unit in units])[labels.codes("unit")]
    keys: IntArray = np.where(is_relative, -1, key)[maps]
    return keys


def _faults(maps: _Maps, side: _Side, has_shape: BoolArray) -> npt.NDArray[np.int8]:
    """Return why entries have no shape, as an index into ``compare_tables.FAULTS``."""
    is_fitting = maps.is_fitting[side.maps][:, None]
    return np.where(has_shape, 0, np.where(is_fitting, 1, 2)).astype(np.int8)


def _compared(maps: _Maps, scopes: _Side, market: _Market | None, run_id: str) -> Rows:
    """Return rows table by table; ``market`` is None where there are no scopes."""
    return list(_each_compared(maps, scopes, market, run_id))


def _each_compared(
    maps: _Maps, scopes: _Side, market: _Market | None, run_id: str
) -> Iterator[tuple[str, pa.Table]]:
    labels = maps.labels
    venues = _by_provider(maps)
    if len(venues.maps):
        price = np.full_like(maps.price, np.nan)
        price[venues.maps] = venues.price
        windows = maps.aligned(price)[venues.maps]
        yield _differences(maps, venues, windows, _measured(maps, venues, windows), run_id)

    if market is None:
        return
    price = np.full_like(maps.price, np.nan)
    price[scopes.maps] = scopes.price
    windows = maps.aligned(price)[scopes.maps]
    found = _measured(maps, scopes, windows)
    yield _differences(maps, scopes, windows, found, run_id)

    vote = share_votes(found, _may_vote(labels, scopes.maps))
    whole = summarise_groups(found, scopes.offsets, vote)
    yield (
        "derived.asset_disagreement",
        asset_disagreement_rows(labels, scopes.maps, scopes.first, found, whole, run_id),
    )
    start_up = maps.aligned_start_up(price)[scopes.maps]
    settled = _without_start_up(windows, start_up)
    consensus = build_consensus(settled[:, 0], settled[:, 1], scopes.price, scopes.offsets, vote)
    yield (
        "derived.consensus",
        consensus_rows(labels, scopes.maps, scopes.first, scopes.price, consensus, run_id),
    )
    start_up[maps.is_outside[scopes.maps]] = np.nan
    yield from _bands(labels, scopes, settled, start_up, consensus, vote, market, run_id)
    yield from _cascades(maps, scopes, market, run_id)


def _measured(maps: _Maps, side: _Side, windows: FloatArray) -> Disagreement:
    """Return how far the maps of each group differ."""
    return measure_disagreement(
        windows[:, 0], windows[:, 1], side.price, side.offsets, _scale_keys(maps.labels, side.maps)
    )


def _may_vote(labels: Labels, maps: IntArray) -> BoolArray:
    """Return whether the providers of maps are counted among providers."""
    return np.asarray(labels.values("provider")[maps] != SIMULATED_TRUTH)


def _without_start_up(windows: FloatArray, start_up: FloatArray) -> FloatArray:
    """Return what maps hold beside start-up mass; NaN stays."""
    left = windows - start_up
    return np.where(left <= _ROUNDING_RATIO * windows, 0.0, left)


def _differences(
    maps: _Maps, side: _Side, windows: FloatArray, found: Disagreement, run_id: str
) -> tuple[str, pa.Table]:
    """Return the rows of how far the maps of each group differ, pair by pair."""
    covered = maps.covered_ratio(side.maps, side.price)
    return (
        "derived.map_disagreement",
        disagreement_rows(
            maps.labels,
            side.maps,
            found,
            _faults(maps, side, found.entry_has_shape),
            covered,
            _common_overlap(maps, side, windows, covered, found),
            run_id,
        ),
    )


def _common_overlap(
    maps: _Maps, side: _Side, windows: FloatArray, covered: FloatArray, found: Disagreement
) -> FloatArray:
    """Return what shapes share within the prices of which both maps speak, by ``SIDES``."""
    overlap = found.overlap_ratio.copy()
    is_partial = covered[:, 2] < 1.0
    pairs = np.flatnonzero(is_partial[found.entry_a] | is_partial[found.entry_b])
    a, b = found.entry_a[pairs], found.entry_b[pairs]
    low = np.maximum(maps.covered[side.maps[a], 0], maps.covered[side.maps[b], 0])
    high = np.minimum(maps.covered[side.maps[a], 1], maps.covered[side.maps[b], 1])
    first = window_first_bin(side.price[a])[:, None]
    centers = np.log(bin_center(first + np.arange(0, N_WINDOW_BINS, BINS_PER_COARSE_BIN)))
    centers += BIN_LOG_WIDTH / 2
    is_common = (centers >= low[:, None]) & (centers <= high[:, None])

    def shape(entry: IntArray, of: slice) -> FloatArray:
        held = coarsen(windows[entry, of].sum(axis=1)) * is_common
        total = held.sum(axis=1, keepdims=True)
        return np.asarray(held / np.where(total > 0.0, total, np.nan))

    for number, of in enumerate((slice(0, 1), slice(1, 2), slice(0, 2))):
        overlap[pairs, number] = np.minimum(shape(a, of), shape(b, of)).sum(axis=1)
    return overlap


def _bands(
    labels: Labels,
    scopes: _Side,
    windows: FloatArray,
    start_up: FloatArray,
    consensus: Consensus,
    vote: IntArray,
    market: _Market,
    run_id: str,
) -> Iterator[tuple[str, pa.Table]]:
    """Yield the bands of the maps and of their consensus."""
    first, group = scopes.first, scopes.group
    # Price and volatility are those of the group.
    distance = near_edge_distance(scopes.price[first])
    bin_odds = reach_probability(distance, market.volatility_ahead[first, None], SECONDS_PER_DAY)
    for number, side in enumerate(SIDES[:2]):
        count = consensus.provider_count[:, number]
        bands = find_bands(windows[:, number], scopes.price, bin_odds[group])
        mean = np.where((count > 1)[:, None], consensus.mean_ratio[:, number], np.nan)
        common = find_bands(mean, scopes.price[first], bin_odds)
        own_vote = vote[:, number]
        for found, agreeing, of, is_consensus in (
            (bands, count_agreeing_members(bands, scopes.offsets, own_vote), slice(None), False),
            (
                common,
                count_agreeing_providers(common, bands, scopes.offsets, own_vote),
                first,
                True,
            ),
        ):
            context = BandContext(
                maps=scopes.maps[of],
                side=side,
                is_consensus=is_consensus,
                price=scopes.price[of],
                volatility_day=market.volatility_day[of],
                volatility_month=market.volatility_month[of],
                volatility_hour_count=market.hour_count[of],
                side_expected_usd=(windows[:, number] * bin_odds[group]).sum(axis=1)[of],
                provider_count=count if is_consensus else count[group],
            )
            odds = reach_probability(
                found.distance_bps / 1e4,
                market.volatility_ahead[of][found.map_index],
                SECONDS_PER_DAY,
            )
            ratio = (
                np.full(len(odds), np.nan)
                if is_consensus
                else _start_up_ratio(found, scopes.price, start_up[:, number])
            )
            yield "derived.band", band_rows(labels, context, found, odds, ratio, agreeing, run_id)


def _start_up_ratio(bands: Bands, price: FloatArray, start_up: FloatArray) -> FloatArray:
    """Return how much of what stands in the bins of bands is start-up mass [0-1], NaN unknown."""
    bins = np.arange(N_WINDOW_BINS) + window_first_bin(price)[bands.map_index, None]
    inside = (bins >= bands.first_bin[:, None]) & (bins <= bands.last_bin[:, None])
    held = (start_up[bands.map_index] * inside).sum(axis=1)
    ratio: FloatArray = held / (held + bands.liquidation_usd)
    return ratio


def _cascades(
    maps: _Maps, scopes: _Side, market: _Market, run_id: str
) -> Iterator[tuple[str, pa.Table]]:
    """Yield the scenarios of the maps that say what stands, in USD."""
    labels = maps.labels
    units = np.array(labels.text["unit"].dictionary.to_pylist())
    semantics = np.array(labels.text["semantics"].dictionary.to_pylist())
    own = scopes.maps
    chosen = np.flatnonzero(
        (units[labels.codes("unit")[own]] == "usd")
        & (semantics[labels.codes("semantics")[own]] == "standing")
        & maps.is_fitting[own]
    )
    if len(chosen) == 0:
        return
    price = scopes.price[chosen]
    volatility, volume = market.volatility_day[chosen], market.volume_day_usd[chosen]
    reach = np.abs(maps.covered[own[chosen]] - np.log(price)[:, None]).min(axis=1)
    cascades = simulate_cascades(
        maps.batch(own[chosen], 0, price),
        maps.batch(own[chosen], 1, price),
        volatility,
        volume,
        np.minimum(reach, PUBLISHED_RANGE),
        _CASCADES,
    )
    yield (
        "derived.cascade_scenario",
        cascade_rows(
            labels,
            own[chosen],
            price,
            volatility,
            volume,
            _CASCADES,
            cascades,
            run_id,
        ),
    )


def _market(connection: DuckDBPyConnection, maps: _Maps, scopes: _Side) -> _Market:
    """Return volatility and volume around each entry's map, of its own venue.

    Volume is that of the hours known among the last 24, scaled to a day.
    """
    labels = maps.labels
    hours = labels.hour[scopes.maps]
    first, last = int(hours.min()) - _SLOW_HOURS * HOUR, int(hours.max())
    assets, venues = (
        np.array(labels.text[name].dictionary.to_pylist()) for name in ("asset", "venue")
    )
    scope = labels.codes("asset").astype(np.int64) * len(venues) + labels.codes("venue")
    known_scopes, own_scope = np.unique(scope[scopes.maps], return_inverse=True)
    row_of = {
        (assets[code // len(venues)], venues[code % len(venues)]): row
        for row, code in enumerate(known_scopes)
    }
    single = sorted({venue for _, venue in row_of} - {ALL_VENUES})
    set_window(connection, sorted({asset for asset, _ in row_of}), instant(first), instant(last))
    rows = connection.execute(
        _MARKET,
        [instant(first), instant(last), sorted({asset for asset, _ in row_of}), single],
    ).to_arrow_table()
    set_window(connection, None, None, None)
    table = np.full((2, len(row_of), (last - first) // HOUR), np.nan)
    columns = {name: rows.column(name).combine_chunks() for name in rows.column_names}
    asset, venue = (columns[name].dictionary_encode() for name in ("asset", "venue"))
    place = np.array(
        [
            [row_of.get((each, where), -1) for where in venue.dictionary.to_pylist()]
            for each in asset.dictionary.to_pylist()
        ],
        dtype=np.int64,
    ).reshape(len(asset.dictionary), len(venue.dictionary))
    row = place[asset.indices.to_numpy(), venue.indices.to_numpy()]
    column = (columns["hour"].to_numpy() - first) // HOUR - 1
    for number, name in enumerate(("squared_log_return", "volume_usd")):
        values = columns[name].to_numpy()
        table[number, row[row >= 0], column[row >= 0]] = values[row >= 0]
    squared, volume = table
    fast = trailing_volatility(squared[:, _SLOW_HOURS - _FAST_HOURS :], 3600.0, _FAST_HOURS)
    slow = trailing_volatility(squared, 3600.0, _SLOW_HOURS, math.inf)
    known = np.cumsum(np.isfinite(squared), axis=1, dtype=np.int64)
    known[:, _SLOW_HOURS:] -= known[:, :-_SLOW_HOURS].copy()
    at = (own_scope, (hours - first) // HOUR - _SLOW_HOURS)
    return _Market(
        volatility_day=fast[at],
        volatility_month=slow[at],
        hour_count=known[:, _SLOW_HOURS - 1 :][at],
        volume_day_usd=_daily(volume)[:, _SLOW_HOURS - 1 :][at],
    )


def _daily(volume: FloatArray) -> FloatArray:
    """Return what a day trades at the mean of the hours known among the last 24."""
    total, known = np.zeros_like(volume), np.zeros_like(volume)
    for age in range(_VOLUME_HOURS):
        past = volume[:, : volume.shape[1] - age]
        total[:, age:] += np.nan_to_num(past)
        known[:, age:] += np.isfinite(past)
    return np.asarray(total / np.where(known > 0, known, np.nan) * _VOLUME_HOURS)
