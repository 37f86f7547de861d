"""The terms in which a venue's margin brackets are declared.

Belongs here: the layouts in which venues publish brackets, and what a liquidation price adds to
them. Does not belong here: reading them (`sources.venues.brackets`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from sources.units import AmountUnit
from sources.venues.endpoints import Columns, Endpoint


@dataclass(frozen=True, slots=True)
class MarginRule:
    """What a venue's formula of the liquidation price adds to margins by size.

    Parameters
    ----------
    source : str
        Where the rule is published.
    deduction : {'none', 'published', 'continuous'}
        What is deducted from a bracket's ratio times the position: nothing, so that the ratio
        holds for the whole position; the amount published with each bracket (column ``cum``); or
        the amount that makes the requirement continuous in size.
    fee_ratio : float
        Liquidation fee that the formula adds to the maintenance margin [ratio of notional].
    fee_key : str or None
        Key of the contract's own fee in the market's description.
    """

    source: str
    deduction: Literal["none", "published", "continuous"] = "none"
    fee_ratio: float = 0.0
    fee_key: str | None = None


UNKNOWN_RULE = MarginRule(source="not known: margins by size alone")


@dataclass(frozen=True, slots=True)
class BracketRows:
    """Margin brackets: columns ``cap``, ``maintenance``, ``leverage``.

    Optional columns are ``floor``, by default the cap of the bracket before it, ``number``
    (consecutive) and ``cum``, the deduction.

    Parameters
    ----------
    endpoint : Endpoint
        Where the venue publishes them.
    notional_unit : {'usd', 'base', 'contracts'}
        Unit of floor and cap; other units than USD are valued at the current mark price.
    brackets_key : str or None
        Key of the list of brackets, in responses with one row for each instrument.
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
    """Brackets for each leverage a trader may select, as shares of the initial margin.

    Columns ``leverage`` of the list, ``cap`` and ``share`` of its brackets. The maintenance margin
    ratio at leverage L is share / L, so it depends on the leverage as well as on the size. The list
    of the highest leverage is used, where the ratio matters most.

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
    """Brackets in tables that instruments share: each names one, or has a single bracket.

    Columns ``table`` and ``leverage`` of an instrument's row; ``tier_floor`` [USD] and
    ``tier_leverage`` of a table's.

    Parameters
    ----------
    endpoint : Endpoint
        Endpoint of instruments and tables.
    tables : str
        Key of the response that holds pairs of a table's number and the table.
    tiers_key : str
        Key of the list of tiers in a table.
    first_table : int
        Lower numbers are no tables: a single bracket at the instrument's leverage.
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
    """Brackets in a market's own description: a first one and its increments.

    The first bracket ends at ``first`` units, bracket n at (n - 1) ``step`` units more, the last
    at ``largest``; margins are the first ones plus (n - 1) increments. A step of 0 means a single
    bracket. A list under ``listed`` replaces all of this.

    Parameters
    ----------
    first, step, largest, maintenance, maintenance_step, initial, initial_step : str
        Keys of the description.
    listed : str
        Key of a list of brackets, where the venue gives one.
    listed_columns : mapping of str to Column
        Its columns, as in `BracketRows`.
    value_mark : (str, str)
        A key and its value that mean that units are USD; else they are contracts.
    source : str
        Where this is published.
    """

    first: str
    step: str
    largest: str
    maintenance: str
    maintenance_step: str
    initial: str
    initial_step: str
    listed: str
    listed_columns: Columns
    value_mark: tuple[str, str]
    source: str
    notional_unit: Literal["contracts"] = "contracts"


@dataclass(frozen=True, slots=True)
class GrowingMargins:
    """Margins that grow linearly with the position, by coin; cut into brackets of equal size.

    Parameters
    ----------
    maintenance, initial : float
        Margin of the smallest position [ratio].
    growth : mapping of str to float
        Growth of both for each unit of a coin [ratio per base unit]; other coins are left out.
    leverage_key : str
        Key of the market's description that holds the maximum leverage.
    source : str
        Where this is published.
    """

    maintenance: float
    initial: float
    growth: Mapping[str, float]
    leverage_key: str
    source: str
    notional_unit: Literal["base"] = "base"


PublishedBrackets: TypeAlias = BracketRows | LeverageLadders | MarginTables
DescribedBrackets: TypeAlias = StepBrackets | GrowingMargins
