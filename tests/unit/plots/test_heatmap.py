"""What the heatmap page shows first, what it holds beside that, and where there is little."""

import dataclasses
import math
from datetime import UTC, datetime, timedelta

import duckdb
import numpy as np
import pytest
from workbench import END

from jobs.read.query import published_file
from jobs.settings import Settings
from plots.heatmap import FOLLOW_VIEW, draw_heatmap
from plots.heatmap_data import PlotData, read_plot_data
from plots.source import PublishedMaps
from plots.style import write_figure

MAP = {"provider": "turnover", "days": 0.5, "reach_ratio": 0.1}


@pytest.fixture(scope="module")
def without_bars(changed_file):
    """Return the published file of the small market, robbed of its hours."""
    return changed_file("delete from marts.market_context_hourly")


def test_a_map_without_bars_is_drawn_around_its_own_price(without_bars):
    data = read_plot_data(PublishedMaps(without_bars, "BTC"), **MAP)
    assert data.hours[-1].replace(tzinfo=END.tzinfo) == END
    assert (data.candles["high"] == data.candles["low"]).all()
    price = data.candles["close"][-1]
    assert data.bin_edges[0] < price < data.bin_edges[-1]
    assert draw_heatmap(data, title="t", subtitle="s").data


def test_the_page_opens_on_three_times_the_volatility_of_a_day(small_home):
    published = published_file(Settings(home=small_home))
    data = read_plot_data(PublishedMaps(published, "BTC"), provider="turnover", days=0.5)
    with duckdb.connect(str(published), read_only=True) as reader:
        ((sigma, price),) = reader.execute(
            "select distinct volatility_day_ratio, price from marts.liquidation_bands_hourly "
            "where asset = 'BTC' and venue = 'all' and as_of = ? and provider = 'turnover'",
            [END],
        ).fetchall()
    reach = min(max(3 * sigma, 0.03), 0.3)
    assert data.view[0] == pytest.approx(min(price * (1 - reach), data.candles["low"].min()))
    assert data.view[1] == pytest.approx(max(price * (1 + reach), data.candles["high"].max()))
    # The rest of the map is there to zoom to.
    assert data.bin_edges[0] < 0.8 * data.view[0]
    assert data.bin_edges[-1] > 1.2 * data.view[1]


def made_up(**told):
    """Return a map of 100 bins and 4 hours: 1 USD a bin near price, a million far away."""
    hours = [datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=k) for k in range(4)]
    edges = 100.0 * np.exp(0.002 * (np.arange(101) - 50))
    far = np.abs(np.arange(100) - 49.5) > 30
    held = np.repeat(np.where(far, 1e6, 1.0)[:, None], 4, axis=1)
    is_long = (np.arange(100) < 50)[:, None]
    data = PlotData(
        hours=hours,
        candles={name: np.full(4, 100.0) for name in ("open", "high", "low", "close")},
        bin_edges=edges,
        liquidation_usd={
            "long": np.where(is_long, held, np.nan),
            "short": np.where(is_long, np.nan, held),
        },
        start_up_usd={side: np.full((100, 4), np.nan) for side in ("long", "short")},
        interval_usd={side: np.full((2, 100), np.nan) for side in ("long", "short")},
        is_warm_up=np.zeros(4, np.bool_),
        unit="usd",
        semantics="standing",
        view=(97.0, 103.0),
    )
    return dataclasses.replace(data, **told)


def traces(figure, kind):
    return [trace for trace in figure.data if trace.type == kind]


def test_colours_and_profile_follow_what_is_in_view():
    figure = draw_heatmap(made_up(), title="t", subtitle="s")
    for trace in traces(figure, "heatmap"):
        # What stands near is as bright as anything in view, however much stands far away.
        assert trace.zmax == pytest.approx(math.asinh(1.0))
        assert np.nanmin(trace.z) == pytest.approx(trace.zmax)
    assert figure.layout.xaxis2.range[1] == pytest.approx(1.05e-6)
    assert list(figure.layout.yaxis.range) == pytest.approx(np.log10([97.0, 103.0]))


def test_start_up_mass_is_veiled_and_told_in_the_title():
    plain = draw_heatmap(made_up(), title="t", subtitle="s")
    assert len(traces(plain, "heatmap")) == 2
    assert "start-up" not in plain.layout.title.text
    data = made_up()
    started = {"long": 0.25 * data.liquidation_usd["long"], "short": data.start_up_usd["short"]}
    veiled = draw_heatmap(made_up(start_up_usd=started), title="t", subtitle="s")
    (veil,) = (trace for trace in traces(veiled, "heatmap") if "start-up" in trace.name)
    assert veil.showlegend
    assert np.nanmax(veil.z) == pytest.approx(0.25)
    assert np.isnan(veil.z[50:]).all()
    assert "25 % of longs and 0 % of shorts in view" in veiled.layout.title.text


def test_the_interval_of_a_fitted_map_lies_over_its_profile():
    assert "interval" not in draw_heatmap(made_up(), title="t", subtitle="s").layout.title.text
    held = made_up().liquidation_usd
    interval = {side: np.stack((held[side][:, -1] / 2, held[side][:, -1] * 3)) for side in held}
    figure = draw_heatmap(made_up(interval_usd=interval), title="t", subtitle="s")
    longs, shorts = (trace for trace in figure.data if trace.meta == "interval")
    assert longs.base[49] == pytest.approx(0.5e-6)
    assert longs.base[49] + longs.x[49] == pytest.approx(3e-6)
    assert shorts.x[49] == 0.0
    assert "80 % interval" in figure.layout.title.text
    # The axis has room for the upper ends in view.
    assert figure.layout.xaxis2.range[1] == pytest.approx(1.05 * 3e-6)


def test_hours_of_warm_up_are_marked():
    figure = draw_heatmap(
        made_up(is_warm_up=np.array([True, True, False, True])), title="t", subtitle="s"
    )
    strips = [shape for shape in figure.layout.shapes if shape.type == "rect"]
    hour = timedelta(hours=1)
    assert [strip.x1 - strip.x0 for strip in strips] == [2 * hour, hour]
    assert any("warm-up" in note.text for note in figure.layout.annotations)


def test_the_page_carries_what_follows_the_zoom(tmp_path):
    figure = draw_heatmap(made_up(), title="t", subtitle="s")
    page = tmp_path / "page.html"
    write_figure(figure, page, script=FOLLOW_VIEW.read_text(encoding="utf-8"))
    text = page.read_text()
    assert "plotly_relayout', fit" in text
    assert "{plot_id}" not in text
    assert "<script src=" not in text


def test_start_up_mass_sets_no_colour():
    data = made_up()
    lump = data.liquidation_usd["long"].copy()
    lump[49] = 1e9
    started = np.full_like(lump, np.nan)
    started[49] = 1e9 - 1.0
    figure = draw_heatmap(
        made_up(
            liquidation_usd={**data.liquidation_usd, "long": lump},
            start_up_usd={**data.start_up_usd, "long": started},
        ),
        title="t",
        subtitle="s",
    )
    assert traces(figure, "heatmap")[0].zmax == pytest.approx(math.asinh(1.0))
    assert figure.layout.xaxis2.range[1] == pytest.approx(1.05e-6)
    (tail,) = (
        bar
        for bar in traces(figure, "bar")
        if bar.name != "shorts" and bar.base is not None and np.any(bar.x)
    )
    assert (tail.base[49], tail.x[49]) == (pytest.approx(1e-6), pytest.approx(1e3))
