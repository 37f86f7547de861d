"""What the mark price forces on positions: margin calls, partial and whole liquidations.

Belongs here: who is reached by the mark, what becomes of him, what the venue publishes of it. Does
not belong here: what traders do of their own accord (`sources.simulated.trading`).
"""

from math import exp
from typing import NamedTuple

import numpy as np
from numba import njit

from sources.simulated.positions import (
    LONG,
    NOBODY,
    FloatArray,
    IntArray,
    Ledger,
    Positions,
    SimulatedContract,
    bin_of,
    change_position,
    compiled_uncounted,
    margin_at,
    price_of_margin,
    remove_position,
    usd_of,
)


class Forced(NamedTuple):
    """Liquidations of one minute by side, long and short, valued at the mark price."""

    lots: IntArray
    usd: FloatArray
    published_lots: IntArray
    published_usd: FloatArray
    order_count: IntArray  # (1,): of both sides


@compiled_uncounted
def forget_forced(forced: Forced) -> None:
    """Begin another minute."""
    forced.lots[:] = 0
    forced.usd[:] = 0.0
    forced.published_lots[:] = 0
    forced.published_usd[:] = 0.0
    forced.order_count[:] = 0


@compiled_uncounted
def _record(contract: SimulatedContract, forced: Forced, side: int, lots: int, mark: float) -> None:
    """Count a liquidation order; a throttled feed publishes the first ones of a minute only."""
    usd = usd_of(contract, lots, mark)
    forced.lots[side] += lots
    forced.usd[side] += usd
    if forced.order_count[0] < contract.feed_orders_per_minute:
        forced.published_lots[side] += lots
        forced.published_usd[side] += usd
    forced.order_count[0] += 1


@njit(cache=True)
def is_reached(side: int, price: float, mark: float) -> bool:
    """Return whether the mark is at a liquidation price or beyond it."""
    return mark <= price if side == LONG else mark >= price


@compiled_uncounted
def force_position(
    contract: SimulatedContract, positions: Positions, ledger: Ledger, slot: int, mark: float,
    forced: Forced,
) -> None:  # fmt: skip
    """Liquidate a position whose price the mark reached: by parts if it is large, else whole.

    Each cut leaves the whole margin to the lots that remain. They are valued anew at the mark, with
    it as entry, and the venue cuts again until the mark is short of their liquidation price.
    """
    is_inverse, side = contract.is_inverse, positions.side[slot]
    left = positions.lots[slot]
    margin = margin_at(is_inverse, side, positions.entry_price[slot], positions.margin[slot], mark)
    price = positions.liquidation_price[slot]
    while (
        contract.partial_cut_ratio > 0.0
        and margin > 0.0
        and left > max(contract.partial_above_lots, 1.0)
        and is_reached(side, price, mark)
    ):
        kept = left - min(max(1, round(left * contract.partial_cut_ratio)), left - 1)
        _record(contract, forced, side, left - kept, mark)
        margin *= left / kept
        left = kept
        price = price_of_margin(is_inverse, side, mark, margin, contract.maintenance_margin_ratio)
    if is_reached(side, price, mark):
        _record(contract, forced, side, left, mark)
        remove_position(contract, positions, ledger, slot)
    else:
        change_position(contract, positions, ledger, slot, left, mark, margin, price)


@compiled_uncounted
def liquidate_positions(
    contract: SimulatedContract, positions: Positions, ledger: Ledger, side: int,
    earlier_mark_log: float, mark_log: float, forced: Forced,
) -> None:  # fmt: skip
    """Liquidate positions of a side whose liquidation price the mark reached."""
    toward = -1 if side == LONG else 1
    if (mark_log - earlier_mark_log) * toward <= 0.0:
        return  # all open positions were out of reach at the earlier mark
    mark = exp(mark_log)
    last_bin = bin_of(mark_log, contract.first_bin)
    b = bin_of(earlier_mark_log, contract.first_bin)
    while (last_bin - b) * toward >= 0:
        slot = ledger.bin_head[side, b]
        while slot != NOBODY:
            after = positions.bin_next[slot]
            if is_reached(side, positions.liquidation_price[slot], mark):
                force_position(contract, positions, ledger, slot, mark, forced)
            slot = after
        b += toward


@compiled_uncounted
def call_margin(
    rng: np.random.Generator, contract: SimulatedContract, positions: Positions, ledger: Ledger,
    side: int, earlier_mark_log: float, mark_log: float,
) -> None:  # fmt: skip
    """Let owners add margin whose liquidation price came within the distance of a margin call.

    A mark that jumps over both the call and the liquidation price leaves no time to add anything.
    """
    toward = -1 if side == LONG else 1
    if contract.margin_call_ratio <= 0.0 or (mark_log - earlier_mark_log) * toward <= 0.0:
        return
    reach = toward * contract.margin_call_distance
    mark, earlier_edge, edge = exp(mark_log), exp(earlier_mark_log + reach), exp(mark_log + reach)
    last_bin = bin_of(mark_log + reach, contract.first_bin)
    b = bin_of(earlier_mark_log + reach, contract.first_bin)
    while (last_bin - b) * toward >= 0:
        slot = ledger.bin_head[side, b]
        while slot != NOBODY:
            after = positions.bin_next[slot]
            price = positions.liquidation_price[slot]
            if (
                is_reached(side, price, edge)
                and not is_reached(side, price, earlier_edge)
                and not is_reached(side, price, mark)
                and rng.random() < contract.margin_call_ratio
            ):
                entry = positions.entry_price[slot]
                margin = positions.margin[slot] * (1.0 + contract.margin_added_ratio)
                farther = price_of_margin(
                    contract.is_inverse, side, entry, margin, contract.maintenance_margin_ratio
                )
                change_position(
                    contract, positions, ledger, slot, positions.lots[slot], entry, margin, farther
                )
            slot = after
        b += toward
