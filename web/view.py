"""The state of a view, one vocabulary for the page's address, panels and the API.

Belongs here: parsing it and checking it against what is published. Does not belong here: what is
shown of it.
"""

import math
import re
from collections.abc import Collection, Iterable
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import Depends, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from jobs.build.hourly_maps import ALL_VENUES
from web.answers import instant_text
from web.catalogue import Catalogue, PublishedAsset
from web.problem_details import Refusal, bad_parameter, unknown_name
from web.publications import Publications

SIDES = ("both", "long", "short")
UNITS = ("usd", "coins")
THEMES = ("auto", "light", "dark")
PANELS = ("today", "providers", "cascade", "quality", "accuracy", "context", "health")

MOST_REACH = 0.6
"""How far from price published maps reach, and some more [ratio]."""

DEFAULT_DAYS = 7.0

_HOUR = timedelta(hours=1)
_MOST_TIERS = 40


def _one_of(names: Collection[str]) -> dict[str, Any]:
    return {"enum": list(names)}


class HoursQuery(BaseModel):
    """The parameters that choose an asset and hours; all are optional."""

    model_config = ConfigDict(frozen=True, populate_by_name=True)

    asset: str | None = Field(
        None, description="Base coin, `BTC`; by default the one with most open interest."
    )
    as_of: str | None = Field(
        None,
        description="Newest hour, ISO 8601, UTC unless it says otherwise; the newest published "
        "hour that is not later. Absent: the newest, which follows publications.",
        examples=["2026-01-15T08:00Z"],
    )
    from_: str | None = Field(
        None, alias="from", description="First instant: rows with from < as_of <= to."
    )
    to: str | None = Field(None, description="Last instant; by default as_of.")
    days: float | None = Field(
        None, gt=0, le=3660, allow_inf_nan=False, description="Days back from as_of, or from to."
    )


class MapQuery(HoursQuery):
    """The parameters that choose a map, its hours and prices."""

    provider: str | None = Field(
        None,
        description="Whose map: an estimator, an outside provider, or `consensus`, the mean shape "
        "of all. By default that of a ledger once it has been shown to be better here, else "
        "`turnover`.",
    )
    venue: str | None = Field(
        None, description="Exchange of the positions, or `all`, the sum; by default `all`."
    )
    side: str = Field(
        "both", description="Side of the positions.", json_schema_extra=_one_of(SIDES)
    )
    reach: float | None = Field(
        None,
        ge=0.001,
        le=MOST_REACH,
        allow_inf_nan=False,
        description="Prices shown, as a share of price each way: 0.05 is 5 %.",
    )
    tiers: str | None = Field(
        None,
        description="Leverage tiers of a map, separated by commas: `25,50`; absent: all.",
        examples=["25,50"],
    )


class ViewQuery(MapQuery):
    """The parameters of a view as they are sent; all are optional."""

    unit: str = Field(
        "usd", description="Unit of amounts on the page.", json_schema_extra=_one_of(UNITS)
    )
    threshold: float = Field(
        0.0,
        ge=0,
        le=1,
        allow_inf_nan=False,
        description="Share of the colour scale below which nothing is drawn.",
    )
    compare: str | None = Field(None, description="A second provider, side by side.")
    panel: str | None = Field(
        None, description="Panel beside the chart.", json_schema_extra=_one_of(PANELS)
    )
    theme: str = Field("auto", description="Colours.", json_schema_extra=_one_of(THEMES))


VIEW_PARAMETERS = frozenset(field.alias or name for name, field in ViewQuery.model_fields.items())
"""Names of the parameters of a view."""

LINK_PARAMETERS = VIEW_PARAMETERS | {"shock"}
"""Those of a link of the page, which any endpoint takes: a panel's move of price is one more."""


class View(BaseModel):
    """A view that exists: its names are published and its hours are within what is.

    Parameters
    ----------
    asset, provider, venue : str
        Whose map.
    as_of : datetime
        The newest hour shown, UTC.
    follows : bool
        Whether that is the newest published one, not one that was chosen.
    from_at : datetime
        The window is ``from_at < hour <= as_of``.
    is_window : bool
        Whether a window was chosen; otherwise the page shows seven days, the API one hour.
    reach : float or None
        Share of price shown each way; None for the default, from volatility.
    side : str
        both, long or short.
    unit : str
        usd or coins.
    tiers : tuple of float or None
        Leverage multiples; None for all.
    threshold : float
        Share of the colour scale below which nothing is drawn.
    compare : str or None
        A second provider.
    panel : str or None
        The panel that was chosen.
    theme : str
        auto, light or dark.
    publication : str
        The publication that it was checked against; read it with
        ``publications.read(work, of=view.publication)``.
    given : dict of str to str
        The parameters as they were sent.
    """

    model_config = ConfigDict(frozen=True)

    asset: str
    provider: str
    venue: str
    as_of: datetime
    follows: bool
    from_at: datetime
    is_window: bool
    reach: float | None
    side: str
    unit: str
    tiers: tuple[float, ...] | None
    threshold: float
    compare: str | None
    panel: str | None
    theme: str
    publication: str
    given: dict[str, str]

    @property
    def sides(self) -> tuple[str, ...]:
        """The sides shown."""
        return ("long", "short") if self.side == "both" else (self.side,)

    def link(self, **changes: str | None) -> str:
        """Return the query string of this view with some parameters changed; None removes one."""
        return urlencode({k: v for k, v in {**self.given, **changes}.items() if v is not None})


