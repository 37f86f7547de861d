"""The log of changes of positions as arrays, and the stretches of time between them.

Belongs here: the form of the log, and what it says about each stretch during which a position is
known not to have changed. Does not belong here: what is estimated from it (``half_lives``,
``outcomes``).

A row is the state of one account's position in one asset at a change. Until the next row of the
same account and asset the position is as the row says; the next change lies between
``changed_from`` and ``changed_until`` of the next row.
"""

from dataclasses import dataclass, fields
from typing import Final

import numpy as np

from transforms.compiler import compiled
from transforms.errors import InvalidInput
from transforms.series import BoolArray, FloatArray, IntArray

MOVED_RATIO: Final = 0.02
"""Move of a liquidation price from which a position no longer lies where a map had it [ln]: ten
published bins."""

HOUR: Final = 3_600_000_000
"""Microseconds in an hour."""


@dataclass(frozen=True, slots=True, eq=False)
class Changes:
    """Rows of the log, sorted by account, asset and time.

    Parameters
    ----------
    account, asset : ndarray of int64, shape (n_rows,)
        Codes from 0.
    observed_at : ndarray of int64, shape (n_rows,)
        Instant of the state [microseconds since 1970, UTC].
    changed_from, changed_until : ndarray of int64, shape (n_rows,)
        The change happened after the first and at or before the second [microseconds, UTC]. Of the
        first state of an account both are ``observed_at``.
    is_opening : ndarray of bool, shape (n_rows,)
        The account was known not to hold this position in the state before. False of positions
        found at the first state of their account.
    is_short : ndarray of bool, shape (n_rows,)
        Side.
    is_cross : ndarray of bool, shape (n_rows,)
        Margin shared by the account.
    is_reached : ndarray of bool, shape (n_rows,)
        Price reached the liquidation price of the row before while the change happened: what went
        was most likely liquidated.
    quantity : ndarray of float64, shape (n_rows,)
        Size after the change [units of the asset]; 0 of a closed one.
    entry_price, liquidation_price, mark_price : ndarray of float64, shape (n_rows,)
        [USD per unit of the asset]. NaN: not known, or no liquidation price.
    leverage : ndarray of float64, shape (n_rows,)
        Leverage set by the account [multiple]. NaN: not known.

    Raises
    ------
    InvalidInput
        If columns differ in length, rows are not sorted, or a bracket ends before it begins.

    Examples
    --------
    >>> example_changes([0, 5], [1.0, 0.0]).is_same_position.tolist()
    [False, False]
    >>> example_changes([0, 5], [1.0, 2.0]).is_same_position.tolist()
    [False, True]
    """

    account: IntArray
    asset: IntArray
    observed_at: IntArray
    changed_from: IntArray
    changed_until: IntArray
    is_opening: BoolArray
    is_short: BoolArray
    is_cross: BoolArray
    is_reached: BoolArray
    quantity: FloatArray
    entry_price: FloatArray
    liquidation_price: FloatArray
    mark_price: FloatArray
    leverage: FloatArray

    def __post_init__(self) -> None:
        """Refuse columns that do not fit together."""
        for each in fields(self):
            shape = getattr(self, each.name).shape
            if shape != self.account.shape:
                raise InvalidInput(
                    f"changes.{each.name} has shape {shape}, expected {self.account.shape}"
                )
        order = np.lexsort((self.observed_at, self.asset, self.account))
        if np.any(np.diff(order) != 1):
            raise InvalidInput("changes must be sorted by account, asset and observed_at")
        if np.any(self.changed_until < self.changed_from):
            row = int(np.argmax(self.changed_until < self.changed_from))
            raise InvalidInput(
                f"changes.changed_until[{row}] is {self.changed_until[row]}, before changed_from "
                f"{self.changed_from[row]}"
            )

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.account)

    @property
    def n_accounts(self) -> int:
        """Return the number of accounts."""
        return int(self.account[-1]) + 1 if len(self) else 0

    @property
    def notional_usd(self) -> FloatArray:
        """Return the size of each row at its mark price, or at entry where no mark is known."""
        price = np.where(np.isfinite(self.mark_price), self.mark_price, self.entry_price)
        notional: FloatArray = self.quantity * price
        return notional

    @property
    def is_same_series(self) -> BoolArray:
        """Return which rows follow a row of the same account and asset."""
        same = np.zeros(len(self), dtype=np.bool_)
        same[1:] = (np.diff(self.account) == 0) & (np.diff(self.asset) == 0)
        return same

    @property
    def is_same_position(self) -> BoolArray:
        """Return which rows change the position of the row before, rather than open another."""
        same = self.is_same_series
        held = self.quantity > 0.0
        same[1:] &= held[1:] & held[:-1] & (self.is_short[1:] == self.is_short[:-1])
        return same

    @property
    def is_start(self) -> BoolArray:
        """Return which rows begin a position."""
        starts: BoolArray = (self.quantity > 0.0) & ~self.is_same_position
        return starts

    @property
    def is_fresh(self) -> BoolArray:
        """Return which rows begin a position that is known to have been opened just then."""
        fresh: BoolArray = self.is_start & (self.is_opening | self.is_same_series)
        return fresh


