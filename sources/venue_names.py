"""The one name of each venue, whatever the spelling of a person, a file or a provider.

Belongs here: other spellings of a venue. Does not belong here: what a venue publishes
(`sources.venues.declared`), a provider's own spelling in requests.
"""

# The venue's own public name is used, not ccxt's ids for one of its products nor its former names.
# Binance's coin-margined product has order books and outages of its own and is a venue of its own.
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
