"""A collector of positions killed with -9 at any instant and started again, and what is left.

Belongs here: killing it by the clock and at chosen writes, and the invariants of its home. Does not
belong here: how many kills there are (tests and ``bench/position_kills.py`` say).

Nothing is compared with a home that nothing disturbed: the venue has moved on in between. The log
of changes has an invariant of its own instead: each row's size before is the size after of the row
before it, so that a lost row, a doubled one and one out of order all break the chain.
"""

import os
import random
import sqlite3
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from standin import DAY, PopulationParameters, Standin, serving, synthetic_market

from jobs.positions.account_book import AccountBook
from jobs.positions.book_file import book_path
from jobs.settings import Settings
from workbench.dying import call_before, die_at
from workbench.forking import Forks
from workbench.killed import Killed
from workbench.positions import EPOCH, ScaledClock, collect

START = 1_772_323_200_000
SPEED = 120.0
POPULATION = PopulationParameters(accounts=150, trades_per_second=1.0, builder_coins=2)
COINS = {"BTC": 70_000.0, "ETH": 2_100.0, "PEPE": 4e-6}
# What a kill comes just before; the rest come by the clock.
WRITES = ("commit", "delete from outbox", "rename", "sealed")
MOST_SECONDS = 8.0
# Venue seconds: many landings and store batches in a life of a few seconds.
OFTEN = {"landing_seconds": 30.0, "checkpoint_seconds": 60.0}
TOLERANCE = 1e-6  # of a quantity as it landed


def collect_until_write(
    home: str, url: str, start: int, anchor: float, write: str, number: int
) -> None:
    """Collect, and die just before the n-th write of a kind; with a number of 0, never."""
    if number:
        call_before(write, die_at(number), book_path(Settings(home=Path(home))).name)
    collect(Path(home), url, ScaledClock(start, anchor, SPEED), None, **OFTEN)


def collect_to_the_end(home: str, url: str, start: int, anchor: float, seconds: float) -> None:
    """Collect for a while and stop on request."""
    collect(Path(home), url, ScaledClock(start, anchor, SPEED), seconds, **OFTEN)


@dataclass(slots=True)
class CollectorKills(Killed):
    """What kills came to, and what was collected under them."""

    accounts: int = 0
    changes: int = 0
    maps: int = 0
    most_weight: float = 0.0


def kill_collector(
    folder: Path, *, count: int, seed: int = 1, report: Callable[[str], object] = lambda line: None
) -> CollectorKills:
    """Kill a collector so many times, let it finish, and check what it left."""
    chance = random.Random(seed)  # noqa: S311  (no secret)
    killed = CollectorKills()
    begun = time.monotonic()
    settings = Settings(home=folder / "home")
    settings.home.mkdir(parents=True, exist_ok=True)
    market = synthetic_market(
        start=START - DAY, end=START + 2 * DAY, venues=("hyperliquid",), assets=COINS
    )
    known: set[bytes] = set()
    standin = Standin(market, now=START, accounts=POPULATION)
    people = standin.population
    assert people is not None
    with serving(standin), Forks(__name__, "jobs.positions.collector", "aiohttp") as forks:
        url = f"{standin.base_url}/hyperliquid"
        anchor = time.monotonic()
        standin.run(SPEED)
        where = (str(settings.home), url, START, anchor)
        while killed.kills.total() < count and len(killed.differences) == 0:
            write = chance.choice(WRITES + ("clock",) * len(WRITES))
            number = 0 if write == "clock" else chance.randint(1, 3 if write == "rename" else 8)
            call = forks.start(__name__, "collect_until_write", *where, write, number)
            # Where the write does not come, the clock ends it.
            most = chance.uniform(0.1, 3.0) if write == "clock" else MOST_SECONDS
            has_ended = _wait_for_end(call.process_id, most)
            call.kill()
            write = write if has_ended else "clock"
            killed.kills[write] += 1
            found = _addresses(settings)
            if known - found:
                killed.differences.append(
                    f"{len(known - found)} accounts lost by a kill at {write}"
                )
            known |= found
            report(f"kill {killed.kills.total()}: {write}, {len(found)} accounts")
        people.listed = []
        forks.start(__name__, "collect_to_the_end", *where, 600.0).end()
        # As the last collector was sent it: a killed one may have received another and not stored
        # it, and accounts come onto the list while nobody reads it.
        listed = {bytes.fromhex(address[2:]) for address in people.listed}
        killed.most_weight = standin.ledger("hyperliquid").peaks["weight"]
        _check(settings, known, listed, killed)
    killed.seconds = time.monotonic() - begun
    return killed


def _wait_for_end(process_id: int, most_seconds: float) -> bool:
    """Wait until a process has ended, so long at most; return whether it has."""
    until = time.monotonic() + most_seconds
    while time.monotonic() < until:
        try:
            os.kill(process_id, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.02)
    return False


