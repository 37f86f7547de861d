"""After faults and kills without number, raw is what it would have been without them.

The long version, a week of it, is ``bench/soak.py``.
"""

from standin import DAY, synthetic_market
from workbench.soak import Plan, soak

START = 1_772_323_200_000  # 2026-03-01
VENUES = ("binance", "hyperliquid")


def test_faults_and_kills_leave_no_trace_but_what_the_ledger_says_is_lost(tmp_path):
    market = synthetic_market(
        start=START, end=START + 3 * DAY, venues=VENUES, assets={"BTC": 7e4}, inverse_assets=()
    )
    plan = Plan(
        begun=START + DAY, rounds=5, bars_between=6, venues=VENUES, assets=("BTC",), seed=5,
        share=5.0, kill_every=2, episode_chance=0.3,
    )  # fmt: skip
    result = soak(tmp_path, market, plan)
    assert result.kills > 0
    assert len(result.faults) > 3  # how many fall on a request depends on its time
    found = result.found
    assert found.is_equal, (found.missing[:3], found.different[:3], found.surplus[:3])
    # Only snapshots, which have no history, can be lost for good.
    assert {(venue, kind) for venue, kind, _ in found.lost} <= {("hyperliquid", "open_interest")}
    assert found.rows["binance", "ohlcv"] == found.rows["hyperliquid", "ohlcv"] > 250
    assert found.rows["hyperliquid", "open_interest"] >= 5
