"""CoinAnk's recorded map and Hyperliquid's recorded positions against our maps of those hours."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from jobs.collect.imports import import_files, import_provider_answers
from jobs.pipeline import build_maps
from jobs.publish.publish import publish
from jobs.read.query import query
from jobs.settings import Settings
from transforms.estimators import ESTIMATORS

RECORDED = Path(__file__).parents[3] / "../shared/data"
START = datetime(2026, 2, 14, tzinfo=UTC)
END = datetime(2026, 3, 3, 15, tzinfo=UTC)
INGESTED = datetime(2026, 4, 1, tzinfo=UTC)
FEW = (ESTIMATORS["turnover"], ESTIMATORS["volume_profile"])


@pytest.fixture(scope="module")
def ask(tmp_path_factory):
    """Return a way to ask the published file of the recorded BTC market."""
    if not RECORDED.exists():
        pytest.skip(f"recorded market data is not at {RECORDED}")
    settings = Settings(home=tmp_path_factory.mktemp("recorded"), threads=2)
    market = RECORDED / "market_1h"
    files = ["binance_BTC_1h.parquet", "hyperliquid_BTC_1h.parquet"]
    files += ["dex_candles.parquet", "dex_open_interest.parquet"]
    import_files(
        settings, [market / name for name in files], ingested_at=INGESTED, start=START, end=END
    )
    providers = RECORDED / "providers"
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


def test_coinank_is_set_against_ours_in_shape_and_never_in_scale(ask):
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
        assert covered == pytest.approx(0.447, abs=1e-3)


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


def test_hyperliquid_is_compared_hour_by_hour_on_its_own_open_interest(ask):
    rows = ask(
        "select as_of, scale_log_ratio, overlap_ratio from marts.provider_disagreement_hourly "
        "where asset = 'BTC' and venue = 'hyperliquid' and side = 'both' "
        "and provider_a = 'hyperliquid_positions' and provider_b = 'turnover'"
    )
    assert len(rows) == 48
    assert all(0 < overlap < 1 for _, _, overlap in rows)
    # A few percent of the venue's positions stand in it.
    assert all(scale < 0 for _, scale, _ in rows)
    ((long, short),) = ask(
        "select avg(observed_long_ratio), avg(observed_short_ratio) "
        "from marts.outside_maps_hourly where asset = 'BTC' and provider = 'hyperliquid_positions'"
    )
    assert 0.01 < short < long < 0.2
