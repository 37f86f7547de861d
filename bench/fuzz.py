"""Give damaged inputs of every kind to the program and report those nobody thought of.

Run ``python -m bench.fuzz [--count 2000] [--seed 1]``; exits with 1 where any ended in a traceback
or good rows were lost or doubled.
"""

import argparse
import os
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

_TESTS = Path(__file__).parents[1] / "tests"
sys.path.append(str(_TESTS))


def main() -> int:
    """Run the fuzz and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()

    from workbench.fuzz import FIRST, Fuzz

    began = time.perf_counter()
    with TemporaryDirectory(prefix="fuzz-") as folder:
        os.chdir(folder)
        fuzz = Fuzz(Path(folder), arguments.seed)
        outcome = fuzz.give(arguments.count)
        good = fuzz.good_bars()
    is_whole = good == [(FIRST + 3600 * hour, 105.0, 1) for hour in range(100, 104)]
    for one in outcome.unforeseen:
        print(f"unforeseen: {one}\n")
    print(
        f"{outcome.tried:,} damaged inputs, {outcome.refused:,} runs refused in words, "
        f"{len(outcome.unforeseen)} unforeseen, good rows {'whole' if is_whole else good}, "
        f"{time.perf_counter() - began:.0f} s"
    )
    return int(bool(outcome.unforeseen) or not is_whole)


if __name__ == "__main__":
    sys.exit(main())