def example_changes(hours: list[float], quantity: list[float], n_accounts: int = 1) -> Changes:
    """Return the log of accounts that do the same with one long each, seen at once; for examples.

    Parameters
    ----------
    hours : list of float
        When it changed [h]; opened at the first.
    quantity : list of float
        Its size from then on [units of the asset], at a price of 100, with a leverage of 10 and a
        liquidation price of 90.
    n_accounts : int
        Accounts.

    Returns
    -------
    Changes

    Examples
    --------
    >>> log = example_changes([0.0, 2.0], [1.0, 0.0], 3)
    >>> len(log), log.n_accounts
    (6, 3)
    """
    count = len(hours) * n_accounts
    at = np.tile(np.round(np.array(hours) * HOUR).astype(np.int64), n_accounts)
    no = np.zeros(count, dtype=np.bool_)
    hundred = np.full(count, 100.0)
    return Changes(
        account=np.repeat(np.arange(n_accounts), len(hours)), asset=np.zeros_like(at),
        observed_at=at, changed_from=at, changed_until=at,
        is_opening=np.arange(count) % len(hours) == 0, is_short=no, is_cross=no, is_reached=no,
        quantity=np.tile(np.array(quantity, dtype=np.float64), n_accounts), entry_price=hundred,
        liquidation_price=0.9 * hundred, mark_price=hundred, leverage=0.1 * hundred,
    )  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Stretches:
    """Parts of positions, each followed from one change to the next.

    A change of size divides a position: what is left is followed on, what went has left.

    Parameters
    ----------
    row : ndarray of int64, shape (n,)
        Row of the log during which it was held.
    weight : ndarray of float64, shape (n,)
        Its size [USD], or 1 or a part of 1 where positions are counted.
    exposure : ndarray of float64, shape (n,)
        Time during which it is known to have been held [h].
    width : ndarray of float64, shape (n,)
        It left within so long after that [h]; NaN where it did not leave.
    """

    row: IntArray
    weight: FloatArray
    exposure: FloatArray
    width: FloatArray


