"""A venue whose price contradicts the others is in no sum; a person may say what a ticker means."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from workbench import END, HOUR, START, differences, instrument_row, table_of, where, workshop
from workbench.ledger_fits import round_fit, use_fits

from jobs.build import limits
from jobs.build.path_records import PATH_MODELS
from jobs.calibrate.panels import read_panel
from jobs.check.run_suites import check
from jobs.collect.imports import import_files
from jobs.collect.store_symbols import SYMBOLS_FILE
from jobs.pipeline import build_maps
from jobs.publish.publish import publish
from jobs.read.query import open_reader
from jobs.settings import Settings
from sources.errors import InputRejected
from transforms.estimators import ESTIMATORS
from transforms.ledger import LEDGERS

ONE = (ESTIMATORS["turnover"],)
CASES = Path(__file__).parents[4] / "shared" / "cases"
HOURS = 30
AS_OF = START + HOURS * HOUR

# Three venues of which one is 112 times off, two that contradict each other, and two that agree.
PRICES = {
    ("ODD", "binance"): 1.0,
    ("ODD", "okx"): 1.002,
    ("ODD", "bybit"): 112.0,
    ("TWO", "binance"): 1.0,
    ("TWO", "okx"): 30.0,
    ("FINE", "binance"): 5.0,
    ("FINE", "okx"): 5.01,
}


def market(missing=(), n_hours=HOURS):
    """Return records; `missing` holds (asset, venue, hour) without a bar."""
    instruments, bars, held = [], [], []
    for (asset, venue), price in PRICES.items():
        key = {"venue": venue, "instrument": f"{asset}/USDT:USDT"}
        instruments.append(instrument_row(asset, venue))
        for hour in range(n_hours):
            if (asset, venue, hour) in missing:
                continue
            close = price * (1 + 0.003 * (hour % 5))
            bars.append(
                {
                    **key,
                    "bar_start_at": START + hour * HOUR,
                    "bar_seconds": 3600,
                    "open": close,
                    "high": close * 1.004,
                    "low": close * 0.996,
                    "close": close,
                    "volume_quantity": 1e7 / price,
                }
            )
            held.append(
                {
                    **key,
                    "observed_at": START + (hour + 1) * HOUR,
                    "open_interest_quantity": (1e8 + 1e6 * (hour % 7)) / price,
                }
            )
    return {
        "instrument": table_of("instrument", instruments),
        "ohlcv": table_of("ohlcv", bars),
        "open_interest": table_of("open_interest", held),
    }


@pytest.fixture(scope="module")
def records():
    return market()


def totals(shop, as_of=AS_OF):
    return {
        (asset, venue): total
        for asset, venue, total in shop.rows(
            "select asset, venue, sum(list_sum(liquidation_usd::double[])) from derived.heatmap "
            "where as_of = ? group by all",
            [as_of],
        )
    }


def near_price(shop, asset):
    """Return the USD of an asset's map over all venues within 20 % of price."""
    return shop.one(
        "select sum(liquidation_usd::double) from marts.liquidation_heatmap_hourly "
        "where asset = ? and venue = 'all' and as_of = ? "
        "and abs(ln(sqrt(price_low * price_high) / price)) < 0.2",
        [asset, AS_OF],
    )


def test_the_odd_one_is_in_no_sum_and_two_that_contradict_each_other_have_none(tmp_path, records):
    with workshop(tmp_path) as shop:
        shop.take_in(records)
        shop.build(AS_OF, estimators=ONE)
        found = totals(shop)
        own = found["ODD", "binance"] + found["ODD", "okx"]
        assert found["ODD", "all"] == pytest.approx(own, rel=1e-6)
        assert found["ODD", "bybit"] > 0
        assert ("TWO", "all") not in found
        assert found["TWO", "okx"] > 0
        assert found["FINE", "all"] > found["FINE", "okx"]
        # So are sums by tier, of the venues in the sum alone.
        by_tier = dict(
            shop.rows(
                "select asset, sum(list_sum(liquidation_usd::double[])) "
                "from derived.heatmap_by_tier where as_of = ? group by all",
                [AS_OF],
            )
        )
        assert by_tier.keys() == {"ODD", "FINE"}
        assert by_tier["ODD"] == pytest.approx(near_price(shop, "ODD"), rel=1e-6)
        assert shop.rows("select distinct venue from derived.heatmap_by_tier") == [("all",)]
        # The sum lies around the price of the venues in it.
        assert shop.one(
            "select any_value(price) from derived.heatmap "
            "where asset = 'ODD' and venue = 'all' and as_of = ?",
            [AS_OF],
        ) == pytest.approx(1.001, rel=0.02)


