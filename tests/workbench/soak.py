"""A home that goes through faults and kills, beside one that does not, and how they differ.

Belongs here: drawing faults, rounds that can be killed, comparing two homes. Does not belong here:
how long and how hard (tests and ``bench/soak.py`` say).
"""

import datetime as dt
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import duckdb
from standin import Fault, Faults, MarketData, Standin, serving

from jobs.collect.ingest import ingest
from jobs.collect.scope import Effort
from jobs.errors import AllVenuesFailed
from jobs.maintain import maintain
from jobs.settings import Settings
from sources.universe import Universe
from sources.venues.pacer import RequestPolicy
from workbench.forking import Call, Forks

BAR = 300_000
HOUR = 12 * BAR
_QUICK = RequestPolicy(first_delay_seconds=0.001, longest_delay_seconds=0.01, concurrency=16)

# What may befall any call, and how often in a hundred.
EVERYDAY = {
    "too_many_requests": 0.1,
    "banned": 0.1,
    "server_error": 0.5,
    "time_out": 0.3,
    "cut_before_answer": 0.5,
    "cut_in_answer": 0.5,
    "truncated": 0.5,
    "wrong_type": 0.5,
    "null_value": 0.5,
    "empty": 0.5,
    "duplicated": 0.5,
    "unordered": 0.5,
    "overlapping": 0.5,
    "clock_skew": 0.3,
}
# What may befall a venue, or one of its symbols, for some rounds.
EPISODES = (
    "server_error",
    "time_out",
    "cut_in_answer",
    "truncated",
    "empty",
    "wrong_type",
    "null_value",
    "unordered",
    "overlapping",
    "banned",
    "vanished_symbol",
    "open_interest_factor",
)
_PER_SYMBOL = ("vanished_symbol", "open_interest_factor")

# The columns of a row that do not depend on who collected it and when. Open interest is compared by
# its five-minute bucket: it may come from a snapshot, or later from the venue's history.
_COLUMNS = {
    "ohlcv": "bar_start_at, bar_seconds::varchar, open, high, low, close, volume_quantity, "
    "taker_buy_quantity, trade_count",
    "mark_ohlc": "bar_start_at, bar_seconds::varchar, mark_open, mark_high, mark_low, mark_close",
    "open_interest": "time_bucket(interval 5 minutes, observed_at), '', open_interest_quantity",
    "funding_rate": "funded_at, '', funding_rate_ratio, funding_interval_hours",
    "long_short_ratio": "observed_at, measure, long_short_ratio",
    "realised_liquidation": "period_start_at, side || ' ' || order_key, price, "
    "liquidated_quantity, liquidated_usd",
}

Key = tuple[str, str, dt.datetime, str]


_FAILED = 3
"""The exit code of a round in which no venue answered."""


def run_round(home: str, base_url: str, universe: list[list[str]], now: int, is_daily: bool) -> int:
    """Run a round, or the daily maintenance, at an instant [ms]; return an exit code.

    Parameters
    ----------
    home, base_url : str
        The folder, and where venues listen.
    universe : list of list of str
        Venues and assets.
    """
    settings = Settings(home=Path(home), threads=1, venue_url=base_url, history_days=1)
    followed = Universe(venues=tuple(universe[0]), assets=tuple(universe[1]))
    at = dt.datetime.fromtimestamp(now / 1000, tz=dt.UTC)
    try:
        if is_daily:
            maintain(settings, clock=lambda: at, universe=followed)
        else:
            ingest(settings, clock=lambda: at, universe=followed, effort=Effort(policy=_QUICK))
    except AllVenuesFailed:
        return _FAILED
    return 0


class Rounds:
    """Rounds of one home, each in a process that can be killed; use as a context manager.

    Parameters
    ----------
    home, standin
        Its folder, and the venues it requests.
    venues, assets : sequence of str
        What it follows.
    """

    def __init__(
        self, home: Path, standin: Standin, venues: Sequence[str], assets: Sequence[str]
    ) -> None:
        self.home = home
        self.standin = standin
        self.kills = 0
        self.failed = 0
        self._universe = (list(venues), list(assets))
        self._forks = Forks(__name__, "ccxt.async_support")
        self._round: Call | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *given: object) -> None:
        self._forks.__exit__(*given)

    def start(self, now: int, *, is_daily: bool = False) -> None:
        """Start a round at an instant [ms]."""
        self.standin.now = now
        self._round = self._forks.start(
            __name__, "run_round", str(self.home), self.standin.base_url, self._universe, now,
            is_daily,
        )  # fmt: skip

    def finish(self) -> None:
        """Wait until the round is through."""
        assert self._round is not None
        self.failed += self._round.end() == _FAILED

    def kill(self) -> None:
        """Kill the round wherever it is."""
        assert self._round is not None
        self.kills += self._round.kill()


