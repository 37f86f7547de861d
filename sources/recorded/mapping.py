"""The mapping file: what it may say, and how strictly it is read.

Belongs here: the typed form of a mapping, its parsing and its refusals. Does not belong here:
reading data, conversion.
"""

import datetime as dt
import re
from collections.abc import Mapping as MappingOf
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sources.checks import FUNDING_INTERVALS_HOURS
from sources.errors import InputRejected
from sources.recorded.name_patterns import NamePattern, nearest, parse_unified, unify_symbol
from sources.user_files import read_yaml
from sources.venue_names import venue_name

SHIPPED_FOLDER = Path(__file__).parent.parent / "mappings"

AMOUNT_UNITS = ("base", "contracts", "usd")
RATE_UNITS = {"ratio": 1.0, "percent": 1e-2, "bps": 1e-4}
TIME_UNITS = {"seconds": 1e6, "milliseconds": 1e3, "microseconds": 1.0, "nanoseconds": 1e-3}
BAR_PRICES = ("open", "middle", "close")
SNAPSHOT_PRICES = ("mark_close", "mark_open", "close", "open", "middle")
RATIO_MEASURES = ("accounts", "top_accounts", "top_positions", "taker_volume")
_PERIOD_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


@dataclass(frozen=True, slots=True)
class InstrumentTerms:
    """What the mapping says of one instrument over the defaults.

    Parameters
    ----------
    asset : str or None
        Asset, where the name does not give it.
    contract_size : float or None
        Quoted units (linear) or USD (inverse) of one contract.
    base_multiplier : float or None
        Asset units per quoted unit.
    funding_interval_hours : float or None
        Hours between settlements; None with `has_funding_interval` set means not known.
    has_funding_interval : bool
        Whether the mapping speaks of this instrument's interval at all.
    """

    asset: str | None = None
    contract_size: float | None = None
    base_multiplier: float | None = None
    funding_interval_hours: float | None = None
    has_funding_interval: bool = False


@dataclass(frozen=True, slots=True)
class InstrumentRule:
    """Where a row's instrument comes from.

    Parameters
    ----------
    unified : str
        Unified symbol, or a template of it with ``{base}`` and ``{quote}``.
    is_inverse : bool
        Whether the contracts settle in their base.
    column : str or None
        Column that holds the venue's symbol.
    column_pattern : NamePattern or None
        How that column spells it.
    wide_pattern : NamePattern or None
        How column names spell symbol and field, in a file with one column per instrument.
    contract_size : float or None
        Default contract size; None where each instrument must be listed.
    multiplier_prefixes : Mapping of str to float
        Prefix of a base name and the asset units it stands for, beside 1000 and its like and the
        venue's own.
    terms : Mapping of str to InstrumentTerms
        By unified symbol, as ccxt spells it.
    """

    unified: str
    is_inverse: bool
    column: str | None
    column_pattern: NamePattern | None
    wide_pattern: NamePattern | None
    contract_size: float | None
    multiplier_prefixes: MappingOf[str, float]
    terms: MappingOf[str, InstrumentTerms]

    def needs_price(self, unit: str) -> bool:
        """Return whether an amount in `unit` becomes position units only through a price."""
        return unit == ("base" if self.is_inverse else "usd")


@dataclass(frozen=True, slots=True)
class TimeRule:
    """What the time column holds.

    Parameters
    ----------
    column : str
        Its name.
    unit : str
        A key of ``TIME_UNITS``, or 'datetime' (Arrow timestamps or ISO text; naive is UTC).
    is_bar_end : bool
        Whether labels are the ends of bars, not their opens.
    round_to_seconds : int or None
        Instants are rounded to a multiple of this.
    label_change : LabelChange or None
        The venue changed what the labels of snapshots stand for.
    """

    column: str
    unit: str
    is_bar_end: bool
    round_to_seconds: int | None
    label_change: "LabelChange | None" = None


@dataclass(frozen=True, slots=True)
class LabelChange:
    """A change of what the labels of snapshots stand for.

    Parameters
    ----------
    shift_seconds : int
        After the change a row stands for its label plus this.
    since : date or None
        First day after the change, for rows no price tells; None where nobody knows it.
    """

    shift_seconds: int
    since: dt.date | None


