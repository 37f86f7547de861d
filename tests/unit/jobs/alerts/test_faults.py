"""Which histories are a fault of the pipeline, and that each is sent once to every target."""

from datetime import timedelta

import pytest
from standin.alert_target import AlertTarget
from workbench.alert_findings import at

from jobs.alerts.faults import DeploymentHistory, EndedRun, find_faults, report_faults
from jobs.settings import Settings

SECRET = "0123456789abcdef-hunter2"  # noqa: S105  (what must not be shown)

RULES = """
targets:
  desk: {webhook: "${DESK_URL}", secret: "${DESK_SECRET}"}
  phone: {url: "${PHONE}"}
rules: []
"""


def ended(pattern, until=10.0, every=1.0):
    """Return runs, newest first: ``+`` done, ``x`` failed, oldest first in the pattern."""
    count = len(pattern)
    return tuple(
        EndedRun(at(until - every * (count - 1 - number)), mark == "+", f"AllVenuesFailed {number}")
        for number, mark in reversed(list(enumerate(pattern)))
    )


def faults(history, now=10.5):
    return [one.key for one in find_faults([history], at(now)) if one.is_on]


@pytest.mark.parametrize(
    ("pattern", "allowed", "expected"),
    [
        ("++", 0, []),
        ("x+", 0, []),
        ("+x", 0, ["hourly failed"]),
        ("", 0, []),
        ("+xx", 2, []),
        ("xxx", 2, ["hourly failed"]),
        ("xx", 2, []),
    ],
)
def test_a_deployment_has_failed_once_its_newest_runs_have(pattern, allowed, expected):
    assert faults(DeploymentHistory("hourly", ended(pattern), allowed)) == expected


@pytest.mark.parametrize(
    ("pattern", "since", "now", "expected"),
    [
        ("+", 0, 11.4, []),
        ("+", 0, 11.6, ["hourly did not run"]),
        ("", 0, 1.4, []),
        ("", 0, 1.6, ["hourly did not run"]),
        ("+", 11, 11.6, []),
        ("", None, 99, []),
    ],
    ids=["in time", "late", "just started", "never", "schedule was off", "no start known"],
)
def test_a_run_is_missing_after_the_longest_gap(pattern, since, now, expected):
    history = DeploymentHistory(
        "hourly",
        ended(pattern),
        longest_gap=timedelta(minutes=90),
        watched_since=None if since is None else at(since),
    )
    assert faults(history, now) == expected


@pytest.fixture
def desk():
    with AlertTarget(secret=SECRET, now=at(10.5).timestamp()) as standin:
        yield standin


@pytest.fixture
def settings(tmp_path, monkeypatch, desk, phone):
    (tmp_path / "alerts.yaml").write_text(RULES)
    monkeypatch.setenv("DESK_URL", desk.url)
    monkeypatch.setenv("DESK_SECRET", SECRET)
    monkeypatch.setenv("PHONE", phone.apprise_url)
    return Settings(home=tmp_path)


def report(settings, pattern, now=10.5):
    history = DeploymentHistory("hourly", ended(pattern, until=now - 0.2))
    return report_faults(settings, [history], clock=lambda: at(now))


def test_a_fault_is_sent_once_to_every_target_until_it_is_over(settings, desk, phone):
    desk.secret = None  # Its clock stays, hours pass.
    report(settings, "+x")
    for later in (10.6, 11.5, 20.0):
        report(settings, "+xx", later)
    assert len(desk.received) == len(phone.received) == 1
    sent = desk.received[0].json
    assert sent["title"] == "liqheat: hourly failed"
    assert "AllVenuesFailed" in sent["body"]
    assert "2026-03-02 10:18 UTC" in sent["body"]
    report(settings, "x+", 21.0)
    report(settings, "+x", 22.0)
    assert len(desk.received) == 2


def test_a_fault_within_the_hour_of_another_is_no_correction(settings, desk):
    desk.secret = None
    report(settings, "+x", 10.4)
    report(settings, "x+", 10.5)
    report(settings, "x+", 11.0)
    assert [one.json["kind"] for one in desk.received] == ["alert"]


def test_secrets_in_a_failure_are_hidden_and_it_is_short(settings, desk):
    message = f"GET https://x.example/?api_key={SECRET} failed " + "x" * 1000
    history = DeploymentHistory("ingest", (EndedRun(at(10), is_done=False, message=message),))
    report_faults(settings, [history], clock=lambda: at(10.5))
    (received,) = desk.received
    assert SECRET not in received.body.decode()
    assert len(received.json["body"]) < 600


def test_without_a_file_of_rules_nothing_is_made(tmp_path):
    settings = Settings(home=tmp_path / "home")
    assert report(settings, "x") == ()
    assert not settings.home.exists()
