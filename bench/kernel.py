"""How fast the compiled density kernel is, against the plain dense version or other code.

Run from the project root::

    python -m bench.kernel
    python -m bench.kernel --against FOLDER    # a checkout of other code, in turns in one run

It times a year of 5-minute bars with hourly maps on one core for every estimator, and the plain
version (``bench/dense.py``) on the first bars of the same year, after checking that both agree.
"""

import argparse
import dataclasses
import os
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bench.dense import dense_density
from bench.stopwatch import best_seconds, print_machine
from transforms.engine import density_parameters, run, start_state
from transforms.estimators import ESTIMATORS, EstimatorParameters
from transforms.ladders import default_brackets
from transforms.series import Bars
from transforms.state import State

BARS_PER_DAY = 288
YEAR = 365 * BARS_PER_DAY


def simulated_bars(
    n_bars: int, seed: int, first_price: float = 60_000.0, first_open_interest: float = 90_000.0
) -> Bars:
    """Return 5-minute bars of a market that moves about 2.5 % and turns 3x its positions a day."""
    generator = np.random.default_rng(seed)
    activity = np.exp(0.7 * generator.standard_normal(n_bars))
    moves = 0.0015 * np.sqrt(activity) * generator.standard_normal(n_bars)
    close = first_price * np.exp(np.cumsum(moves - 0.0001 * np.tanh(np.cumsum(moves))))
    open_ = np.concatenate(([first_price], close[:-1]))
    wick = 0.0007 * np.sqrt(activity) * np.abs(generator.standard_normal((2, n_bars)))
    high, low = np.maximum(open_, close) * (1 + wick[0]), np.minimum(open_, close) * (1 - wick[1])
    volume = 1000.0 * activity
    change = 0.3 * volume * np.clip(generator.standard_normal(n_bars), -3, 3)
    pull = np.log(90_000.0 / first_open_interest) / BARS_PER_DAY
    open_interest = first_open_interest * np.exp(np.cumsum(change / 90_000.0 + pull))
    return Bars(
        open=open_,
        high=high,
        low=low,
        close=close,
        mark_high=np.maximum(high * 0.9999, low),
        mark_low=low,
        volume=volume,
        taker_buy=volume * generator.uniform(0.3, 0.7, n_bars),
        open_interest=open_interest,
        is_imputed=np.zeros(n_bars, dtype=np.bool_),
        has_gap_before=np.zeros(n_bars, dtype=np.bool_),
        bar_seconds=300,
    )


def hourly(n_bars: int) -> npt.NDArray[np.int64]:
    """Return the last bar of each hour."""
    return np.arange(11, n_bars, 12)


def dense_seconds(parameters: EstimatorParameters, bars: Bars) -> float:
    """Return processor time of the dense version [s], after checking that both versions agree."""
    emits = hourly(len(bars))
    assumed = density_parameters(parameters, default_brackets("BTC"), "linear")
    start = time.process_time()
    dense = dense_density(bars, emits, assumed, parameters.turnover_ratio)
    seconds = time.process_time() - start
    _, outputs = run(parameters, bars, emits, brackets=default_brackets("BTC"))
    positions = outputs.in_range_base + outputs.beyond_base
    np.testing.assert_allclose(positions, dense.standing.sum(axis=-1), rtol=1e-9)
    return seconds


def _without_start_up(state: State) -> State:
    """Return a state none of whose mass is start-up mass."""
    n_rows = len(state.total)
    return dataclasses.replace(
        state,
        start_up_nodes=np.zeros_like(state.start_up_nodes),
        start_up_low_node=np.ones(n_rows, dtype=np.int64),
        start_up_high_node=np.zeros(n_rows, dtype=np.int64),
        start_up_unlevered=np.zeros(2),
    )


