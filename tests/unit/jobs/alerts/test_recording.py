"""What findings fire, clear and correct, hour after hour."""

import pytest
from workbench.alert_findings import at, finding, findings, hand_ledger


@pytest.mark.parametrize(
    ("pattern", "cooldown", "fired"),
    [
        ("..##..", 0, [2]),
        ("#.#.#.", 0, [0, 2, 4]),
        # A spell is announced once, however long it is.
        ("########", 2, [0]),
        # A spell within the cooldown is announced when it ends, if it lasts until then.
        ("#.#.####", 6, [0, 6]),
        ("#.##....", 6, [0]),
        # Unknown hours and hours without data end no spell.
        ("#??#", 0, [0]),
        ("#  #", 0, [0]),
        ("?..?", 0, []),
    ],
)
def test_a_spell_is_announced_once(tmp_path, pattern, cooldown, fired):
    with hand_ledger(tmp_path, cooldown_hours=cooldown) as hand:
        hand.hourly(pattern)
        assert hand.fired() == fired


def test_each_hour_of_an_event_is_a_spell(tmp_path):
    with hand_ledger(tmp_path, is_event=True) as hand:
        hand.hourly("##.#.")
        assert hand.fired() == [0, 1, 3]
        cleared = [one.cleared_at for one in hand.ledger.alerts(at(0))]
        assert cleared == [at(1), at(2), at(4)]


def test_an_alert_is_cleared_by_the_first_hour_without_its_condition(tmp_path):
    with hand_ledger(tmp_path) as hand:
        hand.hourly(".##?..")
        (alert,) = hand.ledger.alerts(at(0))
        assert (alert.fired_at, alert.cleared_at) == (at(1), at(4))


def test_a_key_without_a_finding_is_off_where_its_asset_has_one(tmp_path):
    with hand_ledger(tmp_path) as hand:
        hand.record([finding(0, True), finding(0, False, thing="near BTC short")], 0)
        hand.record([finding(1, False, thing="near ETH long")], 1)
        assert hand.ledger.alerts(at(0))[0].cleared_at is None
        hand.record([finding(2, False, thing="near BTC short")], 2)
        assert hand.ledger.alerts(at(0))[0].cleared_at == at(2)


def test_the_same_findings_again_change_nothing(tmp_path):
    pattern = ".##..#.####"
    with hand_ledger(tmp_path, cooldown_hours=3) as hand:
        hand.hourly(pattern)
        before = hand.ledger.alerts(at(0))
        recorded = hand.record(findings(pattern), len(pattern) - 1)
        assert (recorded.fired, recorded.corrected, recorded.cleared) == (0, 0, 0)
        assert hand.ledger.alerts(at(0)) == before


def test_a_run_over_many_hours_fires_as_hourly_runs_do(tmp_path):
    pattern = ".##..#.####.#"
    with hand_ledger(tmp_path / "hourly", cooldown_hours=3) as hand:
        hand.hourly(pattern)
        hourly = hand.ledger.alerts(at(0))
    with hand_ledger(tmp_path / "late", cooldown_hours=3) as hand:
        hand.record(findings("."), 0)
        hand.record(findings(pattern), len(pattern) - 1)
        assert hand.ledger.alerts(at(0)) == hourly


def test_a_new_rule_is_silent_about_the_past(tmp_path):
    with hand_ledger(tmp_path) as hand:
        hand.record(findings("#.#.."), 4)
        assert hand.fired() == []
        hand.record(findings("#.#..#"), 5)
        assert hand.fired() == [5]


def test_late_data_fire_for_the_hours_just_before(tmp_path):
    with hand_ledger(tmp_path) as hand:
        hand.hourly("....")
        hand.record([finding(3, True), finding(4, False)], 4)
        assert hand.fired() == [3]
        hand.record([finding(1, True), finding(5, False)], 5)
        assert hand.fired() == [3]


def test_late_data_never_fire_twice(tmp_path):
    with hand_ledger(tmp_path) as hand:
        hand.hourly("...#")
        # The spell began an hour earlier than was known.
        hand.record([finding(2, True), finding(3, True), finding(4, True)], 4)
        hand.record([finding(3, True), finding(4, True), finding(5, False)], 5)
        assert hand.fired() == [3]


def test_an_hour_that_no_longer_shows_its_alert_is_corrected_once(tmp_path):
    with hand_ledger(tmp_path) as hand:
        hand.hourly("..#")
        for _ in range(2):
            hand.record([finding(2, False, 0.4), finding(3, False, 0.4)], 3)
        assert [m.kind for m in hand.deliver()] == ["alert", "correction"]
        (alert,) = hand.ledger.alerts(at(0))
        assert alert.is_withdrawn
        assert alert.correction_count == 1


def test_a_withdrawn_alert_delays_no_other(tmp_path):
    with hand_ledger(tmp_path, cooldown_hours=12) as hand:
        hand.hourly("..#")
        hand.record([finding(2, False), finding(3, False), finding(4, True)], 4)
        assert hand.fired() == [2, 4]


def test_a_withdrawn_alert_that_holds_after_all_is_corrected_again(tmp_path):
    with hand_ledger(tmp_path) as hand:
        hand.hourly("..#")
        hand.record([finding(2, False), finding(3, False)], 3)
        hand.record([finding(2, True), finding(3, False)], 3)
        assert hand.fired() == [2]
        (alert,) = hand.ledger.alerts(at(0))
        assert not alert.is_withdrawn
        keys = [m.message_key for m in hand.deliver()]
        assert len(set(keys)) == len(keys) == 3


@pytest.mark.parametrize(("measure", "count"), [(1.2, 0), (1.5, 1), (0.6, 1), (None, 0)])
def test_a_figure_that_moved_much_is_corrected(tmp_path, measure, count):
    with hand_ledger(tmp_path) as hand:
        hand.hourly("..#")
        for _ in range(2):
            hand.record([finding(2, True, measure), finding(3, False)], 3)
        (alert,) = hand.ledger.alerts(at(0))
        assert alert.correction_count == count
        assert not alert.is_withdrawn


def test_the_rest_of_its_hour_corrects_nothing(tmp_path):
    with hand_ledger(tmp_path) as hand:
        hand.hourly("..")
        hand.record([finding(2, True, 1.0)], 2, settled=1)
        hand.record([finding(2, False, 0.1)], 2, settled=1)
        hand.record([finding(2, True, 9.0)], 2, settled=1)
        assert hand.fired() == [2]
        # The whole hour settles what was found; only later changes of it are corrections.
        hand.record([finding(2, True, 5.0)], 2)
        assert [m.kind for m in hand.deliver()] == ["alert"]
        hand.record([finding(2, True, 9.0)], 2)
        assert [m.kind for m in hand.deliver()] == ["correction"]


def test_rules_that_were_removed_and_assets_that_vanished_are_cleared_silently(tmp_path):
    with hand_ledger(tmp_path) as hand:
        hand.hourly("##")
        hand.hourly("##", thing="gone BTC long")
        hand.ledger.retire({"near"}, at(2))
        cleared = {one.rule: one.cleared_at for one in hand.ledger.alerts(at(0))}
        assert cleared == {"near": None, "gone": at(2)}
        hand.ledger.retire({"near"}, at(26))
        assert hand.ledger.alerts(at(0))[0].cleared_at == at(2)
        assert [m.kind for m in hand.deliver()] == ["alert", "alert"]
