"""Alerts killed at any instant: none lost, none sent under two keys."""

from workbench.alert_kills import WRITES, kill_alerts


def test_kills_lose_no_alert_and_make_no_second_key(tmp_path):
    killed = kill_alerts(tmp_path, count=len(WRITES), hours=24)
    assert killed.differences == []
    assert killed.kills.total() >= 6
    assert killed.repeated >= 1
    assert killed.alerts > 20
