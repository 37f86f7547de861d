"""All accounts in arrays: what decides whose state is requested next.

Belongs here: one row for each account on each dex, their positions as far as that decision needs
them. Does not belong here: the decision (`jobs.positions.sweep_order`), what is kept for good
(`jobs.positions.account_book`).

Half a million accounts take some 150 MB, most of it the index of addresses.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jobs.instants import SECOND_MICROSECONDS
from jobs.positions.book_records import Trading
from jobs.positions.mark_board import MarkBoard
from jobs.positions.sweep_order import SweepFacts, SweepPolicy, important, lateness, latest

_FIRST_ROWS = 1024
_COLUMNS = {
    "account_id": np.int64,
    "observed_at": np.int64,
    "found_at": np.int64,
    "not_before": np.int64,
    "failures": np.int32,
    "position_count": np.int32,
    "largest_usd": np.float64,
    "nearest_ratio": np.float64,
    "traded_usd": np.float64,
    "trades": np.int32,
    "first_traded_at": np.int64,
    "last_traded_at": np.int64,
    "usual_trades_per_hour": np.float64,
    "is_listed": np.bool_,
    "is_busy": np.bool_,
    "is_unwritten": np.bool_,
}
_MOST_BUILDERS = 4096
# While nothing is late or new, one request in so many looks for positions on builders' dexes.
_EXPLORED_PART = 4
_EXPLORED_AT_ONCE = 10_000
_FIRST_PAUSE_SECONDS = 60
_LONGEST_PAUSE_SECONDS = 3600
_LONGEST_PAUSE = _LONGEST_PAUSE_SECONDS * SECOND_MICROSECONDS


@dataclass(frozen=True, slots=True)
class TablePosition:
    """A position as far as the order of sweeps needs it.

    Parameters
    ----------
    coin : str
        As the venue spells it.
    quantity : float
        [asset units].
    liquidation_price : float
        [USD per asset unit]; NaN where the venue states none.
    """

    coin: str
    quantity: float
    liquidation_price: float


class SweepTable:
    """The rows of all accounts; the number of a row does not change until it is dropped.

    Parameters
    ----------
    marks : MarkBoard
        Newest mark prices.
    policy : SweepPolicy
        How often states are requested.
    """

    def __init__(self, marks: MarkBoard, policy: SweepPolicy) -> None:
        self._marks = marks
        self._policy = policy
        self._ids: dict[bytes, int] = {}
        self._addresses: list[bytes] = []
        # By account and dex in one number: tuples would take as much memory again.
        self._builder_rows: dict[int, int] = {}
        self._builders: dict[str, int] = {}
        # By dex: the account to look at next, and when the first of them was.
        self._explored: dict[str, tuple[int, int]] = {}
        self._free_rows: list[int] = []
        self._plain_rows: list[int] = []
        self._dexes: list[str] = []
        self._count = 0
        self._columns: dict[str, NDArray[Any]] = {
            name: np.zeros(_FIRST_ROWS, kind) for name, kind in _COLUMNS.items()
        }
        self._held = _HeldArrays()

    # Accounts and rows.

    @property
    def account_count(self) -> int:
        """Accounts known."""
        return len(self._addresses)

    @property
    def position_count(self) -> int:
        """Positions held."""
        return self._held.count

    def account_id(self, address: bytes) -> int | None:
        """Return the number of an account; None for an unknown one."""
        return self._ids.get(address)

    def address(self, row: int) -> str:
        """Return the address of a row's account, as it is requested."""
        return self.address_of(self.number(row))

    def address_of(self, account_id: int) -> str:
        """Return the address of an account, as it is requested."""
        return "0x" + self._addresses[account_id].hex()

    def dex(self, row: int) -> str:
        """Return the dex of a row."""
        return self._dexes[row]

    def number(self, row: int) -> int:
        """Return the number of a row's account."""
        return int(self._columns["account_id"][row])

    def add_account(self, address: bytes, at: int, *, is_listed: bool) -> int:
        """Add an account that is not known and return its number."""
        account_id = self._ids[address] = len(self._addresses)
        self._addresses.append(address)
        self._plain_rows.append(self._add_row(account_id, "", at, is_listed=is_listed))
        return account_id

    def row_of(self, account_id: int, dex: str, at: int) -> int:
        """Return the row of an account on a dex, added where there is none."""
        if not dex:
            return self._plain_rows[account_id]
        key = self._builder_key(account_id, dex)
        row = self._builder_rows.get(key)
        if row is None:
            row = self._builder_rows[key] = self._add_row(account_id, dex, at, is_listed=False)
        return row

    def _builder_key(self, account_id: int, dex: str) -> int:
        builder = self._builders.setdefault(dex, len(self._builders))
        return account_id * _MOST_BUILDERS + builder

    def _add_row(self, account_id: int, dex: str, at: int, *, is_listed: bool) -> int:
        if self._free_rows:
            row = self._free_rows.pop()
            self._dexes[row] = dex
            for column in self._columns.values():
                column[row] = 0
        else:
            row = self._count
            if row == len(self._columns["account_id"]):
                self._columns = {
                    name: np.concatenate((column, np.zeros(row, column.dtype)))
                    for name, column in self._columns.items()
                }
            self._count += 1
            self._dexes.append(dex)
        columns = self._columns
        columns["account_id"][row] = account_id
        columns["found_at"][row] = at
        columns["is_listed"][row] = is_listed
        columns["nearest_ratio"][row] = math.inf
        return row

    def drop_explored(self, row: int) -> bool:
        """Drop the row of an account that was looked for on a builder's dex and not found there.

        Kept, such rows would outnumber all others. A trade, or the next look, makes it again.

        Returns
        -------
        bool
            Whether it was dropped; it stays busy until it is used again.
        """
        columns, dex = self._columns, self._dexes[row]
        was_explored = bool(dex) and columns["is_listed"][row]
        if not was_explored or columns["position_count"][row] or columns["trades"][row]:
            return False
        del self._builder_rows[self._builder_key(self.number(row), dex)]
        self._free_rows.append(row)
        return True

    # What happens to a row.

    def note_trade(self, row: int, at: int, usd: float) -> None:
        """Note that an account traded after its state."""
        columns = self._columns
        if at <= columns["observed_at"][row]:
            return
        columns["traded_usd"][row] += usd
        columns["trades"][row] += 1
        if columns["first_traded_at"][row] == 0:
            columns["first_traded_at"][row] = at
        if at > columns["last_traded_at"][row]:
            columns["last_traded_at"][row] = at
        columns["is_unwritten"][row] = True

    def put_trading(self, row: int, trading: Trading) -> None:
        """Add what an account traded since its state."""
        columns = self._columns
        first = int(columns["first_traded_at"][row])
        columns["first_traded_at"][row] = (
            min(first, trading.first_at) if first else trading.first_at
        )
        columns["last_traded_at"][row] = max(columns["last_traded_at"][row], trading.last_at)
        columns["traded_usd"][row] += trading.usd
        columns["trades"][row] += trading.trades

    def take_trading(self, row: int, observed_at: int) -> Trading | None:
        """Return what an account traded before a state, and forget it; None: nothing.

        Of trades on both sides of the state the last is kept: the state may not show it.
        """
        columns = self._columns
        first, last = int(columns["first_traded_at"][row]), int(columns["last_traded_at"][row])
        if first == 0:
            return None
        taken = Trading(first, last, float(columns["traded_usd"][row]), int(columns["trades"][row]))
        remains = last if last > observed_at else 0
        columns["first_traded_at"][row] = columns["last_traded_at"][row] = remains
        columns["traded_usd"][row] = 0.0
        columns["trades"][row] = remains > 0
        columns["is_unwritten"][row] = remains > 0
        return taken

    def unwritten_trading(self) -> Iterator[tuple[int, str, Trading]]:
        """Yield (account, dex, trading) that the book does not have, and take it as written."""
        columns = self._columns
        rows = np.flatnonzero(columns["is_unwritten"][: self._count])
        columns["is_unwritten"][rows] = False
        for row in rows.tolist():
            trading = Trading(
                int(columns["first_traded_at"][row]),
                int(columns["last_traded_at"][row]),
                float(columns["traded_usd"][row]),
                int(columns["trades"][row]),
            )
            yield self.number(row), self._dexes[row], trading

    def put_state(
        self,
        row: int,
        observed_at: int,
        usual_trades_per_hour: float,
        positions: Iterable[TablePosition] = (),
    ) -> None:
        """Take over a believed state."""
        columns = self._columns
        columns["observed_at"][row] = observed_at
        columns["usual_trades_per_hour"][row] = usual_trades_per_hour
        self.put_positions(row, positions)

    def put_positions(self, row: int, positions: Iterable[TablePosition]) -> None:
        """Replace the positions of a row, and value them at the newest marks."""
        held = list(positions)
        coins = [self._marks.coin_id(one.coin) for one in held]
        quantities = np.array([one.quantity for one in held], dtype=np.float64)
        prices = np.array([one.liquidation_price for one in held], dtype=np.float64)
        self._held.replace(row, coins, quantities, prices)
        marks = self._marks.newest[coins] if coins else np.empty(0)
        values, distances = _value(marks, quantities, prices)
        columns = self._columns
        columns["position_count"][row] = len(held)
        columns["largest_usd"][row] = values.max(initial=0.0)
        columns["nearest_ratio"][row] = distances.min(initial=math.inf)

    def release(self, row: int, *, not_before: int = 0, failures: int = 0) -> None:
        """Let a row be requested again, from an instant on."""
        columns = self._columns
        columns["is_busy"][row] = False
        columns["not_before"][row] = not_before
        columns["failures"][row] = failures

    def postpone(self, row: int, now: int) -> None:
        """Leave a row alone for a while that doubles with each failure, up to an hour."""
        failures = int(self._columns["failures"][row])
        pause = min(_FIRST_PAUSE_SECONDS * 2 ** min(failures, 16), _LONGEST_PAUSE_SECONDS)
        self.release(row, not_before=now + pause * SECOND_MICROSECONDS, failures=failures + 1)

    # Whose turn it is.

    def revalue(self) -> None:
        """Value all positions at the newest marks."""
        count, columns = self._count, self._columns
        rows, coins, quantities, prices = self._held.arrays()
        values, distances = _value(self._marks.newest[coins], quantities, prices)
        largest, nearest = np.zeros(count), np.full(count, math.inf)
        np.maximum.at(largest, rows, values)
        np.minimum.at(nearest, rows, distances)
        columns["largest_usd"][:count], columns["nearest_ratio"][:count] = largest, nearest

    def take_next(self, now: int, count: int, dexes: Sequence[str] = ()) -> list[int]:
        """Return the rows whose state is requested next, the latest first, and mark them busy.

        Parameters
        ----------
        now : int
            The present [microseconds since 1970].
        count : int
            How many at most.
        dexes : sequence of str
            Builders' dexes, those with most open interest first. While nothing is late and no
            account waits for its first request, some of the requests go to accounts on dexes on
            which they have not been seen.
        """
        columns = self._view()
        facts = self._facts(columns, now)
        late = lateness(facts, self._policy)
        is_due = facts.is_new | (late >= self._policy.least_lateness)
        pause = columns["not_before"] - now
        is_free = ~columns["is_busy"] & ((pause <= 0) | (pause > _LONGEST_PAUSE))
        due = latest(late, is_free & is_due, count)
        rows = [int(row) for row in due]
        if not (facts.is_new & is_free).any() and not (late[rows] >= 1.0).any():
            found = self._explore(dexes, now, max(count // _EXPLORED_PART, 1))
            rows = rows[: count - len(found)] + found
        self._columns["is_busy"][rows] = True
        return rows

    def _explore(self, dexes: Sequence[str], now: int, count: int) -> list[int]:
        """Return new rows of accounts on dexes where they have not been seen.

        Only of those with a position or on a public list: the others are unlikely to have any.
        """
        found: list[int] = []
        for dex in dexes:
            account_id, began_at = self._explored.get(dex, (0, now))
            if now - began_at >= self._policy.empty_seconds * SECOND_MICROSECONDS:
                account_id, began_at = 0, now
            end = min(account_id + _EXPLORED_AT_ONCE, self.account_count)
            while account_id < end and len(found) < count:
                if self._is_worth_exploring(account_id, dex):
                    row = self.row_of(account_id, dex, now)
                    self._columns["is_listed"][row] = True
                    found.append(row)
                account_id += 1
            self._explored[dex] = account_id, began_at
        return found

    def _is_worth_exploring(self, account_id: int, dex: str) -> bool:
        if self._builder_key(account_id, dex) in self._builder_rows:
            return False
        row = self._plain_rows[account_id]
        return bool(self._columns["is_listed"][row] or self._columns["position_count"][row])

    def _view(self) -> dict[str, NDArray[Any]]:
        return {name: column[: self._count] for name, column in self._columns.items()}

    def _facts(self, columns: dict[str, NDArray[Any]], now: int) -> SweepFacts:
        observed_at = columns["observed_at"]
        is_new = observed_at == 0
        since = np.where(is_new, columns["found_at"], observed_at)
        return SweepFacts(
            # An instant ahead of the clock was noted before the clock was set back: how old it is
            # is not known, and the distance makes it come up as if it were so old.
            age_seconds=np.abs(now - since) / SECOND_MICROSECONDS,
            is_new=is_new,
            is_listed=columns["is_listed"],
            position_count=columns["position_count"],
            largest_usd=columns["largest_usd"],
            nearest_ratio=columns["nearest_ratio"],
            traded_usd=columns["traded_usd"],
            trades=columns["trades"],
            usual_trades_per_hour=columns["usual_trades_per_hour"],
        )

    # What is shown.

    def ages(self, now: int) -> tuple[float, float, int, int]:
        """Return the oldest state of a large or near account and of any with a position [s].

        And how many accounts found by trades wait for their first state, and how many accounts have
        a position.
        """
        columns = self._view()
        facts = self._facts(columns, now)
        holds = facts.position_count > 0
        is_important = holds & important(facts.largest_usd, facts.nearest_ratio, self._policy)
        return (
            float(facts.age_seconds[is_important].max(initial=0.0)),
            float(facts.age_seconds[holds].max(initial=0.0)),
            int((facts.is_new & ~facts.is_listed).sum()),
            len(np.unique(columns["account_id"][holds])),
        )

    def trading_of(self, row: int) -> tuple[int, float]:
        """Return when a row's state was observed and how often it usually trades [1/h]."""
        columns = self._columns
        return int(columns["observed_at"][row]), float(columns["usual_trades_per_hour"][row])

    def held_quantity(self, coin: str) -> float:
        """Return the quantity held in a coin, both sides together [asset units]."""
        _, coins, quantities, _ = self._held.arrays()
        return float(quantities[coins == self._marks.coin_id(coin)].sum())


def _value(
    marks: NDArray[np.float64], quantities: NDArray[np.float64], prices: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return values [USD] and distances to liquidation; 0 and infinite where not known."""
    values = np.nan_to_num(quantities * marks, nan=0.0)
    distances = np.nan_to_num(np.abs(prices / marks - 1.0), nan=math.inf)
    return values, distances


class _HeldArrays:
    """Positions of all rows, those of a row side by side, with gaps where rows have changed."""

    def __init__(self) -> None:
        self._spans: dict[int, tuple[int, int]] = {}
        self._end = 0
        self.count = 0
        self._rows = np.full(_FIRST_ROWS, -1, np.int64)
        self._coins = np.zeros(_FIRST_ROWS, np.int32)
        self._quantities = np.zeros(_FIRST_ROWS)
        self._prices = np.zeros(_FIRST_ROWS)

    def replace(
        self,
        row: int,
        coins: list[int],
        quantities: NDArray[np.float64],
        prices: NDArray[np.float64],
    ) -> None:
        """Replace the positions of a row."""
        start, size = self._spans.get(row, (0, 0))
        if size != len(coins):
            self._rows[start : start + size] = -1
            self.count += len(coins) - size
            start = self._allocate(row, len(coins))
        span = slice(start, start + len(coins))
        self._rows[span], self._coins[span] = row, coins
        self._quantities[span], self._prices[span] = quantities, prices

    def _allocate(self, row: int, size: int) -> int:
        """Return where a row's positions go: at the end, after closing gaps where they are many."""
        if size == 0:
            self._spans.pop(row, None)
            return 0
        if self._end + size > len(self._rows):
            self._spans.pop(row, None)
            self._make_room(size)
        start = self._end
        self._spans[row] = (start, size)
        self._end += size
        return start

    def _make_room(self, size: int) -> None:
        kept = np.flatnonzero(self._rows[: self._end] >= 0)
        rows = self._rows[kept]
        length = max(2 * (len(kept) + size), _FIRST_ROWS)
        for name, empty in (("_rows", -1), ("_coins", 0), ("_quantities", 0.0), ("_prices", 0.0)):
            column = getattr(self, name)
            moved = np.full(length, empty, column.dtype)
            moved[: len(kept)] = column[kept]
            setattr(self, name, moved)
        starts = np.flatnonzero(np.diff(rows, prepend=-1))
        sizes = np.diff(starts, append=len(rows))
        self._spans = {
            int(rows[start]): (int(start), int(length))
            for start, length in zip(starts, sizes, strict=True)
        }
        self._end = len(kept)

    def arrays(
        self,
    ) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float64], NDArray[np.float64]]:
        """Return row, coin, quantity and liquidation price of each position."""
        kept = np.flatnonzero(self._rows[: self._end] >= 0)
        return self._rows[kept], self._coins[kept], self._quantities[kept], self._prices[kept]
