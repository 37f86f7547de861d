"""The commands that set maps side by side, on the small market."""

import csv
import io
import json

import pytest
from typer.testing import CliRunner
from workbench import END

from cli.compare import band_notes, odds, percent, price, usd
from cli.main import app

RUNNER = CliRunner()


@pytest.fixture
def run(small_home, monkeypatch):
    monkeypatch.setenv("LIQHEAT_HOME", str(small_home))

    def run(*words, code=0):
        result = RUNNER.invoke(app, [*words])
        assert result.exit_code == code, result.output
        return result

    return run


def test_bands_show_both_sides_around_the_price(run):
    told = run("bands", "btc", "--hidden").stdout.splitlines()
    sides = [
        line.split()[0]
        for line in told
        if line.split() and line.split()[0] in ("shorts", "longs", "price")
    ]
    assert sides == sorted(sides, key=["shorts", "price", "longs"].index)
    assert {"shorts", "price", "longs"} == set(sides)
    assert f"{END:%Y-%m-%d %H:%M} UTC" in told[0]


def test_odds_are_said_to_know_nothing_of_the_band(run):
    told = " ".join(run("bands", "btc", "--hidden").stdout.split())
    assert "odds from distance and recent volatility alone" in told
    assert "they know nothing of the band" in told


def test_what_is_expected_of_each_side_is_shown_with_its_bands(run):
    rows = json.loads(run("bands", "btc", "--hidden", "--format", "json").stdout)
    told = run("bands", "btc", "--hidden").stdout
    for side in ("long", "short"):
        own = [row for row in rows if row["side"] == side]
        (total,) = {row["side_expected_forced_usd_24h"] for row in own}
        assert sum(row["expected_forced_usd_24h"] for row in own) <= total * (1 + 1e-9)
        (line,) = (line for line in told.splitlines() if line.split()[:2] == [f"{side}s", "all"])
        assert usd(total) in line


def test_bands_are_shown_up_to_a_distance_both_sides_always(run):
    def shown(*words):
        told = run("bands", "btc", "--hidden", "--format", "json", *words).stdout
        return [(row["side"], row["rank"]) for row in json.loads(told)]

    def near_edge(row):
        return max(row["price_low"] / row["price"] - 1, 1 - row["price_high"] / row["price"], 0)

    rows = json.loads(run("bands", "btc", "--hidden", "--format", "json").stdout)
    expected = [(row["side"], row["rank"]) for row in rows if near_edge(row) <= 0.05]
    assert shown("--within", "5") == expected
    assert 0 < len(expected) < len(rows)
    assert shown("--within", "25") == shown()
    told = run("bands", "btc", "--hidden", "--within", "0.1").stdout
    assert "none within 0.1 %, the next at" in told
    assert {line.split()[0] for line in told.splitlines()[2:7]} >= {"shorts", "price", "longs"}


def test_start_up_mass_that_was_left_out_is_named_with_its_band(run):
    rows = json.loads(run("bands", "btc", "--hidden", "--format", "json").stdout)
    assert not any("start-up" in note for note in band_notes(rows, 25))
    rows[0]["start_up_ratio"] = 0.92
    where = f"{price(rows[0]['price_low'])} - {price(rows[0]['price_high'])}"
    assert any(f"since: 92 % at {where}." in note for note in band_notes(rows, 25))


@pytest.mark.parametrize("within", ["0", "-1", "101", "far"])
def test_a_distance_that_is_none_is_wrong_usage(run, within):
    assert "--within" in run("bands", "btc", "--within", within, code=2).stderr


@pytest.mark.parametrize(
    ("value", "told"),
    [(None, ""), (0.001, "< 0.1 %"), (0.0044, "0.4 %"), (0.0994, "9.9 %"), (0.133, "13 %")],
)
def test_odds_are_never_printed_below_one_in_a_thousand(value, told):
    assert odds(value) == told


