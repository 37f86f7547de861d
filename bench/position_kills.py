"""The collector of positions killed with -9 at 50 points, and what its home then holds.

Half of the kills come by the clock, half just before a write: a commit to the account book, the
rename of a landing file, the removal of what has landed. After each kill no account may be missing,
at the end no change lost or doubled, no hour with two maps, no minute above the limit of weight.
Run it from the project root with

    .venv/bin/python -m bench.position_kills [--count 50] [--seed 1]
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from workbench.position_kills import CollectorKills, kill_collector

from bench.killing import kill_parser, run_kills, say


def kill(folder: Path, arguments: argparse.Namespace) -> CollectorKills:
    """Kill the collector."""
    return kill_collector(folder, count=arguments.count, seed=arguments.seed, report=say)


def words_of(killed: CollectorKills) -> str:
    """Return what was collected, and how close to the limit."""
    return (
        f"{killed.accounts} accounts, {killed.changes:,} changes and {killed.maps} maps landed, at "
        f"most {killed.most_weight:.0f} of weight in a minute"
    )


if __name__ == "__main__":
    run_kills(kill_parser(__doc__, count=50), kill, words_of)
