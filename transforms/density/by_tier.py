"""Maps by tier: a call cut after the instants that want one, and the map of each tier there.

Belongs here: where a call is cut, and writing a tier's bins from the rows as they are then. Does
not belong here: the recursion, which the cuts leave as it is, and the map over all tiers
(``emit``).

Rows change in place, so a cut costs one more call and nothing else: instants that want no map by
tier run through the recursion as if there were none.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple, TypeVar

import numpy as np

from transforms.compiler import fast_compiled
from transforms.density import layout as at
from transforms.density.emit import (
    Events,
    Maps,
    add_span,
    empty_events,
    empty_maps,
    write_bins,
)
from transforms.density.inputs import KernelBars, KernelParameters
from transforms.density.tier_rows import TierRows
from transforms.grid import N_PUBLISHED_BINS, NODES_PER_BIN
from transforms.series import Float32Array, FloatArray, IntArray

Written = TypeVar("Written", Maps, Events)


class Cut(NamedTuple):
    """A part of a call: some of its bars, and the instants that lie in them.

    Parameters
    ----------
    bars : slice
        Bars of the call.
    instants : slice
        Instants of the call.
    emit_after : ndarray of int64, shape (n_instants,)
        Bar of the part after which each of them lies; -1: before the first.
    has_tiers : bool
        Whether the last of them gets a map by tier.
    """

    bars: slice
    instants: slice
    emit_after: IntArray
    has_tiers: bool


def cuts(emit_after: IntArray, n_bars: int, n_by_tier: int) -> Iterator[Cut]:
    """Yield the parts of a call, each instant that wants a map by tier at the end of one.

    Parameters
    ----------
    emit_after : ndarray of int64, shape (n_emits,)
        Bar after which each instant lies; -1: before the first.
    n_bars : int
        Bars of the call.
    n_by_tier : int
        How many instants, the last ones, want a map by tier.

    Yields
    ------
    Cut
        In order; one without instants at the end where bars are left.

    Examples
    --------
    >>> [(cut.bars.stop, cut.emit_after.tolist()) for cut in cuts(np.array([1, 3, 5]), 8, 2)]
    [(4, [1, 3]), (6, [1]), (8, [])]
    """
    bar = instant = 0
    for wanted in range(len(emit_after) - n_by_tier, len(emit_after)):
        stop = max(int(emit_after[wanted]) + 1, bar)
        instants = slice(instant, wanted + 1)
        yield Cut(slice(bar, stop), instants, emit_after[instants] - bar, True)
        bar, instant = stop, wanted + 1
    if bar < n_bars or n_by_tier == 0:
        instants = slice(instant, len(emit_after))
        yield Cut(slice(bar, n_bars), instants, emit_after[instants] - bar, False)


class Before(NamedTuple):
    """The bars before those of a call: how many, and open interest and close of the last."""

    bar_count: int
    open_interest: float
    close: float


Advance = Callable[[KernelBars, IntArray, Maps, Events, Before], None]
"""Moves rows over bars, and writes maps and events of the instants in them."""


def advance_by_cuts(
    advance: Advance,
    rows: TierRows,
    columns: KernelBars,
    parameters: KernelParameters,
    emit_after: IntArray,
    n_by_tier: int,
    before: Before,
) -> tuple[Maps, Events, Float32Array]:
    """Return maps and events of all instants, and maps by tier of the last ones.

    Parameters
    ----------
    advance : callable
        The recursion over `rows`.
    rows : TierRows
        Changed in place.
    columns : KernelBars
        Bars of the call.
    parameters : KernelParameters
        What holds for all of them.
    emit_after : ndarray of int64, shape (n_emits,)
        Bar after which each instant lies.
    n_by_tier : int
        How many instants, the last ones, get a map by tier.
    before : Before
        Of the bars before the call.

    Returns
    -------
    maps, events : Maps, Events
    by_tier : ndarray of float32, shape (n_by_tier, 2, n_tiers, 501)
        Of each tier, what would be liquidated in each published bin [USD].

    Examples
    --------
    >>> from transforms.density.inputs import DensityParameters, kernel_parameters_of
    >>> from transforms.density.tier_rows import rows_of
    >>> from transforms.state import State
    >>> offsets = np.array([[-0.1], [0.1]])
    >>> assumed = DensityParameters(offsets, np.ones((3, 2)), np.ones(2), np.full(4, 0.25))
    >>> maps, _, by_tier = advance_by_cuts(
    ...     lambda bars, emit_after, maps, events, before: None,
    ...     rows_of(State.empty(2), 0, 5),
    ...     KernelBars(np.ones((6, 3)), np.ones((4, 3)), np.zeros((2, 3), dtype=np.bool_)),
    ...     kernel_parameters_of(assumed, 0, 5), np.array([0, 2]), 1, Before(0, 0.0, 1.0),
    ... )
    >>> len(maps.close), by_tier.shape
    (2, (1, 2, 1, 501))
    """
    n_tiers = parameters.offset_steps.shape[1]
    by_tier = np.zeros((n_by_tier, 2, n_tiers, N_PUBLISHED_BINS), dtype=np.float32)
    summed = np.zeros(rows.nodes.shape[2])
    parts: list[tuple[Maps, Events]] = []
    for cut in cuts(emit_after, columns.flows.shape[1], n_by_tier):
        # Slices are copied: views would be another type to the compiler.
        bars = KernelBars(
            prices=np.ascontiguousarray(columns.prices[:, cut.bars]),
            flows=np.ascontiguousarray(columns.flows[:, cut.bars]),
            flags=np.ascontiguousarray(columns.flags[:, cut.bars]),
        )
        maps = empty_maps(len(cut.emit_after), n_tiers)
        events = empty_events(len(cut.emit_after), n_tiers)
        advance(bars, cut.emit_after, maps, events, before)
        if bars.flows.shape[1]:
            before = Before(
                before.bar_count + bars.flows.shape[1],
                float(bars.flows[at.OPEN_INTEREST, -1]),
                float(bars.prices[at.CLOSE_PRICE, -1]),
            )
        if cut.has_tiers:
            first = NODES_PER_BIN * int(maps.first_bin[-1]) - parameters.first_node
            stop = first + NODES_PER_BIN * int(maps.n_bins[-1])
            own = by_tier[cut.instants.stop - 1 - (len(emit_after) - n_by_tier)]
            _write_tiers(rows, parameters, first, stop, own, summed)
        parts.append((maps, events))
    if len(parts) == 1:
        return *parts[0], by_tier
    return _joined([maps for maps, _ in parts]), _joined([each for _, each in parts]), by_tier


def _joined(parts: list[Written]) -> Written:
    """Return maps or events one after the other."""
    arrays = {
        name: np.concatenate(
            [getattr(part, name) for part in parts], axis=1 if name in ("sums", "by_tier") else 0
        )
        for name in parts[0]._fields
    }
    return type(parts[0])(**arrays)


@fast_compiled
def _write_tiers(
    rows: TierRows,
    parameters: KernelParameters,
    first: int,
    stop: int,
    usd: Float32Array,
    summed: FloatArray,
) -> None:
    """Write the USD of each tier's nodes from `first` up to `stop` by published bin.

    `summed` is 0 throughout, before and after.
    """
    n_tiers = usd.shape[1]
    prices = parameters.prices
    for row in range(2 * n_tiers):
        low = max(rows.spans[at.LOW, row], first)
        high = min(rows.spans[at.HIGH, row], stop - 1)
        scale = rows.amounts[at.MULTIPLIER, row]
        own = usd[row // n_tiers, row % n_tiers]
        add_span(rows.nodes, at.ALL, row, prices, low, high, scale, summed)
        write_bins(summed, prices, low, high, first, parameters.is_inverse, own)
