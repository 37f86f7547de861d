"""What `liqheat status` says of the collector of positions, by its last report."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from typer.testing import CliRunner
from workbench.collector_reports import collector_report

from cli.main import app
from jobs.positions.collector_report import report_path, write_report_file
from jobs.positions.outbox import _land_sealed
from jobs.read.collector_status import collector_line, collector_problems, read_collector
from jobs.read.status import _landed, read_status
from jobs.settings import Settings
from sources.records import make_batch
from sources.streaming import Outage

NOW = datetime(2026, 11, 1, 12, 30, tzinfo=UTC)
HOUR = timedelta(hours=1)
WELL = collector_report(
    NOW - timedelta(seconds=20), started_at=NOW - 50 * HOUR, last_map_at=NOW.replace(minute=0)
)


@pytest.fixture
def settings(tmp_path):
    return Settings(home=tmp_path)


def problems(**changes):
    return list(collector_problems(replace(WELL, **changes), NOW))


def test_a_collector_that_is_well_has_no_problem():
    assert problems() == []


def test_a_home_without_a_collector_has_none(settings):
    assert read_collector(settings, NOW) == (None, ())


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"at": NOW - 3 * HOUR}, "last reported 3 h ago: positions since then cannot be had later"),
        (
            {
                "is_stream_connected": False,
                "outages": (Outage(NOW - HOUR, None, "connection refused"),),
            },
            "the stream of trades is not connected, no account is found by it: connection refused",
        ),
        ({"at": NOW + HOUR}, "before the clock of this machine was set back: positions since then"),
        ({"clock_ahead_seconds": 3600.0}, "this machine's clock is 60 min ahead of the venue's"),
        ({"clock_ahead_seconds": -90.0}, "this machine's clock is 1 min behind the venue's"),
        ({"accounts": 0, "started_at": NOW - HOUR / 2}, "no account after 30 min"),
        ({"oldest_large_seconds": 7500.0}, "a position large or near liquidation is 2 h old"),
        ({"oldest_seconds": 30 * 3600.0}, "the oldest state of a position is 30 h old"),
        ({"last_map_reason": "no mark price"}, "the last hour has no map: no mark price"),
        ({"last_map_at": NOW - 5 * HOUR}, "no hourly map since 2026-11-01 07:30"),
        ({"last_map_at": None}, "no hourly map; look at the log"),
        ({"weight_limit": 600.0}, "600 of 1200 weight a minute is used"),
        ({"standing_error": "no room on the disk"}, "positions: no room on the disk"),
    ],
)
def test_each_fault_is_one_problem(changes, said):
    (problem,) = problems(**changes)
    assert said in problem


def test_stale_states_are_put_down_to_a_start_or_to_the_rate_limit():
    stale = {"oldest_large_seconds": 7500.0}
    assert "just started" in problems(**stale, started_at=NOW - HOUR / 2)[0]
    assert "than the rate limit allows for" in problems(**stale)[0]


def test_the_first_minutes_without_accounts_are_no_fault():
    assert problems(accounts=0, started_at=NOW - HOUR / 12, last_map_at=None) == []


def test_a_report_is_read_as_it_was_written(settings):
    report = replace(WELL, outages=(Outage(NOW - HOUR, NOW, "silence"),))
    write_report_file(settings, report)
    assert read_collector(settings, NOW) == (report, ())
    status = read_status(settings, now=NOW)
    assert status.collector == report


def test_a_file_that_is_no_report_is_named(settings):
    report_path(settings).write_text('{"at": 5}')
    report, (problem,) = read_collector(settings, NOW)
    assert report is None
    assert "is no report of the collector of positions: delete it" in problem


def test_the_line_says_how_many_how_old_and_what_share():
    assert collector_line(WELL, NOW) == (
        "positions: 50,012 accounts, 150,233 positions, 92 % of BTC open interest, oldest state "
        "19 h, of large or near ones 28 min, 587 states a minute, map 2026-11-01 12:00"
    )
    empty = replace(WELL, accounts=0, positions=0, btc_observed_ratio=None, last_map_at=None)
    assert collector_line(empty, NOW) == (
        "positions: 0 accounts, 0 positions, 587 states a minute, no map yet"
    )


def test_status_shows_the_line_and_the_problems(settings, monkeypatch):
    write_report_file(settings, WELL)
    monkeypatch.setenv("LIQHEAT_HOME", str(settings.home))
    shown = CliRunner().invoke(app, ["status"])
    assert shown.exit_code == 1
    assert "positions: 50,012 accounts" in shown.output
    assert "the collector of positions last reported" in shown.output


def test_what_the_collector_lands_does_not_pass_for_ingestion(settings):
    at = {"observed_at": NOW, "ingested_at": NOW}
    names = dict.fromkeys(("account_key", "venue_scope", "asset", "change", "side", "source"), "x")
    batch = make_batch("account_position", 1, {**names, **at, "quantity": 1.0})
    _land_sealed(batch, settings, "20261101T123000000000Z-1")
    assert set(_landed(settings.landing)) == {"hyperliquid_positions"}
