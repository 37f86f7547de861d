"""Positions of the traders of one contract: liquidation prices, linked lists, sums per price bin.

Belongs here: what a position is and the lists that hold it. Does not belong here: why positions
open and close (`sources.simulated.trading`), what the mark forces (`sources.simulated.forced`).

Amounts are whole lots, so that both sides of the books sum to open interest without rounding.
Positions are in linked lists, one per price bin of the liquidation price and one per moment at
which their owner will close them, so a minute costs what happens in it, not what is open.
"""

from collections.abc import Callable
from math import floor, inf, log
from typing import Any, NamedTuple, TypeVar, cast

import numpy as np
from numba import njit
from numpy.typing import NDArray

from sources.simulated import book_layout as at
from sources.simulated.parameters import UNLEVERED

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
IndexArray = NDArray[np.int32]

LONG, SHORT = 0, 1
NOBODY = -1  # end of a linked list; a position in no list

LOG_STEP = 0.001  # distance of two nodes of the price grid [ln]
GRID_RANGE = 4.0  # positions are binned exactly within this |ln(price / price_usd)| [ln]
N_BINS = int(GRID_RANGE / LOG_STEP)

ALL_ORDERS = 1 << 62  # more orders than any minute has

N_MOMENTS = 1 << 16  # ring of closing moments; no holding exceeds this many average minutes

Function = TypeVar("Function", bound=Callable[..., object])


def compiled_uncounted(function: Function) -> Function:
    """Return a function compiled without reference counts: it may fill arrays but make none.

    Counting each array of the named tuples at each call took 87 % of the time without records. What
    Python calls has to count all the same, or a random generator is never freed.
    """
    options: dict[str, Any] = {"cache": True, "_nrt": False}
    return cast(Function, njit(**options)(function))


def compiled_counted(function: Function) -> Function:
    """Return a function compiled with reference counts: Python calls it, or it makes arrays."""
    options: dict[str, Any] = {"cache": True, "_nrt": True}  # else inherited from the caller
    return cast(Function, njit(**options)(function))


class SimulatedContract(NamedTuple):
    """Figures of one contract that do not change."""

    is_inverse: bool
    lot_quantity: float  # asset units (linear) or USD (inverse) of a lot
    maintenance_margin_ratio: float
    tick_size: float
    daily_volatility_ratio: float
    ordinary_lots: float  # open interest around which the market moves
    orders_per_minute: float
    mean_order_lots: float
    churn_lots_per_minute: float
    price_noise_ratio: float
    mark_weight: float  # share of the index in each minute's mark price
    appetite_deviation: float
    tier_leverage: FloatArray
    tier_cumulative_weight: FloatArray
    tier_holding_minutes: FloatArray  # mean, at average activity
    tier_taker_ratio: FloatArray
    tier_standing_weight: FloatArray  # cumulative, of open notional
    whale_lots: int  # of one tranche
    whale_leverage: float
    whale_move_probability: float  # each minute
    first_bin: int  # published bin index of the first bin kept
    hedged_ratio: float
    cross_ratio: float
    cross_free_ratio: float
    cross_change_minutes: float  # mean, at average activity
    cross_change_ratio: float
    margin_call_ratio: float
    margin_call_distance: float  # ln
    margin_added_ratio: float
    partial_cut_ratio: float
    partial_above_lots: float
    feed_orders_per_minute: int  # a complete feed publishes ALL_ORDERS


class Positions(NamedTuple):
    """All positions, a slot each; free slots are chained through `bin_next`."""

    liquidation_price: FloatArray  # USD; 0 for a long, inf for a short that cannot be liquidated
    entry_price: FloatArray  # USD
    margin: FloatArray  # USD per asset unit if linear, asset units per USD if inverse
    lots: IntArray
    side: IndexArray
    bin: IndexArray
    bin_next: IndexArray
    bin_previous: IndexArray
    moment: IndexArray  # NOBODY for a whale, who decides otherwise
    moment_next: IndexArray
    moment_previous: IndexArray
    cross_tier: IndexArray  # tier of a position margined crosswise; NOBODY if isolated


class Ledger(NamedTuple):
    """Where lists begin, and sums over positions."""

    bin_head: IndexArray  # (2, N_BINS)
    bin_lots: IntArray  # (2, N_BINS)
    bin_usd: FloatArray  # (2, N_BINS): quantity times liquidation price, or USD if inverse
    moment_head: IndexArray  # (N_MOMENTS,)
    whale_slots: IndexArray
    counts: IntArray  # indexed by the names of `book_layout`
    levels: FloatArray  # indexed by the names of `book_layout`


