"""Jobs killed with -9 at any instant and run again, held against a home that nothing disturbed.

Two homes go through the same rounds of six hours: import, ingest against a stand-in exchange, load,
build, check, publish, maintain, the migration of an older home, rebuild, the schedule. In one of
them each job is killed before it may end. After each round every row of both homes is compared, in
the warehouse, in the published file and (counted) in the Parquet. Run it from the project root with

    .venv/bin/python -m bench.kills [--count 200] [--seed 1]
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from workbench.kills import KilledJobs, kill_jobs

from bench.killing import kill_parser, run_kills, say


def kill(folder: Path, arguments: argparse.Namespace) -> KilledJobs:
    """Kill jobs."""
    return kill_jobs(
        folder,
        count=arguments.count,
        seed=arguments.seed,
        kills_each=arguments.each,
        report=say,
    )


def words_of(killed: KilledJobs) -> str:
    """Return how much was compared."""
    return f"{killed.rounds} rounds, {killed.rows:,} rows in the warehouse at the end"


if __name__ == "__main__":
    parser = kill_parser(__doc__, count=200)
    parser.add_argument("--each", type=int, default=5, help="kills of a job in a round")
    run_kills(parser, kill, words_of)
