"""The terms in which a venue is declared: products, what their responses contain, streams.

Belongs here: what can be declared. Does not belong here: what one venue publishes
(`sources.venues.declared`, which shows how to read a declaration), code that acts on it
(`sources.venues.client`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal, TypeAlias

from sources.units import AmountUnit, ContractKind
from sources.venues.endpoints import CallWeight, Columns, Endpoint, Params, RateLimit
from sources.venues.margin_specs import (
    UNKNOWN_RULE,
    DescribedBrackets,
    MarginRule,
    PublishedBrackets,
)

ContractClass = Literal["linear_usdt", "linear_usdc", "inverse", "dated"]
"""Classes of contracts by their usual names: perpetuals settled in USDT, in USDC, in the coin
itself, and futures that expire."""

_EXPIRING = "they expire and trade at a basis to the perpetual"


@dataclass(frozen=True, slots=True)
class Candles:
    """Bars: columns ``time, open, high, low, close`` and, of trades, ``volume`` and more.

    Parameters
    ----------
    endpoint : Endpoint
        The most recent bars.
    older : Endpoint or None
        Bars beyond the reach of the first.
    volume_unit : {'base', 'contracts', 'usd'}
        Unit of ``volume`` and ``taker_buy``.
    sides_counted : {1, 2}
        2 where the venue counts a trade once for its buyer and once for its seller.
    """

    endpoint: Endpoint
    older: Endpoint | None = None
    volume_unit: AmountUnit = "base"
    sides_counted: Literal[1, 2] = 1


@dataclass(frozen=True, slots=True)
class OpenInterest:
    """Open interest: columns ``amount``, ``value``, and ``price`` for the audit of units.

    Parameters
    ----------
    endpoint : Endpoint
        Where it is published.
    amount_unit : {'base', 'contracts', None}
        Unit of ``amount``; None where only a value is published.
    value_unit : {'usd', 'base', None}
        Unit of ``value``.
    quantity_from : {'amount', 'value'}
        Which of the two becomes the quantity; never one whose unit needs a price.
    sides_counted : {1, 2}
        2 where the venue adds longs and shorts. A contract has one of each and counts once here.
        One-sided open interest beside it is the column ``one_side``: the two must agree.
    label_shift_seconds : int
        A row labelled t holds at t + this [seconds].
    """

    endpoint: Endpoint
    amount_unit: Literal["base", "contracts"] | None = "base"
    value_unit: Literal["usd", "base"] | None = None
    quantity_from: Literal["amount", "value"] = "amount"
    sides_counted: Literal[1, 2] = 1
    label_shift_seconds: int = 0


@dataclass(frozen=True, slots=True)
class Funding:
    """Funding payments: columns ``time`` and ``rate`` (per interval).

    Contracts change their interval, and venues do not send it with past payments: today's interval
    says nothing about an older row. The warehouse derives it from the spacing of payments
    (``sql/intermediate/int_funding_rate.sql``).

    Parameters
    ----------
    endpoint : Endpoint
        Where it is published.
    interval_hours : float or None
        Hours between payments, where the venue has one interval for all contracts and all times.
    """

    endpoint: Endpoint
    interval_hours: float | None = None


RatioMeasure = Literal["accounts", "top_accounts", "top_positions", "taker_volume"]


@dataclass(frozen=True, slots=True)
class LongShortRatio:
    """A long/short ratio: column ``ratio``, or ``long`` and ``short`` to be divided.

    Parameters
    ----------
    endpoint : Endpoint
        Where it is published.
    measure : {'accounts', 'top_accounts', 'top_positions', 'taker_volume'}
        What is counted.
    label_shift_seconds : int
        A row labelled t holds at t + this [seconds].
    """

    endpoint: Endpoint
    measure: RatioMeasure
    label_shift_seconds: int = 0


SideRule: TypeAlias = tuple[str, str, bool]
"""A column, one of its values, and whether that value means that a long position was closed."""


def sides(column: str, *, long: str, short: str) -> tuple[SideRule, SideRule]:
    """Return the rules of a column from its values where a long and where a short was closed.

    Examples
    --------
    >>> sides("side", long="sell", short="buy")
    (('side', 'sell', True), ('side', 'buy', False))
    """
    return (column, long, True), (column, short, False)


@dataclass(frozen=True, slots=True)
class PeriodLiquidations:
    """Liquidations summed over periods: ``long_amount, long_usd, short_amount, short_usd``.

    Parameters
    ----------
    endpoint : Endpoint
        Where they are published; the period is its ``period_seconds``, labelled at its start.
    amount_unit : {'base', 'contracts', 'usd'}
        Unit of the amounts.
    is_complete : bool
        False where the venue publishes only a sample: a lower bound.
    """

    endpoint: Endpoint
    amount_unit: AmountUnit
    is_complete: bool


@dataclass(frozen=True, slots=True)
class OrderLiquidations:
    """Liquidations one by one: columns ``time``, ``price``, ``amount``, ``key``.

    Parameters
    ----------
    endpoint : Endpoint
        Where they are published.
    amount_unit : {'base', 'contracts', 'usd'}
        Unit of the amount.
    is_complete : bool
        False where the venue publishes only a sample: a lower bound.
    sides : tuple of SideRule
        The first that applies decides.
    mark_column : str or None
        In a list of all trades: the column that only liquidations fill. ``taker_marks`` mark
        trades whose taker was liquidated (``sides`` apply), ``maker_marks`` those whose maker was
        (``sides`` apply inverted); a mark in both makes two rows.
    """

    endpoint: Endpoint
    amount_unit: AmountUnit
    is_complete: bool
    sides: tuple[SideRule, ...]
    mark_column: str | None = None
    taker_marks: tuple[str, ...] = ()
    maker_marks: tuple[str, ...] = ()


ResponseSpec: TypeAlias = (
    Candles | OpenInterest | Funding | LongShortRatio | PeriodLiquidations | OrderLiquidations
)
"""What a response contains, for the kinds that become records over time."""


@dataclass(frozen=True, slots=True)
class Stream:
    """A websocket stream of liquidations and the layout of its messages.

    Parameters
    ----------
    rows : tuple of str
        Path from the message to its rows; a single mapping there is one row.
    details_key : str or None
        Key of the list of orders within a row, whose own fields apply to each of them.
    columns : mapping of str to Column
        ``time`` [ms], ``id``, ``price``, ``amount``.
    sides : tuple of SideRule
        The first that applies decides.
    amount_unit_linear, amount_unit_inverse : {'base', 'contracts', 'usd'}
        Unit of ``amount``.
    is_complete : bool
        False where the venue throttles the stream: a lower bound.
    is_per_instrument : bool
        Subscribed instrument by instrument; else one subscription carries the whole product.
    source : str
        Where this is published.
    """

    rows: tuple[str, ...]
    columns: Columns
    sides: tuple[SideRule, ...]
    amount_unit_linear: AmountUnit
    amount_unit_inverse: AmountUnit
    is_complete: bool
    is_per_instrument: bool
    source: str
    details_key: str | None = None


@dataclass(frozen=True, slots=True)
class Product:
    """The linear or the inverse perpetuals of a venue, and what the venue publishes of them.

    Parameters
    ----------
    contract_kind : {'linear', 'inverse'}
        Which of ccxt's two flags a market must carry.
    quotes : tuple of str
        Quote currencies that count as USD; demo and exotic quotes are left out.
    contract_size : float or None
        Overrides ccxt's, where that means something else.
    contract_size_keys : tuple of str
        Keys of the market's own description whose product is the size, where ccxt omits one.
    mark_price : Endpoint or None
        Mark prices of many instruments at once: column ``price``.
    lot_unit : {'contracts', 'base', 'usd'}
        Unit of ccxt's order step. Where a linear contract is one coin, contracts and base are the
        same.
    margin_rule : MarginRule
        What its liquidation price adds to brackets.
    """

    contract_kind: ContractKind
    quotes: tuple[str, ...]
    ohlcv: Candles
    mark_ohlc: Candles | None = None
    open_interest_now: OpenInterest | None = None
    open_interest_history: OpenInterest | None = None
    funding: Funding | None = None
    ratios: tuple[LongShortRatio, ...] = ()
    liquidations: PeriodLiquidations | OrderLiquidations | None = None
    brackets: PublishedBrackets | DescribedBrackets | None = None
    margin_rule: MarginRule = UNKNOWN_RULE
    mark_price: Endpoint | None = None
    contract_size: float | None = None
    contract_size_keys: tuple[str, ...] = ()
    lot_unit: AmountUnit = "contracts"


@dataclass(frozen=True, slots=True)
class Venue:
    """A venue: its ccxt class, how its markets are listed, and its products.

    Parameters
    ----------
    name : str
        The ``venue`` of every record.
    ccxt_id : str
        Class of ccxt.
    products : tuple of Product
        Its perpetuals.
    source : str
        Calls made to list the markets, and where that is published.
    markets_method : str
        ccxt coroutine that lists the markets with the fewest calls.
    options : mapping
        ccxt options that keep that list short.
    coin_key : str
        Key of a ccxt market with the venue's own spelling of the coin. ccxt renames ``base`` by
        rules for spot markets, where the ticker may mean another coin.
    pair_keys : tuple of str
        Keys of the market's own description that may hold ``{pair}``.
    multiplier_prefixes : tuple of (str, int)
        Prefixes, other than digits, of contracts quoted in many units of a coin: the prefix and
        the number of units.
    rate_limits : mapping of str to RateLimit
        Limits by ``rate_group``.
    is_limit_shared : bool
        Whether other processes of a home call the venue too: all claim from one rate limit.
    call_weight : CallWeight
        What a call counts towards a shared rate limit where its endpoint does not declare it.
    stream : Stream or None
        Its liquidation stream.
    not_listed : tuple of ContractClass
        Classes of contracts that the venue does not have.
    not_followed : mapping of ContractClass to str
        Why further classes that no product covers are left out; published.
    """

    name: str
    ccxt_id: str
    products: tuple[Product, ...]
    source: str
    markets_method: str = "fetch_markets"
    options: Params = field(default_factory=lambda: MappingProxyType({}))
    coin_key: str = "baseId"
    pair_keys: tuple[str, ...] = ("pair", "instFamily", "uly")
    multiplier_prefixes: tuple[tuple[str, int], ...] = ()
    rate_limits: Mapping[str, RateLimit] = field(default_factory=lambda: MappingProxyType({}))
    is_limit_shared: bool = False
    call_weight: CallWeight = field(default_factory=CallWeight)
    stream: Stream | None = None
    not_listed: tuple[ContractClass, ...] = ()
    not_followed: Mapping[ContractClass, str] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def reasons(self) -> Mapping[ContractClass, str]:
        """Return why classes are left out, in the words of ``marts.venue_coverage``."""
        not_listed = dict.fromkeys(self.not_listed, "the venue does not list them")
        return {"dated": _EXPIRING, **not_listed, **self.not_followed}
