"""The endpoints of rows: checked, tagged, read, encoded, sent.

Belongs here: what all of them do with a request. Does not belong here: which there are
(``web.api.resources``), bins of a map (``web.api.map_rows``).
"""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from urllib.parse import urlencode

import pyarrow as pa
import pyarrow.compute as pc
from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from warehouse.queries import named_query
from warehouse.read import Reader
from web.answers import (
    Encoded,
    Envelope,
    MediaType,
    PageOfRows,
    choose_media,
    cursor_text,
    encode,
    headers_of,
    is_known_tag,
    most_rows,
    page_of_rows,
    rows_key,
    tag_of,
)
from web.api.descriptions import describe, responses
from web.api.map_rows import check_tiers, encode_map, map_rows
from web.api.resources import RESOURCES, Resource, read_page, read_rows
from web.catalogue import is_late
from web.delivery import AnswerStore, BoundedResponse
from web.problem_details import unknown_name
from web.publications import Publications
from web.view import (
    LINK_PARAMETERS,
    CurrentPublications,
    HoursQuery,
    MapQuery,
    View,
    ViewQuery,
    check_parameters,
    resolve_view,
)

router = APIRouter(prefix="/v1", tags=["api"])

_HOUR = timedelta(hours=1)
_DAILY_LOOK_BACK = timedelta(days=7)

# Hours that are read at a time, so that a long window fits in a reader's memory.
_AT_ONCE = timedelta(days=4)


class Paging(BaseModel):
    """The parameters of paging and form."""

    model_config = ConfigDict(frozen=True, populate_by_name=True)

    limit: int | None = Field(
        None,
        ge=1,
        description="Rows of one response: 1,000 by default and at most 5,000 as JSON, up to "
        "250,000 as CSV or Arrow.",
    )
    cursor: str | None = Field(
        None, description="`next` of the response before, for the rows after it."
    )
    form: str | None = Field(
        None,
        alias="format",
        description="Form of the answer, instead of Accept.",
        json_schema_extra={"enum": ["json", "csv", "arrow"]},
    )


class HoursRows(HoursQuery, Paging):
    """The parameters of rows of one asset."""


class MapRows(MapQuery, Paging):
    """The parameters of rows of one asset, some of one map."""


class GridRows(MapRows):
    """The parameters of a map, which has one form more."""

    form: str | None = Field(
        None,
        alias="format",
        description="Form of the answer, instead of Accept; `grid` is what the page draws.",
        json_schema_extra={"enum": [one.name for one in MediaType]},
    )


class HomeRows(Paging):
    """The parameters of rows of the whole home."""

    asset: str | None = Field(None, description="Only rows of this asset.")
    venue: str | None = Field(None, description="Only rows of this venue.")
    job: str | None = Field(None, description="Only runs of this job.")


_PAGING = {"limit", "cursor", "form"}

# A link of the page may be sent to any endpoint: what does not choose its rows is ignored.
_KNOWN_PARAMETERS = LINK_PARAMETERS | {"limit", "cursor", "format", "job"}


@dataclass(frozen=True, slots=True)
class _Question:
    """One request for rows, checked.

    Parameters
    ----------
    resource : Resource
        The endpoint.
    view : View or None
        What it is about; None for the whole home.
    publication : str
        The publication it was checked against.
    newest_at : datetime or None
        The newest published hour of the map, the asset or the whole home.
    chosen : dict of str to Any
        Parameters that the query may take.
    """

    resource: Resource
    view: View | None
    publication: str
    newest_at: datetime | None
    chosen: dict[str, Any]


