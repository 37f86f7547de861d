"""One book whose map can be worked out by hand, through the pipeline.

Isolated margin, linear contract: a position entered at e with leverage L under a maintenance ratio
mu is liquidated where what is left of its margin is the maintenance of its value. For a long,
e / L + p - e = mu p, hence p = e (1 - 1 / L) / (1 - mu); for a short, p = e (1 + 1 / L) / (1 + mu).
"""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from workbench import HOUR, instrument_row, table_of, workshop

from transforms.estimators import EstimatorParameters

LEVERAGE = 25.0
MAINTENANCE_RATIO = 0.005
LOWEST_ENTRY, HIGHEST_ENTRY = 58_000.0, 59_000.0
OPEN_INTEREST = 1_000.0

START = datetime(2026, 1, 5, tzinfo=UTC)
N_BARS = 24
IDENTITY = {"venue": "somewhere", "instrument": "BTC/USDT:USDT"}
ONLY_25X = EstimatorParameters.from_mapping(
    {
        "provider": "only_25x",
        "leverages": [LEVERAGE],
        "weights": [1.0],
        "half_lives_days": [7.0],
        "unlevered_share": 0.0,
    }
)


def liquidation_price(side, entry):
    sign = 1.0 if side == "long" else -1.0
    return entry * (1.0 - sign / LEVERAGE) / (1.0 - sign * MAINTENANCE_RATIO)


def records():
    """Return two hours in which price climbs and each bar opens as much; nothing is closed.

    Prices stay a step of the grid, 0.1 %, inside the two bounds, as positions are placed to a step.
    """
    starts = [START + timedelta(minutes=5) * number for number in range(N_BARS)]
    middles = np.linspace(LOWEST_ENTRY + 200.0, HIGHEST_ENTRY - 200.0, N_BARS)
    bars = [
        {"open": middle, "high": middle + 100.0, "low": middle - 100.0, "close": middle}
        for middle in middles.tolist()
    ]
    keys = [{**IDENTITY, "bar_start_at": start, "bar_seconds": 300} for start in starts]
    tables = {
        "instrument": [instrument_row(venue="somewhere", observed_at=START)],
        "ohlcv": [
            {**key, **bar, "volume_quantity": OPEN_INTEREST / N_BARS}
            for key, bar in zip(keys, bars, strict=True)
        ],
        "mark_ohlc": [
            {**key, **{f"mark_{name}": price for name, price in bar.items()}}
            for key, bar in zip(keys, bars, strict=True)
        ],
        "open_interest": [
            {
                **IDENTITY,
                "observed_at": start + timedelta(minutes=5),
                "open_interest_quantity": OPEN_INTEREST * (number + 1) / N_BARS,
            }
            for number, start in enumerate(starts)
        ],
        "leverage_bracket": [
            {
                **IDENTITY,
                "valid_from_at": START,
                "bracket": 1,
                "notional_floor_usd": 0.0,
                "maintenance_margin_ratio": MAINTENANCE_RATIO,
                "maintenance_deduction_usd": 0.0,
                "liquidation_fee_ratio": 0.0,
                "max_leverage": 125.0,
            }
        ],
    }
    return {kind: table_of(kind, rows) for kind, rows in tables.items()}


@pytest.fixture(scope="module")
def maps(tmp_path_factory):
    """Return, by side, edges of the bins and USD in them after the last bar."""
    as_of = START + 2 * HOUR
    with workshop(tmp_path_factory.mktemp("one_book") / "home") as shop:
        shop.take_in(records())
        shop.build(as_of, [ONLY_25X])
        return {
            side: np.array(
                shop.rows(
                    "select price_low, price_high, liquidation_usd "
                    "from marts.liquidation_heatmap_hourly "
                    "where (as_of, provider, venue, side) = (?, 'only_25x', 'all', ?)",
                    [as_of, side],
                )
            ).T
            for side in ("long", "short")
        }


@pytest.mark.parametrize(
    ("side", "low", "high", "centre"),
    [("long", 55_959, 56_925, 56_440), ("short", 60_019, 61_055, 60_537)],
)
def test_liquidations_stand_where_the_formula_puts_them(maps, side, low, high, centre):
    assert [low, high, centre] == pytest.approx(
        [liquidation_price(side, entry) for entry in (LOWEST_ENTRY, HIGHEST_ENTRY, 58_500.0)],
        rel=1e-4,
    )
    price_low, price_high, usd = maps[side]
    touches = (price_high > low) & (price_low < high)
    assert usd[touches].sum() >= 0.99 * usd.sum()
    # The mean is exact to half a step of the grid, 0.0005 in log price.
    middle = np.average(np.sqrt(price_low * price_high), weights=usd)
    assert middle == pytest.approx(centre, rel=5e-4)


@pytest.mark.parametrize("side", ["long", "short"])
def test_all_open_interest_stands_on_each_side(maps, side):
    price_low, price_high, usd = maps[side]
    base = (usd / np.sqrt(price_low * price_high)).sum()
    assert base == pytest.approx(OPEN_INTEREST, rel=1e-3)