def print_seconds(repeats: int) -> None:
    """Print the least processor time of each estimator over a year, a line each, for `against`.

    The first bar apart, three times: with start-up mass no longer followed, followed from one
    bar, and followed where it is spread over 30 days.
    """
    bars = simulated_bars(31 * BARS_PER_DAY + YEAR, seed=1)
    trail, year = bars.part(0, 30 * BARS_PER_DAY), bars.part(30 * BARS_PER_DAY, len(bars))
    brackets = default_brackets("BTC")
    for name, parameters in ESTIMATORS.items():
        if parameters.model != "density":
            continue
        followed, _ = run(parameters, year.part(0, 1), [], brackets=brackets)
        state = start_state(parameters, trail, brackets=brackets)
        spread, _ = run(parameters, year.part(0, 1), [], brackets=brackets, state=state)
        states = {"none": _without_start_up(followed), "followed": followed, "spread": spread}
        rest = year.part(1, 1 + YEAR)
        for kind, state in states.items():
            one_year = partial(run, parameters, rest, hourly(YEAR), brackets=brackets, state=state)
            print(name, kind, best_seconds(one_year, repeats))


def compare(folder: Path, turns: int, repeats: int) -> None:
    """Print how much longer this code takes than that of another checkout, run in turns."""
    this = Path(__file__).parents[1]
    best: dict[tuple[str, str, str], float] = {}
    for turn in range(turns):
        for code, root in (("before", folder), ("after", this)):
            # This file beside the other code: it measures both alike.
            command = [sys.executable, str(Path(__file__)), "--only-seconds", str(repeats)]
            environment = {**os.environ, "PYTHONPATH": str(root), "PYTHONSAFEPATH": "1"}
            done = subprocess.run(  # noqa: S603 - this very file
                command, check=True, capture_output=True, text=True, cwd=root, env=environment
            )
            for line in done.stdout.splitlines():
                name, kind, seconds = line.split()
                key = (code, name, kind)
                best[key] = min(float(seconds), best.get(key, np.inf))
        print(f"turn {turn + 1} of {turns}", file=sys.stderr)
    for (code, name, kind), seconds in best.items():
        if code == "after":
            before = best["before", name, kind]
            change = seconds / before - 1.0
            print(f"{name:18s} {kind:9s} {before:.4f} s, then {seconds:.4f} s ({change:+.1%})")


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dense-bars", type=int, default=2880, help="bars of the dense version")
    parser.add_argument("--repeats", type=int, default=5, help="runs of which the best counts")
    parser.add_argument("--against", type=Path, help="checkout of the code to compare with")
    parser.add_argument("--turns", type=int, default=4, help="turns of a comparison")
    parser.add_argument("--only-seconds", type=int, help="run each estimator so often and stop")
    options = parser.parse_args()
    if options.only_seconds:
        print_seconds(options.only_seconds)
        return
    if options.against:
        compare(options.against.resolve(), options.turns, options.repeats)
        return
    print_machine()
    bars = simulated_bars(YEAR, seed=1)
    turnover = ESTIMATORS["turnover"]
    start = time.perf_counter()
    run(turnover, bars.part(0, 24), hourly(24), brackets=default_brackets("BTC"))
    print(f"first call (compiles unless cached): {time.perf_counter() - start:.1f} s")
    kernel_rate = 0.0
    for name, parameters in ESTIMATORS.items():
        one_year = partial(run, parameters, bars, hourly(YEAR), brackets=default_brackets("BTC"))
        seconds = best_seconds(one_year, options.repeats)
        rate = YEAR / seconds
        kernel_rate = rate if parameters is turnover else kernel_rate
        print(f"{name:18s} {YEAR} bars, hourly maps: {seconds:.3f} s, {rate:,.0f} bars/s")
    dense_bars = bars.part(0, options.dense_bars)
    seconds = dense_seconds(turnover, dense_bars)
    dense_rate = len(dense_bars) / seconds
    print(
        f"dense numpy, {len(dense_bars)} bars: {seconds:.3f} s, {dense_rate:,.0f} bars/s; "
        f"the kernel is {kernel_rate / dense_rate:,.0f} times as fast"
    )


if __name__ == "__main__":
    main()
