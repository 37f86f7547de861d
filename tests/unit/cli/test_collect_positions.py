import io
import signal
import subprocess
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from rich.console import Console
from typer.testing import CliRunner
from workbench.collector_reports import collector_report

from cli import collect_positions
from cli.main import app
from jobs.positions.book_file import sole_collector

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
NOBODY = "http://127.0.0.1:9"
REPORT = collector_report(
    AT,
    accounts=51_203,
    accounts_with_positions=12_345,
    positions=31_000,
    sweeps_per_minute=478,
    weight_last_minute=958.0,
    oldest_large_seconds=1860.0,
    oldest_seconds=45_000.0,
    btc_observed_ratio=0.84,
)


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("LIQHEAT_HOME", str(tmp_path))
    monkeypatch.setenv("LIQHEAT_POSITIONS_URL", NOBODY)
    return tmp_path


def test_a_line_says_what_is_known_how_old_it_is_and_what_it_costs():
    line = collect_positions.line_of(REPORT)
    assert "51,203 known, 12,345 with 31,000 positions, 3 waiting" in line
    assert "478 states in the last minute, weight 958 of 1,200" in line
    assert "31 min of large accounts and those near liquidation, 12.5 h of all" in line
    assert "84% observed" in line
    assert "trades: connected" in line
    assert "no map" not in line
    assert "error" not in line


def test_what_goes_wrong_is_among_the_figures():
    figures = collect_positions.figures_of(
        replace(
            REPORT,
            is_stream_connected=False,
            last_map_reason="no account was seen",
            last_error="refused",
            last_error_at=AT,
            btc_observed_ratio=None,
            last_map_at=None,
        )
    )
    assert figures["trades"] == "not connected"
    assert figures["no map"] == "no account was seen"
    assert figures["last error"] == "12:00 refused"
    assert figures["open interest of BTC"] == "not known"
    assert figures["last map"] == "none yet"


def test_figures_fit_a_narrow_terminal():
    console = Console(width=60, record=True, file=io.StringIO())
    console.print(collect_positions._table_of(collect_positions.figures_of(REPORT)))
    lines = console.export_text().splitlines()
    assert max(map(len, lines)) <= 60
    assert any("51,203" in line for line in lines)


def test_a_home_without_network_fails_with_the_reason(home):
    ran = CliRunner().invoke(app, ["collect-positions", "--seconds", "1"])
    assert ran.exit_code == 1
    assert "nothing was received: " in ran.output
    assert "check the network" in ran.output


def test_a_second_collector_of_a_home_is_refused(home):
    with sole_collector(home / "positions"):
        ran = CliRunner().invoke(app, ["collect-positions", "--seconds", "1"])
    assert ran.exit_code == 1
    assert "another collector is running on this home" in ran.output


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_stops_in_order_on_request(home, number):
    process = subprocess.Popen(
        [sys.executable, "-c", "from cli.main import app; app()", "collect-positions"],
        stderr=subprocess.PIPE,
        text=True,
    )
    report = home / "positions.json"
    until = time.monotonic() + 60
    while not report.exists() and time.monotonic() < until:
        time.sleep(0.05)
    process.send_signal(number)
    _, actual = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "accounts: 0 known" in actual
    assert "Traceback" not in actual
    assert not (home / "positions" / "accounts.sqlite-wal").exists()
