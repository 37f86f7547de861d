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
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from workbench.kills import kill_jobs


def main() -> None:
    """Kill jobs and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=200, help="kills wanted")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--each", type=int, default=5, help="kills of a job in a round")
    arguments = parser.parse_args()
    with TemporaryDirectory(prefix="kills-") as folder:
        killed = kill_jobs(
            Path(folder),
            count=arguments.count,
            seed=arguments.seed,
            kills_each=arguments.each,
            report=lambda line: print(line, flush=True),
        )
    print(
        f"{killed.kills.total()} kills in {killed.rounds} rounds, {killed.seconds:.0f} s; "
        f"{killed.rows:,} rows in the warehouse at the end, {len(killed.differences)} differences"
    )
    print("  " + ", ".join(f"{job} {count}" for job, count in sorted(killed.kills.items())))
    for name, rows in killed.differences.items():
        print(f"  {name}: {rows}")
    sys.exit(bool(killed.differences) or killed.kills.total() < arguments.count)


if __name__ == "__main__":
    main()
