"""One HTTP exchange with a service: bytes, or an error of `sources.errors`.

A key travels in a header or in a posted form and nowhere else: not in the address, not in a
message, not in a log line. A service's answer is searched for it before it is quoted, and
redirects, which could carry it elsewhere, are not followed.
"""

import logging
import math
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from sources.errors import ProviderRejected, ProviderUnavailable
from sources.redaction import redact

if TYPE_CHECKING:
    import aiohttp

logger = logging.getLogger(__name__)

LARGEST_ANSWER_BYTES = 128 * 2**20
QUOTED_CHARACTERS = 200
# Worth a retry: time-out, conflict of load, rate limit, and faults of the service.
_TRANSIENT_STATUSES = frozenset({408, 425, 429})


@asynccontextmanager
async def open_session(proxy: str | None = None) -> AsyncIterator["aiohttp.ClientSession"]:
    """Yield the connections that all requests share, through a proxy where one is given."""
    import aiohttp

    async with aiohttp.ClientSession(proxy=proxy) as session:
        yield session


def is_transient_status(status: int) -> bool:
    """Return whether a refusal with this HTTP status is transient."""
    return status in _TRANSIENT_STATUSES or status >= 500


def retry_after_seconds(headers: Mapping[str, str]) -> float | None:
    """Return the wait an answer requires, by its own clock where it gives a date [seconds].

    A date in ``Retry-After`` (RFC 9110, 10.2.3) is read against the ``Date`` of the same answer,
    so no clock of ours is needed; None where either is missing or unreadable.
    """
    wanted = headers.get("Retry-After", "").strip()
    try:
        seconds = float(wanted)
    except ValueError:
        until, now = _http_date(wanted), _http_date(headers.get("Date", ""))
        return max((until - now).total_seconds(), 0.0) if until and now else None
    return seconds if math.isfinite(seconds) and seconds >= 0 else None


def _http_date(text: str) -> datetime | None:
    try:
        return parsedate_to_datetime(text)
    except ValueError:
        return None


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """One request to a service.

    Parameters
    ----------
    method, url : str
        What is called; the URL holds no secret.
    timeout_seconds : float
        For connecting and reading together.
    secrets : sequence of str
        Keys that must not appear in any message.
    headers, params, json_body, form : mapping, optional
        Parts of the request.
    largest_bytes : int, optional
        A larger answer is refused; by default ``LARGEST_ANSWER_BYTES``.
    """

    method: str
    url: str
    timeout_seconds: float = 10.0
    secrets: Sequence[str] = ()
    headers: Mapping[str, str] | None = None
    params: Mapping[str, str] | None = None
    json_body: Mapping[str, Any] | None = None
    form: Mapping[str, str] | None = None
    largest_bytes: int | None = None


async def exchange(session: "aiohttp.ClientSession", service: str, request: HttpRequest) -> bytes:
    """Return the body of one successful HTTP exchange.

    Parameters
    ----------
    session : aiohttp.ClientSession
        The connection pool to use.
    service : str
        Named in messages.
    request : HttpRequest
        What goes out.

    Raises
    ------
    ProviderUnavailable
        No answer in time, no connection, status 408, 425, 429 or 5xx; carries the wait the
        service requires, if any.
    ProviderRejected
        Any other status than 200, or an answer that is too large.
    """
    import aiohttp

    place = f"{service}: {request.method} {request.url}"
    try:
        async with session.request(
            request.method,
            request.url,
            headers=request.headers,
            params=request.params,
            json=request.json_body,
            data=request.form,
            timeout=aiohttp.ClientTimeout(total=request.timeout_seconds),
            allow_redirects=False,
        ) as response:
            body = await _read_body(response, place, request.largest_bytes or LARGEST_ANSWER_BYTES)
            status, answer_headers = response.status, response.headers
    except TimeoutError as exc:
        raise ProviderUnavailable(
            f"{place}: no answer within {request.timeout_seconds:g} s; try again later or allow "
            "more time"
        ) from exc
    except aiohttp.ClientError as exc:
        raise ProviderUnavailable(
            f"{place}: {redact(type(exc).__name__ + ': ' + str(exc), request.secrets)}; "
            "check the network and the address, then try again"
        ) from exc
    if status != 200:
        raise refusal_error(
            place, status, body.decode("utf-8", "replace"), request.secrets, answer_headers
        )
    logger.debug("%s: %d bytes", place, len(body))
    return body


async def _read_body(response: "aiohttp.ClientResponse", place: str, largest_bytes: int) -> bytes:
    chunks, size = [], 0
    async for chunk in response.content.iter_chunked(2**16):
        size += len(chunk)
        if size > largest_bytes:
            raise ProviderRejected(
                f"{place}: the answer exceeds {largest_bytes} bytes; request less, "
                "for example a shorter look-back"
            )
        chunks.append(chunk)
    return b"".join(chunks)


def refusal_error(
    place: str, status: int, text: str, secrets: Sequence[str], headers: Mapping[str, str]
) -> ProviderUnavailable | ProviderRejected:
    """Return the error for a refusal with an HTTP status, in the answer's head or in its body.

    Parameters
    ----------
    place : str
        Provider, method and address.
    status : int
        HTTP status, or the code a provider uses like one.
    text : str
        Of the answer; quoted without secrets.
    secrets : sequence of str
        What must not be quoted.
    headers : mapping
        Of the answer, for ``Retry-After``.
    """
    # Hidden before it is cut, so that no half of a key remains at the edge.
    quoted = " ".join(redact(text, secrets).split())[:QUOTED_CHARACTERS]
    what = f"{place}: refused with {status} ({quoted!r})"
    if is_transient_status(status):
        wait = retry_after_seconds(headers)
        when = "try again later" if wait is None else f"try again in {wait:g} s"
        return ProviderUnavailable(f"{what}; {when}", wait, status)
    if status in (401, 403):
        return ProviderRejected(
            f"{what}; check the key and whether its plan covers this endpoint", status=status
        )
    if 300 <= status < 400:
        return ProviderRejected(
            f"{what}; the address has moved, give the one it moved to", status=status
        )
    return ProviderRejected(
        f"{what}; check symbol, venue and look-back against its documentation", status=status
    )
