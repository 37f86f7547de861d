"""Killed at any instant and started again, the pipeline ends with the rows it would have had.

The long version, with the checks and the schedule among the jobs, is ``bench/kills.py``.
"""

import time

import pyarrow.parquet as pq
from workbench import kills
from workbench.forking import Forks
from workbench.kills import kill_jobs

# Maps come last: a warehouse that is made again has none.
JOBS = ("import", "ingest", "load", "maintain", "rebuild", "build", "publish", "migrate")


def test_a_home_whose_jobs_were_killed_ends_with_the_same_rows(tmp_path):
    killed = kill_jobs(tmp_path, count=len(JOBS), seed=3, rounds=[JOBS])
    assert killed.rounds == 1
    assert killed.differences == []
    # What is compared is not empty, and jobs were killed at work, not after it.
    assert killed.rows > 10_000
    assert len(+killed.kills) >= 6


def test_a_landing_file_is_there_whole_or_not_at_all_when_its_writer_is_killed(tmp_path):
    with Forks(kills.__name__) as forks:
        for number, seconds in enumerate((0.08, 0.11, 0.17, 0.23)):
            call = forks.start(kills.__name__, "land_without_end", str(tmp_path / str(number)))
            time.sleep(seconds)
            assert call.kill()
    for path in tmp_path.glob("*/sentiment/*.parquet"):
        assert pq.read_table(path).num_rows == 200_000
