"""The conditions of rules: a class each, with its threshold, its query and what makes it hold."""

from collections.abc import Mapping
from typing import Annotated, Any, get_args

from pydantic import BeforeValidator, Discriminator, Tag

from jobs.alerts.conditions.band_conditions import BandNear, BandSwept, CouldForce
from jobs.alerts.conditions.market_conditions import (
    FundingMoved,
    LiquidationsPredicted,
    LiquidationsRealised,
    OpenInterestMoved,
)
from jobs.alerts.conditions.trust_conditions import (
    DataStale,
    GradeChanged,
    ProvidersDisagree,
    PublishingStopped,
    SkillFaded,
    VenueGone,
)
from jobs.alerts.rule import Rule
from sources.user_models import PlacedError, near_hint

_OneOf = (
    Annotated[BandNear, Tag("<band_near>")]
    | Annotated[CouldForce, Tag("<could_force>")]
    | Annotated[BandSwept, Tag("<band_swept>")]
    | Annotated[LiquidationsRealised, Tag("<liquidations_realised>")]
    | Annotated[LiquidationsPredicted, Tag("<liquidations_predicted>")]
    | Annotated[OpenInterestMoved, Tag("<open_interest_moved>")]
    | Annotated[FundingMoved, Tag("<funding_moved>")]
    | Annotated[GradeChanged, Tag("<grade_changed>")]
    | Annotated[ProvidersDisagree, Tag("<providers_disagree>")]
    | Annotated[DataStale, Tag("<data_stale>")]
    | Annotated[VenueGone, Tag("<venue_gone>")]
    | Annotated[PublishingStopped, Tag("<publishing_stopped>")]
    | Annotated[SkillFaded, Tag("<skill_faded>")]
)

CONDITIONS: dict[str, type[Rule]] = {
    get_args(each)[1].tag.strip("<>"): get_args(each)[0] for each in get_args(_OneOf)
}
"""Conditions by the word that follows ``when``."""


def _check_condition(content: object) -> object:
    """Refuse a rule without a known condition."""
    if isinstance(content, Mapping):
        word = content.get("when")
        known = ", ".join(CONDITIONS)
        if word is None:
            raise ValueError(f"'when' is missing: name a condition ({known})")
        if not isinstance(word, str) or word not in CONDITIONS:
            raise PlacedError(
                f"'when' is {word!r:.200}, no condition"
                f"{near_hint(str(word), CONDITIONS)} (known: {known})",
                ("when",),
            )
    return content


def _tag(content: Any) -> str:  # noqa: ANN401  (what a file holds)
    """Return the tag of a rule's class; of what is no rule any, which then refuses it."""
    word = content.get("when") if isinstance(content, Mapping) else getattr(content, "when", None)
    return f"<{word if word in CONDITIONS else next(iter(CONDITIONS))}>"


AnyRule = Annotated[_OneOf, Discriminator(_tag), BeforeValidator(_check_condition)]
"""A rule of whichever condition its ``when`` names."""
