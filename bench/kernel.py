"""How fast the compiled density kernel is, against the plain dense version.

Run ``python -m bench.kernel`` from the project root. It times a year of 5-minute bars with hourly
maps on one core for every estimator, and the plain version (``bench/dense.py``) on the first bars
of the same year, after checking that both agree.
"""

import time
from functools import partial

import numpy as np
import numpy.typing as npt

from bench.dense import dense_density
from bench.stopwatch import best_seconds, speed_options
from transforms.engine import density_parameters, run
from transforms.estimators import ESTIMATORS, EstimatorParameters
from transforms.ladders import default_brackets
from transforms.series import Bars

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


def main() -> None:
    """Print the figures."""
    options = speed_options(__doc__, 2880)
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
