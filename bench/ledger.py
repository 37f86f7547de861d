"""How fast the compiled ledger is, against the same model written plainly.

Run ``python -m bench.ledger`` from the project root. It times a year of 5-minute bars on one core
without maps and with hourly ones, a year of hourly bars with a map each, and one hour at a time out
of a stored state; and the plain version (``tests/workbench/dense_ledger.py``) on the first bars of
the same year, after checking that both agree.
"""

import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bench.kernel import YEAR, hourly, simulated_bars
from bench.stopwatch import best_seconds, speed_options
from transforms.ledger import LEDGERS, LedgerParameters, LedgerState, advance
from transforms.series import Bars

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from workbench.dense_ledger import dense_ledger

WEIGHTS = np.linspace(1.0, 2.0, 64)
HOURS = YEAR // 12


def hourly_bars(bars: Bars) -> Bars:
    """Return the hours of 5-minute bars."""
    opens, lows = bars.open.reshape(-1, 12), bars.low.reshape(-1, 12)
    highs, closes = bars.high.reshape(-1, 12), bars.close.reshape(-1, 12)
    low, high, n_hours = lows.min(axis=1), highs.max(axis=1), len(lows)
    none = np.zeros(n_hours, dtype=np.bool_)
    return Bars(
        open=opens[:, 0],
        high=high,
        low=low,
        close=closes[:, -1],
        mark_high=high,
        mark_low=low,
        volume=bars.volume.reshape(-1, 12).sum(axis=1),
        taker_buy=np.full(n_hours, np.nan),
        open_interest=np.zeros(n_hours),
        is_imputed=none,
        has_gap_before=none,
        bar_seconds=3_600,
    )


def dense_seconds(parameters: LedgerParameters, bars: Bars) -> float:
    """Return processor time of the plain version [s], after checking that both versions agree."""
    start = time.process_time()
    dense = dense_ledger(parameters, bars, hourly(len(bars)))
    seconds = time.process_time() - start
    _, outputs = advance(parameters, bars, hourly(len(bars)))
    np.testing.assert_allclose(
        outputs.exposure, dense.exposure.reshape(outputs.exposure.shape), rtol=1e-9, atol=1e-9
    )
    return seconds


def one_hour_seconds(bars: Bars, span_after: npt.NDArray[np.int64], repeats: int) -> float:
    """Return processor time of an hour out of stored bytes, with its map by row, and back [s]."""
    ledger = LEDGERS["path_ledger"]
    state, _ = advance(ledger, bars.part(0, len(bars) - 12), span_after[:-1])
    payload, last = state.to_bytes(), bars.part(len(bars) - 12, len(bars))

    def one_hour() -> bytes:
        before = LedgerState.from_bytes(payload)
        after, _ = advance(ledger, last, [11], state=before, weights=WEIGHTS, wants_standing=True)
        return after.to_bytes()

    print(f"state after {len(bars)} bars: {len(payload) / 1e6:.2f} MB")
    return best_seconds(one_hour, 5 * repeats)


def print_rate(label: str, n_bars: int, repeats: int, function: Callable[[], object]) -> None:
    """Print the least processor time of some runs over some bars."""
    seconds = best_seconds(function, repeats)
    print(f"{label:44s} {n_bars:7d} bars: {seconds:.3f} s, {n_bars / seconds:,.0f} bars/s")


def main() -> None:
    """Print the figures."""
    options = speed_options(__doc__, 576)
    bars = simulated_bars(YEAR, seed=1)
    hours = hourly_bars(bars)
    start = time.perf_counter()
    advance(LEDGERS["path_ledger"], bars.part(0, 24), hourly(24), weights=WEIGHTS)
    print(f"first call (compiles unless cached): {time.perf_counter() - start:.1f} s")
    for name, ledger in LEDGERS.items():
        run = partial(advance, ledger)
        print_rate(f"{name}, no maps", YEAR, options.repeats, partial(run, bars, hourly(YEAR)))
        print_rate(
            f"{name}, hourly maps",
            YEAR,
            options.repeats,
            partial(run, bars, hourly(YEAR), weights=WEIGHTS),
        )
        print_rate(
            f"{name}, hourly bars, a map each",
            HOURS,
            options.repeats,
            partial(run, hours, np.arange(HOURS), weights=WEIGHTS),
        )
    month = hours.part(0, 720)
    print_rate(
        "path_ledger, hourly bars, a map by row each",
        720,
        options.repeats,
        partial(advance, LEDGERS["path_ledger"], month, np.arange(720), wants_standing=True),
    )
    seconds = one_hour_seconds(bars, hourly(YEAR), options.repeats)
    print(f"one hour out of a stored state and back: {1e3 * seconds:.2f} ms")
    seconds = dense_seconds(LEDGERS["volume_ledger"], bars.part(0, options.dense_bars))
    print(f"plain numpy: {options.dense_bars / seconds:,.0f} bars/s")


if __name__ == "__main__":
    main()