@dataclass(frozen=True, slots=True)
class OhlcvRule:
    """Columns of trade bars.

    Parameters
    ----------
    open, high, low, close, volume : str
        Column names.
    volume_unit : str
        One of ``AMOUNT_UNITS``.
    volume_valued_at : str or None
        Price that turns volume into position units where the unit needs one: one of
        ``BAR_PRICES`` or the name of a column.
    taker_buy, trade_count : str or None
        Column names; taker buys are in the unit of the volume.
    """

    open: str
    high: str
    low: str
    close: str
    volume: str
    volume_unit: str
    volume_valued_at: str | None
    taker_buy: str | None
    trade_count: str | None


@dataclass(frozen=True, slots=True)
class MarkRule:
    """Columns of mark price bars.

    Parameters
    ----------
    close : str
        Mark at the end of the bar.
    open, high, low : str or None
        All three or none.
    """

    close: str
    open: str | None
    high: str | None
    low: str | None


@dataclass(frozen=True, slots=True)
class OpenInterestRule:
    """Columns of open interest.

    Parameters
    ----------
    amount, value : str or None
        Column names; the amount decides where both are given.
    amount_unit : str or None
        'base' or 'contracts'.
    value_unit : str or None
        'usd' or 'base'.
    valued_at : str or None
        Price the value was made with, at the instant of the snapshot: one of
        ``SNAPSHOT_PRICES`` or the name of a column.
    prices_from : tuple of str
        Name patterns of files beside the input that hold those prices; empty: the input itself.
    shift_seconds : int
        Label plus this is the instant of the snapshot.
    sides_counted : int or None
        2 where the figures add longs and shorts: position units count each contract once. None
        where the mapping does not say: as the venue itself reports it.
    """

    amount: str | None
    amount_unit: str | None
    value: str | None
    value_unit: str | None
    valued_at: str | None
    prices_from: tuple[str, ...]
    shift_seconds: int
    sides_counted: int | None


@dataclass(frozen=True, slots=True)
class FundingRule:
    """Columns of funding rates.

    Parameters
    ----------
    rate : str
        Column name.
    rate_unit : str
        A key of ``RATE_UNITS``.
    interval_hours : float or None
        Hours between settlements.
    interval_column : str or None
        Column that holds them.
    is_repeated : bool
        Whether rows repeat the settled rate until the next settlement.
    shift_seconds : int
        Label plus this is the instant of the settlement.
    """

    rate: str
    rate_unit: str
    interval_hours: float | None
    interval_column: str | None
    is_repeated: bool
    shift_seconds: int


@dataclass(frozen=True, slots=True)
class LiquidationRule:
    """Columns of realised liquidations by period.

    Parameters
    ----------
    long, short : str
        Column names, by side of the position that was closed.
    unit : str
        One of ``AMOUNT_UNITS``.
    is_complete_feed : bool
        False where the venue throttles what it publishes.
    """

    long: str
    short: str
    unit: str
    is_complete_feed: bool


@dataclass(frozen=True, slots=True)
class RatioRule:
    """Columns of long/short ratios.

    Parameters
    ----------
    columns : Mapping of str to str
        Column name by measure.
    shift_seconds : int
        Label plus this is the instant of the snapshot.
    """

    columns: MappingOf[str, str]
    shift_seconds: int


@dataclass(frozen=True, slots=True)
class SentimentRule:
    """Columns of an index of market sentiment.

    Parameters
    ----------
    index : str
        Name of the index, such as ``fear_greed``.
    value : str
        Column name; the figure is 0 to 100.
    shift_seconds : int
        Label plus this is the instant from which the figure is known.
    """

    index: str
    value: str
    shift_seconds: int


# An index is of no venue and no contract.
_NO_INSTRUMENT = InstrumentRule("", False, None, None, None, None, {}, {})


