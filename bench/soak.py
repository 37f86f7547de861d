"""A simulated week of rounds with faults and kill -9, held against the same week without them.

Two homes follow the same instruments on stand-in exchanges whose clocks are moved from round to
round. One goes through faults of all switchable kinds, drawn by a seed, single ones and some that
stay for hours, and its process is killed now and then wherever it is. After the week faults end;
one round and one maintenance later raw is compared row by row. Prints what is missing, different or
too much, and what the ledger says is lost. Run it from the project root with

    .venv/bin/python -m bench.soak [--days 7] [--every-minutes 60] [--seed 1]
"""

import argparse
import json
import sys
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from standin import DAY, MINUTE, synthetic_market
from workbench.soak import BAR, Plan, soak

START = 1_772_323_200_000  # 2026-03-01


def main() -> None:
    """Run the soak and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=7)
    parser.add_argument("--every-minutes", type=int, default=60)
    parser.add_argument("--venues", default="binance,bybit,okx,gate,hyperliquid")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--share", type=float, default=1.5, help="how frequent everyday faults are")
    parser.add_argument("--kill-every", type=int, default=6, help="rounds, on average")
    parser.add_argument("--episodes", type=float, default=0.15, help="probability in each round")
    arguments = parser.parse_args()
    venues = tuple(arguments.venues.split(","))
    market = synthetic_market(
        start=START,
        end=START + (arguments.days + 2) * DAY,
        venues=venues,
        assets={"BTC": 70_000.0, "PEPE": 4e-6},
        inverse_assets=("BTC",),
    )
    with TemporaryDirectory(prefix="soak-") as folder:
        plan = Plan(
            begun=START + DAY,
            rounds=arguments.days * DAY // (arguments.every_minutes * MINUTE),
            bars_between=arguments.every_minutes * MINUTE // BAR,
            venues=venues,
            assets=("BTC", "PEPE"),
            seed=arguments.seed,
            share=arguments.share,
            kill_every=arguments.kill_every,
            episode_chance=arguments.episodes,
        )
        result = soak(Path(folder), market, plan, lambda line: print(line, flush=True))
    found = result.found
    print(
        f"{result.rounds} rounds, {result.kills} killed, {result.failed} without any answer, "
        f"{sum(result.faults.values())} faults, {result.seconds:.0f} s"
    )
    print(f"faults {json.dumps(result.faults)}")
    print(f"{found.rows.total()} rows compared")
    for (venue, kind), count in sorted(found.rows.items()):
        print(f"  {venue} {kind} {count}")
    for (venue, kind, reason), count in sorted(found.lost.items()):
        print(f"in the ledger as lost: {count} {kind} of {venue}, {reason}")
    for name in ("missing", "different", "surplus"):
        rows = getattr(found, name)
        print(f"{name} {len(rows)} {dict(Counter((row[0], row[1]) for row in rows)) or ''}")
        for row in rows[:5]:
            print(f"  {row}")
    sys.exit(not found.is_equal)


if __name__ == "__main__":
    main()
