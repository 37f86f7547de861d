"""The one name of each venue, however a person, a file or a provider spells it.

Belongs here: other spellings of a venue that is known under several. Does not belong here: what a
venue answers (`sources.venues.declared`), how a provider wants a venue spelled in a request.
"""

# The public name counts: what the venue calls itself. ccxt's ids for one product of a venue and
# names that a venue has given up stand for it. Binance's coin-margined product has books and
# outages of its own and stays a venue of its own.
ALIASES = {
    "binanceusdm": "binance",
    "gate.io": "gate",
    "gateio": "gate",
    "huobi": "htx",
    "kucoinfutures": "kucoin",
    "okex": "okx",
}


def venue_name(spelled: str) -> str:
    """Return the name under which a venue is recorded and compared.

    Parameters
    ----------
    spelled : str
        A venue in any spelling, or several joined by ``+`` where a figure is their sum.

    Examples
    --------
    >>> venue_name("KuCoinFutures"), venue_name(" Gate.io "), venue_name("lighter")
    ('kucoin', 'gate', 'lighter')
    >>> venue_name("OKEx+Binance+bybit")
    'binance+bybit+okx'
    """
    parts = {part.strip() for part in spelled.strip().lower().split("+")}
    return "+".join(sorted({ALIASES.get(part, part) for part in parts}))
