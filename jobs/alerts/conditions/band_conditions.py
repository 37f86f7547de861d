"""Conditions on bands: one near price, one that could force much, one that price swept.

A band's key is its side: bands shift by a bin from hour to hour, and one that did would fire again
if its prices were its key.
"""

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator

from jobs.alerts.quantities import Amount, Ratio
from jobs.alerts.rule import SIDES, Rows, Rule
from jobs.read.accuracy import DEFAULT_PROVIDER
from sources.user_models import Name

WIDEST_REACH_RATIO = 0.22
"""Bands are published up to 20 % in log price, which is 22 % above price."""


class BandRule(Rule):
    """A rule on bands of one provider's map, all venues together; a finding for each side."""

    provider: Name = DEFAULT_PROVIDER
    side: Literal["long", "short"] | None = None

    keys: ClassVar[tuple[str, ...]] = SIDES
    no_data: ClassVar[str] = "no bands of the provider in the hour"

    @classmethod
    def parameters(cls, rules: Sequence[Rule]) -> dict[str, Any]:
        """Return the providers that the rules name."""
        return {
            "providers": sorted({rule.provider for rule in rules if isinstance(rule, BandRule)})
        }

    @property
    def judged_keys(self) -> tuple[str, ...]:
        """The side of the rule, or both."""
        return SIDES if self.side is None else (self.side,)

    def informative(self, rows: Rows) -> NDArray[np.bool_]:
        """Return the bands of the provider."""
        mine: NDArray[np.bool_] = rows["provider"] == self.provider
        return mine

    def _first(self, rows: Rows, order: NDArray[np.float64]) -> NDArray[np.intp]:
        """Return the first row of each asset, hour and side in scope; NaN is left out."""
        mine = np.flatnonzero(self.informative(rows) & ~np.isnan(order))
        if self.side is not None:
            mine = mine[rows["key"][mine] == self.side]
        ranked = mine[np.lexsort((order[mine], rows.group[mine]))]
        _, first = np.unique(rows.group[ranked], return_index=True)
        return ranked[first]


class BandNear(BandRule):
    """A band lies within a distance of price, measured to its near edge."""

    when: Literal["band_near"]
    within: Ratio = Field(description="write a distance, such as '2 %'")
    at_least: Amount | None = None

    query: ClassVar[str] = "alert_bands"
    depends_on_newest_bar: ClassVar[bool] = True
    nothing_found: ClassVar[str] = "no such band within 20 % of price"

    @field_validator("within")
    @classmethod
    def _check_reach(cls, within: float) -> float:
        if within > WIDEST_REACH_RATIO:
            raise ValueError(
                f"{within:.0%} is farther than bands are published; write at most "
                f"'{WIDEST_REACH_RATIO:.0%}'"
            )
        return within

    def informative(self, rows: Rows) -> NDArray[np.bool_]:
        """Return the bands of the provider, with a scale in USD where an amount is compared."""
        mine = super().informative(rows)
        return mine if self.at_least is None else mine & ~np.isnan(rows["liquidation_usd"])

    def measured(self, rows: Rows) -> NDArray[np.float64]:
        """Return the distance to the near edge [ratio]; NaN for a band below `at_least`."""
        distance: NDArray[np.float64] = np.abs(rows["distance_ratio"])
        if self.at_least is None:
            return distance
        return np.where(rows["liquidation_usd"] >= self.at_least, distance, np.nan)

    def judged(self, rows: Rows, measure: NDArray[np.float64]) -> NDArray[np.intp]:
        """Return the nearest band of each side."""
        return self._first(rows, measure)

    def holds(self, measure: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return whether the band is near enough."""
        return measure <= self.within


class CouldForce(BandRule):
    """A band holds positions of which more than an amount is expected to be forced in 24 hours.

    That is its USD times the odds that price reaches it (``expected_forced_usd_24h``).
    """

    when: Literal["could_force"]
    above: Amount = Field(description="write an amount, such as '5 M USD'")

    query: ClassVar[str] = "alert_bands"
    nothing_found: ClassVar[str] = "no band within 20 % of price"
    no_data: ClassVar[str] = "no band of the provider with odds and a scale in USD in the hour"

    def informative(self, rows: Rows) -> NDArray[np.bool_]:
        """Return the bands of the provider with an expected amount."""
        is_known: NDArray[np.bool_] = ~np.isnan(rows["expected_forced_usd_24h"])
        return super().informative(rows) & is_known

    def measured(self, rows: Rows) -> NDArray[np.float64]:
        """Return what is expected to be forced in 24 hours [USD]."""
        expected: NDArray[np.float64] = rows["expected_forced_usd_24h"]
        return expected

    def judged(self, rows: Rows, measure: NDArray[np.float64]) -> NDArray[np.intp]:
        """Return the band of each side with most."""
        return self._first(rows, -measure)

    def holds(self, measure: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return whether it is more than the amount."""
        return measure > self.above


class BandSwept(BandRule):
    """Price traded through a band of the map before the hour, to its far edge."""

    when: Literal["band_swept"]
    at_least: Amount | None = None

    query: ClassVar[str] = "alert_swept_bands"
    is_event: ClassVar[bool] = True
    depends_on_newest_bar: ClassVar[bool] = True
    nothing_found: ClassVar[str] = "no band within 20 % of price in the hour before"
    no_data: ClassVar[str] = "no bands of the provider in the three hours before"

    def measured(self, rows: Rows) -> NDArray[np.float64]:
        """Return what the bands swept held [USD]; without `at_least` how many there were."""
        swept: NDArray[np.float64] = rows["swept_count" if self.at_least is None else "swept_usd"]
        return swept

    def judged(self, rows: Rows, measure: NDArray[np.float64]) -> NDArray[np.intp]:  # noqa: ARG002
        """Return the row of each side."""
        mine = self.informative(rows)
        return np.flatnonzero(mine if self.side is None else mine & (rows["key"] == self.side))

    def holds(self, measure: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return whether a band was swept, or bands of so much together."""
        return measure >= (1.0 if self.at_least is None else self.at_least)
