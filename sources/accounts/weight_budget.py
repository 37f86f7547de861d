"""The rate limit of one service, shared by all processes of a home: a sliding window of weight.

Belongs here: who may send how much and when. Does not belong here: what a request weighs
(`sources.accounts.info_client`, `sources.venues.endpoints`), how a failed one is repeated
(`sources.retry`).

The window is a log of claims in one small SQLite file. A claim is committed before its request is
sent, so a process that is killed leaves its weight counted. The service counts a request when it
arrives, at some instant between claim and answer: an open claim counts as if it had still to
arrive, a settled one as if it arrived with its answer, and one whose process was killed as if it
arrived ``in_flight_seconds`` after the last sign of life. So no window of the service, whatever the
delays, holds more than the limit.

The clock is one that all processes of the machine share and nobody sets: `time.monotonic`, which on
Linux and macOS counts from the start of the machine. Instants ahead of it were written before a
restart and are taken for now.
"""

import asyncio
import logging
import math
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sources.errors import RequestSkipped, TransientSourceError
from sources.retry import Sleep

logger = logging.getLogger(__name__)

User = Literal["sweep", "ingest"]

HYPERLIQUID_WEIGHT = 1200
"""Weight a minute and address: "Rate limits and user limits",
https://hyperliquid.gitbook.io/hyperliquid-docs/for-developers/api/rate-limits-and-user-limits."""

# What sweeps leave to others, as shares of the limit: at rest, and at most.
_LEFT_AT_REST, _LEFT_AT_MOST = 0.1, 0.75
# And for each unit that others used in the last window.
_LEFT_PER_USED = 2.0

# So many refusals, with less than this share of the documented limit used from each to the next,
# lower the own limit. A service that refuses one request in 500 whatever is used seldom does that.
_REFUSALS_IN_ROW, _LEAST_USED_BETWEEN = 3, 1 / 3
# To this share of what was used, though to no more than the first share of the limit and no less
# than the second.
_DECREASE_OF_USED, _LEAST_DECREASE, _MOST_DECREASE = 0.9, 0.7, 0.5
# Never below the first share of the documented limit; the second is added back with each window.
_LOWEST, _INCREASE = 0.05, 0.02
# Requests that were under way together are refused together.
_SAME_REFUSAL_SECONDS = 5.0
_PAUSE_SECONDS = 10.0
_LONGEST_PAUSE_SECONDS = 600.0

_BUSY_SECONDS = 0.05
# How long to sleep at most and at least before looking again: requests weigh less than claimed.
_LONGEST_SLEEP_SECONDS, _SHORTEST_SLEEP_SECONDS = 1.0, 0.005
_SCHEMA = """
create table if not exists claim (
    id integer primary key,
    counts_from real not null,
    weight real not null,
    claimed_by text not null
);
create table if not exists figure (name text primary key, value real not null);
"""


@dataclass(frozen=True, slots=True)
class WeightUse:
    """What is used of a budget.

    Parameters
    ----------
    used : float
        Weight of the last window, requests under way included.
    by_sweep, by_ingest : float
        Parts of it.
    limit : float
        Weight that may be used now: below the documented limit after refusals.
    is_lowered : bool
        Whether refusals lowered it.
    paused_seconds : float
        How long the service requires to wait from now [seconds]; 0 where it does not.
    """

    used: float
    by_sweep: float
    by_ingest: float
    limit: float
    is_lowered: bool
    paused_seconds: float


def sweep_share(limit: float, used_by_others: float) -> float:
    """Return the weight that sweeps may use in a window.

    They leave a tenth of the limit and twice what others used in the last window, but never more
    than three quarters: a round of ingestion finds room at once and gets more as it goes on, and
    sweeps never stop.

    Parameters
    ----------
    limit : float
        Weight of a window.
    used_by_others : float
        Weight that others used in the last window.

    Examples
    --------
    >>> [sweep_share(1200, used) for used in (0, 100, 330, 1000)]
    [1080.0, 880.0, 420.0, 300.0]
    """
    left = min(_LEFT_AT_MOST * limit, _LEFT_AT_REST * limit + _LEFT_PER_USED * used_by_others)
    return limit - left


