"""The true book of a population: who holds what, with which margin, and where it is liquidated.

Belongs here: arrays of accounts and positions, fills, margin and the liquidation price by the
venue's rule. Does not belong here: who wants to trade (`trading`), how the venue spells any of it
(`wording`).

Quantities are whole lots, so that longs and shorts of a coin are equal to the last lot. Prices are
USD per unit as the venue quotes it: kPEPE is a coin of its own here.
"""

from math import nan
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

NOBODY = -1
ORDINARY, BOT, MAKER, BACKSTOP = range(4)
FREE, USED, TRADES, NEXT_SEQUENCE = range(4)  # of `Book.counts`
TIER_BOUND_USD = 1_000_000.0  # notional from which a coin allows half its leverage

# The kernels change arrays in place and are called with the same types throughout.
compiled = njit(cache=True, nogil=True)


class Book(NamedTuple):
    """Accounts and positions. A position is a slot; those of an account are a linked list."""

    # Coins, shape (n_coins,)
    mark: Floats  # USD per quoted unit
    lot: Floats  # quoted units
    max_leverage: Ints
    dex: Ints  # 0 is the venue's own
    # Accounts; the balances of each dex are apart: shape (n_dexes, n_accounts)
    balance: Floats  # USD that backs positions margined crosswise
    equity: Floats  # balance and unrealised profit of these positions [USD]
    maintenance: Floats  # what these positions require [USD]
    head: Ints  # shape (n_accounts,): first slot, or NOBODY
    kind: Ints
    n_positions: Ints
    # Slots, shape (n_slots,)
    account: Ints
    coin: Ints
    lots: Ints  # above 0 long, below 0 short, 0 free
    entry: Floats
    margin: Floats  # USD of an isolated position, NaN of one margined crosswise
    leverage: Ints
    sequence: Ints  # which position it is, counted from the first: a reopened one is another
    next: Ints
    counts: Ints


def empty_book(lot: Floats, max_leverage: Ints, dex: Ints, kind: Ints, n_slots: int) -> Book:
    """Return a book in which nobody holds anything."""
    n_coins, n_accounts, n_dexes = len(lot), len(kind), int(dex.max()) + 1
    # Free slots are a list of their own, through the same links.
    links = np.arange(1, n_slots + 1)
    links[-1] = NOBODY
    return Book(
        mark=np.ones(n_coins), lot=lot, max_leverage=max_leverage, dex=dex,
        balance=np.zeros((n_dexes, n_accounts)), equity=np.zeros((n_dexes, n_accounts)),
        maintenance=np.zeros((n_dexes, n_accounts)),
        head=np.full(n_accounts, NOBODY), kind=kind, n_positions=np.zeros(n_accounts, np.int64),
        account=np.full(n_slots, NOBODY), coin=np.zeros(n_slots, np.int64),
        lots=np.zeros(n_slots, np.int64), entry=np.zeros(n_slots), margin=np.full(n_slots, np.nan),
        leverage=np.ones(n_slots, np.int64), sequence=np.zeros(n_slots, np.int64), next=links,
        counts=np.array([0, 0, 0, 1]),
    )  # fmt: skip


@compiled
def find(book: Book, account: int, coin: int) -> int:
    """Return the slot of an account's position in a coin, or NOBODY."""
    slot = book.head[account]
    while slot != NOBODY and book.coin[slot] != coin:
        slot = book.next[slot]
    return slot


@compiled
def nth_position(book: Book, account: int, n: int) -> int:
    """Return the slot of an account's n-th position."""
    slot = book.head[account]
    for _ in range(n):
        slot = book.next[slot]
    return slot


