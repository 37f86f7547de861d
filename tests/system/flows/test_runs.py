"""Flows run in this process against a temporary Prefect server."""

import json
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest
from prefect import flow, get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.client.schemas.sorting import ArtifactSort
from prefect.flow_engine import run_flow
from prefect.states import Scheduled

import flows.tasks
import jobs.collect.ingest
import jobs.pipeline
from flows.backfill import backfill
from flows.build import build
from flows.check import check
from flows.hourly import hourly
from flows.hours import hour_of_run
from flows.ingest import ingest
from flows.publish import publish
from flows.watch import watch
from jobs.collect.round_report import IngestReport
from jobs.collect.transfer_report import TransferReport
from jobs.errors import NothingToDo, SharedLandingFailed, WarehouseBusy
from jobs.settings import Settings
from warehouse.load import LoadReport

pytestmark = pytest.mark.usefixtures("prefect_server", "home", "without_pages")

MAP_ROWS = "select * from marts.liquidation_heatmap_hourly where as_of = ? order by all"


def published_rows(home: Path, as_of: datetime) -> list[tuple[object, ...]]:
    with duckdb.connect(str(home / "published" / "liqheat.duckdb"), read_only=True) as readers:
        return readers.execute(MAP_ROWS, [as_of]).fetchall()


def run_names() -> Counter[str]:
    with get_client(sync_client=True) as client:
        return Counter(run.name for run in client.read_flow_runs())


def artifact(key: str) -> tuple[str, list[dict[str, object]]]:
    with get_client(sync_client=True) as client:
        (found,) = client.read_artifacts(
            artifact_filter=ArtifactFilter(key=ArtifactFilterKey(any_=[key])),
            sort=ArtifactSort.CREATED_DESC,
            limit=1,
        )
    return found.description, json.loads(found.data)


@pytest.mark.usefixtures("counted_by_pandas")
def test_one_hour_goes_from_what_has_landed_to_what_people_read_twice_the_same(home, small_market):
    before = run_names()
    first = hourly(as_of=small_market, return_state=True)
    assert run_names() - before == {f"hourly {small_market:%Y-%m-%d %H:%M}": 1}
    rows = published_rows(home, small_market)
    # The verdicts are shown with the run.
    description, verdicts = artifact("asset-quality")
    assert f"{small_market:%Y-%m-%d %H:%M} UTC" in description
    assert [row["asset"] for row in verdicts] == ["BTC"]
    assert verdicts[0]["grade"] in {"A", "B", "C"}
    assert verdicts[0]["reasons"]
    _, failed = artifact("failed-checks")
    assert {row["severity"] for row in failed} <= {"critical", "warning"}
    second = hourly(as_of=small_market, return_state=True)
    assert first.is_completed()
    assert second.is_completed()
    assert rows
    assert published_rows(home, small_market) == rows


def test_the_steps_one_by_one_give_what_the_whole_hour_gives(home, small_market):
    for state in (
        ingest(as_of=small_market, return_state=True),
        build(as_of=small_market, return_state=True),
        check(as_of=small_market, return_state=True),
        publish(as_of=small_market, return_state=True),
    ):
        assert state.is_completed()
    assert published_rows(home, small_market)


@pytest.mark.usefixtures("counted_by_pandas")
def test_a_run_that_quality_stops_says_so_in_its_state_and_publishes_nothing(home, small_market):
    hourly(as_of=small_market)
    before = (home / "published" / "liqheat.duckdb").read_bytes()
    with duckdb.connect(str(home / "warehouse.duckdb")) as writer:
        writer.execute("update derived.series_hour set books_error_ratio = 0.1")
    for state in (
        check(as_of=small_market, return_state=True),
        hourly(as_of=small_market, return_state=True),
        publish(as_of=small_market, return_state=True),
    ):
        assert (state.type, state.name) == (StateType.FAILED, "StoppedByQuality")
        assert "map_books" in state.message
        assert "the last publication stays" in state.message
    assert (home / "published" / "liqheat.duckdb").read_bytes() == before
    _, (worst, *_) = artifact("failed-checks")
    assert (worst["check"], worst["severity"]) == ("maps: map_books", "critical")


