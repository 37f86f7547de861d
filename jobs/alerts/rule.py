"""What every rule has in common, and the rows that conditions judge.

Belongs here: the keys all rules share, and what a condition has to define. Does not belong here:
conditions (``jobs.alerts.conditions``), reading the file (``jobs.alerts.rule_file``).
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Annotated, Any, ClassVar, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator, Field, field_validator

from jobs.alerts.finding import Figures
from jobs.alerts.quantities import Duration
from sources.user_models import Name, NameOrNames, UserModel

EVERY_ASSET = "*"

NO_ASSET = "all"
"""Asset of findings that concern no single asset, as in the marts."""

PIPELINE_RULE = "pipeline"
"""The rule under which faults of the pipeline are kept; no rule of a file may have its name."""

SIDES = ("long", "short")

Grade = Literal["A", "B", "C"]


@dataclass(frozen=True, slots=True)
class QuietHours:
    """Hours of the day in which nothing is sent.

    Parameters
    ----------
    start, end : time
        From `start` up to `end`; past midnight where `end` is the earlier.
    zone : ZoneInfo
        Where the clock is.
    """

    start: time
    end: time
    zone: ZoneInfo

    def include(self, instant: datetime) -> bool:
        """Return whether an instant is in them."""
        clock = instant.astimezone(self.zone).time()
        if self.start <= self.end:
            return self.start <= clock < self.end
        return clock >= self.start or clock < self.end

    def __str__(self) -> str:
        """Return the form that `read_quiet_hours` reads."""
        return f"{self.start:%H:%M}-{self.end:%H:%M} {self.zone.key}"


_QUIET_HOURS = re.compile(r"\s*(\d\d?:\d\d)\s*-\s*(\d\d?:\d\d)(?:\s+(\S+))?\s*")


def read_quiet_hours(value: object) -> QuietHours:
    """Return hours such as ``22:00-07:00`` (UTC) or ``22:00-07:00 Europe/Berlin``.

    Raises
    ------
    ValueError
        It has another form, or the zone is unknown.

    Examples
    --------
    >>> read_quiet_hours("22:00-07:00").end
    datetime.time(7, 0)
    """
    found = _QUIET_HOURS.fullmatch(value) if isinstance(value, str) else None
    form = "write '22:00-07:00' (UTC) or '22:00-07:00 Europe/Berlin', in quotes"
    if found is None:
        raise ValueError(f"{value!r:.200} is no span of a day; {form}")
    try:
        start, end = (time.fromisoformat(clock.zfill(5)) for clock in found.groups()[:2])
        zone = ZoneInfo(found[3] or "UTC")
    except (ValueError, OSError, ZoneInfoNotFoundError) as exc:
        raise ValueError(f"{value!r:.200}: no such time or time zone; {form}") from exc
    if start == end:
        raise ValueError(f"{value!r:.200} starts where it ends; {form}")
    return QuietHours(start, end, zone)


@dataclass(frozen=True, slots=True)
class Rows:
    """What a query of a condition returned for all assets and hours.

    Parameters
    ----------
    columns : dict of str to ndarray, shape (n_rows,)
        Numbers as float64 with NaN for NULL, text as objects; ``asset``, ``hour``
        [microseconds since 1970] and ``key`` always.
    """

    columns: Mapping[str, NDArray[Any]]
    group: NDArray[np.int64]
    """Number of the (asset, hour, key) of each row, shape (n_rows,)."""

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.columns["asset"])

    def __getitem__(self, name: str) -> NDArray[Any]:
        """Return a column."""
        return self.columns[name]

    def figures(self, row: int) -> Figures:
        """Return the figures of a row by name; unknown ones are None."""
        named: dict[str, Any] = {}
        for name, values in self.columns.items():
            if name in ("asset", "hour", "key"):
                continue
            value = values[row]
            if isinstance(value, np.generic):
                value = value.item()
            named[name] = None if value != value else value
        return named


@dataclass(frozen=True, slots=True)
class NewestBar:
    """The newest bar of an asset, where it is newer than what is published.

    Parameters
    ----------
    asset : str
        The asset.
    hour : datetime
        Hour that the bar belongs to: its end rounded up to the hour, UTC.
    high, low, price : float
        Since the published hour before: highest and lowest trade, last trade [USD per unit].
    """

    asset: str
    hour: datetime
    high: float
    low: float
    price: float


class Rule(UserModel):
    """One rule: the keys all have, and the threshold of its condition (a subclass each)."""

    name: Name = Field(description="give the rule a name of its own")
    assets: NameOrNames = Field(alias="asset", description="name assets, or '*' for every one")
    min_grade: Grade | None = None
    when: str
    cooldown: Duration = timedelta(hours=6)
    quiet_hours: Annotated[QuietHours, BeforeValidator(read_quiet_hours)] | None = None
    to: NameOrNames = Field(description="name where it is sent, one of 'targets'")

    query: ClassVar[str]
    """Name of the query under ``sql/queries`` that all rules of the condition share."""

    keys: ClassVar[tuple[str, ...]] = ("",)
    """Keys that an asset with data has in every hour; none where the data decide."""

    is_event: ClassVar[bool] = False
    """Whether it holds in the hour of an event alone: each hour in which it holds is a new one."""

    depends_on_newest_bar: ClassVar[bool] = False
    """Whether it is evaluated after each ingestion, and not after each publication alone."""

    usual_grade: ClassVar[Grade | None] = "B"
    """Least grade where the rule names none; None lets an asset without a grade pass."""

    nothing_found: ClassVar[str] = "nothing of the kind"
    """Why a key is off where the asset has data and the key none."""

    unknown: ClassVar[str] = "the figure is not known"
    """Why a row without a measure is unknown, where its own ``unknown_reason`` does not say."""

    no_data: ClassVar[str] = "no data"
    """Why a key is unknown where the asset has no data for the condition."""

    @field_validator("assets", "to")
    @classmethod
    def _check_names(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if not names:
            raise ValueError("an empty list; name at least one")
        return tuple(dict.fromkeys(names))

    @property
    def least_grade(self) -> Grade | None:
        """The lowest grade of an asset at which the rule applies; None for any, or no grade."""
        return self.min_grade or self.usual_grade

    @property
    def is_for_every_asset(self) -> bool:
        """Whether it applies to every asset."""
        return EVERY_ASSET in self.assets

    @property
    def judged_keys(self) -> tuple[str, ...]:
        """The keys that this rule judges of an asset with data; by default all."""
        return self.keys

    def covers(self, assets: NDArray[Any]) -> NDArray[np.bool_]:
        """Return which assets the rule covers, apart from their grade.

        Parameters
        ----------
        assets : ndarray of object, shape (n_rows,)
            Names; ``all`` in rows that concern no single asset.
        """
        return assets != NO_ASSET if self.is_for_every_asset else np.isin(assets, self.assets)

    @classmethod
    def parameters(cls, rules: "Sequence[Rule]") -> dict[str, Any]:  # noqa: ARG003
        """Return the parameters that the query takes besides hours and assets."""
        return {}

    def measured(self, rows: Rows) -> NDArray[np.float64]:
        """Return what is compared with the threshold.

        Returns
        -------
        ndarray of float64, shape (n_rows,)
            In the threshold's base unit; NaN where unknown.
        """
        raise NotImplementedError

    def informative(self, rows: Rows) -> NDArray[np.bool_]:
        """Return which rows show that an asset has data for the rule, even if it judges others.

        Where an asset has such a row, a key without a judged row is off; else it is unknown.
        """
        return np.ones(len(rows), dtype=bool)

    def judged(self, rows: Rows, measure: NDArray[np.float64]) -> NDArray[np.intp]:  # noqa: ARG002
        """Return the rows that are judged, at most one a key; by default all."""
        return np.arange(len(measure))

    def holds(self, measure: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return whether the condition holds, by row; False where the measure is unknown."""
        raise NotImplementedError
