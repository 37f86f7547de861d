"""How venues spell instruments and file names, and how that becomes a unified symbol.

Belongs here: patterns with placeholders, unified symbols. Does not belong here: files, columns,
mapping keys, the rules of coin names (`sources.assets`).
"""

import re
from dataclasses import dataclass

from sources.assets import USD_QUOTES, unify_coin
from sources.user_models import near_hint

# All that a name can end in, so that BTCUSDT splits into BTC and USDT. No venue quotes a perpetual
# in TUSD, and DOTUSD is DOT in USD.
QUOTES = (
    *(quote for quote in USD_QUOTES if quote != "TUSD"),
    *("EUR", "GBP", "TRY", "BRL", "JPY", "KRW", "AUD", "BTC", "ETH", "BNB", "SOL"),
)

_PLACEHOLDERS = {
    "base": r"(?P<base>[^\s/:_.\-]+?)",
    "quote": "(?P<quote>" + "|".join(QUOTES) + ")",
    "bar": r"(?P<bar>\d+[smhd])",
    "field": r"(?P<field>.+)",
}
_TOKEN = re.compile(r"\{(\w*)\}|\*|[^{*]+|\{")
_UNIFIED = re.compile(r"(?P<base>[^/:\s]+)/(?P<quote>[^/:\s]+):(?P<settle>[^/:\s]+)")


@dataclass(frozen=True, slots=True)
class NamePattern:
    """A name with placeholders, such as ``{base}{quote}-{bar}-*``.

    Parameters
    ----------
    text : str
        Literal characters, ``*`` for anything, and the placeholders ``{base}``, ``{quote}``
        (one of ``QUOTES``), ``{bar}`` (``5m``, ``1h``) and ``{field}``, each at most once.

    Raises
    ------
    ValueError
        If a placeholder is unknown or used twice.
    """

    text: str
    _regex: re.Pattern[str]

    def __init__(self, text: str) -> None:
        parts = []
        for token in _TOKEN.finditer(text):
            name = token.group(1)
            if name is not None:
                if name not in _PLACEHOLDERS:
                    known = ", ".join(f"{{{key}}}" for key in _PLACEHOLDERS)
                    raise ValueError(
                        f"unknown placeholder {{{name}}} in '{text}'"
                        f"{near_hint(name, _PLACEHOLDERS, form='{{{}}}')}; known are {known}"
                    )
                parts.append(_PLACEHOLDERS[name])
            else:
                parts.append(".*" if token.group() == "*" else re.escape(token.group()))
        try:
            regex = re.compile("".join(parts))
        except re.error as exc:
            raise ValueError(f"pattern '{text}' uses a placeholder twice") from exc
        object.__setattr__(self, "text", text)
        object.__setattr__(self, "_regex", regex)

    @property
    def placeholders(self) -> frozenset[str]:
        """Return the names of the placeholders the pattern holds."""
        return frozenset(self._regex.groupindex)

    def match(self, name: str) -> dict[str, str] | None:
        """Return the text of each placeholder in `name`, or None where it does not fit."""
        found = self._regex.fullmatch(name)
        return found.groupdict() if found else None


@dataclass(frozen=True, slots=True)
class UnifiedSymbol:
    """A contract's unified symbol in parts, ``base/quote:settle``.

    Parameters
    ----------
    base, quote, settle : str
        Quoted asset, price currency, settlement currency.
    """

    base: str
    quote: str
    settle: str

    @property
    def contract_kind(self) -> str:
        """Return 'inverse' where the contract settles in its base, else 'linear'."""
        return "inverse" if self.settle == self.base else "linear"


def parse_unified(symbol: str) -> UnifiedSymbol:
    """Return the parts of a unified symbol.

    Parameters
    ----------
    symbol : str
        Such as ``BTC/USDT:USDT`` or, as a template, ``{base}/USD:{base}``.

    Raises
    ------
    ValueError
        If it is not of the form ``base/quote:settle``, or settles in neither.
    """
    found = _UNIFIED.fullmatch(symbol)
    # An expiry may follow the settlement currency: BTC/USDT:USDT-250328.
    settle = found["settle"].split("-")[0] if found else ""
    if found is None or settle not in (found["base"], found["quote"]):
        raise ValueError(
            f"'{symbol}' is no unified symbol; write base/quote:settle with settle the quote "
            "(linear, BTC/USDT:USDT) or the base (inverse, BTC/USD:BTC)"
        )
    return UnifiedSymbol(found["base"], found["quote"], settle)


def unify_symbol(symbol: str) -> str:
    """Return a unified symbol with its coins spelled as ccxt spells them.

    Live and imported records of one contract carry one symbol, so that they are one series.

    Examples
    --------
    >>> unify_symbol("kPEPE/USDC:USDC"), unify_symbol("XBT/USD:XBT-250328")
    ('KPEPE/USDC:USDC', 'BTC/USD:BTC-250328')
    """
    found = _UNIFIED.fullmatch(symbol)
    if found is None:
        return symbol
    settle, dash, expiry = found["settle"].partition("-")
    base, quote, settle = (unify_coin(coin) for coin in (found["base"], found["quote"], settle))
    return f"{base}/{quote}:{settle}{dash}{expiry}"
