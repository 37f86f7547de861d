"""Single values of a provider's answer: numbers, instants, symbols, venues.

Belongs here: one value into ours, or what is wrong with it. Does not belong here: whole answers.
"""

import math
import re
from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt

from sources.assets import split_asset
from sources.venue_names import venue_name

Floats = npt.NDArray[np.float64]

LARGEST_LEVERAGE = 1000.0
_QUOTES = ("USDT", "USDC", "FDUSD", "BUSD", "USD")


def excerpt(text: str, length: int = 200) -> str:
    """Return at most ``length`` characters of a text, for a message."""
    return text if len(text) <= length else f"{text[: length - 3]}..."


def shown(value: object, length: int = 80) -> str:
    """Return a value as a program writes it, at most ``length`` characters, for a message."""
    return excerpt(repr(value), length)


def read_number(value: object) -> float:
    """Return a number given as number or text; NaN where it is neither."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return math.nan
    try:
        return float(value)
    except (ValueError, OverflowError):
        return math.nan


def read_positive(value: object) -> float:
    """Return a finite number above 0 given as number or text; NaN where it is none."""
    number = read_number(value)
    return number if math.isfinite(number) and number > 0 else math.nan


def read_numbers(values: Sequence[object]) -> Floats:
    """Return numbers given as numbers or text, shape (n,); NaN where an item is neither."""
    if set(map(type, values)) <= {float, int}:
        try:
            return np.asarray(values, dtype=np.float64)
        except OverflowError:
            pass
    return np.fromiter(map(read_number, values), dtype=np.float64, count=len(values))


def read_instant(value: object) -> datetime | None:
    """Return an instant given as ISO 8601 with a zone, or as epoch seconds or milliseconds."""
    if isinstance(value, str) and not re.fullmatch(r"\d+(\.\d*)?", value.strip()):
        try:
            instant = datetime.fromisoformat(value.strip())
        except ValueError:
            return None
        return instant.astimezone(UTC) if instant.tzinfo else None
    number = read_number(value)
    if not math.isfinite(number) or number <= 0:
        return None
    # 1e11 seconds is the year 5138, 1e11 milliseconds is 1973: no overlap for market data.
    seconds = number / 1000 if number >= 1e11 else number
    try:
        return datetime.fromtimestamp(seconds, tz=UTC)
    except (ValueError, OverflowError, OSError):
        return None


def split_symbol(symbol: str) -> tuple[str, float]:
    """Return (asset, units of the asset in one quoted unit) of a provider's symbol.

    >>> split_symbol("BTCUSDT"), split_symbol("1000PEPE-USDT-SWAP"), split_symbol("kBONK")
    (('BTC', 1.0), ('PEPE', 1000.0), ('BONK', 1000.0))
    >>> split_symbol("1INCHUSDT"), split_symbol("BTC/USD:BTC")
    (('1INCH', 1.0), ('BTC', 1.0))
    """
    base = re.split(r"[-_/: ]", symbol.strip())[0]
    for quote in _QUOTES:
        if base.upper().endswith(quote) and len(base) > len(quote):
            base = base[: -len(quote)]
            break
    # A small k before a ticker in capitals is Hyperliquid's mark for 1000.
    return split_asset(base, (("k", 1000),))


def venue_scope_of(name: str) -> str:
    """Return our name of a venue as a provider spells it.

    >>> venue_scope_of("Okex"), venue_scope_of("binance_perp_stable"), venue_scope_of("Lighter")
    ('okx', 'binance', 'lighter')
    """
    plain = re.sub(r"_(perp|spot|futures|swap).*$", "", name.strip().lower())
    return venue_name(plain)


def price_of(value: object, name: str = "price") -> float:
    """Return a positive price, or raise ValueError with what is wrong."""
    price = read_number(value)
    if not (math.isfinite(price) and price > 0):
        raise ValueError(f"{name} is not a positive number")
    return price


def amount_of(value: object, name: str = "value") -> float:
    """Return an amount of at least 0, or raise ValueError with what is wrong."""
    amount = read_number(value)
    if not math.isfinite(amount):
        raise ValueError(f"{name} is not a finite number")
    if amount < 0:
        raise ValueError(f"{name} is negative")
    return amount


def leverage_of(key: str, pattern: str) -> float | None:
    """Return the leverage in a key such as ``x25``; None where the key is none.

    >>> leverage_of("x25", r"x(.+)"), leverage_of("x2000", r"x(.+)"), leverage_of("total", r"x(.+)")
    (25.0, None, None)
    """
    found = re.fullmatch(pattern, key)
    leverage = read_number(found[1]) if found and re.fullmatch(r"\d+(\.\d+)?", found[1]) else 0.0
    return leverage if 0 < leverage <= LARGEST_LEVERAGE else None
