"""The mapping file: what the columns of a recorded file are, and in which unit.

Belongs here: the mapping as a whole and the checks between its sections. Does not belong here: a
section in itself (`sources.recorded.mapping_sections`), reading data, conversion.
``sources/mappings/example.yaml`` shows every key.
"""

import re
from pathlib import Path
from typing import Annotated, Self

from pydantic import AfterValidator, Field, PrivateAttr, Tag, model_validator

from sources.errors import InputRejected
from sources.recorded.mapping_sections import (
    BAR_PRICES,
    SNAPSHOT_PRICES,
    ColumnReference,
    Folders,
    FundingRule,
    InstrumentRule,
    LiquidationRule,
    MarkRule,
    OfColumn,
    OhlcvRule,
    OpenInterestRule,
    Pattern,
    Period,
    RatioRule,
    SentimentRule,
    TimeRule,
    require_bar,
)
from sources.user_models import NameOrNames, UserModel, near_hint, read_model
from sources.venue_names import venue_name

SHIPPED_FOLDER = Path(__file__).parent.parent / "mappings"

BAR_KINDS = ("ohlcv", "mark_ohlc", "realised_liquidation")
KINDS = (
    "ohlcv",
    "mark_ohlc",
    "open_interest",
    "funding_rate",
    "realised_liquidation",
    "long_short_ratio",
    "sentiment",
)

# An index is of no venue and no contract.
_NO_INSTRUMENT = InstrumentRule.model_construct(unified="USD/USD:USD")


