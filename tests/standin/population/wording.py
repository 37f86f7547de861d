"""How Hyperliquid spells its accounts: states, fills, lists, and the trades of its websocket.

Belongs here: JSON in the venue's shapes (hyperliquid.gitbook.io, info endpoint and websocket).
Does not belong here: which path answers what (`dialects.hyperliquid`).
"""

from typing import Any

import numpy as np

from standin.population.book import NOBODY, measure_account, nth_position, price_of_slot
from standin.population.trading import MARKET
from standin.population.world import Population
from standin.spelling import text

RECENT_TRADES = 10  # sent with each subscription
MOST_FILLS = 2000
TRADES_A_DAY = ("day", "week", "month", "allTime")


def spelled_price(price: float) -> str:
    """Return a price with the digits the venue gives liquidation prices."""
    return text(float(f"{price:.10g}"))


def state_of(people: Population, address: str, dex: str) -> tuple[list[dict[str, Any]], Any]:
    """Return the positions of an account in one dex, and what wraps them into its state."""
    account = people.account_of.get(address, NOBODY)
    if address in people.vanished:
        account = NOBODY
    book = people.book
    number = people.dexes.index(dex)
    positions: list[dict[str, Any]] = []
    equity = maintenance = notional = margin_used = cross_notional = cross_margin = 0.0
    isolated_equity = 0.0
    if account != NOBODY:
        measure_account(book, account)
        equity = float(book.equity[number, account])
        maintenance = float(book.maintenance[number, account])
        for n in range(int(book.n_positions[account])):
            slot = nth_position(book, account, n)
            if book.dex[book.coin[slot]] != number:
                continue
            row = _position(people, slot)
            positions.append(row)
            value, used = float(row["positionValue"]), float(row["marginUsed"])
            notional += value
            margin_used += used
            if row["leverage"]["type"] == "cross":
                cross_notional += value
                cross_margin += used
            else:
                isolated_equity += used

    def wrap(rows: list[Any], at: int) -> dict[str, Any]:
        return {
            "marginSummary": _summary(equity + isolated_equity, notional, margin_used),
            "crossMarginSummary": _summary(equity, cross_notional, cross_margin),
            "crossMaintenanceMarginUsed": _usd(maintenance),
            "withdrawable": _usd(max(equity - cross_margin, 0.0)),
            "assetPositions": [{"type": "oneWay", "position": row} for row in rows],
            "time": at,
        }

    return positions, wrap


def _usd(value: float) -> str:
    return text(round(value, 6))


def _summary(value: float, notional: float, margin: float) -> dict[str, str]:
    return {
        "accountValue": _usd(value),
        "totalNtlPos": _usd(notional),
        "totalRawUsd": _usd(value - notional),
        "totalMarginUsed": _usd(margin),
    }


def _position(people: Population, slot: int) -> dict[str, Any]:
    book = people.book
    coin = int(book.coin[slot])
    size = int(book.lots[slot]) * float(book.lot[coin])
    mark, entry = float(book.mark[coin]), float(book.entry[slot])
    margin, times = float(book.margin[slot]), int(book.leverage[slot])
    gained = size * (mark - entry)
    is_cross = np.isnan(margin)
    used = abs(size) * mark / times if is_cross else margin + gained
    leverage: dict[str, Any] = {"type": "cross", "value": times}
    if not is_cross:
        leverage = {"type": "isolated", "value": times, "rawUsd": _usd(used - size * mark)}
    price = price_of_slot(book, slot)
    return {
        "coin": people.names[coin],
        "szi": text(size),
        "leverage": leverage,
        "entryPx": spelled_price(entry),
        "positionValue": text(abs(size) * mark),
        "unrealizedPnl": _usd(gained),
        "returnOnEquity": text(gained * times / (abs(size) * entry)),
        "liquidationPx": None if np.isnan(price) else spelled_price(price),
        "marginUsed": _usd(used),
        "maxLeverage": int(book.max_leverage[coin]),
        "cumFunding": {"allTime": "0.0", "sinceOpen": "0.0", "sinceChange": "0.0"},
    }


