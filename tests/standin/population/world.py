"""A population that lives: its accounts, its marks, its clock.

Belongs here: making a population from a market, moving it on, its true book at each hour.
Does not belong here: what accounts do (`trading`), how the venue spells them (`wording`).
"""

from dataclasses import dataclass
from hashlib import blake2b
from math import exp, log
from pathlib import Path

import numpy as np
from numba import typeof

from standin.market_data import HOUR, MINUTE, MarketData
from standin.population.book import (
    BACKSTOP,
    BOT,
    MAKER,
    ORDINARY,
    Flags,
    Floats,
    Ints,
    all_prices,
    empty_book,
    measure_account,
    nth_position,
    price_of_slot,
)
from standin.population.parameters import (
    HALF_LIFE_HOURS,
    LEVERAGE_SHARES,
    LEVERAGES,
    PopulationParameters,
)
from standin.population.trading import (
    FILLS_MEAN,
    MARKET,
    Habits,
    advance_second,
    empty_tape,
    hourly_share,
    open_first_positions,
)

SECOND = 1000
BUILDER = "xyz"
BUILDER_COINS = ("GOLD", "SILVER", "OIL", "NDX", "SPX", "TSLA", "NVDA", "AAPL", "EURUSD", "COIN")
TAPE_LENGTH = 1 << 20
IDLE_RATIO = 0.05  # orders of accounts that hold nothing, over those of accounts that do
BOT_RATIO = 0.1  # size of a program's orders over those of ordinary accounts
CAUGHT_UP_MOST = 6 * HOUR  # a clock set farther ahead is a mistake, not a wish to trade for days


@dataclass(frozen=True, slots=True)
class TrueBook:
    """Every open position at an instant, by the venue's own rule.

    Arrays are of shape (n_positions,). Prices are USD per unit as the venue quotes it, quantities
    in these units; ``liquidation_price`` is NaN where no price liquidates.
    """

    at: int
    account: Ints
    coin: Ints
    is_long: Flags
    quantity: Floats
    entry_price: Floats
    liquidation_price: Floats
    leverage: Ints
    is_cross: Flags
    sequence: Ints
    mark: Floats  # shape (n_coins,)
    answered_at: Ints  # ms: when the state it is in was last sent to a client; 0 is never
    named_at: Ints  # ms: when the account was first named, in a list or by a trade on the dex


