"""Conditions on how far figures can be trusted: grades, providers that differ, data that stop."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator, Field, field_validator

from jobs.alerts.quantities import Duration, Ratio, read_level
from jobs.alerts.rule import NO_ASSET, Grade, Rows, Rule
from jobs.read.accuracy import DEFAULT_PROVIDER, TRAINING_MEAN
from sources.user_models import Name

LONGEST_AGE = timedelta(days=7)
"""Ages are known for so long; older data are gone from what is published of an hour."""


class GradeChanged(Rule):
    """The asset's grade differs from that of the hour before; the key is the grade it has now."""

    when: Literal["grade_changed"]
    direction: Literal["better", "worse"] | None = None

    query: ClassVar[str] = "alert_grade_changes"
    keys: ClassVar[tuple[str, ...]] = ()
    is_event: ClassVar[bool] = True
    usual_grade: ClassVar[Grade | None] = None
    unknown: ClassVar[str] = "no grade in the 24 hours before"

    def measured(self, rows: Rows) -> NDArray[np.float64]:
        """Return by how many grades it is lower than before; below 0 where it is higher."""
        lower: NDArray[np.float64] = rows["grades_lower"]
        return lower

    def holds(self, measure: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return whether it changed, in the rule's direction."""
        if self.direction is None:
            return np.abs(measure) > 0
        return measure > 0 if self.direction == "worse" else measure < 0


class ProvidersDisagree(Rule):
    """Maps of the providers differ by more than a share: 1 less their mean overlap."""

    when: Literal["providers_disagree"]
    above: Ratio = Field(description="write a share, such as '60 %'")

    query: ClassVar[str] = "alert_disagreement"
    unknown: ClassVar[str] = "no two providers can be compared in the hour"
    no_data: ClassVar[str] = "no providers are compared in the hour"

    @field_validator("above")
    @classmethod
    def _check_share(cls, above: float) -> float:
        if above >= 1.0:
            raise ValueError("maps differ by 100 % at most; write less, such as '60 %'")
        return above

    def measured(self, rows: Rows) -> NDArray[np.float64]:
        """Return 1 less the mean overlap [ratio]."""
        disagreement: NDArray[np.float64] = rows["disagreement_ratio"]
        return disagreement

    def holds(self, measure: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return whether they differ by more."""
        return measure > self.above


class AgeRule(Rule):
    """A rule on the age of data."""

    older_than: Duration = Field(description="write an age, such as '2 h'")

    usual_grade: ClassVar[Grade | None] = None

    @field_validator("older_than")
    @classmethod
    def _check_age(cls, older_than: timedelta) -> timedelta:
        if older_than >= LONGEST_AGE:
            raise ValueError("ages are known up to 7 days; write less, such as '3 h'")
        return older_than

    def measured(self, rows: Rows) -> NDArray[np.float64]:
        """Return the age [s]."""
        age: NDArray[np.float64] = rows["age_seconds"]
        return age

    def holds(self, measure: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return whether the data are older."""
        return measure > self.older_than.total_seconds()


class DataStale(AgeRule):
    """No venue has newer bars, or newer open interest, of the asset than of some time ago."""

    when: Literal["data_stale"]

    query: ClassVar[str] = "alert_data_ages"
    keys: ClassVar[tuple[str, ...]] = ("bars", "open_interest")
    unknown: ClassVar[str] = "never observed in the last 7 days"
    no_data: ClassVar[str] = "nothing of the asset is published in the last 7 days"


class VenueGone(AgeRule):
    """A venue has had no newer data for some time: of an asset, or with '*' of any asset.

    With ``*`` a venue is gone once, not once for each of its assets.
    """

    when: Literal["venue_gone"]

    query: ClassVar[str] = "alert_venue_ages"
    keys: ClassVar[tuple[str, ...]] = ()

    def covers(self, assets: NDArray[Any]) -> NDArray[np.bool_]:
        """Return the rows over all assets, or those of the assets named."""
        whole: NDArray[np.bool_] = assets == NO_ASSET
        return whole if self.is_for_every_asset else super().covers(assets)


class PublishingStopped(Rule):
    """A critical check holds an asset back from publication, or everything.

    Where everything is held back nothing is published, so it is evaluated on the warehouse then.
    """

    when: Literal["publishing_stopped"]

    query: ClassVar[str] = "alert_held_back"
    usual_grade: ClassVar[Grade | None] = None

    def covers(self, assets: NDArray[Any]) -> NDArray[np.bool_]:
        """Return the rows of the assets and of everything."""
        if self.is_for_every_asset:
            return np.ones(len(assets), dtype=bool)
        whole: NDArray[np.bool_] = assets == NO_ASSET
        return super().covers(assets) | whole

    def measured(self, rows: Rows) -> NDArray[np.float64]:
        """Return how many checks fail."""
        count: NDArray[np.float64] = rows["failed_count"]
        return count

    def holds(self, measure: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return whether one fails."""
        return measure > 0


class SkillFaded(Rule):
    """A model's skill over a null model is below a level, by the newest midnight scored."""

    when: Literal["skill_faded"]
    below: Annotated[float, BeforeValidator(read_level)] = Field(
        description="write a share, such as '0 %'"
    )
    provider: Name = DEFAULT_PROVIDER
    null_model: Name = TRAINING_MEAN

    query: ClassVar[str] = "alert_skill"
    usual_grade: ClassVar[Grade | None] = None
    unknown: ClassVar[str] = "the model is not scored"
    no_data: ClassVar[str] = "no skill of the model was published in the last 3 days"

    @classmethod
    def parameters(cls, rules: Sequence[Rule]) -> dict[str, Any]:
        """Return the models and null models that the rules name."""
        own = [rule for rule in rules if isinstance(rule, SkillFaded)]
        return {
            "providers": sorted({rule.provider for rule in own}),
            "null_models": sorted({rule.null_model for rule in own}),
        }

    def informative(self, rows: Rows) -> NDArray[np.bool_]:
        """Return the scores of the model against the null model."""
        mine: NDArray[np.bool_] = (rows["provider"] == self.provider) & (
            rows["null_model"] == self.null_model
        )
        return mine

    def measured(self, rows: Rows) -> NDArray[np.float64]:
        """Return the share of the null's deviance that the model removes [ratio]."""
        removed: NDArray[np.float64] = rows["deviance_removed_ratio"]
        return removed

    def judged(self, rows: Rows, measure: NDArray[np.float64]) -> NDArray[np.intp]:  # noqa: ARG002
        """Return the row of each asset and hour."""
        return np.flatnonzero(self.informative(rows))

    def holds(self, measure: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return whether it is below the level."""
        return measure < self.below
