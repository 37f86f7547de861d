"""No window of the service holds more than its limit, whoever claims and whatever happens."""

import asyncio
import contextlib
import heapq
import json
import logging
import math
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sources.accounts.weight_budget import WeightBudget, sweep_share
from sources.errors import RequestSkipped, TransientSourceError

ROOT = Path(__file__).resolve().parents[4]


class Time:
    """A clock that all processes share, and that moves when everybody sleeps."""

    def __init__(self, now=1000.0):
        self.now = now
        self._sleepers = []
        self._number = 0

    def __call__(self):
        return self.now

    async def sleep(self, seconds):
        self._number += 1
        woken = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self.now + seconds, self._number, woken))
        await woken

    async def run(self, until):
        """Let sleepers wake in their order, until an instant."""
        while True:
            for _ in range(20):
                await asyncio.sleep(0)
            if not self._sleepers or self._sleepers[0][0] > until:
                break
            self.now, _, woken = heapq.heappop(self._sleepers)
            if not woken.done():
                woken.set_result(None)
        self.now = max(self.now, until)


@pytest.fixture
def clock():
    return Time()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "positions" / "weights.sqlite"


@pytest.fixture
def budget_on(path, clock):
    """Return an opener of budgets: each is what one process has."""
    with contextlib.ExitStack() as stack:

        def opened(**named):
            budget = WeightBudget(path, named.pop("clock", clock), clock.sleep, **named)
            stack.callback(budget.close)
            return budget

        yield opened


def heaviest_window(arrivals, seconds):
    """Return the most weight in any window [from, from + seconds) of (instant, weight)."""
    arrivals = sorted(arrivals)
    most, total, first = 0.0, 0.0, 0
    for at, weight in arrivals:
        total += weight
        while arrivals[first][0] <= at - seconds:
            total -= arrivals[first][1]
            first += 1
        most = max(most, total)
    return most


def test_a_heaviest_window_is_found():
    assert heaviest_window([(0, 2), (59, 3), (60, 4), (200, 6)], 60) == 7


async def test_what_fits_is_granted_at_once_and_the_rest_when_the_window_has_room(budget_on, clock):
    budget = budget_on(limit=10, seconds=60.0)
    granted = []

    async def send():
        claim = await budget.claim(4, "ingest")
        await budget.settle(claim)
        granted.append(clock.now)

    sending = [asyncio.create_task(send()) for _ in range(4)]
    await clock.run(1200.0)
    await asyncio.gather(*sending)
    assert granted == pytest.approx([1000, 1000, 1060, 1060], abs=1.1)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10**6), limit=st.sampled_from([40.0, 120.0, 1200.0]))
async def test_no_window_exceeds_the_limit_across_processes_and_kills(
    tmp_path_factory, seed, limit
):
    """Requests arrive at any instant between claim and answer; some processes die in between."""
    rng, clock = random.Random(seed), Time()  # noqa: S311 (a simulation)
    path = tmp_path_factory.mktemp("budget") / "weights.sqlite"
    arrivals = []

    async def send_for_ever(budget, user):
        while True:
            weight = rng.choice((2, 2, 2, 20))
            claim = await budget.claim(weight, user)
            arrived = clock.now + rng.uniform(0, 5)
            arrivals.append((arrived, weight))
            await clock.sleep(arrived - clock.now + rng.uniform(0, 5))
            await budget.settle(claim, weight)
            if user == "ingest":
                await clock.sleep(rng.expovariate(1 / 5))

    async def live_and_die(user, senders):
        """Send from a process until it is killed, and start it again."""
        while True:
            budget = WeightBudget(path, clock, clock.sleep, limit)
            tasks = [asyncio.create_task(send_for_ever(budget, user)) for _ in range(senders)]
            try:
                await clock.sleep(rng.expovariate(1 / 100))
            finally:
                for task in tasks:
                    task.cancel()
                budget.close()

    processes = [
        asyncio.create_task(live_and_die(user, senders))
        for user, senders in (("sweep", 4), ("ingest", 2), ("sweep", 1))
    ]
    await clock.run(1600.0)
    for process in processes:
        process.cancel()
    await asyncio.gather(*processes, return_exceptions=True)
    assert heaviest_window(arrivals, 60.0) <= limit
    # It is used, too.
    assert sum(weight for _, weight in arrivals) > 2 * limit


