"""Shards of a window: whole assets, about as many bars each, everything in one of them."""

import duckdb
import numpy as np
import pyarrow as pa
import pytest

from jobs.build.build_plan import BuildBatch, BuildTask
from jobs.build.path_inputs import new_paths
from jobs.build.replay_records import BarColumns, Series
from jobs.build.window_shards import ReplayedShard, WindowBars, cut_shards, join_shards
from jobs.engines.shard_engine import LostShard

BARS = {"BTC": 900, "ETH": 500, "SOL": 400, "XRP": 300, "DOGE": 200, "NEW": 0}


def bars_of(count):
    ends = np.arange(1, count + 1, dtype=np.int64)
    return BarColumns(ends - 1, ends, np.ones((6, count)), *np.ones((3, count)))


@pytest.fixture
def batch():
    series = [
        Series(asset, venue, f"{asset}/USDT", "linear", [])
        for asset in BARS
        for venue in ("one", "two")
    ]
    paths = new_paths(series)
    return BuildBatch(
        tasks={asset: BuildTask(asset, 0, 10, ()) for asset in BARS},
        from_at=dict.fromkeys(BARS, 0),
        until=10,
        series=series,
        begins_at={each.key: 0 for each in series},
        paths=paths,
        paths_begin_at=dict.fromkeys(paths, 0),
        details_after=0,
        run_id="run",
    )


@pytest.fixture
def window(batch):
    bars = {each.key: bars_of(BARS[each.asset] // 2) for each in batch.series}
    ahead = {("one", "BTC/USDT"): bars_of(3)}
    return WindowBars(0, 10, bars, ahead, {})


def test_one_shard_is_the_window_itself(batch, window):
    (shard,) = cut_shards(batch, window, 1)
    assert shard.batch is batch
    assert shard.window is window


@pytest.mark.parametrize(("count", "expected"), [(2, 2), (3, 3), (6, 6), (64, 6)])
def test_shards_have_every_asset_and_every_bar_once(batch, window, count, expected):
    shards = cut_shards(batch, window, count)
    assert len(shards) == expected
    assert sorted(asset for shard in shards for asset in shard.batch.assets) == sorted(BARS)
    assert sum(shard.window.bar_count for shard in shards) == window.bar_count == sum(BARS.values())
    for shard in shards:
        assert {each.asset for each in shard.batch.series} == {*shard.batch.assets}
        assert shard.window.bars.keys() == {each.key for each in shard.batch.series}
        assert shard.batch.begins_at.keys() == shard.window.bars.keys()
        assert bool(shard.window.ahead) == ("BTC" in shard.batch.tasks)


def test_shards_are_about_equal_and_the_largest_is_first(batch, window):
    sizes = [shard.window.bar_count for shard in cut_shards(batch, window, 3)]
    assert sizes == [900, 700, 700]


def test_a_shard_is_labelled_by_its_first_assets_and_its_hours(batch, window):
    (shard,) = cut_shards(batch, window, 1)
    assert shard.label == "BTC, ETH, SOL and 3 more, 1970-01-01 00:00 to 1970-01-01 00:00"


def test_assets_of_a_lost_shard_leave_the_batch_and_the_others_advance(batch, window):
    shards = cut_shards(batch, window, 6)
    outcomes = []
    for shard in shards:
        (asset,) = shard.batch.assets
        advanced = [
            Series(each.asset, each.venue, each.instrument, "linear", [], last_bar_end=9)
            for each in shard.batch.series
        ]
        rows = {"derived.heatmap": [pa.table({"asset": [asset]})]}
        done = ReplayedShard(rows, advanced, shard.batch.paths)
        outcomes.append(LostShard(shard, "too slow") if asset == "SOL" else done)
    with duckdb.connect() as connection:
        left, tables = join_shards(connection, batch, window, outcomes)
    rest = {*BARS} - {"SOL"}
    stored = pa.concat_tables(tables["derived.heatmap"])["asset"].to_pylist()
    assert {*stored} == {*batch.tasks} == {*batch.from_at} == rest
    assert {*batch.paths} == {*batch.paths_begin_at} == rest
    assert left.bar_count == sum(BARS.values()) - BARS["SOL"]
    assert batch.begins_at.keys() == {each.key for each in batch.series}
    assert {each.last_bar_end for each in batch.series} == {9}
    assert batch.left_out == {
        "SOL": "SOL, 1970-01-01 00:00 to 1970-01-01 00:00: too slow",
    }
