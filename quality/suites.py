"""The four suites, as data: what each check looks at, how bad it is, and what it says in words.

door
    Rows as they came in: schema, impossible and duplicate rows, freshness.
bars
    Bars and open interest: order, signs, and every gate that makes an asset noisy.
maps
    Books balance, sides on their side of price, no jump that nothing explains.
marts
    What is about to be published: keys, required columns, a verdict for every map.

A critical check that fails holds back the assets it speaks against, or everything where it is
about no asset; a warning becomes a flag of the venue or asset it speaks against. Does not belong
here: running them (``validation``), and the SQL that makes the frames (``jobs.check.run_suites``).
"""

from dataclasses import dataclass
from typing import Literal

from quality.thresholds import Gate, Thresholds, venue_gates

Severity = Literal["critical", "warning"]
Rule = Literal["at_least", "at_most", "not_null", "unique", "equal", "ordered", "one_of"]

SUITES = ("door", "bars", "maps", "marts")

# Gates that are about how rows come in rather than about what they say.
_DOOR_GATES = ("impossible_rows", "duplicate_rows", "stale", "stale_open_interest")


@dataclass(frozen=True, slots=True)
class Check:
    """One expectation.

    Parameters
    ----------
    name : str
        Unique within its suite; that of a gate where it holds data against one.
    suite : str
        One of ``SUITES``.
    frame : str
        The frame it looks at; see ``FRAMES``.
    severity : {'critical', 'warning'}
        Whether failing holds back what it speaks against.
    rule : str
        ``at_least`` and `at_most` hold the first column against `level`, ``not_null`` wants it
        there, ``unique`` wants the columns together to be unique, ``equal`` wants two columns to be
        the same, ``ordered`` the first not below the second, ``one_of`` a value of `values`.
    columns : tuple of str
        What is looked at.
    description : str
        What it says, for people.
    level : float, optional
        For ``at_least`` and ``at_most``.
    values : tuple of str
        For ``one_of``.
    """

    name: str
    suite: str
    frame: str
    severity: Severity
    rule: Rule
    columns: tuple[str, ...]
    description: str
    level: float | None = None
    values: tuple[str, ...] = ()

    @property
    def has_level(self) -> bool:
        """Whether a figure is held against a level."""
        return self.rule in ("at_least", "at_most")


FRAMES: dict[str, tuple[str, ...]] = {
    "schema": ("relation", "column_name", "stored_type", "declared_type"),
    "unknown": ("kind", "venue", "instrument", "row_count"),
    "sides": ("venue", "sides_counted", "sides_seen", "odd_share_ratio", "figure_count"),
    "measures": ("asset", "venue", "as_of"),
    "hours": (
        "asset",
        "venue",
        "instrument",
        "as_of",
        "high",
        "low",
        "close",
        "volume_quantity",
        "open_interest_quantity",
        "covered_seconds",
        "ahead_seconds",
    ),
    "quotes": ("asset", "venue", "as_of", "quote_deviation_bps"),
    "maps": (
        "asset",
        "venue",
        "provider",
        "as_of",
        "not_finite_side_count",
        "smallest",
        "books_error_ratio",
        "range_ratio",
        "sum_deviation_ratio",
        "wrong_side_ratio",
        "unexplained_change_ratio",
    ),
    "relations": (
        "relation",
        "asset",
        "venue",
        "as_of",
        "row_count",
        "duplicate_count",
        "null_count",
    ),
    "verdicts": ("asset", "venue", "as_of", "grade", "unexplained_count"),
}
"""Columns every frame has; ``measures`` has those of all gates of a venue besides."""


def _gate_check(
    name: str, gate: Gate, suite: str, frame: str, severity: Severity
) -> tuple[Check, ...]:
    """Return the check that holds a frame against a gate; none where the level is never reached."""
    level = gate.hard if severity == "critical" or gate.soft is None else gate.soft
    if level is None:
        return ()
    side = gate.direction.replace("_", " ")
    check = Check(
        name=name,
        suite=suite,
        frame=frame,
        severity=severity,
        rule=gate.direction,
        columns=(gate.measure,),
        level=level,
        description=f"{gate.measure} {side} {level:g} [{gate.unit}]: {gate.reason}",
    )
    return (check,)