@dataclass(frozen=True, slots=True)
class Mapping:
    """A mapping file, read and checked.

    Parameters
    ----------
    name : str
        File name without suffix; rows carry it as ``recorded:<name>``.
    description : str
        One line for people.
    matches : tuple of str
        Path patterns of the files it reads, matched from the right.
    within, not_within : tuple of str
        Folder names that mean the market it reads, and those that mean another.
    venue : str or None
        Venue of every row, or None where `venue_column` says it or there is none.
    venue_column : str or None
        Column that holds the venue.
    file_name : NamePattern or None
        How file names (without suffix) spell instrument and bar.
    instrument : InstrumentRule
        Where the instrument comes from.
    time : TimeRule
        What the time column holds.
    bar_seconds : int or None
        Length of a bar; None where the file name says it or there are no bars.
    columns : tuple of str
        Column names to assume for a CSV file without a header row.
    where : Mapping of str to tuple of str
        Values a text column must hold for a row to be read.
    ohlcv, mark_ohlc, open_interest, funding_rate, realised_liquidation, long_short_ratio, \
sentiment
        The kinds the file gives; None where it does not.
    """

    name: str
    description: str
    matches: tuple[str, ...]
    within: tuple[str, ...]
    not_within: tuple[str, ...]
    venue: str | None
    venue_column: str | None
    file_name: NamePattern | None
    instrument: InstrumentRule
    time: TimeRule
    bar_seconds: int | None
    columns: tuple[str, ...]
    where: MappingOf[str, tuple[str, ...]]
    ohlcv: OhlcvRule | None = None
    mark_ohlc: MarkRule | None = None
    open_interest: OpenInterestRule | None = None
    funding_rate: FundingRule | None = None
    realised_liquidation: LiquidationRule | None = None
    long_short_ratio: RatioRule | None = None
    sentiment: SentimentRule | None = None

    @property
    def source(self) -> str:
        """Return what the rows carry as their source."""
        return f"recorded:{self.name}"

    @property
    def row_columns(self) -> tuple[str, ...]:
        """Return the columns that say when, where and of what a row is."""
        named = (self.time.column, self.venue_column, self.instrument.column, *self.where)
        return tuple(dict.fromkeys(column for column in named if column is not None))


# What each level of a mapping file may say; anything else is refused before it is read.
_KEYS: dict[str, tuple[str, ...]] = {
    "": (
        "description",
        "matches",
        "within",
        "not_within",
        "venue",
        "file_name",
        "instrument",
        "time",
        "bar",
        "columns",
        "where",
        "ohlcv",
        "mark_ohlc",
        "open_interest",
        "funding_rate",
        "realised_liquidation",
        "long_short_ratio",
        "sentiment",
    ),
    "venue": ("column",),
    "instrument": (
        "unified",
        "column",
        "column_pattern",
        "column_name",
        "contract_size",
        "multiplier_prefixes",
        "terms",
    ),
    "terms": ("asset", "contract_size", "base_multiplier", "funding_interval_hours"),
    "time": ("column", "unit", "label", "round_to", "label_change"),
    "label_change": ("shift", "since"),
    "ohlcv": (
        "open",
        "high",
        "low",
        "close",
        "volume",
        "volume_unit",
        "volume_valued_at",
        "taker_buy",
        "trade_count",
    ),
    "mark_ohlc": ("open", "high", "low", "close"),
    "open_interest": (
        "amount",
        "amount_unit",
        "value",
        "value_unit",
        "valued_at",
        "prices_from",
        "shift",
        "sides_counted",
    ),
    "funding_rate": ("rate", "rate_unit", "interval_hours", "repeated", "shift"),
    "interval_hours": ("column",),
    "realised_liquidation": ("long", "short", "unit", "is_complete_feed"),
    "long_short_ratio": (*RATIO_MEASURES, "shift"),
    "sentiment": ("index", "value", "shift"),
}
_TYPE_NAMES = {
    str: "a text",
    int: "a number",
    float: "a number",
    bool: "true or false",
    dict: "keys with values",
    list: "a list",
}


