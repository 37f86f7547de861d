"""What a coin's name means: the asset, the multiple it quotes, and whether a price is in dollars.

Belongs here: the rules about names that live ingestion and imports share. Does not belong here: how
a venue lists contracts (`sources.venues.instruments`), how a file spells them
(`sources.recorded.name_patterns`).
"""

import re
from collections.abc import Iterable

USD_QUOTES = ("FDUSD", "USDT", "USDC", "BUSD", "TUSD", "USDE", "USD1", "USD", "U")
"""The dollar and tokens pegged to it: the only quotes whose prices are prices of a map."""

# 1000PEPE, 1000000MOG, 1MBABYDOGE, SHIB1000; not 1INCH, not 1000X.
_DIGITS_FIRST = re.compile(r"(?P<factor>1(?:0{3,9})|1M)(?P<asset>[A-Z][A-Z0-9]+)")
_DIGITS_LAST = re.compile(r"(?P<asset>[A-Z]{2,})(?P<factor>1000)")
# Tickers that mean the same coin on every derivatives venue.
_SAME_COIN = {"XBT": "BTC"}


def split_asset(coin: str, prefixes: Iterable[tuple[str, float]] = ()) -> tuple[str, float]:
    """Return the asset and the asset units per quoted unit that a coin's name means.

    Parameters
    ----------
    coin : str
        As the venue spells it.
    prefixes : iterable of (str, float)
        Prefixes that only this venue uses, as spelled.

    Examples
    --------
    >>> split_asset("1000PEPE"), split_asset("SHIB1000"), split_asset("1MBABYDOGE")
    (('PEPE', 1000.0), ('SHIB', 1000.0), ('BABYDOGE', 1000000.0))
    >>> split_asset("kPEPE", [("k", 1000)]), split_asset("KAS", [("k", 1000)])
    (('PEPE', 1000.0), ('KAS', 1.0))
    >>> split_asset("XBT"), split_asset("1INCH"), split_asset("1000X")
    (('BTC', 1.0), ('1INCH', 1.0), ('1000X', 1.0))
    """
    for prefix, factor in sorted(prefixes, key=lambda one: -len(one[0])):
        rest = coin.removeprefix(prefix)
        if rest != coin and rest[:1].isalpha() and not rest[:1].islower():
            return rest.upper(), float(factor)
    name = unify_coin(coin)
    found = _DIGITS_FIRST.fullmatch(name) or _DIGITS_LAST.fullmatch(name)
    if found is None:
        return name, 1.0
    factor_text = found["factor"]
    return found["asset"], 1e6 if factor_text == "1M" else float(factor_text)


def unify_coin(coin: str) -> str:
    """Return a coin as unified symbols spell it.

    Examples
    --------
    >>> unify_coin("kPEPE"), unify_coin("XBT")
    ('KPEPE', 'BTC')
    """
    name = coin.upper()
    return _SAME_COIN.get(name, name)
