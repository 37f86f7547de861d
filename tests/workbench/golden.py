"""Golden figures of the density model: where they lie, how they are read, how ours are written.

Belongs here: what both golden tests read, the estimators that the figures were made with, whatever
ships, and the plain calculation behind the figures in `tests/golden/figures`. It uses the dense
version of the model with tiers and offsets written out, so it shares neither kernel nor margin
formulas with what it checks.

Write the figures anew after a change of the model, from the project root::

    python tests/workbench/golden.py
"""

import csv
import dataclasses
import math
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from bench.dense import dense_density
from transforms.density import DensityParameters
from transforms.estimators import ESTIMATORS
from transforms.series import SIDES, Bars

OWN = Path(__file__).parents[1] / "golden/figures"
SHARED = Path(__file__).parents[2] / "../shared/golden/v2"
needs_shared = pytest.mark.skipif(
    not (SHARED / "bars_5m.csv").exists(), reason=f"the longer golden figures are not at {SHARED}"
)
FOLDERS = [
    pytest.param(OWN, id="own"),
    pytest.param(SHARED, id="shared", marks=needs_shared),
]

MAINTENANCE_RATIO = 0.004
MAX_LEVERAGE = 125.0
TURNOVER_RATIOS = {"open_interest": 0.0, "turnover": 0.25}
# Leverage, share of fresh positions, half-life [days].
TIERS = [
    (2, 0.20, 60.0),
    (3, 0.20, 60.0),
    (5, 0.30, 30.0),
    (10, 0.11, 14.0),
    (20, 0.04, 6.0),
    (25, 0.025, 5.0),
    (50, 0.015, 1.0),
    (75, 0.005, 0.75),
    (100, 0.005, 0.5),
]
UNLEVERED_SHARE, UNLEVERED_HALF_LIFE = 0.10, 60.0
ENTRY_WEIGHTS = [0.25, 0.20, 0.20, 0.35]
GOLDEN_ESTIMATORS = {
    name: dataclasses.replace(
        ESTIMATORS[name],
        leverages=tuple(float(leverage) for leverage, _, _ in TIERS),
        weights=tuple(share for _, share, _ in TIERS),
        half_lives_days=tuple(half_life for _, _, half_life in TIERS),
        unlevered_share=UNLEVERED_SHARE,
        unlevered_half_life_days=UNLEVERED_HALF_LIFE,
        turnover_ratio=turnover_ratio,
        entry_weights=tuple(ENTRY_WEIGHTS),
    )
    for name, turnover_ratio in TURNOVER_RATIOS.items()
}
LOG_STEP = 0.001
BAR = timedelta(minutes=5)
BARS_PER_HOUR = 12


def rows_of(folder, name):
    """Return the rows of a CSV by column, as text."""
    with (folder / name).open(newline="") as file:
        return list(csv.DictReader(file))


def map_of(folder, model, as_of, side):
    """Return USD by bin of one side at one instant."""
    return {
        int(row["bin_index"]): float(row["liquidation_usd"])
        for row in rows_of(folder, f"{model}_model_map.csv")
        if (row["as_of"], row["side"]) == (as_of, side)
    }


def bars_of(rows, seconds):
    """Return rows of prices, volume and open interest as bars."""

    def column(name):
        return np.array([float(row[name]) for row in rows])

    return Bars(
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


def dense_figures(bar_rows, model):
    """Return the rows of the map and of the totals after each full hour of five-minute bars."""
    bars = bars_of(bar_rows, int(BAR.total_seconds()))
    hours = np.arange(BARS_PER_HOUR - 1, len(bars), BARS_PER_HOUR)
    leverages, shares, half_lives = zip(*TIERS, strict=True)
    weights = np.array([*shares, UNLEVERED_SHARE])
    log_offsets = np.array(
        [
            [math.log((1 - 1 / each) / (1 - MAINTENANCE_RATIO)) for each in leverages],
            [math.log((1 + 1 / each) / (1 + MAINTENANCE_RATIO)) for each in leverages],
        ]
    )
    hazards = math.log(2.0) / np.array([*half_lives, UNLEVERED_HALF_LIFE])
    assumed = DensityParameters(
        log_offsets, np.stack([weights] * 3), hazards, np.array(ENTRY_WEIGHTS)
    )
    dense = dense_density(bars, hours, assumed, TURNOVER_RATIOS[model])
    map_rows, total_rows = [], []
    for number, last in enumerate(hours):
        as_of = (datetime.fromisoformat(bar_rows[last]["bar_start"]) + BAR).isoformat()
        hour = slice(last + 1 - BARS_PER_HOUR, last + 1)
        for index, side in enumerate(SIDES):
            key = {"as_of": as_of.replace("+00:00", "Z"), "side": side}
            standing = dense.standing[number, index].sum(axis=0)
            by_bin = {}
            for node in np.flatnonzero(standing):
                at = dense.first_node + int(node)
                usd = standing[node] * math.exp(at * LOG_STEP)
                by_bin[at // 2] = by_bin.get(at // 2, 0.0) + usd
            map_rows += [
                {**key, "bin_index": each, "liquidation_usd": usd} for each, usd in by_bin.items()
            ]
            total_rows.append(
                {
                    **key,
                    "in_tiers_base": standing.sum(),
                    "beyond_base": dense.unlevered[number, index],
                    "consumed_base_last_hour": dense.consumed[hour, index].sum(),
                    "swept_base_last_hour": dense.swept[hour, index].sum(),
                    "excess_base_last_hour": dense.excess[hour, index].sum(),
                }
            )
    return map_rows, total_rows


def write_figures(folder):
    """Write map and totals of the bars in a folder beside them."""
    bar_rows = rows_of(folder, "bars_5m.csv")
    for model in TURNOVER_RATIOS:
        map_rows, total_rows = dense_figures(bar_rows, model)
        for name, rows, digits in (("map", map_rows, 6), ("totals", total_rows, 9)):
            lines = [
                {
                    key: f"{value:.{digits}f}" if isinstance(value, float) else value
                    for key, value in row.items()
                }
                for row in rows
            ]
            with (folder / f"{model}_model_{name}.csv").open("w", newline="") as file:
                writer = csv.DictWriter(file, fieldnames=lines[0], lineterminator="\n")
                writer.writeheader()
                writer.writerows(lines)


if __name__ == "__main__":
    write_figures(OWN)
