"""What the page shows of a view, in words: what the map is, how old, how far to trust it.

Belongs here: putting together names to choose from, the sentences over the map and what went
wrong. Does not belong here: figures of the map and of panels, nor the words of grades and skill
(``jobs.read``, ``plots``).
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from pydantic import ValidationError

from jobs.build.hourly_maps import ALL_VENUES
from jobs.errors import NothingToDo
from jobs.read.problems import ago
from jobs.read.verdicts import verdicts_of
from plots.evidence import evidence_sentences, map_in_words, read_evidence
from plots.warning import MapWarning, read_warning
from warehouse.read import Reader
from web.catalogue import Catalogue, is_late
from web.panels.panel_input import venue_in_words
from web.problem_details import Refusal, invalid_value, unpublished
from web.publications import Publications
from web.view import DEFAULT_DAYS, PANELS, View, ViewQuery, resolve_view

_HOUR = timedelta(hours=1)

_NAMES = tuple(field.alias or name for name, field in ViewQuery.model_fields.items())
# Names that decide which hours and bins are requested, in the order in which the page writes them.
_MAP_NAMES = ("asset", "provider", "venue", "as_of", "days", "from", "to", "tiers")


@dataclass(frozen=True, slots=True)
class Headline:
    """What is shown above a map.

    Parameters
    ----------
    asset : str
        The asset.
    grade : str or None
        Its grade in that hour, or that of the venue; None where it is not graded.
    what : str
        What the map is: figures, provider, venue, hour.
    age : str
        How old it is.
    is_stale : bool
        Whether a running schedule would have a newer one.
    warning : MapWarning or None
        Why not to act on it; None where nothing speaks against it.
    reasons : tuple of str
        What counts against the grade, a sentence each.
    evidence : tuple of str
        How far the map can be trusted, a sentence each.
    """

    asset: str
    grade: str | None
    what: str
    age: str
    is_stale: bool
    warning: MapWarning | None
    reasons: tuple[str, ...]
    evidence: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PageState:
    """What the page shows of a view apart from the map itself.

    Parameters
    ----------
    view : dict of str to str or None
        The view as an address has it, defaults filled in; None where a name is left out.
    title : str
        Title of the page and name of the picture.
    grade : str or None
        Grade of the map.
    publication, published_at : str or None
        Identity of the publication and when it was made [ISO 8601]; None without one.
    first, last : str or None
        Oldest and newest published hour of the map [ISO 8601].
    assets : tuple of (str, str or None)
        Names and grades, largest open interest first.
    providers, venues : tuple of str
        Names to choose from.
    is_problem : bool
        Whether there is no map of this view.
    """

    view: dict[str, str | None]
    title: str
    grade: str | None
    publication: str | None
    published_at: str | None
    first: str | None
    last: str | None
    assets: tuple[tuple[str, str | None], ...]
    providers: tuple[str, ...]
    venues: tuple[str, ...]
    is_problem: bool


@dataclass(frozen=True, slots=True)
class MapPage:
    """A page to render: its state, and either a headline or a problem.

    Parameters
    ----------
    state : PageState
        What scripts need to know.
    headline : Headline or None
        None where there is a problem.
    problem : Refusal or None
        What is wrong with the view.
    map_query : str or None
        Query of its map; None where there is a problem.
    """

    state: PageState
    headline: Headline | None
    problem: Refusal | None
    map_query: str | None

    @property
    def status(self) -> int:
        """HTTP status of the page."""
        return 200 if self.problem is None else self.problem.status

    def context(self) -> dict[str, Any]:
        """Return what the templates need."""
        return {
            "state": asdict(self.state),
            "head": self.headline,
            "problem": self.problem,
            "links": () if self.problem is None else _ways_out(self.problem, self.state),
            "map_query": self.map_query,
            "panels": PANELS,
        }


async def read_page(
    publications: Publications, given: Mapping[str, str], now: datetime, *, most_days: int
) -> MapPage:
    """Return the page of a view.

    Parameters
    ----------
    publications : Publications
        Where maps are read.
    given : mapping of str to str
        Parameters as they were sent; unknown ones are ignored.
    now : datetime
        The time, UTC.
    most_days : int
        Longest window [days].
    """
    known = {name: given[name] for name in _NAMES if given.get(name)}
    catalogue = publications.newest
    try:
        if catalogue is None:
            raise unpublished()
        view = resolve_view(_parse(known), catalogue, now, most_days=most_days)
        headline = await publications.read(
            lambda reader: _read_headline(reader, view, catalogue, now), of=view.publication
        )
    except Refusal as refusal:
        return MapPage(_state_of_problem(known, catalogue, refusal), None, refusal, None)
    return MapPage(
        _state_of_view(view, known, catalogue, headline), headline, None, map_query(known)
    )


def map_query(given: Mapping[str, str]) -> str:
    """Return the query of the map of a view, letter by letter as the page's script writes it.

    Examples
    --------
    >>> map_query({"side": "long", "asset": "BTC", "venue": "all"})
    'asset=BTC&days=7&format=grid'
    """
    window = {} if "from" in given else {"days": f"{DEFAULT_DAYS:g}"}
    named = {**window, **given}
    if named.get("venue") == ALL_VENUES:
        del named["venue"]
    return urlencode(
        [*((name, named[name]) for name in _MAP_NAMES if name in named), ("format", "grid")]
    )


def _parse(given: Mapping[str, str]) -> ViewQuery:
    try:
        return ViewQuery.model_validate(given)
    except ValidationError as exc:
        raise invalid_value(exc.errors()[0], "choose it with the switches above") from exc


def _read_headline(reader: Reader, view: View, catalogue: Catalogue, now: datetime) -> Headline:
    asset = catalogue.assets[view.asset]
    published = asset.maps.get((view.provider, view.venue))
    newest = min(view.as_of, asset.newest_of(view.provider, view.venue))
    evidence = read_evidence(reader, asset=view.asset, provider=view.provider, as_of=newest)
    warning = read_warning(reader, asset=view.asset, venue=view.venue, as_of=newest)
    grade, reasons = _grade(reader, view, newest)
    is_stale = view.follows and is_late(asset.newest_of(view.provider, view.venue), now)
    age = f"{ago(now, newest)} old"
    if is_stale:
        age = f"stale: {age}; `liqheat status` says what is late"
    elif not view.follows:
        age = f"{age}, chosen; published up to {asset.newest_at:%d %b %H:%M}"
    first = asset.first_of(view.provider, view.venue)
    if view.is_window and view.from_at < first - _HOUR:
        have, wanted = (_days(view.as_of - start) for start in (first - _HOUR, view.from_at))
        age = f"{age}; only {have} of these {wanted} days are published"
    what = map_in_words("standing" if published is None else published.semantics, evidence)
    return Headline(
        asset=view.asset,
        grade=grade,
        what=f"{what} by {view.provider}, {venue_in_words(view.venue)}{_leverage(view)}, "
        f"up to {newest:%Y-%m-%d %H:%M} UTC",
        age=age,
        is_stale=is_stale,
        warning=warning,
        reasons=reasons,
        evidence=(
            *(() if evidence is None else evidence_sentences(evidence)),
            *(() if "provider" in view.given else (f"map by {asset.default_reason}",)),
        ),
    )


def _days(span: timedelta) -> str:
    return f"{span / timedelta(days=1):.1f}".removesuffix(".0")


def _leverage(view: View) -> str:
    return f", only {', '.join(f'{tier:g}x' for tier in view.tiers)}" if view.tiers else ""


def _grade(reader: Reader, view: View, as_of: datetime) -> tuple[str | None, tuple[str, ...]]:
    """Return the grade of a map, and what counts against it in words."""
    try:
        verdicts = verdicts_of(reader, asset=view.asset, as_of=as_of)
    except NothingToDo:
        return None, ()
    own = next((one for one in verdicts if one.venue == view.venue), verdicts[0])
    return own.grade, tuple(reason.in_words() for reason in own.doubts)


def _state_of_view(
    view: View, given: Mapping[str, str], catalogue: Catalogue, headline: Headline
) -> PageState:
    asset = catalogue.assets[view.asset]
    resolved = {
        "asset": view.asset,
        "provider": view.provider,
        "venue": view.venue,
        "days": None if "from" in given else given.get("days", f"{DEFAULT_DAYS:g}"),
        "side": view.side,
        "unit": view.unit,
        "threshold": f"{view.threshold:g}",
        "panel": view.panel or PANELS[0],
        "theme": view.theme,
    }
    venue = venue_in_words(view.venue)
    return PageState(
        view={**{name: given.get(name) for name in _NAMES}, **resolved},
        title=f"{view.asset} by {view.provider}, {venue}: where positions would be force-closed",
        grade=headline.grade,
        publication=catalogue.publication_id,
        published_at=catalogue.published_at.isoformat(),
        first=asset.first_of(view.provider, view.venue).isoformat(),
        last=asset.newest_of(view.provider, view.venue).isoformat(),
        assets=_assets(catalogue),
        providers=tuple(asset.providers),
        venues=tuple(asset.venues(view.provider)),
        is_problem=False,
    )


def _state_of_problem(
    given: Mapping[str, str], catalogue: Catalogue | None, problem: Refusal
) -> PageState:
    """Return what can still be chosen where a view has no map."""
    asset = None if catalogue is None else catalogue.assets.get(given.get("asset", "").upper())
    if catalogue is not None and catalogue.assets and not given.get("asset"):
        asset = next(iter(catalogue.assets.values()))
    defaults = _parse({}).model_dump(include={"venue", "side", "unit", "theme"})
    return PageState(
        view={
            **{name: given.get(name) for name in _NAMES},
            **{name: given.get(name, value) for name, value in defaults.items()},
            "days": given.get("days", f"{DEFAULT_DAYS:g}"),
            "threshold": given.get("threshold", "0"),
            "panel": given["panel"] if given.get("panel") in PANELS else PANELS[0],
        },
        title=f"{problem.title}: liqheat",
        grade=None,
        publication=None if catalogue is None else catalogue.publication_id,
        published_at=None if catalogue is None else catalogue.published_at.isoformat(),
        first=None if asset is None else asset.first_at.isoformat(),
        last=None if asset is None else asset.newest_at.isoformat(),
        assets=() if catalogue is None else _assets(catalogue),
        providers=() if asset is None else tuple(asset.providers),
        venues=() if asset is None else tuple(sorted({venue for _, venue in asset.maps})),
        is_problem=True,
    )


def _assets(catalogue: Catalogue) -> tuple[tuple[str, str | None], ...]:
    return tuple((one.name, one.grade) for one in catalogue.assets.values())


def _ways_out(problem: Refusal, state: PageState) -> tuple[tuple[str, str], ...]:
    """Return links that lead from a problem to a map: the change of the view, and its words."""
    parameter, nearest = problem.members.get("parameter"), problem.members.get("nearest")
    ways = []
    if parameter and nearest:
        ways.append((f"?{urlencode({parameter: nearest})}", f"Show {nearest}"))
    if parameter in _NAMES:
        ways.append((f"?{urlencode({parameter: ''})}", f"Leave out {parameter}"))
    elif "newest_at" in problem.members:
        gone = dict.fromkeys(("as_of", "from", "to", "days"), "")
        ways.append((f"?{urlencode(gone)}", f"Show the newest hour of {state.view['asset']}"))
    return tuple(ways)