def suites(thresholds: Thresholds) -> tuple[Check, ...]:
    """Return every check of the four suites.

    Examples
    --------
    >>> [check.name for check in suites(Thresholds()) if check.suite == "door"][:2]
    ['schema_as_declared', 'known_instruments']
    """
    gates = {name: gate for name, gate in venue_gates(thresholds).items() if gate.role == "noise"}

    def warnings(suite: str, *, at_door: bool) -> tuple[Check, ...]:
        return tuple(
            check
            for name, gate in gates.items()
            if (name in _DOOR_GATES) is at_door
            for check in _gate_check(name, gate, suite, "measures", "warning")
        )

    def of_hours(
        name: str,
        rule: Rule,
        columns: tuple[str, ...],
        description: str,
        level: float | None = None,
    ) -> Check:
        return Check(name, "bars", "hours", "critical", rule, columns, description, level)

    door = (
        Check(
            "schema_as_declared",
            "door",
            "schema",
            "critical",
            "equal",
            ("stored_type", "declared_type"),
            "every stored column has the type its contract declares",
        ),
        Check(
            "known_instruments",
            "door",
            "unknown",
            "warning",
            "at_most",
            ("row_count",),
            "no rows of instruments that nobody described",
            0.0,
        ),
        Check(
            "open_interest_sides",
            "door",
            "sides",
            "warning",
            "at_most",
            ("contradiction_count",),
            "the share of odd lots in open interest shows as many sides as are declared; where it "
            "does not, see marts.open_interest_sides and correct sides_counted",
            0.0,
        ),
        *warnings("door", at_door=True),
    )
    bars = (
        of_hours(
            "hours_unique",
            "unique",
            ("venue", "instrument", "as_of"),
            "one row an instrument and hour",
        ),
        of_hours("high_above_low", "ordered", ("high", "low"), "high is not below low"),
        of_hours("high_above_close", "ordered", ("high", "close"), "high is not below close"),
        of_hours("close_above_low", "ordered", ("close", "low"), "close is not below low"),
        of_hours("price_positive", "at_least", ("low",), "prices are above zero", 1e-15),
        of_hours(
            "volume_not_negative", "at_least", ("volume_quantity",), "volume is not negative", 0.0
        ),
        of_hours(
            "open_interest_not_negative",
            "at_least",
            ("open_interest_quantity",),
            "open interest is not negative",
            0.0,
        ),
        of_hours(
            "hour_not_overfull",
            "at_most",
            ("covered_seconds",),
            "the bars of an hour cover no more than the hour: none overlap",
            3600.0,
        ),
        of_hours(
            "nothing_from_the_future",
            "at_most",
            ("ahead_seconds",),
            "nothing that was not known by as_of",
            0.0,
        ),
        *warnings("bars", at_door=False),
        *_gate_check("quote_off_par", thresholds.quote_off_par, "bars", "quotes", "warning"),
    )
    maps = (
        Check(
            "map_finite",
            "maps",
            "maps",
            "critical",
            "at_most",
            ("not_finite_side_count",),
            "no side of a map holds NaN or infinity",
            0.0,
        ),
        Check(
            "map_not_negative",
            "maps",
            "maps",
            "critical",
            "at_least",
            ("smallest",),
            "no bin holds less than nothing",
            0.0,
        ),
        *_gate_check("map_books", thresholds.map_books, "maps", "maps", "critical"),
        *_gate_check("map_range", thresholds.map_range, "maps", "maps", "critical"),
        *_gate_check("map_sum", thresholds.map_sum, "maps", "maps", "critical"),
        *_gate_check("map_sides_swapped", thresholds.map_sides, "maps", "maps", "critical"),
        *_gate_check("map_sides", thresholds.map_sides, "maps", "maps", "warning"),
        *_gate_check("map_jump", thresholds.map_jump, "maps", "maps", "warning"),
    )
    marts = (
        Check(
            "keys_unique",
            "marts",
            "relations",
            "critical",
            "at_most",
            ("duplicate_count",),
            "no two rows of a relation share their key",
            0.0,
        ),
        Check(
            "required_there",
            "marts",
            "relations",
            "critical",
            "at_most",
            ("null_count",),
            "no NULL where the contract allows none",
            0.0,
        ),
        Check(
            "verdict_for_every_map",
            "marts",
            "verdicts",
            "critical",
            "not_null",
            ("grade",),
            "every asset with a map has a grade for the same hour",
        ),
        Check(
            "grade_known",
            "marts",
            "verdicts",
            "critical",
            "one_of",
            ("grade",),
            "a grade is A, B or C",
            values=("A", "B", "C"),
        ),
        Check(
            "grade_explained",
            "marts",
            "verdicts",
            "critical",
            "at_most",
            ("unexplained_count",),
            "whatever is not graded A says why",
            0.0,
        ),
    )
    return (*door, *bars, *maps, *marts)
