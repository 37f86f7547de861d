"""Alerts killed with -9 at 50 points of evaluation and delivery, and what their home then holds.

Kills come just before a write: an alert, its messages, the mark of a delivery, a commit, the rename
of a landing file, and between a target's answer and its mark. At the end the alerts and messages
must be those of a home that nothing disturbed: none lost, those sent again under the same key. Run
it from the project root with

    .venv/bin/python -m bench.alert_kills [--count 50] [--seed 1]
"""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from workbench.alert_kills import kill_alerts

from bench.killing import end, kill_parser, say


def main() -> None:
    """Kill the alerts and print what came of it."""
    arguments = kill_parser(__doc__, count=50).parse_args()
    with TemporaryDirectory(prefix="alert-kills-") as folder:
        killed = kill_alerts(
            Path(folder),
            # Some lives end before their write comes.
            count=arguments.count * 5 // 4,
            hours=4 * arguments.count,
            seed=arguments.seed,
            report=say,
        )
    words = (
        f"{killed.alerts} alerts, {killed.messages} messages sent, {killed.repeated} of them again "
        "under the same key"
    )
    end(killed, words, arguments.count)


if __name__ == "__main__":
    main()