def test_hour_by_hour_the_same_is_left_out_as_at_once(tmp_path):
    # While one of the two that agree has no bar, its price still stands: nothing flickers.
    records = market({("ODD", "okx", hour) for hour in range(10, 13)})
    with workshop(tmp_path / "once") as shop:
        shop.take_in(records)
        shop.build(AS_OF, estimators=ONE)
        summed = shop.one(
            "select count(distinct as_of) from derived.heatmap "
            "where asset = 'ODD' and venue = 'all'"
        )
        assert summed == HOURS
    with workshop(tmp_path / "hours") as shop:
        shop.take_in(records)
        for hour in (9, 10, 11, 12, 13, HOURS):
            shop.build(START + hour * HOUR, estimators=ONE)
    assert not differences(tmp_path / "once/warehouse.duckdb", tmp_path / "hours/warehouse.duckdb")


@pytest.fixture
def fits(monkeypatch):
    """Fits of both ledgers, which are in force in every hour."""
    use_fits(monkeypatch, *(round_fit(provider) for provider in LEDGERS))


def with_volume(records, asset, venue, usd):
    """Return the records with another volume on a venue, in place."""
    bars = records["ohlcv"].to_pylist()
    for bar in bars:
        if bar["venue"] == venue and bar["instrument"].startswith(asset):
            bar["volume_quantity"] = usd / bar["close"]
    return {**records, "ohlcv": table_of("ohlcv", bars)}


def path_venues(shop):
    """Return the venues followed by the path of each asset."""
    return dict(
        shop.rows(
            "select asset, list_sort(list(distinct reference_venue)) "
            "from derived.path_exposure group by asset"
        )
    )


@pytest.mark.usefixtures("fits")
def test_ledgers_follow_no_venue_that_is_set_apart(tmp_path, records):
    # The odd one has by far the most volume.
    records = with_volume(records, "ODD", "bybit", 1e12)
    with workshop(tmp_path) as shop:
        shop.take_in(records)
        shop.build(AS_OF, ONE, PATH_MODELS)
        assert path_venues(shop) == {"FINE": ["binance"], "ODD": ["binance"]}
        assert shop.rows(
            "select asset, provider, count(distinct as_of) from derived.heatmap "
            "where venue = 'all' and provider = 'path_ledger' group by all order by all"
        ) == [("FINE", "path_ledger", HOURS), ("ODD", "path_ledger", HOURS)]
        # Nothing is summed of the two that contradict each other, by any provider.
        for mart in ("derived.heatmap", "derived.band", "derived.consensus"):
            assets = shop.rows(f"select distinct asset from {mart} where venue = 'all'")
            assert sorted(assets) == [("FINE",), ("ODD",)], mart


@pytest.mark.usefixtures("fits")
def test_forecasts_add_no_venue_that_is_set_apart(tmp_path, records):
    with workshop(tmp_path) as shop:
        shop.take_in(records)
        shop.build(AS_OF, ONE, PATH_MODELS)
        rows = shop.rows(
            "select distinct asset, provider, covered_venues "
            "from marts.liquidation_forecast_hourly where tier = 'all' and predicted_usd > 0"
        )
        covered = {(asset, provider): venues for asset, provider, venues in rows}
        assert {asset for asset, _ in covered} == {"FINE", "ODD"}
        assert covered["ODD", "turnover"] == ["binance", "okx"]
        assert covered["ODD", "path_ledger"] == ["binance"]
        added = shop.one(
            "select sum(predicted_usd) from marts.liquidation_forecast_hourly "
            "where asset = 'ODD' and provider = 'turnover' and tier = 'all'"
        )
        assert added == pytest.approx(
            shop.one(
                "select sum(list_sum(consumed_usd) + list_sum(swept_usd)) "
                "from derived.leverage_exposure where asset = 'ODD' and venue <> 'bybit'"
            )
        )
        # Nor do fits and scores see anything of it.
        odd = read_panel(shop.connection, "ODD", AS_OF)
        assert odd.panel.close.max() < 1.1
        assert odd.panel.volume_usd == pytest.approx(2e7, rel=0.02)
        assert odd.panel.exposures["turnover"].sum() == pytest.approx(added)
        assert read_panel(shop.connection, "TWO", AS_OF) is None