def _asset_question(
    resource: Resource, query: HoursQuery, request: Request, publications: Publications
) -> _Question:
    """Return a request for rows of an asset, or of one map of it."""
    view = resolve_view(
        ViewQuery(**query.model_dump(by_alias=True, exclude_unset=True, exclude=_PAGING)),
        publications.catalogue,
        datetime.now(UTC),
        most_days=request.app.state.settings.publish_window_days,
        has_map=resource.scope == "map",
    )
    is_map = resource.scope == "map"
    asset = publications.catalogue.assets[view.asset]
    newest_at = asset.newest_of(view.provider, view.venue) if is_map else asset.newest_at
    if newest_at < view.as_of:
        # A provider that fell behind: its newest map, not an empty hour.
        view = view.model_copy(update={"as_of": newest_at})
    from_at = view.from_at
    if not view.is_window:
        from_at = view.as_of - (_DAILY_LOOK_BACK if resource.is_daily else _HOUR)
    chosen = {
        "asset": view.asset,
        "provider": view.provider if is_map else view.given.get("provider"),
        "venue": view.venue if is_map else view.given.get("venue"),
        "sides": list(view.sides),
        "reach": view.reach,
        "tiers": None if view.tiers is None else list(view.tiers),
        "from_at": from_at,
        "until_at": view.as_of,
    }
    if resource.name == "consensus":
        chosen["venue"] = view.venue
    return _Question(resource, view, view.publication, newest_at, chosen)


async def _answer(
    request: Request, publications: Publications, question: _Question, paging: Paging
) -> Response:
    """Return the rows of a question, or 304 where the client has them."""
    check_parameters(request.query_params.multi_items(), _KNOWN_PARAMETERS)
    resource, now = question.resource, datetime.now(UTC)
    offered: tuple[MediaType, ...] = (MediaType.json, MediaType.csv, MediaType.arrow)
    if resource.name == "map":
        offered = (*offered, MediaType.grid)
    media = choose_media(paging.form, request.headers.get("accept", ""), offered)
    most = most_rows(media, len(resource.columns))
    key = rows_key(question.publication, request.url.path, request.query_params.multi_items())
    page = page_of_rows(paging.limit, paging.cursor, key, media, most)
    is_stale = is_late(question.newest_at, now)
    items = sorted(set(request.query_params.multi_items()) - {("format", str(paging.form))})
    tag = tag_of(
        question.publication, request.url.path, urlencode(items), media, f"stale: {is_stale}"
    )
    headers = {"ETag": tag, "Cache-Control": "private, no-cache", "Vary": "Accept"}
    if is_known_tag(tag, request.headers.get("if-none-match")):
        return Response(status_code=304, headers=headers)

    async def make() -> Encoded:
        def read(reader: Reader) -> Encoded:
            return _read(reader, question, media, page)

        return await publications.read(read, of=question.publication)

    store: AnswerStore = request.app.state.answers
    encoded = await store.get(tag, make, is_large=media is not MediaType.json)
    next_page = None
    if encoded.has_next:
        next_page = cursor_text(key, page.first_row + page.row_count)
    members = encoded.envelope.members(now, is_stale=is_stale, next_page=next_page)
    parts: tuple[bytes | memoryview, ...] = (encoded.body,)
    if media is MediaType.json:
        # The envelope up to its last member, the rows, which are encoded already.
        parts = (json.dumps(members)[:-1].encode() + b', "data": ', encoded.body, b"}\n")
    if next_page is not None:
        following = urlencode([*((k, v) for k, v in items if k != "cursor"), ("cursor", next_page)])
        headers["Link"] = f'<{request.url.path}?{following}>; rel="next"'
    return BoundedResponse(
        store, tag, parts, media_type=media.value, headers={**headers, **headers_of(members)}
    )


def _read(reader: Reader, question: _Question, media: MediaType, page: PageOfRows) -> Encoded:
    """Return the rows of a question, encoded, from one reader."""
    envelope = _envelope(reader, question)
    if media is MediaType.grid and question.view is not None:
        return Encoded(encode_map(reader, question.view), envelope, has_next=False)
    known = {
        **question.chosen,
        "row_count": page.row_count + 1,
        "first_row": page.first_row,
    }
    resource = question.resource
    if resource.name == "map":
        check_tiers(reader, known)

    def read(chosen: dict[str, Any]) -> pa.Table:
        if resource.name == "map":
            return map_rows(reader, chosen)
        return read_rows(reader, resource.statement, chosen)

    rows = read(known) if question.view is None else read_page(read, known, at_once=_AT_ONCE)
    if resource.is_daily and question.view and not question.view.is_window:
        rows = _newest_midnight(rows)
    if rows.num_rows == 0 and page.first_row == 0:
        _check_names(reader, question)
    has_next = rows.num_rows > page.row_count
    return encode(rows.slice(0, page.row_count), media, envelope, has_next=has_next)


