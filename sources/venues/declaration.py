"""The terms in which a venue is declared.

Belongs here: what can be declared of an endpoint, a stream, a product, and what declarations
share. Does not belong here: what one venue publishes (`sources.venues.declared`, which shows how to
read a declaration), nor code that acts on it (`sources.venues.client`).

Placeholders of ``params``: ``{id}``, ``{coin}``, ``{settle}``, ``{pair}`` of the instrument;
``{start}`` and ``{end}``, the first and last wanted label in ``time_unit``, moved by
``start_shift`` and ``end_shift`` of that unit; ``{limit}``; ``{page}``. A value that is one
placeholder and nothing else keeps its type, so a number is sent as a number.

A column is a list position or a key; a tuple names alternatives, of which the first that is
present and not empty is taken.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from types import MappingProxyType
from typing import Literal, TypeAlias

Column: TypeAlias = str | int | tuple[str | int, ...]
Params: TypeAlias = Mapping[str, object]
AmountUnit = Literal["base", "contracts", "usd"]

ContractClass = Literal["linear_usdt", "linear_usdc", "inverse", "dated"]
"""Kinds of contracts as people name them: perpetuals settled in USDT, in USDC, in the coin itself,
and futures that expire."""

BAR_SECONDS = 300
"""Length of the bars requested: the finest period in which venues publish open interest."""

OHLC: Mapping[str, Column] = MappingProxyType(
    {"time": 0, "open": 1, "high": 2, "low": 3, "close": 4}
)
OHLCV: Mapping[str, Column] = MappingProxyType({**OHLC, "volume": 5})
NAMED_OHLC: Mapping[str, Column] = MappingProxyType(
    {"open": "open", "high": "high", "low": "low", "close": "close"}
)
LETTER_OHLC: Mapping[str, Column] = MappingProxyType(
    {"time": "t", "open": "o", "high": "h", "low": "l", "close": "c"}
)

# Why contracts are left out, in the words of marts.venue_coverage.
EXPIRING = "they expire and trade at a basis to the perpetual"
NOT_LISTED = "the venue does not list them"

Paging = Literal["windows", "newest", "oldest", "numbered", "latest"]
"""How more rows than fit in one answer are reached.

windows
    Labels lie on a regular grid: the span is cut into windows that fit.
newest
    A full answer holds the newest rows of the span: the next ends before its oldest row.
oldest
    A full answer holds the oldest rows of the span: the next begins at its newest row.
numbered
    Pages are numbered from 1, newest first, and know no span.
latest
    Only the newest rows exist, in one answer.
"""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One endpoint, read for rows of one kind.

    Parameters
    ----------
    method : str
        ccxt's endpoint method.
    params : mapping
        Request parameters with placeholders.
    columns : mapping of str to Column
        Where each field is in a row; ``time`` is the row's label.
    source : str
        Where the facts of this declaration were read.
    rows : tuple of str or int
        Path from the answer to its rows; a single mapping there is one row.
    joined_rows : tuple of str or int
        Path to a second list, whose mappings are merged into the rows one by one.
    is_columnar : bool
        At ``rows`` is a mapping of equally long lists.
    limit : int
        Most rows in one answer.
    paging : Paging
        How further rows are reached.
    time_unit : {'ms', 's'}
        Unit of ``{start}`` and ``{end}``.
    label_unit : {'ms', 's'}
        Unit of the label of a row.
    start_shift, end_shift : int
        Added to ``{start}`` and ``{end}`` [time_unit] where the venue leaves its bounds out.
    period_seconds : int
        Spacing of the labels [seconds]; 0 where they are irregular.
    settles_after_seconds : int
        A row may still change until this long after its label [seconds].
    closed : tuple of Column and str, or None
        Where the venue itself says that a row is final, and how; a row that says anything else is
        not, whatever the clock says.
    reach : timedelta or None
        How far back the venue answers; None where no bound is documented.
    longest_span : timedelta or None
        Longest span one request may cover, where the venue bounds it.
    answer_time : str or None
        Key of the answer that tells when it was made [ms], for rows without a label.
    per : {'instrument', 'product', 'coin'}
        One call for each instrument, for all of the product, or for each coin.
    id_column : Column or None
        Which column names the instrument, in answers for many.
    id_key : str
        Key of a ccxt market that ``id_column`` spells.
    rate_group : str or None
        Which of the venue's own rate limits it counts towards, besides ccxt's pace.
    needs_key : bool
        The endpoint is private.
    """

    method: str
    params: Params
    columns: Mapping[str, Column]
    source: str
    rows: tuple[str | int, ...] = ()
    joined_rows: tuple[str | int, ...] = ()
    is_columnar: bool = False
    limit: int = 1
    paging: Paging = "latest"
    time_unit: Literal["ms", "s"] = "ms"
    label_unit: Literal["ms", "s"] = "ms"
    start_shift: int = 0
    end_shift: int = 0
    period_seconds: int = 0
    settles_after_seconds: int = 0
    closed: tuple[Column, str] | None = None
    reach: timedelta | None = None
    longest_span: timedelta | None = None
    answer_time: str | None = None
    per: Literal["instrument", "product", "coin"] = "instrument"
    id_column: Column | None = None
    id_key: str = "id"
    rate_group: str | None = None
    needs_key: bool = False

    def is_same_call(self, other: "Endpoint") -> bool:
        """Return whether one answer serves both, so that it is asked for only once."""
        return self.method == other.method and self.params == other.params


