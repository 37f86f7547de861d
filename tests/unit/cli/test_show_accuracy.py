"""`liqheat accuracy` on hours whose liquidations follow the path's ledger."""

import csv
import io
import json
from datetime import UTC, datetime, timedelta

import pytest
from workbench.realised_hours import add_asset

from cli.published import known_hour
from jobs.calibrate.calibrate import calibrate
from jobs.publish.publish import publish
from jobs.read.skill_words import held_note, outlook_note
from jobs.settings import Settings
from warehouse.connect import open_warehouse

AS_OF = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=70)


@pytest.fixture(scope="module")
def home_of_commands(tmp_path_factory):
    settings = Settings(home=tmp_path_factory.mktemp("accuracy"), threads=1)
    with open_warehouse(settings.warehouse) as connection:
        add_asset(connection, "BTC", 70, is_complete=False)
        add_asset(connection, "NONE", 70, 2, realise=lambda usd, hour: usd + float("nan"))
    calibrate(settings, as_of=AS_OF)
    publish(settings, as_of=AS_OF)
    return settings.home


def test_the_verdict_is_in_words(run):
    shown = " ".join(run("accuracy", "btc").stdout.split())
    assert f"BTC, 30 days to {AS_OF:%Y-%m-%d %H:%M} UTC" in shown
    assert "published liquidations: okx by s; a lower bound" in shown
    assert "path_ledger: better than the path of price" in shown
    assert "turnover: worse than" in shown
    assert "known before the hour" in shown
    assert "places: no figures: no feed gives prices of liquidations" in shown
    assert "less than 90 days" in shown
    assert "map shown by default: turnover: the ledger has no published map" in shown
    assert f"24 h from {AS_OF:%Y-%m-%d %H:%M}: no figure: no map of the ledger at midnight" in shown


def test_the_outlook_is_a_sentence_about_both_sides():
    side = {"as_of": AS_OF, "reason": None, "capture_ratio": 0.5, "expected_q10_usd": 1e6}
    sides = [
        side | {"side": "long", "expected_usd": 3e6, "expected_q90_usd": 9e6},
        side | {"side": "short", "expected_usd": 4e6, "expected_q90_usd": 8e6},
    ]
    (said,) = outlook_note(sides)
    assert f"24 h from {AS_OF:%Y-%m-%d %H:%M}, over paths of recent volatility: longs" in said
    assert said.count("80 %:") == 2
    assert "no statement about direction" in said
    assert "capture is not known" not in said
    (said,) = outlook_note([one | {"capture_ratio": None} for one in sides])
    assert "capture is not known and counts as 1" in said
    assert outlook_note([]) == []


def test_how_often_the_interval_of_a_day_held_is_a_sentence():
    held = {
        "day_count": 25,
        "amount_count": 50,
        "in_interval_count": 42,
        "below_count": 1,
        "above_count": 7,
        "expected_ratio": 0.96,
        "is_lower_bound": True,
    }
    assert held_note(held) == [
        "outlooks of 25 days with published amounts (lower bounds): 42 of 50 in the 80 % "
        "interval, 1 below, 7 above; expected / published 0.96."
    ]
    assert "outlooks of 1 day with" in held_note(held | {"day_count": 1})[0]
    assert held_note(None) == []


def test_rows_have_every_model_null_and_window(run):
    rows = json.loads(run("accuracy", "BTC", "--format", "json").stdout)
    assert {row["window_days"] for row in rows} == {7, 30, 90}
    assert {"training_mean", "extension_glm", "path_only"} <= {row["null_model"] for row in rows}
    assert {row["asset"] for row in rows} == {"BTC"}
    table = list(csv.DictReader(io.StringIO(run("accuracy", "BTC", "--format", "csv").stdout)))
    assert len(table) == len(rows)
    longest = [row for row in rows if row["window_days"] == 90]
    assert all(row["reason"] and row["deviance_removed_ratio"] is None for row in longest)


def test_without_a_feed_there_is_a_reason_and_no_figure(run):
    shown = " ".join(run("accuracy", "NONE").stdout.split())
    assert "no figures: no feed publishes its liquidations" in shown


def test_an_asset_without_skill_is_refused_with_what_to_run(run):
    assert "liqheat calibrate" in run("accuracy", "ETH", code=1).stderr


def test_a_home_of_recorded_data_is_scored_up_to_its_own_end(small_home, tmp_path):
    newest = known_hour(Settings(home=small_home), None)
    assert newest < datetime.now(UTC) - timedelta(days=1)
    earlier = newest - timedelta(hours=5)
    assert known_hour(Settings(home=small_home), earlier) == earlier
    now = datetime.now(UTC)
    assert now - timedelta(hours=2) < known_hour(Settings(home=tmp_path), None) <= now
