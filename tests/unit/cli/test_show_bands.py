"""`liqheat bands` on the small market."""

import csv
import io
import json
import math

import pytest
from workbench import END

from jobs.read.band_table import band_notes
from jobs.read.figures import price, usd


def test_bands_show_both_sides_around_the_price(run):
    output = run("bands", "btc", "--hidden").stdout.splitlines()
    sides = [
        line.split()[0]
        for line in output
        if line.split() and line.split()[0] in ("shorts", "longs", "price")
    ]
    assert sides == sorted(sides, key=["shorts", "price", "longs"].index)
    assert {"shorts", "price", "longs"} == set(sides)
    assert f"{END:%Y-%m-%d %H:%M} UTC" in output[0]


def test_odds_are_said_to_know_nothing_of_the_band(run):
    output = " ".join(run("bands", "btc", "--hidden").stdout.split())
    assert "odds from distance, recent volatility and weekends" in output
    assert "without knowledge of the band" in output


def test_what_is_expected_of_each_side_is_shown_with_its_bands(run):
    rows = json.loads(run("bands", "btc", "--hidden", "--format", "json").stdout)
    output = run("bands", "btc", "--hidden").stdout
    for side in ("long", "short"):
        own = [row for row in rows if row["side"] == side]
        (total,) = {row["side_expected_forced_usd_24h"] for row in own}
        assert sum(row["expected_forced_usd_24h"] for row in own) <= total * (1 + 1e-9)
        (line,) = (line for line in output.splitlines() if line.split()[:2] == [f"{side}s", "all"])
        assert usd(total) in line


def test_bands_are_shown_up_to_a_distance_both_sides_always(run):
    def shown(*words):
        output = run("bands", "btc", "--hidden", "--format", "json", *words).stdout
        return [(row["side"], row["rank"]) for row in json.loads(output)]

    def near_edge(row):
        return max(row["price_low"] / row["price"] - 1, 1 - row["price_high"] / row["price"], 0)

    rows = json.loads(run("bands", "btc", "--hidden", "--format", "json").stdout)
    expected = [(row["side"], row["rank"]) for row in rows if near_edge(row) <= 0.05]
    assert shown("--within", "5") == expected
    assert 0 < len(expected) < len(rows)
    assert shown("--within", "25") == shown()
    output = run("bands", "btc", "--hidden", "--within", "0.1").stdout
    assert "none within 0.1 %, the next at" in output
    assert {line.split()[0] for line in output.splitlines()[2:7]} >= {"shorts", "price", "longs"}


def test_start_up_mass_that_was_left_out_is_named_with_its_band(run):
    rows = json.loads(run("bands", "btc", "--hidden", "--format", "json").stdout)
    assert not any("start-up" in note for note in band_notes(rows, 25))
    rows[0]["start_up_ratio"] = 0.92
    where = f"{price(rows[0]['price_low'])} - {price(rows[0]['price_high'])}"
    assert any(f"since: 92 % at {where}." in note for note in band_notes(rows, 25))


def test_what_20_percent_is_is_said():
    """Zones are of log price: a band at +21.8 % lies within 20 %."""
    below, above = (math.expm1(sign * 0.20) for sign in (-1, 1))
    said = f"20 % is {-100 * below:.0f} % below price and {100 * above:.0f} % above it."
    assert any(said in note for note in band_notes([], 25))


@pytest.mark.parametrize("within", ["0", "-1", "101", "far"])
def test_a_distance_that_is_none_is_wrong_usage(run, within):
    assert "--within" in run("bands", "btc", "--within", within, code=2).stderr


def test_bands_come_as_rows_too(run):
    rows = json.loads(run("bands", "btc", "--hidden", "--format", "json").stdout)
    assert {row["side"] for row in rows} == {"long", "short"}
    assert all(row["price_low"] < row["price_peak"] < row["price_high"] for row in rows)
    output = run("bands", "btc", "--hidden", "--format", "csv", "--provider", "consensus").stdout
    (first, *_) = csv.DictReader(io.StringIO(output))
    assert first["provider"] == "consensus"
    assert first["liquidation_usd"] == ""


def test_bands_of_a_noisy_asset_are_left_out_unless_requested(run):
    result = run("bands", "thin")
    assert result.stdout == ""
    assert "too noisy to act on (grade C)" in result.stderr
    assert "longs" in run("bands", "thin", "--hidden").stdout
