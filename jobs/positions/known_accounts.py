"""The accounts a collector knows: in arrays for decisions, in the book for good.

Belongs here: what trades, lists and states add to both, and in which order. Does not belong here:
requesting anything (`jobs.positions.collector`).

The arrays take over a state once the book has it, so that they never are ahead of what a restart
finds. What is not stored yet waits here and is given to the book again where it could not write.
"""

import asyncio
import math
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from typing import ParamSpec, TypeVar

import numpy as np

from jobs.instants import SECOND_MICROSECONDS, to_instant, to_microseconds
from jobs.positions.account_book import AccountBook
from jobs.positions.book_file import damaged
from jobs.positions.book_records import (
    FoundAccount,
    HeldPositions,
    StoredState,
    SweptState,
)
from jobs.positions.mark_board import MarkBoard
from jobs.positions.outbox import change_record
from jobs.positions.state_changes import PositionChange, StateVerdict
from jobs.positions.suspects import suspects_of
from jobs.positions.sweep_order import SweepPolicy, usual_trading
from jobs.positions.sweep_table import SweepTable, TablePosition
from sources.accounts.coins import dex_of_coin
from sources.accounts.states import AccountState
from sources.accounts.trades import AccountTrade

Given = ParamSpec("Given")
Returned = TypeVar("Returned")

MOST_WAITING = 2_000
"""States that wait for the book before no more are requested."""
# An older state was cached on its way here: it is requested again soon.
_STALE = 120 * SECOND_MICROSECONDS
# An account that seems to have closed everything is requested again after this time.
_CONFIRM = 30 * SECOND_MICROSECONDS
# Clocks that differ by less count as equal.
_SKEW = 5 * SECOND_MICROSECONDS
_MESSAGES_COMPARED = 200
# A trade's price counts as current for this long.
_RECENT = 60 * SECOND_MICROSECONDS


