"""Kills leave nothing half done on a lake; `bench/lake_kills.py` has them by the hundred."""

import signal

import pytest
from workbench.forking import Forks
from workbench.lake_kills import kill_on_lake, torn
from workbench.lakes import HOURS, Lake, land_hours

from jobs.engines.engine_choice import THREADS


def test_writer_and_workers_are_killed_and_rows_are_those_of_a_file_in_peace(postgres, tmp_path):
    pytest.importorskip("duckdb_extension_ducklake", reason="DuckLake is not installed")
    lake = Lake(postgres, postgres.make_database(), str(tmp_path / "data"))
    killed = kill_on_lake(tmp_path, lake, kills=2, seed=5, whom=("writer", "worker"))
    assert killed.kills.total() >= 2
    assert killed.is_whole, killed


def test_a_kill_among_inserts_that_are_committed_one_by_one_is_seen(copied, market_records):
    lake, settings = copied
    land_hours(settings, market_records, HOURS[-1], HOURS[-1] + 1)
    with Forks("workbench.lake_kills") as forks:
        place = [lake.address, lake.data]
        arguments = (str(settings.home), place, THREADS, HOURS[-1] + 1, True, 2)
        call = forks.start("workbench.lake_kills", "run_an_hour", *arguments)
        assert call.end() == -signal.SIGKILL
    assert torn(settings, lake)
