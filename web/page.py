"""The page itself and the files it loads.

Belongs here: rendering ``templates/page.html`` and serving our own static files, the modules of the
chart, and lightweight-charts from its installed wheel. Does not belong here: what the page shows
(``web.page_state``).
"""

from dataclasses import asdict
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from starlette.staticfiles import StaticFiles

import plots
from plots.chart_modules import module_names, module_text
from web.page_state import MapPage, read_page
from web.panels.panel_input import glued, utc
from web.view import THEMES, CurrentPublications

router = APIRouter(tags=["page"], include_in_schema=False)

_ROOM = Path(__file__).resolve().parent
STATIC = _ROOM / "static"
CHART = Path(plots.__file__).resolve().parent / "chart"


@cache
def templates() -> Environment:
    """Return the templates of the page, every value escaped."""
    environment = Environment(
        loader=FileSystemLoader(_ROOM / "templates"),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(utc=utc, glued=glued)
    return environment


@router.get("/", response_class=HTMLResponse)
async def show_page(request: Request, publications: CurrentPublications) -> HTMLResponse:
    """Return the page of a view, with what is wrong with it where it has no map."""
    page = await _read_page(request, publications)
    text = templates().get_template("page.html").render(**page.context(), modules=_modules())
    return HTMLResponse(text, page.status, headers={"Cache-Control": "no-cache"})


@router.get("/state")
async def send_state(request: Request, publications: CurrentPublications) -> JSONResponse:
    """Return the same as JSON, for a page that is open: its state and the HTML over the map."""
    page = await _read_page(request, publications)
    head = templates().get_template("head.html").render(**page.context())
    return JSONResponse(
        {**asdict(page.state), "head": head}, page.status, headers={"Cache-Control": "no-store"}
    )


async def _read_page(request: Request, publications: CurrentPublications) -> MapPage:
    chosen = request.cookies.get("theme")
    remembered = {"theme": chosen} if chosen in THEMES else {}
    return await read_page(
        publications,
        {**remembered, **request.query_params},
        datetime.now(UTC),
        most_days=request.app.state.settings.publish_window_days,
    )


@cache
def _modules() -> tuple[str, ...]:
    """Return addresses of the modules that the page loads, so that none waits for another."""
    own = (path.name for path in sorted(STATIC.glob("*.js")))
    # Those of the static page, and the worker, are loaded by others or later.
    chart = (
        name for name in module_names() if "worker" not in name and not name.startswith("static_")
    )
    return (*(f"/static/{name}" for name in own), *(f"/chart/{name}" for name in chart))


@router.get("/chart/lightweight-charts.js")
async def send_chart_library() -> Response:
    """Return lightweight-charts as its wheel ships it, as a module."""
    return Response(
        module_text("lightweight-charts.js"),
        media_type="text/javascript",
        headers={"Cache-Control": "no-cache"},
    )


def own_files(folder: Path) -> StaticFiles:
    """Return an application that serves the files of a folder, and no link that leads out of it."""
    return StaticFiles(directory=folder, check_dir=False, follow_symlink=False)
