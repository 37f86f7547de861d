"""Hourly maps of measured positions, from the account book to what people read."""

import re
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from typer.testing import CliRunner
from workbench.hourly_files import invent_market, write_binance, write_dexes, write_hyperliquid

from cli.main import app
from jobs.collect.imports import import_files
from jobs.pipeline import build_maps, load
from jobs.positions.book_records import HeldPositions
from jobs.positions.hourly_map import land_hourly_map
from jobs.publish.publish import publish
from jobs.read.query import published_file, query
from jobs.settings import Settings
from plots.evidence import evidence_sentences, read_evidence
from plots.source import PublishedMaps
from plots.views import plot_asset, plot_comparison
from sources.accounts.info_client import CoinContext
from transforms.estimators import ESTIMATORS

END = datetime(2026, 3, 3, 15, tzinfo=UTC)
HOUR = timedelta(hours=1)
HOURS = [END - HOUR, END]
FEW = (ESTIMATORS["turnover"], ESTIMATORS["volume_profile"])
GOLD, XYZ_GOLD = 50.0, 4000.0
ADDRESS = re.compile(rb"0x[0-9a-fA-F]{40}")


def held_around(at, marks, age):
    """Return three positions of each asset a side, one of them without a liquidation price.

    The last one was seen within the hour, whatever the age of the others.
    """
    rows = [
        (asset, side, quantity, mark * factor)
        for asset, mark in marks.items()
        for side, quantity, factor in (
            ("long", 2.0, 0.95),
            ("long", 1.0, 0.88),
            ("long", 1.0, np.nan),
            ("short", 3.0, 1.04),
            ("short", 0.5, 1.3),
            ("short", 0.5, np.nan),
        )
    ]
    assets, sides, quantities, prices = zip(*rows, strict=True)
    count = len(rows)
    observed_at = np.full(count, np.datetime64((at - age).replace(tzinfo=None), "us"))
    observed_at[-1] = (at - HOUR / 2).replace(tzinfo=None)
    return HeldPositions(
        account_id=np.arange(count),
        coin=np.array(assets),
        dex=np.full(count, ""),
        asset=np.array(assets),
        side=np.array(sides),
        quantity=np.array(quantities),
        entry_price=np.ones(count),
        liquidation_price=np.array(prices),
        leverage=np.full(count, 10.0),
        is_cross=np.full(count, False),
        margin_usd=np.ones(count),
        mark_price=np.ones(count),
        observed_at=observed_at,
        traded_at=np.full(count, np.datetime64("NaT", "us")),
        first_seen_at=END - timedelta(days=9),
        account_count=count,
    )