@dataclass(frozen=True, slots=True)
class Candles:
    """Bars: columns ``time, open, high, low, close`` and, of trades, ``volume`` and more.

    Parameters
    ----------
    endpoints : tuple of Endpoint
        From the most recent to the furthest reaching; the first that reaches far enough is used.
    volume_unit : {'base', 'contracts', 'usd'}
        Unit of ``volume`` and ``taker_buy``.
    sides_counted : {1, 2}
        2 where the venue counts a trade once for its buyer and once for its seller.
    """

    endpoints: tuple[Endpoint, ...]
    volume_unit: AmountUnit = "base"
    sides_counted: Literal[1, 2] = 1


@dataclass(frozen=True, slots=True)
class OpenInterest:
    """Open interest: columns ``amount``, ``value``, and ``price`` for the audit of units.

    Parameters
    ----------
    endpoint : Endpoint
        Where it is told.
    amount_unit : {'base', 'contracts', None}
        Unit of ``amount``; None where only a value is told.
    value_unit : {'usd', 'base', None}
        Unit of ``value``.
    quantity_from : {'amount', 'value'}
        Which of the two becomes the quantity; never one that needs a price to be undone.
    sides_counted : {1, 2}
        2 where the venue adds longs and shorts. A contract has one of each and counts once here.
        Where it gives the figure of one side too, that is the column ``one_side``: the two must
        say the same.
    label_shift_seconds : int
        What is labelled t holds at t + this [seconds].
    """

    endpoint: Endpoint
    amount_unit: Literal["base", "contracts"] | None = "base"
    value_unit: Literal["usd", "base"] | None = None
    quantity_from: Literal["amount", "value"] = "amount"
    sides_counted: Literal[1, 2] = 1
    label_shift_seconds: int = 0


