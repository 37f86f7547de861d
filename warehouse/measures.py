"""What the numbers of a column measure, and which aggregations of them mean something.

A map repeats its open positions every hour: their daily sum is no amount of anything, and every
tool offers it. So each numeric column is one of four kinds, which its comment states.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ColumnMeasure:
    """One kind of number.

    Parameters
    ----------
    name : str
        ``stock``, ``flow``, ``figure`` or ``label``.
    comment : str
        What a column's comment adds to its description.
    over_hours : tuple of str
        Aggregations over hours that mean something.
    within_hour : tuple of str
        Aggregations over the other rows of an hour, of one provider.
    """

    name: str
    comment: str
    over_hours: tuple[str, ...]
    within_hour: tuple[str, ...]


MEASURES = {
    each.name: each
    for each in (
        ColumnMeasure(
            "stock",
            "A stock: a level at its hour; sum it within one hour and provider, never over hours.",
            ("avg", "min", "max", "last"),
            ("sum", "avg", "min", "max"),
        ),
        ColumnMeasure(
            "flow",
            "A flow: an amount of its hour; sum it over hours too.",
            ("sum", "avg", "min", "max"),
            ("sum", "avg", "min", "max"),
        ),
        ColumnMeasure(
            "figure",
            "A figure: average it, never sum it.",
            ("avg", "min", "max", "last"),
            ("avg", "min", "max"),
        ),
        ColumnMeasure(
            "label", "A label: count it or group by it.", ("count distinct",), ("count",)
        ),
    )
}
"""Kinds of numbers by name."""

FIGURE_SUFFIXES = ("_ratio", "_bps", "_seconds")
"""Ends of names whose columns are figures without saying so in the contract."""
