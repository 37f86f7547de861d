"""Thirty simulated days replayed hour by hour, a rule of every kind, held against plain SQL.

Prints how many alerts each rule fired, and which differ from the oracle. Run it from the project
root with

    .venv/bin/python -m bench.alert_month [--days 30]
"""

import argparse
import sys
import time
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from workbench.alert_month import fired_alerts, oracle, replay, simulated_days

from jobs.alerts.ledger import AlertLedger


def main() -> None:
    """Replay and print what fired."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=30)
    hours = 24 * parser.parse_args().days
    begun = time.monotonic()
    with (
        TemporaryDirectory(prefix="alert-month-") as folder,
        simulated_days(hours) as connection,
        AlertLedger(Path(folder) / "alerts.sqlite") as ledger,
    ):
        replay(connection, ledger, range(hours))
        fired, expected = fired_alerts(ledger), oracle(connection)
    for rule, count in sorted(Counter(rule for rule, *_ in expected).items()):
        print(f"{rule} {count}")
    differences = fired ^ expected
    print(
        f"{hours} hours, {len(fired)} alerts, {len(expected)} expected, "
        f"{len(differences)} differences, {time.monotonic() - begun:.0f} s"
    )
    for one in sorted(differences)[:20]:
        print(f"  {'not expected' if one in fired else 'missing'}: {one}")
    sys.exit(bool(differences))


if __name__ == "__main__":
    main()
