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

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from workbench.alert_kills import AlertKills, kill_alerts

from bench.killing import kill_parser, run_kills, say


def kill(folder: Path, arguments: argparse.Namespace) -> AlertKills:
    """Kill the alerts; some lives end before their write comes."""
    return kill_alerts(
        folder,
        count=arguments.count * 5 // 4,
        hours=4 * arguments.count,
        seed=arguments.seed,
        report=say,
    )


def words_of(killed: AlertKills) -> str:
    """Return what was raised and sent."""
    return (
        f"{killed.alerts} alerts, {killed.messages} messages sent, {killed.repeated} of them again "
        "under the same key"
    )


if __name__ == "__main__":
    run_kills(kill_parser(__doc__, count=50), kill, words_of)
