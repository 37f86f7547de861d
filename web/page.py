"""The page itself and the files it loads.

Belongs here: rendering ``templates/page.html`` and serving our own static files, the modules of the
chart, and lightweight-charts from its installed wheel. Does not belong here: what the page shows.
"""

from functools import cache
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path

from fastapi import APIRouter, Request
from fastapi.responses import FileResponse, HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from starlette.staticfiles import StaticFiles

import plots
from web.problem_details import FIRST_PUBLICATION
from web.view import PANELS, CurrentPublications

router = APIRouter(tags=["page"], include_in_schema=False)

_ROOM = Path(__file__).resolve().parent
STATIC = _ROOM / "static"
CHART = Path(plots.__file__).resolve().parent / "chart"


@cache
def templates() -> Environment:
    """Return the templates of the page, every value escaped."""
    return Environment(
        loader=FileSystemLoader(_ROOM / "templates"),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


@router.get("/", response_class=HTMLResponse)
async def show_page(request: Request, publications: CurrentPublications) -> HTMLResponse:
    """Return the page; it reads everything else over the API."""
    newest = publications.newest
    text = (
        templates()
        .get_template("page.html")
        .render(
            panels=PANELS,
            assets=[] if newest is None else list(newest.assets.values()),
            publication_id="" if newest is None else newest.publication_id,
            is_empty=newest is None or not newest.assets,
            next_step=FIRST_PUBLICATION,
            has_login=request.app.state.settings.serve_token is not None,
            version=version("liqheat"),
        )
    )
    return HTMLResponse(text, headers={"Cache-Control": "no-cache"})


@router.get("/chart/lightweight-charts.js")
async def send_chart_library() -> FileResponse:
    """Return lightweight-charts as its wheel ships it."""
    return FileResponse(chart_library(), media_type="text/javascript")


@cache
def chart_library() -> Path:
    """Return the production file of lightweight-charts in the installed wheel."""
    folder = Path(str(files("lwcharts")))
    return next(folder.rglob("lightweight-charts.standalone.production.js"))


def own_files(folder: Path) -> StaticFiles:
    """Return an application that serves the files of a folder, and no link that leads out of it."""
    return StaticFiles(directory=folder, check_dir=False, follow_symlink=False)
