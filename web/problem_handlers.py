"""What a client receives when a request is refused or fails.

Belongs here: turning exceptions into problems, as JSON for programs and as a fragment for panels.
Does not belong here: what is refused, and why.
"""

import logging

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, Response
from markupsafe import escape
from starlette.exceptions import HTTPException

from jobs.errors import LIQHEAT_ERRORS, NothingToDo
from warehouse.errors import WarehouseError
from web.problem_details import MEDIA_TYPE, Refusal, invalid_value, of_error

logger = logging.getLogger(__name__)


def add_problem_handlers(app: FastAPI) -> None:
    """Let an application answer every failure with a problem that names the next step."""

    @app.exception_handler(Refusal)
    async def refuse(request: Request, exc: Refusal) -> Response:
        return problem_response(request, exc)

    @app.exception_handler(RequestValidationError)
    async def refuse_parameter(request: Request, exc: RequestValidationError) -> Response:
        problem = invalid_value(exc.errors()[0], "/openapi.json describes every parameter")
        return problem_response(request, problem)

    @app.exception_handler(HTTPException)
    async def refuse_route(request: Request, exc: HTTPException) -> Response:
        refusal = Refusal(
            exc.status_code,
            str(exc.detail),
            f"{request.method} {request.url.path[:200]}: {str(exc.detail).lower()}",
            "/openapi.json lists what there is",
            headers=exc.headers or {},
        )
        return problem_response(request, refusal)

    for error in LIQHEAT_ERRORS:

        @app.exception_handler(error)
        async def refuse_error(request: Request, exc: Exception) -> Response:
            if isinstance(exc, WarehouseError):
                return problem_response(request, of_error(exc))
            if isinstance(exc, NothingToDo):
                return problem_response(
                    request, Refusal(404, "No data", str(exc), "choose another asset or hour")
                )
            logger.error("%s %s: %s", request.method, request.url.path, exc)
            return await _fail(request, exc)

    # What is not expected, the server logs with its traceback.
    app.add_exception_handler(Exception, _fail)


async def _fail(request: Request, _: Exception) -> Response:
    return problem_response(
        request,
        Refusal(
            500,
            "Internal error",
            "this request failed",
            "the log of `liqheat serve` says why; other requests go on",
        ),
    )


def problem_response(request: Request, refusal: Refusal) -> Response:
    """Return a problem: a fragment of the page for panels, JSON for everything else."""
    if request.url.path.startswith("/panels/"):
        text = f'<p class="problem" role="alert">{escape(str(refusal))}</p>'
        return HTMLResponse(text, refusal.status, _headers(refusal))
    return json_problem(refusal)


def json_problem(refusal: Refusal) -> JSONResponse:
    """Return a problem as JSON."""
    return JSONResponse(refusal.body(), refusal.status, _headers(refusal), media_type=MEDIA_TYPE)


def _headers(refusal: Refusal) -> dict[str, str]:
    return {"Cache-Control": "no-store", **refusal.headers}
