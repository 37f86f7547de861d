"""The state of a view, checked against what is published."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from web.catalogue import Catalogue, PublishedAsset, PublishedMap
from web.problem_details import Refusal
from web.view import ViewQuery, parse_instant, resolve_view

FIRST = datetime(2026, 1, 5, 1, tzinfo=UTC)
NEWEST = datetime(2026, 1, 15, tzinfo=UTC)
NOW = NEWEST + timedelta(minutes=20)
HOURS = (
    np.arange(int(FIRST.timestamp()), int(NEWEST.timestamp()) + 1, 3600, dtype=np.int64) * 1_000_000
)


def asset(name, **given):
    known = {
        "hours": HOURS,
        "grade": "A",
        "open_interest_usd": 1e9,
        "default_provider": "turnover",
        "default_reason": "",
        "maps": {
            (provider, "all"): PublishedMap(FIRST, NEWEST, "hash", "standing")
            for provider in ("turnover", "path_ledger")
        },
    }
    return PublishedAsset(name, **{**known, **given})


CATALOGUE = Catalogue("one", NOW, {"BTC": asset("BTC"), "ETH": asset("ETH")})


def view(**given):
    return resolve_view(ViewQuery(**given), CATALOGUE, NOW)


def test_defaults_are_the_largest_asset_and_the_newest_week():
    shown = view()
    assert (shown.asset, shown.provider, shown.venue) == ("BTC", "turnover", "all")
    assert shown.as_of == NEWEST
    assert shown.from_at == NEWEST - timedelta(days=7)
    assert shown.follows
    assert not shown.is_window
    assert shown.sides == ("long", "short")
    assert shown.publication == "one"


def test_an_instant_is_the_hour_that_is_not_later():
    shown = view(as_of="2026-01-10T08:59")
    assert shown.as_of == datetime(2026, 1, 10, 8, tzinfo=UTC)
    assert not shown.follows


def test_a_hole_is_the_hour_before_it():
    holed = Catalogue("one", NOW, {"BTC": asset("BTC", hours=np.delete(HOURS, 100))})
    missing = FIRST + timedelta(hours=100)
    shown = resolve_view(ViewQuery(as_of=missing.isoformat()), holed, NOW)
    assert shown.as_of == missing - timedelta(hours=1)


def test_a_window_is_from_and_to_or_days():
    shown = view(**{"from": "2026-01-10", "to": "2026-01-12"})
    assert shown.from_at == datetime(2026, 1, 10, tzinfo=UTC)
    assert shown.as_of == datetime(2026, 1, 12, tzinfo=UTC)
    assert shown.is_window
    assert view(days=2).from_at == NEWEST - timedelta(days=2)


def test_an_end_in_the_future_is_the_newest_hour():
    assert view(to="2026-01-20").as_of == NEWEST
    with pytest.raises(Refusal, match="has not come yet"):
        view(as_of="2026-01-20")


@pytest.mark.parametrize(
    "text",
    ["2026-01-15T08:00Z", "2026-01-15T08", "2026-01-15 08:00", "2026-01-15T09:00+01:00",
     "2026-01-15T09:00 01:00"],
)  # fmt: skip
def test_an_instant_is_written_in_several_ways(text):
    assert parse_instant("as_of", text) == datetime(2026, 1, 15, 8, tzinfo=UTC)


@pytest.mark.parametrize("name", ["compare", "provider", "venue", "panel", "theme", "unit"])
def test_a_name_that_does_not_exist_is_refused(name):
    with pytest.raises(Refusal, match=f"{name} 'nobody' is not"):
        view(**{name: "nobody"})


def test_tiers_are_leverages():
    assert view(tiers="50x, 25").tiers == (25.0, 50.0)
    assert view(tiers="").tiers is None


def test_a_link_changes_one_thing():
    shown = view(asset="ETH", side="long")
    assert shown.link(side="both") == "asset=ETH&side=both"
    assert shown.link(side=None, theme="dark") == "asset=ETH&theme=dark"


def test_a_window_before_a_provider_began_names_its_hours():
    began = datetime(2026, 1, 14, tzinfo=UTC)
    maps = {("late", "all"): PublishedMap(began, NEWEST, "hash", "standing")}
    late = Catalogue("one", NOW, {"BTC": asset("BTC", maps=maps)})
    query = {"provider": "late", "as_of": "2026-01-10"}
    with pytest.raises(Refusal, match=r"BTC by late.*2026-01-14T00:00Z to 2026-01-15T00:00Z"):
        resolve_view(ViewQuery(**query), late, NOW)
    # Rows without a map know other providers and hours.
    assert resolve_view(ViewQuery(**query), late, NOW, has_map=False).provider == "late"


def test_an_asset_without_maps_has_a_view():
    bare = Catalogue("one", NOW, {"NEW": asset("NEW", maps={})})
    assert resolve_view(ViewQuery(), bare, NOW).asset == "NEW"


def test_a_publication_without_assets_says_what_to_run():
    with pytest.raises(Refusal, match="liqheat run"):
        resolve_view(ViewQuery(), Catalogue("one", NOW, {}), NOW)


def test_a_catalogue_is_stale_once_its_newest_hour_is_late():
    assert not CATALOGUE.is_stale(NEWEST + timedelta(hours=2))
    assert CATALOGUE.is_stale(NEWEST + timedelta(hours=3))
    assert Catalogue("one", NOW, {}).is_stale(NOW)
