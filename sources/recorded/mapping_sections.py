"""The sections of a mapping file: one model each, checked in itself.

Belongs here: what each section may hold. Does not belong here: the mapping as a whole, the checks
between sections (`sources.recorded.mapping`).
"""

import datetime as dt
import re
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Discriminator,
    Field,
    PlainValidator,
    Tag,
    model_validator,
)

from sources.checks import FUNDING_INTERVALS_HOURS
from sources.recorded.name_patterns import NamePattern, parse_unified, unify_symbol
from sources.units import AmountUnit
from sources.user_models import NameOrNames, PositiveNumber, UserModel

RATE_UNITS = {"ratio": 1.0, "percent": 1e-2, "bps": 1e-4}
TIME_UNITS = {"seconds": 1e6, "milliseconds": 1e3, "microseconds": 1.0, "nanoseconds": 1e-3}
BAR_PRICES = ("open", "middle", "close")
SNAPSHOT_PRICES = ("mark_close", "mark_open", "close", "open", "middle")
_PERIOD_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def parse_bar(text: str) -> int:
    """Return the seconds of a period, such as 5m or 1h."""
    return int(text[:-1]) * _PERIOD_SECONDS[text[-1]]


def _parse_period(value: object) -> int:
    found = re.fullmatch(r"(-?)(\d+[smhd])", value) if isinstance(value, str) else None
    if found is None:
        raise ValueError(f"expected a period such as 5m, 1h or 1d, got {value!r}")
    return parse_bar(found[2]) * (-1 if found[1] else 1)


def _require_shift(seconds: int) -> int:
    if seconds <= 0:
        raise ValueError("expected a period above 0, such as 5m")
    return seconds


def require_bar(seconds: int) -> int:
    """Return the length of a bar, refusing one that no day is made of."""
    if not 0 < seconds <= _PERIOD_SECONDS["d"]:
        raise ValueError(f"a bar of {seconds} s; expected more than 0s, at most 1d")
    return seconds


def _parse_day(value: object) -> object:
    try:
        return None if value is None else dt.date.fromisoformat(str(value))
    except ValueError:
        raise ValueError(f"expected a day such as 2026-06-25, got {value!r}") from None


def _parse_pattern(value: object) -> NamePattern:
    if not isinstance(value, str):
        # Pydantic takes a ValueError for a refusal, and lets a TypeError through.
        raise ValueError(f"expected a text, got {value!r}")  # noqa: TRY004
    return NamePattern(value)


def _require_interval(hours: float) -> float:
    if hours not in FUNDING_INTERVALS_HOURS:
        raise ValueError(
            f"expected 1, 2, 4 or 8, got {hours:g}; leave it out where it is not known, it then "
            "follows from the spacing of payments"
        )
    return hours


def _require_unified(symbol: str) -> str:
    parse_unified(symbol)
    return symbol


Period = Annotated[int, BeforeValidator(_parse_period)]
Pattern = Annotated[NamePattern, PlainValidator(_parse_pattern)]
Folders = Annotated[NameOrNames, AfterValidator(lambda names: tuple(map(str.lower, names)))]
FundingInterval = Annotated[float, AfterValidator(_require_interval)]
OfColumn = Discriminator(lambda value: "<column>" if isinstance(value, dict) else "<value>")
"""Tells ``{column: name}`` from a plain value."""


class ColumnReference(UserModel):
    """A column that holds the value row by row."""

    column: str


class InstrumentTerms(UserModel):
    """What differs for one instrument from the defaults.

    Parameters
    ----------
    asset : str or None
        Asset, where the name does not give it.
    contract_size : float or None
        Quoted units (linear) or USD (inverse) of one contract.
    base_multiplier : float or None
        Asset units per quoted unit.
    funding_interval_hours : float or None
        Hours between settlements; null where they are not known.
    """

    asset: str | None = None
    contract_size: PositiveNumber | None = None
    base_multiplier: PositiveNumber | None = None
    funding_interval_hours: FundingInterval | None = None

    @property
    def has_funding_interval(self) -> bool:
        """Return whether the mapping sets this instrument's interval, to null included."""
        return "funding_interval_hours" in self.model_fields_set


