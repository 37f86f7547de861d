"""A build on Dask has the rows of one on threads, whatever happens to its processes."""

import shutil
from contextlib import contextmanager
from datetime import timedelta
from functools import partial

import pytest
from workbench import FEW, START, differences, workshop
from workbench.shards import (
    Disturbed,
    be_slow,
    kill_other_process,
    kill_own_process,
    killable_cluster,
    small_cluster,
)

from jobs.build import build_assets
from jobs.build.path_records import PATH_MODELS
from jobs.engines.engine_choice import THREADS, EngineChoice
from jobs.errors import EngineUnavailable, ShardsLost

UNTIL = START + timedelta(hours=60)
ESTIMATOR, PATH_MODEL = FEW[:1], PATH_MODELS[:1]

# Shards are labelled by their assets and the hours of their window.
IN_THE_MIDDLE = "2026-01-30 00:00 to"


@pytest.fixture(scope="module")
def address():
    with small_cluster() as cluster:
        yield cluster.scheduler_address


@pytest.fixture(scope="module")
def on_threads(loaded_market, tmp_path_factory):
    """The home of two assets built on threads, in one window; read only."""
    home = shutil.copytree(loaded_market, tmp_path_factory.mktemp("threads") / "home")
    with workshop(home) as shop:
        shop.build(UNTIL, ESTIMATOR, PATH_MODEL)
    return home


@pytest.fixture
def loaded(loaded_market, tmp_path):
    """A workshop in a copy of the home that is not built."""
    with workshop(shutil.copytree(loaded_market, tmp_path / "home")) as shop:
        yield shop


@pytest.fixture
def disturb(monkeypatch):
    """Run the shards of builds on Dask inside other functions."""
    whole = build_assets.open_engine

    def disturb_with(*around):
        @contextmanager
        def open_disturbed(choice):
            with whole(choice) as engine:
                yield engine if choice.on == THREADS else Disturbed(engine, *around)

        monkeypatch.setattr(build_assets, "open_engine", open_disturbed)

    return disturb_with


def build_on(shop, address, shard_seconds=300.0):
    engine = EngineChoice(address, None, shard_seconds)
    return shop.build(UNTIL, ESTIMATOR, PATH_MODEL, engine=engine)


def assert_equals(shop, other):
    shop.close()
    assert not differences(shop.settings.warehouse, other / "warehouse.duckdb")


def test_rows_are_those_of_threads_to_the_last_bit_though_a_worker_is_killed(
    address, loaded, on_threads, cut_into_days, disturb, tmp_path
):
    # One dies on a replay, one on a comparison.
    folders = [tmp_path / word for word in ("BTC", "comparing")]
    for folder in folders:
        folder.mkdir()
    replay, comparison = (
        partial(kill_own_process, 1, f"{word}, {IN_THE_MIDDLE}", str(folder))
        for word, folder in zip(("BTC", "comparing maps of THIN"), folders, strict=True)
    )
    disturb(replay, comparison)
    report = build_on(loaded, address)
    assert (report.asset_count, report.left_out) == (2, {})
    assert all((folder / "kill-0").exists() for folder in folders)
    assert build_on(loaded, address).asset_count == 0
    assert_equals(loaded, on_threads)


def test_an_asset_that_is_too_slow_is_left_out_and_built_by_the_next_run(
    address, loaded, on_threads, cut_into_days, disturb, monkeypatch
):
    disturb(partial(be_slow, f"THIN, {IN_THE_MIDDLE}", 600.0))
    monkeypatch.setattr("jobs.engines.dask_engine.RESTART_SECONDS", 1.0)
    report = build_on(loaded, address, shard_seconds=20.0)
    assert list(report.left_out) == ["THIN"]
    assert report.left_out["THIN"].startswith(
        "THIN, 2026-01-30 00:00 to 2026-01-31 00:00: not done after 20 s on tcp://127.0.0.1:"
    )
    newest = "select asset, max(as_of) from derived.series_hour group by asset order by asset"
    (bitcoin, built), (thin, stopped) = loaded.rows(newest)
    assert (bitcoin, built.timestamp()) == ("BTC", UNTIL.timestamp())
    assert (thin, f"{stopped:%Y-%m-%d %H:%M}") == ("THIN", "2026-01-30 00:00")
    assert loaded.build(UNTIL, ESTIMATOR, PATH_MODEL).asset_count == 1
    assert_equals(loaded, on_threads)


def test_an_asset_whose_comparison_kills_workers_is_left_out_whole_of_that_window(
    address, loaded, on_threads, cut_into_days, disturb, tmp_path
):
    word = f"comparing maps of THIN, {IN_THE_MIDDLE}"
    disturb(partial(kill_own_process, 9, word, str(tmp_path)))
    report = build_on(loaded, address)
    assert list(report.left_out) == ["THIN"]
    assert report.left_out["THIN"].startswith(f"{word} 2026-01-31 00:00: 2 workers died on it")
    for name in ("derived.series_hour", "derived.heatmap", "derived.band", "derived.path_exposure"):
        newest = f"select max(as_of)::varchar from {name} where asset = ?"
        assert loaded.rows(newest, ["THIN"]) == [("2026-01-30 00:00:00+00",)]
        assert loaded.rows(newest, ["BTC"]) == [(f"{UNTIL:%Y-%m-%d %H:%M:%S}+00",)]
    assert loaded.build(UNTIL, ESTIMATOR, PATH_MODEL).asset_count == 1
    assert_equals(loaded, on_threads)


def test_all_assets_too_slow_is_an_error(address, loaded, disturb, monkeypatch):
    disturb(partial(be_slow, "", 600.0))
    monkeypatch.setattr("jobs.engines.dask_engine.RESTART_SECONDS", 1.0)
    with pytest.raises(ShardsLost, match=r"no asset could be built; .* not done after 3 s on"):
        build_on(loaded, address, shard_seconds=3.0)
    assert loaded.one("select count(*) from derived.heatmap") == 0


def test_a_scheduler_killed_in_the_middle_leaves_whole_windows_and_the_next_run_goes_on(
    loaded, on_threads, cut_into_days, disturb, monkeypatch
):
    # For as long the client tries to reach it again.
    monkeypatch.setattr("jobs.engines.dask_engine.CONNECT_SECONDS", 8.0)
    with killable_cluster() as (scheduler, address):
        word = f"comparing maps of BTC, {IN_THE_MIDDLE}"
        disturb(partial(kill_other_process, scheduler.pid, word))
        with pytest.raises(EngineUnavailable, match="is gone; what it had under way is not stored"):
            build_on(loaded, address)
    newest = "select count(distinct asset), max(as_of)::varchar from derived.series_hour"
    assert loaded.rows(newest) == [(2, "2026-01-30 00:00:00+00")]
    assert loaded.build(UNTIL, ESTIMATOR, PATH_MODEL).asset_count == 2
    assert_equals(loaded, on_threads)
