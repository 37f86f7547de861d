"""What waits is sent at least once and in order; a target in trouble costs itself only."""

import logging
import os
import signal
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import pytest
from standin.alert_target import AlertTarget, Answer
from workbench.alert_findings import at, digest_words, findings, hand_ledger

from jobs.alerts.apprise_service import open_apprise_service
from jobs.alerts.deliver import DELIVERY_LOCK, Limits, deliver_messages, send_now
from jobs.alerts.ledger_records import Message, Wording
from jobs.alerts.senders import UnusableSender
from jobs.alerts.sending import SHORTEST_CHARACTERS
from jobs.alerts.webhook import Webhook
from jobs.errors import TargetUnavailable
from jobs.private_folder import sole_holder

SECRET = "0123456789abcdef-hunter2"  # noqa: S105  (what must not be shown)


async def at_once(seconds: float) -> None:
    """Wait no time: tests do not sleep."""


PATIENT = Limits(attempt_seconds=60.0, sleep=at_once)
# For targets that hang; the others have as long.
SHORT = Limits(attempt_seconds=3.0, sleep=at_once)
NOW = at(1)


@pytest.fixture
def desk():
    with AlertTarget(secret=SECRET, now=NOW.timestamp()) as standin:
        yield standin


@pytest.fixture
def ledger(tmp_path):
    """Yield a ledger with three alerts that wait for two targets."""
    with hand_ledger(tmp_path, targets=("desk", "phone")) as by_hand:
        for thing in ("near BTC long", "near ETH long", "near SOL long"):
            by_hand.record(findings("#", thing=thing), 0)
        yield by_hand.ledger


def webhook(target, name="desk"):
    return Webhook(name, target.url, SECRET, 60.0)


def deliver(ledger, senders, now=NOW, **named):
    return {
        one.target: one
        for one in deliver_messages(
            ledger,
            senders.get,
            clock=lambda: now,
            digest_of=digest_words,
            **{"limits": PATIENT, **named},
        )
    }


def both(desk, phone):
    return {"desk": webhook(desk), "phone": open_apprise_service("phone", phone.apprise_url, 60.0)}


def titles(target):
    return [one.json["title"] or one.json["message"] for one in target.taken]


EXPECTED = [f"near {asset} long 02T00" for asset in ("BTC", "ETH", "SOL")]


def test_every_target_gets_every_message_in_order_once(ledger, desk, phone):
    deliveries = deliver(ledger, both(desk, phone))
    assert titles(desk) == titles(phone) == EXPECTED
    assert {name: one.sent for name, one in deliveries.items()} == {"desk": 3, "phone": 3}
    assert all(one.delivered_at == NOW for one in ledger.alerts(at(0)))
    assert deliver(ledger, both(desk, phone)) == {}
    assert len(desk.received) == 3


@pytest.mark.parametrize(
    "trouble",
    [Answer(500), Answer(429), Answer(404), Answer(hangs=True), Answer(cuts=True)],
    ids=["500", "429", "404", "hangs", "cuts"],
)
def test_a_target_in_trouble_costs_itself_only_and_catches_up_in_order(
    ledger, desk, phone, trouble, caplog
):
    caplog.set_level(logging.DEBUG)
    desk.always = trouble
    limits = SHORT if trouble.hangs else PATIENT
    deliveries = deliver(ledger, both(desk, phone), limits=limits)
    assert titles(phone) == EXPECTED
    assert titles(desk) == []
    assert deliveries["desk"].waits_until == NOW + timedelta(minutes=1)
    # Not before its time, and later than that all of it.
    desk.always = None
    assert deliver(ledger, both(desk, phone))["desk"].sent == 0
    assert deliver(ledger, both(desk, phone), NOW + timedelta(minutes=2))["desk"].sent == 3
    assert titles(desk) == EXPECTED
    assert SECRET not in caplog.text
    assert desk.url not in caplog.text


def test_a_target_that_answers_byte_by_byte_is_left_behind(ledger, desk, phone):
    desk.always = Answer(drips=0.2)
    deliveries = deliver(ledger, both(desk, phone), limits=SHORT)
    assert "took longer than 3 s" in deliveries["desk"].error
    assert titles(phone) == EXPECTED


def test_a_fault_that_passes_is_tried_again_at_once(ledger, desk, phone):
    desk.answers = [Answer(500), Answer(), Answer(cuts=True)]
    assert deliver(ledger, both(desk, phone))["desk"].sent == 3
    assert titles(desk) == EXPECTED


def test_the_wait_a_target_requires_is_kept(ledger, desk, phone):
    desk.always = Answer(429, {"Retry-After": "1800"})
    waits = deliver(ledger, both(desk, phone))["desk"].waits_until
    assert waits == NOW + timedelta(seconds=1800)
    assert len(desk.received) == 1


def test_waits_grow_with_failures_up_to_an_hour(ledger, desk, phone):
    desk.always, desk.secret = Answer(500), None
    now, waits = NOW, []
    for _ in range(9):
        until = deliver(ledger, both(desk, phone), now)["desk"].waits_until
        waits.append((until - now) / timedelta(minutes=1))
        now = until
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_a_message_that_is_refused_for_its_content_does_not_hold_up_the_rest(ledger, desk, phone):
    desk.answers = [Answer(400)] * 6
    now, dropped = NOW, 0
    for _ in range(3):
        one = deliver(ledger, both(desk, phone), now)["desk"]
        now, dropped = one.waits_until or now, dropped + one.dropped
    assert dropped == 1
    assert titles(desk) == EXPECTED[1:]