def contexts_of(people: Population, dex: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return universe and contexts of the coins of one dex; open interest counts both sides."""
    number = people.dexes.index(dex)
    interest = people.open_interest()
    universe, contexts = [], []
    for coin in np.flatnonzero(people.book.dex == number):
        mark = spelled_price(float(people.book.mark[coin]))
        leverage = int(people.book.max_leverage[coin])
        universe.append(
            {
                "szDecimals": int(people.decimals[coin]),
                "name": people.names[coin],
                "maxLeverage": leverage,
                "marginTableId": 50 + leverage,
            }
        )
        contexts.append(
            {
                "funding": "0.0000125",
                "openInterest": text(2 * float(interest[coin])),
                "prevDayPx": mark,
                "dayNtlVlm": "0.0",
                "premium": "0.0",
                "oraclePx": mark,
                "markPx": mark,
                "midPx": mark,
                "impactPxs": [mark, mark],
                "dayBaseVlm": "0.0",
            }
        )
    return universe, contexts


def trades_between(people: Population, first: int, last: int) -> dict[str, list[dict[str, Any]]]:
    """Return the public trades first, first + 1, ..., last - 1 by coin.

    What the backstop takes over is transferred, not traded: the public feed does not carry it.
    """
    tape = people.tape
    rows = np.arange(first, last) % tape.at.size
    rows = rows[tape.method[rows] <= MARKET]
    columns = (
        tape.at[rows].tolist(), tape.coin[rows].tolist(), tape.buyer[rows].tolist(),
        tape.seller[rows].tolist(), tape.lots[rows].tolist(), tape.price[rows].tolist(),
        tape.is_buy[rows].tolist(), rows.tolist(),
    )  # fmt: skip
    lot, names, addresses = people.book.lot.tolist(), people.names, people.addresses
    by_coin: dict[str, list[dict[str, Any]]] = {}
    for at, coin, buyer, seller, lots, price, is_buy, number in zip(*columns, strict=True):
        by_coin.setdefault(names[coin], []).append(
            {
                "coin": names[coin],
                "side": "B" if is_buy else "A",
                "px": text(float(f"{price:.5g}")),
                "sz": text(lots * lot[coin]),
                "time": at,
                "hash": f"0x{number:064x}",
                "tid": tid_of(people, number),
                "users": [addresses[buyer], addresses[seller]],
            }
        )
    return by_coin


def tid_of(people: Population, row: int) -> int:
    """Return the id of the trade in a row of the tape, unique as long as the tape holds it."""
    laps, newest = divmod(int(people.tape.counts[0]) - 1, people.tape.at.size)
    lap = laps if row <= newest else laps - 1
    return 10_000_000 + lap * people.tape.at.size + row


def fills_of(people: Population, address: str, since: int, until: int) -> list[dict[str, Any]]:
    """Return an account's fills within [since, until], oldest first, as far as the tape goes."""
    account = people.account_of.get(address, NOBODY)
    tape, total = people.tape, int(people.tape.counts[0])
    if account == NOBODY:
        return []
    first = max(people.first_trade, total - tape.at.size)
    rows = np.arange(first, total) % tape.at.size
    rows = rows[(tape.buyer[rows] == account) | (tape.seller[rows] == account)]
    rows = rows[(tape.at[rows] >= since) & (tape.at[rows] <= until)][:MOST_FILLS]
    return [_fill(people, account, int(row)) for row in rows]


def _fill(people: Population, account: int, row: int) -> dict[str, Any]:
    tape = people.tape
    coin = int(tape.coin[row])
    is_buyer = bool(tape.buyer[row] == account)
    price = spelled_price(float(tape.price[row]))
    fill = {
        "coin": people.names[coin],
        "px": price,
        "sz": text(int(tape.lots[row]) * float(people.book.lot[coin])),
        "side": "B" if is_buyer else "A",
        "time": int(tape.at[row]),
        "startPosition": "0.0",
        "dir": "Buy" if is_buyer else "Sell",
        "closedPnl": "0.0",
        "hash": f"0x{row:064x}",
        "oid": 20_000_000 + row,
        "crossed": bool(tape.is_buy[row]) == is_buyer,
        "fee": "0.0",
        "tid": tid_of(people, row),
        "feeToken": "USDC",
    }
    if tape.method[row]:
        fill["liquidation"] = {
            "liquidatedUser": people.addresses[int(tape.liquidated[row])],
            "markPx": spelled_price(float(tape.mark[row])),
            "method": "market" if tape.method[row] == MARKET else "backstop",
        }
    return fill


def leaderboard_of(people: Population) -> list[dict[str, Any]]:
    """Return the rows of the leaderboard, richest first."""
    performance = [[window, {"pnl": "0.0", "roi": "0.0", "vlm": "0.0"}] for window in TRADES_A_DAY]
    return [
        {
            "ethAddress": people.addresses[account],
            "accountValue": _usd(value),
            "windowPerformances": performance,
            "prize": 0,
            "displayName": None,
        }
        for account, value in people.known_accounts()
    ]


def vaults_of(people: Population) -> list[dict[str, Any]]:
    """Return the rows of the list of vaults: the backstop, and a maker, whose vault is closed."""
    rows = []
    for account, is_closed in ((0, False), (1, True)):
        summary = {
            "name": f"Vault {account}",
            "vaultAddress": people.addresses[account],
            "leader": people.addresses[2],
            "tvl": _usd(float(people.book.balance[0, account])),
            "isClosed": is_closed,
            "relationship": {"type": "normal"},
            "createTimeMillis": 1_700_000_000_000,
        }
        rows.append({"apr": 0.1, "pnls": [], "summary": summary})
    return rows