@pytest.mark.usefixtures("counted_by_pandas")
def test_backfill_ends_at_its_hour(home, small_market):
    end = small_market - timedelta(hours=6)
    state = backfill(start_at=end - timedelta(hours=6), as_of=end, return_state=True)
    assert state.is_completed()
    assert published_rows(home, end)
    assert not published_rows(home, end + timedelta(hours=1))


def test_backfill_refuses_a_start_after_its_end():
    end = datetime(2026, 1, 5, tzinfo=UTC)
    state = backfill(start_at=end, as_of=end, return_state=True)
    assert state.is_failed()
    assert "give an earlier start_at" in state.message


class Failing:
    """The load, but failing so many times before it does what it should."""

    def __init__(self, error: Exception, times: int) -> None:
        self.error = error
        self.times = times
        self.calls = 0
        self.load = jobs.pipeline.load

    def __call__(self, settings: Settings) -> LoadReport:
        self.calls += 1
        if self.calls <= self.times:
            raise self.error
        return self.load(settings)


def run_impatiently(task: flows.tasks.Task) -> State:
    at_once = task.with_options(retry_delay_seconds=0, retry_jitter_factor=None)

    @flow(name="impatient")
    def impatient() -> None:
        at_once()

    return impatient(return_state=True)


def test_what_may_pass_is_tried_again(monkeypatch):
    job = Failing(WarehouseBusy("another writer has it open"), times=2)
    monkeypatch.setattr(jobs.pipeline, "load", job)
    assert run_impatiently(flows.tasks.load).is_completed()
    assert job.calls == 3


def test_what_does_not_pass_is_given_up_in_the_end(monkeypatch):
    job = Failing(WarehouseBusy("another writer has it open"), times=100)
    monkeypatch.setattr(jobs.pipeline, "load", job)
    assert run_impatiently(flows.tasks.load).is_failed()
    assert job.calls == 1 + flows.tasks.load.retries


@pytest.mark.parametrize(
    ("error", "has_traceback"),
    [(NothingToDo("nothing has landed"), False), (ZeroDivisionError("a defect"), True)],
)
def test_what_fails_the_same_way_each_time_is_not_tried_again(
    monkeypatch, error, has_traceback, caplog
):
    job = Failing(error, times=1)
    monkeypatch.setattr(jobs.pipeline, "load", job)
    assert run_impatiently(flows.tasks.load).is_failed()
    (line,) = [one for one in caplog.records if "during execution" in one.getMessage()]
    assert str(error) in line.getMessage()
    assert bool(line.exc_info) is has_traceback
    assert job.calls == 1


def test_ingest_leaves_the_load_to_the_next_run_while_the_warehouse_is_written(monkeypatch):
    monkeypatch.setattr(
        jobs.pipeline, "load", Failing(WarehouseBusy("another writer has it open"), times=100)
    )
    monkeypatch.setattr(flows.tasks.load, "with_options", lambda **_: flows.tasks.load.fn)
    state = ingest(return_state=True)
    assert (state.type, state.name) == (StateType.COMPLETED, "Postponed")
    assert "another writer has it open" in state.message


def test_a_collector_that_could_not_send_fails_its_run(monkeypatch):
    at = datetime(2026, 1, 5, 7, tzinfo=UTC)
    transfer = TransferReport(at, "sent", 0, 3, ("s3://bucket: there is no such bucket",))
    report = IngestReport({}, (), (), row_count=5, undone_count=0, transfer=transfer)
    monkeypatch.setattr(jobs.collect.ingest, "ingest", lambda *_, **__: report)
    with pytest.raises(SharedLandingFailed, match="no such bucket"):
        flows.tasks.ingest.fn()
    report = replace(report, transfer=replace(transfer, messages=()))
    monkeypatch.setattr(jobs.collect.ingest, "ingest", lambda *_, **__: report)
    assert flows.tasks.ingest.fn() == 5


@pytest.mark.parametrize(
    "given",
    [
        datetime(2026, 1, 5, 7, 59, 59),  # noqa: DTZ001  (taken as UTC)
        datetime(2026, 1, 5, 7, tzinfo=UTC),
        datetime.fromisoformat("2026-01-05T09:30+02:00"),
    ],
)
def test_a_given_hour_is_the_hour_of_the_instant_in_utc(given):
    assert hour_of_run(given) == datetime(2026, 1, 5, 7, tzinfo=UTC)


