"""How an answer reaches the client: whole, cut, truncated, late or as a gateway's error.

Belongs here: breaking HTTP. Does not belong here: when it breaks (`faults`).
"""

import asyncio

from aiohttp import web

from standin.answers import Dialect, Refusal, retry_after
from standin.faults import Fault

# A time-out must outlast the client's patience, but not a test's.
MOST_SECONDS_WITHOUT_ANSWER = 60.0
_HTML = b"<html><head><title>Error</title></head><body><h1>Error</h1></body></html>"


def raise_refusal(dialect: Dialect, fault: Fault) -> None:
    """Raise the refusal of a transport fault that is one."""
    headers = retry_after(fault.seconds)
    if fault.kind == "too_many_requests":
        refusal = dialect.too_many_requests(fault.seconds)
        raise Refusal(429, refusal.body, headers)
    if fault.kind == "banned":
        raise Refusal(418, dialect.ban(), headers)
    if fault.kind == "server_error":
        raise Refusal(fault.status, _HTML)


async def send(
    request: web.BaseRequest,
    broken: Fault | None,
    status: int,
    body: bytes,
    headers: dict[str, str],
) -> web.StreamResponse:
    """Send an answer, broken as a transport fault says."""
    kind = broken.kind if broken is not None else ""
    if broken is not None and kind == "time_out":
        await asyncio.sleep(min(broken.seconds, MOST_SECONDS_WITHOUT_ANSWER))
    if kind in ("time_out", "cut_before_answer"):
        cut(request)
        return web.Response()
    if kind == "truncated":
        body = body[: max(2, len(body) // 2)]
    content_type = "text/html" if body.startswith(b"<html") else "application/json"
    if kind == "cut_in_answer":
        response = web.StreamResponse(status=status, headers={"Content-Type": content_type})
        response.content_length = len(body) + 1
        await response.prepare(request)
        await response.write(body[: max(1, len(body) // 2)])
        cut(request)
        return response
    return web.Response(body=body, status=status, headers={"Content-Type": content_type, **headers})


def cut(request: web.BaseRequest) -> None:
    """Close the connection without a word."""
    if request.transport is not None:
        request.transport.abort()
