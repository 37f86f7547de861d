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
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from workbench.position_kills import kill_collector


def main() -> None:
    """Kill the collector and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=50, help="kills wanted")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    with TemporaryDirectory(prefix="position-kills-") as folder:
        killed = kill_collector(
            Path(folder),
            count=arguments.count,
            seed=arguments.seed,
            report=lambda line: print(line, flush=True),
        )
    print(
        f"{killed.kills.total()} kills, {killed.seconds:.0f} s: {killed.accounts} accounts, "
        f"{killed.changes:,} changes and {killed.maps} maps landed, at most "
        f"{killed.most_weight:.0f} of weight in a minute, {len(killed.differences)} differences"
    )
    print("  " + ", ".join(f"{write} {count}" for write, count in sorted(killed.kills.items())))
    for difference in killed.differences[:20]:
        print(f"  {difference}")
    sys.exit(bool(killed.differences) or killed.kills.total() < arguments.count)


if __name__ == "__main__":
    main()
