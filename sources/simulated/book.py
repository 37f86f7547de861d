"""Traders of one contract: they open, hold, close or are liquidated, minute by minute.

Belongs here: the positions of one contract, its books, its own prices around the index, and what
a venue would measure of them. Does not belong here: how any of it is reported.

Amounts are whole lots, so that both sides of the books sum to open interest without rounding.
Whatever traders want to buy more than others sell, or sell more than others buy, a market maker
takes over; he is hedged elsewhere and no price liquidates him. So with o opened, c closed (by
owners and by liquidation), L long, S short, the market maker among them: o_L + c_S = o_S + c_L in
each minute, and no change of open interest exceeds the volume.

Positions stand in linked lists, one per price bin of the liquidation price and one per moment at
which their owner will close them, so a minute costs what happens in it, not what stands.
"""

from math import ceil, exp, floor, inf, log, sqrt, tanh
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from sources.simulated.parameters import (
    UNLEVERED,
    MarketParameters,
    SimulatedAsset,
    SimulatedVenue,
)

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
IndexArray = NDArray[np.int32]

LONG, SHORT = 0, 1
NOBODY = -1  # end of a linked list; a position in no list
BAR_MINUTES = 5
HOUR_MINUTES = 60

LOG_STEP = 0.001  # distance of two nodes of the price grid [ln]
PUBLISHED_RANGE = 0.5  # largest |ln(bin centre / price)| of a published bin [ln]
PUBLISHED_BINS = 501  # room for the bins in range: 500 or 501
GRID_RANGE = 4.0  # positions are binned exactly within this |ln(price / price_usd)| [ln]
N_BINS = int(GRID_RANGE / LOG_STEP)

N_MOMENTS = 1 << 16  # ring of closing moments; no holding exceeds this many average minutes
ROOM = 1024  # free slots required before a minute begins
LARGEST_ORDER_COUNT = 400  # orders a minute and side; two sides must fit into ROOM

ORDER_LOG_DEVIATION = 1.0  # spread of order sizes: one order in forty is above five times the mean
VENUE_GAP_HALF_LIFE_MINUTES = 30.0  # how long a venue's price stays off the index [min]
TRADER_MEMORY_HALF_LIFE_MINUTES = 180.0  # trends over this time are chased [min]
CHASE = 0.6  # log odds of buying per daily volatility of trend
MAKER_SKEW = 2.0  # log odds of buying per maker inventory of one ordinary open interest
APPETITE_HALF_LIFE_MINUTES = 120.0  # how long traders stay eager or shy [min]
CHURN_TRADES_PER_ORDER = 10.0  # trades that leave positions as they were, per order that opens one
TAKER_TILT = 0.15  # how far the churn's taker-buy share follows the minute's move


class Contract(NamedTuple):
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
    tier_standing_weight: FloatArray  # cumulative, of notional that stands
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


class Measured(NamedTuple):
    """What is seen of a span of n bars and m hours.

    Prices in USD, amounts in lots unless said otherwise, sides in the order long, short.
    """

    last: FloatArray  # (n, 4): open, high, low, close
    mark: FloatArray  # (n, 4)
    volume_lots: IntArray  # (n,)
    taker_buy_lots: IntArray  # (n,)
    book_lots: IntArray  # (n, 2): at the bar's end, the market maker included
    maker_lots: IntArray  # (n,): at the bar's end, long above zero
    liquidated_lots: IntArray  # (n, 2)
    liquidated_usd: FloatArray  # (n, 2): at the mark price that liquidated
    truth_first_bin: IntArray  # (m,): published bin index
    truth_lots: IntArray  # (m, 2, PUBLISHED_BINS)
    truth_usd: FloatArray  # (m, 2, PUBLISHED_BINS)


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
def _bin_of(log_price: float, first_bin: int) -> int:
    """Return the kept bin that holds a price, the outermost for what lies beyond."""
    return min(max(floor((log_price / LOG_STEP + 0.5) / 2.0) - first_bin, 0), N_BINS - 1)


@njit(cache=True)
def _usd_of(contract: Contract, lots: int, price: float) -> float:
    """Return the USD value of lots at a price."""
    quantity = lots * contract.lot_quantity
    return quantity if contract.is_inverse else quantity * price