class InstrumentRule(UserModel):
    """Where a row's instrument comes from.

    Parameters
    ----------
    unified : str
        Unified symbol, or a template of it with ``{base}`` and ``{quote}``.
    column : str or None
        Column that holds the venue's symbol.
    column_pattern : NamePattern or None
        How that column spells it; default ``{base}``.
    column_name : NamePattern or None
        How column names spell symbol and field, in a file with one column per instrument.
    contract_size : float or None
        Default contract size; None where each instrument must be listed.
    multiplier_prefixes : dict of str to float
        Prefix of a base name and the asset units it means, in addition to 1000 and the like
        and the venue's own.
    terms : dict of str to InstrumentTerms
        By unified symbol, as ccxt spells it.
    """

    unified: Annotated[str, AfterValidator(_require_unified)]
    column: str | None = None
    spelled: Pattern | None = Field(None, alias="column_pattern")
    wide_pattern: Pattern | None = Field(None, alias="column_name")
    contract_size: PositiveNumber | None = None
    multiplier_prefixes: dict[str, PositiveNumber] = Field(default_factory=dict)
    terms: Annotated[
        dict[Annotated[str, AfterValidator(_require_unified)], InstrumentTerms],
        AfterValidator(lambda terms: {unify_symbol(name): one for name, one in terms.items()}),
    ] = Field(default_factory=dict)

    @property
    def column_pattern(self) -> NamePattern | None:
        """Return how `column` spells symbols; None without a column."""
        return (self.spelled or NamePattern("{base}")) if self.column else None

    @property
    def is_inverse(self) -> bool:
        """Return whether the contracts settle in their base."""
        return parse_unified(self.unified).contract_kind == "inverse"

    def needs_price(self, unit: str) -> bool:
        """Return whether an amount in `unit` becomes position units only through a price."""
        return unit == ("base" if self.is_inverse else "usd")

    @model_validator(mode="after")
    def _check_columns(self) -> Self:
        if self.spelled and not self.column:
            raise ValueError("'column_pattern' is set without 'column'")
        if self.column and self.wide_pattern:
            raise ValueError("give 'column' or 'column_name', not both")
        if self.wide_pattern and "field" not in self.wide_pattern.placeholders:
            raise ValueError("'column_name' needs {field}: what the column holds")
        return self


class LabelChange(UserModel):
    """A change of what the labels of snapshots mean.

    Parameters
    ----------
    shift : period
        After the change the instant of a row is its label plus this.
    since : date or None
        First day after the change, for rows no price decides; None where it is not known.
    """

    shift_seconds: Annotated[Period, AfterValidator(_require_shift)] = Field(alias="shift")
    since: Annotated[dt.date | None, BeforeValidator(_parse_day)] = None


class TimeRule(UserModel):
    """What the time column holds.

    Parameters
    ----------
    column : str
        Its name.
    unit : str
        A key of ``TIME_UNITS``, or 'datetime' (Arrow timestamps or ISO text; naive is UTC).
    label : {'bar_open', 'bar_end'} or None
        What the label of a bar is.
    round_to : period or None
        Instants are rounded to a multiple of this.
    label_change : LabelChange or None
        The venue changed what the labels of snapshots mean.
    """

    column: str
    unit: Literal["seconds", "milliseconds", "microseconds", "nanoseconds", "datetime"]
    label: Literal["bar_open", "bar_end"] | None = None
    round_to_seconds: Period | None = Field(None, alias="round_to")
    label_change: LabelChange | None = None

    @property
    def is_bar_end(self) -> bool:
        """Return whether labels are the ends of bars, not their opens."""
        return self.label == "bar_end"


class OhlcvRule(UserModel):
    """Columns of trade bars.

    Parameters
    ----------
    open, high, low, close, volume : str
        Column names.
    volume_unit : str
        Unit of `volume` and `taker_buy`.
    volume_valued_at : str or None
        Price that turns volume into position units where the unit needs one: one of
        ``BAR_PRICES`` or the name of a column.
    taker_buy, trade_count : str or None
        Column names.
    """

    open: str
    high: str
    low: str
    close: str
    volume: str
    volume_unit: AmountUnit
    volume_valued_at: str | None = None
    taker_buy: str | None = None
    trade_count: str | None = None


class MarkRule(UserModel):
    """Columns of mark price bars: the mark at the end of the bar, and all other three or none."""

    close: str
    open: str | None = None
    high: str | None = None
    low: str | None = None

    @model_validator(mode="after")
    def _check_all_or_none(self) -> Self:
        if sum(column is not None for column in (self.open, self.high, self.low)) not in (0, 3):
            raise ValueError("give all of 'open', 'high' and 'low', or only 'close'")
        return self