def check_parameters(sent: Iterable[tuple[str, str]], known: Collection[str]) -> None:
    """Refuse a misspelt parameter, which would change nothing, and one that is given twice.

    Parameters
    ----------
    sent : iterable of (str, str)
        Parameters of a request, as they came.
    known : collection of str
        Names that exist.

    Raises
    ------
    Refusal
        A name is unknown, or repeated: which of the values counts would be a guess.
    """
    seen = set()
    for name, _ in sent:
        if name not in known:
            raise unknown_name("parameter", name, known, what="known here")
        if name in seen:
            raise bad_parameter(name, f"{name} is given more than once", "give it once")
        seen.add(name)


def parse_instant(parameter: str, text: str) -> datetime:
    """Return an instant that was sent as text, UTC.

    Raises
    ------
    Refusal
        It is none, or outside the years that have perpetual futures.
    """
    try:
        # A plus sign that was not encoded arrives as a space.
        written = re.sub(r"(?<=:\d\d) (?=\d\d:\d\d$)", "+", text.strip())
        instant = datetime.fromisoformat(written)
        instant = instant.replace(tzinfo=instant.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError):
        raise bad_parameter(
            parameter,
            f"{parameter} {text[:80]!r} is not an instant",
            "write it as 2026-01-15T08:00Z, 2026-01-15T08 or 2026-01-15",
        ) from None
    if instant.year < 2010:
        raise bad_parameter(
            parameter,
            f"{parameter} {text[:80]!r} is older than perpetual futures",
            "give a later instant; /v1/assets lists the published hours",
        )
    return instant


def resolve_view(
    query: ViewQuery,
    catalogue: Catalogue,
    now: datetime,
    *,
    most_days: int = 90,
    has_map: bool = True,
) -> View:
    """Return the view that parameters describe, with every default filled in.

    Parameters
    ----------
    query : ViewQuery
        The parameters.
    catalogue : Catalogue
        What is published.
    now : datetime
        The time, UTC.
    most_days : int
        Longest window [days].
    has_map : bool
        Whether provider and venue must have a map; rows without a map know more of them.

    Raises
    ------
    Refusal
        A name is not published, a value cannot be used, or the window holds nothing.
    """
    asset = _asset(query, catalogue)
    provider = query.provider or asset.default_provider
    venue = query.venue or ALL_VENUES
    if asset.maps and has_map:
        _check_name("provider", provider, asset.providers, f"a provider of maps of {asset.name}")
        venues = asset.venues(provider)
        _check_name("venue", venue, venues, f"a venue of {asset.name} by {provider}")
        if query.compare is not None:
            _check_name(
                "compare", query.compare, asset.providers, f"a provider of maps of {asset.name}"
            )
    _check_name("side", query.side, SIDES, "a side")
    _check_name("unit", query.unit, UNITS, "a unit")
    _check_name("theme", query.theme, THEMES, "a theme")
    if query.panel is not None:
        _check_name("panel", query.panel, PANELS, "a panel")
    as_of = _as_of(query, asset, now)
    days, from_at = _window(query, as_of, most_days)
    what, first_at, newest_at = asset.name, asset.first_at, asset.newest_at
    published = asset.maps.get((provider, venue)) if has_map else None
    if published is not None:
        what = f"{asset.name} by {provider}, venue {venue},"
        first_at, newest_at = published.first_at, published.newest_at
    if from_at >= newest_at or as_of < first_at:
        raise _nothing_in_window(what, first_at, newest_at)
    return View(
        asset=asset.name,
        provider=provider,
        venue=venue,
        as_of=as_of,
        follows=query.as_of is None and query.to is None,
        from_at=from_at,
        is_window=query.from_ is not None or days is not None,
        reach=query.reach,
        side=query.side,
        unit=query.unit,
        tiers=_tiers(query.tiers),
        threshold=query.threshold,
        compare=query.compare,
        panel=query.panel,
        theme=query.theme,
        publication=catalogue.publication_id,
        given={
            name: str(value)
            for name, value in query.model_dump(by_alias=True, exclude_unset=True).items()
            if value is not None
        },
    )