class _Section:
    """One level of a mapping file.

    Parameters
    ----------
    path : str
        Of the mapping file, for messages.
    where : str
        Dotted place of the level in the file; empty at the top.
    content : dict
        What YAML gave.
    keys : tuple of str or None
        What the level may say; None where the keys are names the user chooses.
    """

    def __init__(
        self, path: str, where: str, content: MappingOf[Any, Any], keys: tuple[str, ...] | None
    ) -> None:
        self.path = path
        self.where = where
        # YAML reads an unquoted 1000 as a number; as a key it is a name.
        self.content = {str(key): value for key, value in content.items()}
        for key in self.content:
            if keys is not None and key not in keys:
                raise self.refuse(
                    f"unknown key '{key}'; nearest known key is '{nearest(key, keys)}' "
                    f"(known: {', '.join(keys)})"
                )

    def refuse(self, message: str) -> InputRejected:
        place = f"{self.path}: {self.where}: " if self.where else f"{self.path}: "
        return InputRejected(place + message)

    def take(self, key: str, *kinds: type) -> object:
        """Return the value of `key` or None, refusing other types."""
        value = self.content.get(key)
        if value is None:
            return None
        # YAML's true is a bool, which Python also takes for an int.
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            wanted = " or ".join(_TYPE_NAMES[kind] for kind in kinds if kind is not float)
            raise self.refuse(f"'{key}' is {value!r}, expected {wanted}")
        return value

    def text(self, key: str) -> str | None:
        value = self.take(key, str)
        return None if value is None else str(value)

    def required_text(self, key: str) -> str:
        value = self.text(key)
        if value is None:
            raise self.refuse(f"'{key}' is missing")
        return value

    def choice(self, key: str, options: tuple[str, ...], why: str) -> str:
        """Return one of `options`; nothing or anything else is refused with `why`."""
        value = self.text(key)
        if value is None:
            raise self.refuse(f"{why}: add '{key}: {' | '.join(options)}'")
        if value not in options:
            raise self.refuse(
                f"'{key}' is '{value}', expected {' | '.join(options)}; "
                f"nearest is '{nearest(value, options)}'"
            )
        return value

    def day(self, key: str) -> dt.date | None:
        value = self.content.get(key)
        if value is None:
            return None
        try:
            return dt.date.fromisoformat(value)
        except (TypeError, ValueError):
            raise self.refuse(f"'{key}' is {value!r}, expected a day such as 2026-06-25") from None

    def number(self, key: str) -> float | None:
        value = self.take(key, int, float)
        if not isinstance(value, int | float):
            return None
        if not value > 0:
            raise self.refuse(f"'{key}' is {value!r}, expected a number above 0")
        return float(value)

    def seconds(self, key: str) -> int | None:
        """Return the seconds of a period such as 5m, 1h or 1d; a leading minus is allowed."""
        text = self.text(key)
        if text is None:
            return None
        found = re.fullmatch(r"(-?)(\d+[smhd])", text)
        if found is None:
            raise self.refuse(f"'{key}' is '{text}', expected a period such as 5m, 1h or 1d")
        return parse_bar(found[2]) * (-1 if found[1] else 1)

    def section(self, key: str, keys_of: str | None = None) -> "_Section | None":
        """Return the level under `key`, which may say `_KEYS[keys_of]`; '*' allows any key."""
        value = self.take(key, dict)
        if not isinstance(value, dict):
            return None
        name = keys_of or key
        place = f"{self.where}.{key}" if self.where else key
        return _Section(self.path, place, value, None if name == "*" else _KEYS[name])

    def names(self, key: str) -> tuple[str, ...]:
        """Return a list of texts; one text stands for a list of one."""
        value = self.take(key, str, list)
        texts = value if isinstance(value, list) else [] if value is None else [value]
        if not all(isinstance(text, str) for text in texts):
            raise self.refuse(f"'{key}' is {value!r}, expected a list of texts")
        return tuple(texts)

    def pattern(self, key: str) -> NamePattern | None:
        text = self.text(key)
        try:
            return None if text is None else NamePattern(text)
        except ValueError as exc:
            raise self.refuse(f"'{key}': {exc}") from exc