SENDER = """
import asyncio, json, sys, time
from pathlib import Path
from sources.accounts.weight_budget import WeightBudget

async def main(path, log, user):
    budget = WeightBudget(Path(path), limit=60, seconds=0.5, in_flight_seconds=0.5)
    with open(log, "a") as written:
        while True:
            claim = await budget.claim(2, user)
            written.write(json.dumps([time.monotonic(), 2]) + "\\n")
            written.flush()
            await asyncio.sleep(0.002)
            await budget.settle(claim)

asyncio.run(main(*sys.argv[1:]))
"""


def test_processes_that_are_killed_share_one_window(tmp_path):
    path = tmp_path / "weights.sqlite"
    running, logs = [], []

    def start(user):
        log = tmp_path / f"{len(logs)}.log"
        log.touch()
        logs.append(log)
        command = [sys.executable, "-c", SENDER, str(path), str(log), user]
        running.append(subprocess.Popen(command, cwd=ROOT))

    def lines():
        return sum(len(log.read_text().splitlines()) for log in logs)

    try:
        for number in range(8):
            start("sweep" if number % 2 else "ingest")
            before, began = lines(), time.monotonic()
            # Each of them has sent something, or its sibling has, before one is killed.
            while lines() < before + 15 and time.monotonic() < began + 20:
                time.sleep(0.01)
            if len(running) > 2:
                victim = running.pop(0)
                os.kill(victim.pid, signal.SIGKILL)
                victim.wait()
    finally:
        for process in running:
            process.kill()
            process.wait()
    written = [line for log in logs for line in log.read_text().splitlines()]
    arrivals = [json.loads(line) for line in written if line.endswith("]")]
    assert len(arrivals) >= 60
    assert heaviest_window(arrivals, 0.5) <= 60


def test_sweeps_leave_a_tenth_and_more_while_others_are_busy():
    assert [sweep_share(1200, used) for used in (0, 330, 1200)] == [1080, 420, 300]


async def test_ingestion_finds_room_beside_sweeps_that_take_all_they_may(budget_on, clock):
    sweeps, ingestion = budget_on(), budget_on()
    sent = []

    async def sweep():
        while True:
            await sweeps.settle(await sweeps.claim(2, "sweep"))
            await clock.sleep(0.01)

    async def ingest():
        for _ in range(90):
            claim = await ingestion.claim(20, "ingest")
            await clock.sleep(0.2)
            await ingestion.settle(claim)
            sent.append(clock.now)

    sweeping = asyncio.create_task(sweep())
    await clock.run(1100.0)
    assert sweeps.usage().by_sweep == 1080
    ingesting = asyncio.create_task(ingest())
    await clock.run(1105.0)
    assert len(sent) == 6  # 120: what sweeps left free
    await clock.run(1105.0 + 180.0)
    # 1,800 of weight in three minutes: most of the limit, while sweeps go on with their quarter.
    assert len(sent) == 90
    assert sweeps.usage().by_sweep >= 300
    for task in (sweeping, ingesting):
        task.cancel()
    await asyncio.gather(sweeping, ingesting, return_exceptions=True)


async def test_a_request_under_way_for_minutes_still_counts(budget_on, clock):
    budget, other = budget_on(limit=100), budget_on(limit=100)
    claim = await budget.claim(60, "ingest")
    for _ in range(10):
        clock.now += 40
        budget.usage()
    assert other.usage().used == 60
    await budget.settle(claim)
    clock.now += 59
    assert other.usage().used == 60
    clock.now += 1
    assert other.usage().used == 0


