"""What accounts do in a second: order, close, add margin, and be liquidated at the mark.

Belongs here: conduct, the tape of trades. Does not belong here: margin and its rule (`book`).
"""

from math import log
from typing import NamedTuple

import numpy as np
from numba import njit

from standin.population.book import (
    BACKSTOP,
    MAKER,
    NOBODY,
    Book,
    Flags,
    Floats,
    Ints,
    compiled,
    fill,
    find,
    measure_account,
    measure_accounts,
    nth_position,
    required,
)

MOST_FILLS = 12
FILLS_MEAN = 3.0
MAKER_RATIO = 0.97  # of trades have a market maker on their other side
BOT_RATIO = 0.02
MARKET, BY_BACKSTOP = 1, 2
BACKSTOP_RATIO = 2.0 / 3.0  # of the maintenance margin: below it the backstop takes over


class Habits(NamedTuple):
    """Conduct of every account."""

    ordinary: Floats  # shape (n_accounts,): cumulated share of orders by ordinary accounts
    bots: Floats  # the same of programs
    makers: Ints  # shape (n_makers,): accounts
    coins: Floats  # shape (n_coins,): cumulated share of orders
    # Per account, shape (n_accounts,)
    leverage: Ints
    is_cross: Flags
    wanted: Floats  # positions held on average
    order_usd: Floats
    cushion: Floats  # equity over initial margin after a deposit


class Tape(NamedTuple):
    """The last trades, a ring: trade n is at n modulo its length."""

    at: Ints  # ms
    coin: Ints
    buyer: Ints
    seller: Ints
    lots: Ints
    price: Floats
    is_buy: Flags  # whether the buyer was the taker
    liquidated: Ints  # account, or NOBODY
    method: Ints  # MARKET, BY_BACKSTOP, or 0
    mark: Floats
    counts: Ints  # [number of trades ever]


def empty_tape(length: int) -> Tape:
    """Return a tape without trades."""
    whole = {
        name: np.zeros(length, np.int64)
        for name in ("at", "coin", "buyer", "seller", "lots", "liquidated", "method")
    }
    return Tape(
        **whole,
        price=np.zeros(length),
        is_buy=np.zeros(length, np.bool_),
        mark=np.zeros(length),
        counts=np.zeros(1, np.int64),
    )


@compiled
def _pick(rng: np.random.Generator, cumulative: Floats) -> int:
    return min(np.searchsorted(cumulative, rng.random() * cumulative[-1]), cumulative.size - 1)


@compiled
def _other_side(
    rng: np.random.Generator, book: Book, habits: Habits, account: int, coin: int, is_buy: bool
) -> int:
    """Return who takes the other side: of two market makers the one it brings nearer to flat."""
    draw = rng.random()
    chosen = NOBODY
    if draw > MAKER_RATIO:
        cumulative = habits.bots if draw < MAKER_RATIO + BOT_RATIO else habits.ordinary
        chosen = _pick(rng, cumulative)
    if chosen in (NOBODY, account):
        best = 0
        for n in range(2):
            maker = habits.makers[int(rng.random() * habits.makers.size)]
            slot = find(book, maker, coin)
            lots = 0 if slot == NOBODY else book.lots[slot]
            # A maker sells to a buyer: the longer, the gladder.
            gladness = lots if is_buy else -lots
            if maker != account and (chosen in (NOBODY, account) or n == 0 or gladness > best):
                chosen, best = maker, gladness
    return chosen


@compiled
def fund(book: Book, habits: Habits, account: int) -> None:
    """Deposit what an account lacks: no balance below zero, equity above initial margin."""
    measure_account(book, account)
    for dex in range(book.balance.shape[0]):
        initial = 0.0
        slot = book.head[account]
        while slot != NOBODY:
            coin = book.coin[slot]
            if book.dex[coin] == dex and np.isnan(book.margin[slot]):
                notional = abs(book.lots[slot]) * book.lot[coin] * book.mark[coin]
                initial += notional / book.leverage[slot]
            slot = book.next[slot]
        lack = initial * habits.cushion[account] - book.equity[dex, account]
        if initial == 0.0:
            lack = -book.balance[dex, account]
        if lack > 0.0:
            book.balance[dex, account] += lack


