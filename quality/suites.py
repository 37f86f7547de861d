"""The four suites: what each check looks at, how bad a failure is, and its condition in words.

door
    Rows as they came in: schema, impossible and duplicate rows, freshness.
bars
    Bars and open interest: order, signs, and every gate that makes an asset noisy.
maps
    Books balance, sides are on their side of price, no jump without a cause.
marts
    What is about to be published: keys, required columns, a verdict for every map.

A critical check that fails holds back the assets whose rows fail, or everything where its rows have
no asset; a warning flags the venue or asset. Checks are declared in ``checks.yaml``; those that
compare a measure with a level follow from the gates (``quality.gates``). Does not belong here:
running them (``validation``), and the SQL that makes the frames (``jobs.check.frames``).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import yaml
from pydantic import ConfigDict, TypeAdapter

from quality.gates import QUALITY_FOLDER, Gate, Gates

Severity = Literal["critical", "warning"]
Rule = Literal["at_least", "at_most", "not_null", "unique", "equal", "ordered", "one_of"]

SUITES = ("door", "bars", "maps", "marts")


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One expectation.

    Parameters
    ----------
    name : str
        Unique within its suite; that of the gate where it compares data with one.
    suite : str
        One of ``SUITES``.
    frame : str
        The frame it looks at; see ``frame_columns``.
    rule : str
        ``at_least`` and ``at_most`` compare the first column with `level`, ``not_null`` requires
        it, ``unique`` requires the columns together to be unique, ``equal`` two columns to be the
        same, ``ordered`` the first not to be below the second, ``one_of`` a value of `values`.
    columns : tuple of str
        The columns it looks at.
    description : str
        The condition, for people.
    severity : {'critical', 'warning'}
        Whether a failure holds back what fails.
    level : float, optional
        For ``at_least`` and ``at_most``.
    values : tuple of str
        For ``one_of``.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    name: str
    suite: str
    frame: str
    rule: Rule
    columns: tuple[str, ...]
    description: str
    severity: Severity = "critical"
    level: float | None = None
    values: tuple[str, ...] = ()

    @property
    def has_level(self) -> bool:
        """Whether it compares a figure with a level."""
        return self.rule in ("at_least", "at_most")


@cache
def _declarations() -> dict[str, dict[str, Any]]:
    content: dict[str, dict[str, Any]] = yaml.safe_load(
        (QUALITY_FOLDER / "checks.yaml").read_text(encoding="utf-8")
    )
    return content


def frame_columns(frame: str) -> tuple[str, ...]:
    """Return the columns that a frame has; ``measures`` also has those of all gates of a venue.

    The first four identify a row.
    """
    return tuple(_declarations()["frames"][frame])


@cache
def _declared_checks() -> tuple[Check, ...]:
    """Return the checks that compare data with no gate."""
    rows = [
        {"name": name, "suite": suite, **check}
        for suite in SUITES
        for name, check in _declarations()[suite].items()
    ]
    return TypeAdapter(tuple[Check, ...]).validate_python(rows)


def _gate_checks(name: str, gate: Gate) -> Iterator[Check]:
    """Yield the checks of a gate: one that warns, and for role ``check`` a critical one."""
    levels: list[tuple[str, Severity, float | None]]
    if gate.role == "noise":
        levels = [(name, "warning", gate.hard if gate.soft is None else gate.soft)]
    elif gate.role == "check":
        levels = [
            (gate.hard_check or name, "critical", gate.hard),
            (name, "warning", gate.soft),
        ]
    else:
        levels = []
    for check_name, severity, level in levels:
        if level is not None:
            yield Check(
                name=check_name,
                suite=gate.suite,
                frame=gate.frame,
                severity=severity,
                rule=gate.direction,
                columns=(gate.measure,),
                level=level,
                description=f"{gate.measure} {gate.direction.replace('_', ' ')} {level:g} "
                f"[{gate.unit}]: {gate.reason}",
            )


def suites(gates: Gates) -> tuple[Check, ...]:
    """Return every check of the four suites.

    Examples
    --------
    >>> from quality.gates import declared_gates
    >>> [check.name for check in suites(declared_gates()) if check.suite == "door"][:2]
    ['schema_as_declared', 'known_instruments']
    """
    checks = [
        *_declared_checks(),
        *(check for name, gate in gates.items() for check in _gate_checks(name, gate)),
    ]
    return tuple(sorted(checks, key=lambda check: SUITES.index(check.suite)))
