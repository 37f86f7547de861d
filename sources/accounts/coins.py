"""What Hyperliquid's names of coins mean, and how an address is written.

Belongs here: names and addresses on the wire. Does not belong here: names of other venues
(`sources.assets`).
"""

import re
import sys
from functools import lru_cache

_MULTIPLIED = re.compile(r"k[A-Z]")
_ADDRESS = re.compile(r"0x[0-9a-f]{40}")
_ANY_ADDRESS = re.compile(r"0[xX][0-9a-fA-F]{40}")
# A pair or token of the spot exchange: @107, PURR/USDC.
_SPOT = re.compile(r"@.*|.*/.*")


@lru_cache(maxsize=4096)
def asset_of_coin(coin: str) -> tuple[str, float]:
    """Return (asset, asset units per quoted unit) of a coin as Hyperliquid spells it.

    A contract of a builder's dex (HIP-3) is an asset of its own, spelled as ccxt spells it
    (``ccxt.hyperliquid.parse_market``): it is never summed with the plain coin.

    Examples
    --------
    >>> asset_of_coin("BTC"), asset_of_coin("kPEPE"), asset_of_coin("KAS")
    (('BTC', 1.0), ('PEPE', 1000.0), ('KAS', 1.0))
    >>> asset_of_coin("xyz:GOLD"), asset_of_coin("flx:crcl")
    (('XYZ-GOLD', 1.0), ('FLX-CRCL', 1.0))
    """
    dex, separator, name = coin.rpartition(":")
    if separator:
        return f"{dex}-{name}".upper(), 1.0
    return (name[1:], 1000.0) if _MULTIPLIED.match(name) else (name, 1.0)


def dex_of_coin(coin: str) -> str:
    """Return the builder's dex that lists a coin, empty for the venue's own.

    Examples
    --------
    >>> dex_of_coin("xyz:GOLD"), dex_of_coin("BTC")
    ('xyz', '')
    """
    # Kept for each account on a dex: one object for all of them.
    return sys.intern(coin.rpartition(":")[0])


def instrument_of_coin(coin: str) -> str:
    """Return the unified symbol of a coin's contract, as ccxt spells it.

    Examples
    --------
    >>> instrument_of_coin("BTC"), instrument_of_coin("kPEPE"), instrument_of_coin("xyz:GOLD")
    ('BTC/USDC:USDC', 'KPEPE/USDC:USDC', 'XYZ-GOLD/USDC:USDC')
    """
    return f"{coin.replace(':', '-').upper()}/USDC:USDC"


def is_spot(coin: str) -> bool:
    """Return whether a coin is traded on the spot exchange.

    Examples
    --------
    >>> is_spot("@107"), is_spot("PURR/USDC"), is_spot("BTC")
    (True, True, False)
    """
    return _SPOT.fullmatch(coin) is not None


def read_coin(value: object) -> str | None:
    """Return the name of a coin; None where a value is none, or cannot be printed.

    JSON may hold halves of characters, which no file and no database takes.

    Examples
    --------
    >>> read_coin("xyz:GOLD"), read_coin(""), read_coin(chr(0xD800)), read_coin(7)
    ('xyz:GOLD', None, None, None)
    """
    return value if isinstance(value, str) and value and value.isprintable() else None


def read_address(value: object) -> str | None:
    """Return an address in lower case; None where a value is none.

    Examples
    --------
    >>> read_address("0x" + "Ab" * 20) == "0x" + "ab" * 20, read_address("0x12"), read_address(None)
    (True, None, None)
    """
    if not isinstance(value, str):
        return None
    address = value.lower()
    return address if _ADDRESS.fullmatch(address) else None


def short_address(address: str) -> str:
    """Return what messages and logs may say of an address.

    Examples
    --------
    >>> short_address("0x" + "ab" * 20)
    '0xabab...'
    """
    return f"{address[:6]}..."


def hide_addresses(text: str) -> str:
    """Return a text with its addresses shortened.

    Examples
    --------
    >>> hide_addresses("no user 0x" + "Ab" * 20 + "!")
    'no user 0xAbAb...!'
    """
    return _ANY_ADDRESS.sub(lambda found: short_address(found[0]), text)