@compiled
def trade(
    rng: np.random.Generator, book: Book, habits: Habits, tape: Tape, at: int,
    taker: int, other: int, coin: int, lots: int, is_buy: bool, price: float,
    liquidated: int, method: int,
) -> None:  # fmt: skip
    """Let two accounts trade and note it on the tape."""
    signed = lots if is_buy else -lots
    fill(book, taker, coin, signed, price, habits.leverage[taker], habits.is_cross[taker])
    fill(book, other, coin, -signed, price, habits.leverage[other], habits.is_cross[other])
    number = tape.counts[0] % tape.at.size
    tape.at[number] = at
    tape.coin[number] = coin
    tape.buyer[number] = taker if is_buy else other
    tape.seller[number] = other if is_buy else taker
    tape.lots[number] = lots
    tape.price[number] = price
    tape.is_buy[number] = is_buy
    tape.liquidated[number] = liquidated
    tape.method[number] = method
    tape.mark[number] = book.mark[coin]
    tape.counts[0] += 1


@compiled
def _choose_order(
    rng: np.random.Generator, book: Book, habits: Habits, account: int, maker_usd: Floats,
    scale_usd: Floats,
) -> tuple[int, int]:  # fmt: skip
    """Return coin and signed lots of an account's next order."""
    held = book.n_positions[account]
    wanted = habits.wanted[account]
    if held > 0 and rng.random() > wanted / (wanted + 1.3 * held):
        slot = nth_position(book, account, int(rng.random() * held))
        part = 1.0 if rng.random() < 0.75 else 0.2 + 0.6 * rng.random()
        lots = max(1, int(abs(book.lots[slot]) * part))
        return book.coin[slot], -lots if book.lots[slot] > 0 else lots
    coin = _pick(rng, habits.coins)
    if held > 0 and rng.random() < 0.3:
        coin = book.coin[nth_position(book, account, int(rng.random() * held))]
    usd = habits.order_usd[account] * np.exp(0.7 * rng.standard_normal())
    lots = max(1, round(usd / (book.mark[coin] * book.lot[coin])))
    slot = find(book, account, coin)
    if slot != NOBODY:
        # Adds to the position; one time in five trades against it and may flip it.
        is_long = (book.lots[slot] > 0) == (rng.random() < 0.8)
    else:
        # Makers who had to buy quote prices that attract buyers.
        is_long = rng.random() < 0.52 + 0.4 * np.tanh(maker_usd[coin] / scale_usd[coin])
    return coin, lots if is_long else -lots


