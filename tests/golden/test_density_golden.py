"""The density model against figures computed independently of its kernel."""

import dataclasses
from datetime import datetime

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from workbench.golden import (
    FOLDERS,
    GOLDEN_ESTIMATORS,
    OWN,
    SHARED,
    TURNOVER_RATIOS,
    bars_of,
    dense_figures,
    map_of,
    needs_shared,
    rows_of,
)

from transforms import grid
from transforms.engine import run
from transforms.estimators import ESTIMATORS
from transforms.margin import Brackets
from transforms.series import SIDES


def test_two_bars_and_one_tier_worked_out_by_hand():
    only_10x = dataclasses.replace(
        ESTIMATORS["turnover"],
        provider="only_10x",
        leverages=(10.0,),
        weights=(0.8,),
        unlevered_share=0.2,
        # Equal half-lives: voluntary closes take the same share of both.
        half_lives_days=(5.0,),
        unlevered_half_life_days=5.0,
        turnover_ratio=0.25,
        entry_weights=(0.25, 0.20, 0.20, 0.35),
    )
    brackets = Brackets.from_ratios([0.0], [0.005], [125.0])
    rows = [
        dict(zip(("open", "high", "low", "close", "mark_high", "mark_low"), prices, strict=True))
        | {"volume_base": volume, "open_interest_base": open_interest}
        for prices, volume, open_interest in (
            ((100, 100, 100, 100, 100, 100), 0, 10),
            ((100, 100, 90, 90, 100, 90), 12, 8),
        )
    ]
    _, outputs = run(only_10x, bars_of(rows, 300), [0, 1], brackets=brackets)

    # Liquidation prices are entry x (1 - 1/10) / (1 - .005) = .9045226 of entry for longs and
    # entry x (1 + 1/10) / (1 + .005) = 1.0945274 of entry for shorts.
    #
    # First bar. 10 on each side open at 100: 8 in the tier, 2 unlevered.
    #   longs  at  90.45226, ln = 4.5048222: nodes 4504 (.1778) and 4505 (.8222), bin 2252
    #   shorts at 109.45274, ln = 4.6954928: nodes 4695 (.5072) and 4696 (.4928), bins 2347 and 2348
    assert_allclose(outputs.unlevered_base[0], [2.0, 2.0])
    assert map_at(outputs, 0) == [
        {2252: pytest.approx(8 * (0.1777878 * 90.3779209 + 0.8222122 * 90.4683440), rel=1e-6)},
        {
            2347: pytest.approx(8 * 0.5071757 * 109.3988086, rel=1e-6),
            2348: pytest.approx(8 * 0.4928243 * 109.5082622, rel=1e-6),
        },
    ]

    # Second bar. Open interest falls by 2 at a volume of 12, so 10 is churn and 1.25 of it turns
    # over: 1.25 open and 3.25 close on each side.
    #   Consume: the mark fell to 90, below the 8 longs at 90.45; no short is reached.
    #   Sweep: longs entered at open and high would be liquidated at 90.45, above the close, 90:
    #     1.25 x .45 x .8 = .45. Shorts stand above the close whatever their entry.
    #   Close: longs lost 8.45, 5.20 more than can have closed. 3.25 of 10 shorts close, .675 stay:
    #     5.4 in the tier, 1.35 unlevered.
    #   Open: longs entered at low and close, 1.25 x .55 x .8 = .55 at 81.40704; unlevered 2.25.
    #     Shorts: .45 at 109.45274, .55 at 90 x 1.0945274 = 98.50746; unlevered 1.60.
    #   Balance: longs hold 2.80 where open interest is 8, so all is multiplied by 20/7. Shorts
    #     hold 5.85 + .55 + 1.60 = 8 as they should.
    assert_allclose(outputs.consumed_quantity[1], [[8.0], [0.0]])
    assert_allclose(outputs.swept_quantity[1], [[0.45], [0.0]])
    assert_allclose(outputs.excess_quantity[1], [5.2, 0.0])
    assert_allclose([outputs.balance_min[1], outputs.balance_max[1]], [1.0, 20 / 7])
    assert_allclose(outputs.unlevered_base[1], [2.25 * 20 / 7, 1.6])
    # Longs: ln 81.40704 = 4.3994617, nodes 4399 (.5383) and 4400 (.4617), bins 2199 and 2200.
    # Shorts: ln 98.50746 = 4.5901323, nodes 4590 and 4591, bin 2295 holds both.
    assert map_at(outputs, 1) == [
        {
            2199: pytest.approx(0.55 * 20 / 7 * 0.5383035 * 81.3694585, rel=1e-6),
            2200: pytest.approx(0.55 * 20 / 7 * 0.4616965 * 81.4508687, rel=1e-6),
        },
        {
            2295: pytest.approx(0.55 * (0.8676914 * 98.4944302 + 0.1323086 * 98.5929739), rel=1e-6),
            2347: pytest.approx(5.85 * 0.5071757 * 109.3988086, rel=1e-6),
            2348: pytest.approx(5.85 * 0.4928243 * 109.5082622, rel=1e-6),
        },
    ]
    assert_array_equal(outputs.violation_count, 0)


