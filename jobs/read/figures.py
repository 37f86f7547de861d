"""Numbers as people read them in tables and messages; rows for programs carry the full values."""

from collections.abc import Mapping
from typing import Any

LEAST_PRINTED_ODDS = 0.001
"""The smallest odds that are stored, hence the smallest printed."""


def usd(value: float | None) -> str:
    """Return an amount with a magnitude: 12.3 M."""
    if value is None:
        return ""
    for size, letter in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:,.1f} {letter}"
    return f"{value:,.0f}"


def price(value: float) -> str:
    """Return a price to about a hundredth of a percent."""
    if value >= 10_000:
        return f"{value:,.0f}"
    return f"{value:,.5g}" if value < 1_000 else f"{value:,.1f}"


def percent(value: float | None, form: str = ".0f") -> str:
    """Return a ratio in percent."""
    return "" if value is None else f"{100 * value:{form}} %"


def odds(value: float | None) -> str:
    """Return a probability in percent: with tenths below 10 %, never below 1 in 1,000."""
    if value is None:
        return ""
    if value <= LEAST_PRINTED_ODDS:
        return "< 0.1 %"
    return percent(value, ".1f" if value < 0.0995 else ".0f")


def plural(count: int, noun: str) -> str:
    """Return a count with its noun.

    Examples
    --------
    >>> plural(1, "venue"), plural(3, "venue")
    ('1 venue', '3 venues')
    """
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def difference_cells(row: Mapping[str, Any]) -> dict[str, str]:
    """Return the cells that say how far two maps differ, from published columns."""
    moved = row["wasserstein_bps"]
    return {
        "share": percent(row["overlap_ratio"]),
        "reach": percent(row["reach_ratio"]),
        "placement": percent(row["placement_ratio"]),
        "moved by": "" if moved is None else f"{moved / 100:.1f} %",
        "bands": percent(row["band_match_ratio"]),
    }
