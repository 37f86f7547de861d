"""Maps as labelled arrays and tables as frames are the rows of the published file."""

from datetime import timedelta

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from warehouse.errors import NotPublished, QueryFailed
from warehouse.notebook import SIDES, read_map, read_table
from warehouse.read import open_published


@pytest.fixture(scope="module")
def published(small_home):
    return small_home / "published" / "liqheat.duckdb"


@pytest.fixture(scope="module")
def btc(published):
    return read_map(published, "BTC")


def test_a_map_has_the_bins_of_the_file(published, btc):
    with open_published(published) as reader:
        rows = reader.execute(
            "select as_of, side, price_low, price_high, liquidation_usd "
            "from marts.liquidation_heatmap_hourly where asset = 'BTC' and provider = 'turnover' "
            "and venue = 'all' and liquidation_usd > 0 order by as_of, side, price_low"
        ).fetchall()
    frame = btc.to_frame()
    columns = ["price_low", "price_high", "liquidation"]
    assert len(frame) == len(rows) > 1000
    np.testing.assert_array_equal(frame[columns], [row[2:] for row in rows])
    assert [row[0] for row in rows] == frame["as_of"].dt.to_pydatetime().tolist()
    assert [row[1] for row in rows] == frame["side"].tolist()


def test_labels_fit_the_array(btc):
    assert btc.liquidation.shape == (len(btc.as_of), len(SIDES), len(btc.price_low))
    assert btc.price.shape == btc.as_of.shape
    assert (np.diff(btc.as_of) > np.timedelta64(0)).all()
    np.testing.assert_array_equal(btc.price_low[1:], btc.price_high[:-1])
    assert [len(btc.coords[name]) for name in btc.dims] == list(btc.liquidation.shape)


def test_an_hour_without_a_side_is_nan_and_an_empty_bin_is_zero(changed_file, btc):
    last = btc.as_of[-1].astype(object)
    file = changed_file(
        "delete from marts.liquidation_heatmap_arrays "
        f"where as_of = '{last}' and side = 'long' and asset = 'BTC'"
    )
    changed = read_map(file, "BTC")
    assert np.isnan(changed.liquidation[-1, 0]).all()
    assert np.isfinite(changed.liquidation[-1, 1]).all()
    assert (changed.liquidation[-1, 1] == 0).any()


def test_hours_are_those_wanted(published, btc):
    until = btc.as_of[-2].astype(object)
    part = read_map(published, "BTC", hours=(until - timedelta(hours=2), until))
    np.testing.assert_array_equal(part.as_of, btc.as_of[-4:-1])
    assert np.nansum(part.liquidation) == pytest.approx(np.nansum(btc.liquidation[-4:-1]))


def test_the_newest_hours_come_by_default(published):
    assert len(read_map(published, "BTC").as_of) <= 168


@pytest.mark.parametrize(
    ("whose", "message"),
    [
        ({"asset": "NONE"}, "assets are BTC, THIN"),
        ({"asset": "BTC", "provider": "none"}, "providers .*turnover"),
        ({"asset": "BTC", "venue": "none"}, "venues all, sim_alpha"),
    ],
)
def test_a_map_that_is_not_there_names_those_that_are(published, whose, message):
    with pytest.raises(NotPublished, match=message):
        read_map(published, **whose)


def test_hours_without_a_map_say_which_there_are(published, btc):
    early = btc.as_of[0].astype(object) - timedelta(days=9)
    with pytest.raises(NotPublished, match="there are hours from 2026-01-"):
        read_map(published, "BTC", hours=(early, early))


def test_a_table_is_a_frame(small_home, published):
    frame = read_table(small_home, "assets")
    assert frame["asset"].tolist() == ["BTC", "THIN"]
    assert str(frame["as_of"].dt.tz) == "UTC"
    arrow = read_table(published, "marts.assets", as_="arrow")
    assert isinstance(arrow, pa.Table)
    pd.testing.assert_frame_equal(arrow.to_pandas(), frame)


def test_a_condition_takes_values(published):
    frame = read_table(published, "assets", where="asset = $asset", parameters={"asset": "THIN"})
    assert frame["asset"].tolist() == ["THIN"]


def test_a_name_that_is_not_there_says_what_is_close(published):
    with pytest.raises(QueryFailed, match=r"close to it are marts\.assets"):
        read_table(published, "asset")


def test_a_condition_reads_no_other_file(published, tmp_path):
    secret = tmp_path / "secret.csv"
    secret.write_text("a\n1\n")
    with pytest.raises(QueryFailed):
        read_table(published, "assets", where=f"1 = (select a from '{secret}')")


def test_without_polars_the_error_names_it(published):
    pytest.importorskip("polars")
    assert read_table(published, "assets", as_="polars").height == 2


def test_a_map_as_published_is_the_one_of_today_until_it_changes(published, changed_file, btc):
    first = read_map(published, "BTC", as_published=True)
    np.testing.assert_array_equal(first.liquidation, btc.liquidation)
    last = btc.as_of[-1].astype(object)
    names = "asset, as_of, provider, venue, side"
    file = changed_file(
        "insert into replaced.liquidation_heatmap_arrays by name select *, "
        "timestamp '2026-02-02' as first_published_at, timestamp '2026-02-03' as replaced_at, "
        "true as is_kept from marts.liquidation_heatmap_arrays "
        f"where as_of = '{last}' and asset = 'BTC'; "
        "update marts.liquidation_heatmap_arrays set liquidation_usd = "
        "list_transform(liquidation_usd, lambda usd: 2 * usd) "
        f"where as_of = '{last}' and asset = 'BTC'"
    )
    np.testing.assert_array_equal(
        read_map(file, "BTC", as_published=True).liquidation, btc.liquidation
    )
    np.testing.assert_array_equal(read_map(file, "BTC").liquidation[-1], 2 * btc.liquidation[-1])
    table = read_table(file, "as_published.liquidation_heatmap_arrays", where="replaced_at > as_of")
    assert set(table["as_of"].dt.tz_localize(None)) == {pd.Timestamp(last)}
    assert names.split(", ") == list(table.columns[:5])


def test_hours_that_are_not_kept_as_published_are_refused(changed_file, btc):
    last = btc.as_of[-1].astype(object)
    file = changed_file(
        "insert into replaced.liquidation_heatmap_arrays by name select 'BTC' as asset, "
        f"timestamp '{last}' as as_of, timestamp '2026-02-03' as replaced_at, false as is_kept"
    )
    with pytest.raises(NotPublished, match=r"1 hours of BTC .* are not kept as first published"):
        read_map(file, "BTC", as_published=True)
