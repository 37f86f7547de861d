"""How often a day's published liquidations lie within the interval of the outlook.

Run ``python -m bench.outlook --recorded FOLDER`` from the project root, with the folder that
``bench.accuracy`` reads. At each midnight of the half of BTC's hours that a ledger was not fitted
to, paths of the recent volatility are drawn and held against what was published in the next day.
"""

import argparse
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from bench.accuracy.panels import Recording, make_panel, read_recording, to_model_bars
from bench.accuracy.recorded import fill_volume
from bench.touch_levels import hourly_volatility
from transforms.calibration.capture import trailing_capture
from transforms.calibration.outlook import HOURS, StandingMap, outlook, simulate_paths
from transforms.calibration.poisson import fit_poisson, predict
from transforms.ledger import LEDGERS, advance
from transforms.series import BoolArray, FloatArray
from transforms.skill.nulls import move_term
from transforms.skill.panel import Panel
from transforms.touch import blend_volatility, weekend_change

DAY = 86_400_000_000


def main() -> None:
    """Print coverage and ratio of each ledger, both ways."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recorded", type=Path, required=True)
    parser.add_argument("--cut", default="2026-03-06")
    given = parser.parse_args()
    recording = read_recording(given.recorded, "BTC", 1)
    cut = int(np.datetime64(given.cut, "us").astype(np.int64))
    print("ledger         tested   side-days  below  within  above  expected / published")
    for ledger in LEDGERS:
        panel = make_panel(recording, [ledger])
        for name, is_training in (
            ("after", panel.span_end <= cut),
            ("before", panel.span_end > cut),
        ):
            rows = np.array(list(_days(recording, panel, ledger, is_training)))
            published, usd, low, high = rows.reshape(-1, 2, 4).transpose(2, 0, 1)
            below, above = (published < low).mean(), (published > high).mean()
            print(
                f"{ledger:14s} {name:7s} {published.size:10d} {below:6.2f} "
                f"{1.0 - below - above:7.2f} {above:6.2f} {usd.sum() / published.sum():9.2f}"
            )


def _days(
    recording: Recording, panel: Panel, ledger: str, is_training: BoolArray
) -> Iterator[FloatArray]:
    """Yield published, expected, low and high USD of both sides, (2, 4), for each day tested."""
    columns, move = panel.exposures[ledger], move_term(panel)
    own = is_training & panel.has_figure
    fit = fit_poisson(columns[own], panel.realised_usd[own], move[own])
    capture = trailing_capture(
        panel.realised_usd,
        predict(fit, columns, move),
        is_usable=panel.has_figure,
        span_end=panel.span_end,
    )
    bars = recording.bars
    volume, _ = fill_volume(bars)
    moments = to_model_bars(bars, volume, np.zeros(len(bars)))
    _, outputs = advance(LEDGERS[ledger], moments, np.arange(len(bars)), weights=fit.weights)
    fast, slow, _ = hourly_volatility(bars.close)
    volatility = blend_volatility(fast, slow, weekend_change(bars.bar_end))
    for row in np.flatnonzero((panel.span_end % DAY == 0) & ~is_training):
        day = slice(row + 1, row + 1 + HOURS)
        is_whole = (
            panel.span_end[day].size == HOURS
            and panel.span_end[row + HOURS] - panel.span_end[row] == DAY
            and panel.has_figure[day].all()
        )
        bar = int(np.searchsorted(bars.bar_end, panel.span_end[row]))
        # What the first hour of the day is multiplied by: the week before it.
        ratio = capture[row + 1] if is_whole else math.nan
        if not (np.isfinite(ratio) and np.isfinite(volatility[bar])):
            continue
        standing = StandingMap(
            price=float(outputs.close[bar]),
            first_bin=int(outputs.first_bin[bar]),
            usd=ratio * outputs.map[bar].astype(np.float64),
            move_weight=ratio * fit.move_weight,
            constant=ratio * fit.constant,
        )
        paths = simulate_paths(float(volatility[bar]), np.random.default_rng(int(row)))
        found = outlook(standing, paths)
        published = panel.realised_usd[day].sum(axis=0)
        yield np.column_stack((published, found.usd, found.quantiles_usd[:, [0, 2]]))


if __name__ == "__main__":
    main()
