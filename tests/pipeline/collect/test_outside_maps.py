"""CoinAnk's map and Hyperliquid's positions, invented and recorded, against our maps."""

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from workbench.hourly_files import invent_market, write_binance, write_dexes, write_hyperliquid
from workbench.provider_answers import coinank_aggregate, coinank_pair, top_wallets

from jobs.collect.imports import import_files, import_provider_answers
from jobs.pipeline import build_maps
from jobs.publish.publish import publish
from jobs.read.query import query
from jobs.settings import Settings
from transforms.estimators import ESTIMATORS

RECORDED = Path(__file__).parents[3] / "../shared/data"
END = datetime(2026, 3, 3, 15, tzinfo=UTC)
INGESTED = datetime(2026, 4, 1, tzinfo=UTC)
FEW = (ESTIMATORS["turnover"], ESTIMATORS["volume_profile"])
HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Inputs:
    """Files to import, and what they must lead to.

    Parameters
    ----------
    folder : Path
        Holds `market_1h` and `providers`.
    start : datetime
        First hour.
    captures : int
        Hours with positions on Hyperliquid.
    covered_ratio : float
        Share of the axis of comparison that CoinAnk's map covers.
    observed_ratios : tuple of float
        Mean share of the longs and of the shorts in Hyperliquid's open interest that the wallets
        hold, each contract counted once.
    """

    folder: Path
    start: datetime
    captures: int
    covered_ratio: float
    observed_ratios: tuple[float, float]


def invent_inputs(folder):
    """Write six days of BTC on two venues, and what providers have answered since the fourth."""
    start = END - 144 * HOUR
    market = {"BTC": invent_market(start, 150, {"BTC": 70_000.0})["BTC"]}
    market["ETH"] = market["BTC"]
    files = folder / "market_1h"
    write_binance(files, "BTC", market["BTC"])
    write_hyperliquid(files, "BTC", market["BTC"])
    write_dexes(files, market, without_bars=())

    def price_at(instant):
        return float(market["BTC"].close[(instant - start) // HOUR - 1])

    coinank = folder / "providers/coinank"
    coinank.mkdir(parents=True)
    price = round(price_at(END))
    # Rungs to 10 % of price on either side.
    step, reach = 50.0, price // 500
    edge = step * (reach + 0.5)
    # The axis of comparison goes from -.2 to .2 in log price.
    covered_ratio = math.log((price + edge) / (price - edge)) / 0.4
    name = "getLiqMap_Binance_BTCUSDT_20260303T143706Z.json"
    (coinank / name).write_bytes(coinank_pair(price, step=step, reach=reach))
    name = "getAggLiqMap_BTC_20260303T143706Z.json"
    (coinank / name).write_bytes(coinank_aggregate(price, step=step, reach=reach))
    positions = folder / "providers/hyperliquid_positions"
    positions.mkdir()
    hours = [END - n * HOUR for n in range(8, 2, -1)]
    captures = top_wallets([(at - HOUR / 3, {"BTC": price_at(at)}) for at in hours])
    (positions / "top_wallets.jsonl").write_bytes(captures)
    return Inputs(folder, start, len(hours), covered_ratio, (0.03464, 0.01732))


@pytest.fixture(scope="module", params=["invented", "recorded"])
def inputs(request, tmp_path_factory):
    if request.param == "invented":
        return invent_inputs(tmp_path_factory.mktemp("inputs"))
    if not RECORDED.exists():
        pytest.skip(f"recorded market data is not at {RECORDED}")
    return Inputs(RECORDED, datetime(2026, 2, 14, tzinfo=UTC), 48, 0.447, (0.1515, 0.0644))


@pytest.fixture(scope="module")
def ask(inputs, tmp_path_factory):
    """Return a way to query the published file of the BTC market."""
    settings = Settings(home=tmp_path_factory.mktemp("home"), threads=1)
    files = ["binance_BTC_1h.parquet", "hyperliquid_BTC_1h.parquet"]
    files += ["dex_candles.parquet", "dex_open_interest.parquet"]
    import_files(
        settings,
        [inputs.folder / "market_1h" / name for name in files],
        ingested_at=INGESTED,
        start=inputs.start,
        end=END,
    )
    providers = inputs.folder / "providers"
    import_provider_answers(
        settings,
        "coinank",
        sorted((providers / "coinank").glob("*.json")),
        ingested_at=INGESTED,
        asset="BTC",
    )
    import_provider_answers(
        settings,
        "hyperliquid_positions",
        sorted((providers / "hyperliquid_positions").glob("top*.jsonl")),
        ingested_at=INGESTED,
    )
    build_maps(settings, as_of=END, estimators=FEW)
    publish(settings, as_of=END)

    def ask(sql):
        with query(settings, sql) as answer:
            return list(answer.rows)

    return ask


def test_a_capture_of_37_past_stands_for_the_next_hour(ask):
    assert ask(
        "select provider, venue, captured_at, unit, semantics, is_fitting "
        "from marts.outside_maps_hourly where provider = 'coinank_getliqmap'"
    ) == [
        (
            "coinank_getliqmap",
            "binance",
            datetime(2026, 3, 3, 14, 37, 6, tzinfo=UTC),
            "relative",
            "opened",
            True,
        )
    ]


def test_coinank_is_set_against_ours_in_shape_and_never_in_scale(inputs, ask):
    rows = ask(
        "select provider_b, is_comparable, scale_log_ratio, overlap_ratio, covered_a_ratio, "
        "common_overlap_ratio from marts.provider_disagreement_hourly "
        f"where as_of = timestamptz '{END}' and venue = 'binance' and side = 'both' "
        "and provider_a = 'coinank_getliqmap' order by 1"
    )
    assert [row[0] for row in rows] == ["turnover", "volume_profile"]
    for _, is_comparable, scale, overlap, covered, common in rows:
        assert is_comparable
        assert scale is None
        assert 0 < overlap < common < 1
        assert covered == pytest.approx(inputs.covered_ratio, abs=1e-3)


def test_venues_coinank_lists_are_summed_and_compared_as_all(ask):
    ((venues,),) = ask(
        "select list_sort(list(venue)) from marts.outside_maps_hourly "
        "where provider = 'coinank_getaggliqmap'"
    )
    assert venues == ["all", "aster", "binance", "bybit", "hyperliquid", "lighter", "okx"]
    ((count,),) = ask(
        "select provider_count from marts.asset_disagreement_hourly "
        f"where asset = 'BTC' and as_of = timestamptz '{END}'"
    )
    assert count == 3


def test_hyperliquid_is_compared_hour_by_hour_on_its_own_open_interest(inputs, ask):
    rows = ask(
        "select as_of, scale_log_ratio, overlap_ratio from marts.provider_disagreement_hourly "
        "where asset = 'BTC' and venue = 'hyperliquid' and side = 'both' "
        "and provider_a = 'hyperliquid_positions' and provider_b = 'turnover'"
    )
    assert len(rows) == inputs.captures
    assert all(0 < overlap < 1 for _, _, overlap in rows)
    # A few percent of the venue's positions stand in it.
    assert all(scale < 0 for _, scale, _ in rows)
    ((long, short),) = ask(
        "select avg(observed_long_ratio), avg(observed_short_ratio) "
        "from marts.outside_maps_hourly where asset = 'BTC' and provider = 'hyperliquid_positions'"
    )
    # Of one side: half of what the venue reports.
    assert (long, short) == pytest.approx(inputs.observed_ratios, rel=0.005)
