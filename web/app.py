"""The application of ``liqheat serve``: its routes and what surrounds each request.

Belongs here: putting the parts together. Does not belong here: what any route does.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

from fastapi import FastAPI

from jobs.read.query import published_file
from jobs.settings import Settings
from web import events, metrics, page, security
from web.api import parquet_files, reference
from web.api.routes import router as rows_router
from web.delivery import AnswerStore, HeadAsGet
from web.metrics import Counting, ServerMetrics
from web.panels import fragments
from web.problem_handlers import add_problem_handlers
from web.publications import Publications, reader_limits
from web.rate_limit import RequestLimiter
from web.security import Guard, names_of, token_of

_DESCRIPTION = (
    "Hourly maps of where leveraged positions would be force-closed, with what is known of how far "
    "they can be trusted. Read-only; every figure is published data. Amounts are USD unless a "
    "column says otherwise; a stock is a level at an instant, a flow an amount over the hour."
)


def create_app(settings: Settings) -> FastAPI:
    """Return the application for one home.

    Parameters
    ----------
    settings : Settings
        Where the published files are; limits; the token, where one is needed.
    """
    publications = Publications(
        published_file(settings), reader_limits(settings.query_memory_mb, settings.query_seconds)
    )

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with publications.watching():
            yield

    app = FastAPI(
        title="liqheat",
        description=_DESCRIPTION,
        version=version("liqheat"),
        lifespan=lifespan,
        # Their pages load scripts from elsewhere.
        docs_url=None,
        redoc_url=None,
    )
    app.state.settings = settings
    app.state.publications = publications
    app.state.answers = AnswerStore()
    app.state.parquet = parquet_files.ParquetFolder(settings.published / "parquet")
    app.state.metrics = ServerMetrics(publications, app.state.answers)
    add_problem_handlers(app)
    app.include_router(page.router)
    app.include_router(fragments.router)
    app.include_router(events.router)
    app.include_router(rows_router)
    app.include_router(parquet_files.router)
    app.include_router(reference.router)
    app.include_router(metrics.router)
    app.include_router(security.router)
    app.mount("/static", page.own_files(page.STATIC))
    app.mount("/chart", page.own_files(page.CHART))
    # The last is the outermost: it sees a request first.
    app.add_middleware(HeadAsGet)
    app.add_middleware(RequestLimiter)
    app.add_middleware(Guard, names=names_of(settings), token=token_of(settings))
    app.add_middleware(Counting, metrics=app.state.metrics)
    return app
