"""Thresholds with their unit, as a rule file writes them: ``2 %``, ``5 M USD``, ``6 h``.

Belongs here: reading a quantity and refusing one in the wrong unit. Does not belong here: which
rule takes which (``jobs.alerts.conditions``).
"""

import math
import re
from datetime import timedelta
from typing import Annotated

from pydantic import BeforeValidator

_QUANTITY = re.compile(
    r"\s*([+-]?\d[\d,_]*(?:\.\d+)?|[+-]?\.\d+)\s*([a-zA-Z%]+(?:\s+[a-zA-Z]+)?)\s*"
)

_THOUSANDS = re.compile(r"[+-]?\d{1,3}(?:,\d{3})+(?:\.\d+)?")

_RATIOS = {"%": 1e-2, "percent": 1e-2, "bps": 1e-4}
_AMOUNTS = {
    f"{scale}{space}usd": factor
    for scale, factor in {"": 1.0, "k": 1e3, "m": 1e6, "b": 1e9}.items()
    for space in ("", " ")
}
_DURATIONS = {
    name: seconds
    for names, seconds in (
        (("min", "minute", "minutes"), 60.0),
        (("h", "hour", "hours"), 3600.0),
        (("d", "day", "days"), 86400.0),
    )
    for name in names
}


def _read(value: object, units: dict[str, float], what: str, example: str) -> float:
    """Return a quantity in the base unit of `units`.

    Raises
    ------
    ValueError
        It has no unit, the unit of something else, or is no number; the message gives an example.
    """
    form = f"{what}, such as '{example}'"
    if not isinstance(value, str):
        raise ValueError(f"{value!r} has no unit; write {form}")  # noqa: TRY004  (pydantic's)
    found = _QUANTITY.fullmatch(value)
    if found is None:
        raise ValueError(f"{value!r:.200} is not a number with a unit; write {form}")
    unit = " ".join(found[2].lower().split())
    if unit not in units:
        raise ValueError(f"{value!r:.200} has the unit '{found[2]}'; write {form}")
    if "," in found[1] and not _THOUSANDS.fullmatch(found[1]):
        # 2,5 is 2.5 to half of the world and must not be read as 25.
        raise ValueError(f"{value!r:.200}: a comma parts thousands; write {form}")
    number = float(re.sub("[,_]", "", found[1])) * units[unit]
    if not (math.isfinite(number) and number >= 0):
        raise ValueError(f"{value!r:.200} is below 0; write {form}")
    return number


def _read_positive(value: object, units: dict[str, float], what: str, example: str) -> float:
    """Return a quantity above 0 in the base unit of `units`; errors as in `_read`."""
    number = _read(value, units, what, example)
    if number == 0:
        raise ValueError(f"{value!r:.200} is not above 0; write {what}, such as '{example}'")
    return number


def read_ratio(value: object) -> float:
    """Return a ratio written in % or bps.

    Examples
    --------
    >>> read_ratio("2 %"), read_ratio("25bps")
    (0.02, 0.0025)
    """
    return _read_positive(value, _RATIOS, "a share or distance in % or bps", "2 %")


def read_level(value: object) -> float:
    """Return a ratio in %, which may be 0.

    Examples
    --------
    >>> read_level("0 %"), read_level("12.5 %")
    (0.0, 0.125)
    """
    return _read(value, _RATIOS, "a share in %", "0 %")


def read_amount(value: object) -> float:
    """Return an amount in USD.

    Examples
    --------
    >>> read_amount("5 M USD"), read_amount("250,000 USD")
    (5000000.0, 250000.0)
    """
    return _read_positive(value, _AMOUNTS, "an amount in USD", "5 M USD")


def read_duration(value: object) -> timedelta:
    """Return a duration written in min, h or days.

    Examples
    --------
    >>> read_duration("6 h"), read_duration("90 min")
    (datetime.timedelta(seconds=21600), datetime.timedelta(seconds=5400))
    """
    seconds = _read_positive(value, _DURATIONS, "a duration in min, h or days", "6 h")
    if seconds > timedelta(days=3660).total_seconds():
        raise ValueError(f"{value!r:.200} is longer than ten years")
    return timedelta(seconds=seconds)


Ratio = Annotated[float, BeforeValidator(read_ratio)]
"""A share or distance; .02 is 2 %."""

Amount = Annotated[float, BeforeValidator(read_amount)]
"""An amount [USD]."""

Duration = Annotated[timedelta, BeforeValidator(read_duration)]
"""A span of time."""