class Weather:
    """Faults drawn at random, some everyday and some that stay for a while.

    Parameters
    ----------
    standin : Standin
        Whom they befall.
    seed : int
        Of the draws.
    share : float
        Everyday faults are this many times as frequent.
    """

    def __init__(self, standin: Standin, seed: int, share: float = 1.0) -> None:
        self._faults = standin.faults
        self._rng = random.Random(seed)  # noqa: S311  (which fault comes)
        self._symbols: dict[str, list[str]] = {}
        for one in standin.market:
            self._symbols.setdefault(one.instrument.venue, []).append(one.instrument.symbol)
        self._staying: dict[int, tuple[Fault, int]] = {}
        for kind, percent in EVERYDAY.items():
            self._faults.add(kind, probability=percent / 100 * share, seconds=0.2)

    def turn(self, *, chance: float = 0.1, longest: int = 12) -> None:
        """Let episodes end, and perhaps one begin that stays for some rounds."""
        for key, (fault, left) in list(self._staying.items()):
            if left == 0:
                self._faults.remove(fault)
                del self._staying[key]
            else:
                self._staying[key] = (fault, left - 1)
        if self._rng.random() < chance:
            kind = self._rng.choice(EPISODES)
            venue = self._rng.choice(sorted(self._symbols))
            symbol = self._rng.choice(self._symbols[venue]) if kind in _PER_SYMBOL else "*"
            # A smaller factor could not be distinguished from what a market does in a minute.
            fault = self._faults.add(kind, venue=venue, symbol=symbol, seconds=0.05, factor=1000.0)
            self._staying[id(fault)] = (fault, self._rng.randint(0, longest))

    def clear(self) -> None:
        """Let all faults end."""
        self._staying.clear()
        self._faults.clear()


@dataclass(slots=True)
class Comparison:
    """How a home that went through faults differs from one that did not.

    Parameters
    ----------
    rows : Counter
        Rows compared, by venue and kind.
    lost : Counter
        Rows missing that the ledger says are lost, by venue, kind and reason.
    missing, different, surplus : list
        Rows that are missing and not in the ledger, that differ, or that are too many.
    """

    rows: Counter[tuple[str, str]] = field(default_factory=Counter)
    lost: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    missing: list[Any] = field(default_factory=list)
    different: list[Any] = field(default_factory=list)
    surplus: list[Any] = field(default_factory=list)

    @property
    def is_equal(self) -> bool:
        """Whether all that is missing is in the ledger and all else is the same."""
        return not (self.missing or self.different or self.surplus)


def compare_homes(faulty: Path, faultless: Path, *, first: int, until: int) -> Comparison:
    """Return how two homes that nobody works on differ in all rows within [first, until) [ms]."""
    found = Comparison()
    span = [dt.datetime.fromtimestamp(one / 1000, tz=dt.UTC) for one in (first, until)]
    with _opened(faulty) as one, _opened(faultless) as other:
        gaps: dict[tuple[str, str, str], list[tuple[dt.datetime, dt.datetime, str]]] = {}
        for venue, name, kind, *gap in one.execute(
            "select venue, instrument, kind, gap_from, gap_to, lost_reason from marts.data_gaps "
            "where is_lost"
        ).fetchall():
            gaps.setdefault((venue, name, kind), []).append((gap[0], gap[1], gap[2]))
        for kind in _COLUMNS:
            stored, wanted = _rows(one, kind, span), _rows(other, kind, span)
            found.rows.update((key[0], kind) for key in wanted)
            found.surplus += [(kind, *key) for key in sorted(stored.keys() - wanted.keys())]
            for key, row in sorted(wanted.items()):
                lost = [
                    reason
                    for start, end, reason in gaps.get((key[0], key[1], kind), [])
                    if start <= key[2] < end
                ]
                if key in stored and stored[key] != row:
                    found.different.append((kind, *key, stored[key], row))
                elif key not in stored and lost:
                    found.lost[key[0], kind, lost[0]] += 1
                elif key not in stored:
                    found.missing.append((kind, *key))
    return found


