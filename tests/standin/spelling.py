"""How venues spell numbers, prices and liquidations, in pieces that several venues share."""

from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any

from standin.market_data import Candle, Instrument


def text(value: float) -> str:
    """Return a number as venues write it: plain decimals, no noise of binary floats.

    >>> text(0.00001234), text(70000.0), text(0.1 + 0.2)
    ('0.00001234', '70000', '0.3')
    """
    short = f"{value:.13g}"
    return format(Decimal(short), "f") if "e" in short else short


def number(value: float) -> int | float:
    """Return a JSON number without the noise of binary floats.

    >>> number(5.0), number(0.1 + 0.2)
    (5, 0.3)
    """
    short = float(f"{value:.13g}")
    return int(short) if short.is_integer() else short


def quoted_prices(
    instrument: Instrument,
    candle: Candle,
    spell: Callable[[float], Any] = text,
    order: str = "ohlc",
) -> list[Any]:
    """Return a candle's prices as the venue quotes them, in an order of its columns."""
    prices = {"o": candle.open, "h": candle.high, "l": candle.low, "c": candle.close}
    return [spell(instrument.quoted_price(prices[column])) for column in order]


def typical_price(candle: Candle) -> float:
    """Return the price at which a candle's turnover is valued."""
    return (candle.open + candle.high + candle.low + candle.close) / 4


def latest_per_second(
    rows: Iterable[tuple[int, bool, float, float]],
) -> list[tuple[int, bool, float, float]]:
    """Return the last liquidation of each second, as a throttled feed sends them."""
    by_second: dict[int, tuple[int, bool, float, float]] = {row[0] // 1000: row for row in rows}
    return list(by_second.values())
