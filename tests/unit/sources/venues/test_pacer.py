"""Patience has its limits, and they are kept on a clock of the test."""

import asyncio
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sources.errors import (
    RequestSkipped,
    TransientSourceError,
    VenueRejected,
    VenueUnavailable,
)
from sources.venues.endpoints import RateLimit
from sources.venues.pacer import Pacer, RequestPolicy, SharedWeight, Timing


class Fails(Exception):
    def __init__(self, retry_after=None, is_final=False):
        super().__init__("it fails")
        self.retry_after, self.is_final = retry_after, is_final


def explain(exc):
    if exc.is_final:
        return VenueRejected("never")
    return VenueUnavailable("later", exc.retry_after)


class Time:
    """A clock that only sleeping moves."""

    def __init__(self):
        self.now = 1000.0
        self.slept = []

    async def sleep(self, seconds):
        self.slept.append(seconds)
        self.now += seconds
        await asyncio.sleep(0)

    def monotonic(self):
        return self.now


@pytest.fixture
def time():
    return Time()


@pytest.fixture
def pacer_with(time):
    def made(policy=None, limits=None):
        rng = random.Random(3)  # noqa: S311 (jitter)
        return Pacer(
            "v", policy or RequestPolicy(), limits or {}, rng, Timing(time.sleep, time.monotonic)
        )

    return made


def requests(*results):
    """Return a request that gives or raises one result after another, the last for ever."""
    waiting = list(results)

    async def request():
        result = waiting.pop(0) if len(waiting) > 1 else waiting[0]
        if isinstance(result, Exception):
            raise result
        return result

    return request


async def call(pacer, request, rate_group=None):
    async def translated():
        try:
            return await request()
        except Fails as exc:
            raise explain(exc) from exc

    return await pacer.call(translated, "v what", rate_group)


@given(attempt=st.integers(1, 60), seed=st.integers(0, 1000))
def test_delay_is_drawn_below_a_doubling_ceiling(attempt, seed):
    policy = RequestPolicy(first_delay_seconds=0.5, longest_delay_seconds=20)
    delay = policy.delay(attempt, random.Random(seed))  # noqa: S311 (jitter)
    assert 0 <= delay <= min(20, 0.5 * 2 ** (attempt - 1))


async def test_transient_errors_are_retried_and_counted(pacer_with, time):
    pacer = pacer_with()
    assert await call(pacer, requests(Fails(), Fails(), "answer")) == "answer"
    assert pacer.counts == {"calls": 3, "responses": 1, "retries": 2}
    assert pacer.report().errors == (("Fails", 2),)
    assert len(time.slept) == 2


async def test_attempts_end(pacer_with):
    pacer = pacer_with(RequestPolicy(attempts=3))
    with pytest.raises(VenueUnavailable, match="later") as caught:
        await call(pacer, requests(Fails()))
    assert isinstance(caught.value.__cause__, Fails)
    assert pacer.counts["calls"] == 3


async def test_a_refusal_is_never_repeated(pacer_with, time):
    pacer = pacer_with()
    with pytest.raises(VenueRejected):
        await call(pacer, requests(Fails(is_final=True)))
    assert pacer.counts["calls"] == 1
    assert time.slept == []


async def test_other_errors_are_left_to_whoever_made_them(pacer_with):
    with pytest.raises(ZeroDivisionError):
        await call(pacer_with(), requests(ZeroDivisionError()))


async def test_retry_after_is_waited_for_and_holds_for_all_calls(pacer_with, time):
    pacer = pacer_with()
    assert await call(pacer, requests(Fails(retry_after=30.0), "answer")) == "answer"
    assert time.now >= 1030.0
    with pytest.raises(VenueUnavailable):
        await call(pacer, requests(Fails(retry_after=60.0)))
    before = time.now
    await call(pacer, requests("another"))
    assert time.now >= before


async def test_budget_ends_the_waiting_before_it_begins(pacer_with, time):
    pacer = pacer_with()
    pacer.allow(10.0)
    with pytest.raises(VenueUnavailable, match="later") as caught:
        await call(pacer, requests(Fails(retry_after=30.0)))
    assert caught.value.retry_after_seconds == 30.0
    assert time.now == 1000.0
    with pytest.raises(RequestSkipped, match="time budget of v is spent"):
        await call(pacer, requests("answer"))
    assert pacer.counts["skipped"] == 1
    pacer.allow(100.0)
    assert await call(pacer, requests("answer")) == "answer"