def parse_bar(text: str) -> int:
    """Return the seconds of a period, such as 5m or 1h."""
    return int(text[:-1]) * _PERIOD_SECONDS[text[-1]]


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
        If the file is not there, is no YAML, or says something that is not understood; the
        message names the file, the key and what was expected.
    """
    path = Path(path_or_name)
    if path.suffix not in (".yaml", ".yml"):
        names = shipped_mapping_names()
        if str(path_or_name) not in names:
            raise InputRejected(
                f"no shipped mapping is named '{path_or_name}'; nearest is "
                f"'{nearest(str(path_or_name), names)}'; for a file of your own give its path, "
                f"ending in .yaml (shipped: {', '.join(names)})"
            )
        path = SHIPPED_FOLDER / f"{path_or_name}.yaml"
    content = read_yaml(path)
    if not isinstance(content, dict):
        raise InputRejected(f"{path}: the mapping holds no keys; see sources/mappings/example.yaml")
    return _parse_mapping(_Section(str(path), "", content, _KEYS[""]), path.stem)


def _parse_mapping(top: _Section, name: str) -> Mapping:
    file_name = top.pattern("file_name")
    bar_kinds = ("ohlcv", "mark_ohlc", "realised_liquidation")
    kinds = (*bar_kinds, "open_interest", "funding_rate", "long_short_ratio", "sentiment")
    sentiment = _parse_sentiment(top, kinds)
    instrument = _NO_INSTRUMENT if sentiment else _parse_instrument(top, file_name)
    if not any(kind in top.content for kind in kinds):
        raise top.refuse(f"names no kind of data: add at least one of {', '.join(kinds)}")
    has_bars = any(kind in top.content for kind in bar_kinds)
    venue, venue_column = (None, None) if sentiment else _parse_venue(top)
    return Mapping(
        name=name,
        description=top.required_text("description"),
        matches=top.names("matches"),
        within=tuple(name.lower() for name in top.names("within")),
        not_within=tuple(name.lower() for name in top.names("not_within")),
        venue=venue,
        venue_column=venue_column,
        file_name=file_name,
        instrument=instrument,
        time=_parse_time(top, has_bars),
        bar_seconds=_parse_bar_seconds(top, has_bars, file_name),
        columns=top.names("columns"),
        where=_parse_where(top.section("where", "*")),
        ohlcv=_parse_ohlcv(top.section("ohlcv"), instrument),
        mark_ohlc=_parse_mark(top.section("mark_ohlc")),
        open_interest=_parse_open_interest(top.section("open_interest"), instrument),
        funding_rate=_parse_funding(top.section("funding_rate")),
        realised_liquidation=_parse_liquidation(top.section("realised_liquidation"), instrument),
        long_short_ratio=_parse_ratio(top.section("long_short_ratio")),
        sentiment=sentiment,
    )


def _parse_sentiment(top: _Section, kinds: tuple[str, ...]) -> SentimentRule | None:
    section = top.section("sentiment")
    if section is None:
        return None
    for key in (
        "venue",
        "instrument",
        "file_name",
        *(kind for kind in kinds if kind != "sentiment"),
    ):
        if key in top.content:
            raise top.refuse(f"'sentiment' is of no contract: take '{key}' into another mapping")
    return SentimentRule(
        index=section.required_text("index"),
        value=section.required_text("value"),
        shift_seconds=section.seconds("shift") or 0,
    )


def _parse_venue(top: _Section) -> tuple[str | None, str | None]:
    venue = top.take("venue", str, dict)
    if venue is None:
        raise top.refuse("'venue' is missing: name it, or say 'venue: {column: ...}'")
    if isinstance(venue, str):
        return venue_name(venue), None
    section = top.section("venue")
    return None, section.required_text("column") if section else None


def _parse_instrument(top: _Section, file_name: NamePattern | None) -> InstrumentRule:
    section = top.section("instrument")
    if section is None:
        raise top.refuse("'instrument' is missing: say where the instrument comes from")
    column = section.text("column")
    column_pattern = section.pattern("column_pattern")
    wide_pattern = section.pattern("column_name")
    unified = section.required_text("unified")
    try:
        template = parse_unified(unified)
    except ValueError as exc:
        raise section.refuse(f"'unified': {exc}") from exc
    if column_pattern and not column:
        raise section.refuse("'column_pattern' stands without 'column'")
    if column and wide_pattern:
        raise section.refuse("give 'column' or 'column_name', not both")
    if wide_pattern and "field" not in wide_pattern.placeholders:
        raise section.refuse("'column_name' needs {field}: what the column holds")
    if column and column_pattern is None:
        column_pattern = NamePattern("{base}")
    source = wide_pattern or column_pattern or file_name
    given = (source.placeholders if source else frozenset()) & {"base", "quote"}
    for placeholder in re.findall(r"\{(\w*)\}", unified):
        if placeholder not in given:
            raise section.refuse(
                f"'unified' uses {{{placeholder}}}, which nothing gives: put it into "
                "'column_pattern', 'column_name' or the top-level 'file_name'"
            )
    prefixes = section.section("multiplier_prefixes", "*")
    multipliers = {key: prefixes.number(key) or 1.0 for key in prefixes.content} if prefixes else {}
    return InstrumentRule(
        unified=unified,
        is_inverse=template.contract_kind == "inverse",
        column=column,
        column_pattern=column_pattern,
        wide_pattern=wide_pattern,
        contract_size=section.number("contract_size"),
        multiplier_prefixes=multipliers,
        terms=_parse_terms(section.section("terms", "*")),
    )


def _parse_terms(listed: _Section | None) -> dict[str, InstrumentTerms]:
    terms: dict[str, InstrumentTerms] = {}
    for symbol in listed.content if listed else ():
        section = listed.section(symbol, "terms") if listed else None
        if listed is None or section is None:
            continue
        try:
            parse_unified(symbol)
        except ValueError as exc:
            raise listed.refuse(str(exc)) from exc
        terms[unify_symbol(symbol)] = InstrumentTerms(
            asset=section.text("asset"),
            contract_size=section.number("contract_size"),
            base_multiplier=section.number("base_multiplier"),
            funding_interval_hours=_interval_hours(section, "funding_interval_hours"),
            has_funding_interval="funding_interval_hours" in section.content,
        )
    return terms


def _parse_time(top: _Section, has_bars: bool) -> TimeRule:
    section = top.section("time")
    if section is None:
        raise top.refuse("'time' is missing: name the column, its unit and its label")
    label = None
    if has_bars:
        label = section.choice("label", ("bar_open", "bar_end"), "no stamp convention is named")
    return TimeRule(
        column=section.required_text("column"),
        unit=section.choice(
            "unit", (*TIME_UNITS, "datetime"), "no unit is named for the time column"
        ),
        is_bar_end=label == "bar_end",
        round_to_seconds=section.seconds("round_to"),
        label_change=_parse_label_change(top, section.section("label_change")),
    )


def _parse_label_change(top: _Section, section: _Section | None) -> LabelChange | None:
    if section is None:
        return None
    shift = section.seconds("shift")
    if shift is None or shift <= 0:
        raise section.refuse("'shift' must be a period above 0, such as 5m")
    held = top.section("open_interest")
    if held is None or not (held.text("amount") and held.text("value")):
        raise section.refuse(
            "value / amount tells which instant a row stands for: give both under 'open_interest'"
        )
    return LabelChange(shift, section.day("since"))


def _parse_bar_seconds(top: _Section, has_bars: bool, file_name: NamePattern | None) -> int | None:
    seconds = top.seconds("bar")
    from_file_name = file_name is not None and "bar" in file_name.placeholders
    if seconds is not None and from_file_name:
        raise top.refuse("'bar' is given twice: as a key and by {bar} in 'file_name'")
    if seconds is not None and not 0 < seconds <= _PERIOD_SECONDS["d"]:
        raise top.refuse(f"'bar' is '{top.content['bar']}', expected more than 0s, at most 1d")
    if has_bars and seconds is None and not from_file_name:
        raise top.refuse("no length of a bar is named: add 'bar: 1h' or {bar} in 'file_name'")
    return seconds


def _parse_where(section: _Section | None) -> dict[str, tuple[str, ...]]:
    return {key: section.names(key) for key in section.content} if section else {}


def _parse_ohlcv(section: _Section | None, instrument: InstrumentRule) -> OhlcvRule | None:
    if section is None:
        return None
    unit = section.choice("volume_unit", AMOUNT_UNITS, "no unit is named for the volume")
    valued_at = section.text("volume_valued_at")
    needs_price = instrument.needs_price(unit)
    if needs_price and valued_at is None:
        raise section.refuse(
            f"volume in {unit} needs a price to become position units: "
            f"add 'volume_valued_at: {' | '.join(BAR_PRICES)} | <column>'"
        )
    return OhlcvRule(
        open=section.required_text("open"),
        high=section.required_text("high"),
        low=section.required_text("low"),
        close=section.required_text("close"),
        volume=section.required_text("volume"),
        volume_unit=unit,
        volume_valued_at=valued_at if needs_price else None,
        taker_buy=section.text("taker_buy"),
        trade_count=section.text("trade_count"),
    )


def _parse_mark(section: _Section | None) -> MarkRule | None:
    if section is None:
        return None
    given = [key for key in ("open", "high", "low") if key in section.content]
    if len(given) not in (0, 3):
        raise section.refuse("give all of 'open', 'high' and 'low', or only 'close'")
    return MarkRule(
        close=section.required_text("close"),
        open=section.text("open"),
        high=section.text("high"),
        low=section.text("low"),
    )


def _parse_open_interest(
    section: _Section | None, instrument: InstrumentRule
) -> OpenInterestRule | None:
    if section is None:
        return None
    amount, value = section.text("amount"), section.text("value")
    amount_unit = value_unit = None
    if amount is not None:
        options = ("base", "contracts")
        amount_unit = section.choice("amount_unit", options, "no unit is named for 'amount'")
    if value is not None:
        value_unit = section.choice("value_unit", ("usd", "base"), "no unit is named for 'value'")
    decisive = amount_unit or value_unit
    if decisive is None:
        raise section.refuse("name a column: 'amount', 'value', or both")
    valued_at = section.text("valued_at")
    if instrument.needs_price(decisive) and valued_at is None:
        raise section.refuse(
            f"open interest in {decisive} needs the price it was valued at to become position "
            f"units: add 'valued_at: {' | '.join(SNAPSHOT_PRICES)} | <column>', the price at the "
            "instant of the snapshot"
        )
    return OpenInterestRule(
        amount=amount,
        amount_unit=amount_unit,
        value=value,
        value_unit=value_unit,
        valued_at=valued_at if instrument.needs_price(decisive) else None,
        prices_from=section.names("prices_from"),
        shift_seconds=section.seconds("shift") or 0,
        sides_counted=_sides_counted(section),
    )


def _sides_counted(section: _Section) -> int | None:
    sides = section.number("sides_counted")
    if sides not in (None, 1, 2):
        raise section.refuse(f"'sides_counted' is {sides:g}, expected 1 or 2")
    return None if sides is None else int(sides)


def _interval_hours(section: _Section, key: str) -> float | None:
    hours = section.number(key)
    if hours is not None and hours not in FUNDING_INTERVALS_HOURS:
        raise section.refuse(
            f"'{key}' is {hours:g}, expected 1, 2, 4 or 8; leave it out where it is not known, it "
            "then follows from the spacing of payments"
        )
    return hours


def _parse_funding(section: _Section | None) -> FundingRule | None:
    if section is None:
        return None
    is_repeated = bool(section.take("repeated", bool))
    interval_column = interval_hours = None
    if isinstance(section.take("interval_hours", int, float, dict), dict):
        inner = section.section("interval_hours")
        interval_column = inner.required_text("column") if inner else None
        if is_repeated:
            raise section.refuse("'repeated' needs 'interval_hours' as a number, or none at all")
    else:
        interval_hours = _interval_hours(section, "interval_hours")
    return FundingRule(
        rate=section.required_text("rate"),
        rate_unit=section.choice("rate_unit", tuple(RATE_UNITS), "no unit is named for the rate"),
        interval_hours=interval_hours,
        interval_column=interval_column,
        is_repeated=is_repeated,
        shift_seconds=section.seconds("shift") or 0,
    )


def _parse_liquidation(
    section: _Section | None, instrument: InstrumentRule
) -> LiquidationRule | None:
    if section is None:
        return None
    unit = section.choice("unit", AMOUNT_UNITS, "no unit is named for the liquidations")
    if unit == "base" and instrument.is_inverse:
        raise section.refuse("liquidations of an inverse contract cannot be read in base units")
    is_complete_feed = section.take("is_complete_feed", bool)
    if is_complete_feed is None:
        raise section.refuse(
            "'is_complete_feed' is missing: say true where the venue publishes every order, "
            "false where it throttles and the figures are a lower bound"
        )
    return LiquidationRule(
        long=section.required_text("long"),
        short=section.required_text("short"),
        unit=unit,
        is_complete_feed=bool(is_complete_feed),
    )


def _parse_ratio(section: _Section | None) -> RatioRule | None:
    if section is None:
        return None
    named = {measure: section.text(measure) for measure in RATIO_MEASURES}
    columns = {measure: column for measure, column in named.items() if column is not None}
    if not columns:
        raise section.refuse(f"name at least one measure: {', '.join(RATIO_MEASURES)}")
    return RatioRule(columns=columns, shift_seconds=section.seconds("shift") or 0)