def _asset(query: ViewQuery, catalogue: Catalogue) -> PublishedAsset:
    if not catalogue.assets:
        raise Refusal(
            404,
            "Nothing published",
            "no asset has maps in this publication",
            "run `liqheat run`; `liqheat status` says what is missing",
        )
    if query.asset is None:
        return next(iter(catalogue.assets.values()))
    found = catalogue.assets.get(query.asset) or catalogue.assets.get(query.asset.upper())
    if found is None:
        raise unknown_name("asset", query.asset, catalogue.assets, what="a published asset")
    return found


def _check_name(parameter: str, value: str, known: Collection[str], what: str) -> None:
    if value not in known:
        raise unknown_name(parameter, value, known, what=what)


def _as_of(query: ViewQuery, asset: PublishedAsset, now: datetime) -> datetime:
    """Return the newest published hour that is not later than the one that was sent."""
    if query.as_of is not None and query.to is not None:
        raise bad_parameter("to", "as_of and to are both given", "give one of them")
    name, text = ("to", query.to) if query.as_of is None else ("as_of", query.as_of)
    if text is None:
        return asset.newest_at
    instant = parse_instant(name, text)
    if instant > now and name == "as_of":
        raise bad_parameter(
            name,
            f"{name} {text[:80]!r} has not come yet",
            f"give an hour up to {asset.newest_at:%Y-%m-%dT%H:%MZ}, the newest published",
        )
    hour = asset.hour_at(instant)
    if hour is None:
        raise _nothing_in_window(asset.name, asset.first_at, asset.newest_at)
    return hour


def _window(query: ViewQuery, as_of: datetime, most_days: int) -> tuple[float | None, datetime]:
    """Return the days that were sent, and the instant after which rows are shown."""
    if query.from_ is not None:
        if query.days is not None:
            raise bad_parameter("days", "from and days are both given", "give one of them")
        from_at = parse_instant("from", query.from_)
        if from_at >= as_of:
            raise bad_parameter(
                "from",
                f"from {query.from_[:80]!r} is not before the last hour, {as_of:%Y-%m-%dT%H:%MZ}",
                "give an earlier instant",
            )
    else:
        from_at = as_of - timedelta(days=query.days or DEFAULT_DAYS)
    if as_of - from_at > timedelta(days=most_days):
        raise bad_parameter(
            "days" if query.from_ is None else "from",
            f"{math.ceil((as_of - from_at) / timedelta(days=1)):,} days are more than the "
            f"{most_days} that one request may span",
            "ask for less at a time; /v1/files has the whole history as Parquet",
        )
    return query.days, from_at


def _nothing_in_window(what: str, first_at: datetime, newest_at: datetime) -> Refusal:
    return Refusal(
        404,
        "No maps in this window",
        f"nothing of {what} is published in this window",
        f"published are the hours from {first_at:%Y-%m-%dT%H:%MZ} to "
        f"{newest_at:%Y-%m-%dT%H:%MZ}; /v1/files has the whole history as Parquet",
        {"first_at": instant_text(first_at), "newest_at": instant_text(newest_at)},
    )


def _tiers(text: str | None) -> tuple[float, ...] | None:
    """Return leverage multiples, ascending; None for all."""
    if text is None or not text.strip():
        return None
    tiers = set()
    for part in text.split(",")[: _MOST_TIERS + 1]:
        try:
            leverage = float(part.strip().removesuffix("x"))
        except ValueError:
            leverage = math.nan
        if not 0.0 < leverage <= 1000.0:
            raise bad_parameter(
                "tiers", f"tier {part[:20]!r} is not a leverage", "write tiers as 25,50,100"
            )
        tiers.add(leverage)
    if len(tiers) > _MOST_TIERS:
        raise bad_parameter("tiers", "more tiers than there are", "leave tiers out for all")
    return tuple(sorted(tiers))


def _publications(request: Request) -> Publications:
    publications: Publications = request.app.state.publications
    return publications


CurrentPublications = Annotated[Publications, Depends(_publications)]
"""The newest publication and its readers, in a route."""


def _view(
    query: Annotated[ViewQuery, Query()], publications: CurrentPublications, request: Request
) -> View:
    return resolve_view(
        query,
        publications.catalogue,
        datetime.now(UTC),
        most_days=request.app.state.settings.publish_window_days,
    )


CurrentView = Annotated[View, Depends(_view)]
"""The view of a request, in a route."""