class WeightBudget:
    """A share of a service's rate limit, across processes; close it after use.

    Parameters
    ----------
    path : Path
        The file that all processes of a home share; made where there is none.
    clock : Callable
        Returns seconds of a clock that all users of the file share and nobody sets.
    sleep : Callable
        Waits [seconds].
    limit : float
        Weight in any window.
    seconds : float
        Length of the window.
    in_flight_seconds : float
        How long after the last sign of life of its process the request of an open claim may still
        arrive, at most a window.
    """

    def __init__(
        self,
        path: Path,
        clock: Callable[[], float] = time.monotonic,
        sleep: Sleep = asyncio.sleep,
        limit: float = HYPERLIQUID_WEIGHT,
        seconds: float = 60.0,
        in_flight_seconds: float = 60.0,
    ) -> None:
        self._path = path
        self._clock = clock
        self._sleep = sleep
        self._limit = limit
        self._seconds = seconds
        self._in_flight_seconds = in_flight_seconds
        self._connection: sqlite3.Connection | None = None
        self._file_id: int | None = None
        # Claims that are not settled, by the instant at which the file last recorded them.
        self._under_way: dict[int, float] = {}
        self._turns: dict[User, asyncio.Lock] = {"sweep": asyncio.Lock(), "ingest": asyncio.Lock()}
        self._was_lowered = False

    async def claim(self, weight: float, user: User, within_seconds: float = math.inf) -> int:
        """Wait until a request may be sent, and return the number to settle it with.

        Requests of one user are served in the order they come. A claim that is not settled counts
        for as long as this process lives.

        Parameters
        ----------
        weight : float
            Most the request may weigh.
        user : {'sweep', 'ingest'}
            Who sends it.
        within_seconds : float
            How long to wait at most [seconds].

        Raises
        ------
        RequestSkipped
            Where that does not suffice.
        TransientSourceError
            Where the file cannot be written.
        ValueError
            Where the weight exceeds the limit.
        """
        until = self._clock() + within_seconds
        if weight > self._limit:
            raise ValueError(f"a request of weight {weight:g} exceeds the limit of {self._limit:g}")
        async with self._turns[user]:
            while True:
                granted, wait = self._try_claim(weight, user)
                if granted is not None:
                    return granted
                wait = min(max(wait, _SHORTEST_SLEEP_SECONDS), _LONGEST_SLEEP_SECONDS)
                if self._clock() + wait >= until:
                    raise RequestSkipped(
                        f"skipped, the shared rate limit has no room for a weight of {weight:g} in "
                        "time; the next run continues, or allow a larger budget"
                    )
                await self._sleep(wait)

    async def settle(self, claim: int, weight: float | None = None) -> None:
        """Note that a request has ended: answered, refused or given up.

        Where that cannot be kept, the claim counts a minute longer.

        Parameters
        ----------
        claim : int
            Number that `claim` returned.
        weight : float, optional
            What it weighed, where only the answer shows it.
        """
        self._under_way.pop(claim, None)
        while True:
            try:
                with self._transaction() as connection:
                    connection.execute(
                        "update claim set counts_from = min(counts_from, ?), "
                        "weight = coalesce(?, weight) where id = ?",
                        (self._clock(), weight, claim),
                    )
            except _Busy:
                await self._sleep(_BUSY_SECONDS)
            except TransientSourceError as exc:
                logger.warning("%s", exc)
                return
            else:
                return

    async def pause(self, seconds: float | None = None) -> None:
        """Note a refusal for too many requests: nobody sends for a while.

        As the window is never overfull, refusals mean that the limit is lower than thought or that
        others use it too. One may be a slip of the service; with a third in a row and little sent
        in between, the own limit is lowered, and returns over the next minutes.

        Parameters
        ----------
        seconds : float, optional
            The wait that the service requires (``Retry-After``), at most ten minutes; without,
            ten seconds.
        """
        wait = _PAUSE_SECONDS if seconds is None or not math.isfinite(seconds) else seconds
        wait = min(max(wait, 0.0), _LONGEST_PAUSE_SECONDS)
        while True:
            try:
                lowered = self._note_refusal(wait)
            except _Busy:
                await self._sleep(_BUSY_SECONDS)
            else:
                break
        if lowered is not None:
            self._was_lowered = True
            logger.warning(
                "Hyperliquid refused a request within its rate limit; using %.0f of %.0f weight a "
                "minute for a while. Does something else use its API from this address?",
                lowered,
                self._limit,
            )

    def usage(self) -> WeightUse:
        """Return what is used; waits where another process holds the file."""
        while True:
            try:
                with self._transaction() as connection:
                    now = self._clock()
                    used, limit, paused_until = self._read(connection, now)
            except _Busy:
                continue
            return WeightUse(
                used=sum(used.values()),
                by_sweep=used.get("sweep", 0.0),
                by_ingest=used.get("ingest", 0.0),
                limit=limit,
                is_lowered=limit < self._limit,
                paused_seconds=max(paused_until - now, 0.0),
            )

    def close(self) -> None:
        """Close the file; claims remain counted."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _try_claim(self, weight: float, user: User) -> tuple[int | None, float]:
        """Return the number of a claim, or None and how long to wait [seconds]."""
        try:
            with self._transaction() as connection:
                now = self._clock()
                used, limit, paused_until = self._read(connection, now)
                if paused_until > now:
                    return None, paused_until - now
                total = sum(used.values())
                over = total + weight - limit
                room_for: User | None = None
                if user == "sweep":
                    own = used.get("sweep", 0.0)
                    beyond = own + weight - sweep_share(limit, total - own)
                    if own > 0 and beyond > max(over, 0):
                        over, room_for = beyond, "sweep"
                # A request heavier than a lowered limit is sent alone.
                if over > 0 and total > 0:
                    return None, self._wait_for(connection, over, room_for) - now
                claim = connection.execute(
                    "insert into claim (counts_from, weight, claimed_by) values (?, ?, ?)",
                    (now + self._in_flight_seconds, weight, user),
                ).lastrowid
        except _Busy:
            return None, _BUSY_SECONDS
        if claim is not None:
            self._under_way[claim] = now
        return claim, 0.0

    def _read(
        self, connection: sqlite3.Connection, now: float
    ) -> tuple[dict[str, float], float, float]:
        """Return the weight used by user, the limit and the end of a pause; forget what is past."""
        self._show_life(connection, now)
        latest = now + self._seconds
        connection.execute("delete from claim where counts_from <= ?", (now - self._seconds,))
        connection.execute(
            "update claim set counts_from = ? where counts_from > ?", (latest, latest)
        )
        used: dict[str, float] = dict(
            connection.execute("select claimed_by, sum(weight) from claim group by claimed_by")
        )
        figures = self._figures(connection)
        paused_until = figures.get("paused_until", -math.inf)
        if paused_until > now + _LONGEST_PAUSE_SECONDS:
            paused_until = now
        return used, self._limit_at(figures, now), paused_until

    def _show_life(self, connection: sqlite3.Connection, now: float) -> None:
        """Let open claims of this process count for longer: their requests may yet arrive."""
        half = self._in_flight_seconds / 2
        due = [claim for claim, at in self._under_way.items() if now - at >= half]
        for claim in due:
            connection.execute(
                "update claim set counts_from = ? where id = ?",
                (now + self._in_flight_seconds, claim),
            )
            self._under_way[claim] = now

    def _limit_at(self, figures: dict[str, float], now: float) -> float:
        """Return the limit that holds: after refusals it returns by and by."""
        lowered_at = figures.get("lowered_at", math.inf)
        # Ahead of the clock: of before a restart of the machine.
        if lowered_at > now:
            return self._limit
        windows = (now - lowered_at) / self._seconds
        limit = min(
            figures["lowered_limit"] + _INCREASE * self._limit * windows,
            self._limit,
        )
        if self._was_lowered and limit == self._limit:
            self._was_lowered = False
            logger.info("Hyperliquid: the whole rate limit of %.0f is in use again", limit)
        return limit

    def _wait_for(self, connection: sqlite3.Connection, weight: float, user: User | None) -> float:
        """Return the instant at which so much weight has left the window, of all or of a user."""
        left, leaves_at = 0.0, -math.inf
        for counts_from, one in connection.execute(
            "select counts_from, weight from claim where ?1 is null or claimed_by = ?1 "
            "order by counts_from",
            (user,),
        ):
            left, leaves_at = left + one, counts_from + self._seconds
            if left >= weight:
                break
        return leaves_at

    def _note_refusal(self, wait: float) -> float | None:
        """Record a pause, and return the lowered limit where it was lowered."""
        with self._transaction() as connection:
            now = self._clock()
            used, limit, paused_until = self._read(connection, now)
            figures = self._figures(connection)
            last = figures.get("refused_at", -math.inf)
            lowered = None
            if paused_until <= now and not now - _SAME_REFUSAL_SECONDS < last <= now:
                in_row = 1
                if last <= now <= max(last, paused_until) + self._seconds:
                    used_since = self._used_since(connection, last)
                    if used_since < _LEAST_USED_BETWEEN * self._limit:
                        in_row += int(figures.get("refused_in_row", 0))
                if in_row == _REFUSALS_IN_ROW:
                    in_row = 0
                    wanted = max(_DECREASE_OF_USED * sum(used.values()), _MOST_DECREASE * limit)
                    lowered = max(min(wanted, _LEAST_DECREASE * limit), _LOWEST * self._limit)
                    self._write(connection, lowered_limit=lowered, lowered_at=now)
                self._write(connection, refused_at=now, refused_in_row=in_row)
            self._write(connection, paused_until=max(paused_until, now + wait))
            return lowered

    def _used_since(self, connection: sqlite3.Connection, at: float) -> float:
        """Return the weight of requests that were answered after an instant or still may be."""
        ((used,),) = connection.execute(
            "select total(weight) from claim where counts_from > ?", (at,)
        )
        return float(used)

    def _figures(self, connection: sqlite3.Connection) -> dict[str, float]:
        return dict(connection.execute("select name, value from figure"))

    def _write(self, connection: sqlite3.Connection, **figures: float) -> None:
        connection.executemany("insert or replace into figure values (?, ?)", figures.items())

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """Yield the file, locked against other processes; commit, or undo on an error."""
        try:
            connection = self._open()
            connection.execute("begin immediate")
            try:
                yield connection
            except BaseException:
                connection.execute("rollback")
                raise
            connection.execute("commit")
        except sqlite3.OperationalError as exc:
            if exc.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                raise _Busy from exc
            self.close()
            raise TransientSourceError(
                f"{self._path}: the shared rate limit cannot be kept ({exc}); free space or check "
                "the permissions of the folder"
            ) from exc
        except sqlite3.DatabaseError as exc:
            self._replace_file(exc)
            raise _Busy from exc

    def _open(self) -> sqlite3.Connection:
        """Return the file, opened again where another process replaced it."""
        if self._connection is not None and self._file_id != _file_id(self._path):
            self.close()
        if self._connection is None:
            try:
                self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            except OSError as exc:
                raise TransientSourceError(
                    f"{self._path.parent}: the folder of the shared rate limit cannot be made "
                    f"({exc.strerror}); check the home folder"
                ) from exc
            connection = sqlite3.connect(self._path, timeout=_BUSY_SECONDS, isolation_level=None)
            try:
                connection.execute("pragma journal_mode = wal")
                # A machine crash loses the newest claims, whose minute is over once it is back.
                connection.execute("pragma synchronous = off")
                connection.executescript(_SCHEMA)
            except BaseException:
                connection.close()
                raise
            self._connection, self._file_id = connection, _file_id(self._path)
        return self._connection

    def _replace_file(self, reason: sqlite3.DatabaseError) -> None:
        """Replace a torn file; what was used is not known, so the window counts as full."""
        logger.warning(
            "%s: the shared rate limit is unreadable (%s) and is replaced; requests wait for %.0f "
            "s",
            self._path,
            reason,
            self._seconds,
        )
        self.close()
        for suffix in ("-wal", "-shm", ""):
            self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)
        connection = self._open()
        self._write(connection, paused_until=self._clock() + self._seconds)


def _file_id(path: Path) -> int | None:
    try:
        return path.stat().st_ino
    except OSError:
        return None


class _Busy(Exception):
    """Another process holds the file, or it was just replaced."""
