"""States and positions made for tests."""

from datetime import UTC, datetime, timedelta

from jobs.instants import to_microseconds
from jobs.positions.book_records import FoundAccount, SweptState
from sources.accounts.states import AccountPosition, AccountState, PositionFault

START = datetime(2026, 3, 1, 12, tzinfo=UTC)


def minutes(count):
    return to_microseconds(START + timedelta(minutes=count))


def address(number):
    return number.to_bytes(20, "big")


def found(number, at=0):
    return FoundAccount(number, address(number), "trade", minutes(at))


def position(coin="BTC", quantity=1.0, **changed):
    values = {
        "asset": coin.upper(),
        "coin": coin,
        "dex": coin.rpartition(":")[0],
        "side": "long",
        "quantity": quantity,
        "entry_price": 100.0,
        "liquidation_price": 80.0,
        "leverage": 5.0,
        "is_cross": True,
        "margin_usd": 20.0 * quantity,
        "mark_price": 100.0,
    }
    return AccountPosition(**(values | changed))


def state(*positions, value=1000.0, faults=(), at=None, dex="", number=0):
    return AccountState(
        address="0x" + address(number).hex(),
        dex=dex,
        at=at,
        account_value_usd=value,
        positions=positions,
        faults=tuple(PositionFault("unreadable", coin, None) for coin in faults),
    )


def swept(number, at, received, **changed):
    return SweptState(number, received, minutes(at), minutes(changed.pop("now", at)), **changed)
