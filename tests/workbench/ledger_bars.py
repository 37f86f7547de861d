"""Bars for a ledger: drawn at random with missing ones, and cut into spans and calls."""

import dataclasses
import itertools

import numpy as np
from hypothesis import strategies as st

from transforms.ledger import LEDGERS, LedgerState, advance
from workbench.density_bars import bars_of, market_bars

HOUR = 3_600 * 10**6
START = 1_764_547_200 * 10**6
"""2025-12-01 [microseconds UTC]."""


def ledger_bars_of(prices, **columns):
    """Return hourly bars without a gap that stand still at each price; columns replace theirs."""
    n_bars = len(prices)
    bars = bars_of(prices, np.zeros(n_bars), **columns)
    return dataclasses.replace(bars, bar_seconds=3_600, bar_end=START + HOUR * np.arange(n_bars))


@st.composite
def gappy_bars(draw, max_bars=40):
    """Draw bars of a market, some of them after a gap of minutes to years."""
    bars = draw(market_bars(max_bars))
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    longest = draw(st.sampled_from([2.0, 1e3, 3e5]))
    gap = np.where(bars.has_gap_before, longest ** generator.random(len(bars)), 0.0)
    step = bars.bar_seconds * 10**6
    return dataclasses.replace(bars, bar_end=START + step * np.cumsum(1 + gap.astype(np.int64)))


@st.composite
def ends_of_spans(draw, bars):
    """Draw the last bars of spans; some have no bars, and bars may be left over."""
    last = st.integers(0, len(bars) - 1)
    return np.array(sorted(draw(st.lists(last, max_size=len(bars) + 3))), dtype=np.int64)


def advance_in_parts(parameters, bars, ends, cuts, **options):
    """Return the last state and the outputs of each call, cut before the bars at `cuts`.

    A span that ends with a call is asked for in that call or, drawn by its parity, in the next one.
    """
    state, parts, asked = None, [], 0
    edges = [0, *sorted(set(cuts) - {0, len(bars)}), len(bars)]
    for start, stop in itertools.pairwise(edges):
        is_due = ends < (stop if stop == len(bars) or stop % 2 else stop - 1)
        n_due = int(is_due.sum())
        local = ends[asked:n_due] - start
        state, outputs = advance(parameters, bars.part(start, stop), local, state=state, **options)
        state = LedgerState.from_bytes(state.to_bytes())
        parts.append(outputs)
        asked = n_due
    return state, parts


__all__ = ["LEDGERS", "advance_in_parts", "ends_of_spans", "gappy_bars", "ledger_bars_of"]
