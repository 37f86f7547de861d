"""When to ask a venue again, and when to stop: back-off, budget, limits, give-up, counters.

Belongs here: time and patience. Does not belong here: what is asked, nor how an error is told
apart (`sources.venues.connection`).
"""

import asyncio
import random
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from sources.errors import VenueRejected, VenueUnavailable
from sources.venues.declaration import Endpoint, RateLimit
from sources.venues.plausibility import UnitAudit

Sleep = Callable[[float], Awaitable[None]]


class RequestSkipped(VenueUnavailable):
    """A request was not made: the time budget is spent, or the venue was given up for now."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How stubbornly a venue is asked.

    Parameters
    ----------
    attempts : int
        Times one request is tried.
    first_delay_seconds, longest_delay_seconds : float
        Full jitter: before try n + 1 a time drawn between 0 and the first delay doubled n - 1
        times, cut at the longest.
    concurrency : int
        Requests under way at once; ccxt's pace holds besides.
    give_up_after : int
        Requests that failed in a row, each after all its attempts, before the venue is left
        alone for the rest of its budget.
    """

    attempts: int = 4
    first_delay_seconds: float = 0.5
    longest_delay_seconds: float = 20.0
    concurrency: int = 8
    give_up_after: int = 3

    def delay(self, attempt: int, rng: random.Random) -> float:
        """Return how long to wait after a failed try, counted from 1 [seconds]."""
        ceiling = min(self.first_delay_seconds * 2 ** (attempt - 1), self.longest_delay_seconds)
        return rng.uniform(0.0, ceiling)


@dataclass(frozen=True, slots=True)
class VenueReport:
    """What asking one venue came to.

    Parameters
    ----------
    venue : str
        Its name.
    asked : int
        Calls made, repetitions included.
    received : int
        Calls answered.
    rows : int
        Records made.
    quarantined : int
        Rows and answers refused.
    retries : int
        Calls that repeated another.
    not_asked : int
        Calls left out, because the budget was spent or the venue given up.
    seconds : float
        From the first call to the last answer.
    errors : tuple of (str, int)
        How often each kind of error came, retried ones included, by name.
    last_error : str or None
        The last one in words, without secrets.
    unit_audit : UnitAudit
        Open interest: amount times price over value.
    """

    venue: str
    asked: int = 0
    received: int = 0
    rows: int = 0
    quarantined: int = 0
    retries: int = 0
    not_asked: int = 0
    seconds: float = 0.0
    errors: tuple[tuple[str, int], ...] = ()
    last_error: str | None = None
    unit_audit: UnitAudit = field(default_factory=UnitAudit)


@dataclass(slots=True)
class Counts:
    """Counts for a `VenueReport`, as they grow."""

    asked: int = 0
    received: int = 0
    rows: int = 0
    quarantined: int = 0
    retries: int = 0
    not_asked: int = 0
    began: float | None = None
    ended: float = 0.0
    errors: Counter[str] = field(default_factory=Counter)
    last_error: str | None = None

    def report(self, venue: str, audit: UnitAudit) -> VenueReport:
        """Return the counts as they stand."""
        return VenueReport(
            venue=venue,
            asked=self.asked,
            received=self.received,
            rows=self.rows,
            quarantined=self.quarantined,
            retries=self.retries,
            not_asked=self.not_asked,
            seconds=0.0 if self.began is None else self.ended - self.began,
            errors=tuple(sorted(self.errors.items())),
            last_error=self.last_error,
            unit_audit=audit,
        )