@compiled
def maintenance_of(notional: float, max_leverage: int) -> tuple[float, float]:
    """Return ratio and deduction [USD] of the maintenance margin of a notional.

    Half the initial margin at the highest leverage, which halves from `TIER_BOUND_USD` on; the
    deduction makes the requirement continuous (Hyperliquid, margin tiers).
    """
    first = 0.5 / max_leverage
    if notional <= TIER_BOUND_USD or max_leverage < 2:
        return first, 0.0
    second = 0.5 / (max_leverage // 2)
    return second, TIER_BOUND_USD * (second - first)


@compiled
def required(notional: float, max_leverage: int) -> float:
    """Return the maintenance margin of a notional [USD]."""
    ratio, deduction = maintenance_of(notional, max_leverage)
    return notional * ratio - deduction


@compiled
def liquidation_price(lots: int, lot: float, mark: float, free: float, max_leverage: int) -> float:
    """Return the mark price at which equity falls to the maintenance margin; NaN if none does.

    Parameters
    ----------
    free : float
        Equity that backs the position at `mark`, less what other positions require [USD].
    """
    side = 1.0 if lots > 0 else -1.0
    size = abs(lots) * lot
    for tier in range(2):
        bound = 0.0 if tier == 0 else 2.0 * TIER_BOUND_USD
        ratio, deduction = maintenance_of(bound, max_leverage)
        price = (side * size * mark - free - deduction) / (size * (side - ratio))
        if tier == 1 or price * size <= TIER_BOUND_USD:
            return price if price > 0.0 else nan
    return nan


@compiled
def _claim_slot(book: Book, account: int, coin: int) -> int:
    slot = book.counts[FREE]
    if slot == NOBODY:
        raise ValueError("no slot is free")
    book.counts[FREE] = book.next[slot]
    book.counts[USED] += 1
    book.account[slot] = account
    book.coin[slot] = coin
    book.sequence[slot] = book.counts[NEXT_SEQUENCE]
    book.counts[NEXT_SEQUENCE] += 1
    book.next[slot] = book.head[account]
    book.head[account] = slot
    book.n_positions[account] += 1
    return slot


@compiled
def _release_slot(book: Book, slot: int) -> None:
    account = book.account[slot]
    if book.head[account] == slot:
        book.head[account] = book.next[slot]
    else:
        before = book.head[account]
        while book.next[before] != slot:
            before = book.next[before]
        book.next[before] = book.next[slot]
    book.n_positions[account] -= 1
    book.account[slot] = NOBODY
    book.lots[slot] = 0
    book.next[slot] = book.counts[FREE]
    book.counts[FREE] = slot
    book.counts[USED] -= 1


@compiled
def fill(
    book: Book, account: int, coin: int, lots: int, price: float, leverage: int, is_cross: bool
) -> None:
    """Buy (lots above 0) or sell for an account; leverage and margin mode count when it opens."""
    slot = find(book, account, coin)
    dex = book.dex[coin]
    unit = book.lot[coin]
    if slot != NOBODY and (book.lots[slot] > 0) != (lots > 0):
        held = book.lots[slot]
        closed = min(abs(held), abs(lots))
        side = 1.0 if held > 0 else -1.0
        gained = side * closed * unit * (price - book.entry[slot])
        if not np.isnan(book.margin[slot]):
            released = book.margin[slot] * closed / abs(held)
            book.margin[slot] -= released
            gained += released
        book.balance[dex, account] += gained
        if closed == abs(held):
            _release_slot(book, slot)
            slot = NOBODY
        else:
            book.lots[slot] += closed if lots > 0 else -closed
        lots = lots - closed if lots > 0 else lots + closed
        if lots == 0:
            return
    notional = abs(lots) * unit * price
    if slot == NOBODY:
        slot = _claim_slot(book, account, coin)
        book.lots[slot] = 0
        book.entry[slot] = price
        book.leverage[slot] = max(1, min(leverage, book.max_leverage[coin]))
        book.margin[slot] = nan if is_cross else 0.0
    held = book.lots[slot]
    book.entry[slot] = (book.entry[slot] * abs(held) + price * abs(lots)) / (abs(held) + abs(lots))
    book.lots[slot] += lots
    if not np.isnan(book.margin[slot]):
        initial = notional / book.leverage[slot]
        book.margin[slot] += initial
        book.balance[dex, account] -= initial


@compiled
def measure_accounts(book: Book) -> None:
    """Value all positions margined crosswise at the marks: equity and maintenance by account."""
    # Element by element: assigning an array to a slice takes five seconds more to compile.
    for dex in range(book.balance.shape[0]):
        for account in range(book.balance.shape[1]):
            book.equity[dex, account] = book.balance[dex, account]
            book.maintenance[dex, account] = 0.0
    for slot in range(book.lots.size):
        lots = book.lots[slot]
        if lots != 0 and np.isnan(book.margin[slot]):
            _measure_position(book, slot)


@compiled
def measure_account(book: Book, account: int) -> None:
    """Value the positions of one account that are margined crosswise."""
    for dex in range(book.balance.shape[0]):
        book.equity[dex, account] = book.balance[dex, account]
        book.maintenance[dex, account] = 0.0
    slot = book.head[account]
    while slot != NOBODY:
        if np.isnan(book.margin[slot]):
            _measure_position(book, slot)
        slot = book.next[slot]


@compiled
def _measure_position(book: Book, slot: int) -> None:
    coin = book.coin[slot]
    account, dex = book.account[slot], book.dex[coin]
    size = book.lots[slot] * book.lot[coin]
    book.equity[dex, account] += size * (book.mark[coin] - book.entry[slot])
    book.maintenance[dex, account] += required(abs(size) * book.mark[coin], book.max_leverage[coin])


@compiled
def price_of_slot(book: Book, slot: int) -> float:
    """Return the liquidation price of a position; its account must be measured at the marks."""
    coin = book.coin[slot]
    lots, mark = book.lots[slot], book.mark[coin]
    size = lots * book.lot[coin]
    if np.isnan(book.margin[slot]):
        account, dex = book.account[slot], book.dex[coin]
        others = book.maintenance[dex, account] - required(
            abs(size) * mark, book.max_leverage[coin]
        )
        free = book.equity[dex, account] - others
    else:
        free = book.margin[slot] + size * (mark - book.entry[slot])
    return liquidation_price(lots, book.lot[coin], mark, free, book.max_leverage[coin])


@compiled
def all_prices(book: Book) -> Floats:
    """Return the liquidation price of every slot, NaN where it is free or has none."""
    prices = np.full(book.lots.size, np.nan)
    measure_accounts(book)
    for slot in range(book.lots.size):
        if book.lots[slot] != 0:
            prices[slot] = price_of_slot(book, slot)
    return prices
