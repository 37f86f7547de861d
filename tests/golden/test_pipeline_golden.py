"""The golden bars as records through load, build and publish, read back as readers do."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import numpy as np
import pytest
from workbench import instrument_row, table_of, workshop
from workbench.golden import BAR, FOLDERS, GOLDEN_ESTIMATORS, TURNOVER_RATIOS, map_of, rows_of

from jobs.pipeline import build_maps, load
from jobs.publish.publish import publish
from jobs.read.query import published_file
from jobs.settings import Settings

IDENTITY = {"venue": "golden", "instrument": "BTC/USDT:USDT"}
# Published bins reach this far from price, in log price.
RANGE = 0.5


def records_of_bars(bars):
    """Return the records that a venue would have sent of the golden bars."""
    starts = [datetime.fromisoformat(row["bar_start"]) for row in bars]
    key = [{**IDENTITY, "bar_start_at": start, "bar_seconds": 300} for start in starts]
    prices = [{name: float(row[name]) for name in ("open", "high", "low", "close")} for row in bars]
    return {
        "instrument": [instrument_row(venue="golden", observed_at=starts[0])],
        "ohlcv": [
            {**of, **price, "volume_quantity": float(row["volume_base"])}
            for of, price, row in zip(key, prices, bars, strict=True)
        ],
        "mark_ohlc": [
            {
                **of,
                "mark_open": price["open"],
                "mark_high": float(row["mark_high"]),
                "mark_low": float(row["mark_low"]),
                "mark_close": price["close"],
            }
            for of, price, row in zip(key, prices, bars, strict=True)
        ],
        "open_interest": [
            {
                **IDENTITY,
                "observed_at": start + BAR,
                "open_interest_quantity": float(row["open_interest_base"]),
            }
            for start, row in zip(starts, bars, strict=True)
        ],
        "leverage_bracket": [
            {
                **IDENTITY,
                "valid_from_at": starts[0],
                "bracket": 1,
                "notional_floor_usd": 0.0,
                "maintenance_margin_ratio": 0.004,
                "maintenance_deduction_usd": 0.0,
                "liquidation_fee_ratio": 0.0,
                "max_leverage": 125.0,
            }
        ],
    }


@dataclass(frozen=True, slots=True)
class Publication:
    """A reader's connection to what came of the golden bars of a folder."""

    folder: Path
    connection: duckdb.DuckDBPyConnection

    def totals(self, provider, side):
        """Return the golden totals of one side by instant."""
        rows = rows_of(self.folder, f"{provider}_model_totals.csv")
        chosen = {row["as_of"]: row for row in rows if row["side"] == side}
        assert chosen
        return chosen


@pytest.fixture(scope="module", params=FOLDERS)
def published(request, tmp_path_factory):
    """Yield what is published of the golden bars of each folder."""
    bars = rows_of(request.param, "bars_5m.csv")
    end = datetime.fromisoformat(bars[-1]["bar_start"]) + BAR
    settings = Settings(home=tmp_path_factory.mktemp("golden") / "home", threads=2)
    with workshop(settings.home) as shop:
        for kind, rows in records_of_bars(bars).items():
            shop.land(kind, table_of(kind, rows, ingested_at=end))
    load(settings)
    build_maps(settings, as_of=end, estimators=[*GOLDEN_ESTIMATORS.values()])
    publish(settings, as_of=end)
    with duckdb.connect(str(published_file(settings)), read_only=True) as connection:
        connection.execute("set timezone = 'UTC'")
        yield Publication(request.param, connection)


@pytest.mark.parametrize("side", ["long", "short"])
@pytest.mark.parametrize("provider", TURNOVER_RATIOS)
@pytest.mark.parametrize("venue", ["golden", "all"])
def test_published_map_is_the_golden_map(published, provider, side, venue):
    for as_of in published.totals(provider, side):
        instant = datetime.fromisoformat(as_of)
        rows = published.connection.execute(
            "select bin_index, liquidation_usd, price from marts.liquidation_heatmap_hourly "
            "where (asset, as_of, provider, venue, side) = ('BTC', ?, ?, ?, ?)",
            [instant, provider, venue, side],
        ).fetchall()
        map_of_bins = {bin_index: usd for bin_index, usd, _ in rows if usd}
        (price,) = {price for _, _, price in rows}
        golden = map_of(published.folder, provider, as_of, side)
        # The golden map has no bounds; what is not published of it stands beyond the range.
        beyond = {each: usd for each, usd in golden.items() if each not in map_of_bins}
        for bin_index in beyond:
            # Two nodes a bin, 0.001 apart, the outer of which is beyond.
            centre = (2 * bin_index + 0.5) * 0.001 - np.log(price)
            assert abs(centre) > RANGE - 0.001, bin_index
        within = {each: usd for each, usd in golden.items() if each not in beyond}
        assert map_of_bins == pytest.approx(within, rel=1e-6)
        ((beyond_usd,),) = published.connection.execute(
            "select position_usd from marts.liquidation_by_leverage_hourly where "
            "(asset, as_of, provider, venue, side, tier) = ('BTC', ?, ?, ?, ?, 'beyond_range')",
            [instant, provider, venue, side],
        ).fetchall()
        assert beyond_usd == pytest.approx(sum(beyond.values()), rel=1e-6)


@pytest.mark.parametrize("side", ["long", "short"])
@pytest.mark.parametrize("provider", TURNOVER_RATIOS)
def test_published_totals_are_the_golden_totals(published, provider, side):
    for as_of, golden in published.totals(provider, side).items():
        instant = datetime.fromisoformat(as_of)
        assert instant.tzinfo == UTC
        ((unlevered, in_tiers),) = published.connection.execute(
            "select sum(position_base) filter (tier = 'unlevered'), "
            "sum(position_base) filter (tier <> 'unlevered') "
            "from marts.liquidation_by_leverage_hourly "
            "where (asset, as_of, provider, venue, side) = ('BTC', ?, ?, 'all', ?)",
            [instant, provider, side],
        ).fetchall()
        (books,) = published.connection.execute(
            f"select consumed_{side}_base, swept_{side}_base, excess_{side}_base "
            "from marts.series_books_hourly where (asset, as_of, provider) = ('BTC', ?, ?)",
            [instant, provider],
        ).fetchall()
        (by_tier,) = published.connection.execute(
            "select sum(consumed_base), sum(swept_base) from marts.liquidation_by_leverage_hourly "
            "where (asset, as_of, provider, venue, side) = ('BTC', ?, ?, 'all', ?)",
            [instant, provider, side],
        ).fetchall()
        # What the golden totals call beyond is what no price can liquidate.
        assert unlevered == pytest.approx(float(golden["beyond_base"]), rel=1e-6)
        assert in_tiers == pytest.approx(float(golden["in_tiers_base"]), rel=1e-6)
        events = [
            float(golden[f"{name}_base_last_hour"]) for name in ("consumed", "swept", "excess")
        ]
        assert books == pytest.approx(events, rel=1e-6, abs=1e-8)
        assert by_tier == pytest.approx(events[:2], rel=1e-6, abs=1e-8)
