"""The gates: what is measured, how far it may go, and why. They are declared in ``gates.yaml``.

Elsewhere a gate needs only its measure: a column of ``intermediate.int_quality_measures`` for a
gate of an asset on a venue, or of the frame that a suite checks. The grade
(``sql/marts/asset_quality_hourly.sql``) and the checks of the suites (``quality.suites``) follow
from the declaration.

Does not belong here: reading the file with the levels of a home (``jobs.check.gates_in_force``), or
looking at data.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Literal

import yaml
from pydantic import ConfigDict, TypeAdapter

from quality.errors import ThresholdsRejected

QUALITY_FOLDER = Path(__file__).parent

Direction = Literal["at_least", "at_most"]
Role = Literal["size", "noise", "doubt", "information", "asset", "check"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """How far one measure may go.

    Parameters
    ----------
    measure : str
        The column that is compared with the levels.
    unit : str
        Unit of the measure and of both levels.
    reason : str
        Where the levels come from.
    direction : {'at_most', 'at_least'}
        Which side of a level is good; the level itself is.
    role : {'noise', 'size', 'doubt', 'information', 'asset', 'check'}
        ``noise`` makes an asset noisy, ``size`` makes it low-cap, ``doubt`` keeps it from grade A
        and no more, ``information`` is shown and does not count, ``asset`` grades the asset over
        all venues, ``check`` is of a suite only.
    soft : float or None
        Beyond it the data is flagged; None: never.
    hard : float or None
        Beyond it the data is not fit to act on; None: never.
    is_required : bool
        Whether a missing measure counts as beyond the levels.
    fixed_in : str or None
        The file that holds the same levels, which therefore cannot be overridden.
    suite, frame : str
        The suite and frame whose check compares a gate of role ``noise`` or ``check``.
    hard_check : str or None
        Name of the check at the hard level, where the gate has one at each level.
    """

    __pydantic_config__ = ConfigDict(extra="forbid", allow_inf_nan=False)

    measure: str
    unit: str
    reason: str
    direction: Direction = "at_most"
    role: Role = "noise"
    soft: float | None = None
    hard: float | None = None
    is_required: bool = False
    fixed_in: str | None = None
    suite: str = "bars"
    frame: str = "measures"
    hard_check: str | None = None


Gates = Mapping[str, Gate]
"""Gates by name, in the order in which reasons are listed."""


@cache
def declared_gates() -> Gates:
    """Return every gate with the levels it is shipped with.

    Examples
    --------
    >>> declared_gates()["price_gap"].soft
    0.005
    """
    declared = yaml.safe_load((QUALITY_FOLDER / "gates.yaml").read_text(encoding="utf-8"))
    return TypeAdapter(dict[str, Gate]).validate_python(declared)


def venue_gates(gates: Gates) -> dict[str, Gate]:
    """Return the gates of an asset on a venue.

    Examples
    --------
    >>> list(venue_gates(declared_gates()))[:3]
    ['no_data', 'set_apart', 'low_open_interest']
    """
    return {name: gate for name, gate in gates.items() if gate.role not in ("asset", "check")}


def override_levels(
    gates: Gates, levels: Mapping[str, Mapping[str, float | None]], *, where: str
) -> Gates:
    """Return gates with some levels replaced.

    Parameters
    ----------
    gates : mapping of str to Gate
        The gates to start from.
    levels : mapping of str to mapping
        New ``soft`` and ``hard`` levels by the name of the gate, None for never; a level that is
        not given stays.
    where : str
        Opens the message of an error.

    Raises
    ------
    ThresholdsRejected
        If a gate is unknown or its levels are fixed, or the hard level would be reached before the
        soft one.

    Examples
    --------
    >>> override_levels(declared_gates(), {"price_gap": {"soft": 0.01}}, where="here")[
    ...     "price_gap"
    ... ].soft
    0.01
    """
    replaced = dict(gates)
    for name, given in levels.items():
        if name not in gates:
            near = get_close_matches(name, gates, n=1)
            advice = f"did you mean {near[0]}?" if near else f"known are {', '.join(gates)}"
            raise ThresholdsRejected(f"{where}: no gate is named {name}; {advice}")
        gate = replace(
            gates[name],
            soft=given.get("soft", gates[name].soft),
            hard=given.get("hard", gates[name].hard),
        )
        if gate.fixed_in and gate != gates[name]:
            raise ThresholdsRejected(
                f"{where}: the levels of {name} cannot be changed, since {gate.fixed_in} leaves "
                f"venues out of sums at {gates[name].hard:g} [{gate.unit}]; remove {name}"
            )
        if gate.soft is not None and gate.hard is not None:
            sign = 1 if gate.direction == "at_most" else -1
            if sign * gate.hard < sign * gate.soft:
                raise ThresholdsRejected(
                    f"{where}: {name} would be hard at {gate.hard:g} before it is soft at "
                    f"{gate.soft:g}; {gate.measure} should be {gate.direction.replace('_', ' ')} "
                    "the soft level"
                )
        replaced[name] = gate
    return replaced