@njit(cache=True)
def liquidation_price(
    is_inverse: bool, side: int, entry_price: float, leverage: float, margin_ratio: float
) -> float:
    """Return the mark price at which an isolated position is liquidated.

    There the margin left equals the maintenance margin of the notional at that price. Linear, for a
    quantity of one and profit in USD: E / L + (P - E) = mu P for a long. Inverse, for one USD of
    contracts and profit in the asset: 1 / (E L) + (1 / E - 1 / P) = mu / P. Solved for P.

    Parameters
    ----------
    is_inverse : bool
        Whether margin and profit are in the asset.
    side : int
        LONG or SHORT.
    entry_price : float
        E [USD].
    leverage : float
        L, entry notional over margin. At 1 no price liquidates.
    margin_ratio : float
        mu, maintenance margin over notional.

    Returns
    -------
    float
        P [USD]; 0 for a long and infinity for a short that no price liquidates.
    """
    if leverage <= UNLEVERED:
        return 0.0 if side == LONG else inf
    sign = -1.0 if side == LONG else 1.0
    if is_inverse:
        return entry_price * (1.0 - sign * margin_ratio) / (1.0 - sign / leverage)
    return entry_price * (1.0 + sign / leverage) / (1.0 + sign * margin_ratio)


@njit(cache=True)
def margin_of(is_inverse: bool, entry_price: float, leverage: float) -> float:
    """Return the margin of one unit: USD for an asset unit, or asset units for a USD if inverse."""
    return 1.0 / (entry_price * leverage) if is_inverse else entry_price / leverage


@njit(cache=True)
def price_of_margin(
    is_inverse: bool, side: int, entry_price: float, margin: float, margin_ratio: float
) -> float:
    """Return the mark price at which a position of any margin is liquidated.

    ``margin`` is that of one unit, as `margin_of`; with margin E / L the price is that of
    `liquidation_price`, which describes the other parameters and the price.
    """
    sign = -1.0 if side == LONG else 1.0
    if is_inverse:
        inverse = (1.0 / entry_price - sign * margin) / (1.0 - sign * margin_ratio)
        return 1.0 / inverse if inverse > 0.0 else inf
    return max((entry_price + sign * margin) / (1.0 + sign * margin_ratio), 0.0)


@njit(cache=True)
def margin_at(
    is_inverse: bool, side: int, entry_price: float, margin: float, price: float
) -> float:
    """Return what is left of the margin of one unit at a price, profit and loss included."""
    sign = 1.0 if side == LONG else -1.0
    if is_inverse:
        return margin + sign * (1.0 / entry_price - 1.0 / price)
    return margin + sign * (price - entry_price)


@njit(cache=True)
def bin_of(log_price: float, first_bin: int) -> int:
    """Return the kept bin that holds a price, the outermost for what lies beyond."""
    return min(max(floor((log_price / LOG_STEP + 0.5) / 2.0) - first_bin, 0), N_BINS - 1)


@compiled_uncounted
def usd_of(contract: SimulatedContract, lots: int, price: float) -> float:
    """Return the USD value of lots at a price."""
    quantity = lots * contract.lot_quantity
    return quantity if contract.is_inverse else quantity * price


@compiled_uncounted
def _enter_bin(
    contract: SimulatedContract, positions: Positions, ledger: Ledger, slot: int
) -> None:
    """Put a position into the list and the sums of its liquidation price."""
    price = positions.liquidation_price[slot]
    positions.bin[slot] = NOBODY
    if not 0.0 < price < inf:
        return
    side, lots = positions.side[slot], positions.lots[slot]
    b = bin_of(log(price), contract.first_bin)
    positions.bin[slot] = b
    head = ledger.bin_head[side, b]
    positions.bin_next[slot] = head
    positions.bin_previous[slot] = NOBODY
    if head != NOBODY:
        positions.bin_previous[head] = slot
    ledger.bin_head[side, b] = slot
    ledger.bin_lots[side, b] += lots
    ledger.bin_usd[side, b] += usd_of(contract, lots, price)


