"""What happens to one contract minute by minute: prices, orders, the whale, the market maker.

Belongs here: why positions open and close, and what a venue would measure. Does not belong here:
how positions are kept (`sources.simulated.positions`), what the mark forces
(`sources.simulated.forced`), how any of it is reported.

Whatever traders want to buy more than others sell, or sell more than others buy, a market maker
takes; he is hedged elsewhere and no price liquidates him. So with o opened, c closed (by
owners and by liquidation), L long, S short, the market maker among them: o_L + c_S = o_S + c_L in
each minute, and no change of open interest exceeds the volume.
"""

from math import ceil, exp, floor, log, sqrt, tanh
from typing import NamedTuple

import numpy as np
from numba import njit

from sources.simulated import book_layout as at
from sources.simulated.accounts import (
    add_hedged,
    draw_account,
    draw_moment,
    happens,
    is_other_holding,
    move_collateral,
)
from sources.simulated.forced import Forced, call_margin, forget_forced, liquidate_positions
from sources.simulated.positions import (
    LOG_STEP,
    LONG,
    N_BINS,
    N_MOMENTS,
    NOBODY,
    SHORT,
    FloatArray,
    IntArray,
    Ledger,
    Positions,
    SimulatedContract,
    add_position,
    compiled_counted,
    compiled_uncounted,
    liquidation_price,
    margin_of,
    remove_position,
)

BAR_MINUTES = 5
HOUR_MINUTES = 60

PUBLISHED_RANGE = 0.5  # largest |ln(bin centre / price)| of a published bin [ln]
PUBLISHED_BINS = 501  # room for the bins in range: 500 or 501

ROOM = 2048  # free slots required before a minute begins
LARGEST_ORDER_COUNT = 400  # orders a minute and side; two sides, hedged, must fit into ROOM

ORDER_LOG_DEVIATION = 1.0  # spread of order sizes: one order in forty is above five times the mean
VENUE_GAP_HALF_LIFE_MINUTES = 30.0  # how long a venue's price stays off the index [min]
TRADER_MEMORY_HALF_LIFE_MINUTES = 180.0  # trends over this time are chased [min]
CHASE = 0.6  # log odds of buying per daily volatility of trend
MAKER_SKEW = 2.0  # log odds of buying per maker inventory of one ordinary open interest
APPETITE_HALF_LIFE_MINUTES = 120.0  # how long traders stay eager or shy [min]
CHURN_TRADES_PER_ORDER = 10.0  # trades that leave positions as they were, per order that opens one
TAKER_TILT = 0.15  # how far the churn's taker-buy share follows the minute's move


class Measured(NamedTuple):
    """What is seen of a span of n bars and m hours.

    Prices in USD, amounts in lots unless noted, sides in the order long, short.
    """

    last: FloatArray  # (n, 4): open, high, low, close
    mark: FloatArray  # (n, 4)
    volume_lots: IntArray  # (n,)
    taker_buy_lots: IntArray  # (n,)
    book_lots: IntArray  # (n, 2): at the bar's end, the market maker included
    maker_lots: IntArray  # (n,): at the bar's end, long above zero
    liquidated_lots: IntArray  # (n, 2)
    liquidated_usd: FloatArray  # (n, 2): at the mark price that liquidated
    published_lots: IntArray  # (n, 2): the part of the liquidations that the feed publishes
    published_usd: FloatArray  # (n, 2)
    truth_first_bin: IntArray  # (m,): published bin index
    truth_lots: IntArray  # (m, 2, PUBLISHED_BINS)
    truth_usd: FloatArray  # (m, 2, PUBLISHED_BINS)


