"""Sensitivity and calibration on Dask have the rows of threads, whatever happens to workers."""

import shutil
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial

import numpy as np
import pytest
from workbench import END, ONE_THREAD, differences, workshop
from workbench.realised_hours import add_asset
from workbench.shards import Disturbed, kill_own_process, small_cluster

from jobs.calibrate import calibrate as calibrating
from jobs.compare.measure_sensitivity import measure_midnights, plan_months
from jobs.engines.engine_choice import THREADS, EngineChoice, open_engine
from jobs.settings import Settings
from transforms.estimators import ESTIMATORS
from warehouse.connect import open_warehouse

BASE = ESTIMATORS["turnover"]


@pytest.fixture(scope="module")
def address():
    with small_cluster() as cluster:
        yield cluster.scheduler_address


def measure(shop, engine):
    tasks = plan_months(shop.connection, END, 31, (BASE,))
    return measure_midnights(
        shop.connection, tasks, estimators=(BASE,), run_id="look", engine=engine
    )


def test_an_asset_whose_measurement_is_lost_is_measured_by_the_next(address, home, tmp_path):
    other = shutil.copytree(home, tmp_path / "other")
    with workshop(other) as shop, open_engine(ONE_THREAD) as engine:
        on_threads = measure(shop, engine)
    kill = partial(kill_own_process, 2, "measuring THIN, 2025-12", str(tmp_path))
    with workshop(home) as shop, open_engine(EngineChoice(address)) as engine:
        first = measure(shop, Disturbed(engine, kill))
        second = measure(shop, engine)
        measured = shop.rows("select distinct asset from derived.assumption_sensitivity")
    assert list(first.left_out) == ["THIN"]
    assert first.left_out["THIN"].startswith("measuring THIN, 2025-12-01 00:00 to 2026-01-31 00:00")
    assert sorted(measured) == [("BTC",), ("THIN",)]
    assert first.map_count + second.map_count == on_threads.map_count
    assert not second.left_out
    assert not differences(*(each / "warehouse.duckdb" for each in (home, other)))


def only_late(usd, hour):
    return np.where((hour >= 60 * 24)[:, None], usd, np.nan)


def test_calibration_has_the_rows_of_threads_though_a_worker_is_killed(
    address, tmp_path, monkeypatch
):
    as_of = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=95)
    homes = {on: Settings(home=tmp_path / str(on == address), on=on) for on in (THREADS, address)}
    with open_warehouse(homes[THREADS].warehouse, threads=1) as connection:
        add_asset(connection, "LONG", 95)
        add_asset(connection, "SHORT", 95, 2, realise=only_late)
    shutil.copytree(homes[THREADS].home, homes[address].home)

    @contextmanager
    def open_disturbed(choice):
        kill = partial(kill_own_process, 1, "calibrating LONG", str(tmp_path))
        with open_engine(choice) as engine:
            yield engine if choice.on == THREADS else Disturbed(engine, kill)

    monkeypatch.setattr(calibrating, "open_engine", open_disturbed)
    reports = [calibrating.calibrate(settings, as_of=as_of) for settings in homes.values()]
    assert (tmp_path / "kill-0").exists()
    assert reports[0] == reports[1]
    assert reports[0].fit_count > 4
    assert not differences(*(settings.warehouse for settings in homes.values()))
