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


class Nodes:
    """What is held by side, distance, half-life and node; of the slowest also times its hour."""

    def __init__(self, parameters, bars):
        self.half_lives = np.array(parameters.half_lives_days)
        reach, n_distances = parameters.distances[-1], len(parameters.distances)
        logs = np.log([bars.open, bars.high, bars.low, bars.close])
        self.first = math.floor((logs.min() - reach) / STEP) - 4
        n_nodes = math.ceil((logs.max() + reach) / STEP) + 4 - self.first
        self.logs = (self.first + np.arange(n_nodes)) * STEP
        self.held = np.zeros((2, n_distances, len(self.half_lives), n_nodes))
        self.timed = np.zeros((2, n_distances, n_nodes))

    def decay(self, seconds):
        factors = 0.5 ** (seconds / 86_400 / self.half_lives)
        self.held *= factors[:, np.newaxis]
        self.timed *= factors[-1]

    def take(self, low, high):
        """Empty longs from a low and shorts up to a high; return what was there by side."""
        taken = []
        for side, is_reached in enumerate([self.logs >= np.log(low), self.logs <= np.log(high)]):
            held, timed = self.held[side], self.timed[side]
            taken.append((np.where(is_reached, held, 0.0), np.where(is_reached, timed, 0.0)))
            held[..., is_reached] = 0.0
            timed[..., is_reached] = 0.0
        return taken

    def add(self, side, points, amount, hour):
        for k, node, share, weight in points:
            part = amount * weight * share
            self.held[side, k, :, node - self.first] += part
            self.timed[side, k, node - self.first] += part[-1] * hour


def mean_log_age(taken, hours):
    """Return the mean ln(age in hours) of what each bar took of one side, weighted by amount."""
    weights, log_ages = [], []
    for (crossed, timed), hour in zip(taken, hours, strict=True):
        slowest = crossed[:, -1]
        is_any = slowest > 0.0
        weights.extend(slowest[is_any])
        log_ages.extend(np.log(hour - timed[is_any] / slowest[is_any]))
    return np.average(log_ages, weights=weights) if weights else np.nan


def drawdowns(bars, inside):
    """Return the largest fall and rise along the candles of a span [ln]."""
    largest = []
    for sign in (-1.0, 1.0):
        places = []
        for bar in inside:
            begin, end = sign * np.log([bars.open[bar], bars.close[bar]])
            extremes = sorted(
                sign * np.log([bars.low[bar], bars.high[bar]]), reverse=bool(end <= begin)
            )
            places.extend([begin, *extremes, end])
        largest.append(max(place - min(places[: i + 1]) for i, place in enumerate(places)))
    return largest


def dense_ledger(parameters, bars, span_after, kind="linear"):
    """Return the ledger of bars that start a series, span by span."""
    nodes = Nodes(parameters, bars)
    ends = bars.bar_end
    if ends is None:
        ends = bars.bar_seconds * 10**6 * np.arange(len(bars))
    seconds = (ends - ends[0]) / 1e6
    deposits, clearing = deposits_of(parameters, bars, kind), clearing_prices(bars)
    n_spans = len(span_after)
    result = DenseLedger(
        nodes.first,
        np.zeros((n_spans, *nodes.held.shape)),
        np.zeros((n_spans, *nodes.held.shape[:-1])),
        np.zeros((n_spans, 2)),
        np.full((n_spans, 2), np.nan),
    )
    gaps = np.diff(seconds, prepend=seconds[0] - bars.bar_seconds) - bars.bar_seconds
    start = 0
    for span, last in enumerate(span_after):
        inside = range(start, last + 1)
        taken = ([], [])
        for bar in inside:
            nodes.decay(gaps[bar])
            if bar == start and gaps[bar] > 0:
                # What price passed unseen, before the span, is gone.
                nodes.take(bars.open[bar], bars.open[bar])
            for side, part in enumerate(nodes.take(clearing[0][bar], clearing[1][bar])):
                taken[side].append(part)
                result.exposure[span, side] += part[0].sum(axis=-1)
            nodes.decay(bars.bar_seconds)
        for side in range(2):
            result.log_age[span, side] = mean_log_age(taken[side], seconds[inside] / 3600)
        if inside and start > 0:
            before = bars.open[start] if gaps[start] > 0 else bars.close[start - 1]
            lowest, highest = bars.low[inside].min(), bars.high[inside].max()
            moves = np.maximum(np.log([before / lowest, highest / before]), 0.0)
            result.move[span] = np.hypot(moves, drawdowns(bars, inside))
        for bar in inside:
            kept = 0.5 ** ((seconds[last] - seconds[bar]) / 86_400 / nodes.half_lives)
            for side in range(2):
                points = held_back_points(parameters, bars, side, bar, bars.close[bar : last + 1])
                nodes.add(side, points, deposits[bar] * kept, seconds[bar] / 3600)
        result.standing[span] = nodes.held
        start = last + 1
    return result
