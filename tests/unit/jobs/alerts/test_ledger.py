"""Messages of the alert ledger: their order, their keys, who has them."""

import hashlib
import resource

import pytest
from workbench.alert_findings import WORDS, at, digest_words, finding, hand_ledger

from jobs.alerts.ledger import AlertLedger
from jobs.alerts.ledger_file import LEDGER_FORM
from jobs.alerts.ledger_records import Policy
from jobs.alerts.rule import read_quiet_hours
from jobs.errors import LedgerDamaged, LedgerUnavailable

# Schemas by version. A file that has one already is not changed when it is opened.
SCHEMAS = {1: "896cb4fd055bfa204988d2d6fe8decccb7ef0936f92c4515e712b107e9426f20"}

NIGHT = read_quiet_hours("22:00-07:00")


def fire(hand, hour, count=1):
    hand.record([finding(hour, True, thing=f"near BTC {n}") for n in range(count)], hour)


def next_message(hand, now=0.0, target="desk"):
    return hand.ledger.next_message(target, at(now), digest_words)


def test_a_message_is_the_same_until_it_is_delivered(tmp_path):
    with hand_ledger(tmp_path, is_event=True) as hand:
        fire(hand, 0)
        first = next_message(hand)
        fire(hand, 1)
    with hand_ledger(tmp_path) as hand:
        again = next_message(hand, 1)
        assert (again.message_key, again.wording) == (first.message_key, first.wording)
        hand.ledger.mark_delivered(again, at(1))
        hand.ledger.mark_delivered(again, at(2))
        assert next_message(hand, 1).message_key != first.message_key
        assert hand.ledger.alerts(at(0))[0].delivered_at == at(1)


def test_the_key_of_a_message_depends_on_its_alert_alone(tmp_path):
    keys = []
    for name in ("one", "other"):
        with hand_ledger(tmp_path / name) as hand:
            fire(hand, 3)
            keys.append(next_message(hand, 5).message_key)
    assert keys[0] == keys[1]


def test_more_than_a_few_at_once_are_one_message(tmp_path):
    with hand_ledger(tmp_path) as hand:
        fire(hand, 0, count=6)
        (digest,) = hand.deliver()
        assert digest.kind == "digest"
        assert len(digest.alerts) == 6
        assert all(one.delivered_at == at(0) for one in hand.ledger.alerts(at(0)))
        fire(hand, 2, count=5)
        assert [one.kind for one in hand.deliver()] == []


def test_a_digest_holds_corrections_as_such(tmp_path):
    with hand_ledger(tmp_path) as hand:
        fire(hand, 0, count=6)
        hand.deliver()
        hand.record([finding(0, False, thing=f"near BTC {n}") for n in range(6)], 1)
        (digest,) = hand.deliver(now=1)
        assert digest.kind == "digest"
        assert [line.split(" of ")[0] for line in digest.wording.body.split("\n")] == [
            "correction"
        ] * 6


def test_nothing_is_sent_that_could_not_be_noted_as_sent(tmp_path):
    with hand_ledger(tmp_path) as hand:
        fire(hand, 0)
        next_message(hand)
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        full = (tmp_path / "alerts.sqlite-wal").stat().st_size
        resource.setrlimit(resource.RLIMIT_FSIZE, (full, hard))
        try:
            with pytest.raises(LedgerUnavailable, match="free some space"):
                next_message(hand, 0.5)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert next_message(hand, 0.5) is not None


def test_a_few_at_once_are_sent_in_order(tmp_path):
    with hand_ledger(tmp_path) as hand:
        fire(hand, 0, count=3)
        assert [one.alerts[0].key for one in hand.deliver()] == ["0", "1", "2"]


