"""Figures of the server for Prometheus, and whether it is healthy.

Belongs here: counting requests, and what a monitor reads. Does not belong here: the health of the
pipeline itself (``jobs.read.status``).
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from web.answers import instant_text
from web.delivery import AnswerStore
from web.problem_details import FIRST_PUBLICATION
from web.publications import Publications
from web.view import CurrentPublications

router = APIRouter(tags=["server"])

_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class ServerMetrics:
    """The figures of one server.

    Parameters
    ----------
    publications : Publications
        What is served.
    answers : AnswerStore
        Answers in memory.
    """

    def __init__(self, publications: Publications, answers: AnswerStore) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.requests = Counter(
            "liqheat_http_requests",
            "Requests by route and status.",
            ["method", "route", "status"],
            registry=self.registry,
        )
        self.seconds = Histogram(
            "liqheat_http_request_seconds",
            "Time to the last byte by route, seconds; without event streams.",
            ["route"],
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self._gauge("readers_in_use", "Statements under way.", lambda: publications.readers_in_use)
        self._gauge("event_streams", "Pages that are open.", lambda: publications.streams)
        self._gauge("answers_kept_bytes", "Encoded answers kept, bytes.", lambda: answers.kept)
        self._gauge("answers_sending_bytes", "Answers being sent, bytes.", lambda: answers.sending)
        self._gauge(
            "newest_hour_timestamp_seconds",
            "Newest published hour, Unix seconds; 0 where nothing is published.",
            lambda: _seconds(
                None if publications.newest is None else publications.newest.newest_at
            ),
        )
        self._gauge(
            "published_timestamp_seconds",
            "When that was published, Unix seconds; 0 where nothing is.",
            lambda: _seconds(
                None if publications.newest is None else publications.newest.published_at
            ),
        )
        self._gauge(
            "is_stale",
            "1 where the newest published hour is older than a running schedule leaves it.",
            lambda: float(
                publications.newest is None or publications.newest.is_stale(datetime.now(UTC))
            ),
        )

    def _gauge(self, name: str, text: str, value: Callable[[], float]) -> None:
        Gauge(f"liqheat_{name}", text, registry=self.registry).set_function(value)


def _seconds(instant: datetime | None) -> float:
    return 0.0 if instant is None else instant.timestamp()


class Counting:
    """Counts requests by the route that answers them: never by what a client made up.

    Parameters
    ----------
    app : ASGI application
        What is counted.
    metrics : ServerMetrics
        Where.
    """

    def __init__(self, app: ASGIApp, *, metrics: ServerMetrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on and count it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = time.perf_counter(), 500

        async def send_counted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, send_counted)
        finally:
            route = getattr(scope.get("route"), "path", "other")
            method = scope["method"] if scope["method"] in _METHODS else "other"
            self._metrics.requests.labels(method, route, str(status)).inc()
            if route != "/events":
                self._metrics.seconds.labels(route).observe(time.perf_counter() - began)


_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"})


@router.get("/metrics", summary="Figures for Prometheus", response_class=Response)
async def send_metrics(request: Request) -> Response:
    """Send the figures of this server in the text format of Prometheus."""
    metrics: ServerMetrics = request.app.state.metrics
    return Response(
        generate_latest(metrics.registry),
        media_type=CONTENT_TYPE_LATEST,
        headers={"Cache-Control": "no-store"},
    )


@router.get("/healthz", summary="Whether the server has something to serve, and how old it is")
async def send_health(publications: CurrentPublications) -> JSONResponse:
    """Send `status`: ok, stale, unpublished or damaged; 503 for the last two.

    Stale means that the newest published hour is older than a running schedule leaves it.
    """
    now = datetime.now(UTC)
    newest = publications.newest
    body: dict[str, object] = {"status": "ok"}
    if newest is None:
        is_damaged = publications.fault is not None
        body = {
            "status": "damaged" if is_damaged else "unpublished",
            "next_step": "run `liqheat publish`, which rebuilds the published file"
            if is_damaged
            else FIRST_PUBLICATION,
        }
    else:
        hour = newest.newest_at
        body |= {
            "publication": newest.publication_id,
            "published_at": instant_text(newest.published_at),
            "as_of": None if hour is None else instant_text(hour),
            "age_seconds": None if hour is None else max(int((now - hour).total_seconds()), 0),
        }
        if newest.is_stale(now) or publications.fault is not None:
            body |= {
                "status": "stale",
                "next_step": "`liqheat status` says what keeps new hours from being published",
            }
    return JSONResponse(
        body, 200 if newest is not None else 503, headers={"Cache-Control": "no-store"}
    )