@compiled
def _order(
    rng: np.random.Generator, book: Book, habits: Habits, tape: Tape, at: int, account: int,
    maker_usd: Floats, scale_usd: Floats,
) -> None:  # fmt: skip
    """Trade an account's next order in one or more pieces."""
    coin, lots = _choose_order(rng, book, habits, account, maker_usd, scale_usd)
    is_buy = lots > 0
    left = abs(lots)
    pieces = min(MOST_FILLS, 1 + int(rng.standard_exponential() * (FILLS_MEAN - 0.5)))
    each = max(1, left // pieces)
    while left > 0:
        part = left if left < 2 * each else each
        other = _other_side(rng, book, habits, account, coin, is_buy)
        price = book.mark[coin] * (1.0 + 2e-4 * rng.standard_normal())
        trade(rng, book, habits, tape, at, account, other, coin, part, is_buy, price, NOBODY, 0)
        if book.kind[other] == MAKER:
            sign = -1.0 if is_buy else 1.0
            maker_usd[coin] += sign * part * book.lot[coin] * price
        fund(book, habits, other)
        left -= part
    fund(book, habits, account)


@compiled
def _liquidate(
    rng: np.random.Generator, book: Book, habits: Habits, tape: Tape, at: int, slot: int,
    method: int,
) -> None:  # fmt: skip
    account, coin = book.account[slot], book.coin[slot]
    is_buy = book.lots[slot] < 0
    other = 0  # the backstop
    if method == MARKET:
        other = _other_side(rng, book, habits, account, coin, is_buy)
    lots = abs(book.lots[slot])
    trade(
        rng, book, habits, tape, at, account, other, coin, lots, is_buy, book.mark[coin],
        account, method,
    )  # fmt: skip
    dex = book.dex[coin]
    book.balance[dex, account] = max(book.balance[dex, account], 0.0)
    fund(book, habits, other)


@compiled
def liquidate_all(
    rng: np.random.Generator, book: Book, habits: Habits, tape: Tape, at: int
) -> None:
    """Close what the marks force: isolated positions one by one, cross accounts as a whole."""
    measure_accounts(book)
    for slot in range(book.lots.size):
        if book.lots[slot] == 0:
            continue
        account, coin = book.account[slot], book.coin[slot]
        if book.kind[account] in (MAKER, BACKSTOP):
            continue
        dex = book.dex[coin]
        if np.isnan(book.margin[slot]):
            equity, needed = book.equity[dex, account], book.maintenance[dex, account]
        else:
            size = book.lots[slot] * book.lot[coin]
            equity = book.margin[slot] + size * (book.mark[coin] - book.entry[slot])
            needed = required(abs(size) * book.mark[coin], book.max_leverage[coin])
        if equity <= needed:
            method = MARKET if equity > BACKSTOP_RATIO * needed else BY_BACKSTOP
            _liquidate(rng, book, habits, tape, at, slot, method)


@compiled
def _move_margin(rng: np.random.Generator, book: Book, habits: Habits) -> None:
    """Let the owner of a random position add margin, or deposit or withdraw."""
    slot = int(rng.random() * book.lots.size)
    if book.lots[slot] == 0:
        return
    if not np.isnan(book.margin[slot]):
        book.margin[slot] *= 1.2 + 0.8 * rng.random()
        return
    account, dex = book.account[slot], book.dex[book.coin[slot]]
    measure_account(book, account)
    book.balance[dex, account] += (0.6 * rng.random() - 0.2) * abs(book.equity[dex, account])
    fund(book, habits, account)


@njit(cache=True, nogil=True)
def advance_second(
    rng: np.random.Generator, book: Book, habits: Habits, tape: Tape, start: int,
    rates: Floats, maker_usd: Floats, scale_usd: Floats,
) -> None:  # fmt: skip
    """Trade for a second from `start` [ms] at the marks of the book.

    Parameters
    ----------
    rates : ndarray of float64, shape (3,)
        Orders a second of ordinary accounts and of programs; margin moves a second and slot.
    """
    liquidate_all(rng, book, habits, tape, start)
    ordinary = rng.poisson(rates[0])
    orders = ordinary + rng.poisson(rates[1])
    for n in range(orders):
        at = start + (1000 * n) // orders
        # Whose turn it is does not depend on the instant within the second.
        is_ordinary = rng.random() < ordinary / orders
        account = _pick(rng, habits.ordinary if is_ordinary else habits.bots)
        _order(rng, book, habits, tape, at, account, maker_usd, scale_usd)
    for _ in range(rng.poisson(rates[2] * book.lots.size)):
        _move_margin(rng, book, habits)


@compiled
def open_first_positions(
    rng: np.random.Generator, book: Book, habits: Habits, tape: Tape, accounts: Ints, at: int,
    maker_usd: Floats, scale_usd: Floats,
) -> None:  # fmt: skip
    """Give accounts their first positions, entered at prices of the days before."""
    marks = book.mark.copy()
    for account in accounts:
        for _ in range(1 + rng.poisson(habits.wanted[account] - 0.7)):
            drift = 1.2 / habits.leverage[account]
            for coin in range(marks.size):
                away = drift * 0.3 * rng.standard_normal()
                book.mark[coin] = marks[coin] * np.exp(max(-0.5, min(0.5, away)))
            _order(rng, book, habits, tape, at, account, maker_usd, scale_usd)
    for coin in range(marks.size):
        book.mark[coin] = marks[coin]
    liquidate_all(rng, book, habits, tape, at)


def hourly_share(share: float) -> float:
    """Return the probability a second of what happens to a share within an hour."""
    return -log(1.0 - share) / 3600.0
