"""Bars for a ledger, written out and drawn at random with missing ones; calls that cut them."""

import dataclasses
import itertools

import numpy as np
from hypothesis import strategies as st

from transforms.ledger import LEDGERS, LedgerState, advance
from workbench.density_bars import bars_of, market_bars

PATH, VOLUME = LEDGERS["path_ledger"], LEDGERS["volume_ledger"]
EITHER = st.sampled_from([PATH, VOLUME])

HOUR = 3_600 * 10**6
START = 1_764_547_200 * 10**6
"""2025-12-01 [microseconds UTC]."""


def hourly_bars(prices, **columns):
    """Return hourly bars without a gap that stand still at each price; columns replace theirs."""
    prices = np.asarray(prices, dtype=np.float64)
    given = {"bar_end": START + HOUR * np.arange(len(prices)), **columns}
    bars = bars_of(prices, np.zeros(len(prices)))
    return dataclasses.replace(bars, bar_seconds=3_600, **given)


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
    """Draw the last bars of spans; some spans have no bars, and bars may be left over."""
    last = st.integers(0, len(bars) - 1)
    return np.array(sorted(draw(st.lists(last, max_size=len(bars) + 3))), dtype=np.int64)


def advance_in_parts(parameters, bars, ends, cuts, **options):
    """Return the last state and the outputs of each call, cut before the bars at `cuts`.

    A state passes from call to call as bytes. A span that ends where an even call ends is written
    by the next one, as a span before its first bar.
    """
    state, parts, n_written = None, [], 0
    edges = [0, *sorted(set(cuts) - {0, len(bars)}), len(bars)]
    for start, stop in itertools.pairwise(edges):
        is_left = stop % 2 == 0 and stop < len(bars)
        n_due = int(np.count_nonzero(ends < (stop - 1 if is_left else stop)))
        local = ends[n_written:n_due] - start
        state, outputs = advance(parameters, bars.part(start, stop), local, state=state, **options)
        state = LedgerState.from_bytes(state.to_bytes())
        parts.append(outputs)
        n_written = n_due
    return state, parts


def grid_of(state):
    """Return what a state holds by side, distance, half-life and node, and its first node."""
    standing = state.standing()
    return np.moveaxis(standing.reshape(2, standing.shape[1], -1, 4), 1, -1), state.first_node