def follow(
    changes: Changes,
    window: tuple[int, int],
    *,
    is_counting: bool = False,
    is_leaving_place: bool = False,
) -> Stretches:
    """Return how long each part of each position was held, and how it ended.

    Time before the first state in the window does not count: a position found in mid-life is
    followed from there (left truncation). At the end of the window everything is censored; of a
    change whose bracket crosses the end the part that lies before counts, as if it were equally
    likely anywhere in the bracket. What went while price reached the liquidation price was not
    closed by choice: it is censored in the middle of its bracket (a competing risk).

    Parameters
    ----------
    changes : Changes
        The log.
    window : tuple of int
        Start and end [microseconds since 1970, UTC]. The end must be early enough for changes
        before it to have been found.
    is_counting : bool
        Whether a position counts as 1 that leaves at its end, rather than by its size in USD.
    is_leaving_place : bool
        Whether a position also leaves where its liquidation price has moved by ``MOVED_RATIO``
        since it was first seen or last left; it then begins anew at the other price.

    Returns
    -------
    Stretches

    Examples
    --------
    Half of a position of 200 USD goes after three hours, the rest is followed to the tenth.

    >>> log = example_changes([0.0, 3.0], [2.0, 1.0])
    >>> parts = follow(log, (0, 10 * HOUR))
    >>> parts.weight.tolist(), parts.exposure.tolist(), parts.width.tolist()
    ([100.0, 100.0, 100.0], [3.0, 7.0, 3.0], [nan, nan, 0.0])
    """
    start, end = window
    n_rows = len(changes)
    has_next = np.append(changes.is_same_series[1:], False) if n_rows else np.zeros(0, np.bool_)
    following = np.minimum(np.arange(n_rows) + 1, max(n_rows - 1, 0))
    is_held = (changes.quantity > 0.0) & (changes.observed_at < end)
    seen = np.maximum(changes.observed_at, start)
    lower = np.where(has_next, np.maximum(changes.changed_from[following], seen), end)
    upper = np.where(has_next, np.maximum(changes.changed_until[following], lower), end)
    weight = np.ones(n_rows) if is_counting else changes.notional_usd
    left = np.where(has_next, _part_that_leaves(changes, is_counting)[following], 0.0)
    if is_leaving_place:
        moved = _leaves_place(changes.liquidation_price, changes.is_same_position)
        left = np.where(moved[following] & has_next, 1.0, left)
    is_forced = has_next & changes.is_reached[following]
    is_found = is_held & (upper > start) & np.isfinite(weight)
    # The part of a bracket that lies before the end of the window.
    within = np.clip((end - lower) / np.maximum(upper - lower, 1), 0.0, 1.0)
    within = np.where(lower >= end, 0.0, np.where(upper <= end, 1.0, within))
    stays = np.minimum(np.where(has_next, changes.observed_at[following], end), end)
    middle = np.minimum((lower + upper) // 2, end)
    leaves = left * within
    row = np.flatnonzero(is_found)
    parts = (
        (1.0 - left, stays, np.full(n_rows, np.nan)),
        (left * (1.0 - within), np.full(n_rows, end), np.full(n_rows, np.nan)),
        (np.where(is_forced, leaves, 0.0), middle, np.full(n_rows, np.nan)),
        (np.where(is_forced, 0.0, leaves), lower, (np.minimum(upper, end) - lower) / HOUR),
    )
    share = np.concatenate([each[0][row] for each in parts])
    known = np.concatenate([(each[1] - seen)[row] / HOUR for each in parts])
    width = np.concatenate([each[2][row] for each in parts])
    is_part = share > 0.0
    rows = np.tile(row, len(parts))[is_part]
    return Stretches(
        rows, weight[rows] * share[is_part], np.maximum(known[is_part], 0.0), width[is_part]
    )


def _part_that_leaves(changes: Changes, is_counting: bool) -> FloatArray:
    """Return the part of the position of the row before that is gone at each row."""
    same = changes.is_same_position
    if is_counting:
        return np.where(same, 0.0, 1.0)
    before = np.roll(changes.quantity, 1)
    kept = changes.quantity / np.where(before > 0.0, before, 1.0)
    return np.where(same, 1.0 - np.minimum(kept, 1.0), 1.0)


@compiled
def _leaves_place(liquidation_price: FloatArray, same: BoolArray) -> BoolArray:
    """Return at which rows a position lies elsewhere than where it was found or last left."""
    leaves = np.zeros(liquidation_price.size, dtype=np.bool_)
    place = np.nan
    for row in range(liquidation_price.size):
        price = liquidation_price[row]
        if not same[row]:
            place = price
        elif np.isnan(price) != np.isnan(place) or abs(np.log(price / place)) >= MOVED_RATIO:
            leaves[row] = True
            place = price
    return leaves
