"""One round of live ingestion against the stand-in exchange: calls, seconds, memory.

Measures what a schedule of five minutes has to do in a minute at most: open interest, bars, mark
bars and funding of every asset on every venue, at 50 ms a call, with the venues' own rate limits.
With ``--backfill-days`` it asks instead for that many days of open interest and bars, and sets the
calls made against the least the venue's pages allow. The stand-in runs in a process of its own. Run
it from the project root with

    .venv/bin/python bench/live_round.py [--assets 50] [--venues a,b] [--budget 240] [--no-limits]
    .venv/bin/python bench/live_round.py --venues binance --backfill-days 29 --budget 900

On two shared cores, ccxt 4.5.90: a round of 11 venues and 50 assets (1382 requests, 1500 calls)
ends after 22 to 28 s on all venues but Hyperliquid, where 60 calls a minute are all it allows: with
a budget of 58 s its open interest and bars are in and 44 fundings wait for the next round, without
one they end after 82 s. At most 227 MB, 6 s of processor. A backfill of 29 days of open interest
and bars for 50 instruments of Binance makes 1701 calls, 1700 being the least, in 129 s: its rate
limit as ccxt paces it; at most 220 MB.
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
from sources.venues.shapes import Candles

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


def _backfill(
    venue: str, known: Mapping[str, Instrument], days: int, now: dt.datetime
) -> tuple[list[Request], int]:
    """Return what a backfill asks of a venue, and the least calls that answer it."""
    start, least = now - dt.timedelta(days=days), 0
    requests = []
    for kind in ("ohlcv", "open_interest"):
        for name, one in known.items():
            requests.append(Request(venue, kind, (name,), start, now))
            reading = one.product.ohlcv if kind == "ohlcv" else one.product.open_interest_history
            asks = reading.asks if isinstance(reading, Candles) else (reading.ask,)  # type: ignore[union-attr]
            least += -(-days * 288 // asks[-1].limit)
    return requests, least


async def _measure(
    base_url: str, venues: list[str], budget_seconds: float, backfill_days: int
) -> None:
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

        if backfill_days:
            more, least = _backfill(client.venue.name, known, backfill_days, now)
            print(f"{client.venue.name}: {len(more)} requests, at least {least} calls")
            requests += more
        else:
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
    parser.add_argument("--backfill-days", type=int, default=0)
    parser.add_argument("--no-limits", action="store_true")
    arguments = parser.parse_args()
    # The stand-in tells both of Binance's products under one name.
    named = arguments.venues.split(",")
    arguments.standin_venues = ",".join(
        dict.fromkeys("binance" if name == "binancecoinm" else name for name in named)
    )
    command = [sys.executable, str(ROOT / "tests" / "standin"), "--assets", str(arguments.assets)]
    command += ["--latency-ms", str(arguments.latency_ms)]
    command += ["--days", str(arguments.backfill_days + 2), "--venues", arguments.standin_venues]
    command += ["--no-limits"] if arguments.no_limits else []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as standin:  # noqa: S603
        try:
            assert standin.stdout is not None
            base_url = standin.stdout.readline().strip()
            asyncio.run(
                _measure(
                    base_url, arguments.venues.split(","), arguments.budget, arguments.backfill_days
                )
            )
        finally:
            standin.terminate()


if __name__ == "__main__":
    main()
