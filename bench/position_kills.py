"""The collector of positions killed with -9 at 50 points, and what its home then holds.

Half of the kills come by the clock, half just before a write: a commit to the account book, the
rename of a landing file, the removal of what has landed. After each kill no account may be missing,
at the end no change lost or doubled, no hour with two maps, no minute above the limit of weight.
Run it from the project root with

    .venv/bin/python -m bench.position_kills [--count 50] [--seed 1]
"""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from workbench.position_kills import kill_collector

from bench.killing import end, kill_parser, say


def main() -> None:
    """Kill the collector and print what came of it."""
    arguments = kill_parser(__doc__, count=50).parse_args()
    with TemporaryDirectory(prefix="position-kills-") as folder:
        killed = kill_collector(
            Path(folder), count=arguments.count, seed=arguments.seed, report=say
        )
    words = (
        f"{killed.accounts} accounts, {killed.changes:,} changes and {killed.maps} maps landed, at "
        f"most {killed.most_weight:.0f} of weight in a minute"
    )
    end(killed, words, arguments.count)


if __name__ == "__main__":
    main()
