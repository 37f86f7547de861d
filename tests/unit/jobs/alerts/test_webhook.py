"""A webhook: signed, dated, with a key; its faults in words without its address."""

import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from standin.alert_target import AlertTarget, Answer

from jobs.alerts.ledger_records import Alert, Message, Wording
from jobs.alerts.webhook import Webhook, sign
from jobs.errors import MessageTooLong, TargetRejected, TargetUnavailable

SECRET = "0123456789abcdef-hunter2"  # noqa: S105  (what must not be shown)
AT = datetime(2026, 3, 1, 12, tzinfo=UTC)

ALERT = Alert(
    "a" * 64,
    "near",
    "BTC",
    "long",
    fired_at=AT,
    cleared_at=None,
    delivered_at=None,
    measure=None,
    figures={"liquidation_usd": 1e6, "odds_of_touch": None},
    wording=Wording("title", "body"),
    is_withdrawn=False,
    correction_count=0,
)
MESSAGE = Message(
    1, "k" * 64, "desk", "alert", Wording("BTC: a band", "1.9 % below · ünï"), (ALERT,), 0
)


@pytest.fixture
def target():
    with AlertTarget(secret=SECRET, now=AT.timestamp()) as standin:
        yield standin


def webhook(target, seconds=60.0):
    return Webhook("desk", target.url, SECRET, seconds)


def test_a_receiver_that_checks_signature_time_and_key_takes_it(target):
    webhook(target).send(MESSAGE, AT)
    (received,) = target.received
    assert received.status == 200
    assert received.key == MESSAGE.message_key
    assert received.json["title"] == "BTC: a band"
    assert received.json["body"] == "1.9 % below · ünï"
    (facts,) = received.json["alerts"]
    assert facts["measure"] is None
    assert facts["figures"] == {"liquidation_usd": 1e6, "odds_of_touch": None}


def test_a_figure_that_is_not_finite_is_null(target):
    unbounded = replace(ALERT, measure=float("inf"), figures={"odds": float("nan")})
    webhook(target).send(replace(MESSAGE, alerts=(unbounded,)), AT)
    (facts,) = target.taken[0].json["alerts"]
    assert (facts["measure"], facts["figures"]) == (None, {"odds": None})


def test_the_check_that_the_page_shows_takes_what_is_sent_and_refuses_the_rest(target):
    page = (Path(__file__).parents[4] / "docs" / "alerts.md").read_text()
    shown: dict[str, Any] = {}
    exec(re.search(r"```python\n(.*?)```", page, re.DOTALL)[1], shown)  # noqa: S102  (our page)
    is_ours = shown["is_ours"]
    present = datetime.now(UTC)
    target.now = present.timestamp()
    webhook(target).send(MESSAGE, present)
    (received,) = target.received
    assert is_ours(SECRET, received.headers, received.body)
    assert not is_ours(SECRET[::-1], received.headers, received.body)
    assert not is_ours(SECRET, received.headers, received.body + b" ")
    assert not is_ours(SECRET, received.headers, received.body, oldest_seconds=-1)


@pytest.mark.parametrize(
    "make",
    [
        lambda target: (Webhook("desk", target.url, SECRET[::-1]), AT),
        lambda target: (webhook(target), AT.replace(hour=3)),
    ],
    ids=["another secret", "an old timestamp"],
)
def test_a_careful_receiver_refuses(target, make):
    sender, at = make(target)
    with pytest.raises(TargetUnavailable, match="desk answered with HTTP status 401"):
        sender.send(MESSAGE, at)


def test_the_signature_covers_time_and_body():
    one = sign(SECRET, "1", b"{}")
    assert len({one, sign(SECRET, "2", b"{}"), sign(SECRET, "1", b"[]")}) == 3


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Answer(500), "HTTP status 500; it is tried again"),
        (Answer(404), "HTTP status 404; check its address"),
        (Answer(302, {"Location": "http://evil.example/"}), "redirects are not followed"),
        (Answer(429, {"retry-after": "7"}), "HTTP status 429"),
        (Answer(400), "it refused the message"),
        (Answer(cuts=True), r"gave no answer \(RemoteDisconnected\)"),
        (Answer(hangs=True), r"gave no answer \(TimeoutError\)"),
    ],
    ids=str,
)
def test_a_fault_is_named_without_address_or_secret(target, answer, words):
    target.always = answer
    with pytest.raises(TargetUnavailable, match=words) as caught:
        webhook(target, 0.3 if answer.hangs else 60.0).send(MESSAGE, AT)
    shown = repr(caught.value) + str(caught.value.__cause__)
    assert "127.0.0.1" not in shown
    assert SECRET not in shown
    assert caught.value.retry_after_seconds == (7 if answer.status == 429 else None)
    assert caught.value.is_refused == (answer.status == 400)


def test_a_message_above_the_receivers_size_is_too_long(target):
    target.largest_bytes = 10
    with pytest.raises(MessageTooLong, match="413"):
        webhook(target).send(MESSAGE, AT)


def test_nothing_listens(target):
    sender = Webhook("desk", "http://127.0.0.1:9/hook", SECRET)
    with pytest.raises(TargetUnavailable, match=r"\(ConnectionRefusedError\)"):
        sender.send(MESSAGE, AT)


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "desk.example/hook",
        "http:///hook",
        "http://h:x/",
        "http://h/\n",
        "http://ü/",
    ],
)
def test_an_address_that_is_none_is_refused_unseen(url):
    with pytest.raises(TargetRejected, match="target desk: its webhook is no http") as caught:
        Webhook("desk", url, SECRET)
    assert url not in str(caught.value)


def test_a_secret_that_can_be_guessed_is_refused():
    with pytest.raises(TargetRejected, match="fewer than 16 characters"):
        Webhook("desk", "http://desk.example/", "hunter2")


def test_neither_address_nor_secret_is_in_its_repr(target):
    shown = repr(webhook(target))
    assert target.url not in shown
    assert SECRET not in shown
