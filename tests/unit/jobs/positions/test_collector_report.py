import json
from datetime import UTC, datetime, timedelta

import pytest
from workbench.collector_reports import collector_report

from jobs.errors import CollectorStopped
from jobs.positions.collector_report import (
    report_path,
    watch_collector,
    write_report_file,
)
from jobs.settings import Settings
from sources.streaming import Outage

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def settings(tmp_path):
    return Settings(home=tmp_path)


@pytest.fixture
def report():
    return collector_report(AT, outages=(Outage(AT, None, "closed"),))


def test_a_home_where_it_never_ran_is_well(settings):
    assert watch_collector(settings, now=AT) is None


def test_a_collector_that_reports_is_well(settings, report):
    write_report_file(settings, report)
    assert watch_collector(settings, now=AT + timedelta(minutes=4)) == AT


@pytest.mark.parametrize("passed", [6, -60])
def test_a_collector_that_has_stopped_is_missed_also_by_a_clock_set_back(settings, report, passed):
    write_report_file(settings, report)
    with pytest.raises(CollectorStopped, match="since 2026-03-01 12:00 UTC: start `liqheat coll"):
        watch_collector(settings, now=AT + timedelta(minutes=passed))


@pytest.mark.parametrize("content", ["", "[]", '{"at": "soon"}', '{"at": "2026-03-01T12:00"}'])
def test_a_file_that_is_no_report_is_named(settings, content):
    report_path(settings).write_text(content)
    with pytest.raises(CollectorStopped, match=r"positions\.json is no report"):
        watch_collector(settings, now=AT)


def test_the_report_is_plain_json(settings, report):
    write_report_file(settings, report)
    written = json.loads(report_path(settings).read_text())
    assert written["at"] == AT.isoformat()
    assert written["outages"] == [
        {"began_at": AT.isoformat(), "ended_at": None, "reason": "closed"}
    ]