def _addresses(settings: Settings) -> set[bytes]:
    path = settings.home / "positions" / "accounts.sqlite"
    if not path.exists():
        return set()
    with closing(sqlite3.connect(path)) as connection:
        has = connection.execute("select 1 from sqlite_master where name = 'account'").fetchone()
        rows = connection.execute("select address from account").fetchall() if has else []
    return {bytes(address) for (address,) in rows}


def _check(
    settings: Settings, known: set[bytes], listed: set[bytes], killed: CollectorKills
) -> None:
    """Note what does not hold of a home whose collector has stopped on request."""
    found = _addresses(settings)
    killed.accounts = len(found)
    differences = killed.differences
    differences += [f"{len(known - found)} accounts lost"] * bool(known - found)
    differences += ["the last collector read no list"] * (not listed)
    differences += [f"{len(listed - found)} listed accounts unknown"] * bool(listed - found)
    rows = landed_rows(settings.landing / "account_position")
    killed.changes = len(rows)
    differences += broken_chains(rows)
    differences += _unlike_book(settings, rows)
    differences += _leaks(settings.home, found)
    if killed.most_weight > 1200:
        differences.append(f"a minute with a weight of {killed.most_weight:.0f}")
    maps = [path.name for path in (settings.landing / "provider_map").glob("*.parquet")]
    killed.maps = len(maps)
    # Named by the hour first: what follows is the same for the same hour.
    hours = Counter(name.partition("Z-")[0] for name in maps)
    differences += [f"{hour} has {n} maps" for hour, n in hours.items() if n > 1]
    liquidations = landed_rows(settings.landing / "realised_liquidation")
    keys = Counter(row["order_key"] for row in liquidations)
    differences += [f"a liquidation {n} times" for n in keys.values() if n > 1]


def _unlike_book(settings: Settings, rows: list[dict[str, Any]]) -> list[str]:
    """Return which positions of the account book the log of changes does not end with."""
    logged: dict[tuple[str, str], float] = {}
    for row in sorted(rows, key=lambda row: row["observed_at"]):
        logged[row["account_key"], row["asset"]] = row["quantity"]
    with closing(AccountBook(book_path(settings))) as book:
        names = {one.account_id: book.account_name(one.address) for one in book.addresses()}
        held = book.positions_of(datetime.now(UTC) + timedelta(days=3650))
    booked = {
        (names[account], asset): quantity
        for account, asset, quantity in zip(
            held.account_id.tolist(), held.asset.tolist(), held.quantity.tolist(), strict=True
        )
    }
    standing = {key for key, quantity in logged.items() if quantity > 0}
    found = [f"{asset}: in the log and not in the book" for _, asset in standing - set(booked)]
    for key, quantity in booked.items():
        last = logged.get(key, 0.0)
        if abs(last - quantity) > TOLERANCE * quantity:
            found.append(f"{key[1]}: {quantity} in the book, {last} in the log")
    return found


def _leaks(home: Path, addresses: set[bytes]) -> list[str]:
    """Return which files outside the collector's own folder hold an address, or part of one."""
    raw = list(addresses)
    # In logs addresses may be shortened: half of one is too much already.
    spelled = [one.hex().encode()[:16] for one in addresses]
    found = []
    for path in home.rglob("*"):
        if not path.is_file() or path.relative_to(home).parts[0] == "positions":
            continue
        content = path.read_bytes()
        lower = content.lower()
        if any(one in content for one in raw) or any(one in lower for one in spelled):
            found.append(f"{path.relative_to(home)} holds an address")
    return found


def landed_rows(folder: Path) -> list[dict[str, Any]]:
    """Return the rows of all files of a kind."""
    tables = [pq.read_table(path) for path in sorted(folder.glob("*.parquet"))]
    return pa.concat_tables(tables).to_pylist() if tables else []


def broken_chains(rows: list[dict[str, Any]]) -> list[str]:
    """Return where the log of changes of a position does not follow from the row before."""
    chains: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in rows:
        chains.setdefault((row["account_key"], row["asset"]), []).append(row)
    broken = []
    for (_, asset), chain in chains.items():
        chain.sort(key=lambda row: row["observed_at"])
        held = 0.0
        for number, row in enumerate(chain):
            at = f"{asset} at {row['observed_at'] - EPOCH}"
            if number and row["observed_at"] == chain[number - 1]["observed_at"]:
                broken.append(f"{asset}: two rows of one state, {row['change']}")
            before = row["previous_quantity"] or 0.0
            if abs(before - held) > TOLERANCE * max(before, held):
                broken.append(f"{at}: {row['change']} from {before} after {held}")
            held = row["quantity"]
    return broken
