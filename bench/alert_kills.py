"""Alerts killed with -9 at 50 points of evaluation and delivery, and what their home then holds.

Kills come just before a write: an alert, its messages, the mark of a delivery, a commit, the rename
of a landing file, and between a target's answer and its mark. At the end the alerts and messages
must be those of a home that nothing disturbed: none lost, those sent again under the same key. Run
it from the project root with

    .venv/bin/python -m bench.alert_kills [--count 50] [--seed 1]
"""

import argparse
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from workbench.alert_kills import kill_alerts


def main() -> None:
    """Kill the alerts and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=50, help="kills wanted")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    with TemporaryDirectory(prefix="alert-kills-") as folder:
        killed = kill_alerts(
            Path(folder),
            # Some lives end before their write comes.
            count=arguments.count * 5 // 4,
            hours=4 * arguments.count,
            seed=arguments.seed,
            report=lambda line: print(line, flush=True),
        )
    print(
        f"{killed.kills.total()} kills, {killed.seconds:.0f} s: {killed.alerts} alerts, "
        f"{killed.messages} messages sent, {killed.repeated} of them again under the same key, "
        f"{len(killed.differences)} differences"
    )
    print("  " + ", ".join(f"{write} {count}" for write, count in sorted(killed.kills.items())))
    for difference in killed.differences[:20]:
        print(f"  {difference}")
    sys.exit(bool(killed.differences) or killed.kills.total() < arguments.count)


if __name__ == "__main__":
    main()