class Pacer:
    """Makes calls to one venue under its limits, within a budget of time, again where it helps.

    Parameters
    ----------
    venue : str
        Named in messages.
    patience : Patience
        How stubbornly.
    rate_limits : mapping of str to RateLimit
        The venue's own limits, by group.
    rng : random.Random
        For the jitter.
    sleep, monotonic : Callable
        Waiting, and a clock that only measures durations [seconds].
    """

    def __init__(
        self,
        venue: str,
        patience: Patience,
        rate_limits: Mapping[str, RateLimit],
        rng: random.Random,
        sleep: Sleep = asyncio.sleep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.counts = Counts()
        self._venue = venue
        self._patience = patience
        self._limits = dict(rate_limits)
        self._recent: dict[str, deque[float]] = {group: deque() for group in rate_limits}
        self._rng = rng
        self._sleep = sleep
        self._monotonic = monotonic
        self._slots = asyncio.Semaphore(patience.concurrency)
        self._deadline: float | None = None
        self._resume_at = 0.0
        self._failed_in_a_row = 0

    def allow(self, seconds: float | None) -> None:
        """Set the budget from now on [seconds], and forget earlier failures."""
        self._deadline = None if seconds is None else self._monotonic() + seconds
        self._failed_in_a_row = 0

    def remaining_seconds(self) -> float | None:
        """Return what is left of the budget; None where there is none."""
        return None if self._deadline is None else self._deadline - self._monotonic()

    async def call(
        self,
        request: Callable[[], Awaitable[object]],
        what: str,
        explain: Callable[[BaseException], VenueUnavailable | VenueRejected],
        expected: tuple[type[BaseException], ...],
        endpoint: Endpoint | None = None,
    ) -> object:
        """Return what a request returns, tried again while that may help.

        Parameters
        ----------
        request : Callable
            Makes the call.
        what : str
            Names it in messages.
        explain : Callable
            Turns what it raised into our error.
        expected : tuple of exception types
            What it may raise.
        endpoint : Endpoint or None
            The endpoint, for its rate limit.

        Raises
        ------
        VenueUnavailable
            When the attempts are spent; `NotAsked` where it did not come to any.
        VenueRejected
            When the venue refuses for good.
        """
        attempt = 0
        while True:
            attempt += 1
            try:
                async with self._slots:
                    await self._wait_turn(what, endpoint)
                    answer = await self._count(request)
            except RequestSkipped:
                self.counts.not_asked += 1
                raise
            except expected as exc:
                error = explain(exc)
                self._note(exc, error)
                await self._wait_or_raise(exc, error, attempt)
            else:
                self._failed_in_a_row = 0
                return answer

    async def _count(self, request: Callable[[], Awaitable[object]]) -> object:
        started = self._monotonic()
        if self.counts.began is None:
            self.counts.began = started
        self.counts.asked += 1
        try:
            answer = await request()
        finally:
            self.counts.ended = self._monotonic()
        self.counts.received += 1
        return answer

    def _note(self, exc: BaseException, error: VenueUnavailable | VenueRejected) -> None:
        self.counts.errors[type(exc).__name__] += 1
        self.counts.last_error = str(error)

    async def _wait_or_raise(
        self,
        exc: BaseException,
        error: VenueUnavailable | VenueRejected,
        attempt: int,
    ) -> None:
        if isinstance(error, VenueRejected):
            self._failed_in_a_row = 0
            raise error from exc
        delay = self._patience.delay(attempt, self._rng)
        if error.retry_after_seconds is not None:
            # What the venue asked for holds for all calls, and jitter only adds to it.
            self._resume_at = max(self._resume_at, self._monotonic() + error.retry_after_seconds)
            delay += error.retry_after_seconds
        remaining = self.remaining_seconds()
        is_spent = remaining is not None and delay >= remaining
        if attempt >= self._patience.attempts or is_spent:
            self._failed_in_a_row += 1
            raise error from exc
        self.counts.retries += 1
        await self._sleep(delay)

    async def _wait_turn(self, what: str, endpoint: Endpoint | None) -> None:
        """Wait for the venue's pauses and limits; raise where the budget does not reach."""
        while True:
            if self._failed_in_a_row >= self._patience.give_up_after:
                raise RequestSkipped(
                    f"{what}: not asked, {self._failed_in_a_row} requests to {self._venue} failed "
                    "in a row; the next run asks again"
                )
            now = self._monotonic()
            ready_at = max(self._resume_at, self._limit_ready_at(endpoint, now))
            if self._deadline is not None and max(ready_at, now) >= self._deadline:
                raise RequestSkipped(
                    f"{what}: not asked, the time budget of {self._venue} is spent; the next run "
                    "goes on, or give it a larger budget"
                )
            if ready_at <= now:
                break
            await self._sleep(ready_at - now)
        if endpoint is not None and endpoint.rate_group in self._recent:
            self._recent[endpoint.rate_group].append(now)

    def _limit_ready_at(self, endpoint: Endpoint | None, now: float) -> float:
        if endpoint is None or endpoint.rate_group not in self._limits:
            return now
        limit, recent = self._limits[endpoint.rate_group], self._recent[endpoint.rate_group]
        while recent and recent[0] <= now - limit.seconds:
            recent.popleft()
        return now if len(recent) < limit.calls else recent[0] + limit.seconds