@pytest.mark.usefixtures("fits")
def test_a_path_stops_while_its_venue_is_set_apart_however_it_is_built(tmp_path, monkeypatch):
    # The second of two venues is listed at hour 5 and stops at hour 27: its price holds for a day.
    n_hours = 60
    missing = {("TWO", "okx", hour) for hour in range(n_hours) if not 5 <= hour < 27}
    records = {
        kind: where(table, np.array(table["instrument"].to_pylist()) == "TWO/USDT:USDT")
        for kind, table in market(missing, n_hours).items()
    }
    until = START + n_hours * HOUR
    with workshop(tmp_path / "once") as shop:
        shop.take_in(records)
        shop.build(until, ONE, PATH_MODELS)
        found = shop.rows(
            "select distinct epoch((as_of - ?))::bigint // 3600 from derived.heatmap "
            "where asset = 'TWO' and venue = 'all' and provider = 'path_ledger' order by all",
            [START],
        )
        assert [hour for (hour,) in found] == [*range(1, 6), *range(51, n_hours + 1)]
        mapped = shop.rows(
            "select distinct epoch((as_of - ?))::bigint // 3600 from derived.heatmap "
            "where asset = 'TWO' and venue = 'all' and provider = 'turnover' order by all",
            [START],
        )
        assert mapped == found
    with workshop(tmp_path / "hours") as shop:
        shop.take_in(records)
        for hour in (6, 30, 51, n_hours):
            shop.build(START + hour * HOUR, ONE, PATH_MODELS)
    with workshop(tmp_path / "windows") as shop:
        shop.take_in(records)
        monkeypatch.setattr(limits, "WINDOW_DAYS", 1)
        shop.build(until, ONE, PATH_MODELS)
    once = tmp_path / "once/warehouse.duckdb"
    assert not differences(once, tmp_path / "hours/warehouse.duckdb")
    assert not differences(once, tmp_path / "windows/warehouse.duckdb")