async def test_an_answer_that_weighed_less_frees_the_rest(budget_on):
    budget = budget_on(limit=120)
    claim = await budget.claim(120, "sweep")
    await budget.settle(claim, 21)
    assert budget.usage().used == 21
    await budget.settle(await budget.claim(90, "ingest"))


async def test_a_wait_beyond_the_time_allowed_is_a_skipped_request(budget_on, clock):
    budget = budget_on(limit=20)
    await budget.settle(await budget.claim(20, "ingest"))
    waiting = asyncio.create_task(budget.claim(20, "ingest", within_seconds=30.0))
    await clock.run(1050.0)
    with pytest.raises(RequestSkipped, match="no room for a weight of 20"):
        await waiting


async def test_a_weight_beyond_the_limit_is_an_error(budget_on):
    with pytest.raises(ValueError, match="weight 21 exceeds the limit of 20"):
        await budget_on(limit=20).claim(21, "sweep")


async def test_a_refusal_stops_everybody_for_as_long_as_required(budget_on, clock):
    one, other = budget_on(), budget_on()
    await one.pause(45.0)
    assert other.usage().paused_seconds == 45
    waiting = asyncio.create_task(other.claim(2, "ingest"))
    await clock.run(1044.0)
    assert not waiting.done()
    await clock.run(1047.0)
    assert waiting.done()


@pytest.mark.parametrize(("required", "paused"), [(None, 10), (math.nan, 10), (1e9, 600), (-5, 0)])
async def test_a_pause_without_a_usable_length_is_short_and_none_lasts_for_hours(
    budget_on, required, paused
):
    budget = budget_on()
    await budget.pause(required)
    assert budget.usage().paused_seconds == paused


async def test_one_or_two_refusals_are_slips_and_lower_nothing(budget_on, clock):
    budget = budget_on()
    for _ in range(2):
        for _ in range(5):
            await budget.pause(0.0)
        assert budget.usage().limit == 1200
        clock.now += 30


async def test_refusals_far_apart_or_with_much_sent_in_between_lower_nothing(budget_on, clock):
    budget = budget_on()
    for _ in range(4):
        await budget.pause(0.0)
        clock.now += 100
    for _ in range(4):
        await budget.pause(0.0)
        clock.now += 10
        await budget.settle(await budget.claim(400, "ingest"))
        clock.now += 20
    assert budget.usage().limit == 1200


async def test_refusals_lower_the_limit_once_for_those_under_way_and_it_returns(
    budget_on, clock, caplog
):
    budget = budget_on()

    async def refused(times):
        for _ in range(times):
            clock.now += 30
            for _ in range(5):
                await budget.pause(0.0)

    with caplog.at_level(logging.INFO):
        await refused(3)
        assert budget.usage().limit == pytest.approx(600)
        await refused(2)
        assert budget.usage().limit == pytest.approx(624)
        await refused(1)
        lowered = budget.usage().limit
        assert lowered == pytest.approx((600 + 24 * 1.5) / 2)
        clock.now += 60
        assert budget.usage().limit == pytest.approx(lowered + 24)
        assert budget.usage().is_lowered
        clock.now += 3600
        assert budget.usage().limit == 1200
    assert not budget.usage().is_lowered
    assert [record.message.split(";")[0] for record in caplog.records] == [
        "Hyperliquid refused a request within its rate limit",
        "Hyperliquid refused a request within its rate limit",
        "Hyperliquid: the whole rate limit of 1200 is in use again",
    ]


async def test_a_service_that_refuses_one_request_in_500_costs_little(budget_on, clock):
    budget, answered = budget_on(), []
    rng = random.Random(1)  # noqa: S311

    async def send():
        while True:
            claim = await budget.claim(20, "ingest")
            await clock.sleep(0.2)
            if rng.random() < 0.02:  # as often in a minute as 1 in 500 of weight 2
                await budget.pause()
            else:
                answered.append(20)
            await budget.settle(claim)

    sending = asyncio.create_task(send())
    await clock.run(1000.0 + 2 * 3600)
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)
    assert sum(answered) > 0.6 * 1200 * 120


