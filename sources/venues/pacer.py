"""When one venue is called: rate limits, time budget, concurrency, and giving up; with counters.

Belongs here: time. Does not belong here: what is called, which error a failure is
(`sources.venues.connection`), how long to wait before a retry (`sources.retry`).
"""

import asyncio
import math
import random
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

from sources.errors import (
    RequestSkipped,
    TerminalSourceError,
    TransientSourceError,
    VenueUnavailable,
)
from sources.retry import RetryPolicy, Sleep
from sources.venues.endpoints import RateLimit
from sources.venues.plausibility import UnitAudit

_TOO_MANY_REQUESTS = 429


@dataclass(frozen=True, slots=True)
class RequestPolicy(RetryPolicy):
    """How requests to one venue are made: retried, how many at once, and when to give up.

    Parameters
    ----------
    concurrency : int
        Requests in flight at once; ccxt's rate limit also applies.
    give_up_after : int
        Requests that failed in a row, each after all its attempts, before the venue is not called
        any more until the next budget.
    """

    concurrency: int = 8
    give_up_after: int = 3


@dataclass(frozen=True, slots=True)
class VenueReport:
    """Counters of the requests to one venue.

    Parameters
    ----------
    venue : str
        Its name.
    calls : int
        Calls made, retries included.
    responses : int
        Calls that were answered.
    rows : int
        Records made.
    quarantined : int
        Rows and responses refused.
    retries : int
        Calls that repeated another.
    skipped : int
        Requests not made, because the budget was spent or the venue given up.
    seconds : float
        From the first call to the last response.
    errors : tuple of (str, int)
        Number of errors by class, retried ones included, by name.
    last_error : str or None
        Message of the last one, without secrets.
    unit_audit : UnitAudit
        Open interest: amount times price over value.
    """

    venue: str
    calls: int = 0
    responses: int = 0
    rows: int = 0
    quarantined: int = 0
    retries: int = 0
    skipped: int = 0
    seconds: float = 0.0
    errors: tuple[tuple[str, int], ...] = ()
    last_error: str | None = None
    unit_audit: UnitAudit = field(default_factory=UnitAudit)


@dataclass(frozen=True, slots=True)
class Timing:
    """How to wait, and a clock that only measures durations [seconds]."""

    sleep: Sleep = asyncio.sleep
    monotonic: Callable[[], float] = time.monotonic


class SharedBudget(Protocol):
    """A rate limit of the venue that other processes use too (`sources.accounts.weight_budget`)."""

    async def claim(
        self, weight: float, user: Literal["ingest"], within_seconds: float = ...
    ) -> int:
        """Wait until a request may be sent; `RequestSkipped` where the time does not suffice."""

    async def settle(self, claim: int, weight: float | None = None) -> None:
        """Note that a request has ended, and what it weighed."""

    async def pause(self, seconds: float | None = None) -> None:
        """Note a refusal for too many requests."""

    def close(self) -> None:
        """Close what it holds."""


@dataclass(frozen=True, slots=True)
class SharedWeight:
    """What one request counts towards a shared budget.

    Parameters
    ----------
    most : float
        Most it may weigh; claimed before it is sent.
    of : Callable
        Returns what it weighed from the response.
    """

    most: float
    of: Callable[[object], float]


