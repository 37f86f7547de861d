"""What the tests of all providers share: an empty context, tables as rows, a stand-in service."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from sources.providers.provider import AnswerContext
from sources.records import Batch

RECORDED = Path(__file__).parents[4] / "../shared/data/providers"
READ_AT = datetime(2026, 3, 3, 15, tzinfo=UTC)


@pytest.fixture
def context() -> AnswerContext:
    return AnswerContext(input_name="saved.json", ingested_at=READ_AT)


@pytest.fixture
def recorded() -> Callable[[str], bytes]:
    def read(name: str) -> bytes:
        path = RECORDED / name
        if not path.exists():
            pytest.skip(f"recorded market data is not here ({name})")
        return path.read_bytes()

    return read


@pytest.fixture
def rows_of() -> Callable[[list[Batch], str], list[dict[str, object]]]:
    def read(batches: list[Batch], kind: str = "provider_map") -> list[dict[str, object]]:
        return [row for batch in batches if batch.kind == kind for row in batch.table.to_pylist()]

    return read


@dataclass
class StandIn:
    """A service on loopback that answers as scripted and keeps the requests."""

    url: str = ""
    answers: list[tuple[int, bytes, dict[str, str]]] = field(default_factory=list)
    requests: list[tuple[str, str, dict[str, str], dict[str, str], bytes]] = field(
        default_factory=list
    )
    release: asyncio.Event = field(default_factory=asyncio.Event)
    is_silent: bool = False

    def will_answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.answers.append((status, body, headers))


@pytest.fixture
async def stand_in() -> AsyncIterator[StandIn]:
    service = StandIn()

    async def handle(request: web.Request) -> web.Response:
        service.requests.append(
            (
                request.method,
                request.path,
                dict(request.query),
                dict(request.headers),
                await request.read(),
            )
        )
        if service.is_silent:
            await service.release.wait()
        answers = service.answers
        status, body, headers = answers.pop(0) if len(answers) > 1 else answers[0]
        return web.Response(status=status, body=body, headers=headers)

    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", handle)
    server = TestServer(app)
    await server.start_server()
    service.url = str(server.make_url("")).rstrip("/")
    yield service
    service.release.set()
    await server.close()


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as opened:
        yield opened


@pytest.fixture
def everything_logged(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    # Flows limit the rooms' own loggers as soon as one is imported.
    with caplog.at_level(logging.DEBUG), caplog.at_level(logging.DEBUG, logger="sources"):
        yield caplog