class KnownAccounts:
    """The accounts of a home while its collector runs.

    Parameters
    ----------
    book : AccountBook
        What is kept for good; from here on only this object's thread uses it.
    policy : SweepPolicy
        How often states are requested.
    """

    def __init__(self, book: AccountBook, policy: SweepPolicy) -> None:
        self.marks = MarkBoard()
        self.table = SweepTable(self.marks, policy)
        self.stream_whole_since: int | None = None
        self._book = book
        self._policy = policy
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="account-book")
        self._storing = asyncio.Lock()
        self._found: list[FoundAccount] = []
        self._swept: list[tuple[int, SweptState]] = []
        self._empty: set[int] = set()
        self._lags: deque[int] = deque(maxlen=_MESSAGES_COMPARED)

    @property
    def waiting_count(self) -> int:
        """States and accounts that wait for the book."""
        return len(self._swept) + len(self._found)

    @property
    def clock_ahead_seconds(self) -> float:
        """How far our clock is ahead of the venue's [s]; 0 where the difference is small."""
        return self._skew() / SECOND_MICROSECONDS

    def load(self, now: int) -> None:
        """Take over what the book has."""
        table = self.table
        for one in self._book.addresses():
            if one.account_id != table.account_count:
                raise damaged(self._book.path, f"account {table.account_count} is missing")
            table.add_account(one.address, one.first_seen_at, is_listed=one.found_by == "list")
        for sweep in self._book.sweeps():
            row = table.row_of(sweep.account_id, sweep.dex, sweep.observed_at)
            table.put_state(row, sweep.observed_at, sweep.usual_trades_per_hour)
        held = self._book.positions_of(to_instant(now))
        columns = (held.account_id, held.dex, held.coin, held.quantity, held.liquidation_price)
        rows = zip(*(column.tolist() for column in columns), strict=True)
        for (account_id, dex), positions in groupby(rows, key=lambda row: row[:2]):
            table.put_positions(
                table.row_of(account_id, dex, 0),
                [TablePosition(coin, quantity, price) for *_, coin, quantity, price in positions],
            )
        for account_id, dex, trading in self._book.trading():
            table.put_trading(table.row_of(account_id, dex, trading.last_at), trading)

    # What is learned.

    def note_listed(self, addresses: Iterable[str], now: int) -> int:
        """Add the accounts of a public list and return how many were not known."""
        before = self.table.account_count
        for address in addresses:
            key = bytes.fromhex(address[2:])
            if self.table.account_id(key) is None:
                self._add(key, "list", now)
        return self.table.account_count - before

    def note_trades(self, trades: Sequence[AccountTrade], now: int) -> None:
        """Take in the trades of a message: accounts, what they traded, prices."""
        if not trades:
            return
        table, skew = self.table, self._skew()
        latest = 0
        for trade in trades:
            stamped = to_microseconds(trade.at)
            latest = max(latest, stamped)
            at = min(stamped + skew, now)
            usd, dex = trade.price * trade.quantity, dex_of_coin(trade.coin)
            for address in (trade.buyer, trade.seller):
                key = bytes.fromhex(address[2:])
                account_id = table.account_id(key)
                if account_id is None:
                    account_id = self._add(key, "trade", now)
                table.note_trade(table.row_of(account_id, dex, now), at, usd)
            self.marks.put(trade.coin, trade.price, at, is_newest=now - at < _RECENT)
        self._lags.append(now - latest)

    def _add(self, key: bytes, found_by: str, now: int) -> int:
        account_id = self.table.add_account(key, now, is_listed=found_by == "list")
        self._found.append(FoundAccount(account_id, key, found_by, now))
        return account_id

    def _skew(self) -> int:
        """Return how far the venue's clock is behind ours, by its live trades [microseconds].

        States alone do not show it: a venue whose states lag would look like one whose clock does.
        """
        lag = min(self._lags, default=0)
        return lag if abs(lag) > _SKEW else 0

    def note_state(self, row: int, state: AccountState, now: int) -> None:
        """Take in a state as received; the row stays busy until the book has it."""
        stamped = now if state.at is None else to_microseconds(state.at) + self._skew()
        observed_at = min(stamped, now)
        previous_at, usual = self.table.trading_of(row)
        trading = self.table.take_trading(row, observed_at)
        if previous_at:
            seconds = (observed_at - previous_at) / SECOND_MICROSECONDS
            usual = usual_trading(
                usual, 0 if trading is None else trading.trades, seconds, self._policy
            )
        swept = SweptState(
            account_id=self.table.number(row),
            state=state,
            observed_at=observed_at,
            received_at=now,
            was_empty=row in self._empty,
            usual_trades_per_hour=usual,
            trading=trading,
            is_trading_whole=self.stream_whole_since is not None
            and self.stream_whole_since <= previous_at,
        )
        self._swept.append((row, swept))

    # The book.

    async def call(
        self, function: Callable[Given, Returned], *args: Given.args, **kwargs: Given.kwargs
    ) -> Returned:
        """Return what a function of the book returns, called in the one thread that uses it.

        It runs to its end even where nobody waits for it any more.
        """
        loop = asyncio.get_running_loop()
        return await asyncio.shield(
            loop.run_in_executor(self._thread, lambda: function(*args, **kwargs))
        )

    async def store(self, until: int | None = None) -> int:
        """Give the book what waits for it, and return how many states.

        Parameters
        ----------
        until : int, optional
            States received later wait on [microseconds since 1970].

        Raises
        ------
        BookUnavailable, BookDamaged
            It goes on waiting.
        """
        async with self._storing:
            found, self._found = self._found, []
            waiting, limit = self._swept, math.inf if until is None else until
            swept = [one for one in waiting if one[1].received_at <= limit]
            self._swept = [one for one in waiting if one[1].received_at > limit]
            if not found and not swept:
                return 0
            try:
                stored = await self.call(
                    self._book.store,
                    found,
                    [one for _, one in swept],
                    self._record_of,
                    lambda state: suspects_of(state, self.marks),
                )
            except BaseException:
                self._found, self._swept = found + self._found, swept + self._swept
                raise
            for (row, _), outcome in zip(swept, stored, strict=True):
                self._take_over(row, outcome)
        return len(swept)

    def _record_of(self, stored: StoredState, change: PositionChange) -> str:
        key = self._book.account_name(bytes.fromhex(stored.swept.state.address[2:]))
        mark = self.marks.newest_of(change.position.coin)
        return change_record(stored, change, key, mark)

    def _take_over(self, row: int, stored: StoredState) -> None:
        """Bring a row up to date with what the book holds."""
        swept, table = stored.swept, self.table
        if stored.verdict is StateVerdict.believed:
            self._empty.discard(row)
            positions = [
                TablePosition(
                    one.coin,
                    one.quantity,
                    np.nan if one.liquidation_price is None else one.liquidation_price,
                )
                for one in stored.positions
            ]
            table.put_state(row, swept.observed_at, swept.usual_trades_per_hour, positions)
            if swept.received_at - swept.observed_at > _STALE:
                table.postpone(row, swept.received_at)
            elif not table.drop_explored(row):
                table.release(row)
            return
        if swept.trading is not None:
            table.put_trading(row, swept.trading)
        if stored.verdict is StateVerdict.unconfirmed:
            self._empty.add(row)
            table.release(row, not_before=swept.received_at + _CONFIRM)
        else:
            table.postpone(row, swept.received_at)

    async def write_trading(self) -> None:
        """Write down what accounts traded since their states."""
        trading = list(self.table.unwritten_trading())
        if trading:
            await self.call(self._book.write_trading, trading)

    async def snapshot(self, until: int) -> HeldPositions:
        """Return all positions as last seen at an instant [microseconds since 1970]."""
        await self.store(until)
        await self.write_trading()
        return await self.call(self._book.positions_of, to_instant(until))

    def close(self) -> None:
        """Wait for the book's thread and close the book."""
        self._thread.shutdown()
        self._book.close()
