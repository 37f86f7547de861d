"""Events of the server: a page that is open learns of each publication.

Belongs here: the stream of ``/events``. Does not belong here: noticing a publication
(``web.publications``).
"""

import json
from collections.abc import AsyncIterator

from fastapi import APIRouter
from fastapi.responses import StreamingResponse

from web.catalogue import Catalogue
from web.problem_details import Refusal
from web.publications import Publications
from web.view import CurrentPublications

router = APIRouter(tags=["page"])

# A comment that often keeps proxies from closing the connection [s].
_HEARTBEAT_SECONDS = 15.0

MOST_STREAMS = 200
"""Pages that are open at the same time."""


_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


@router.get(
    "/events",
    summary="Publications as they come",
    responses={200: {"content": {"text/event-stream": {}}}},
    response_class=StreamingResponse,
)
async def stream_events(publications: CurrentPublications) -> StreamingResponse:
    """Send an event `publication` with `{"id", "as_of", "published_at"}`: now, and for each next.

    A comment every 15 s keeps the connection open.
    """
    if publications.streams >= MOST_STREAMS:
        raise Refusal(
            503,
            "Too many streams",
            f"{MOST_STREAMS} pages are open already",
            "close some, or poll /healthz",
            headers={"Retry-After": "30"},
        )
    return StreamingResponse(
        _events(publications), media_type="text/event-stream", headers=_HEADERS
    )


async def _events(publications: Publications) -> AsyncIterator[str]:
    known: str | None = None
    publications.streams += 1
    try:
        yield "retry: 2000\n\n"
        while not publications.is_closing:
            newest = await publications.wait_for_next(known, _HEARTBEAT_SECONDS)
            if newest is None:
                yield ": still here\n\n"
                continue
            known = newest.publication_id
            yield publication_event(newest)
    finally:
        publications.streams -= 1


def publication_event(catalogue: Catalogue) -> str:
    """Return a publication as a server-sent event."""
    newest = catalogue.newest_at
    body = {
        "id": catalogue.publication_id,
        "as_of": None if newest is None else newest.isoformat(),
        "published_at": catalogue.published_at.isoformat(),
    }
    return f"event: publication\nid: {body['id']}\ndata: {json.dumps(body)}\n\n"
