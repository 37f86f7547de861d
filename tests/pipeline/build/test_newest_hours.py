"""What only the newest hours have: maps by tier and odds by bin, however builds are cut up."""

import shutil

from workbench import END, differences, workshop
from workbench.rebuilds import LINEAR, ONE, hour, only, until, without

DETAILS = ("derived.heatmap_by_tier", "derived.touch_odds")
KEPT = 30


def hours_of(shop, name):
    return [at for (at,) in shop.rows(f"select distinct as_of from {name} order by all")]


def test_the_newest_hours_have_details_and_older_ones_lose_them(tmp_path, bitcoin):
    late = only(bitcoin, "ohlcv", LINEAR, 60.0, 61.0)
    early = without(bitcoin, "ohlcv", LINEAR, 60.0, 61.0)
    with workshop(tmp_path / "at once") as shop:
        shop.take_in(bitcoin)
        shop.build(END, ONE, detail_hours=KEPT)
        maps = hours_of(shop, "derived.heatmap")
        for name in DETAILS:
            assert hours_of(shop, name) == maps[-KEPT:]
    with workshop(tmp_path / "grown") as shop:
        before = float("-inf")
        for now in (40, 71, 72, 95, 96):
            shop.take_in(until(early, now, before))
            shop.build(hour(now), ONE, detail_hours=KEPT)
            before = now
        # A bar of an hour before those that have details changes theirs, and gives older none.
        shop.take_in(late)
        shop.build(END, ONE, detail_hours=KEPT)
    assert not differences(
        tmp_path / "at once" / "warehouse.duckdb", tmp_path / "grown" / "warehouse.duckdb"
    )


def test_hours_of_an_earlier_release_stay_without_details(tmp_path, bitcoin, built_at_once):
    with workshop(tmp_path / "home") as shop:
        shop.take_in(until(bitcoin, 95))
        shop.build(hour(95), ONE)
        for name in DETAILS:
            shop.connection.execute(f"delete from {name}")
        shop.take_in(until(bitcoin, 96, 95))
        shop.build(END, ONE)
        for name in DETAILS:
            assert hours_of(shop, name) == [END]
    newest = dict.fromkeys(DETAILS, f"as_of = timestamptz '{END}'")
    assert not differences(
        built_at_once / "warehouse.duckdb",
        tmp_path / "home" / "warehouse.duckdb",
        conditions=newest,
    )


def test_details_go_from_assets_that_have_no_new_hours(tmp_path, built_at_once):
    with workshop(shutil.copytree(built_at_once, tmp_path / "home")) as shop:
        shop.build(END, ONE, detail_hours=5)
        for name in DETAILS:
            assert len(hours_of(shop, name)) == 5
