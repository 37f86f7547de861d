"""Conditions on the market around a map: liquidations, open interest, funding."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator

from jobs.alerts.quantities import Amount, Duration, Ratio
from jobs.alerts.rule import Rows, Rule
from jobs.instants import HOUR

LONGEST_WINDOW = timedelta(days=30)


class LiquidationAmountRule(Rule):
    """A rule on an amount liquidated, of one side or of both together."""

    above: Amount = Field(description="write an amount, such as '5 M USD'")
    side: Literal["long", "short"] | None = None

    def measured(self, rows: Rows) -> NDArray[np.float64]:
        """Return the amount [USD].

        An unknown side counts as nothing where the other alone exceeds the threshold; else the sum
        is NaN.
        """
        if self.side is not None:
            own: NDArray[np.float64] = rows[f"{self.side}_usd"]
            return own
        sides = np.stack([rows["long_usd"], rows["short_usd"]])
        known = np.nansum(sides, axis=0)
        return np.where(np.isnan(sides).any(axis=0) & ~self.holds(known), np.nan, known)

    def holds(self, measure: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return whether it is more than the threshold."""
        return measure > self.above


class LiquidationsRealised(LiquidationAmountRule):
    """Venues published liquidations of more than an amount in an hour."""

    when: Literal["liquidations_realised"]

    query: ClassVar[str] = "alert_liquidations"
    unknown: ClassVar[str] = "no venue's liquidations are known for the hour"


class LiquidationsPredicted(LiquidationAmountRule):
    """More than an amount is expected to be liquidated in the 24 hours after the last midnight."""

    when: Literal["liquidations_predicted"]

    query: ClassVar[str] = "alert_outlook"
    unknown: ClassVar[str] = "the outlook of the day has no figure"
    no_data: ClassVar[str] = "no outlook of the day is published"


class MoveRule(Rule):
    """A rule on a change over a span of whole hours, up or down."""

    by: Ratio = Field(description="write a change, such as '5 %' or '3 bps'")
    over: Duration = timedelta(hours=24)
    direction: Literal["up", "down"] | None = None

    @field_validator("over")
    @classmethod
    def _check_hours(cls, over: timedelta) -> timedelta:
        if over % HOUR or over > LONGEST_WINDOW:
            raise ValueError("data are hourly: write whole hours, 30 days at most, such as '24 h'")
        return over

    @classmethod
    def parameters(cls, rules: Sequence[Rule]) -> dict[str, Any]:
        """Return the spans that the rules look back over [hours]."""
        spans = {rule.over // HOUR for rule in rules if isinstance(rule, MoveRule)}
        return {"windows": sorted(spans)}

    def judged(self, rows: Rows, measure: NDArray[np.float64]) -> NDArray[np.intp]:  # noqa: ARG002
        """Return the rows of the rule's span."""
        return np.flatnonzero(rows["over_hours"] == self.over // HOUR)

    def measured(self, rows: Rows) -> NDArray[np.float64]:
        """Return the change over the span [ratio]; NaN where an end of it is not known."""
        change: NDArray[np.float64] = rows["change_ratio"]
        return change

    def holds(self, measure: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return whether it changed enough, in the rule's direction."""
        if self.direction is None:
            return np.abs(measure) >= self.by
        return measure >= self.by if self.direction == "up" else measure <= -self.by


class OpenInterestMoved(MoveRule):
    """Open interest, in units of the asset, changed by a share of itself."""

    when: Literal["open_interest_moved"]

    query: ClassVar[str] = "alert_open_interest"
    unknown: ClassVar[str] = "no venue's open interest is known both in the hour and before"
    no_data: ClassVar[str] = "no open interest in the hour"


class FundingMoved(MoveRule):
    """Funding, scaled to 8 hours, rose or fell by so many points."""

    when: Literal["funding_moved"]
    over: Duration = timedelta(hours=8)

    query: ClassVar[str] = "alert_funding"
    unknown: ClassVar[str] = "funding is not known in the hour or before"