DUE = datetime(2026, 1, 5, 7, 2, tzinfo=UTC)


@pytest.fixture
def built(monkeypatch) -> list[datetime]:
    """Let `hourly` do nothing but note the hours it was to build."""
    hours: list[datetime] = []
    monkeypatch.setattr("flows.hourly.load", lambda: None)
    monkeypatch.setattr("flows.hourly.build_maps", hours.append)
    monkeypatch.setattr("flows.hourly.publish", lambda _: None)
    return hours


@pytest.fixture
def late_runs(request) -> list[FlowRun]:
    """Make a deployment of `hourly` with three runs that are late, an hour between them."""
    with get_client(sync_client=True) as client:
        flow_id = client.create_flow(hourly)
        deployment_id = client.create_deployment(flow_id, name=request.node.name)
        return [
            client.create_flow_run_from_deployment(
                deployment_id, state=Scheduled(scheduled_time=DUE + timedelta(hours=late))
            )
            for late in range(3)
        ]


def states(runs: list[FlowRun]) -> list[tuple[StateType, str]]:
    with get_client(sync_client=True) as client:
        found = [client.read_flow_run(run.id).state for run in runs]
    return [(state.type, state.name) for state in found]


SUPERSEDED = (StateType.CANCELLED, "Superseded")
WAITING = (StateType.SCHEDULED, "Scheduled")
DONE = (StateType.COMPLETED, "Completed")


@pytest.mark.parametrize("first", range(3))
def test_of_due_runs_the_first_to_start_does_the_work_of_all(late_runs, built, first):
    run_flow(hourly, flow_run=late_runs[first])
    assert built == [DUE.replace(minute=0) + timedelta(hours=2)]
    expected = [SUPERSEDED] * 3
    expected[first] = DONE
    assert states(late_runs) == expected


def test_a_run_for_a_given_hour_is_not_cancelled_and_cancels_none(late_runs, built):
    requested = DUE.replace(hour=3)
    with get_client(sync_client=True) as client:
        given = client.create_flow_run_from_deployment(
            late_runs[0].deployment_id,
            parameters={"as_of": requested.isoformat()},
            state=Scheduled(scheduled_time=DUE + timedelta(hours=5)),
        )
    run_flow(hourly, flow_run=late_runs[1])
    assert states([*late_runs, given]) == [SUPERSEDED, DONE, SUPERSEDED, WAITING]
    run_flow(hourly, flow_run=given, parameters={"as_of": requested})
    assert built == [DUE.replace(minute=0) + timedelta(hours=2), requested.replace(minute=0)]


def test_a_late_run_stands_for_its_own_hour_and_leaves_runs_that_are_not_due(built):
    with get_client(sync_client=True) as client:
        deployment_id = client.create_deployment(client.create_flow(hourly), name="future")
        due, future = (
            client.create_flow_run_from_deployment(
                deployment_id, state=Scheduled(scheduled_time=instant)
            )
            for instant in (DUE, datetime.now(UTC) + timedelta(days=1))
        )
    run_flow(hourly, flow_run=due)
    assert built == [DUE.replace(minute=0)]
    assert type(built[0]) is datetime
    assert states([due, future]) == [DONE, WAITING]


@flow
def after_publication() -> None:
    flows.tasks.copy_after_publication()


def test_a_copy_to_postgres_that_fails_does_not_fail_the_run(home, monkeypatch, caplog):
    monkeypatch.setenv("LIQHEAT_POSTGRES_URL", "postgresql://me:hunter2/x@db/heat")
    assert after_publication(return_state=True).is_completed()
    (record,) = (home / "runs").glob("*publish_postgres*.json")
    assert "its form is postgresql://" in record.read_text()
    assert "hunter2" not in record.read_text() + caplog.text


def test_the_watch_finds_a_home_without_a_collector_well():
    assert watch(return_state=True).is_completed()


def test_the_watch_fails_where_a_collector_has_stopped_and_says_what_to_do(home):
    (home / "positions.json").write_text('{"at": "2026-03-01T12:00:00+00:00"}')
    state = watch(return_state=True)
    assert state.is_failed()
    assert "start `liqheat collect-positions` again" in state.message