async def test_a_venue_that_is_down_is_left_alone(pacer_with):
    pacer = pacer_with(RequestPolicy(attempts=2, give_up_after=3))
    for _ in range(3):
        with pytest.raises(VenueUnavailable):
            await call(pacer, requests(Fails()))
    with pytest.raises(RequestSkipped, match="3 requests to v failed in a row"):
        await call(pacer, requests("answer"))
    assert pacer.counts["calls"] == 6


async def test_one_success_restores_the_trust(pacer_with):
    pacer = pacer_with(RequestPolicy(attempts=1, give_up_after=2))
    for _ in range(5):
        with pytest.raises(VenueUnavailable):
            await call(pacer, requests(Fails()))
        await call(pacer, requests("answer"))


async def test_rate_limit_of_a_group_is_kept_over_any_span(pacer_with, time):
    pacer = pacer_with(limits={"data": RateLimit(5, 10.0)})
    moments = []

    async def request():
        moments.append(time.now)
        return "answer"

    for _ in range(17):
        await call(pacer, request, "data")
    for first, sixth in zip(moments, moments[5:], strict=False):
        assert sixth - first >= 10.0 - 1e-9
    assert moments[-1] - moments[0] == pytest.approx(30.0)
    before = time.now
    await call(pacer, request)
    assert time.now == before


async def test_no_more_run_at_once_than_allowed(pacer_with):
    pacer = pacer_with(RequestPolicy(concurrency=3))
    running = most = 0

    async def request():
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1
        return "answer"

    await asyncio.gather(*(call(pacer, request) for _ in range(20)))
    assert most == 3


class Budget:
    """A shared budget that notes every call."""

    def __init__(self, error=None):
        self.noted, self.error = [], error

    async def claim(self, weight, user, within_seconds):
        if self.error is not None:
            raise self.error
        self.noted.append(("claim", weight, user, within_seconds))
        return 7

    async def settle(self, claim, weight=None):
        self.noted.append(("settle", claim, weight))

    async def pause(self, seconds=None):
        self.noted.append(("pause", seconds))

    def close(self):
        self.noted.append(("close",))


def sharing(time, budget):
    rng = random.Random(3)  # noqa: S311 (jitter)
    limits = {"info": RateLimit(1, 1000.0)}
    timing = Timing(time.sleep, time.monotonic)
    return Pacer("v", RequestPolicy(attempts=2), limits, rng, timing, budget)


WEIGHT = SharedWeight(104, lambda response: 20 + len(response) // 60)


async def test_a_call_claims_the_most_it_may_weigh_and_settles_what_it_weighed(time):
    budget = Budget()
    pacer = sharing(time, budget)
    pacer.allow(240.0)
    for _ in range(2):
        await pacer.call(requests("x" * 130), "v what", "info", WEIGHT)
    assert budget.noted == [("claim", 104, "ingest", 240.0), ("settle", 7, 22)] * 2
    # The venue's limit on calls is the shared one.
    assert time.slept == []


async def test_a_refusal_for_too_many_requests_pauses_all_who_share(time):
    budget, refusal = Budget(), VenueUnavailable("later", 3.0)
    refusal.__cause__ = OSError()
    refusal.__cause__.http_status = 429
    await sharing(time, budget).call(requests(refusal, "answer"), "v what", "info", WEIGHT)
    assert [one[0] for one in budget.noted] == ["claim", "pause", "settle", "claim", "settle"]
    assert budget.noted[1] == ("pause", 3.0)
    assert budget.noted[2] == ("settle", 7, None)


async def test_no_room_in_the_shared_budget_is_a_skipped_request(time):
    pacer = sharing(time, Budget(RequestSkipped("skipped, no room")))
    with pytest.raises(RequestSkipped, match="v what: skipped, no room"):
        await pacer.call(requests("answer"), "v what", "info", WEIGHT)
    assert pacer.report().skipped == 1
    assert pacer.report().calls == 0


async def test_a_shared_budget_that_cannot_be_kept_costs_the_call(time):
    pacer = sharing(time, Budget(TransientSourceError("weights: free space")))
    with pytest.raises(VenueUnavailable, match="v what: not sent, weights: free space"):
        await pacer.call(requests("answer"), "v what", "info", WEIGHT)
    assert pacer.report().calls == 0


async def test_without_a_shared_budget_weight_costs_nothing(pacer_with):
    assert await pacer_with().call(requests("answer"), "v what", None, WEIGHT) == "answer"