class Mapping(UserModel):
    """A mapping file, read and checked.

    Parameters
    ----------
    description : str
        One line for people.
    matches : tuple of str
        Path patterns of the files it reads, matched from the right.
    within, not_within : tuple of str
        Folder names that mean the market it reads, and those that mean another.
    venue : str or ``{column: name}``
        Venue of every row, or the column that holds it.
    file_name : NamePattern or None
        How file names (without suffix) spell instrument and bar.
    instrument : InstrumentRule
        Where the instrument comes from.
    time : TimeRule
        What the time column holds.
    bar : period or None
        Length of a bar; None where the file name holds it or there are no bars.
    columns : tuple of str
        Column names to assume for a CSV file without a header row.
    where : dict of str to tuple of str
        Values a text column must hold for a row to be read.
    ohlcv, mark_ohlc, open_interest, funding_rate, realised_liquidation, long_short_ratio, \
sentiment
        The kinds the file gives; None where it does not.
    """

    description: str
    matches: NameOrNames = ()
    within: Folders = ()
    not_within: Folders = ()
    venue_source: (
        Annotated[
            Annotated[str, AfterValidator(venue_name), Tag("<value>")]
            | Annotated[ColumnReference, Tag("<column>")],
            OfColumn,
        ]
        | None
    ) = Field(None, alias="venue")
    file_name: Pattern | None = None
    instrument: InstrumentRule = _NO_INSTRUMENT
    time: TimeRule = Field(description="name the column, its unit and its label")
    bar_seconds: Annotated[Period, AfterValidator(require_bar)] | None = Field(None, alias="bar")
    columns: NameOrNames = ()
    where: dict[str, NameOrNames] = Field(default_factory=dict)
    ohlcv: OhlcvRule | None = None
    mark_ohlc: MarkRule | None = None
    open_interest: OpenInterestRule | None = None
    funding_rate: FundingRule | None = None
    realised_liquidation: LiquidationRule | None = None
    long_short_ratio: RatioRule | None = None
    sentiment: SentimentRule | None = None
    _name: str = PrivateAttr("")

    @property
    def name(self) -> str:
        """Return the file's name without suffix."""
        return self._name

    @property
    def source(self) -> str:
        """Return what the rows carry as their source."""
        return f"recorded:{self._name}"

    @property
    def venue(self) -> str | None:
        """Return the venue of every row; None where a column holds it or there is none."""
        return self.venue_source if isinstance(self.venue_source, str) else None

    @property
    def venue_column(self) -> str | None:
        """Return the column that holds the venue."""
        source = self.venue_source
        return source.column if isinstance(source, ColumnReference) else None

    @property
    def row_columns(self) -> tuple[str, ...]:
        """Return the columns that hold a row's instant, venue and instrument, or select it."""
        named = (self.time.column, self.venue_column, self.instrument.column, *self.where)
        return tuple(dict.fromkeys(column for column in named if column is not None))

    @property
    def volume_valued_at(self) -> str | None:
        """Return the price that makes position units of volume; None where none is needed."""
        rule = self.ohlcv
        is_needed = rule is not None and self.instrument.needs_price(rule.volume_unit)
        return rule.volume_valued_at if rule and is_needed else None

    @property
    def open_interest_valued_at(self) -> str | None:
        """Return the price that makes position units of open interest; None without need."""
        rule = self.open_interest
        is_needed = rule is not None and self.instrument.needs_price(rule.decisive_unit)
        return rule.valued_at if rule and is_needed else None

    @model_validator(mode="after")
    def _check_sections(self) -> Self:
        given = [kind for kind in KINDS if getattr(self, kind) is not None]
        if not given:
            raise ValueError(f"names no kind of data: add at least one of {', '.join(KINDS)}")
        if self.sentiment is not None:
            of_contracts = {"venue": "venue_source", "instrument": "instrument"}
            of_contracts |= {key: key for key in ("file_name", *KINDS) if key != "sentiment"}
            for key, field in of_contracts.items():
                if field in self.model_fields_set and getattr(self, field) is not None:
                    raise ValueError(
                        f"'sentiment' is of no contract: move '{key}' into another mapping"
                    )
            return self
        if self.venue_source is None:
            raise ValueError("'venue' is missing: name it, or write 'venue: {column: ...}'")
        if "instrument" not in self.model_fields_set:
            raise ValueError("'instrument' is missing: name the column or symbol it comes from")
        self._check_placeholders()
        self._check_prices()
        self._check_bar(has_bars=any(kind in BAR_KINDS for kind in given))
        return self

    def _check_placeholders(self) -> None:
        rule = self.instrument
        pattern = rule.wide_pattern or rule.column_pattern or self.file_name
        given = pattern.placeholders if pattern else frozenset()
        for placeholder in re.findall(r"\{(\w*)\}", rule.unified):
            if placeholder not in given & {"base", "quote"}:
                raise ValueError(
                    f"instrument: 'unified' uses {{{placeholder}}}, which nothing gives: put it "
                    "into 'column_pattern', 'column_name' or the top-level 'file_name'"
                )

    def _check_prices(self) -> None:
        bars, held, closed = self.ohlcv, self.open_interest, self.realised_liquidation
        if bars and self.instrument.needs_price(bars.volume_unit) and not bars.volume_valued_at:
            raise ValueError(
                f"ohlcv: volume in {bars.volume_unit} needs a price to become position units: "
                f"add 'volume_valued_at: {' | '.join(BAR_PRICES)} | <column>'"
            )
        if held and self.instrument.needs_price(held.decisive_unit) and not held.valued_at:
            raise ValueError(
                f"open_interest: open interest in {held.decisive_unit} needs the price it was "
                "valued at to become position units: "
                f"add 'valued_at: {' | '.join(SNAPSHOT_PRICES)} | <column>', the price at the "
                "instant of the snapshot"
            )
        if closed and closed.unit == "base" and self.instrument.is_inverse:
            raise ValueError(
                "realised_liquidation: liquidations of an inverse contract cannot be read in base "
                "units"
            )
        if self.time.label_change and not (held and held.amount and held.value):
            raise ValueError(
                "time.label_change: value / amount shows the instant of a row: give "
                "both under 'open_interest'"
            )

    def _check_bar(self, *, has_bars: bool) -> None:
        from_file_name = self.file_name is not None and "bar" in self.file_name.placeholders
        if self.bar_seconds is not None and from_file_name:
            raise ValueError("'bar' is given twice: as a key and by {bar} in 'file_name'")
        if has_bars and self.time.label is None:
            raise ValueError("time: 'label' is missing: add 'label: bar_open | bar_end'")
        if has_bars and self.bar_seconds is None and not from_file_name:
            raise ValueError("'bar' is missing: add 'bar: 1h' or {bar} in 'file_name'")


def shipped_mapping_names() -> tuple[str, ...]:
    """Return the names of the mappings that come with liqheat, in order."""
    return tuple(sorted(path.stem for path in SHIPPED_FOLDER.glob("*.yaml")))


def load_mapping(path_or_name: str | Path) -> Mapping:
    """Return the mapping of a YAML file, or the shipped mapping of that name.

    Parameters
    ----------
    path_or_name : str or Path
        A path (ending in .yaml or .yml) or one of `shipped_mapping_names`.

    Raises
    ------
    InputRejected
        If the file is not there, is no YAML, or does not fit the model; the message names the
        file, the key and what was expected.
    """
    path = Path(path_or_name)
    if path.suffix not in (".yaml", ".yml"):
        names = shipped_mapping_names()
        if str(path_or_name) not in names:
            raise InputRejected(
                f"no shipped mapping is named '{path_or_name}'"
                f"{near_hint(str(path_or_name), names)}; for a file of your own give its path, "
                f"ending in .yaml (shipped: {', '.join(names)})"
            )
        path = SHIPPED_FOLDER / f"{path_or_name}.yaml"
    mapping = read_model(path, Mapping)
    mapping._name = path.stem
    return mapping
