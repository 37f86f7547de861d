"""One round of live ingestion against the stand-in exchange: calls, seconds, memory.

Measures what a schedule of five minutes has to do in a minute at most: open interest, bars, mark
bars and funding of every asset on every venue, at 50 ms a call, with the venues' own rate limits.
The stand-in runs in a process of its own. Run it with

    .venv/bin/python bench/live_round.py [--assets 50] [--venues a,b] [--no-limits]

Last figures, two shared cores: see the table at the end of the output.
"""

import argparse
import asyncio
import datetime as dt
import json
import random
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from sources.records import Batch
from sources.venues.client import Request, RequestKind, VenueClient
from sources.venues.connection import Connection
from sources.venues.declarations import VENUES
from sources.venues.instruments import Instrument
from sources.venues.rounds import run_round

ROOT = Path(__file__).resolve().parents[1]
BAR = dt.timedelta(minutes=5)
KINDS: tuple[RequestKind, ...] = ("ohlcv", "mark_ohlc", "funding_rate")


def _requests(
    venue: str, instruments: list[str], tells: Callable[[str, str], bool], now: dt.datetime
) -> list[Request]:
    """Return what a round of five minutes asks of a venue: the last two bars, to overlap."""
    start = now - 2 * BAR
    bulk = tuple(name for name in instruments if tells(name, "open_interest_now"))
    requests = [Request(venue, "open_interest_now", bulk)] if bulk else []
    if not bulk:
        requests += [Request(venue, "open_interest", (name,), start, now) for name in instruments]
    for kind in KINDS:
        begin = now - dt.timedelta(hours=9) if kind == "funding_rate" else start
        requests += [
            Request(venue, kind, (name,), begin, now) for name in instruments if tells(name, kind)
        ]
    return requests


async def _measure(base_url: str, venues: list[str], budget_seconds: float) -> None:
    def clock() -> dt.datetime:
        return dt.datetime.now(tz=dt.UTC)

    clients = [
        VenueClient(
            name,
            clock=clock,
            rng=random.Random(0),  # noqa: S311 (jitter)
            connection=Connection(base_url),
        )
        for name in venues
    ]
    landed: dict[str, int] = {}

    def land(batch: Batch) -> None:
        landed[batch.kind] = landed.get(batch.kind, 0) + batch.table.num_rows

    started, cpu = time.monotonic(), time.process_time()
    requests: list[Request] = []
    for client in clients:
        await client.__aenter__()
    listings = await asyncio.gather(*(client.known_instruments() for client in clients))
    listed_after = time.monotonic() - started
    now = clock()
    for client, known in zip(clients, listings, strict=True):

        def tells(name: str, kind: str, known: Mapping[str, Instrument] = known) -> bool:
            field = "funding" if kind == "funding_rate" else kind
            return getattr(known[name].product, field) is not None

        requests += _requests(client.venue.name, list(known), tells, now)
    report = await run_round(clients, requests, land, budget_seconds=budget_seconds)
    seconds = time.monotonic() - started
    for client in clients:
        await client.__aexit__(None, None, None)
    print(f"{'venue':<14}{'calls':>7}{'rows':>8}{'repeats':>9}{'seconds':>9}  errors")
    for name, venue in report.venues.items():
        print(
            f"{name:<14}{venue.asked:>7}{venue.rows:>8}{venue.retries:>9}{venue.seconds:>9.1f}  "
            f"{dict(venue.errors) or ''}"
        )
    undone = [outcome for outcome in report.outcomes if outcome.status != "done"]
    print(f"requests {len(requests)}, not done {len(undone)}, records {json.dumps(landed)}")
    for outcome in undone[:5]:
        print(f"  {outcome.status}: {outcome.message}")
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"listing {listed_after:.1f} s, all {seconds:.1f} s, processor "
        f"{time.process_time() - cpu:.1f} s, at most {memory:.0f} MB"
    )


def main() -> None:
    """Start a stand-in, run one round against it, print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--assets", type=int, default=50)
    parser.add_argument("--venues", default=",".join(VENUES))
    parser.add_argument("--latency-ms", type=float, default=50.0)
    parser.add_argument("--budget", type=float, default=240.0, help="seconds for each venue")
    parser.add_argument("--no-limits", action="store_true")
    arguments = parser.parse_args()
    command = [sys.executable, str(ROOT / "tests" / "standin"), "--assets", str(arguments.assets)]
    command += ["--latency-ms", str(arguments.latency_ms), "--days", "2"]
    command += ["--no-limits"] if arguments.no_limits else []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as standin:  # noqa: S603
        try:
            assert standin.stdout is not None
            base_url = standin.stdout.readline().strip()
            asyncio.run(_measure(base_url, arguments.venues.split(","), arguments.budget))
        finally:
            standin.terminate()


if __name__ == "__main__":
    main()