@contextmanager
def _opened(home: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(str(home / "warehouse.duckdb"), read_only=True) as connection:
        connection.execute("set timezone = 'UTC'")
        yield connection


def _rows(
    connection: duckdb.DuckDBPyConnection, kind: str, span: Sequence[dt.datetime]
) -> dict[Key, tuple[Any, ...]]:
    """Return the raw rows of a kind, the newest of each key."""
    at = _COLUMNS[kind].rpartition("(")[2] if kind == "open_interest" else _COLUMNS[kind]
    instant = "observed_at" if kind == "open_interest" else at.split(",")[0]
    rows = connection.execute(
        f"select venue, instrument, {_COLUMNS[kind]} from raw.{kind} "
        f"where {instant} >= ? and {instant} < ? order by ingested_at",
        list(span),
    ).fetchall()
    return {(row[0], row[1], row[2], row[3]): tuple(row[4:]) for row in rows}


@dataclass(slots=True)
class Soak:
    """What a soak came to.

    Parameters
    ----------
    rounds, kills, failed : int
        Rounds begun, killed, and those in which no venue answered.
    faults : Counter
        Faults that struck, by kind.
    seconds : float
        Wall clock.
    found : Comparison
        Against the home without faults.
    """

    rounds: int
    kills: int
    failed: int
    faults: Counter[str]
    seconds: float
    found: Comparison


@dataclass(frozen=True, slots=True)
class Plan:
    """How long a soak is and how hard.

    Parameters
    ----------
    begun : int
        The first round [ms].
    rounds, bars_between : int
        How many rounds, and how many bars of five minutes lie between two of them.
    venues, assets : sequence of str
        What is followed.
    seed : int
        Of faults and kills.
    share, episode_chance : float
        How frequent everyday faults are, and how probably an episode begins with a round.
    kill_every : int
        One round in so many is killed, on average.
    """

    begun: int
    rounds: int
    bars_between: int
    venues: Sequence[str]
    assets: Sequence[str]
    seed: int
    share: float = 1.0
    kill_every: int = 8
    episode_chance: float = 0.1

    @property
    def instants(self) -> list[int]:
        """When the rounds begin [ms]."""
        step = self.bars_between * BAR
        return [self.begun + number * step + 7_000 for number in range(self.rounds)]


def soak(
    folder: Path,
    market: MarketData,
    plan: Plan,
    report: Callable[[str], None] = lambda line: None,
) -> Soak:
    """Return how a home that went through faults and kills compares with one that did not.

    Parameters
    ----------
    folder : Path
        Where the two homes are made.
    market : MarketData
        What venues publish.
    plan : Plan
        How long and how hard.
    report : callable
        Takes a line on the progress, once in 24 rounds.
    """
    started = time.monotonic()
    healing = [plan.instants[-1] + step * HOUR for step in (1, 2)]
    with ExitStack() as stack:
        homes = []
        for name in ("faulty", "faultless"):
            faults = Faults(seed=plan.seed)
            standin = Standin(market, now=plan.begun, faults=faults, enforce_limits=False)
            stack.enter_context(serving(standin))
            rounds = Rounds(folder / name, standin, plan.venues, plan.assets)
            homes.append(stack.enter_context(rounds))
        faulty, faultless = homes
        weather = _run_rounds(plan, faulty, faultless, report)
        drawn: Counter[str] = Counter()
        for (_, kind), times in faulty.standin.faults.drawn.items():
            drawn[kind] += times
        if weather is not None:
            weather.clear()
        for is_daily, now in zip((False, True), healing, strict=True):
            for home in homes:
                home.start(now, is_daily=is_daily)
            for home in homes:
                home.finish()
        kills, failed = faulty.kills, faulty.failed
    found = compare_homes(
        folder / "faulty",
        folder / "faultless",
        first=plan.begun - 22 * HOUR,
        until=healing[-1] - HOUR,
    )
    return Soak(plan.rounds, kills, failed, drawn, time.monotonic() - started, found)


def _run_rounds(
    plan: Plan, faulty: Rounds, faultless: Rounds, report: Callable[[str], None]
) -> Weather | None:
    """Run all rounds in both homes; return the weather of the faulty one."""
    rng = random.Random(f"{plan.seed} kills")  # noqa: S311  (which rounds are killed)
    longest = 0.5
    weather: Weather | None = None
    for number, now in enumerate(plan.instants):
        if number == 1:
            # The first round has no faults: a value that was never right is never known wrong.
            weather = Weather(faulty.standin, plan.seed, plan.share)
        if weather is not None:
            weather.turn(chance=plan.episode_chance)
        began = time.monotonic()
        for home in (faulty, faultless):
            home.start(now)
        if number and rng.randrange(plan.kill_every) == 0:
            time.sleep(rng.uniform(0.0, longest))
            faulty.kill()
        else:
            faulty.finish()
        faultless.finish()
        if number:
            longest = max(longest * 0.95, time.monotonic() - began)
        if number % 24 == 23:
            struck = sum(faulty.standin.faults.drawn.values())
            report(f"{number + 1} rounds, {struck} faults, {faulty.kills} kills")
    return weather
