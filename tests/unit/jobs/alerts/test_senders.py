"""Which sender a declared target means, what it cuts, and that none of it shows a secret."""

import logging
from datetime import UTC, datetime

import pytest
from standin.alert_target import AlertTarget, Answer

from jobs.alerts.apprise_service import open_apprise_service
from jobs.alerts.ledger_records import Message, Wording
from jobs.alerts.rule_file import Target
from jobs.alerts.senders import open_sender
from jobs.errors import MessageTooLong, TargetRejected, TargetUnavailable
from jobs.settings import Settings

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
TOKEN = "hunter2-token"  # noqa: S105  (what must not be shown)
MESSAGE = Message(1, "k", "phone", "alert", Wording("BTC <b>", "1 < 2 & so on"), (), 0)


@pytest.fixture
def target():
    with AlertTarget() as standin:
        yield standin


def test_a_service_of_apprise_takes_a_message(target):
    sender = open_apprise_service("phone", target.apprise_url, 60.0)
    sender.send(MESSAGE, AT)
    (received,) = target.received
    assert received.json["title"] == "BTC <b>"
    assert received.json["message"] == "1 < 2 & so on"
    assert TOKEN not in repr(sender)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Answer(500), "phone answered with HTTP status 500"),
        (Answer(429), "phone answered with HTTP status 429"),
        (Answer(cuts=True), "phone: no answer of JSON"),
        (Answer(hangs=True), "phone: no answer of JSON"),
    ],
    ids=str,
)
def test_a_fault_of_a_service_shows_no_secret_and_logs_none(target, caplog, capfd, answer, words):
    caplog.set_level(logging.DEBUG)
    target.always = answer
    seconds = 0.3 if answer.hangs else 60.0
    with pytest.raises(TargetUnavailable, match=words) as caught:
        open_apprise_service("phone", target.apprise_url, seconds).send(MESSAGE, AT)
    shown = repr(caught.value) + caplog.text + "".join(capfd.readouterr())
    assert TOKEN not in shown
    assert "127.0.0.1" not in shown


def test_a_message_above_the_size_of_a_service_is_too_long(target):
    target.largest_bytes = 10
    with pytest.raises(MessageTooLong):
        open_apprise_service("phone", target.apprise_url, 60.0).send(MESSAGE, AT)


@pytest.mark.parametrize("url", [f"nosuch://{TOKEN}", f"tgram://{TOKEN}", TOKEN, "discord://"])
def test_an_address_that_apprise_does_not_take_is_refused_unseen(url, caplog):
    with pytest.raises(TargetRejected, match="target phone: apprise takes no such") as caught:
        open_apprise_service("phone", url, 5.0)
    assert TOKEN not in repr(caught.value) + caplog.text


def test_services_that_show_titles_in_the_body_leave_room_for_them():
    telegram = open_apprise_service("phone", "tgram://123456789:abcdefg_hijklmnop/12315544/", 5.0)
    assert telegram.service == "Telegram"
    assert telegram.longest_body("x" * 100) == 4096 - 140
    # Discord has titles, and counts them with the body.
    discord = open_apprise_service("phone", "discord://123456789012345678/abcdefghijklmnop", 5.0)
    assert discord.longest_body("x" * 100) == 2000 - 140


def test_a_target_whose_variable_is_not_set_fails_alone(target, monkeypatch, tmp_path):
    monkeypatch.setenv("PHONE", target.apprise_url)
    declared = {
        "phone": Target(url="${PHONE}"),
        "desk": Target(webhook="${NO_SUCH_URL}", secret="${NO_SUCH_SECRET}"),  # noqa: S106  (the name of one)
    }
    settings = Settings(home=tmp_path)
    senders = {name: open_sender(settings, name, one) for name, one in declared.items()}
    senders["phone"].send(MESSAGE, AT)
    with pytest.raises(TargetUnavailable, match="variable NO_SUCH_URL is not set"):
        senders["desk"].send(MESSAGE, AT)
    assert len(target.received) == 1
