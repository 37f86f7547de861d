"""The commands that check and that say which assets can be trusted, on the small market."""

import csv
import io
import json
import shutil
from pathlib import Path

import duckdb
import pytest
from typer.testing import CliRunner
from workbench import END, HOUR

from jobs.check.run_suites import check
from jobs.errors import NothingToDo
from jobs.publish.publish import publish
from jobs.read.query import published_file
from jobs.read.verdicts import read_verdicts, summary
from jobs.settings import Settings

RUNNER = CliRunner()


@pytest.fixture(scope="module")
def checked_home(small_home, tmp_path_factory):
    """Return the small market checked and published; read only."""
    home = Path(shutil.copytree(small_home, tmp_path_factory.mktemp("checked") / "home"))
    settings = Settings(home=home, threads=1)
    check(settings, as_of=END)
    publish(settings, as_of=END)
    return home


@pytest.fixture
def home_of_commands(checked_home):
    return checked_home


def test_reasons_of_a_thin_asset_are_in_words(run):
    output = run("quality", "thin").stdout
    assert output.startswith(f"THIN at {END:%Y-%m-%d %H:%M} UTC: grade C, not fit to act on")
    assert "(low-cap and noisy)" in output
    assert "sim_alpha: grade C" in output
    assert "doubt: whale concentration 0." in output
    assert "wanted at most 0.3" in output
    assert "wanted at least 5,000,000 [USD]" in output
    assert (
        "to know: warm up: what stood before the first bar was placed without being seen" in output
    )


def test_all_gates_of_a_sound_asset_hold(run):
    output = run("quality", "BTC").stdout
    assert "BTC at" in output
    assert "grade A, all gates hold." in output
    assert "USD of open interest on 2 venues, 100 % of it on venues graded A" in output
    assert "doubt" not in output


def test_all_assets_come_as_rows_worst_first(run):
    rows = json.loads(run("quality", "--format", "json").stdout)
    assert [(row["asset"], row["venue"], row["grade"]) for row in rows] == [
        ("THIN", "all", "C"),
        ("BTC", "all", "A"),
    ]
    assert "whale_concentration" in rows[0]["reasons"]
    table = run("quality").stdout
    assert "warm_up" not in table
    assert "THIN" in table


def test_one_asset_comes_as_rows_too(run):
    output = run("quality", "thin", "--format", "csv").stdout
    venues = [row["venue"] for row in csv.DictReader(io.StringIO(output))]
    assert venues[0] == "all"
    assert set(venues) == {"all", "sim_alpha", "sim_gamma"}


def test_an_unknown_asset_is_answered_with_the_known_ones(run):
    assert "btx has not been graded; try BTC" in run("quality", "btx", code=1).stderr


def test_an_hour_before_the_first_is_an_error(run):
    assert (
        "nothing was graded by that hour" in run("quality", "--as-of", "2020-01-01", code=1).stderr
    )


def test_checks_that_failed_are_shown_and_all_of_them_as_rows(
    run, home, without_pages, monkeypatch
):
    monkeypatch.setenv("LIQHEAT_HOME", str(home))
    result = run("check", "--as-of", f"{END:%Y-%m-%dT%H:%M:%S}", "--hours", "2")
    assert "single_bar_change" in result.stdout
    assert "map_books" not in result.stdout
    assert "0 critical" in result.stderr
    assert "data_docs" in result.stderr
    result = run("check", "--as-of", f"{END:%Y-%m-%dT%H:%M:%S}", "--format", "json")
    assert "map_books" in {row["check"] for row in json.loads(result.stdout)}


def test_a_critical_check_ends_with_3_and_says_what_to_look_at(
    run, home, without_pages, monkeypatch
):
    monkeypatch.setenv("LIQHEAT_HOME", str(home))
    with duckdb.connect(str(home / "warehouse.duckdb")) as connection:
        connection.execute("update derived.heatmap set liquidation_usd = [-1.0]")
    result = run("check", "--as-of", f"{END:%Y-%m-%dT%H:%M:%S}", "--hours", "1", code=3)
    assert "map_not_negative" in result.stdout
    assert "stopped by quality: maps: map_not_negative fails for" in result.stderr


def test_verdicts_carry_unit_direction_and_why_of_each_reason(checked_home):
    whole, *venues = read_verdicts(Settings(home=checked_home), asset="thin")
    assert whole.venue == "all"
    assert summary(whole).startswith("grade C")
    sizes = [venue.open_interest_usd for venue in venues]
    assert sizes == sorted(sizes, reverse=True)
    reason = next(one for one in venues[0].doubts if one.name == "low_open_interest")
    assert (reason.unit, reason.direction, reason.gate) == ("USD", "at_least", 5e6)
    assert reason.measured < reason.gate
    assert {one.severity for one in venues[0].remarks} == {"information"}


def test_verdicts_of_an_earlier_hour_are_shown_on_request(checked_home):
    (first, *_) = read_verdicts(Settings(home=checked_home), as_of=END - 5 * HOUR)
    assert first.as_of == END - 5 * HOUR


def test_what_was_not_measured_is_said_so():
    from jobs.read.verdicts import Reason

    actual = Reason("unit_audit", None, 0.02, "hard", "relative", "at_most", "because").in_words()
    assert actual == "unit audit not measured, wanted at most 0.02 [relative]: because"
    assert Reason("map_jump", 0.25, None, "soft", "", "", "").in_words() == "map jump 0.25"


def test_nothing_graded_yet_is_reported(small_home, tmp_path):
    settings = Settings(home=tmp_path)
    settings.published.mkdir()
    copy = shutil.copyfile(published_file(Settings(home=small_home)), published_file(settings))
    with duckdb.connect(str(copy)) as connection:
        connection.execute("delete from marts.asset_quality_hourly")
    with pytest.raises(NothingToDo, match="no asset has been graded yet"):
        read_verdicts(settings)


def test_the_status_of_a_home_that_follows_no_venue_has_no_table_of_venues(run):
    assert run("status", code=1).stdout == ""
