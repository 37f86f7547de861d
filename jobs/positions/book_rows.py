"""States and positions as rows of the account book.

Belongs here: what a row holds, and in which order. Does not belong here: transactions
(`jobs.positions.account_book`), the schema (`jobs.positions.book_file`).
"""

import math
import sqlite3
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jobs.positions.book_records import SweptState
from jobs.positions.state_changes import HeldPosition, HeldState
from sources.accounts.states import AccountPosition

_POSITION_COLUMNS = (
    "coin, dex, asset, side, quantity, entry_price, liquidation_price, leverage, is_cross, "
    "margin_usd, mark_price, observed_at"
)
POSITIONS_AT = f"""
select
    account_id, {_POSITION_COLUMNS},
    (
        select case when last_at <= ?1 then last_at else first_at end from traded
        where
            traded.account_id = position.account_id and traded.dex = position.dex
            and last_at > observed_at
            and (last_at <= ?1 or (first_at > observed_at and first_at <= ?1))
    )
from position
order by account_id, dex, coin
"""
"""All positions, with a trade of their account after the state and up to an instant.

The last one, and the first where the last came after the instant.
"""
POSITION_EXTENT = (
    "select count(*), max(length(coin)), max(length(dex)), max(length(asset)) from position"
)
"""How many positions there are, and the longest names among them."""
# numpy's NaT.
_NEVER = -(2**63)


def empty_columns(
    count: int, coin_length: int | None, dex_length: int | None, asset_length: int | None
) -> dict[str, NDArray[Any]]:
    """Return the arrays of `HeldPositions` to be filled, given `POSITION_EXTENT`.

    Filled some rows at a time, they are in memory once, and no Python object stays for a row.
    """
    lengths = {"coin": coin_length, "dex": dex_length, "asset": asset_length, "side": len("short")}
    kinds = {name: f"<U{length or 1}" for name, length in lengths.items()} | {
        "account_id": "int64",
        "is_cross": "bool",
        "observed_at": "datetime64[us]",
        "traded_at": "datetime64[us]",
    }
    names = (
        *("account_id", "coin", "dex", "asset", "side", "quantity", "entry_price"),
        *("liquidation_price", "leverage", "is_cross", "margin_usd", "mark_price"),
        *("observed_at", "traded_at"),
    )
    return {name: np.empty(count, kinds.get(name, "float64")) for name in names}


def columns_of(rows: Sequence[tuple[Any, ...]]) -> dict[str, NDArray[Any]]:
    """Return the arrays of `HeldPositions` from rows of positions."""
    columns: Sequence[Sequence[Any]] = list(zip(*rows, strict=True))
    ids, coin, dex, asset, side, *figures = columns[:12]
    quantity, entry, liquidation, leverage, is_cross, margin, mark = (
        np.array(figure, dtype=np.float64) for figure in figures
    )
    traded = [_NEVER if one is None else one for one in columns[13]]
    return {
        "account_id": np.array(ids, dtype=np.int64),
        "coin": np.array(coin, dtype=np.str_),
        "dex": np.array(dex, dtype=np.str_),
        "asset": np.array(asset, dtype=np.str_),
        "side": np.array(side, dtype=np.str_),
        "quantity": quantity,
        "entry_price": entry,
        "liquidation_price": liquidation,
        "leverage": leverage,
        "is_cross": is_cross == 1.0,
        "margin_usd": margin,
        "mark_price": mark,
        "observed_at": np.array(columns[12], dtype=np.int64).astype("datetime64[us]"),
        "traded_at": np.array(traded, dtype=np.int64).astype("datetime64[us]"),
    }


def held_state(connection: sqlite3.Connection, account_id: int, dex: str) -> HeldState | None:
    """Return the last believed state of an account on a dex; None for one never seen."""
    row = connection.execute(
        "select observed_at from sweep where account_id = ? and dex = ?", (account_id, dex)
    ).fetchone()
    if row is None:
        return None
    rows = connection.execute(
        f"select {_POSITION_COLUMNS}, logged_liquidation_price from position "
        "where account_id = ? and dex = ?",
        (account_id, dex),
    )
    return HeldState(row[0], {one[0]: _held_position(*one) for one in rows})


def _held_position(*row: Any) -> HeldPosition:  # noqa: ANN401  (a row of SQLite)
    coin, dex, asset, side, quantity, entry, liquidation, leverage, is_cross, margin, mark = row[
        :11
    ]
    position = AccountPosition(
        asset=asset,
        coin=coin,
        dex=dex,
        side=side,
        quantity=quantity,
        entry_price=_number(entry),
        liquidation_price=liquidation,
        leverage=_number(leverage),
        is_cross=None if is_cross is None else bool(is_cross),
        margin_usd=_number(margin),
        mark_price=_number(mark),
    )
    return HeldPosition(position, row[12])


def _number(value: float | None) -> float:
    return math.nan if value is None else value


def write_state(
    connection: sqlite3.Connection,
    swept: SweptState,
    held: HeldState | None,
    positions: Sequence[AccountPosition],
    changed: set[str],
) -> None:
    """Write a believed state; a position kept for want of a readable one keeps its instant."""
    account_id, dex = swept.account_id, swept.state.dex
    connection.execute(
        "insert or replace into sweep values (?, ?, ?, ?, ?, ?)",
        (
            account_id,
            dex,
            swept.received_at,
            swept.observed_at,
            swept.state.account_value_usd,
            swept.usual_trades_per_hour,
        ),
    )
    connection.execute(
        "delete from traded where account_id = ? and dex = ? and last_at <= ?",
        (account_id, dex, swept.observed_at),
    )
    earlier = {} if held is None else held.positions
    seen = {one.coin for one in swept.state.positions}
    gone = earlier.keys() - {one.coin for one in positions}
    connection.executemany(
        "delete from position where account_id = ? and dex = ? and coin = ?",
        ((account_id, dex, coin) for coin in gone),
    )
    connection.executemany(
        "insert or replace into position values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            (
                account_id,
                dex,
                one.coin,
                one.asset,
                one.side,
                one.quantity,
                one.entry_price,
                one.liquidation_price,
                one.leverage,
                one.is_cross,
                one.margin_usd,
                one.mark_price,
                swept.observed_at,
                one.liquidation_price
                if one.coin in changed
                else earlier[one.coin].logged_liquidation_price,
            )
            for one in positions
            if one.coin in seen
        ),
    )
