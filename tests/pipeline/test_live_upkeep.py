"""Status names what is wrong; maintenance deletes what is used and requests the rest."""

import importlib
import re
from datetime import UTC, datetime, timedelta

import pytest
from standin import DAY, HOUR, synthetic_market
from typer.testing import CliRunner
from workbench.live import BAR, live_home

from cli.main import app
from jobs.collect.stream import record_liquidations
from jobs.maintain import maintain
from jobs.publish.publish import publish
from jobs.read.status import read_status
from sources.recorder import RecorderPolicy
from sources.universe import Universe

START = 1_772_323_200_000  # 2026-03-01


@pytest.fixture(scope="module")
def market():
    return synthetic_market(
        start=START, end=START + 60 * DAY, venues=("binance", "hyperliquid"), assets={"BTC": 7e4}
    )


@pytest.fixture
def home(tmp_path, market):
    with live_home(
        tmp_path / "home", market, START + DAY + 7_000, venues=("binance", "hyperliquid"),
        assets=("BTC",),
    ) as home:  # fmt: skip
        yield home


def test_status_of_nothing_says_what_to_run(tmp_path, monkeypatch):
    monkeypatch.setenv("LIQHEAT_HOME", str(tmp_path))
    answer = CliRunner().invoke(app, ["status"])
    assert answer.exit_code == 1
    assert "nothing is published yet: run `liqheat run`" in answer.output


def test_status_is_well_after_a_round_and_names_what_is_not(home):
    home.ingest()
    publish(home.settings, as_of=home.clock())
    now = datetime.now(UTC)
    status = read_status(home.settings, now=now)
    assert status.problems == ()
    assert [one.venue for one in status.venues] == ["binance", "hyperliquid"]
    assert status.venues[0].newest_bar_at == datetime(2026, 3, 1, 23, 55, tzinfo=UTC)
    assert status.venues[0].missing == status.venues[0].lost == 0
    assert {run.job for run in status.runs} >= {"ingest", "publish"}

    home.standin.now += HOUR
    home.standin.faults.add("server_error", venue="binance")
    home.ingest()
    publish(home.settings, as_of=home.clock())
    problems = "\n".join(read_status(home.settings, now=now + timedelta(hours=5)).problems)
    assert (
        "the published file is 4 h old" in problems or "the published file is 5 h old" in problems
    )
    assert "binance: the last round said: binance fetch_markets" in problems
    assert "binance: 0 instants" not in problems
    # With the other venue on its line where both are as old.
    assert re.search(r"^binance(, hyperliquid)?: nothing has landed for", problems, re.MULTILINE)
    assert "hyperliquid: the last round said" not in problems


def test_status_opens_no_warehouse(home):
    home.ingest()
    publish(home.settings, as_of=home.clock())
    home.settings.warehouse.unlink()
    assert read_status(home.settings, now=datetime.now(UTC)).problems == ()


def test_maintenance_deletes_loaded_files_only_and_forgets_their_names(home):
    home.ingest()
    landed = sorted(home.settings.landing.glob("*/*.parquet"))
    assert landed
    waiting = landed[0].with_name("import-of-mine.parquet")
    waiting.write_bytes(landed[0].read_bytes())
    rows = home.query("select count(*) from raw.ohlcv")
    home.standin.now += 8 * DAY
    report = maintain(
        home.settings, clock=home.clock, universe=home.universe, is_fetching=False, landing_days=7
    )
    assert report.moved_files == len(landed)
    assert waiting.exists()
    assert home.query("select count(*) from meta.landing_file") == [(0,)]
    assert home.query("select count(*) from raw.ohlcv") == rows


def test_maintenance_looks_at_all_gaps_and_asks_for_them(home):
    home.ingest()
    # Further back than rounds look.
    home.standin.now += 8 * DAY
    home.standin.faults.add("empty", venue="binance", endpoint="candles")
    for _ in range(2):
        home.standin.now += HOUR
        home.ingest()
    gaps = "select count(*) from marts.data_gaps where kind = 'ohlcv' and venue = 'binance'"
    assert home.query(gaps)[0][0] > 0
    home.standin.faults.clear()
    report = maintain(home.settings, clock=home.clock, universe=home.universe)
    assert report.ingested is not None
    assert report.ingested.undone_count == 0
    assert home.query(gaps) == [(0,)]
    jobs = {row[0] for row in home.query("select job from marts.pipeline_runs")}
    assert {"ingest", "maintain"} <= jobs


def test_recorded_liquidations_land_and_are_loaded_by_the_next_round(home):
    # The import takes seconds, which are not to be taken from the recording.
    importlib.import_module("ccxt.pro")
    home.standin.now = START + DAY + 7_000
    home.standin.run(speed=3600.0)
    reports = record_liquidations(
        home.settings,
        clock=home.clock,
        universe=Universe(venues=("binance", "hyperliquid"), assets=("BTC",)),
        seconds=4.0,
        policy=RecorderPolicy(landing_seconds=60.0, check_seconds=0.05),
    )
    home.standin.run(speed=0.0)
    assert [report.venue for report in reports] == ["binance"]
    assert reports[0].rows > 0
    files = sorted(home.settings.landing.glob("realised_liquidation/stream-binance-*.parquet"))
    assert files
    assert (home.settings.home / "recorder.json").exists()
    home.standin.now += BAR
    home.ingest()
    assert home.query("select count(*) from raw.realised_liquidation")[0][0] == reports[0].rows
    problems = read_status(home.settings, now=home.clock()).problems
    assert not any("could not be landed" in problem for problem in problems)