@dataclass(frozen=True, slots=True)
class Funding:
    """Funding that was paid: columns ``time`` and ``rate`` (per interval).

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


@dataclass(frozen=True, slots=True)
class LongShortRatio:
    """A long/short ratio: column ``ratio``, or ``long`` and ``short`` to be divided.

    Parameters
    ----------
    endpoint : Endpoint
        Where it is told.
    measure : {'accounts', 'top_accounts', 'top_positions', 'taker_volume'}
        What is counted.
    label_shift_seconds : int
        What is labelled t holds at t + this [seconds].
    """

    endpoint: Endpoint
    measure: Literal["accounts", "top_accounts", "top_positions", "taker_volume"]
    label_shift_seconds: int = 0


@dataclass(frozen=True, slots=True)
class RateLimit:
    """A limit of the venue that ccxt's pace does not keep.

    Parameters
    ----------
    calls : int
        Calls allowed within any span.
    seconds : float
        Length of the span.
    """

    calls: int
    seconds: float


SideRule: TypeAlias = tuple[str, str, bool]
"""A column, a value of it, and whether that value means that a long position was closed."""


@dataclass(frozen=True, slots=True)
class PeriodLiquidations:
    """Liquidations summed over periods: ``long_amount, long_usd, short_amount, short_usd``.

    Parameters
    ----------
    endpoint : Endpoint
        Where they are told; the period is its ``period_seconds``, labelled at its start.
    amount_unit : {'base', 'contracts', 'usd'}
        Unit of the amounts.
    is_complete : bool
        False where the venue tells only a sample: a lower bound.
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
        Where they are told.
    amount_unit : {'base', 'contracts', 'usd'}
        Unit of the amount.
    is_complete : bool
        False where the venue tells only a sample: a lower bound.
    sides : tuple of SideRule
        Tried in this order.
    mark_column : str or None
        In a list of all trades: the column only liquidations fill. ``taker_marks`` are those of
        trades whose taker was liquidated (the rules of ``sides`` apply), ``maker_marks`` those
        whose maker was (they apply turned round); a mark in both makes two rows.
    """

    endpoint: Endpoint
    amount_unit: AmountUnit
    is_complete: bool
    sides: tuple[SideRule, ...]
    mark_column: str | None = None
    taker_marks: tuple[str, ...] = ()
    maker_marks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LiquidationRule:
    """What a venue's formula of the liquidation price has besides margins by size.

    Parameters
    ----------
    source : str
        Where this was read.
    deduction : {'none', 'published', 'continuous'}
        What is taken off the ratio of a bracket times the position: nothing, so that the ratio
        holds for the whole position; the amount each bracket carries (column ``cum``); or, as the
        venue says in words, what makes the requirement continuous in size.
    fee_ratio : float
        Fee of the liquidation order that the formula keeps on top of the maintenance margin [ratio
        of notional]; 0 where it keeps none.
    fee_key : str or None
        Key of the market's own description that holds the fee of the contract, where there is one.
    """

    source: str
    deduction: Literal["none", "published", "continuous"] = "none"
    fee_ratio: float = 0.0
    fee_key: str | None = None


UNKNOWN_RULE = LiquidationRule(source="not known: margins by size alone")


@dataclass(frozen=True, slots=True)
class Brackets:
    """Margin brackets: columns ``cap``, ``maintenance``, ``leverage``, and more where published.

    Those are ``floor``, by default the cap of the bracket before it, ``number`` (consecutive) and
    ``cum``, the deduction.

    Parameters
    ----------
    endpoint : Endpoint
        Where the venue publishes them.
    notional_unit : {'usd', 'base', 'contracts'}
        Unit of floor and cap; what is not USD is valued at the mark price of the moment.
    brackets_key : str or None
        Key of the list of brackets, in answers with one row for each instrument.
    floor_step : float
        How far a floor may lie above the cap before it: one lot, or the rounding of a cap
        [notional_unit].
    """

    endpoint: Endpoint
    notional_unit: AmountUnit = "usd"
    brackets_key: str | None = None
    floor_step: float = 0.0


@dataclass(frozen=True, slots=True)
class LeverageLadders:
    """Brackets for each leverage a trader may choose, as shares of the initial margin.

    Columns ``leverage`` of the list, ``cap`` and ``share`` of its brackets. The maintenance margin
    ratio at leverage L is share / L, so it depends on the choice as well as on the size. The list
    of the highest leverage is taken, where the ratio matters most.

    Parameters
    ----------
    endpoint : Endpoint
        Where the venue publishes them.
    lists_key, brackets_key : str
        Keys of the lists in a row, and of the brackets in a list.
    notional_unit : {'usd', 'base', 'contracts'}
        Unit of the cap.
    """

    endpoint: Endpoint
    lists_key: str
    brackets_key: str
    notional_unit: AmountUnit = "contracts"


@dataclass(frozen=True, slots=True)
class MarginTables:
    """Brackets as tables that instruments share: each names one, or has a single bracket.

    Columns ``table`` and ``leverage`` of an instrument's row; ``tier_floor`` [USD] and
    ``tier_leverage`` of a table's.

    Parameters
    ----------
    endpoint : Endpoint
        Where the venue publishes instruments and tables.
    tables : str
        Key of the answer that holds pairs of a table's number and the table.
    tiers_key : str
        Key of the list of tiers in a table.
    first_table : int
        Numbers below this are no tables: a single bracket at the instrument's leverage.
    maintenance_share : float
        Maintenance margin as a share of the initial margin at the tier's maximum leverage [ratio].
    """

    endpoint: Endpoint
    tables: str
    tiers_key: str
    first_table: int
    maintenance_share: float
    notional_unit: Literal["usd"] = "usd"


@dataclass(frozen=True, slots=True)
class StepBrackets:
    """Brackets that a market's own description gives as a first one and its increments.

    The first bracket ends at ``first`` units, bracket n at (n - 1) ``step`` units more, the last
    at ``largest``; margins are the first ones plus (n - 1) increments. A step of 0 means that one
    bracket is all there is. A list under ``listed`` replaces all of this.

    Parameters
    ----------
    first, step, largest, maintenance, maintenance_step, initial, initial_step : str
        Keys of the description.
    listed : str
        Key of a list of brackets, where the venue gives one.
    listed_columns : mapping of str to Column
        Its columns, as in ``Brackets``.
    value_mark : (str, str)
        A key and its value that mean that units are USD; else they are contracts.
    source : str
        Where this was read.
    """

    first: str
    step: str
    largest: str
    maintenance: str
    maintenance_step: str
    initial: str
    initial_step: str
    listed: str
    listed_columns: Mapping[str, Column]
    value_mark: tuple[str, str]
    source: str
    notional_unit: Literal["contracts"] = "contracts"


@dataclass(frozen=True, slots=True)
class GrowingMargins:
    """Margins that grow evenly with the position, by coin; cut into brackets of even size.

    Parameters
    ----------
    maintenance, initial : float
        Margin of the smallest position [ratio].
    growth : mapping of str to float
        What both grow by for each unit of a coin [ratio per base unit]. Other coins have none.
    leverage_key : str
        Key of the market's description that holds the maximum leverage.
    source : str
        Where this was read.
    """

    maintenance: float
    initial: float
    growth: Mapping[str, float]
    leverage_key: str
    source: str
    notional_unit: Literal["base"] = "base"


PublishedBrackets: TypeAlias = Brackets | LeverageLadders | MarginTables
DescribedBrackets: TypeAlias = StepBrackets | GrowingMargins


@dataclass(frozen=True, slots=True)
class Stream:
    """A websocket feed of liquidations, as the venue spells its messages.

    Parameters
    ----------
    rows : tuple of str
        Path from the message to its rows; a single mapping there is one row.
    details_key : str or None
        Key of the list of orders within a row, which then lends them its own fields.
    columns : mapping of str to Column
        ``time`` [ms], ``id``, ``price``, ``amount``.
    sides : tuple of SideRule
        Tried in this order.
    amount_unit_linear, amount_unit_inverse : {'base', 'contracts', 'usd'}
        Unit of ``amount``.
    is_complete : bool
        False where the venue throttles the feed: a lower bound.
    is_per_instrument : bool
        Subscribed instrument by instrument; else one subscription carries the whole product.
    source : str
        Where this was read.
    """

    rows: tuple[str, ...]
    columns: Mapping[str, Column]
    sides: tuple[SideRule, ...]
    amount_unit_linear: AmountUnit
    amount_unit_inverse: AmountUnit
    is_complete: bool
    is_per_instrument: bool
    source: str
    details_key: str | None = None


@dataclass(frozen=True, slots=True)
class Product:
    """The linear or the inverse perpetuals of a venue, and what the venue tells of them.

    Parameters
    ----------
    contract_kind : {'linear', 'inverse'}
        Which of ccxt's two flags a market must carry.
    quotes : tuple of str
        Quote currencies taken for USD. Demo and exotic quotes stay out.
    contract_size : float or None
        Overrules ccxt's, where that is something else.
    contract_size_keys : tuple of str
        Keys of the market's own description whose product is the size, where ccxt leaves one out.
    mark_price : Endpoint or None
        Mark prices of many instruments at once: column ``price``.
    lot_unit : {'contracts', 'base', 'usd'}
        Unit of the smallest lot as ccxt gives it. Where a linear contract is one coin, contracts
        and base are the same.
    liquidation_rule : LiquidationRule
        What its liquidation price has besides brackets.
    """

    contract_kind: Literal["linear", "inverse"]
    quotes: tuple[str, ...]
    ohlcv: Candles
    mark_ohlc: Candles | None = None
    open_interest_now: OpenInterest | None = None
    open_interest_history: OpenInterest | None = None
    funding: Funding | None = None
    ratios: tuple[LongShortRatio, ...] = ()
    liquidations: PeriodLiquidations | OrderLiquidations | None = None
    brackets: PublishedBrackets | DescribedBrackets | None = None
    liquidation_rule: LiquidationRule = UNKNOWN_RULE
    mark_price: Endpoint | None = None
    contract_size: float | None = None
    contract_size_keys: tuple[str, ...] = ()
    lot_unit: AmountUnit = "contracts"


@dataclass(frozen=True, slots=True)
class Venue:
    """A venue: how ccxt calls it, how its markets are listed, and its products.

    Parameters
    ----------
    name : str
        The ``venue`` of every record.
    ccxt_id : str
        Class of ccxt.
    products : tuple of Product
        What is traded there.
    source : str
        Which calls listing the markets makes, and where that was read.
    markets_method : str
        ccxt coroutine that lists the markets with the fewest calls.
    options : mapping
        ccxt options that keep that list small.
    coin_key : str
        Key of a ccxt market that spells the coin as the venue does. ccxt's own ``base`` is
        renamed by rules made for spot markets, where a ticker may be another coin.
    pair_keys : tuple of str
        Keys of the market's own description that may hold ``{pair}``.
    multiplier_prefixes : tuple of (str, int)
        How the venue marks contracts quoted in many units of a coin, besides digits: the prefix
        as spelled and the number of units.
    rate_limits : mapping of str to RateLimit
        Limits by ``rate_group``.
    stream : Stream or None
        Its liquidation feed.
    not_followed : mapping of ContractClass to str
        Why the classes that no product covers are left out, in words for readers.
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
    stream: Stream | None = None
    not_followed: Mapping[ContractClass, str] = field(default_factory=lambda: MappingProxyType({}))
