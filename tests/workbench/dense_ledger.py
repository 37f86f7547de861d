"""The ledger written plainly: whole grid, every bar, numpy only; it shares no code with the kernel.

It follows the text of the model: a bar consumes, what is held decays, what the bars of a span
deposit is held back to the end of the span, less what a later close in it has passed.
"""

import math
from dataclasses import dataclass

import numpy as np

STEP = 0.001
LONG = 0


@dataclass
class DenseLedger:
    """What each span consumed, and what is held after it by side, row and node.

    Nodes run from ``first_node``; `standing` has shape (n_spans, 2, n_distances, 4, n_nodes).
    """

    first_node: int
    standing: np.ndarray
    exposure: np.ndarray
    move: np.ndarray
    log_age: np.ndarray


def deposits_of(parameters, bars, kind):
    """Return what each bar deposits."""
    if parameters.deposit == "path":
        return np.ones(len(bars))
    usd = bars.volume * (bars.close if kind == "linear" else 1.0)
    return usd / np.maximum(np.log(bars.high / bars.low), parameters.range_floor)


def clearing_prices(bars):
    """Return the low and high that liquidate: of the mark, or last where it is unknown."""
    is_unknown = np.isnan(bars.mark_low) | np.isnan(bars.mark_high)
    low = np.where(is_unknown, bars.low, bars.mark_low)
    return low, np.where(is_unknown, bars.high, bars.mark_high)


def held_back_points(parameters, bars, side, bar, closes):
    """Yield distance, node, share of the node and weight of what a bar of an ended span deposits.

    `closes` are those of the bar and of the later bars of its span.
    """
    for price, weight in zip(
        (bars.open[bar], bars.high[bar], bars.low[bar], bars.close[bar]),
        parameters.entry_weights,
        strict=True,
    ):
        for k, distance in enumerate(parameters.distances):
            point = math.log(price) + (-distance if side == LONG else distance)
            if side == LONG and point >= np.log(closes).min():
                continue
            if side != LONG and point <= np.log(closes).max():
                continue
            node = math.floor(point / STEP)
            upper = point / STEP - node
            yield k, node, 1.0 - upper, weight
            yield k, node + 1, upper, weight


def dense_ledger(parameters, bars, span_after, kind="linear"):
    """Return the ledger of bars that start a series, span by span."""
    n_distances, half_lives = len(parameters.distances), np.array(parameters.half_lives_days)
    reach = parameters.distances[-1]
    first_node = math.floor((math.log(bars.low.min()) - reach) / STEP) - 4
    n_nodes = math.ceil((math.log(bars.high.max()) + reach) / STEP) + 4 - first_node
    node_logs = (first_node + np.arange(n_nodes)) * STEP
    held = np.zeros((2, n_distances, 4, n_nodes))
    # Amount of the slowest row times when it was deposited [hours].
    timed = np.zeros((2, n_distances, n_nodes))
    ends = (
        bars.bar_end
        if bars.bar_end is not None
        else bars.bar_seconds * 10**6 * np.arange(len(bars))
    )
    seconds = (ends - ends[0]) / 1e6
    deposits = deposits_of(parameters, bars, kind)
    clearing = clearing_prices(bars)
    n_spans = len(span_after)
    result = DenseLedger(
        first_node,
        np.zeros((n_spans, *held.shape)),
        np.zeros((n_spans, 2, n_distances, 4)),
        np.zeros((n_spans, 2)),
        np.full((n_spans, 2), np.nan),
    )

    def let_decay(elapsed_seconds):
        factors = 0.5 ** (elapsed_seconds / 86_400 / half_lives)
        held[:] *= factors[:, np.newaxis]
        timed[:] *= factors[-1]

    start = 0
    for span, last in enumerate(span_after):
        log_ages, weights = [[], []], [[], []]
        for bar in range(start, last + 1):
            if bar > 0:
                # The time before the bar began, where bars are missing.
                let_decay(seconds[bar] - seconds[bar - 1] - bars.bar_seconds)
            for side in range(2):
                low, high = np.log(clearing[0][bar]), np.log(clearing[1][bar])
                is_crossed = node_logs >= low if side == LONG else node_logs <= high
                crossed = np.where(is_crossed, held[side], 0.0)
                result.exposure[span, side] += crossed.sum(axis=-1)
                slowest = crossed[:, -1]
                is_any = slowest > 0.0
                age = seconds[bar] / 3600 - timed[side][is_any] / slowest[is_any]
                log_ages[side].extend(np.log(age))
                weights[side].extend(slowest[is_any])
                held[side][..., is_crossed] = 0.0
                timed[side][..., is_crossed] = 0.0
            let_decay(bars.bar_seconds)
        if last >= start:
            if start > 0:
                before = bars.close[start - 1]
                lowest, highest = (
                    bars.low[start : last + 1].min(),
                    bars.high[start : last + 1].max(),
                )
                result.move[span] = np.maximum(np.log([before / lowest, highest / before]), 0.0)
            for side in range(2):
                if weights[side]:
                    result.log_age[span, side] = np.average(log_ages[side], weights=weights[side])
        for bar in range(start, last + 1):
            factors = 0.5 ** ((seconds[last] - seconds[bar]) / 86_400 / half_lives)
            for side in range(2):
                points = held_back_points(parameters, bars, side, bar, bars.close[bar : last + 1])
                for k, node, share, weight in points:
                    amount = deposits[bar] * weight * share * factors
                    held[side, k, :, node - first_node] += amount
                    timed[side, k, node - first_node] += amount[-1] * seconds[bar] / 3600
        result.standing[span] = held
        start = last + 1
    return result
