"""The panel of what could be forced today, against the published rows it shows."""

import pytest
from workbench import END

from jobs.read.figures import odds, usd
from web.panels.today_panel import ZONES, read_today

BANDS = """
select * from marts.liquidation_bands_hourly
where asset = $asset and provider = $provider and venue = 'all' and as_of = $as_of
"""


@pytest.fixture
def bands(ask, published):
    return ask(published, BANDS, {"asset": "BTC", "provider": "turnover", "as_of": END})


def test_every_band_is_shown_with_its_figures(given, published, bands):
    panel = given(published, read_today, provider="turnover")
    shown = {(side.side, band.rank): band for side in panel.sides for band in side.bands}
    assert shown.keys() == {(row["side"], row["rank"]) for row in bands}
    for row in bands:
        band = shown[row["side"], row["rank"]]
        assert band.held == usd(row["liquidation_usd"])
        assert band.forced == usd(row["expected_forced_usd_24h"])
        assert band.touched == odds(row["touch_probability_24h_ratio"])
        away = 100 * (row["price_peak"] / row["price"] - 1)
        assert band.away == f"{away:+.1f} %"


def test_bands_lie_on_the_price_axis_with_price_between_the_sides(
    given, published, fragment, bands
):
    panel = given(published, read_today, provider="turnover")
    shorts, longs = panel.sides
    assert (shorts.side, longs.side) == ("short", "long")
    for side in panel.sides:
        peaks = {row["rank"]: row["price_peak"] for row in bands if row["side"] == side.side}
        order = [peaks[band.rank] for band in side.bands]
        assert order == sorted(order, reverse=True)
    words = fragment(published, "today", provider="turnover").text
    assert (
        words.index("all shorts") < words.index(f"price {panel.price}") < words.index("all longs")
    )


def test_the_headline_is_the_side_and_its_band_of_most_expected(given, published, bands):
    panel = given(published, read_today, provider="turnover")
    for side in panel.sides:
        top = max(
            (row for row in bands if row["side"] == side.side),
            key=lambda row: row["expected_forced_usd_24h"],
        )
        assert usd(top["expected_forced_usd_24h"]) in side.headline
        whole = usd(top["side_expected_forced_usd_24h"])
        assert side.headline.startswith(f"{side.side}s: {whole} USD expected to be forced in 24 h")


def test_what_venues_published_of_the_map_is_read_before_its_bands(given, published, fragment):
    panel = given(published, read_today, provider="turnover")
    assert panel.scale.startswith("in the week before, venues published ")
    assert not any(panel.scale in note for note in panel.notes)
    words = fragment(published, "today", provider="turnover").text
    assert words.index("in the week before") < words.index("all shorts")


def test_bands_beside_a_map_of_some_leverage_are_said_to_be_of_all(given, published):
    assert not given(published, read_today, provider="turnover").leverage
    assert "all leverage" in given(published, read_today, provider="turnover", tiers="50").leverage


def test_zones_add_up_what_their_bands_hold(given, published, bands):
    panel = given(published, read_today, provider="turnover")
    assert tuple(line.zone for line in panel.zones) == ZONES
    for line in panel.zones:
        for side, cells in (("long", line.long), ("short", line.short)):
            own = [row for row in bands if row["zone"] == line.zone and row["side"] == side]
            if own:
                assert cells[0] == str(len(own))
                assert cells[1] == usd(sum(row["liquidation_usd"] for row in own))
                assert cells[2] == usd(sum(row["expected_forced_usd_24h"] for row in own))
            else:
                assert cells == ("0", "", "")


def test_a_map_without_a_scale_shows_shares_and_says_so(given, published, fragment):
    panel = given(published, read_today, provider="consensus")
    assert all(band.held.endswith("of side") for side in panel.sides for band in side.bands)
    assert not panel.has_expected
    assert "no expected figure" in fragment(published, "today", provider="consensus").text


def test_a_noisy_asset_is_grey_and_says_why(fragment, changed_file):
    noisy = changed_file(
        "update marts.asset_quality_hourly set grade = 'C', "
        "reasons = [('frozen_open_interest', 0.3, 0.02, 'hard')] "
        "where asset = 'BTC' and venue = 'all'"
    )
    found = fragment(noisy, "today")
    assert "Grade C: too noisy to act on" in found.text
    assert "frozen open interest" in found.text
    (section,) = found.all("section")
    assert "is-noisy" in section["class"]


def test_bands_that_are_all_far_are_named_by_how_far(given, changed_file):
    calm = changed_file(
        "update marts.liquidation_bands_hourly set volatility_day_ratio = 0.0001, "
        "price_low = price * 1.05, price_high = price * 1.06, price_peak = price * 1.055 "
        "where side = 'short'"
    )
    shorts, _ = given(calm, read_today, provider="turnover").sides
    assert shorts.near == ()
    assert shorts.far
    assert shorts.near_missing == "no band within 3 %; the next is 5.0 % away"


def test_without_bands_there_are_words_not_an_empty_table(fragment, changed_file):
    none = changed_file("delete from marts.liquidation_bands_hourly")
    found = fragment(none, "today", provider="turnover")
    assert "no bands of BTC by turnover on all venues are published up to this hour" in found.text
    assert "liqheat run" in found.text
    assert not found.all("table")


def test_odds_that_are_not_known_are_said_to_be(fragment, changed_file):
    young = changed_file(
        "update marts.liquidation_bands_hourly set touch_probability_24h_ratio = null, "
        "expected_forced_usd_24h = null, side_expected_forced_usd_24h = null, "
        "volatility_day_ratio = null"
    )
    words = fragment(young, "today", provider="turnover").text
    assert "no odds: less than a day of returns is known" in words
    assert "not known" in words
