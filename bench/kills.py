"""Jobs killed with -9 at any instant and run again, held against a home that nothing disturbed.

Two homes go through the same rounds of six hours: import, ingest against a stand-in exchange, load,
build, check, publish, maintain, the migration of an older home, rebuild, the schedule. In one of
them each job is killed before it may end. After each round every row of both homes is compared, in
the warehouse, in the published file and (counted) in the Parquet. Run it from the project root with

    .venv/bin/python -m bench.kills [--count 200] [--seed 1]
"""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from workbench.kills import kill_jobs

from bench.killing import end, kill_parser, say


def main() -> None:
    """Kill jobs and print what came of it."""
    parser = kill_parser(__doc__, count=200)
    parser.add_argument("--each", type=int, default=5, help="kills of a job in a round")
    arguments = parser.parse_args()
    with TemporaryDirectory(prefix="kills-") as folder:
        killed = kill_jobs(
            Path(folder),
            count=arguments.count,
            seed=arguments.seed,
            kills_each=arguments.each,
            report=say,
        )
    words = f"{killed.rounds} rounds, {killed.rows:,} rows in the warehouse at the end"
    end(killed, words, arguments.count)


if __name__ == "__main__":
    main()