def test_a_target_that_fails_keeps_its_order_and_delays_no_other(tmp_path):
    with hand_ledger(tmp_path, targets=("desk", "phone")) as hand:
        fire(hand, 0, count=2)
        failing = next_message(hand)
        hand.ledger.postpone(failing, at(0.5), "answered 500")
        assert next_message(hand, 0.4) is None
        assert next_message(hand, 0.5).message_key == failing.message_key
        assert next_message(hand, 0.5).attempts == 1
        assert [one.alerts[0].key for one in hand.deliver("phone")] == ["0", "1"]
        assert hand.ledger.waiting_targets() == ("desk",)
        assert all(one.delivered_at is None for one in hand.ledger.alerts(at(0)))


def test_messages_wait_for_the_end_of_quiet_hours(tmp_path):
    with hand_ledger(tmp_path, quiet_hours=NIGHT) as hand:
        fire(hand, 0)
        assert next_message(hand, 6.9) is None
        assert next_message(hand, 7) is not None


def test_quiet_hours_follow_their_own_clock():
    berlin = read_quiet_hours("22:00-07:00 Europe/Berlin")
    assert read_quiet_hours(str(berlin)) == berlin
    assert not berlin.include(at(6))
    assert NIGHT.include(at(6))


def test_a_target_that_no_rule_names_is_forgotten(tmp_path):
    with hand_ledger(tmp_path, targets=("desk", "gone")) as hand:
        fire(hand, 0, count=2)
        next_message(hand, target="gone")
        assert hand.ledger.drop_target("gone") == 2
        assert hand.ledger.waiting_targets() == ("desk",)


def test_a_message_given_up_lets_the_next_one_pass(tmp_path):
    with hand_ledger(tmp_path) as hand:
        fire(hand, 0, count=2)
        hand.ledger.drop_message(next_message(hand))
        assert [one.alerts[0].key for one in hand.deliver()] == ["1"]
        assert [one.delivered_at for one in hand.ledger.alerts(at(0))] == [None, at(0)]


def test_an_alert_given_up_for_one_target_never_counts_as_delivered(tmp_path):
    with hand_ledger(tmp_path, targets=("desk", "phone")) as hand:
        fire(hand, 0)
        hand.ledger.drop_message(next_message(hand))
        assert len(hand.deliver("phone")) == 1
        assert hand.ledger.alerts(at(0))[0].delivered_at is None


def test_what_changed_lands_again(tmp_path):
    with hand_ledger(tmp_path) as hand:
        fire(hand, 0, count=2)
        first = hand.ledger.unlanded(10)
        assert len(first) == 2
        hand.deliver()
        hand.ledger.mark_landed((number, revision) for number, revision, _ in first)
        changed = hand.ledger.unlanded(10)
        assert [alert.delivered_at for _, _, alert in changed] == [at(0)] * 2
        hand.ledger.mark_landed((number, revision) for number, revision, _ in changed)
        assert hand.ledger.unlanded(10) == []


def test_two_processes_record_and_deliver_at_once(tmp_path):
    path = tmp_path / "alerts.sqlite"
    with AlertLedger(path) as one, AlertLedger(path) as other:
        for ledger in (one, other):
            ledger.record([finding(0, True)], {"near": Policy(("desk",))}, WORDS, at(0))
        message = other.next_message("desk", at(0), digest_words)
        one.mark_delivered(message, at(0))
        assert other.next_message("desk", at(0), digest_words) is None


def test_a_file_that_is_no_ledger_is_refused(tmp_path):
    path = tmp_path / "alerts.sqlite"
    path.write_bytes(b"not a database at all" * 100)
    with pytest.raises(LedgerDamaged, match="cannot be read as an alert ledger"):
        AlertLedger(path)
    assert path.read_bytes().startswith(b"not a database")


def test_a_folder_in_its_place_is_unavailable(tmp_path):
    (tmp_path / "alerts.sqlite").mkdir()
    with pytest.raises(LedgerUnavailable, match="folder can be written"):
        AlertLedger(tmp_path / "alerts.sqlite")


def test_the_schema_of_a_version_stays():
    schema = hashlib.sha256(LEDGER_FORM.schema.encode()).hexdigest()
    assert schema == SCHEMAS[LEDGER_FORM.version], "raise the version, and migrate older files"
