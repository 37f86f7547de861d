"""What a rule found about an asset in an hour.

Belongs here: the record that evaluation hands to the ledger and to the words. Does not belong here:
how it is found (``jobs.alerts.conditions``) or what becomes of it (the ledger).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

Figure = float | int | str | bool | None
"""A value that JSON can hold; None is unknown."""

Figures = Mapping[str, Figure]
"""Figures by name; a name ends in its unit, as columns do. Findings share them: never changed."""


@dataclass(frozen=True, slots=True)
class RuleFinding:
    """Whether one rule holds for one asset in one hour, and the figures behind it.

    Parameters
    ----------
    rule : str
        Name of the rule.
    asset : str
        The asset; ``all`` where a rule concerns no single asset.
    key : str
        What of the asset: a side, a venue, a provider, a check; empty where there is only one. The
        same thing has the same key in every hour.
    hour : datetime
        Hour of the data, UTC.
    is_on : bool or None
        Whether the condition holds; None where the data do not show it, which neither fires nor
        clears an alert.
    measure : float or None
        What was compared with the threshold, in the threshold's base unit (a ratio, USD, seconds);
        None where unknown or where the condition has no threshold.
    figures : mapping
        Published figures of the hour by column name.
    other_side : mapping or None
        The same of the band on the other side of price, where a band is named and there is one.
    reason : str or None
        Why the condition does not hold or is unknown, where `measure` does not show it.
    """

    rule: str
    asset: str
    key: str
    hour: datetime
    is_on: bool | None
    measure: float | None = None
    figures: Figures = field(default_factory=dict)
    other_side: Figures | None = None
    reason: str | None = None
