"""What the heatmap page shows where there is little to show."""

import shutil

import duckdb
import pytest
from workbench import END

from dashboard.heatmap_plot import draw_heatmap, read_plot_data
from jobs.reading import published_file
from jobs.settings import Settings

MAP = {"provider": "turnover", "venue": "all", "days": 0.5, "reach_ratio": 0.1}


@pytest.fixture(scope="module")
def without_bars(small_home, tmp_path_factory):
    """Return the published file of the small market, robbed of its hours."""
    copy = tmp_path_factory.mktemp("robbed") / "liqheat.duckdb"
    shutil.copy(published_file(Settings(home=small_home)), copy)
    with duckdb.connect(str(copy)) as writer:
        writer.execute("delete from marts.market_context_hourly")
    return copy


def test_a_map_without_bars_is_drawn_around_its_own_price(without_bars):
    data = read_plot_data(without_bars, "BTC", **MAP)
    assert data.hours[-1].replace(tzinfo=END.tzinfo) == END
    assert (data.candles["high"] == data.candles["low"]).all()
    price = data.candles["close"][-1]
    assert data.bin_edges[0] < price < data.bin_edges[-1]
    assert draw_heatmap(data, title="t", subtitle="s").data
