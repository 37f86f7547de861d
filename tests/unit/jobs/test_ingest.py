"""What venues tell ends up in raw as the market was, whatever happens on the way."""

import pytest
from standin import DAY, HOUR, synthetic_market
from workbench.live import BAR, live_home, truth_of

START = 1_772_323_200_000  # 2026-03-01
VENUES = ("binance", "okx", "gate", "hyperliquid")


@pytest.fixture(scope="module")
def market():
    return synthetic_market(
        start=START,
        end=START + 4 * DAY,
        venues=VENUES,
        assets={"BTC": 70_000.0, "PEPE": 4e-6},
    )


def compare(home, market, kind, first, now):
    told, truth = home.rows(kind), truth_of(market, home, kind, first, now)
    assert truth
    missing, surplus = sorted(set(truth) - set(told)), sorted(set(told) - set(truth))
    assert not missing, (kind, len(missing), missing[:5])
    assert not surplus, (kind, len(surplus), surplus[:5])
    for key, values in truth.items():
        assert told[key] == pytest.approx(values, rel=1e-9, abs=1e-9), (kind, key)


def test_rounds_over_hours_equal_the_market(tmp_path, market):
    begun = START + 2 * DAY
    with live_home(tmp_path, market, begun, venues=VENUES) as home:
        for step in range(4):
            home.standin.now = begun + step * 3 * BAR + 7_000
            report = home.ingest()
            assert report.undone_count == 0, report.venues
        now = home.standin.now
        bars = dict.fromkeys(VENUES, begun - DAY + BAR)
        for kind in ("ohlcv", "mark_ohlc"):
            compare(home, market, kind, bars, now)
        assert home.query("select * from marts.data_gaps where not is_lost") == []