def test_a_person_says_what_a_ticker_means(tmp_path, records):
    settings = Settings(home=tmp_path, threads=1)
    path = tmp_path / SYMBOLS_FILE
    with workshop(tmp_path) as shop:
        shop.take_in(records)
    build_maps(settings, as_of=AS_OF, estimators=ONE)
    path.write_text("okx:TWO/USDT:USDT: other\nbybit:ODD/USDT:USDT: exclude\ngate:X/USDT:USDT: Y\n")
    build_maps(settings, as_of=AS_OF, estimators=ONE)
    with workshop(tmp_path) as shop:
        found = totals(shop)
        assert found["TWO", "all"] == found["TWO", "binance"]
        assert found["OTHER", "all"] == found["OTHER", "okx"]
        assert ("ODD", "bybit") not in found
        assert ("TWO", "okx") not in found
        assert shop.rows("from intermediate.int_set_apart") == []
    path.unlink()
    build_maps(settings, as_of=AS_OF, estimators=ONE)
    with workshop(tmp_path) as shop:
        found = totals(shop)
        assert ("TWO", "all") not in found
        assert ("OTHER", "all") not in found
        assert ("ODD", "bybit") in found


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[NEIRO]", "expected keys with values, as `bybit:"),
        ("NEIRO/USDT:USDT: X", "name venue and contract"),
        ("okx: X", "name venue and contract"),
        ("okx:A/USDT:USDT: 7", "expected a text; put it in quotes"),
        ("okx:A/USDT:USDT: a b", "expected an asset's name"),
        ("okx:A/USDT:USDT: [", "no valid YAML"),
    ],
)
def test_a_file_that_lists_no_exceptions_is_refused(tmp_path, text, message):
    (tmp_path / SYMBOLS_FILE).write_text(text)
    with pytest.raises(InputRejected, match=message) as refused:
        build_maps(Settings(home=tmp_path, threads=1), as_of=END, estimators=ONE)
    assert SYMBOLS_FILE in str(refused.value)


MAPPING = """
description: bars of several venues
matches: []
venue: {column: exchange}
instrument: {unified: "{base}/{quote}:{quote}", column: symbol, column_pattern: "{base}{quote}"}
time: {column: ts, unit: seconds, label: bar_open}
bar: 1h
ohlcv: {open: o, high: h, low: l, close: c, volume: v, volume_unit: base}
open_interest: {amount: oi, amount_unit: base, shift: 1h}
"""
WHOLE_MONTH = datetime(2026, 6, 30, tzinfo=UTC)


def write_case(folder, prices):
    """Write three days of bars of each (symbol, venue) around its price, and their mapping."""
    lines = ["exchange,symbol,ts,o,h,l,c,v,oi"]
    first = WHOLE_MONTH - 72 * HOUR
    for (symbol, venue), price in prices.items():
        close = price
        for hour in range(72):
            opened, close = close, price * (1 + 0.004 * ((hour * 7) % 11 - 5) / 5)
            held = (1e9 + 1e6 * (hour % 7)) / price
            bar = (opened, max(opened, close) * 1.002, min(opened, close) * 0.998, close)
            numbers = ",".join(f"{number:.12g}" for number in (*bar, 1e8 / price, held))
            at = round((first + hour * HOUR).timestamp())
            lines.append(f"{venue},{symbol},{at},{numbers}")
    (folder / "bars.csv").write_text("\n".join(lines) + "\n")
    (folder / "map.yaml").write_text(MAPPING)
    return folder / "bars.csv"


# Three venues of which one trades another coin, two that contradict each other, two that agree.
INVENTED = {
    ("NEIROUSDT", "binance"): 0.0003,
    ("NEIROUSDT", "okx"): 0.0003003,
    ("NEIROUSDT", "bybit"): 0.0336,
    ("ACEUSDT", "binance"): 0.5,
    ("ACEUSDT", "okx"): 0.002,
    ("BTCUSDT", "binance"): 60_000.0,
    ("BTCUSDT", "okx"): 60_010.0,
}
BOTH = {"binance", "okx"}
needs_cases = pytest.mark.skipif(not CASES.exists(), reason=f"{CASES} is not there")


@pytest.mark.usefixtures("counted_by_pandas")
@pytest.mark.parametrize(
    ("case", "summed"),
    [
        (INVENTED, {"BTC": BOTH, "NEIRO": BOTH}),
        pytest.param("C02_two_coins_blocks_btc/two.csv", {"BTC": BOTH}, marks=needs_cases),
        pytest.param(
            "C03_three_venues_one_other_coin/bars.csv",
            {"BTC": BOTH, "NEIRO": BOTH},
            marks=needs_cases,
        ),
    ],
    ids=["invented", "C02", "C03"],
)
def test_imported_venues_publish_all_but_what_contradicts(tmp_path, case, summed):
    home = tmp_path / "home"
    file = CASES / case if isinstance(case, str) else write_case(tmp_path, case)
    settings = Settings(home=home, threads=1)
    as_of = WHOLE_MONTH
    import_files(settings, [file], ingested_at=as_of, mapping=str(file.parent / "map.yaml"))
    build_maps(settings, as_of=as_of, estimators=ONE)
    assert check(settings, as_of=as_of).held == ()
    publish(settings, as_of=as_of)
    with open_reader(settings) as connection:
        rows = connection.execute(
            "select asset, venue, open_interest_usd, is_set_apart "
            "from marts.venue_open_interest_hourly where as_of = ?",
            [as_of],
        ).fetchall()
        context = dict(
            connection.execute(
                "select asset, open_interest_usd from marts.market_context_hourly where as_of = ?",
                [as_of],
            ).fetchall()
        )
    kept = {}
    for asset, venue, usd, is_set_apart in rows:
        if not is_set_apart:
            kept.setdefault(asset, {})[venue] = usd
    assert {asset: set(venues) for asset, venues in kept.items()} == summed
    assert context == pytest.approx({asset: sum(of.values()) for asset, of in kept.items()})