def test_bands_come_as_rows_too(run):
    rows = json.loads(run("bands", "btc", "--hidden", "--format", "json").stdout)
    assert {row["side"] for row in rows} == {"long", "short"}
    assert all(row["price_low"] < row["price_peak"] < row["price_high"] for row in rows)
    told = run("bands", "btc", "--hidden", "--format", "csv", "--provider", "consensus").stdout
    (first, *_) = csv.DictReader(io.StringIO(told))
    assert first["provider"] == "consensus"
    assert first["liquidation_usd"] == ""


def test_bands_of_a_noisy_asset_are_left_out_unless_asked_for(run):
    result = run("bands", "thin")
    assert result.stdout == ""
    assert "too noisy to act on (grade C)" in result.stderr
    assert "longs" in run("bands", "thin", "--hidden").stdout


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("bands", "nope"), "no bands of NOPE by turnover on all are published; there are: BTC"),
        (("bands", "btc", "--provider", "nobody"), "turnover on all"),
        (("bands", "btc", "--as-of", "2020-01-01"), "no bands of BTC"),
        (("disagreement", "nope"), "no two maps of NOPE"),
        (("disagreement", "btc", "--venue", "nowhere"), "there are of all"),
        (("assumptions", "btc"), "run `liqheat vary`"),
        (("plot", "btc", "--compare", "--venue", "nowhere"), "no two providers speak of BTC"),
    ],
)
def test_what_is_not_there_is_said_with_what_is(run, words, told):
    assert told in run(*words, code=1).stderr


def test_a_side_that_is_none_is_wrong_usage(run):
    assert "none of long, short, both" in run("disagreement", "btc", "--side", "up", code=2).stderr


def test_disagreement_lists_every_pair_and_explains_the_whole(run):
    told = run("disagreement", "btc").stdout
    rows = list(csv.DictReader(io.StringIO(run("disagreement", "btc", "--format", "csv").stdout)))
    providers = {row["provider_a"] for row in rows} | {row["provider_b"] for row in rows}
    assert {"turnover", "public_convention", "simulated_truth"} <= providers
    assert len(rows) == len(providers) * (len(providers) - 1) // 2
    assert {row["venue"] for row in rows} == {"all"}
    assert all(provider in told for provider in providers)
    assert "how far from price (leverage assumed)" in " ".join(told.split())


def test_other_venues_that_are_compared_are_named(run):
    assert "--venue sim_alpha, sim_gamma" in run("disagreement", "btc").stdout
    told = run("disagreement", "btc", "--venue", "sim_alpha", "--side", "long").stdout
    assert "longs, sim_alpha" in told


def test_providers_say_who_from_where_in_what_and_how_much(run):
    rows = json.loads(run("providers", "--format", "json").stdout)
    by_name = {row["provider"]: row for row in rows}
    truth = by_name["simulated_truth"]
    assert (truth["unit"], truth["semantics"]) == ("usd", "standing")
    assert truth["observed_ratio"] > 0.5
    assert by_name["turnover"]["from"] == "estimator: density"
    assert by_name["turnover"]["covered_ratio"] is None
    told = run("providers").stdout
    assert "speaks of" in told
    assert "standing, usd" in told


def test_plot_compares_in_one_page(run, tmp_path):
    page = tmp_path / "compared.html"
    run("plot", "btc", "--compare", "--output", str(page))
    text = page.read_text()
    assert "who says what" in text
    assert "public convention" in text
    assert "<script src=" not in text


@pytest.mark.parametrize(
    ("value", "told"),
    [(None, ""), (12.0, "12"), (1_500.0, "1.5 k"), (2.34e6, "2.3 M"), (1e9, "1.0 B")],
)
def test_amounts_are_told_for_the_eye(value, told):
    assert usd(value) == told


@pytest.mark.parametrize(
    ("value", "told"), [(92_794.3, "92,794"), (3_456.78, "3,456.8"), (0.123456, "0.12346")]
)
def test_prices_are_told_to_a_hundredth_of_a_percent(value, told):
    assert price(value) == told


def test_shares_are_told_in_percent():
    assert percent(0.5) == "50 %"
    assert percent(None) == ""
