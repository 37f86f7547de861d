"""Intervals of recorded payments follow from their spacing, from a file to the 8-hour rate."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner
from workbench.hourly_files import invent_market, write_gate

from cli.main import app
from jobs.settings import Settings
from warehouse.connect import open_warehouse

SHARED = Path(__file__).parents[4] / "../shared"
CASE = SHARED / "cases/F01_funding_4h_unknown"
AVAX = SHARED / "data/market_1h/gate_AVAX_1h.parquet"


@pytest.fixture
def payments(tmp_path, monkeypatch):
    """Return what takes files in and returns their payments."""
    monkeypatch.setenv("LIQHEAT_HOME", str(tmp_path))

    def take_in(*arguments):
        CliRunner().invoke(app, ["import", *map(str, arguments)])
        with open_warehouse(Settings(home=tmp_path).warehouse) as connection:
            return connection.execute(
                "select funded_at, funding_interval_hours, funding_rate_8h_ratio "
                "from intermediate.int_funding_rate order by funded_at"
            ).fetchall()

    return take_in


def test_invented_payments_every_four_hours_count_twice_over_eight(payments, tmp_path):
    start = datetime(2026, 6, 20, tzinfo=UTC)
    times = [round((start + n * timedelta(hours=4)).timestamp()) for n in range(12)]
    lines = [f"AUCTIONUSDT,{at},0.0001" for at in times]
    (tmp_path / "funding.csv").write_text("\n".join(["symbol,ts,rate", *lines]) + "\n")
    (tmp_path / "funding.yaml").write_text(
        "description: payments of no known interval\nmatches: []\nvenue: binance\n"
        'instrument: {unified: "{base}/{quote}:{quote}", column: symbol, '
        'column_pattern: "{base}{quote}"}\n'
        "time: {column: ts, unit: seconds}\n"
        "funding_rate: {rate: rate, rate_unit: ratio}\n"
    )
    found = payments(tmp_path / "funding.csv", "--mapping", tmp_path / "funding.yaml")
    assert [(hours, rate) for _, hours, rate in found] == [(4, pytest.approx(0.0002))] * 12


def test_an_invented_contract_that_went_from_8_hours_to_one_and_back_is_followed(
    payments, tmp_path
):
    start, days = datetime(2026, 1, 1, tzinfo=UTC), 9
    truth = invent_market(start, days * 24, {"AVAX": 9.0})["AVAX"]
    hours = np.arange(days * 24)
    is_hourly = (hours >= 72) & (hours < 144)
    # The file repeats a payment until the next.
    paid = 1e-6 * (1 + np.where(is_hourly, hours, hours // 8 * 8))
    found = payments(write_gate(tmp_path, "AVAX", truth, paid))
    eras = Counter()
    for at, interval, _ in found:
        hour = (at - start) // timedelta(hours=1)
        eras["hourly" if 72 <= hour < 144 else "8 h", interval] += 1
    # The first payment of an era may belong to either interval.
    assert eras["8 h", 8] >= 16
    assert eras["hourly", 1] >= 70
    assert sum(eras.values()) == 9 + 72 + 9
    assert {interval for _, interval in eras} <= {8, 1, None}


@pytest.mark.skipif(not CASE.is_dir(), reason="no recorded case beside the project")
def test_payments_every_four_hours_count_twice_over_eight(payments):
    rates = [
        rate for _, _, rate in payments(CASE / "funding.csv", "--mapping", CASE / "funding.yaml")
    ]
    assert len(rates) == 30
    assert rates == pytest.approx([0.0002] * 30)


@pytest.mark.skipif(not AVAX.exists(), reason="no recorded market beside the project")
def test_a_contract_that_went_from_8_hours_to_one_and_back_is_followed(payments):
    # The recording repeats a rate until it changes, so that many payments are missing.
    eras = Counter()
    for at, hours, _ in payments(AVAX):
        is_hourly = datetime(2025, 6, 1, tzinfo=UTC) < at < datetime(2026, 2, 1, tzinfo=UTC)
        eras["hourly" if is_hourly else "8 h", hours] += 1
    assert eras == {("8 h", 8): 700, ("8 h", None): 15, ("hourly", 1): 362, ("hourly", None): 1}
