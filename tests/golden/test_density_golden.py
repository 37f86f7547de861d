"""The density model against figures computed independently of it."""

import csv
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose

from transforms import grid
from transforms.engine import run
from transforms.estimators import ESTIMATORS
from transforms.margin import Brackets
from transforms.series import SIDES, Bars

GOLDEN = Path(__file__).parents[2] / "../shared/golden/v2"
pytestmark = pytest.mark.skipif(
    not (GOLDEN / "bars_5m.csv").exists(), reason=f"golden figures are not at {GOLDEN}"
)


def rows_of(name):
    with (GOLDEN / name).open(newline="") as file:
        return list(csv.DictReader(file))


def golden_bars(name, seconds):
    rows = rows_of(name)

    def column(name):
        return np.array([float(row[name]) for row in rows])

    bars = Bars(
        open=column("open"),
        high=column("high"),
        low=column("low"),
        close=column("close"),
        mark_high=column("mark_high"),
        mark_low=column("mark_low"),
        volume=column("volume_base"),
        taker_buy=np.full(len(rows), np.nan),
        open_interest=column("open_interest_base"),
        is_imputed=np.zeros(len(rows), dtype=np.bool_),
        has_gap_before=np.zeros(len(rows), dtype=np.bool_),
        bar_seconds=seconds,
    )
    starts = [datetime.fromisoformat(row["bar_start"]) for row in rows]
    return bars, starts


@pytest.mark.parametrize(
    ("prefix", "name", "bars_file", "seconds"),
    [
        ("open_interest", "open_interest", "bars_5m.csv", 300),
        ("turnover", "turnover", "bars_5m.csv", 300),
        ("hourly_turnover", "turnover", "bars_1h.csv", 3600),
    ],
)
def test_maps_and_totals_agree_with_the_golden_model(prefix, name, bars_file, seconds):
    bars, starts = golden_bars(bars_file, seconds)
    brackets = Brackets.from_ratios([0.0], [0.004], [125.0])
    totals = {(row["as_of"], row["side"]): row for row in rows_of(f"{prefix}_model_totals.csv")}
    golden_map = rows_of(f"{prefix}_model_map.csv")
    per_hour = 3600 // seconds
    hours = np.arange(per_hour - 1, len(bars), per_hour)
    _, hourly = run(ESTIMATORS[name], bars, hours, brackets=brackets)
    for as_of in sorted({as_of for as_of, _ in totals}):
        elapsed = datetime.fromisoformat(as_of) - starts[0]
        n_bars = int(elapsed.total_seconds()) // bars.bar_seconds
        state, _ = run(ESTIMATORS[name], bars.part(0, n_bars), [], brackets=brackets)
        hour = n_bars // per_hour - 1
        nodes = state.first_node + np.arange(state.nodes.shape[1])
        # The golden map reaches beyond the published bins, so it is set against the state.
        usd = state.standing().reshape(2, -1, len(nodes)).sum(axis=1) * grid.node_price(nodes)
        bins = grid.bin_of_node(nodes)
        for index, side in enumerate(SIDES):
            expected = {
                int(row["bin_index"]): float(row["liquidation_usd"])
                for row in golden_map
                if (row["as_of"], row["side"]) == (as_of, side)
            }
            by_bin = np.bincount(bins - bins[0], weights=usd[index])
            filled = bins[0] + np.flatnonzero(by_bin)
            assert filled.tolist() == list(expected)
            assert_allclose(by_bin[filled - bins[0]], list(expected.values()), rtol=1e-6)

            first, count = hourly.first_bin[hour], hourly.n_bins[hour]
            published = hourly.liquidation_usd[hour, index, :count]
            in_range = [expected.get(each, 0.0) for each in range(first, first + count)]
            assert_allclose(published, in_range, rtol=1e-6)

            row = totals[as_of, side]
            in_tiers = (hourly.in_range_base + hourly.beyond_base)[hour, index].sum()
            assert_allclose(in_tiers, float(row["in_tiers_base"]), rtol=1e-9)
            # What the golden totals call beyond is what no price can liquidate.
            assert_allclose(
                hourly.unlevered_base[hour, index], float(row["beyond_base"]), rtol=1e-9
            )
            for column, happened in (
                ("consumed", hourly.consumed_quantity.sum(axis=2)),
                ("swept", hourly.swept_quantity.sum(axis=2)),
                ("excess", hourly.excess_quantity),
            ):
                assert_allclose(
                    happened[hour, index],
                    float(row[f"{column}_base_last_hour"]),
                    rtol=1e-6,
                    atol=1e-8,
                    err_msg=column,
                )