@compiled_uncounted
def _draw_order(
    rng: np.random.Generator, contract: SimulatedContract, cumulative_weight: FloatArray
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
def _is_accepted(side: int, price: float, mark: float) -> bool:
    """Return whether a venue lets a position open: not if it were liquidated at once."""
    return price < mark if side == LONG else price > mark


@compiled_counted
def fill_positions(
    rng: np.random.Generator, contract: SimulatedContract, positions: Positions, ledger: Ledger
) -> bool:
    """Open positions on both sides up to the ordinary open interest, in its usual mix.

    Returns whether there were slots for all of them; with more slots it goes on where it stopped.
    """
    mark = exp(ledger.levels[at.MARK_LOG])
    for side in range(2):
        while ledger.counts[at.TRADER_LONG_LOTS + side] < contract.ordinary_lots:
            if ledger.counts[at.FREE_COUNT] < 2:  # a hedged account takes two
                return False
            tier, lots = _draw_order(rng, contract, contract.tier_standing_weight)
            # As if entered within the last days; the true past of the price does not exist.
            entry = mark * exp(2.0 * contract.daily_volatility_ratio * rng.standard_normal())
            if happens(rng, contract.hedged_ratio):
                add_hedged(rng, contract, positions, ledger, entry, tier, lots)
                continue
            margin, price, is_cross = draw_account(rng, contract, side, entry, tier)
            if _is_accepted(side, price, mark):
                moment = draw_moment(rng, contract, ledger, tier, is_cross)
                add_position(
                    contract, positions, ledger, side, lots, entry, margin, price, moment,
                    tier if is_cross else NOBODY,
                )  # fmt: skip
    ledger.counts[at.MAKER_LOTS] = (
        ledger.counts[at.TRADER_SHORT_LOTS] - ledger.counts[at.TRADER_LONG_LOTS]
    )
    return True


@compiled_uncounted
def _move_whale(
    rng: np.random.Generator, contract: SimulatedContract, positions: Positions, ledger: Ledger,
    entry: float, mark: float, opened: IntArray, closed: IntArray, taker: FloatArray,
) -> None:  # fmt: skip
    """Let the whale hold more or fewer tranches; he takes what he trades. Adds to lots per side."""
    tranches = ledger.counts[at.WHALE_TRANCHES]
    wanted = int(rng.random() * (ledger.whale_slots.size + 1))
    if tranches == 0:
        ledger.counts[at.WHALE_SIDE] = LONG if rng.random() < 0.5 else SHORT
    side = ledger.counts[at.WHALE_SIDE]
    while ledger.counts[at.WHALE_TRANCHES] > wanted:
        slot = ledger.whale_slots[ledger.counts[at.WHALE_TRANCHES] - 1]
        closed[side] += positions.lots[slot]
        taker[1 - side] += positions.lots[slot]
        remove_position(contract, positions, ledger, slot)
    price = liquidation_price(
        contract.is_inverse, side, entry, contract.whale_leverage, contract.maintenance_margin_ratio
    )
    margin = margin_of(contract.is_inverse, entry, contract.whale_leverage)
    while ledger.counts[at.WHALE_TRANCHES] < wanted and _is_accepted(side, price, mark):
        slot = add_position(
            contract, positions, ledger, side, contract.whale_lots, entry, margin, price,
            NOBODY, NOBODY,
        )  # fmt: skip
        ledger.whale_slots[ledger.counts[at.WHALE_TRANCHES]] = slot
        ledger.counts[at.WHALE_TRANCHES] += 1
        opened[side] += contract.whale_lots
        taker[side] += contract.whale_lots


@njit(cache=True)
def _decay(half_life_minutes: float) -> float:
    """Return what is left of a deviation after a minute."""
    return exp(-log(2.0) / half_life_minutes)


@njit(cache=True)
def round_to_tick(price: float, tick_size: float) -> float:
    """Return a traded price."""
    return max(round(price / tick_size), 1) * tick_size


@compiled_uncounted
def _start_bar(bar: FloatArray, price: float) -> None:
    """Set open, high, low and close to the price at which a bar begins."""
    bar[:] = price


@compiled_uncounted
def _extend_bar(bar: FloatArray, high: float, low: float, close: float) -> None:
    """Take further prices into a bar."""
    bar[1] = max(bar[1], high)
    bar[2] = min(bar[2], low)
    bar[3] = close


class _Flow(NamedTuple):
    """Lots of one minute by side, long and short."""

    opened: IntArray
    closed: IntArray
    taker: FloatArray  # lots that want to buy, to sell, at once


@compiled_counted
def advance_minutes(
    rng: np.random.Generator, contract: SimulatedContract, positions: Positions, ledger: Ledger,
    log_index: FloatArray, activity: FloatArray, measured: Measured, first_minute: int,
) -> int:  # fmt: skip
    """Trade from `first_minute` on; return the minute that lacks slots, or the number of minutes.

    The order within a minute: prices move, margin is called, the mark liquidates, owners close,
    other holdings of cross accounts move, traders open, the whale moves, the market maker takes the
    remainder, churn adds volume without new positions.
    """
    levels = ledger.levels
    forced = Forced(
        np.zeros(2, dtype=np.int64), np.zeros(2), np.zeros(2, dtype=np.int64), np.zeros(2),
        np.zeros(1, dtype=np.int64),
    )  # fmt: skip
    flow = _Flow(np.zeros(2, dtype=np.int64), np.zeros(2, dtype=np.int64), np.zeros(2))
    for t in range(first_minute, log_index.size):
        if ledger.counts[at.FREE_COUNT] < ROOM:
            return t
        bar = t // BAR_MINUTES
        if t % BAR_MINUTES == 0:
            _start_bar(measured.last[bar], levels[at.LAST_PRICE])
            _start_bar(measured.mark[bar], exp(levels[at.MARK_LOG]))
        flow.opened[:] = 0
        flow.closed[:] = 0
        flow.taker[:] = 0.0
        forget_forced(forced)
        earlier_last_log, earlier_mark_log = levels[at.LAST_LOG], levels[at.MARK_LOG]
        _move_prices(rng, contract, ledger, log_index[t])
        mark = exp(levels[at.MARK_LOG])
        _extend_bar(measured.mark[bar], mark, mark, mark)
        for side in range(2):
            call_margin(
                rng, contract, positions, ledger, side, earlier_mark_log, levels[at.MARK_LOG]
            )
            liquidate_positions(
                contract, positions, ledger, side, earlier_mark_log, levels[at.MARK_LOG], forced
            )
        _act_on_moments(rng, contract, positions, ledger, activity[t], mark, flow, forced)
        _take_forced(forced, flow, measured, bar)
        _open_orders(rng, contract, positions, ledger, activity[t], earlier_last_log, flow)
        if contract.whale_lots > 0 and rng.random() < contract.whale_move_probability:
            _move_whale(
                rng, contract, positions, ledger, exp(levels[at.LAST_LOG]), mark,
                flow.opened, flow.closed, flow.taker,
            )  # fmt: skip
        _trade_rest(rng, contract, ledger, activity[t], earlier_last_log, flow, measured, bar)
        if (t + 1) % BAR_MINUTES == 0:
            maker = ledger.counts[at.MAKER_LOTS]
            measured.maker_lots[bar] = maker
            measured.book_lots[bar, LONG] = ledger.counts[at.TRADER_LONG_LOTS] + max(maker, 0)
            measured.book_lots[bar, SHORT] = ledger.counts[at.TRADER_SHORT_LOTS] + max(-maker, 0)
        if (t + 1) % HOUR_MINUTES == 0:
            _measure_truth(contract, ledger, measured, t // HOUR_MINUTES)
    return log_index.size


@compiled_uncounted
def _move_prices(
    rng: np.random.Generator, contract: SimulatedContract, ledger: Ledger, log_index: float
) -> None:
    """Move the venue's last price and mark price after the index."""
    levels = ledger.levels
    gap_decay = _decay(VENUE_GAP_HALF_LIFE_MINUTES)
    gap_step = contract.price_noise_ratio * sqrt(1.0 - gap_decay**2)
    levels[at.VENUE_GAP] = gap_decay * levels[at.VENUE_GAP] + gap_step * rng.standard_normal()
    levels[at.LAST_LOG] = (
        log_index + levels[at.VENUE_GAP] + 0.4 * contract.price_noise_ratio * rng.standard_normal()
    )
    levels[at.MARK_LOG] += contract.mark_weight * (log_index - levels[at.MARK_LOG])
    memory_weight = 1.0 - _decay(TRADER_MEMORY_HALF_LIFE_MINUTES)
    levels[at.REMEMBERED_LOG] += memory_weight * (log_index - levels[at.REMEMBERED_LOG])


@compiled_uncounted
def _take_forced(forced: Forced, flow: _Flow, measured: Measured, bar: int) -> None:
    """Add a minute's liquidations to what closed and to what is measured."""
    for side in range(2):
        measured.liquidated_lots[bar, side] += forced.lots[side]
        measured.liquidated_usd[bar, side] += forced.usd[side]
        measured.published_lots[bar, side] += forced.published_lots[side]
        measured.published_usd[bar, side] += forced.published_usd[side]
        flow.closed[side] += forced.lots[side]
        flow.taker[1 - side] += forced.lots[side]


@compiled_uncounted
def _act_on_moments(
    rng: np.random.Generator, contract: SimulatedContract, positions: Positions, ledger: Ledger,
    activity: float, mark: float, flow: _Flow, forced: Forced,
) -> None:  # fmt: skip
    """Close the positions whose moment has come, or move the margin of cross accounts."""
    moment = floor(ledger.levels[at.CLOCK])
    ledger.levels[at.CLOCK] += activity
    while moment < floor(ledger.levels[at.CLOCK]):
        moment += 1.0
        slot = ledger.moment_head[int(moment) % N_MOMENTS]
        while slot != NOBODY:
            after = positions.moment_next[slot]
            side = positions.side[slot]
            if is_other_holding(rng, contract, positions.cross_tier[slot]):
                move_collateral(rng, contract, positions, ledger, slot, mark, forced)
            else:
                flow.closed[side] += positions.lots[slot]
                flow.taker[1 - side] += 0.5 * positions.lots[slot]
                remove_position(contract, positions, ledger, slot)
            slot = after


@compiled_counted
def _draw_count(rng: np.random.Generator, mean: float) -> int:
    """Return a Poisson variate, for which numba makes a list."""
    return int(rng.poisson(mean))


@compiled_uncounted
def _open_orders(
    rng: np.random.Generator, contract: SimulatedContract, positions: Positions, ledger: Ledger,
    activity: float, earlier_last_log: float, flow: _Flow,
) -> None:  # fmt: skip
    """Open positions on both sides, as many as traders are eager for."""
    counts, levels = ledger.counts, ledger.levels
    appetite_decay = _decay(APPETITE_HALF_LIFE_MINUTES)
    appetite_step = contract.appetite_deviation * sqrt(1.0 - appetite_decay**2)
    levels[at.APPETITE] = (
        appetite_decay * levels[at.APPETITE] + appetite_step * rng.standard_normal()
    )
    move = levels[at.LAST_LOG] - earlier_last_log
    mark = exp(levels[at.MARK_LOG])
    trend = (levels[at.LAST_LOG] - levels[at.REMEMBERED_LOG]) / contract.daily_volatility_ratio
    odds = exp(CHASE * trend + MAKER_SKEW * counts[at.MAKER_LOTS] / contract.ordinary_lots)
    standing = max(counts[at.TRADER_LONG_LOTS] + counts[at.TRADER_SHORT_LOTS], 1)
    appetite = exp(levels[at.APPETITE] - 0.5 * contract.appetite_deviation**2)
    eagerness = appetite * min(2.0 * contract.ordinary_lots / standing, 3.0)
    for side in range(2):
        share = odds / (1.0 + odds) if side == LONG else 1.0 / (1.0 + odds)
        rate = 2.0 * share * contract.orders_per_minute * activity * eagerness
        for _ in range(min(_draw_count(rng, rate), LARGEST_ORDER_COUNT)):
            tier, lots = _draw_order(rng, contract, contract.tier_cumulative_weight)
            entry = exp(earlier_last_log + rng.random() * move)
            if happens(rng, contract.hedged_ratio):
                each = add_hedged(rng, contract, positions, ledger, entry, tier, lots)
                for leg in range(2):
                    flow.opened[leg] += each
                    flow.taker[leg] += each * contract.tier_taker_ratio[tier]
                continue
            margin, price, is_cross = draw_account(rng, contract, side, entry, tier)
            moment = draw_moment(rng, contract, ledger, tier, is_cross)
            if _is_accepted(side, price, mark):
                add_position(
                    contract, positions, ledger, side, lots, entry, margin, price, moment,
                    tier if is_cross else NOBODY,
                )  # fmt: skip
                flow.opened[side] += lots
                flow.taker[side] += lots * contract.tier_taker_ratio[tier]


@compiled_uncounted
def _trade_rest(
    rng: np.random.Generator, contract: SimulatedContract, ledger: Ledger, activity: float,
    earlier_last_log: float, flow: _Flow, measured: Measured, bar: int,
) -> None:  # fmt: skip
    """Give the excess to the market maker, add churn, and measure the trades."""
    levels, last_log = ledger.levels, ledger.levels[at.LAST_LOG]
    minute_volatility = contract.daily_volatility_ratio / sqrt(1440.0)
    bought = flow.opened[LONG] + flow.closed[SHORT]
    sold = flow.opened[SHORT] + flow.closed[LONG]
    ledger.counts[at.MAKER_LOTS] -= bought - sold
    turned_over = max(bought, sold)
    churn = 0
    if rng.random() < 1.0 - exp(-CHURN_TRADES_PER_ORDER * contract.orders_per_minute * activity):
        churn = round(contract.churn_lots_per_minute * activity * rng.standard_exponential())
    buy_ratio = 0.0
    if turned_over > 0:
        buy_ratio = flow.taker[LONG] / (flow.taker[LONG] + flow.taker[SHORT])
    churn_buy_ratio = 0.5 + TAKER_TILT * tanh((last_log - earlier_last_log) / minute_volatility)
    measured.volume_lots[bar] += turned_over + churn
    measured.taker_buy_lots[bar] += round(turned_over * buy_ratio + churn * churn_buy_ratio)
    if turned_over + churn > 0:
        wick = 0.5 * minute_volatility * sqrt(activity)
        high = max(earlier_last_log, last_log) + wick * abs(rng.standard_normal())
        low = min(earlier_last_log, last_log) - wick * abs(rng.standard_normal())
        levels[at.LAST_PRICE] = round_to_tick(exp(last_log), contract.tick_size)
        _extend_bar(
            measured.last[bar], round_to_tick(exp(high), contract.tick_size),
            round_to_tick(exp(low), contract.tick_size), levels[at.LAST_PRICE],
        )  # fmt: skip


@compiled_uncounted
def _measure_truth(
    contract: SimulatedContract, ledger: Ledger, measured: Measured, hour: int
) -> None:
    """Measure the open positions by bin of liquidation price at the end of an hour."""
    center = log(ledger.levels[at.LAST_PRICE]) / (2.0 * LOG_STEP) - 0.25
    reach = PUBLISHED_RANGE / (2.0 * LOG_STEP)
    first = ceil(center - reach)
    measured.truth_first_bin[hour] = first
    for k in range(floor(center + reach) - first + 1):
        b = first + k - contract.first_bin
        if 0 < b < N_BINS - 1:  # the outermost hold what lies beyond them too
            for side in range(2):
                measured.truth_lots[hour, side, k] = ledger.bin_lots[side, b]
                measured.truth_usd[hour, side, k] = ledger.bin_usd[side, b]