def land_hour(settings, at, btc):
    age = HOUR / 2 if at == END else 3 * HOUR
    marks = {"BTC": btc, "GOLD": GOLD, "XYZ-GOLD": XYZ_GOLD}
    contexts = {
        asset: CoinContext(asset, asset, "", mark, 5.0, 40) for asset, mark in marks.items()
    }
    return land_hourly_map(settings, held_around(at, marks, age), {"": contexts}, at)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Return a home with two days of BTC and measured maps of the last two hours."""
    settings = Settings(home=tmp_path_factory.mktemp("home"), threads=2)
    folder = tmp_path_factory.mktemp("inputs")
    start = END - 48 * HOUR
    market = {"BTC": invent_market(start, 54, {"BTC": 70_000.0})["BTC"]}
    market["ETH"] = market["BTC"]
    write_binance(folder, "BTC", market["BTC"])
    write_hyperliquid(folder, "BTC", market["BTC"])
    write_dexes(folder, market, without_bars=())
    names = ("binance_BTC_1h", "hyperliquid_BTC_1h", "dex_candles", "dex_open_interest")
    files = [folder / f"{name}.parquet" for name in names]
    import_files(settings, files, ingested_at=END, start=start, end=END)
    for at in HOURS:
        land_hour(settings, at, float(market["BTC"].close[(at - start) // HOUR - 1]))
    build_maps(settings, as_of=END, estimators=FEW)
    load(settings)
    build_maps(settings, as_of=END, estimators=FEW)
    publish(settings, as_of=END)
    return settings


@pytest.fixture(scope="module")
def ask(home):
    def ask(sql):
        with query(home, sql) as answer:
            return list(answer.rows)

    return ask


def test_the_published_map_is_what_was_measured(ask):
    rows = ask(
        "select asset, side, round(sum(liquidation_usd), 1) from marts.liquidation_heatmap_hourly "
        f"where provider = 'hyperliquid_positions' and as_of = timestamptz '{END}' "
        "and asset <> 'BTC' and venue = 'hyperliquid' group by all order by all"
    )
    long, short = 2.0 * 0.95 + 0.88, 3.0 * 1.04 + 0.5 * 1.3
    assert rows == [
        (asset, side, pytest.approx(mark * total, rel=1e-6))
        for asset, mark in (("GOLD", GOLD), ("XYZ-GOLD", XYZ_GOLD))
        for side, total in (("long", long), ("short", short))
    ]


def test_a_capture_on_the_hour_is_of_that_hour_and_covers_all_prices(ask):
    rows = ask(
        "select as_of, captured_at, venue, is_fitting, observed_long_ratio, observed_short_ratio, "
        "cell_count from marts.outside_maps_hourly where asset = 'BTC' order by as_of"
    )
    assert rows == [(at, at, "hyperliquid", True, 0.8, 0.8, 4) for at in HOURS]
    (covered,) = ask(
        "select min(covered_a_ratio), count(*) from marts.provider_disagreement_hourly "
        "where asset = 'BTC' and provider_a = 'hyperliquid_positions' and venue = 'hyperliquid' "
        "and side = 'both' and provider_b = 'turnover'"
    )
    assert covered == (1.0, 2)


def test_coverage_is_published_beside_the_map(ask):
    rows = ask(
        "select asset, side, position_count, observed_open_interest_ratio, without_price_ratio, "
        f"is_fresh from marts.measured_coverage_hourly where as_of = timestamptz '{END}' "
        "order by all"
    )
    assert rows == [
        (asset, side, 3, 0.8, without, True)
        for asset in ("BTC", "GOLD", "XYZ-GOLD")
        for side, without in (("long", 0.25), ("short", 0.125))
    ]


def test_measured_positions_vote_where_their_venue_is_compared_and_nowhere_else(ask):
    rows = ask(
        "select venue, max(provider_count) from marts.consensus_heatmap_hourly "
        f"where asset = 'BTC' and as_of = timestamptz '{END}' group by venue order by venue"
    )
    assert rows == [("all", 2), ("hyperliquid", 3)]
    compared = ask(
        "select distinct venue from marts.provider_disagreement_hourly "
        "where 'hyperliquid_positions' in (provider_a, provider_b)"
    )
    assert compared == [("hyperliquid",)]


def test_a_picture_of_a_measured_map_says_what_it_rests_on(home):
    maps = PublishedMaps(published_file(home), "BTC", "hyperliquid")
    with maps.open() as reader:
        evidence = read_evidence(reader, asset="BTC", provider="hyperliquid_positions", as_of=END)
    said = evidence_sentences(evidence)
    assert said[1] == (
        "measured: 80 % of long and 80 % of short open interest, 6 positions of 6 accounts; "
        "100 % seen within the hour, the oldest 0 h before; 19 % has no liquidation price and is "
        "on no level"
    )


def test_a_map_of_stale_states_is_called_stale_in_its_picture(home, tmp_path):
    maps = PublishedMaps(published_file(home), "BTC", "hyperliquid", until=HOURS[0])
    plot_asset(maps, tmp_path / "map.html", provider="hyperliquid_positions", days=1)
    page = (tmp_path / "map.html").read_text()
    assert "most of them not seen within the hour: stale," in page
    assert "stale: most of it was last seen more than an hour before" in page


def test_commands_and_pictures_say_what_a_measured_map_rests_on(home, tmp_path, monkeypatch):
    monkeypatch.setenv("LIQHEAT_HOME", str(home.home))

    def run(*arguments):
        ended = CliRunner().invoke(app, list(arguments), env={"COLUMNS": "200"})
        assert ended.exit_code == 0, ended.output
        return " ".join(ended.output.split())

    said = run("disagreement", "BTC", "--venue", "hyperliquid", "--as-of", f"{END:%Y-%m-%dT%H:%M}")
    assert "hyperliquid_positions: measured: 80 % of long and 80 % of short" in said
    assert "80.0 %" in run("providers")
    maps = PublishedMaps(published_file(home), "BTC", "hyperliquid")
    plot_asset(maps, tmp_path / "map.html", provider="hyperliquid_positions", days=1)
    page = (tmp_path / "map.html").read_text()
    assert "positions of accounts as last seen" in page
    assert "6 positions of 6 accounts" in page
    plot_comparison(maps, tmp_path / "panels.html")
    assert "80 % of open interest" in (tmp_path / "panels.html").read_text()


def test_an_asset_without_bars_has_a_picture(home, tmp_path):
    maps = PublishedMaps(published_file(home), "XYZ-GOLD", "hyperliquid")
    plot_asset(maps, tmp_path / "map.html", provider="hyperliquid_positions", days=1)
    assert "there are no bars of XYZ-GOLD" in (tmp_path / "map.html").read_text()


def test_no_address_is_in_what_landed_or_is_published(home):
    paths = [
        path
        for folder in (home.landing, home.published)
        for path in folder.rglob("*")
        if path.is_file()
    ]
    assert paths
    assert not [path for path in paths if ADDRESS.search(path.read_bytes())]
