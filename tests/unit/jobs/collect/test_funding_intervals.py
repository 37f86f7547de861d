"""Intervals of recorded payments follow from their spacing, from a file to the 8-hour rate."""

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

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
