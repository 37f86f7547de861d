"""What the self-contained page of a map carries, and when there is no map to draw."""

import base64
import json
import re
import zlib

import pytest
from workbench import END

from jobs.read.query import published_file
from jobs.settings import Settings
from plots.chart_modules import module_names, module_text
from plots.heatmap_page import bundled_modules
from plots.source import PublishedMaps
from plots.views import plot_asset
from warehouse.errors import NotPublished


def maps_of(home, asset="BTC", **chosen):
    return PublishedMaps(published_file(Settings(home=home)), asset, **chosen)


def page_of(home, folder, **chosen):
    options = {"provider": "turnover", "days": 1.0, **chosen}
    return plot_asset(maps_of(home), folder / "page.html", **options).read_text()


def unpacked(page, name):
    text = re.search(rf'<script type="text/plain" id="{name}">([^<]*)</script>', page).group(1)
    return zlib.decompress(base64.b64decode(text))


def header_of(grid):
    length = int.from_bytes(grid[:4], "little")
    return json.loads(grid[4 : 4 + length])


def test_a_module_comes_after_those_it_imports():
    before = []
    for name, source in bundled_modules():
        imported = re.findall(r"from ['\"]\./([\w.-]+)['\"]", source)
        assert set(imported) <= set(before)
        before.append(name)
    assert {"chart.js", "lightweight-charts.js", "raster.worker.js"} <= set(before)


def test_the_library_exports_what_is_imported_from_it():
    exported = module_text("lightweight-charts.js").rsplit("export const", 1)[1]
    assert "createChart" in exported
    assert "CandlestickSeries" in exported


def test_there_is_no_module_of_another_name():
    assert "chart.js" in module_names()
    with pytest.raises(KeyError):
        module_text("../static_page.css")


def test_the_page_carries_the_requested_hours(small_home, tmp_path):
    header = header_of(unpacked(page_of(small_home, tmp_path), "grid"))
    assert header["meta"]["asset"] == "BTC"
    (hours,) = [one for one in header["arrays"] if one["name"] == "hours"]
    assert hours["length"] == 24
    names = [name for name, _ in json.loads(unpacked(page_of(small_home, tmp_path), "modules"))]
    assert names == [name for name, _ in bundled_modules()]


def test_reach_is_that_of_the_map_unless_chosen(small_home, tmp_path):
    own = header_of(unpacked(page_of(small_home, tmp_path), "grid"))["meta"]["reach_ratio"]
    assert 0.03 <= own <= 0.3
    chosen = page_of(small_home, tmp_path, reach_ratio=0.07)
    assert header_of(unpacked(chosen, "grid"))["meta"]["reach_ratio"] == 0.07


def test_the_page_needs_nothing_else(small_home, tmp_path):
    page = page_of(small_home, tmp_path)
    assert not re.search(r"\b(?:src|href)=", page)
    assert "default-src 'none'" in page
    assert f"{END:%Y-%m-%d %H:%M}" in page
    assert "a level that most providers show" in page


def test_a_map_that_is_not_published_names_those_that_are(small_home, tmp_path):
    with pytest.raises(NotPublished, match=r"turnover on all"):
        page_of(small_home, tmp_path, provider="nobody")
    with pytest.raises(NotPublished, match=r"there are: BTC; THIN"):
        plot_asset(maps_of(small_home, "NOPE"), tmp_path / "x.html", provider="turnover", days=1)