def test_a_digest_above_a_receivers_size_is_cut_with_what_it_lists(tmp_path, desk):
    desk.answers = [Answer(413), Answer(413)]
    with hand_ledger(tmp_path) as by_hand:
        things = [f"near BTC {number:03}" for number in range(100)]
        by_hand.record([one for thing in things for one in findings("#", thing=thing)], 0)
        deliver(by_hand.ledger, {"desk": webhook(desk)})
    assert [len(one.json["alerts"]) for one in desk.received] == [100, 50, 25]
    assert "[cut: " in desk.taken[0].json["body"]


def test_a_message_above_a_targets_size_is_cut_with_a_note(phone):
    phone.largest_bytes = 2000
    sender = open_apprise_service("phone", phone.apprise_url, 60.0)
    message = Message(1, "k", "phone", "digest", Wording("many", "word " * 2000), (), 0)
    send_now(sender, message, clock=lambda: NOW, limits=PATIENT)
    (taken,) = phone.taken
    text = taken.json["message"]
    assert SHORTEST_CHARACTERS < len(text) < 2000
    assert text.endswith("characters fit this target]")


def test_a_target_too_small_for_any_message_refuses_it(phone):
    phone.largest_bytes = 10
    sender = open_apprise_service("phone", phone.apprise_url, 60.0)
    message = Message(1, "k", "phone", "alert", Wording("one", "word " * 200), (), 0)
    with pytest.raises(TargetUnavailable, match="too long") as caught:
        send_now(sender, message, clock=lambda: NOW, limits=PATIENT)
    assert caught.value.is_refused


def test_a_target_that_cannot_be_used_keeps_its_messages(ledger, desk, phone):
    broken = {**both(desk, phone), "desk": UnusableSender("desk", "the variable X is not set")}
    assert deliver(ledger, broken)["desk"].error == "the variable X is not set"
    assert deliver(ledger, both(desk, phone), NOW + timedelta(minutes=2))["desk"].sent == 3


def test_a_target_that_is_declared_no_more_is_forgotten(ledger, desk, phone):
    assert deliver(ledger, {"phone": both(desk, phone)["phone"]})["desk"].dropped == 3
    assert ledger.waiting_targets() == ()


def test_a_defect_of_a_sender_costs_its_target_only(ledger, desk, phone, caplog):
    class Defect(UnusableSender):
        def send(self, message, at):
            raise ZeroDivisionError(SECRET)

    senders = {**both(desk, phone), "desk": Defect("desk", "")}
    assert deliver(ledger, senders)["desk"].error == "desk failed (ZeroDivisionError)"
    assert titles(phone) == EXPECTED
    assert SECRET not in caplog.text


def test_a_run_out_of_time_leaves_the_rest_to_the_next(ledger, desk, phone):
    short = Limits(attempt_seconds=5.0, target_seconds=0.0, sleep=at_once)
    assert deliver(ledger, both(desk, phone), limits=short)["desk"].sent == 0
    assert deliver(ledger, both(desk, phone))["desk"].sent == 3


def test_many_at_once_are_one_digest(ledger, desk, phone):
    deliver(ledger, both(desk, phone), digest_above=2)
    (digest,) = desk.taken
    assert digest.json["kind"] == "digest"
    assert [one["asset"] for one in digest.json["alerts"]] == ["BTC", "ETH", "SOL"]


def test_one_process_delivers_at_a_time(ledger, desk, phone):
    with sole_holder(ledger.path.parent, DELIVERY_LOCK):
        assert deliver(ledger, both(desk, phone)) == {}
    assert desk.received == []


KILLED = """
import sys
from datetime import datetime
from pathlib import Path

sys.path.insert(0, "tests")
from workbench.alert_findings import digest_words
from jobs.alerts.deliver import deliver_messages
from jobs.alerts.ledger import AlertLedger
from jobs.alerts.webhook import Webhook

path, url, secret, now = sys.argv[1:]
with AlertLedger(Path(path)) as ledger:
    sender = Webhook("desk", url, secret)
    instant = datetime.fromisoformat(now)
    deliver_messages(ledger, lambda _: sender, clock=lambda: instant, digest_of=digest_words)
"""


@pytest.mark.parametrize("taken_before", [0, 2])
def test_killed_while_a_target_answers_nothing_is_lost_and_a_repeat_has_the_same_key(
    tmp_path, desk, taken_before
):
    with hand_ledger(tmp_path) as by_hand:
        for thing in ("near BTC long", "near ETH long", "near SOL long"):
            by_hand.record(findings("#", thing=thing), 0)
        # It takes the message, and the process dies before the answer comes.
        desk.answers = [Answer()] * taken_before + [Answer(hangs=True)]
        path = by_hand.ledger.path
        command = [sys.executable, "-c", KILLED, str(path), desk.url, SECRET, NOW.isoformat()]
        process = subprocess.Popen(command, cwd=Path(__file__).parents[4])
        while len(desk.received) <= taken_before:
            assert process.poll() is None
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        deliver(by_hand.ledger, {"desk": webhook(desk)})
    keys = [one.key for one in desk.received]
    assert titles(desk) == EXPECTED
    assert len(keys) == 4
    assert keys[taken_before] == keys[taken_before + 1]
    assert len(set(keys)) == 3