def map_at(outputs, instant):
    """Return the filled bins of both sides, USD by bin."""
    first = int(outputs.first_bin[instant])
    return [
        {first + int(each): float(side[each]) for each in np.flatnonzero(side)}
        for side in outputs.liquidation_usd[instant]
    ]


@pytest.mark.parametrize("model", TURNOVER_RATIOS)
@pytest.mark.parametrize("folder", FOLDERS)
def test_frozen_figures_are_those_of_the_plain_calculation(folder, model):
    bar_rows = rows_of(folder, "bars_5m.csv")
    for name, key_columns, rows in zip(
        ("map", "totals"), (3, 2), dense_figures(bar_rows, model), strict=True
    ):
        calculated = {
            tuple(map(str, values[:key_columns])): values[key_columns:]
            for values in (list(row.values()) for row in rows)
        }
        frozen = rows_of(folder, f"{model}_model_{name}.csv")
        assert frozen
        for row in frozen:
            cells = list(row.values())
            assert_allclose(
                calculated[tuple(cells[:key_columns])],
                [float(cell) for cell in cells[key_columns:]],
                rtol=1e-6,
                atol=1e-8,
            )


@pytest.mark.parametrize(
    ("folder", "prefix", "name", "bars_file", "seconds"),
    [
        (OWN, "open_interest", "open_interest", "bars_5m.csv", 300),
        (OWN, "turnover", "turnover", "bars_5m.csv", 300),
        *(
            pytest.param(SHARED, *case, marks=needs_shared)
            for case in (
                ("open_interest", "open_interest", "bars_5m.csv", 300),
                ("turnover", "turnover", "bars_5m.csv", 300),
                ("hourly_turnover", "turnover", "bars_1h.csv", 3600),
            )
        ),
    ],
)
def test_maps_and_totals_agree_with_the_golden_model(folder, prefix, name, bars_file, seconds):
    bar_rows = rows_of(folder, bars_file)
    bars = bars_of(bar_rows, seconds)
    start = datetime.fromisoformat(bar_rows[0]["bar_start"])
    brackets = Brackets.from_ratios([0.0], [0.004], [125.0])
    totals = {
        (row["as_of"], row["side"]): row for row in rows_of(folder, f"{prefix}_model_totals.csv")
    }
    per_hour = 3600 // seconds
    hours = np.arange(per_hour - 1, len(bars), per_hour)
    _, hourly = run(GOLDEN_ESTIMATORS[name], bars, hours, brackets=brackets)
    for as_of in sorted({as_of for as_of, _ in totals}):
        elapsed = datetime.fromisoformat(as_of) - start
        n_bars = int(elapsed.total_seconds()) // bars.bar_seconds
        state, _ = run(GOLDEN_ESTIMATORS[name], bars.part(0, n_bars), [], brackets=brackets)
        hour = n_bars // per_hour - 1
        nodes = state.first_node + np.arange(state.nodes.shape[1])
        # The golden map reaches beyond the published bins, so it is set against the state.
        usd = state.standing().reshape(2, -1, len(nodes)).sum(axis=1) * grid.node_price(nodes)
        bins = nodes // grid.NODES_PER_BIN
        for index, side in enumerate(SIDES):
            expected = map_of(folder, prefix, as_of, side)
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