class Pacer:
    """Makes requests to one venue within its rate limits and a time budget, with retries.

    Parameters
    ----------
    venue : str
        Named in messages.
    policy : RequestPolicy
        Retries, concurrency and giving up.
    rate_limits : mapping of str to RateLimit
        The venue's own limits, by group.
    rng : random.Random
        For the jitter.
    timing : Timing, optional
        How to wait and measure durations.
    budget : SharedBudget, optional
        A rate limit that other processes use too; it takes the place of `rate_limits`.
    """

    def __init__(
        self,
        venue: str,
        policy: RequestPolicy,
        rate_limits: Mapping[str, RateLimit],
        rng: random.Random,
        timing: Timing | None = None,
        budget: SharedBudget | None = None,
    ) -> None:
        timing = timing or Timing()
        self._budget = budget
        self.counts: Counter[str] = Counter()
        self._venue = venue
        self._policy = policy
        self._limits = dict(rate_limits) if budget is None else {}
        self._recent: dict[str, deque[float]] = {group: deque() for group in self._limits}
        self._rng = rng
        self._sleep = timing.sleep
        self._monotonic = timing.monotonic
        self._slots = asyncio.Semaphore(policy.concurrency)
        self._deadline: float | None = None
        self._resume_at = 0.0
        self._failed_in_a_row = 0
        self._errors: Counter[str] = Counter()
        self._last_error: str | None = None
        self._began: float | None = None
        self._ended = 0.0

    def allow(self, seconds: float | None) -> None:
        """Set the budget from now on [seconds], and forget earlier failures."""
        self._deadline = None if seconds is None else self._monotonic() + seconds
        self._failed_in_a_row = 0

    def report(self, unit_audit: UnitAudit | None = None) -> VenueReport:
        """Return the counters; ``counts`` has those that are fields of `VenueReport`."""
        return VenueReport(
            venue=self._venue,
            seconds=0.0 if self._began is None else self._ended - self._began,
            errors=tuple(sorted(self._errors.items())),
            last_error=self._last_error,
            unit_audit=unit_audit or UnitAudit(),
            **self.counts,
        )

    async def call(
        self,
        request: Callable[[], Awaitable[object]],
        what: str,
        rate_group: str | None = None,
        weight: SharedWeight | None = None,
    ) -> object:
        """Return what a request returns, retried while its error is transient.

        Parameters
        ----------
        request : Callable
            Makes the call; raises errors of `sources.errors`.
        what : str
            Names it in messages.
        rate_group : str or None
            The rate limit it counts towards.
        weight : SharedWeight or None
            What it counts towards the shared budget, where there is one.

        Raises
        ------
        TransientSourceError
            When the attempts are spent; `RequestSkipped` when none was made.
        TerminalSourceError
            When the venue refuses for good.
        """

        async def attempt() -> object:
            async with self._slots:
                await self._wait_turn(what, rate_group)
                if self._budget is None or weight is None:
                    return await self._count(request)
                return await self._count_shared(self._budget, request, what, weight)

        retrying = self._policy.retrying(
            sleep=self._sleep,
            may_wait=self._is_within_budget,
            rng=self._rng,
            before_wait=lambda _: self.counts.update(retries=1),
        )
        try:
            response: object = await retrying(attempt)
        except RequestSkipped:
            self.counts["skipped"] += 1
            raise
        except TransientSourceError:
            self._failed_in_a_row += 1
            raise
        except TerminalSourceError:
            self._failed_in_a_row = 0
            raise
        self._failed_in_a_row = 0
        return response

    def _is_within_budget(self, seconds: float) -> bool:
        return self._deadline is None or seconds < self._deadline - self._monotonic()

    async def _count(self, request: Callable[[], Awaitable[object]]) -> object:
        if self._began is None:
            self._began = self._monotonic()
        self.counts["calls"] += 1
        try:
            response = await request()
        except (TransientSourceError, TerminalSourceError) as exc:
            self._errors[type(exc.__cause__ or exc).__name__] += 1
            self._last_error = str(exc)
            requested = getattr(exc, "retry_after_seconds", None)
            if requested is not None:
                # A pause the venue requests holds for all calls; jitter only adds to it.
                self._resume_at = max(self._resume_at, self._monotonic() + requested)
            raise
        finally:
            self._ended = self._monotonic()
        self.counts["responses"] += 1
        return response

    async def _count_shared(
        self,
        budget: SharedBudget,
        request: Callable[[], Awaitable[object]],
        what: str,
        weight: SharedWeight,
    ) -> object:
        """Make a request that counts towards a budget of several processes."""
        left = math.inf if self._deadline is None else self._deadline - self._monotonic()
        try:
            claim = await budget.claim(weight.most, "ingest", left)
        except RequestSkipped as exc:
            raise RequestSkipped(f"{what}: {exc}") from exc
        except TransientSourceError as exc:
            raise VenueUnavailable(f"{what}: not sent, {exc}") from exc
        weighed = None
        try:
            response = await self._count(request)
            weighed = weight.of(response)
        except VenueUnavailable as exc:
            if getattr(exc.__cause__, "http_status", None) == _TOO_MANY_REQUESTS:
                await budget.pause(exc.retry_after_seconds)
            raise
        else:
            return response
        finally:
            await budget.settle(claim, weighed)

    async def _wait_turn(self, what: str, rate_group: str | None) -> None:
        """Wait for the venue's pauses and rate limits; raise where the budget does not suffice."""
        while True:
            if self._failed_in_a_row >= self._policy.give_up_after:
                raise RequestSkipped(
                    f"{what}: skipped, {self._failed_in_a_row} requests to {self._venue} failed "
                    "in a row; the next run tries again"
                )
            now = self._monotonic()
            ready_at = max(self._resume_at, self._limit_ready_at(rate_group, now))
            if self._deadline is not None and max(ready_at, now) >= self._deadline:
                raise RequestSkipped(
                    f"{what}: skipped, the time budget of {self._venue} is spent; the next run "
                    "continues, or allow a larger budget"
                )
            if ready_at <= now:
                break
            await self._sleep(ready_at - now)
        if rate_group in self._recent:
            self._recent[rate_group].append(now)

    def _limit_ready_at(self, rate_group: str | None, now: float) -> float:
        if rate_group not in self._limits:
            return now
        limit, recent = self._limits[rate_group], self._recent[rate_group]
        while recent and recent[0] <= now - limit.seconds:
            recent.popleft()
        return now if len(recent) < limit.calls else recent[0] + limit.seconds
