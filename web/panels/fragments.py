"""The panels over HTTP: each a fragment of HTML for the view that the query describes.

Belongs here: which panels there are, their templates, and their validity by publication. Does not
belong here: what a panel shows (its module).
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, Response

from jobs.settings import Settings
from warehouse.read import Reader
from web.answers import is_known_tag, tag_of
from web.page import templates
from web.panels.accuracy_panel import read_accuracy_panel
from web.panels.cascade_panel import MOST_SHOCK_PERCENT, read_cascade
from web.panels.context_panel import read_context
from web.panels.health_panel import read_health
from web.panels.panel_input import PanelInput
from web.panels.providers_panel import read_providers
from web.panels.quality_panel import read_quality
from web.panels.today_panel import read_today
from web.problem_details import unknown_name
from web.view import CurrentPublications, CurrentView

router = APIRouter(tags=["page"], include_in_schema=False)

_READ_BY_NAME: Mapping[str, Callable[[PanelInput], Any]] = {
    "today": read_today,
    "providers": read_providers,
    "cascade": read_cascade,
    "quality": read_quality,
    "accuracy": read_accuracy_panel,
    "context": read_context,
    "health": read_health,
}
"""What each panel reads; its template has its name."""

_OF_THE_MOMENT = ("health",)
"""Panels that say how old things are: never valid later."""


@router.get("/panels/{name}", response_class=HTMLResponse)
async def show_panel(
    name: str,
    request: Request,
    view: CurrentView,
    publications: CurrentPublications,
    shock: Annotated[
        float | None,
        Query(
            ge=-MOST_SHOCK_PERCENT,
            le=MOST_SHOCK_PERCENT,
            allow_inf_nan=False,
            description="Move of price on the panel cascade [percent].",
        ),
    ] = None,
) -> Response:
    """Return one panel of a view as a fragment of HTML."""
    if name not in _READ_BY_NAME:
        raise unknown_name("panel", name, _READ_BY_NAME, what="a panel")
    settings: Settings = request.app.state.settings
    headers = {"Cache-Control": "no-cache"}
    if name in _OF_THE_MOMENT:
        headers["Cache-Control"] = "no-store"
    else:
        # A view names its publication.
        headers["ETag"] = tag_of(name, view.model_dump_json(), str(shock))
        if is_known_tag(headers["ETag"], request.headers.get("if-none-match")):
            return Response(status_code=304, headers=headers)

    def render(reader: Reader) -> str:
        given = PanelInput(reader, view, settings, datetime.now(UTC), shock or None)
        return render_panel(name, given)

    return HTMLResponse(await publications.read(render, of=view.publication), headers=headers)


def render_panel(name: str, given: PanelInput) -> str:
    """Return a panel as a fragment of HTML.

    Parameters
    ----------
    name : str
        One of the panels.
    given : PanelInput
        What it is made from.
    """
    template = templates().get_template(f"panels/{name}.html")
    return template.render(panel=_READ_BY_NAME[name](given), view=given.view)