class OpenInterestRule(UserModel):
    """Columns of open interest.

    Parameters
    ----------
    amount, value : str or None
        Column names; the amount decides where both are given.
    amount_unit, value_unit : str or None
        Their units.
    valued_at : str or None
        Price the value was made with, at the instant of the snapshot: one of
        ``SNAPSHOT_PRICES`` or the name of a column.
    prices_from : tuple of str
        Name patterns of files in the input's folder with those prices; empty: the input itself.
    shift : period
        Label plus this is the instant of the snapshot.
    sides_counted : int or None
        2 where the figures add longs and shorts: position units count each contract once. None:
        as the venue itself reports it.
    """

    amount: str | None = None
    amount_unit: Literal["base", "contracts"] | None = None
    value: str | None = None
    value_unit: Literal["usd", "base"] | None = None
    valued_at: str | None = None
    prices_from: NameOrNames = ()
    shift_seconds: Period = Field(0, alias="shift")
    sides_counted: Literal[1, 2] | None = None

    @property
    def decisive_unit(self) -> AmountUnit:
        """Return the unit of the amount where there is one, else of the value."""
        return (self.amount_unit if self.amount else self.value_unit) or "base"

    @model_validator(mode="after")
    def _check_units(self) -> Self:
        if self.amount is None and self.value is None:
            raise ValueError("name a column: 'amount', 'value', or both")
        if self.amount is not None and self.amount_unit is None:
            raise ValueError("'amount_unit' is missing: add 'amount_unit: base | contracts'")
        if self.value is not None and self.value_unit is None:
            raise ValueError("'value_unit' is missing: add 'value_unit: usd | base'")
        return self


class FundingRule(UserModel):
    """Columns of funding rates.

    Parameters
    ----------
    rate : str
        Column name.
    rate_unit : str
        A key of ``RATE_UNITS``.
    interval_hours : float, ``{column: name}`` or None
        Hours between settlements, or the column that holds them.
    repeated : bool
        Whether rows repeat the settled rate until the next settlement.
    shift : period
        Label plus this is the instant of the settlement.
    """

    rate: str
    rate_unit: Literal["ratio", "percent", "bps"]
    interval: (
        Annotated[
            Annotated[FundingInterval, Tag("<value>")]
            | Annotated[ColumnReference, Tag("<column>")],
            OfColumn,
        ]
        | None
    ) = Field(None, alias="interval_hours")
    is_repeated: bool = Field(False, alias="repeated")
    shift_seconds: Period = Field(0, alias="shift")

    @property
    def interval_hours(self) -> float | None:
        """Return the hours between settlements where they are one number."""
        return self.interval if isinstance(self.interval, float) else None

    @property
    def interval_column(self) -> str | None:
        """Return the column that holds the hours between settlements."""
        return self.interval.column if isinstance(self.interval, ColumnReference) else None

    @model_validator(mode="after")
    def _check_interval(self) -> Self:
        if self.is_repeated and self.interval_column is not None:
            raise ValueError("'repeated' needs 'interval_hours' as a number, or none at all")
        return self


class LiquidationRule(UserModel):
    """Columns of realised liquidations by period.

    Parameters
    ----------
    long, short : str
        Column names, by side of the position that was closed.
    unit : str
        Unit of both.
    is_complete_feed : bool
        False where the venue throttles what it publishes.
    """

    long: str
    short: str
    unit: AmountUnit
    is_complete_feed: bool = Field(
        description="set true where the venue publishes every order, false where it throttles and "
        "the figures are a lower bound"
    )


class RatioRule(UserModel):
    """Columns of long/short ratios by measure; label plus `shift` is the instant."""

    accounts: str | None = None
    top_accounts: str | None = None
    top_positions: str | None = None
    taker_volume: str | None = None
    shift_seconds: Period = Field(0, alias="shift")

    @property
    def columns(self) -> dict[str, str]:
        """Return the column names by measure."""
        return self.model_dump(exclude={"shift_seconds"}, exclude_none=True)

    @model_validator(mode="after")
    def _check_any(self) -> Self:
        if not self.columns:
            measures = [key for key in self.fields_by_key() if key != "shift"]
            raise ValueError(f"name at least one measure: {', '.join(measures)}")
        return self


class SentimentRule(UserModel):
    """Columns of an index of market sentiment.

    Parameters
    ----------
    index : str
        Name of the index, such as ``fear_greed``.
    value : str
        Column name; the figure is 0 to 100.
    shift : period
        Label plus this is the instant from which the figure is known.
    """

    index: str
    value: str
    shift_seconds: Period = Field(0, alias="shift")
