"""How long fits to realised liquidations take, with their spread.

Run ``python -m bench.fits`` from the project root. It makes up half a year of hours, runs the
ledger over them, realises a noisy part of what it consumed, and times what a refit of one series
needs: the fit, 200 joint draws, capture, intervals of predictions, the forecast's regression.
"""

import argparse

import numpy as np

from bench.kernel import simulated_bars
from bench.ledger import hourly_bars
from bench.stopwatch import best_seconds, print_machine
from transforms.calibration.capture import trailing_capture
from transforms.calibration.features import adverse_move
from transforms.calibration.interval import trailing_interval
from transforms.calibration.poisson import BlockDraws, fit_poisson, predict, time_blocks
from transforms.calibration.tweedie import fit_tweedie
from transforms.ledger import LEDGERS, advance

HOURS = 180 * 24
SERIES = 250
N_FEATURES = 16


def main() -> None:
    """Print processor seconds of each step for one series, and of the fits of 250."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hours", type=int, default=HOURS)
    parser.add_argument("--draws", type=int, default=200)
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    print_machine()

    bars = hourly_bars(simulated_bars(given.hours * 12, seed=1))
    _, outputs = advance(LEDGERS["path_ledger"], bars, np.arange(given.hours))
    previous = np.concatenate([bars.open[:1], bars.close[:-1]])
    move = adverse_move(previous, bars.open, bars.high, bars.low, bars.close)
    generator = np.random.default_rng(0)
    expected = outputs.exposure @ np.linspace(2.0, 1.0, 64) + 1e4 * move**2 + 0.1
    realised = expected * generator.gamma(0.5, 2.0, expected.shape) * 1e4
    span_end = (np.arange(given.hours) + 1) * 3_600_000_000

    def fit(n_draws: int) -> None:
        draws = None
        if n_draws:
            draws = BlockDraws(time_blocks(span_end), np.random.default_rng(0), n_draws)
        fitted = fit_poisson(outputs.exposure, realised, move, block_draws=draws)
        assert fitted.is_converged

    predicted = predict(fit_poisson(outputs.exposure, realised, move), outputs.exposure, move)
    features = generator.normal(size=(realised.size, N_FEATURES))
    steps = {
        "fit, 66 parameters": lambda: fit(0),
        f"fit and {given.draws} draws": lambda: fit(given.draws),
        "capture": lambda: trailing_capture(realised, predicted, span_end=span_end),
        "intervals": lambda: trailing_interval(realised, predicted, span_end),
        f"regression, {N_FEATURES} features": lambda: fit_tweedie(features, realised.ravel()),
    }
    seconds = {name: best_seconds(step, given.repeats) for name, step in steps.items()}
    for name, taken in seconds.items():
        print(f"{name:24s} {taken:8.4f} s")
    print(f"{SERIES} series, all of it    {SERIES * sum(seconds.values()):8.1f} s")


if __name__ == "__main__":
    main()
