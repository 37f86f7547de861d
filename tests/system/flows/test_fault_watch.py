"""The watch on the schedule reads how runs ended, and says so where the server does not answer."""

import threading
from datetime import UTC, datetime, timedelta

import pytest
from standin.alert_target import AlertTarget

from flows import fault_watch
from flows.fault_watch import FaultWatch, watching

SECRET = "0123456789abcdef-hunter2"  # noqa: S105  (what must not be shown)

RULES = """
targets: {desk: {webhook: "${DESK_URL}", secret: "${DESK_SECRET}"}}
rules: []
"""


@pytest.fixture
def desk(home, monkeypatch):
    (home / "alerts.yaml").write_text(RULES)
    with AlertTarget(secret=SECRET) as standin:
        monkeypatch.setenv("DESK_URL", standin.url)
        monkeypatch.setenv("DESK_SECRET", SECRET)
        yield standin


def record_runs(deployment, *states):
    """Record runs of a deployment at Prefect's server that ended in some states."""
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client:
        flow_id = client.create_flow_from_name(deployment)
        deployment_id = client.create_deployment(flow_id, deployment)
        for state in states:
            run = client.create_flow_run_from_deployment(deployment_id)
            client.set_flow_run_state(run.id, state, force=True)


def titles(desk):
    return [one.json["title"] for one in desk.taken]


def settings():
    from jobs.settings import read_settings

    return read_settings()


@pytest.mark.usefixtures("prefect_server")
def test_a_failed_run_and_a_missing_one_are_sent_and_a_superseded_one_is_none(desk):
    from prefect.states import Cancelled, Completed, Failed

    watch = FaultWatch(["hourly", "ingest"])
    record_runs("hourly", Completed(), Failed(message="AllVenuesFailed: no network"), Cancelled())
    record_runs("ingest", Failed(), Failed())
    watch.check(settings())
    assert titles(desk) == ["liqheat: hourly failed"]
    assert "AllVenuesFailed: no network" in desk.taken[0].json["body"]

    # Of the process after this one, earlier runs are no concern.
    later = FaultWatch(["hourly"], clock=lambda: datetime.now(UTC))
    later.check(settings())
    assert len(desk.received) == 1


@pytest.mark.usefixtures("prefect_server")
def test_an_hourly_run_that_did_not_come_is_sent_though_nothing_runs(desk, monkeypatch):
    start = datetime.now(UTC)
    desk.now = (start + timedelta(minutes=91)).timestamp()
    instants = iter([start, *[start + timedelta(minutes=91)] * 20])
    watch = FaultWatch(["absent"], clock=lambda: next(instants))
    monkeypatch.setitem(fault_watch.LONGEST_GAPS, "absent", timedelta(minutes=90))
    watch.check(settings())
    assert titles(desk) == ["liqheat: absent did not run"]


def test_a_server_that_does_not_answer_is_a_fault_after_a_while(desk, monkeypatch):
    import prefect.client.orchestration

    def refuse(**_):
        raise ConnectionError("nobody listens")

    monkeypatch.setattr(prefect.client.orchestration, "get_client", refuse)
    now = [datetime.now(UTC)]
    watch = FaultWatch(["hourly"], clock=lambda: now[0])
    watch.check(settings())
    assert titles(desk) == []
    now[0] += timedelta(minutes=11)
    desk.now = now[0].timestamp()
    watch.check(settings())
    assert titles(desk) == ["liqheat: Prefect's server failed"]


def test_a_check_that_fails_does_not_end_the_watch(monkeypatch, home, caplog):
    checked, twice = [], threading.Event()

    def check(self, settings):
        checked.append(settings)
        if len(checked) == 2:
            twice.set()
        raise ValueError("a check fails")

    monkeypatch.setattr(FaultWatch, "check", check)
    with watching(["hourly"], first_check_seconds=0.01):
        assert twice.wait(30)
    assert "the watch on the schedule: ValueError: a check fails" in caplog.text