@compiled_uncounted
def _leave_bin(
    contract: SimulatedContract, positions: Positions, ledger: Ledger, slot: int
) -> None:
    """Take a position out of the list and the sums of its liquidation price."""
    b = positions.bin[slot]
    if b == NOBODY:
        return
    side, lots = positions.side[slot], positions.lots[slot]
    after, before = positions.bin_next[slot], positions.bin_previous[slot]
    if before == NOBODY:
        ledger.bin_head[side, b] = after
    else:
        positions.bin_next[before] = after
    if after != NOBODY:
        positions.bin_previous[after] = before
    ledger.bin_lots[side, b] -= lots
    if ledger.bin_lots[side, b] == 0:
        ledger.bin_usd[side, b] = 0.0  # no residue of rounding in an empty bin
    else:
        ledger.bin_usd[side, b] -= usd_of(contract, lots, positions.liquidation_price[slot])


@compiled_uncounted
def enter_moment(positions: Positions, ledger: Ledger, slot: int, moment: int) -> None:
    """Put a position into the list of a moment, or into none."""
    positions.moment[slot] = moment
    if moment == NOBODY:
        return
    head = ledger.moment_head[moment]
    positions.moment_next[slot] = head
    positions.moment_previous[slot] = NOBODY
    if head != NOBODY:
        positions.moment_previous[head] = slot
    ledger.moment_head[moment] = slot


@compiled_uncounted
def leave_moment(positions: Positions, ledger: Ledger, slot: int) -> None:
    """Take a position out of the list of its moment, or a tranche from the whale."""
    moment = positions.moment[slot]
    if moment == NOBODY:
        kept = 0
        for tranche in range(ledger.counts[at.WHALE_TRANCHES]):
            if ledger.whale_slots[tranche] != slot:
                ledger.whale_slots[kept] = ledger.whale_slots[tranche]
                kept += 1
        ledger.counts[at.WHALE_TRANCHES] = kept
        return
    after, before = positions.moment_next[slot], positions.moment_previous[slot]
    if before == NOBODY:
        ledger.moment_head[moment] = after
    else:
        positions.moment_next[before] = after
    if after != NOBODY:
        positions.moment_previous[after] = before


@compiled_uncounted
def add_position(
    contract: SimulatedContract, positions: Positions, ledger: Ledger, side: int, lots: int,
    entry: float, margin: float, price: float, moment: int, cross_tier: int,
) -> int:  # fmt: skip
    """Put a position into a free slot and into its lists; return the slot."""
    slot = ledger.counts[at.FREE_HEAD]
    ledger.counts[at.FREE_HEAD] = positions.bin_next[slot]
    ledger.counts[at.FREE_COUNT] -= 1
    ledger.counts[at.TRADER_LONG_LOTS + side] += lots
    positions.liquidation_price[slot] = price
    positions.entry_price[slot] = entry
    positions.margin[slot] = margin
    positions.lots[slot] = lots
    positions.side[slot] = side
    positions.cross_tier[slot] = cross_tier
    _enter_bin(contract, positions, ledger, slot)
    enter_moment(positions, ledger, slot, moment)
    return int(slot)


@compiled_uncounted
def remove_position(
    contract: SimulatedContract, positions: Positions, ledger: Ledger, slot: int
) -> None:
    """Take a position out of its lists and free its slot."""
    ledger.counts[at.TRADER_LONG_LOTS + positions.side[slot]] -= positions.lots[slot]
    _leave_bin(contract, positions, ledger, slot)
    leave_moment(positions, ledger, slot)
    positions.lots[slot] = 0
    positions.bin_next[slot] = ledger.counts[at.FREE_HEAD]
    ledger.counts[at.FREE_HEAD] = slot
    ledger.counts[at.FREE_COUNT] += 1


@compiled_uncounted
def change_position(
    contract: SimulatedContract, positions: Positions, ledger: Ledger, slot: int,
    lots: int, entry: float, margin: float, price: float,
) -> None:  # fmt: skip
    """Give a position another size, entry, margin and liquidation price; its moment stays."""
    _leave_bin(contract, positions, ledger, slot)
    ledger.counts[at.TRADER_LONG_LOTS + positions.side[slot]] += lots - positions.lots[slot]
    positions.lots[slot] = lots
    positions.entry_price[slot] = entry
    positions.margin[slot] = margin
    positions.liquidation_price[slot] = price
    _enter_bin(contract, positions, ledger, slot)
