"""What the picture of providers side by side shows: shares, what each says more or less."""

from datetime import UTC, datetime

import numpy as np
import pytest
from workbench import END

from jobs.read.query import published_file
from jobs.settings import Settings
from plots.provider_panels import (
    ProviderComparison,
    ProviderShape,
    draw_comparison,
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


def bars(figure, name, column):
    axis = "x" if column == 1 else f"x{column}"
    (trace,) = [one for one in figure.data if one.name == name and one.xaxis == axis]
    return [round(value, 6) for value in trace.x], [round(value, 6) for value in trace.base]


def test_each_column_tells_what_is_as_all_more_and_less():
    figure = draw_comparison(
        comparison(shape("one", {10: 1.0}), shape("two", {10: 0.5, 20: 0.5})),
        title="t",
        subtitle="s",
    )
    # The mean of the two is .75 and .25.
    assert bars(figure, "longs, as all", 1) == ([75], [0])
    assert bars(figure, "longs, more than all", 1) == ([25], [75])
    assert bars(figure, "longs, less than all", 1) == ([25], [0])
    assert bars(figure, "longs, more than all", 2) == ([25], [25])
    assert bars(figure, "longs, less than all", 2) == ([25], [50])
    assert bars(figure, "longs, mean", 3) == ([75, 25], [0, 0])
    assert bars(figure, "longs, least to most", 3) == ([50, 50], [50, 0])


def test_who_cannot_be_compared_is_shown_and_not_averaged():
    figure = draw_comparison(
        comparison(shape("one", {10: 1.0}), shape("stale", {20: 1.0}, overlap=None)),
        title="t",
        subtitle="s",
    )
    assert bars(figure, "longs, mean", 3) == ([100], [0])
    assert any("not comparable" in note.text for note in figure.layout.annotations)


def test_prices_a_provider_does_not_speak_of_are_marked():
    figure = draw_comparison(
        comparison(shape("one", {40: 1.0}), shape("near", {48: 1.0}, covered=(95.0, 105.0))),
        title="t",
        subtitle="s",
    )
    marked = [one for one in figure.layout.shapes if one.type == "rect"]
    assert {(round(one.y0, 3), round(one.y1, 3)) for one in marked} == {
        (round(100 * np.exp(-0.2), 3), 95.0),
        (105.0, round(100 * np.exp(0.2), 3)),
    }
    assert {one.xref.split()[0] for one in marked} == {"x2"}


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
