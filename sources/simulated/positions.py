"""Positions of the traders of one contract: liquidation prices, books, liquidation by the mark.

Belongs here: what a position is, the linked lists that hold it, sums per price bin. Does not belong
here: why positions open and close (`sources.simulated.trading`).

Amounts are whole lots, so that both sides of the books sum to open interest without rounding.
Positions are in linked lists, one per price bin of the liquidation price and one per moment at
which their owner will close them, so a minute costs what happens in it, not what is open.
"""

from math import exp, floor, inf, log
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from sources.simulated.parameters import UNLEVERED

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
IndexArray = NDArray[np.int32]

LONG, SHORT = 0, 1
NOBODY = -1  # end of a linked list; a position in no list

LOG_STEP = 0.001  # distance of two nodes of the price grid [ln]
GRID_RANGE = 4.0  # positions are binned exactly within this |ln(price / price_usd)| [ln]
N_BINS = int(GRID_RANGE / LOG_STEP)

N_MOMENTS = 1 << 16  # ring of closing moments; no holding exceeds this many average minutes


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


class Positions(NamedTuple):
    """All positions, a slot each; free slots are chained through `bin_next`."""

    liquidation_price: FloatArray  # USD; 0 for a long, inf for a short that cannot be liquidated
    lots: IntArray
    side: IndexArray
    bin: IndexArray
    bin_next: IndexArray
    bin_previous: IndexArray
    moment: IndexArray  # NOBODY for a whale, who decides otherwise
    moment_next: IndexArray
    moment_previous: IndexArray


class Ledger(NamedTuple):
    """Where lists begin, and sums over positions."""

    bin_head: IndexArray  # (2, N_BINS)
    bin_lots: IntArray  # (2, N_BINS)
    bin_usd: FloatArray  # (2, N_BINS): quantity times liquidation price, or USD if inverse
    moment_head: IndexArray  # (N_MOMENTS,)
    whale_slots: IndexArray
    counts: IntArray  # indexed by the names below
    levels: FloatArray  # indexed by the names below


(
    FREE_HEAD,
    FREE_COUNT,
    TRADER_LONG_LOTS,
    TRADER_SHORT_LOTS,
    MAKER_LOTS,
    WHALE_TRANCHES,
    WHALE_SIDE,
) = range(7)
LAST_LOG, MARK_LOG, VENUE_GAP, REMEMBERED_LOG, APPETITE, CLOCK, LAST_PRICE = range(7)


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
def bin_of(log_price: float, first_bin: int) -> int:
    """Return the kept bin that holds a price, the outermost for what lies beyond."""
    return min(max(floor((log_price / LOG_STEP + 0.5) / 2.0) - first_bin, 0), N_BINS - 1)


@njit(cache=True)
def usd_of(contract: SimulatedContract, lots: int, price: float) -> float:
    """Return the USD value of lots at a price."""
    quantity = lots * contract.lot_quantity
    return quantity if contract.is_inverse else quantity * price


@njit(cache=True)
def add_position(
    contract: SimulatedContract, positions: Positions, ledger: Ledger,
    side: int, lots: int, price: float, moment: int,
) -> int:  # fmt: skip
    """Put a position into a free slot and into its lists; return the slot."""
    slot = ledger.counts[FREE_HEAD]
    ledger.counts[FREE_HEAD] = positions.bin_next[slot]
    ledger.counts[FREE_COUNT] -= 1
    ledger.counts[TRADER_LONG_LOTS + side] += lots
    positions.liquidation_price[slot] = price
    positions.lots[slot] = lots
    positions.side[slot] = side
    positions.bin[slot] = NOBODY
    if 0.0 < price < inf:
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
    positions.moment[slot] = moment
    if moment != NOBODY:
        head = ledger.moment_head[moment]
        positions.moment_next[slot] = head
        positions.moment_previous[slot] = NOBODY
        if head != NOBODY:
            positions.moment_previous[head] = slot
        ledger.moment_head[moment] = slot
    return int(slot)


@njit(cache=True)
def remove_position(
    contract: SimulatedContract, positions: Positions, ledger: Ledger, slot: int
) -> None:
    """Take a position out of its lists and free its slot."""
    side = positions.side[slot]
    lots = positions.lots[slot]
    ledger.counts[TRADER_LONG_LOTS + side] -= lots
    b = positions.bin[slot]
    if b != NOBODY:
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
    moment = positions.moment[slot]
    if moment != NOBODY:
        after, before = positions.moment_next[slot], positions.moment_previous[slot]
        if before == NOBODY:
            ledger.moment_head[moment] = after
        else:
            positions.moment_next[before] = after
        if after != NOBODY:
            positions.moment_previous[after] = before
    else:
        kept = 0
        for tranche in range(ledger.counts[WHALE_TRANCHES]):
            if ledger.whale_slots[tranche] != slot:
                ledger.whale_slots[kept] = ledger.whale_slots[tranche]
                kept += 1
        ledger.counts[WHALE_TRANCHES] = kept
    positions.lots[slot] = 0
    positions.bin_next[slot] = ledger.counts[FREE_HEAD]
    ledger.counts[FREE_HEAD] = slot
    ledger.counts[FREE_COUNT] += 1


@njit(cache=True)
def liquidate_positions(
    contract: SimulatedContract, positions: Positions, ledger: Ledger, side: int,
    earlier_mark_log: float, mark_log: float,
) -> tuple[int, float]:  # fmt: skip
    """Remove positions of a side whose liquidation price the mark reached; return lots and USD."""
    lots, usd = 0, 0.0
    toward = -1 if side == LONG else 1
    if (mark_log - earlier_mark_log) * toward <= 0.0:
        return lots, usd  # all open positions were out of reach at the earlier mark
    mark = exp(mark_log)
    last_bin = bin_of(mark_log, contract.first_bin)
    b = bin_of(earlier_mark_log, contract.first_bin)
    while (last_bin - b) * toward >= 0:
        slot = ledger.bin_head[side, b]
        while slot != NOBODY:
            after = positions.bin_next[slot]
            if (mark - positions.liquidation_price[slot]) * toward >= 0.0:
                lots += positions.lots[slot]
                usd += usd_of(contract, positions.lots[slot], mark)
                remove_position(contract, positions, ledger, slot)
            slot = after
        b += toward
    return lots, usd
