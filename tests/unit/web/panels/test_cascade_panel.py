"""The panel of moves of price, against the published scenarios."""

import numpy as np
import pytest
from workbench import END

from jobs.read.figures import price, usd
from web.panels.cascade_panel import forced_by, read_cascade

WHICH = "asset = 'BTC' and provider = $provider and venue = 'all' and as_of = $as_of"


@pytest.fixture
def scenarios(ask, published):
    def of(provider):
        return ask(
            published,
            f"select * from marts.cascade_scenarios_hourly where {WHICH} order by shock_ratio",
            {"provider": provider, "as_of": END},
        )

    return of


@pytest.mark.parametrize("provider", ["turnover", "public_convention", "path_ledger"])
def test_levels_up_to_a_move_hold_what_the_scenario_forces_first(
    ask, published, scenarios, provider
):
    bins = ask(
        published,
        f"select * from marts.liquidation_heatmap_hourly where {WHICH} order by price_low",
        {"provider": provider, "as_of": END},
    )
    rows = scenarios(provider)
    known = np.array([row["forced_first_usd"] for row in rows], np.float64)
    found = forced_by(bins, rows[0]["price"], np.array([row["shock_ratio"] for row in rows]))
    np.testing.assert_allclose(found, known, rtol=1e-5, atol=1.0)


def test_every_scenario_is_shown(given, published, scenarios):
    panel = given(published, read_cascade, provider="turnover")
    rows = scenarios("turnover")
    assert [line.move for line in panel.rows] == [
        f"{100 * row['shock_ratio']:+g} %" for row in reversed(rows)
    ]
    for line, row in zip(panel.rows, reversed(rows), strict=True):
        assert line.forced_first == usd(row["forced_first_usd"])
        assert line.forced == usd(row["forced_usd"])
        assert line.end_price == price(row["end_price"])
        assert line.side == f"{row['side']}s"


def test_a_move_that_is_published_is_answered_by_its_scenario(given, published, scenarios):
    panel = given(published, read_cascade, provider="turnover", shock=-5.0)
    (row,) = (row for row in scenarios("turnover") if row["shock_ratio"] == -0.05)
    said = " ".join(panel.answer)
    assert f"would force {usd(row['forced_first_usd'])} USD of longs by itself" in said
    assert price(row["end_price"]) in said
    assert [line.move for line in panel.rows if line.is_chosen] == ["-5 %"]


def test_a_move_between_scenarios_is_answered_by_both(given, published, scenarios):
    panel = given(published, read_cascade, provider="turnover", shock=4.0)
    ends = {row["shock_ratio"]: row["end_price"] for row in scenarios("turnover")}
    said = " ".join(panel.answer)
    assert "of shorts by itself" in said
    assert price(ends[0.03]) in said
    assert price(ends[0.05]) in said
    assert not any(line.is_chosen for line in panel.rows)


def test_a_move_beyond_all_scenarios_says_where_they_end(given, published):
    said = given(published, read_cascade, provider="turnover", shock=-15.0).answer[-1]
    assert said.startswith("Scenarios are published up to -10 %")
    near = given(published, read_cascade, provider="turnover", shock=0.5).answer[-1]
    assert "The smallest on this side is +1 %: there price would end at" in near


def test_the_form_keeps_the_view(fragment, published):
    found = fragment(published, "cascade", provider="turnover", venue="all", shock=-4.0)
    fields = {attributes["name"]: attributes.get("value") for attributes in found.all("input")}
    assert fields["provider"] == "turnover"
    assert fields["shock"] == "-4"
    assert fields["panel"] == "cascade"


def test_without_volume_only_what_is_forced_at_once_is_known(fragment, changed_file):
    thin = changed_file(
        "update marts.cascade_scenarios_hourly set volume_day_usd = null, forced_usd = null, "
        "end_price = null, slip_bps = null, amplification_ratio = null"
    )
    words = fragment(thin, "cascade", provider="turnover", shock=-3.0).text
    assert "Volume or volatility of the day is not known" in words
    assert "How far that would carry price is not known" in words
    assert "not known" in words


def test_a_map_without_a_scale_has_no_scenarios_and_says_why(fragment, published):
    words = fragment(published, "cascade", provider="consensus").text
    assert "no scale in USD; choose a provider" in words


def test_figures_beyond_the_map_are_lower_bounds(fragment, changed_file):
    edge = changed_file("update marts.cascade_scenarios_hourly set is_range_exhausted = true")
    assert "at least" in fragment(edge, "cascade", provider="turnover").text


def test_a_move_that_forces_nothing_goes_no_further(given, changed_file):
    empty = changed_file(
        "update marts.cascade_scenarios_hourly set forced_first_usd = 0, forced_usd = 0, "
        "slip_bps = 0, amplification_ratio = 1 where shock_ratio = -0.01"
    )
    panel = given(empty, read_cascade, provider="turnover")
    (line,) = (line for line in panel.rows if line.move == "-1 %")
    assert (line.forced, line.more, line.further) == ("0", "", "0.00 %")


def test_moves_on_an_asset_graded_c_stand_under_its_warning(fragment, changed_file):
    noisy = changed_file(
        "update marts.asset_quality_hourly set grade = 'C' where asset = 'BTC' and venue = 'all'"
    )
    assert "Grade C: too noisy to act on" in fragment(noisy, "cascade", provider="turnover").text
