"""A run leaves its record whatever happens to the warehouse, and status reads it there."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest
from typer.testing import CliRunner
from workbench import workshop

from cli.main import app
from jobs.collect.scope import configured_universe
from jobs.errors import NothingToDo
from jobs.pipeline import build_maps, load, rebuild
from jobs.read.status import read_status
from jobs.runs import read_runs, recorded_run, run_file, runs_folder
from jobs.settings import Settings
from jobs.writer import open_writer
from sources.errors import InputRejected
from warehouse.errors import WarehouseError

NOW = datetime(2026, 11, 1, 12, 30, tzinfo=UTC)


@pytest.fixture
def settings(tmp_path):
    return Settings(home=tmp_path / "home")


def ledger(settings):
    with workshop(settings.home) as shop:
        return shop.rows("select job, status, error from meta.pipeline_run order by started_at")


def test_a_run_is_in_its_file_and_in_the_warehouse(settings):
    load(settings)
    (run,) = read_runs(runs_folder(settings))
    assert (run.job, run.status, run.row_count, run.is_in_warehouse) == ("load", "done", 0, True)
    assert run.seconds > 0
    assert ledger(settings) == [("load", "done", None)]


def test_a_run_that_could_not_open_the_warehouse_is_named_and_taken_in_later(settings):
    settings.warehouse.parent.mkdir(parents=True)
    settings.warehouse.write_bytes(b"no database" * 1000)
    with pytest.raises(WarehouseError):
        build_maps(settings, as_of=NOW)
    problems = "\n".join(read_status(settings, now=datetime.now(UTC)).problems)
    assert "the last build ended as failed 0 min ago" in problems
    assert str(settings.warehouse) in problems
    settings.warehouse.unlink()
    load(settings)
    assert [row[:2] for row in ledger(settings)] == [("build", "failed"), ("load", "done")]
    assert all(run.is_in_warehouse for run in read_runs(runs_folder(settings)))


def test_an_error_after_the_warehouse_has_the_run_is_the_one_that_counts(settings):
    def fail_late():
        with run_file(settings, "fetch") as run:
            with open_writer(settings) as connection, recorded_run(connection, run):
                run.row_count = 7
            raise ValueError("late")

    with pytest.raises(ValueError, match="late"):
        fail_late()
    load(settings)
    assert ledger(settings) == [("fetch", "failed", "ValueError: late"), ("load", "done", None)]


def test_a_killed_run_is_stopped_not_running(settings):
    code = (
        "import os\nfrom jobs.runs import run_file\nfrom jobs.settings import Settings\n"
        f"with run_file(Settings(home={str(settings.home)!r}), 'ingest'):\n    os._exit(9)\n"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 9
    assert [run.status for run in read_runs(runs_folder(settings))] == ["stopped"]
    problems = read_status(settings, now=datetime.now(UTC)).problems
    assert any("the last ingest ended as stopped" in problem for problem in problems)
    load(settings)
    assert ledger(settings)[0] == ("ingest", "stopped", None)


def test_a_run_whose_number_another_process_has_is_stopped(settings):
    with run_file(settings, "ingest") as run:
        (path,) = runs_folder(settings).glob("*.json")
        own = json.loads(path.read_text())
        assert [each.status for each in read_runs(runs_folder(settings))] == ["running"]
        # As after a restart of a container, whose first process has number 1 again.
        path.write_text(json.dumps({**own, "process_start": "of-another-boot 12"}))
        assert [each.status for each in read_runs(runs_folder(settings))] == ["stopped"]
        # Records of earlier releases say nothing of the start.
        path.write_text(json.dumps({**own, "process_start": None}))
        assert [each.status for each in read_runs(runs_folder(settings))] == ["running"]
        assert run.process_start is not None


def test_only_the_last_run_of_a_job_keeps_its_file(settings):
    for _ in range(3):
        load(settings)
    assert len(list(runs_folder(settings).iterdir())) == 1
    assert len(ledger(settings)) == 3


def test_a_run_goes_on_where_its_record_cannot_be_written(settings, caplog):
    settings.home.mkdir()
    runs_folder(settings).write_text("a file where a folder belongs")
    load(settings)
    assert ledger(settings) == [("load", "done", None)]
    assert "cannot be recorded" in caplog.text


RUN = {"job": "build", "run_id": "x", "started_at": "2026-01-01T00:00:00Z", "status": "running"}


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{}",
        '{"job": 7}',
        "\x00",
        '"text"',
        "[" * 100_000,
        "1" * 6000,
        json.dumps({**RUN, "started_at": "2026-01-01T00:00:00"}),
    ],
)
def test_a_file_that_is_no_record_is_passed_over(settings, content, caplog):
    runs_folder(settings).mkdir(parents=True)
    (runs_folder(settings) / "20260101-ingest.json").write_text(content)
    assert read_runs(runs_folder(settings)) == []
    assert "is not a record of a run" in caplog.text


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_what_is_no_file_is_no_record(settings, make):
    runs_folder(settings).mkdir(parents=True)
    make(runs_folder(settings) / "20260101-ingest.json")
    assert read_runs(runs_folder(settings)) == []


def test_a_number_that_no_process_has_is_of_none_that_runs(settings):
    runs_folder(settings).mkdir(parents=True)
    content = json.dumps({**RUN, "process_id": 10**17})
    (runs_folder(settings) / "20260101-build.json").write_text(content)
    assert [run.status for run in read_runs(runs_folder(settings))] == ["stopped"]


FEED = {"venue": "okx", "is_complete": True, "is_connected": False, "dropped": 7}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("[]", "is not a report of the recorder"),
        ('{"at": "2026-11-01T12:30:00"}', "is not a report of the recorder"),
        ('{"at": "2026-11-01T12:30:00Z", "feeds": [5]}', "is not a report of the recorder"),
        ("[" * 100_000, "is not a report of the recorder"),
        ('{"at": "2026-11-01T12:00:00Z", "feeds": []}', "last reported 30 min ago"),
        (
            json.dumps({"at": "2026-11-01T12:30:00Z", "feeds": [FEED]}),
            "okx: the liquidation feed is not connected",
        ),
        (
            json.dumps({"at": "2026-11-01T12:30:00Z", "feeds": [FEED]}),
            "okx: 7 liquidations were lost",
        ),
    ],
)
def test_status_reads_what_the_recorder_reports(settings, content, said):
    settings.home.mkdir()
    (settings.home / "recorder.json").write_text(content)
    assert said in "\n".join(read_status(settings, now=NOW).problems)


def test_a_rebuild_from_nothing_is_refused_and_the_warehouse_stays(settings):
    settings.home.mkdir()
    settings.warehouse.write_bytes(b"damaged")
    with pytest.raises(NothingToDo, match="holds a file to rebuild from: put the backup"):
        rebuild(settings)
    assert settings.warehouse.read_bytes() == b"damaged"


def test_status_names_the_stale_hour_and_venues_never_reached(home, monkeypatch):
    (home / "universe.yaml").write_text("venues: [okx, gate]\n")
    with run_file(Settings(home=home), "ingest") as run:
        run.detail = {"venues": {"okx": {"messages": ["okx fetch_markets: HTTP 451"]}}}
    monkeypatch.setenv("LIQHEAT_HOME", str(home))
    shown = CliRunner().invoke(app, ["status", "--format", "json"])
    assert shown.exit_code == 1
    status = json.loads(shown.stdout)
    problems = "\n".join(status["problems"])
    assert "the newest map is for 2026-02-02 00:00" in problems
    assert "okx: never reached: okx fetch_markets: HTTP 451" in problems
    assert "gate: never reached, run `liqheat ingest`" in problems
    assert status["newest_map_at"] == "2026-02-02T00:00:00Z"
    assert {run["job"] for run in status["runs"]} >= {"ingest", "publish"}


def test_status_says_once_what_several_venues_and_the_last_run_say(settings):
    settings.home.mkdir()
    settings.universe_file.write_text("venues: [okx, gate\n")
    with pytest.raises(InputRejected) as broken, run_file(settings, "ingest"):
        configured_universe(settings)
    problems = read_status(settings, now=NOW).problems
    assert "\n".join(problems).count(str(broken.value)) == 1
    settings.universe_file.write_text("venues: [okx, gate]\n")
    with run_file(settings, "ingest") as run:
        run.detail = {
            "venues": {
                venue: {
                    "messages": [f"{venue} fetch_markets: no answer: {venue} GET http://{venue}/x"]
                }
                for venue in ("okx", "gate")
            }
        }
    problems = read_status(settings, now=NOW).problems
    message = "okx, gate: never reached: okx fetch_markets: no answer: okx GET http://okx/x"
    assert message in problems


def test_a_recorder_that_never_connected_is_not_called_complete(monkeypatch, tmp_path):
    from jobs.collect.stream import FeedReport

    monkeypatch.setenv("LIQHEAT_HOME", str(tmp_path))
    feeds = (FeedReport("bybit", is_complete=True),)
    monkeypatch.setattr("jobs.collect.stream.record_liquidations", lambda *_, **__: feeds)
    shown = CliRunner().invoke(app, ["record", "--seconds", "1"])
    assert shown.exit_code == 1
    assert "bybit: never connected; nothing was recorded" in shown.stderr
    feeds = (FeedReport("bybit", is_complete=True, has_connected=True, rows=3),)
    shown = CliRunner().invoke(app, ["record", "--seconds", "1"])
    assert shown.exit_code == 0
    assert "3 liquidations (complete while it ran)" in shown.stderr


@pytest.mark.parametrize("command", ["build", "run", "publish"])
def test_an_hour_that_has_not_come_is_refused(command, monkeypatch, tmp_path):
    monkeypatch.setenv("LIQHEAT_HOME", str(tmp_path / "home"))
    for instant in ("9999-01-01", f"{datetime.now(UTC) + timedelta(hours=2):%Y-%m-%dT%H:%M}"):
        shown = CliRunner().invoke(app, [command, "--as-of", instant])
        assert shown.exit_code == 2
        assert "has not come yet" in shown.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", [["build"], ["check"], ["publish"], ["bands", "BTC"]])
@pytest.mark.parametrize("instant", ["0001-01-01", "0001-01-01T00:00:00+14:00", "2009-12-31"])
def test_an_hour_before_there_were_venues_is_refused(command, instant, monkeypatch, tmp_path):
    monkeypatch.setenv("LIQHEAT_HOME", str(tmp_path / "home"))
    shown = CliRunner().invoke(app, [*command, "--as-of", instant])
    assert shown.exit_code == 2
    assert "give a later hour" in shown.stderr
    assert list(tmp_path.iterdir()) == []
