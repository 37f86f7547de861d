"""Conditions on the market around a map: open interest and funding."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import field_validator

from jobs.alerts.quantities import Duration, Ratio
from jobs.alerts.rule import Rows, Rule

HOUR = timedelta(hours=1)

LONGEST_WINDOW = timedelta(days=30)


class MoveRule(Rule):
    """A rule on a change over a span of whole hours, up or down."""

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

    def _moved(self, measure: NDArray[np.float64], by: float) -> NDArray[np.bool_]:
        if self.direction is None:
            return np.abs(measure) >= by
        return measure >= by if self.direction == "up" else measure <= -by


class OpenInterestMoved(MoveRule):
    """Open interest, in units of the asset, changed by a share of itself."""

    when: Literal["open_interest_moved"]
    by: Ratio

    query: ClassVar[str] = "alert_open_interest"
    no_data: ClassVar[str] = "no open interest in the hour or before"

    def measured(self, rows: Rows) -> NDArray[np.float64]:
        """Return the change over the span [ratio]; NaN where no venue was observed in both."""
        change: NDArray[np.float64] = rows["change_ratio"]
        return change

    def holds(self, measure: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return whether it changed enough, in the rule's direction."""
        return self._moved(measure, self.by)
