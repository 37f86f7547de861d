"""Sending answers: made once, kept while they are wanted, cut off for clients that do not read.

Belongs here: the memory that encoded answers take, answers shared by several requests, and bodies
that must be read within a time. Does not belong here: making them.
"""

import asyncio
import logging
import os
from collections import Counter, OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager

from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from web.answers import Encoded
from web.problem_details import busy

logger = logging.getLogger(__name__)

# Memory of encoded answers: those kept for later requests, and others while they are sent.
_KEPT_BYTES = 16_000_000
_SENDING_BYTES = 32_000_000

# How long an answer waits for others to be sent [s].
_WAIT_SECONDS = 10.0

# A client reads at least this fast, after the first seconds.
_CHUNK_BYTES = 65_536
_FILE_CHUNK_BYTES = 262_144
_LEAST_BYTES_PER_SECOND = 200_000
_LEAST_SECONDS = 20.0


class AnswerStore:
    """Encoded answers by tag; one that several clients request at the same time is made once.

    Parameters
    ----------
    kept_bytes, sending_bytes : int
        Memory of answers that are kept, and of others while they are sent [bytes].
    """

    def __init__(
        self, *, kept_bytes: int = _KEPT_BYTES, sending_bytes: int = _SENDING_BYTES
    ) -> None:
        self._kept_bytes = kept_bytes
        self._sending_bytes = sending_bytes
        self._kept: OrderedDict[str, Encoded] = OrderedDict()
        self._making: dict[str, asyncio.Task[Encoded]] = {}
        self._sending: Counter[str] = Counter()
        self._sizes: dict[str, int] = {}
        self._sent = asyncio.Event()

    @property
    def sending(self) -> int:
        """Bytes being sent that are not kept; the same answer counts once."""
        return sum(size for tag, size in self._sizes.items() if tag not in self._kept)

    @property
    def kept(self) -> int:
        """Bytes kept for later requests."""
        return sum(len(one.body) for one in self._kept.values())

    async def get(
        self, tag: str, make: Callable[[], Awaitable[Encoded]], *, is_large: bool
    ) -> Encoded:
        """Return the answer with a tag, making it where nobody has.

        Parameters
        ----------
        tag : str
            Its entity tag.
        make : callable
            Makes it.
        is_large : bool
            Whether it may be large; a large one is made once those being sent leave room.

        Raises
        ------
        Refusal
            Slow clients hold all the memory there is for answers.
        """
        if tag in self._kept:
            self._kept.move_to_end(tag)
            return self._kept[tag]
        making = self._making.get(tag)
        if making is None:
            making = asyncio.create_task(self._make(tag, make, is_large=is_large))
            self._making[tag] = making
            making.add_done_callback(lambda done: self._made(tag, done))
        # A client that goes away does not take the answer from the others.
        return await asyncio.shield(making)

    async def _make(
        self, tag: str, make: Callable[[], Awaitable[Encoded]], *, is_large: bool
    ) -> Encoded:
        most = self._sending_bytes if is_large else 2 * self._sending_bytes
        try:
            async with asyncio.timeout(_WAIT_SECONDS):
                while self.sending >= most:
                    self._sent.clear()
                    await self._sent.wait()
        except TimeoutError:
            raise busy(
                "clients that read slowly hold all the memory there is for answers", 10
            ) from None
        encoded = await make()
        if len(encoded.body) <= self._kept_bytes // 2:
            self._kept[tag] = encoded
            while self.kept > self._kept_bytes:
                self._kept.popitem(last=False)
        return encoded

    def _made(self, tag: str, done: asyncio.Task[Encoded]) -> None:
        self._making.pop(tag, None)
        if not done.cancelled():
            # Whoever waits raises it; where nobody does any more, nobody has to know.
            done.exception()

    @contextmanager
    def counting(self, tag: str, size: int) -> Iterator[None]:
        """Count an answer as being sent within the block."""
        self._sending[tag] += 1
        self._sizes[tag] = size
        try:
            yield
        finally:
            self._sending[tag] -= 1
            if not self._sending[tag]:
                del self._sending[tag], self._sizes[tag]
            self._sent.set()


@asynccontextmanager
async def reading_time(size: int) -> AsyncIterator[None]:
    """Cut the block off once a client should have read a body of a size [bytes]."""
    seconds = _LEAST_SECONDS + size / _LEAST_BYTES_PER_SECOND
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        # Without the rest of the body the server closes the connection.
        logger.warning("a client read too slowly: cut off after %.0f s", seconds)


class HeadAsGet:
    """Answers HEAD with the headers of GET; the server leaves the body out.

    Monitors send it, and DuckDB before it reads an address. Files answer it themselves, without
    being read; a stream has no end.

    Parameters
    ----------
    app : ASGI application
        What answers GET.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        is_head = scope["type"] == "http" and scope["method"] == "HEAD"
        if not is_head or scope["path"].startswith(("/events", "/v1/files/", "/static", "/chart")):
            await self._app(scope, receive, send)
            return
        as_get = {**scope, "method": "GET"}
        try:
            await self._app(as_get, receive, send)
        finally:
            # Which route answered is counted.
            scope["route"] = as_get.get("route")


class BoundedResponse(Response):
    """A response whose body must be read within a time that depends on its size.

    Parameters
    ----------
    store : AnswerStore
        Where the body counts while it is sent.
    tag : str
        Entity tag of the answer.
    parts : tuple of bytes or memoryview
        The body: parts that are sent one after the other, never joined.
    media_type : str
        Its media type.
    headers : mapping
        Further headers.
    """

    def __init__(
        self,
        store: AnswerStore,
        tag: str,
        parts: tuple[bytes | memoryview, ...],
        *,
        media_type: str,
        headers: Mapping[str, str],
    ) -> None:
        self._store, self._tag, self._parts = store, tag, parts
        self._size = sum(map(len, parts))
        super().__init__(
            None, headers={**headers, "Content-Length": str(self._size)}, media_type=media_type
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        """Send the response."""
        with self._store.counting(self._tag, self._size):
            async with reading_time(self._size):
                await self._send(send)

    async def _send(self, send: Send) -> None:
        await send(
            {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
        )
        for part in self._parts:
            view = memoryview(part)
            for first in range(0, len(view), _CHUNK_BYTES):
                chunk = bytes(view[first : first + _CHUNK_BYTES])
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


class OpenFileResponse(Response):
    """A response whose body is a part of an open file, which it closes.

    Parameters
    ----------
    descriptor : int
        The file.
    first, count : int
        The bytes that are sent: the first, and how many.
    status_code : int
        200, or 206 for a part.
    media_type : str
        Its media type.
    headers : mapping
        Further headers.
    """

    def __init__(
        self,
        descriptor: int,
        first: int,
        count: int,
        *,
        status_code: int,
        media_type: str,
        headers: Mapping[str, str],
    ) -> None:
        self._descriptor, self._first, self._count = descriptor, first, count
        length = {"Content-Length": str(count)}
        super().__init__(None, status_code, {**headers, **length}, media_type)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        """Send the response."""
        try:
            async with reading_time(self._count):
                await self._send(send, 0 if scope["method"] == "HEAD" else self._count)
        finally:
            os.close(self._descriptor)

    async def _send(self, send: Send, count: int) -> None:
        await send(
            {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
        )
        place = self._first
        while count > 0:
            chunk = await asyncio.to_thread(
                os.pread, self._descriptor, min(_FILE_CHUNK_BYTES, count), place
            )
            if not chunk:
                # The file is shorter than it was; without the rest the connection is closed.
                return
            place, count = place + len(chunk), count - len(chunk)
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})