@njit(cache=True)
def _add(
    contract: Contract, positions: Positions, ledger: Ledger,
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
        b = _bin_of(log(price), contract.first_bin)
        positions.bin[slot] = b
        head = ledger.bin_head[side, b]
        positions.bin_next[slot] = head
        positions.bin_previous[slot] = NOBODY
        if head != NOBODY:
            positions.bin_previous[head] = slot
        ledger.bin_head[side, b] = slot
        ledger.bin_lots[side, b] += lots
        ledger.bin_usd[side, b] += _usd_of(contract, lots, price)
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
def _remove(contract: Contract, positions: Positions, ledger: Ledger, slot: int) -> None:
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
            ledger.bin_usd[side, b] -= _usd_of(contract, lots, positions.liquidation_price[slot])
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
def _liquidate(
    contract: Contract, positions: Positions, ledger: Ledger, side: int,
    earlier_mark_log: float, mark_log: float,
) -> tuple[int, float]:  # fmt: skip
    """Remove positions of a side whose liquidation price the mark reached; return lots and USD."""
    lots, usd = 0, 0.0
    toward = -1 if side == LONG else 1
    if (mark_log - earlier_mark_log) * toward <= 0.0:
        return lots, usd  # whatever stands was out of reach at the earlier mark
    mark = exp(mark_log)
    last_bin = _bin_of(mark_log, contract.first_bin)
    b = _bin_of(earlier_mark_log, contract.first_bin)
    while (last_bin - b) * toward >= 0:
        slot = ledger.bin_head[side, b]
        while slot != NOBODY:
            after = positions.bin_next[slot]
            if (mark - positions.liquidation_price[slot]) * toward >= 0.0:
                lots += positions.lots[slot]
                usd += _usd_of(contract, positions.lots[slot], mark)
                _remove(contract, positions, ledger, slot)
            slot = after
        b += toward
    return lots, usd


@njit(cache=True)
def _draw_order(
    rng: np.random.Generator, contract: Contract, cumulative_weight: FloatArray
) -> tuple[int, int]:
    """Return tier and lots of an order."""
    draw = rng.random()
    tier = 0
    while tier < cumulative_weight.size - 1 and draw >= cumulative_weight[tier]:
        tier += 1
    deviation = ORDER_LOG_DEVIATION
    factor = exp(deviation * rng.standard_normal() - 0.5 * deviation * deviation)
    return tier, max(1, round(contract.mean_order_lots * factor))


@njit(cache=True)
def _draw_moment(rng: np.random.Generator, contract: Contract, ledger: Ledger, tier: int) -> int:
    """Return the moment, on the ring, at which an owner will close."""
    clock = ledger.levels[CLOCK]
    holding = min(rng.standard_exponential() * contract.tier_holding_minutes[tier], N_MOMENTS - 2.0)
    return int(max(floor(clock) + 1.0, floor(clock + holding))) % N_MOMENTS


@njit(cache=True)
def _is_accepted(side: int, price: float, mark: float) -> bool:
    """Return whether a venue lets a position open: not if it were liquidated at once."""
    return price < mark if side == LONG else price > mark


@njit(cache=True)
def _fill(
    rng: np.random.Generator, contract: Contract, positions: Positions, ledger: Ledger
) -> None:
    """Open positions on both sides up to the ordinary open interest, in the mix that stands."""
    mark = exp(ledger.levels[MARK_LOG])
    for side in range(2):
        while ledger.counts[TRADER_LONG_LOTS + side] < contract.ordinary_lots:
            tier, lots = _draw_order(rng, contract, contract.tier_standing_weight)
            # As if entered within the last days; the true past of the price does not exist.
            entry = mark * exp(2.0 * contract.daily_volatility_ratio * rng.standard_normal())
            price = liquidation_price(
                contract.is_inverse, side, entry, contract.tier_leverage[tier],
                contract.maintenance_margin_ratio,
            )  # fmt: skip
            if _is_accepted(side, price, mark):
                moment = _draw_moment(rng, contract, ledger, tier)
                _add(contract, positions, ledger, side, lots, price, moment)
    ledger.counts[MAKER_LOTS] = ledger.counts[TRADER_SHORT_LOTS] - ledger.counts[TRADER_LONG_LOTS]


@njit(cache=True)
def _move_whale(
    rng: np.random.Generator, contract: Contract, positions: Positions, ledger: Ledger,
    entry: float, mark: float, opened: IntArray, closed: IntArray, taker: FloatArray,
) -> None:  # fmt: skip
    """Let the whale hold more or fewer tranches; he takes what he trades. Adds to lots per side."""
    tranches = ledger.counts[WHALE_TRANCHES]
    wanted = int(rng.random() * (ledger.whale_slots.size + 1))
    if tranches == 0:
        ledger.counts[WHALE_SIDE] = LONG if rng.random() < 0.5 else SHORT
    side = ledger.counts[WHALE_SIDE]
    while ledger.counts[WHALE_TRANCHES] > wanted:
        slot = ledger.whale_slots[ledger.counts[WHALE_TRANCHES] - 1]
        closed[side] += positions.lots[slot]
        taker[1 - side] += positions.lots[slot]
        _remove(contract, positions, ledger, slot)
    price = liquidation_price(
        contract.is_inverse, side, entry, contract.whale_leverage, contract.maintenance_margin_ratio
    )
    while ledger.counts[WHALE_TRANCHES] < wanted and _is_accepted(side, price, mark):
        slot = _add(contract, positions, ledger, side, contract.whale_lots, price, NOBODY)
        ledger.whale_slots[ledger.counts[WHALE_TRANCHES]] = slot
        ledger.counts[WHALE_TRANCHES] += 1
        opened[side] += contract.whale_lots
        taker[side] += contract.whale_lots


@njit(cache=True)
def _decay(half_life_minutes: float) -> float:
    """Return what is left of a deviation after a minute."""
    return exp(-log(2.0) / half_life_minutes)


@njit(cache=True)
def _round_to_tick(price: float, tick_size: float) -> float:
    """Return a traded price."""
    return max(round(price / tick_size), 1) * tick_size


@njit(cache=True)
def _start_bar(bar: FloatArray, price: float) -> None:
    """Set open, high, low and close to the price at which a bar begins."""
    bar[:] = price


@njit(cache=True)
def _extend_bar(bar: FloatArray, high: float, low: float, close: float) -> None:
    """Take further prices into a bar."""
    bar[1] = max(bar[1], high)
    bar[2] = min(bar[2], low)
    bar[3] = close


@njit(cache=True)
def _advance(
    rng: np.random.Generator, contract: Contract, positions: Positions, ledger: Ledger,
    log_index: FloatArray, activity: FloatArray, measured: Measured, first_minute: int,
) -> int:  # fmt: skip
    """Trade from `first_minute` on; return the minute that lacks slots, or the number of minutes.

    The order within a minute: prices move, the mark liquidates, owners close, traders open, the
    whale moves, the market maker takes over what is left, the same hands pass the rest to and fro.
    """
    counts, levels = ledger.counts, ledger.levels
    gap_decay = _decay(VENUE_GAP_HALF_LIFE_MINUTES)
    gap_step = contract.price_noise_ratio * sqrt(1.0 - gap_decay**2)
    memory_weight = 1.0 - _decay(TRADER_MEMORY_HALF_LIFE_MINUTES)
    appetite_decay = _decay(APPETITE_HALF_LIFE_MINUTES)
    appetite_step = contract.appetite_deviation * sqrt(1.0 - appetite_decay**2)
    minute_volatility = contract.daily_volatility_ratio / sqrt(1440.0)
    opened = np.zeros(2, dtype=np.int64)
    closed = np.zeros(2, dtype=np.int64)
    taker = np.zeros(2)  # lots that want to buy, to sell, at once

    for t in range(first_minute, log_index.size):
        if counts[FREE_COUNT] < ROOM:
            return t
        bar = t // BAR_MINUTES
        if t % BAR_MINUTES == 0:
            _start_bar(measured.last[bar], levels[LAST_PRICE])
            _start_bar(measured.mark[bar], exp(levels[MARK_LOG]))
        opened[:] = 0
        closed[:] = 0
        taker[:] = 0.0

        levels[VENUE_GAP] = gap_decay * levels[VENUE_GAP] + gap_step * rng.standard_normal()
        earlier_last_log = levels[LAST_LOG]
        last_log = (
            log_index[t] + levels[VENUE_GAP]
            + 0.4 * contract.price_noise_ratio * rng.standard_normal()
        )  # fmt: skip
        levels[LAST_LOG] = last_log
        move = last_log - earlier_last_log
        earlier_mark_log = levels[MARK_LOG]
        levels[MARK_LOG] += contract.mark_weight * (log_index[t] - earlier_mark_log)
        mark = exp(levels[MARK_LOG])
        _extend_bar(measured.mark[bar], mark, mark, mark)
        levels[REMEMBERED_LOG] += memory_weight * (log_index[t] - levels[REMEMBERED_LOG])

        for side in range(2):
            lots, usd = _liquidate(
                contract, positions, ledger, side, earlier_mark_log, levels[MARK_LOG]
            )
            measured.liquidated_lots[bar, side] += lots
            measured.liquidated_usd[bar, side] += usd
            closed[side] += lots
            taker[1 - side] += lots

        moment = floor(levels[CLOCK])
        levels[CLOCK] += activity[t]
        while moment < floor(levels[CLOCK]):
            moment += 1.0
            slot = ledger.moment_head[int(moment) % N_MOMENTS]
            while slot != NOBODY:
                after = positions.moment_next[slot]
                side = positions.side[slot]
                closed[side] += positions.lots[slot]
                taker[1 - side] += 0.5 * positions.lots[slot]
                _remove(contract, positions, ledger, slot)
                slot = after

        levels[APPETITE] = appetite_decay * levels[APPETITE] + appetite_step * rng.standard_normal()
        trend = (last_log - levels[REMEMBERED_LOG]) / contract.daily_volatility_ratio
        odds = exp(CHASE * trend + MAKER_SKEW * counts[MAKER_LOTS] / contract.ordinary_lots)
        standing = max(counts[TRADER_LONG_LOTS] + counts[TRADER_SHORT_LOTS], 1)
        appetite = exp(levels[APPETITE] - 0.5 * contract.appetite_deviation**2)
        eagerness = appetite * min(2.0 * contract.ordinary_lots / standing, 3.0)
        for side in range(2):
            share = odds / (1.0 + odds) if side == LONG else 1.0 / (1.0 + odds)
            rate = 2.0 * share * contract.orders_per_minute * activity[t] * eagerness
            for _ in range(min(rng.poisson(rate), LARGEST_ORDER_COUNT)):
                tier, lots = _draw_order(rng, contract, contract.tier_cumulative_weight)
                price = liquidation_price(
                    contract.is_inverse, side, exp(earlier_last_log + rng.random() * move),
                    contract.tier_leverage[tier], contract.maintenance_margin_ratio,
                )  # fmt: skip
                moment_of_close = _draw_moment(rng, contract, ledger, tier)
                if _is_accepted(side, price, mark):
                    _add(contract, positions, ledger, side, lots, price, moment_of_close)
                    opened[side] += lots
                    taker[side] += lots * contract.tier_taker_ratio[tier]
        if contract.whale_lots > 0 and rng.random() < contract.whale_move_probability:
            _move_whale(
                rng, contract, positions, ledger, exp(last_log), mark, opened, closed, taker
            )

        bought = opened[LONG] + closed[SHORT]
        sold = opened[SHORT] + closed[LONG]
        counts[MAKER_LOTS] -= bought - sold
        turned_over = max(bought, sold)
        churn = 0
        if rng.random() < 1.0 - exp(
            -CHURN_TRADES_PER_ORDER * contract.orders_per_minute * activity[t]
        ):
            churn = round(contract.churn_lots_per_minute * activity[t] * rng.standard_exponential())
        buy_ratio = taker[LONG] / (taker[LONG] + taker[SHORT]) if turned_over > 0 else 0.0
        churn_buy_ratio = 0.5 + TAKER_TILT * tanh(move / minute_volatility)
        measured.volume_lots[bar] += turned_over + churn
        measured.taker_buy_lots[bar] += round(turned_over * buy_ratio + churn * churn_buy_ratio)

        if turned_over + churn > 0:
            wick = 0.5 * minute_volatility * sqrt(activity[t])
            high = max(earlier_last_log, last_log) + wick * abs(rng.standard_normal())
            low = min(earlier_last_log, last_log) - wick * abs(rng.standard_normal())
            levels[LAST_PRICE] = _round_to_tick(exp(last_log), contract.tick_size)
            _extend_bar(
                measured.last[bar], _round_to_tick(exp(high), contract.tick_size),
                _round_to_tick(exp(low), contract.tick_size), levels[LAST_PRICE],
            )  # fmt: skip

        if (t + 1) % BAR_MINUTES == 0:
            maker = counts[MAKER_LOTS]
            measured.maker_lots[bar] = maker
            measured.book_lots[bar, LONG] = counts[TRADER_LONG_LOTS] + max(maker, 0)
            measured.book_lots[bar, SHORT] = counts[TRADER_SHORT_LOTS] + max(-maker, 0)
        if (t + 1) % HOUR_MINUTES == 0:
            hour = t // HOUR_MINUTES
            center = log(levels[LAST_PRICE]) / (2.0 * LOG_STEP) - 0.25
            reach = PUBLISHED_RANGE / (2.0 * LOG_STEP)
            first = ceil(center - reach)
            measured.truth_first_bin[hour] = first
            for k in range(floor(center + reach) - first + 1):
                b = first + k - contract.first_bin
                if 0 < b < N_BINS - 1:  # the outermost hold what lies beyond them too
                    for side in range(2):
                        measured.truth_lots[hour, side, k] = ledger.bin_lots[side, b]
                        measured.truth_usd[hour, side, k] = ledger.bin_usd[side, b]
    return log_index.size


def make_contract(
    parameters: MarketParameters, venue: SimulatedVenue, asset: SimulatedAsset
) -> Contract:
    """Return the figures of an asset's contract on a venue.

    Parameters
    ----------
    parameters : MarketParameters
        The market.
    venue : SimulatedVenue
        One of its venues.
    asset : SimulatedAsset
        One of its assets.

    Returns
    -------
    Contract
        Amounts in lots; a lot is the smallest trade.
    """
    is_inverse = venue.contract_kind == "inverse"
    lot_usd = asset.contract_size_usd if is_inverse else asset.contract_size_base * asset.price_usd
    ordinary_lots = asset.open_interest_usd * venue.open_interest_factor / lot_usd
    leverages = np.array([tier.leverage for tier in venue.leverage_mix])
    weights = np.array([tier.weight_ratio for tier in venue.leverage_mix])
    holding_minutes = np.array([tier.half_life_hours for tier in venue.leverage_mix]) * (
        HOUR_MINUTES / log(2.0)
    )
    standing = weights * holding_minutes
    opened_per_minute = ordinary_lots / standing.sum()
    volume_per_minute = ordinary_lots * asset.daily_volume_ratio * venue.volume_factor / 1440.0
    whale = asset.whale
    return Contract(
        is_inverse=is_inverse,
        lot_quantity=asset.contract_size_usd if is_inverse else asset.contract_size_base,
        maintenance_margin_ratio=asset.maintenance_margin_ratio,
        tick_size=asset.tick_size,
        daily_volatility_ratio=asset.daily_volatility_ratio,
        ordinary_lots=ordinary_lots,
        orders_per_minute=asset.orders_per_minute,
        mean_order_lots=opened_per_minute / asset.orders_per_minute,
        # What opens or closes is volume too: a buy that opens a long meets a sell that closes one.
        churn_lots_per_minute=max(volume_per_minute - 2.0 * opened_per_minute, 0.0),
        price_noise_ratio=asset.price_noise_bps * 1e-4,
        mark_weight=1.0 - 0.5 ** (1.0 / parameters.mark_half_life_minutes),
        appetite_deviation=parameters.appetite_log_deviation,
        tier_leverage=np.minimum(leverages, asset.max_leverage),
        tier_cumulative_weight=np.cumsum(weights),
        tier_holding_minutes=holding_minutes,
        # The higher the leverage, the more hurried: a third of 1x, four fifths of 100x take.
        tier_taker_ratio=0.33 + 0.1 * np.log(leverages),
        tier_standing_weight=np.cumsum(standing / standing.sum()),
        whale_lots=0
        if whale is None
        else max(1, round(ordinary_lots * whale.holding_ratio / whale.tranche_count)),
        whale_leverage=0.0 if whale is None else min(whale.leverage, asset.max_leverage),
        whale_move_probability=0.0
        if whale is None
        else 1.0 / (whale.hours_between_moves * HOUR_MINUTES),
        first_bin=floor(log(asset.price_usd) / (2.0 * LOG_STEP)) - N_BINS // 2,
    )


class ContractBook:
    """The traders of one contract, advanced by any number of hours at a time.

    Parameters
    ----------
    contract : Contract
        Figures of the contract.
    log_index : float
        Index price at the beginning [ln USD].
    generator : numpy.random.Generator
        Draws the positions that stand at the beginning.
    tranche_count : int
        Tranches of the whale; 0 without one.
    """

    def __init__(
        self, contract: Contract, log_index: float, generator: np.random.Generator,
        tranche_count: int = 0,
    ) -> None:  # fmt: skip
        self.contract = contract
        self.ledger = Ledger(
            bin_head=np.full((2, N_BINS), NOBODY, dtype=np.int32),
            bin_lots=np.zeros((2, N_BINS), dtype=np.int64),
            bin_usd=np.zeros((2, N_BINS)),
            moment_head=np.full(N_MOMENTS, NOBODY, dtype=np.int32),
            whale_slots=np.full(tranche_count, NOBODY, dtype=np.int32),
            counts=np.zeros(7, dtype=np.int64),
            levels=np.zeros(7),
        )
        self.ledger.counts[FREE_HEAD] = NOBODY
        self.ledger.levels[[LAST_LOG, MARK_LOG, REMEMBERED_LOG]] = log_index
        self.ledger.levels[LAST_PRICE] = _round_to_tick(exp(log_index), contract.tick_size)
        self.positions = _no_positions(0)
        # Twice what is expected to stand: orders differ in size, and a minute needs ROOM.
        expected = 2.0 * contract.ordinary_lots / contract.mean_order_lots
        self._grow(ROOM + int(2.0 * expected))
        _fill(generator, contract, self.positions, self.ledger)

    def advance(
        self, generator: np.random.Generator, log_index: FloatArray, activity: FloatArray
    ) -> Measured:
        """Return what is seen of the next hours.

        Parameters
        ----------
        generator : numpy.random.Generator
            Draws what traders do.
        log_index : ndarray of float64, shape (60 m,)
            Index price at the end of each minute [ln USD].
        activity : ndarray of float64, shape (60 m,)
            Trading activity in each minute, 1 on average.

        Returns
        -------
        Measured
            12 m bars and m hours.
        """
        n_bars = log_index.size // BAR_MINUTES
        n_hours = log_index.size // HOUR_MINUTES
        measured = Measured(
            last=np.empty((n_bars, 4)),
            mark=np.empty((n_bars, 4)),
            volume_lots=np.zeros(n_bars, dtype=np.int64),
            taker_buy_lots=np.zeros(n_bars, dtype=np.int64),
            book_lots=np.zeros((n_bars, 2), dtype=np.int64),
            maker_lots=np.zeros(n_bars, dtype=np.int64),
            liquidated_lots=np.zeros((n_bars, 2), dtype=np.int64),
            liquidated_usd=np.zeros((n_bars, 2)),
            truth_first_bin=np.zeros(n_hours, dtype=np.int64),
            truth_lots=np.zeros((n_hours, 2, PUBLISHED_BINS), dtype=np.int64),
            truth_usd=np.zeros((n_hours, 2, PUBLISHED_BINS)),
        )
        minute = 0
        while True:
            minute = _advance(
                generator, self.contract, self.positions, self.ledger,
                log_index, activity, measured, minute,
            )  # fmt: skip
            if minute == log_index.size:
                return measured
            self._grow(self.positions.lots.size)

    @property
    def open_interest_lots(self) -> int:
        """Lots that stand on each side, the market maker's among them."""
        counts = self.ledger.counts
        return int(counts[TRADER_LONG_LOTS] + max(counts[MAKER_LOTS], 0))

    def _grow(self, n_slots: int) -> None:
        """Add free slots."""
        first = self.positions.lots.size
        added = _no_positions(n_slots)
        added.bin_next[:] = np.arange(first + 1, first + n_slots + 1)
        added.bin_next[-1] = self.ledger.counts[FREE_HEAD]
        standing = self.positions._asdict()
        self.positions = Positions(
            **{
                name: np.concatenate((standing[name], more))
                for name, more in added._asdict().items()
            }
        )
        self.ledger.counts[FREE_HEAD] = first
        self.ledger.counts[FREE_COUNT] += n_slots


def _no_positions(n_slots: int) -> Positions:
    """Return empty slots, chained to nothing."""
    return Positions(
        liquidation_price=np.zeros(n_slots),
        lots=np.zeros(n_slots, dtype=np.int64),
        **{
            name: np.full(n_slots, NOBODY, dtype=np.int32)
            for name in Positions._fields
            if name not in ("liquidation_price", "lots")
        },
    )