def _check_names(reader: Reader, question: _Question) -> None:
    """Refuse a provider or venue of which there are no rows at any hour."""
    view, resource = question.view, question.resource
    for name in ("provider", "venue"):
        value = question.chosen.get(name)
        columns = [one for one in resource.contract.column_names if one in (name, f"{name}_a")]
        if view is None or value is None or not columns:
            continue
        found = reader.execute(
            f"select distinct {columns[0]} from {resource.relation} where asset = ?", [view.asset]
        ).fetchall()
        known = {str(row[0]) for row in found}
        if known and value not in known:
            raise unknown_name(name, value, known, what=f"a {name} of these rows of {view.asset}")


def _newest_midnight(rows: pa.Table) -> pa.Table:
    """Return the rows of the newest midnight; rows are ordered from the newest on."""
    if rows.num_rows == 0:
        return rows
    return rows.filter(pc.equal(rows["as_of"], rows["as_of"][0]))


def _envelope(reader: Reader, question: _Question) -> Envelope:
    view = question.view
    if view is None:
        return Envelope(question.publication, question.newest_at, None, None, None, {})
    is_map = question.resource.scope == "map"
    which = {
        "asset": view.asset,
        "provider": view.provider if is_map else None,
        "venue": view.venue,
        "as_of": view.as_of,
    }
    row = reader.execute(named_query("api_envelope"), which).fetchone()
    grade, coverage, params_hash, unit, semantics = row or (None,) * 5
    subject = {"asset": view.asset}
    if is_map:
        subject |= {"provider": view.provider, "venue": view.venue}
    if unit is not None:
        subject |= {"unit": unit, "semantics": semantics}
    return Envelope(question.publication, view.as_of, coverage, grade, params_hash, subject)


def _hours_rows(query: Annotated[HoursRows, Query()]) -> HoursRows | MapRows:
    return query


def _map_rows(query: Annotated[MapRows, Query()]) -> HoursRows | MapRows:
    return query


def _grid_rows(query: Annotated[GridRows, Query()]) -> HoursRows | MapRows:
    return query


def _add_asset_route(resource: Resource) -> None:
    """Add an endpoint whose rows are of one asset."""
    parameters: Callable[..., HoursRows | MapRows] = _hours_rows
    if resource.name == "map":
        parameters = _grid_rows
    elif resource.takes & {"provider", "venue", "sides"}:
        parameters = _map_rows

    async def answer_rows(
        request: Request,
        publications: CurrentPublications,
        query: Annotated[HoursRows | MapRows, Depends(parameters)],
    ) -> Response:
        question = _asset_question(resource, query, request, publications)
        return await _answer(request, publications, question, query)

    _add(resource, answer_rows)


def _add_home_route(resource: Resource) -> None:
    """Add an endpoint whose rows are of the whole home."""

    async def answer_rows(
        request: Request,
        publications: CurrentPublications,
        query: Annotated[HomeRows, Query()],
    ) -> Response:
        catalogue = publications.catalogue
        if query.asset is not None and query.asset not in catalogue.assets:
            raise unknown_name("asset", query.asset, catalogue.assets, what="a published asset")
        chosen = {"asset": query.asset, "venue": query.venue, "job": query.job}
        question = _Question(resource, None, catalogue.publication_id, catalogue.newest_at, chosen)
        return await _answer(request, publications, question, query)

    _add(resource, answer_rows)


def _add(resource: Resource, endpoint: Callable[..., Awaitable[Response]]) -> None:
    router.add_api_route(
        f"/{resource.name}",
        endpoint,
        methods=["GET"],
        operation_id=resource.name,
        summary=resource.contract.description,
        description=describe(resource),
        responses=responses(resource),
        response_class=Response,
    )


for _resource in RESOURCES:
    (_add_home_route if _resource.scope == "home" else _add_asset_route)(_resource)