async def test_a_limit_that_is_halved_is_found_and_kept(budget_on, clock):
    """A service that allows 600: few refusals an hour, and most of the 600 in use."""
    budget, arrivals, refused = budget_on(), [], []

    async def send():
        while True:
            claim = await budget.claim(20, "ingest")
            spent = sum(weight for at, weight in arrivals if at > clock.now - 60)
            if spent + 20 > 600:
                refused.append(clock.now)
                await budget.pause()
            else:
                arrivals.append((clock.now, 20))
            await budget.settle(claim)
            await clock.sleep(0.1)

    sending = asyncio.create_task(send())
    await clock.run(1000.0 + 3600)
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)
    assert heaviest_window(arrivals, 60) <= 600
    assert len(refused) <= 48
    assert sum(weight for _, weight in arrivals) > 0.75 * 600 * 60


async def test_claims_of_before_a_restart_of_the_machine_neither_vanish_nor_stay(budget_on, clock):
    before = budget_on(limit=100)
    await before.settle(await before.claim(100, "ingest"))
    for _ in range(3):
        clock.now += 10
        await before.pause(0.0)
    assert before.usage().is_lowered
    restarted = Time(5.0)
    after = budget_on(limit=100, clock=restarted)
    assert after.usage().used == 100
    assert not after.usage().is_lowered
    restarted.now += 60
    assert after.usage().used == 100
    restarted.now += 61
    assert after.usage().used == 0


async def test_a_clock_set_forward_for_a_moment_forgets_nothing_that_still_counts(budget_on):
    """The default clock cannot be set; one that is set back takes what lies ahead for now."""
    clock = Time()
    budget = budget_on(limit=100, clock=clock)
    clock.now += 3600
    await budget.settle(await budget.claim(100, "ingest"))
    clock.now -= 3600
    assert budget.usage().used == 100


async def test_a_torn_file_is_replaced_and_counts_as_full(budget_on, path, clock, caplog):
    budget = budget_on()
    await budget.settle(await budget.claim(2, "sweep"))
    budget.close()
    for name in path.parent.iterdir():
        name.unlink()
    path.write_bytes(b"no database at all " * 400)
    waiting = asyncio.create_task(budget_on().claim(2, "sweep"))
    await clock.run(1059.0)
    assert not waiting.done()
    assert "is unreadable" in caplog.text
    await clock.run(1062.0)
    assert waiting.done()


async def test_a_full_disk_is_an_error_for_claims_and_costs_a_settlement_nothing(
    budget_on, clock, caplog, monkeypatch
):
    budget = budget_on()
    claim = await budget.claim(2, "sweep")

    def full(*_):
        error = sqlite3.OperationalError("database or disk is full")
        error.sqlite_errorcode = sqlite3.SQLITE_FULL
        raise error

    monkeypatch.setattr(budget, "_open", full)
    with pytest.raises(TransientSourceError, match=r"disk is full.*free space"):
        await budget.claim(2, "sweep")
    await budget.settle(claim)
    assert "free space" in caplog.text
    monkeypatch.undo()
    # Not settled, it counts as if it arrived a minute after it was claimed.
    clock.now += 119
    assert budget.usage().used == 2
    clock.now += 1
    assert budget.usage().used == 0


async def test_a_file_that_another_process_replaced_is_opened_again(budget_on, path):
    one, other = budget_on(limit=100), budget_on(limit=100)
    await one.settle(await one.claim(60, "ingest"))
    other.usage()
    for name in path.parent.iterdir():
        name.unlink()
    await one.settle(await one.claim(60, "ingest"))
    assert other.usage().used == 60


async def test_a_folder_that_cannot_be_made_is_an_error_with_its_path(tmp_path, clock):
    (tmp_path / "positions").write_text("a file")
    budget = WeightBudget(tmp_path / "positions" / "weights.sqlite", clock, clock.sleep)
    with pytest.raises(TransientSourceError, match="positions: the folder of the shared rate"):
        await budget.claim(2, "sweep")
