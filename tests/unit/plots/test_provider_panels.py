"""What the picture of providers side by side shows: shares, what each says more or less."""

import re
from datetime import UTC, datetime
from xml.etree import ElementTree

import numpy as np
import pytest
from workbench import END

from jobs.read.query import published_file
from jobs.settings import Settings
from plots.comparison_svg import draw_comparison
from plots.provider_panels import (
    ProviderComparison,
    ProviderShape,
    comparison_columns,
    read_comparison,
)
from plots.source import PublishedMaps
from warehouse.errors import NotPublished


def shape(name, longs, overlap=0.5, covered=(0.0, np.inf)):
    share = {"long": np.zeros(100), "short": np.zeros(100)}
    for place, part in longs.items():
        share["long"][place] = part
    return ProviderShape(name, share, covered, "standing, usd", overlap)


def comparison(*shapes):
    edges = 100.0 * np.exp(0.004 * (np.arange(101) - 50))
    return ProviderComparison(datetime(2026, 1, 1, tzinfo=UTC), 100.0, edges, list(shapes))


def drawn(column, side, kind):
    """Return where bars of a kind start and end in a column [%], by place."""
    (bars,) = [one for one in column.bars if (one.side, one.kind) == (side, kind)]
    places = np.flatnonzero(bars.end > bars.start)
    ends = [(round(100 * bars.start[at], 6), round(100 * bars.end[at], 6)) for at in places]
    return dict(zip(places.tolist(), ends, strict=True))


def test_each_column_shows_what_is_as_all_more_and_less():
    one, two, both = comparison_columns(
        comparison(shape("one", {10: 1.0}), shape("two", {10: 0.5, 20: 0.5}))
    )
    # The mean of the two is .75 and .25.
    assert drawn(one, "long", "shared") == {10: (0, 75)}
    assert drawn(one, "long", "more") == {10: (75, 100)}
    assert drawn(one, "long", "less") == {20: (0, 25)}
    assert drawn(two, "long", "more") == {20: (25, 50)}
    assert drawn(two, "long", "less") == {10: (50, 75)}
    assert drawn(both, "long", "mean") == {10: (0, 75), 20: (0, 25)}
    assert drawn(both, "long", "range") == {10: (50, 100), 20: (0, 50)}


def test_who_cannot_be_compared_is_shown_and_not_averaged():
    _, stale, both = comparison_columns(
        comparison(shape("one", {10: 1.0}), shape("stale", {20: 1.0}, overlap=None))
    )
    assert drawn(both, "long", "mean") == {10: (0, 100)}
    assert "not comparable" in stale.heading


def test_prices_a_provider_does_not_cover_are_marked():
    one, near, _ = comparison_columns(
        comparison(shape("one", {40: 1.0}), shape("near", {48: 1.0}, covered=(95.0, 105.0)))
    )
    assert one.uncovered == ()
    assert near.uncovered == (
        (pytest.approx(100 * np.exp(-0.2)), 95.0),
        (105.0, pytest.approx(100 * np.exp(0.2))),
    )


def rectangles(svg, name):
    """Return left, right, top, bottom of the bars of a class [px of the picture]."""
    found = []
    for line in re.findall(rf'<path class="{name}" d="([^"]*)"', svg):
        for bar in re.findall(r"M([\d.]+) ([\d.]+)H([\d.]+)v([\d.]+)", line):
            left, top, right, height = map(float, bar)
            found.append((left, right, top, top + height))
    return found


def test_the_picture_draws_bars_as_long_as_their_shares_and_dear_prices_on_top():
    svg = draw_comparison(comparison(shape("one", {10: 0.4, 90: 0.6}), shape("two", {10: 0.4})))
    ElementTree.fromstring(svg)  # noqa: S314
    low, high = sorted(rectangles(svg, "long mean"), key=lambda bar: -bar[2])
    assert low[1] / high[1] == pytest.approx(0.4 / 0.3, rel=0.01)
    assert high[3] < low[2]
    # The price itself lies in the middle of the prices drawn.
    line = float(re.search(r'class="price" d="M[\d.]+ ([\d.]+)H', svg).group(1))
    assert (low[2] + high[3]) / 2 == pytest.approx(line, abs=8)


def test_a_price_under_the_cursor_shows_its_figures():
    svg = draw_comparison(comparison(shape("one", {10: 1.0}), shape("two", {10: 0.5, 20: 0.5})))
    titles = re.findall(r"<title>([^<]*)</title>", svg)
    assert any(title.endswith("longs 100.00 % of side, mean of all 75.00 %") for title in titles)
    assert any("mean 75.00 % of side, least 50.00 %, most 100.00 %" in title for title in titles)


def test_a_name_with_markup_in_it_is_shown_as_text():
    svg = draw_comparison(comparison(shape("<b>&one", {10: 1.0}), shape("two", {10: 1.0})))
    ElementTree.fromstring(svg)  # noqa: S314
    assert "<b>" not in svg


def test_shares_of_a_side_sum_to_one_in_what_is_published(small_home):
    data = read_comparison(PublishedMaps(published_file(Settings(home=small_home)), "BTC"))
    assert data.as_of == END
    assert len(data.edges) == 101
    assert data.edges[0] < data.price < data.edges[-1]
    for one in data.providers:
        for share in one.share.values():
            assert share.sum() == pytest.approx(1)
    overlaps = [one.overlap for one in data.providers]
    assert overlaps == sorted(overlaps, reverse=True)


def test_nobody_to_compare_is_said(small_home):
    with pytest.raises(NotPublished, match="fewer than two providers have a map of NOPE"):
        read_comparison(PublishedMaps(published_file(Settings(home=small_home)), "NOPE"))
