"""Commands of this release on a file that an earlier one published."""

import shutil

import duckdb
import pytest

from warehouse.published_versions import PUBLISHED_FILE

ADDED_TABLES = (
    "estimator_skill_daily",
    "liquidation_forecast_hourly",
    "calibration",
    "crowding_daily",
    "touch_reliability_daily",
)
ADDED_COLUMNS = ("liquidation_q10_usd", "liquidation_q50_usd", "liquidation_q90_usd")


@pytest.fixture(scope="module")
def home_of_commands(small_home, tmp_path_factory):
    """Return a home whose published file has neither intervals nor skill."""
    home = tmp_path_factory.mktemp("older")
    published = home / "published" / PUBLISHED_FILE
    published.parent.mkdir()
    shutil.copyfile((small_home / "published" / PUBLISHED_FILE).resolve(), published)
    with duckdb.connect(str(published)) as connection:
        for name in ADDED_TABLES:
            connection.execute(f"drop table marts.{name}")
        for name in ("liquidation_bands_hourly", "liquidation_heatmap_hourly"):
            _leave_out(connection, name)
    return home


def _leave_out(connection, name):
    ((kind,),) = connection.execute(
        "select if(table_type = 'VIEW', 'view', 'table') from information_schema.tables "
        "where table_schema = 'marts' and table_name = ?",
        [name],
    ).fetchall()
    connection.execute(f"alter {kind} marts.{name} rename to whole_{name}")
    connection.execute(
        f"create view marts.{name} as "
        f"select * exclude ({', '.join(ADDED_COLUMNS)}) from marts.whole_{name}"
    )


def test_bands_are_shown_without_intervals(run):
    shown = run("bands", "BTC", "--hidden").output
    assert {"shorts", "longs", "price"} <= {line.split()[0] for line in shown.splitlines() if line}
    assert "80 %" not in shown
    assert "map by turnover: no skill is published" in shown


def test_a_picture_is_drawn_without_intervals(run, tmp_path):
    run("plot", "BTC", "--output", str(tmp_path / "btc.html"))
    assert (tmp_path / "btc.html").stat().st_size > 0


def test_skill_that_was_never_published_is_named_with_what_to_run(run):
    assert "liqheat calibrate" in run("accuracy", "BTC", code=1).stderr
