"""The gates: what is measured, how far it may go, and why; in one place, with units.

A gate has a soft and a hard level. Data behind both is as good as asked for; past the soft level
it is flagged, past the hard one it is not fit to act on. What comes of that, the grade, is told in
``sql/marts/asset_quality_hourly.sql``; what is measured, in ``int_quality_measures.sql``. Gates of
the suites (role ``check``) are read by ``quality.suites``.

Levels can be overridden from a YAML file of the form ::

    whale_concentration: {soft: 0.4}
    bar_coverage: {soft: 0.98, hard: 0.9}
    price_gap: {soft: null}            # never flagged

Does not belong here: anything that looks at data.
"""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Literal

from quality.errors import ThresholdsRejected

_BEYOND = 1e300
"""No level of any unit; whole numbers of Python know no infinity."""

Direction = Literal["at_least", "at_most"]
Role = Literal["size", "noise", "doubt", "information", "asset", "check"]


@dataclass(frozen=True, slots=True)
class Gate:
    """How far one measure may go.

    Parameters
    ----------
    measure : str
        What is held against the levels: a column of ``intermediate.int_quality_measures`` or, in
        suites, of the frame that is checked.
    unit : str
        Unit of the measure and of both levels.
    direction : {'at_least', 'at_most'}
        Which side of a level is good; the level itself is.
    role : {'size', 'noise', 'doubt', 'information', 'asset', 'check'}
        ``size`` makes an asset low-cap, ``noise`` makes it noisy, ``doubt`` keeps it from grade A
        and no more, ``information`` is told and counts for nothing, ``asset`` is of the asset over
        all venues, ``check`` is of a suite.
    reason : str
        Where the levels come from.
    soft : float or None
        Beyond it the data is flagged; None: never.
    hard : float or None
        Beyond it the data is not fit to act on; None: never.
    is_required : bool
        Whether not having been measured counts as beyond the levels.
    """

    measure: str
    unit: str
    direction: Direction
    role: Role
    reason: str
    soft: float | None = None
    hard: float | None = None
    is_required: bool = False


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Every gate by the name of the reason it gives; the report behind the levels is in docs.

    The fields that are gates of an asset on a venue come first, in the order in which reasons are
    listed, those of an asset as a whole next, those of the suites last.
    """

    no_data: Gate = Gate(
        measure="newest_bar_age_seconds",
        unit="s",
        direction="at_most",
        role="noise",
        hard=604_800,
        is_required=True,
        reason="without a bar in seven days there is nothing to measure",
    )
    set_apart: Gate = Gate(
        measure="set_apart_price_ratio",
        unit="factor to another venue's price",
        direction="at_most",
        role="noise",
        hard=1.5,
        reason="two coins under one ticker, or a unit error: left out of every sum of the asset "
        "until its price agrees with most venues; `symbols.yaml` can say what the ticker means",
    )
    low_open_interest: Gate = Gate(
        measure="open_interest_median_24h_usd",
        unit="USD",
        direction="at_least",
        role="size",
        soft=5e6,
        is_required=True,
        reason="below it single traders are of the size of the whole book",
    )
    low_volume: Gate = Gate(
        measure="traded_24h_usd",
        unit="USD a day",
        direction="at_least",
        role="size",
        soft=1e7,
        is_required=True,
        reason="below it price is what the last small order made it",
    )
    bar_coverage: Gate = Gate(
        measure="bar_coverage_24h_ratio",
        unit="share of 24 h",
        direction="at_least",
        role="noise",
        soft=0.99,
        hard=0.95,
        is_required=True,
        reason="recorded venues miss no hour; one missing hour of 24 is noted, two are too many",
    )
    open_interest_coverage: Gate = Gate(
        measure="open_interest_coverage_24h_ratio",
        unit="share of 24 h",
        direction="at_least",
        role="noise",
        soft=0.99,
        hard=0.95,
        is_required=True,
        reason="what is not observed is interpolated, and a map has no better source",
    )
    stale: Gate = Gate(
        measure="newest_bar_age_seconds",
        unit="s",
        direction="at_most",
        role="noise",
        soft=3_600,
        hard=21_600,
        is_required=True,
        reason="a map of as_of rests on bars up to as_of; one hour late is noted",
    )
    stale_open_interest: Gate = Gate(
        measure="newest_open_interest_age_seconds",
        unit="s",
        direction="at_most",
        role="noise",
        soft=3_600,
        hard=21_600,
        is_required=True,
        reason="as for bars",
    )
    impossible_rows: Gate = Gate(
        measure="impossible_row_24h_ratio",
        unit="share of rows",
        direction="at_most",
        role="noise",
        soft=0.0,
        hard=0.01,
        reason="a price that is not positive, a high below the open: recorded venues send none",
    )
    duplicate_rows: Gate = Gate(
        measure="duplicate_row_24h_ratio",
        unit="share of rows",
        direction="at_most",
        role="noise",
        soft=0.0,
        reason="one answer tells an instant once; twice means a stamp is wrong",
    )
    repeated_bars: Gate = Gate(
        measure="repeated_bar_24h_ratio",
        unit="share of bars",
        direction="at_most",
        role="noise",
        soft=0.01,
        reason="two traded bars equal to the last digit: never in the recordings",
    )
    accounting_violations: Gate = Gate(
        measure="violation_24h_ratio",
        unit="share of changes",
        direction="at_most",
        role="noise",
        hard=0.01,
        reason="|change of open interest| cannot exceed volume; arXiv 2310.14973 found venues "
        "where it does",
    )
    unit_audit: Gate = Gate(
        measure="unit_audit_24h_ratio",
        unit="relative deviation",
        direction="at_most",
        role="noise",
        hard=0.02,
        reason="amount x price is the value but for the seconds between the two",
    )
    frozen_open_interest: Gate = Gate(
        measure="frozen_change_24h_ratio",
        unit="share of changes",
        direction="at_most",
        role="noise",
        soft=0.02,
        hard=0.25,
        reason="open interest that stays the same to the last digit while it trades is a feed that "
        "repeats itself; recorded majors never do, 5-minute bars of thin assets sometimes",
    )
    frozen_run: Gate = Gate(
        measure="frozen_run_24h_seconds",
        unit="s",
        direction="at_most",
        role="noise",
        hard=7_200,
        reason="three hours of trade and no change is a frozen feed, however thin the asset",
    )
    whale_concentration: Gate = Gate(
        measure="whale_concentration_24h_ratio",
        unit="0 as usual, 1 all in three bars",
        direction="at_most",
        role="noise",
        soft=0.3,
        reason="one trader's steps stand out of the many; held against how much the three largest "
        "of so many changes make anyway",
    )
    single_bar_change: Gate = Gate(
        measure="single_bar_change_24h_ratio",
        unit="share of open interest",
        direction="at_most",
        role="noise",
        soft=0.1,
        reason="no crowd moves a tenth of open interest within one bar",
    )
    zero_volume: Gate = Gate(
        measure="zero_volume_24h_ratio",
        unit="share of bars",
        direction="at_most",
        role="noise",
        soft=0.02,
        reason="an hour without a trade has no price of its own",
    )
    volume_jump: Gate = Gate(
        measure="volume_jump_24h_ratio",
        unit="multiple of the median bar of 7 days",
        direction="at_most",
        role="noise",
        soft=100.0,
        reason="contracts taken for coins, or thousands for units, stand out by orders of "
        "magnitude",
    )
    price_gap: Gate = Gate(
        measure="price_gap_24h_ratio",
        unit="relative",
        direction="at_most",
        role="noise",
        soft=0.005,
        reason="a bar opens where the last one closed; perpetuals do not close overnight",
    )
    mark_deviation: Gate = Gate(
        measure="mark_deviation_24h_ratio",
        unit="relative, median of hours",
        direction="at_most",
        role="noise",
        soft=0.005,
        reason="venues liquidate on the mark; far from last price one of the two is wrong",
    )
    mark_jump: Gate = Gate(
        measure="largest_mark_deviation_24h_ratio",
        unit="relative, largest of bars",
        direction="at_most",
        role="noise",
        soft=0.06,
        reason="one wild mark empties levels of the map that nobody reached",
    )
    price_deviation: Gate = Gate(
        measure="price_deviation_24h_ratio",
        unit="relative to the median of venues, largest of hours",
        direction="at_most",
        role="noise",
        soft=0.005,
        reason="arbitrage keeps venues within it at every hour's end where trade is real",
    )
    wick_deviation: Gate = Gate(
        measure="wick_deviation_24h_ratio",
        unit="relative to the median of venues, largest of hours",
        direction="at_most",
        role="noise",
        soft=0.03,
        reason="highs and lows differ more than closes do, in a rush by some per cent",
    )
    consumed_excess: Gate = Gate(
        measure="consumed_excess_24h_ratio",
        unit="share of open interest a day",
        direction="at_most",
        role="information",
        soft=0.02,
        reason="what estimators empty beyond all that can have closed: their leverage is too high "
        "here",
    )
    provider_overlap: Gate = Gate(
        measure="provider_overlap_ratio",
        unit="0 to 1",
        direction="at_least",
        role="information",
        soft=0.5,
        reason="below it providers agree on less than half of the map",
    )
    warm_up: Gate = Gate(
        measure="start_up_in_range_ratio",
        unit="share of a side within the published prices",
        direction="at_most",
        role="information",
        soft=0.05,
        reason="what stood before the first bar was placed without being seen; of a twentieth no "
        "band is made",
    )
    single_venue: Gate = Gate(
        measure="venue_count",
        unit="venues",
        direction="at_least",
        role="doubt",
        soft=2.0,
        reason="with one venue nothing can be held against another, so nobody would notice",
    )
    graded_a_open_interest: Gate = Gate(
        measure="graded_a_open_interest_ratio",
        unit="share of open interest",
        direction="at_least",
        role="asset",
        soft=0.75,
        is_required=True,
        reason="an asset's map is as good as the venues most of it stands on",
    )
    graded_c_open_interest: Gate = Gate(
        measure="graded_c_open_interest_ratio",
        unit="share of open interest",
        direction="at_most",
        role="asset",
        hard=0.5,
        is_required=True,
        reason="where half of it is not fit to act on, the sum is not",
    )
    many_reasons: Gate = Gate(
        measure="soft_reason_count",
        unit="reasons",
        direction="at_most",
        role="asset",
        hard=2.0,
        reason="one doubt is a grade B; three doubts at once are more than a doubt",
    )
    map_books: Gate = Gate(
        measure="books_error_ratio",
        unit="share of open interest",
        direction="at_most",
        role="check",
        hard=1e-6,
        reason="a side's positions sum to open interest but for rounding",
    )
    map_range: Gate = Gate(
        measure="range_ratio",
        unit="share of what open interest can come to",
        direction="at_most",
        role="check",
        hard=1.001,
        reason="a map never holds more than all open interest at the prices it reaches; single "
        "precision adds a thousandth at most",
    )
    map_sum: Gate = Gate(
        measure="sum_deviation_ratio",
        unit="relative",
        direction="at_most",
        role="check",
        hard=0.001,
        reason="the map of all venues is their sum, in single precision",
    )
    map_sides: Gate = Gate(
        measure="wrong_side_ratio",
        unit="share of the map",
        direction="at_most",
        role="check",
        soft=0.1,
        hard=0.5,
        reason="longs are closed below price; only open interest laid at the prices of a series' "
        "first bar can lie above it: 3 % of a recorded map at most, .05 % after its first hour",
    )
    map_jump: Gate = Gate(
        measure="unexplained_change_ratio",
        unit="share of the map",
        direction="at_most",
        role="check",
        soft=0.1,
        reason="a map changes by what traded and by how far price went; recorded hours leave 8 % "
        "unexplained at most",
    )
    quote_off_par: Gate = Gate(
        measure="quote_deviation_bps",
        unit="bps",
        direction="at_most",
        role="check",
        soft=50.0,
        reason="prices in USDT, USDC and USD share one axis while a coin is worth a dollar; 50 bps "
        "are two and a half bins of a map",
    )


def venue_gates(thresholds: Thresholds) -> dict[str, Gate]:
    """Return the gates of an asset on a venue, by name, in the order of the reasons.

    Examples
    --------
    >>> list(venue_gates(Thresholds()))[:3]
    ['no_data', 'set_apart', 'low_open_interest']
    """
    return {
        name: gate
        for name, gate in all_gates(thresholds).items()
        if gate.role in ("size", "noise", "doubt", "information")
    }


def all_gates(thresholds: Thresholds) -> dict[str, Gate]:
    """Return every gate by name."""
    return {field.name: getattr(thresholds, field.name) for field in fields(Thresholds)}


def override(thresholds: Thresholds, told: object, *, where: str) -> Thresholds:
    """Return thresholds with some levels replaced.

    Parameters
    ----------
    thresholds : Thresholds
        What to start from.
    told : object
        Names of gates to mappings of ``soft`` and ``hard``, as a YAML file holds them; a level
        that is not named stays. None replaces nothing.
    where : str
        Opens the message of an error.

    Raises
    ------
    ThresholdsRejected
        It is no mapping, a name is not known, or a level is no finite number or on the wrong side
        of the other.

    Examples
    --------
    >>> override(Thresholds(), {"price_gap": {"soft": 0.01}}, where="here").price_gap.soft
    0.01
    """
    if told is None:
        return thresholds
    if not isinstance(told, Mapping):
        raise ThresholdsRejected(f"{where}: expected gates by name, as `price_gap: {{soft: 0.01}}`")
    gates = all_gates(thresholds)
    replaced: dict[str, Gate] = {}
    for name, levels in told.items():
        if name not in gates:
            near = difflib.get_close_matches(str(name), gates, n=1)
            advice = f"did you mean {near[0]}?" if near else f"known are {', '.join(gates)}"
            raise ThresholdsRejected(f"{where}: no gate is named {name}; {advice}")
        if not isinstance(levels, dict) or not {*levels} <= {"soft", "hard"}:
            raise ThresholdsRejected(
                f"{where}: {name} is {levels!r}; give {{soft: number, hard: number}} or one of them"
            )
        for level, value in levels.items():
            is_number = isinstance(value, int | float) and not isinstance(value, bool)
            if value is not None and not (is_number and abs(value) < _BEYOND):
                raise ThresholdsRejected(
                    f"{where}: {name}.{level} is {value!r}; give a finite number "
                    f"[{gates[name].unit}], or null for never"
                )
        gate = replace(
            gates[name],
            soft=levels.get("soft", gates[name].soft),
            hard=levels.get("hard", gates[name].hard),
        )
        if gate.soft is not None and gate.hard is not None:
            is_ordered = (
                gate.hard <= gate.soft if gate.direction == "at_least" else gate.hard >= gate.soft
            )
            if not is_ordered:
                raise ThresholdsRejected(
                    f"{where}: {name} would be hard at {gate.hard:g} before it is soft at "
                    f"{gate.soft:g}; {gate.measure} should be {gate.direction.replace('_', ' ')} "
                    "the soft level"
                )
        replaced[name] = gate
    return replace(thresholds, **replaced)
