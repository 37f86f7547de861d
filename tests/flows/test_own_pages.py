"""Requests that pages of other addresses send to the schedule are refused."""

import asyncio

import httpx
import pytest
from starlette.responses import PlainTextResponse

from flows.serve import OwnPagesOnly


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Origin": "http://127.0.0.1:4200"}, 200),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "http://127.0.0.1:4201"}, 403),
        ({"Origin": "null"}, 403),
    ],
)
def test_only_pages_of_the_own_address_may_send_requests(headers, status):
    app = OwnPagesOnly(PlainTextResponse("in"), ["http://127.0.0.1:4200"])

    async def ask() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app)) as client:
            return await client.post("http://127.0.0.1:4200/api/deployments", headers=headers)

    assert asyncio.run(ask()).status_code == status