class Population:
    """Accounts that trade the contracts a market lists on Hyperliquid.

    The market gives the marks, minute by minute; the accounts make trades, open interest and
    liquidations of their own. A function of market, start, parameters and nothing else: how often
    it is moved on makes no difference.

    Parameters
    ----------
    start : int
        Instant at which the accounts begin to trade [ms].
    names : sequence of str
        The venue's names of the contracts, in the order of `market.of_venue`.
    """

    def __init__(
        self, market: MarketData, *, start: int, names: list[str], parameters: PopulationParameters
    ) -> None:
        self.parameters = parameters
        self.rng = np.random.default_rng([parameters.seed, 13])
        self.names = [*names, *_builder_names(parameters.builder_coins)]
        self.dexes = ["", BUILDER] if parameters.builder_coins else [""]
        self._start = start // MINUTE * MINUTE
        self._marks = _minute_marks(market, self._start, parameters.builder_coins)
        self.now = self._start
        n_listed, n_coins = len(names), len(self.names)
        price = np.exp(self._marks[0])
        self.decimals = np.clip(np.round(np.log10(price)), 0, 5).astype(np.int64)
        leverages = [one.instrument.max_leverage for one in market.of_venue("hyperliquid")]
        leverages = [min(each, 50) for each in leverages] + [20] * parameters.builder_coins
        kind = _kinds(parameters)
        self.book = empty_book(
            lot=10.0**-self.decimals,
            max_leverage=np.array(leverages, np.int64),
            dex=(np.arange(n_coins) >= n_listed).astype(np.int64),
            kind=kind,
            n_slots=parameters.accounts * 4 + (parameters.makers + 1) * n_coins + 1000,
        )
        self.addresses = [_address(parameters.seed, n) for n in range(parameters.accounts)]
        self.account_of = {address: n for n, address in enumerate(self.addresses)}
        weights = 1.0 / np.arange(1, n_coins + 1) ** 0.9
        self.tape = empty_tape(TAPE_LENGTH if parameters.accounts > 5_000 else TAPE_LENGTH >> 4)
        holds = self.rng.random(parameters.accounts) < parameters.holding_ratio
        self.habits, orders_per_hour = _habits(self.rng, parameters, kind, holds, weights)
        per_order = FILLS_MEAN
        ordinary = orders_per_hour / 3600.0
        self._rates = np.array([
            min(ordinary, parameters.trades_per_second / per_order),
            max(parameters.trades_per_second / per_order - ordinary, 0.0),
            hourly_share(parameters.additions_per_hour),
        ])  # fmt: skip
        self._maker_usd = np.zeros(n_coins)
        self._scale_usd = self.habits.order_usd.sum() * weights / weights.sum() * 0.1 + 1.0
        self.hours: dict[int, TrueBook] = {}
        self.vanished: set[str] = set()
        self.answered_at = np.zeros((len(self.dexes), parameters.accounts), np.int64)
        self.named_at = np.zeros((len(self.dexes), parameters.accounts), np.int64)
        self.listed: list[str] = []  # the addresses of the leaderboard last sent
        self._open(kind, holds)
        self._compile()

    def _open(self, kind: Ints, holds: Flags) -> None:
        """Open the positions that stand at the start."""
        self.book.mark[:] = np.exp(self._marks[0])
        holders = np.flatnonzero((kind == BOT) | ((kind == ORDINARY) & holds))
        self.book.balance[0, np.flatnonzero(kind == MAKER)] = 2e6
        self.book.balance[0, np.flatnonzero((kind == ORDINARY) & ~holds)] = 50.0
        open_first_positions(
            self.rng, self.book, self.habits, self.tape, holders, self._start,
            self._maker_usd, self._scale_usd,
        )  # fmt: skip
        # Trades from before the start are not news.
        self.first_trade = self._noted = int(self.tape.counts[0])

    def _compile(self) -> None:
        """Compile the kernels now: the first answer would take longer than clients wait."""
        book, number = typeof(self.book), typeof(0)
        advance_second.compile(tuple(map(typeof, self._second_arguments())))
        all_prices.compile((book,))
        measure_account.compile((book, number))
        nth_position.compile((book, number, number))
        price_of_slot.compile((book, number))

    def _second_arguments(self) -> tuple[object, ...]:
        """Return the arguments of `advance_second`."""
        return (
            self.rng, self.book, self.habits, self.tape, self.now, self._rates,
            self._maker_usd, self._scale_usd,
        )  # fmt: skip

    def advance(self, until: int) -> None:
        """Trade up to an instant [ms]; one that is past changes nothing."""
        if until - self.now > CAUGHT_UP_MOST:
            raise ValueError(f"the clock jumps {(until - self.now) / HOUR:.1f} h; move it in steps")
        while self.now + SECOND <= until:
            minute, within = divmod(self.now - self._start, MINUTE)
            minute = min(minute, len(self._marks) - 2)
            share = min(within / MINUTE, 1.0)
            log_mark = self._marks[minute] * (1 - share) + self._marks[minute + 1] * share
            self.book.mark[:] = np.exp(log_mark)
            if self.now % HOUR == 0 and self.now not in self.hours:
                self.hours[self.now] = self.true_book()
            advance_second(*self._second_arguments())
            self.now += SECOND

    def steer(self, *, rename: tuple[str, str] | None = None, vanish: str = "",
              save: str = "") -> None:  # fmt: skip
        """Rename a coin, let an account vanish from the venue's answers, write the true books."""
        if rename is not None:
            self.names[self.names.index(rename[0])] = rename[1]
        if vanish:
            self.vanished.add(vanish.lower())
        for at, book in self.hours.items() if save else ():
            columns = {name: getattr(book, name) for name in book.__slots__}
            np.savez(Path(save) / f"{at}.npz", **columns, names=np.array(self.names))

    def summary(self) -> dict[str, int]:
        """Return counts that JSON can carry."""
        kinds = np.bincount(self.book.account[self.book.lots != 0], minlength=len(self.book.kind))
        return {
            "now": self.now,
            "trades": int(self.tape.counts[0]) - self.first_trade,
            "positions": int(kinds.sum()),
            "accounts_with_positions": int((kinds > 0).sum()),
            "hours": len(self.hours),
        }

    def true_book(self) -> TrueBook:
        """Return every open position as it is."""
        self._note_traders()
        prices = all_prices(self.book)
        used = np.flatnonzero(self.book.lots)
        book, coin = self.book, self.book.coin[used]
        return TrueBook(
            at=self.now,
            account=book.account[used],
            coin=coin,
            is_long=book.lots[used] > 0,
            quantity=np.abs(book.lots[used]) * book.lot[coin],
            entry_price=book.entry[used],
            liquidation_price=prices[used],
            leverage=book.leverage[used],
            is_cross=np.isnan(book.margin[used]),
            sequence=book.sequence[used],
            mark=book.mark.copy(),
            answered_at=self.answered_at[book.dex[coin], book.account[used]],
            named_at=self.named_at[book.dex[coin], book.account[used]],
        )

    def _note_traders(self) -> None:
        """Note the accounts that public trades have named since the last time."""
        total = int(self.tape.counts[0])
        rows = np.arange(max(self._noted, total - self.tape.at.size), total) % self.tape.at.size
        rows = rows[self.tape.method[rows] <= MARKET][::-1]
        dex = self.book.dex[self.tape.coin[rows]]
        for accounts in (self.tape.buyer, self.tape.seller):
            first = np.zeros_like(self.named_at)
            # Newest first, so that the oldest trade of each is what remains.
            first[dex, accounts[rows]] = self.tape.at[rows]
            is_new = (self.named_at == 0) & (first > 0)
            self.named_at[is_new] = first[is_new]
        self._noted = total

    def note_answer(self, address: str, dex: str) -> None:
        """Note that a client is sent an account's state."""
        if address in self.account_of:
            self.answered_at[self.dexes.index(dex), self.account_of[address]] = self.now

    def open_interest(self) -> Floats:
        """Return the open interest of each coin, one side [quoted units]."""
        longs = np.maximum(self.book.lots, 0)
        total = np.bincount(self.book.coin, weights=longs, minlength=len(self.names))
        return np.asarray(total * self.book.lot)

    def known_accounts(self) -> list[tuple[int, float]]:
        """Return (account, value in USD) of the leaderboard, richest first."""
        p = self.parameters
        value = self.account_values()
        order = np.argsort(-value, kind="stable")
        holds = self.book.n_positions[order] > 0
        holders, others = order[holds], order[~holds]
        listed = [*holders[: round(len(holders) * p.listed_ratio)], *others[: len(others) // 2]]
        is_new = self.named_at[0, listed] == 0
        self.named_at[0, np.array(listed)[is_new]] = self.now
        self.listed = [self.addresses[n] for n in listed]
        return [(int(n), float(value[n])) for n in listed]

    def account_values(self) -> Floats:
        """Return what each account is worth in the venue's own dex [USD]."""
        all_prices(self.book)  # measures equity at the marks
        book = self.book
        isolated = np.flatnonzero((book.lots != 0) & ~np.isnan(book.margin))
        isolated = isolated[book.dex[book.coin[isolated]] == 0]
        coin = book.coin[isolated]
        gained = book.lots[isolated] * book.lot[coin] * (book.mark[coin] - book.entry[isolated])
        worth = np.bincount(
            book.account[isolated], book.margin[isolated] + gained, minlength=len(book.kind)
        )
        return np.asarray(book.equity[0] + worth)


def _builder_names(count: int) -> list[str]:
    if count > len(BUILDER_COINS):
        raise ValueError(f"builder_coins is {count}; at most {len(BUILDER_COINS)} have names")
    return [f"{BUILDER}:{coin}" for coin in BUILDER_COINS[:count]]


def _address(seed: int, number: int) -> str:
    return "0x" + blake2b(f"{seed}/{number}".encode(), digest_size=20).hexdigest()


def _minute_marks(market: MarketData, start: int, builder_coins: int) -> Floats:
    """Return the logarithm of every mark, minute by minute from the start on: (minutes, coins)."""
    series = market.of_venue("hyperliquid")
    if not series:
        raise ValueError("the market has no contract of hyperliquid; add the venue")
    end = max(int(one.bar_start[-1]) + one.bar_milliseconds for one in series)
    minutes = np.arange(start, end + 1, MINUTE)
    if len(minutes) < 2:
        raise ValueError("the market ends before the population begins; move the start back")
    columns = []
    for one in series:
        closes = one.bar_start + one.bar_milliseconds
        at = np.concatenate((one.bar_start[:1], closes))
        marks = np.concatenate((one.mark_open[:1], one.mark_close))
        columns.append(np.log(np.interp(minutes, at, marks) * one.instrument.base_multiplier))
    # Builders list shares, metals and indices: calmer than the coin whose path they borrow.
    for number in range(builder_coins):
        path = columns[number % len(series)]
        columns.append(log(50.0 * 2.0**number) + 0.4 * (path - path[0]))
    return np.column_stack(columns)


def _kinds(parameters: PopulationParameters) -> Ints:
    kind = np.full(parameters.accounts, ORDINARY)
    kind[0] = BACKSTOP
    kind[1 : 1 + parameters.makers] = MAKER
    kind[1 + parameters.makers : 1 + parameters.makers + parameters.bots] = BOT
    return kind


def _habits(
    rng: np.random.Generator,
    p: PopulationParameters,
    kind: Ints,
    holds: Flags,
    coin_weights: Floats,
) -> tuple[Habits, float]:
    """Return the conduct of all accounts, and the orders an hour of ordinary ones."""
    n = p.accounts
    tier = rng.choice(len(LEVERAGES), n, p=LEVERAGE_SHARES)
    leverage = np.array(LEVERAGES)[tier]
    wanted = np.where(kind == ORDINARY, 1.0 + rng.exponential(0.8, n), 3.0)
    # A position is closed once in its half-life over ln 2, and opened as often.
    activity = 2.0 * log(2.0) / np.array(HALF_LIFE_HOURS)[tier] * wanted
    activity *= np.exp(0.7 * rng.standard_normal(n) - 0.245)
    ordinary = np.where(kind == ORDINARY, activity * np.where(holds, 1.0, IDLE_RATIO), 0.0)
    order = np.cumsum(kind == BOT)
    bots = np.where(kind == BOT, 1.0 / np.maximum(order, 1) ** 0.7, 0.0)
    size = p.median_usd * np.exp(p.log_deviation * rng.standard_normal(n))
    size = np.where(
        kind == BOT, BOT_RATIO * np.minimum(size, p.median_usd * exp(p.log_deviation)), size
    )
    is_maker = (kind == MAKER) | (kind == BACKSTOP)
    habits = Habits(
        ordinary=np.cumsum(ordinary),
        bots=np.cumsum(bots),
        makers=np.flatnonzero(kind == MAKER),
        coins=np.cumsum(coin_weights),
        leverage=np.where(is_maker, 5, leverage),
        is_cross=is_maker | (rng.random(n) < p.cross_ratio),
        wanted=wanted,
        order_usd=size,
        cushion=np.where(is_maker, 3.0, 1.0 + rng.exponential(0.5, n)),
    )
    return habits, float(ordinary.sum())
