"""The page of `liqheat plot`, opened from a file without a network."""

import re

import pytest
from playwright.sync_api import expect
from workbench import END

from jobs.read.query import published_file
from jobs.settings import Settings
from plots.source import PublishedMaps
from plots.views import plot_asset, plot_comparison

MOST_BYTES = 1_500_000


def maps_of(home, asset):
    return PublishedMaps(published_file(Settings(home=home)), asset)


@pytest.fixture(scope="package")
def static_page(served_home, tmp_path_factory):
    """Return the page of all hours of the small market."""
    path = tmp_path_factory.mktemp("static") / "BTC.html"
    return plot_asset(maps_of(served_home, "BTC"), path, provider="turnover", days=7)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_page_from_a_file_draws_the_map_and_follows_the_cursor(
    open_page, static_page, colours, wait_until, scheme
):
    page = open_page(static_page.as_uri(), color_scheme=scheme, offline=True)
    assert static_page.stat().st_size < MOST_BYTES
    assert f"{END:%Y-%m-%d %H:%M}" in page.locator("header").inner_text()
    shown = colours(page)
    assert min(shown["cold"], shown["warm"]) > 1000
    assert (shown["light"] > 0.3 * shown["all"]) == (scheme == "light")
    box = page.locator("#chart").bounding_box()
    page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 0.7 * box["height"])
    expect(page.locator("#chart")).to_contain_text(re.compile(r"distance [\d.]+ % (above|below)"))
    before = page.locator("#chart").screenshot()
    for _ in range(5):
        page.mouse.wheel(0, -200)
    wait_until(page, lambda: page.locator("#chart").screenshot() != before)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(open_page, static_page, axe, serious_faults, scheme):
    assert serious_faults(open_page(static_page.as_uri(), color_scheme=scheme), axe) == []


def test_its_controls_change_the_drawing(open_page, static_page, colours, wait_until):
    page = open_page(static_page.as_uri())
    both = colours(page)
    page.locator("[name=side]").select_option("long")
    wait_until(page, lambda: colours(page)["warm"] < 0.2 * both["warm"])
    page.get_by_text("Reset").click()
    wait_until(page, lambda: colours(page)["warm"] == pytest.approx(both["warm"], rel=0.02))


def test_a_noisy_asset_is_drawn_under_its_warning_without_bands(open_page, served_home, tmp_path):
    path = tmp_path / "THIN.html"
    plot_asset(maps_of(served_home, "THIN"), path, provider="turnover", days=1)
    page = open_page(path.as_uri())
    assert "Grade C" in page.locator(".warning").inner_text()
    assert not page.locator("[name=bands]").is_checked()


def test_a_name_with_markup_in_it_is_text(open_page, served_home, markup, tmp_path):
    path = tmp_path / "page.html"
    plot_asset(maps_of(served_home, markup), path, provider="turnover", days=1)
    page = open_page(path.as_uri())
    assert markup in page.locator("h1").inner_text()
    assert page.locator("img").count() == 0


def test_a_phone_shows_it_without_scrolling_sideways(open_page, static_page):
    page = open_page(static_page.as_uri(), width=390, height=844)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_maps_side_by_side_need_no_script(
    open_page, served_home, tmp_path, axe, serious_faults, scheme
):
    path = plot_comparison(maps_of(served_home, "BTC"), tmp_path / "compared.html")
    page = open_page(path.as_uri(), wait=False, color_scheme=scheme, offline=True)
    assert page.locator("svg[role=img]").is_visible()
    assert page.locator("script").count() == 0
    assert serious_faults(page, axe) == []
