"""How often one client may send requests."""

import json

from web.rate_limit import RATES, ClientCounter, RequestLimiter, RequestRate

RATE = RequestRate("/v1/", per_second=2.0, burst=3)


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


async def respond(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b""})


async def status_of(limit, path, client="1.2.3.4"):
    sent = []

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "path": path, "method": "GET", "client": (client, 5), "headers": []}
    await limit(scope, None, send)
    headers = dict(sent[0]["headers"])
    body = json.loads(sent[1]["body"]) if sent[0]["status"] == 429 else None
    return sent[0]["status"], headers.get(b"retry-after"), body


async def test_a_burst_passes_and_the_rest_waits():
    clock = Clock()
    limit = RequestLimiter(respond, rates=(RATE,), clock=clock)
    assert [(await status_of(limit, "/v1/map"))[0] for _ in range(4)] == [200, 200, 200, 429]
    status, wait, body = await status_of(limit, "/v1/map")
    assert (status, wait) == (429, b"1")
    assert "wait 1 s" in body["next_step"]
    clock.now = 0.5
    assert (await status_of(limit, "/v1/map"))[0] == 200
    assert (await status_of(limit, "/v1/map"))[0] == 429


async def test_clients_and_paths_do_not_share():
    limit = RequestLimiter(respond, rates=(RATE,), clock=Clock())
    for _ in range(4):
        await status_of(limit, "/v1/map")
    assert (await status_of(limit, "/v1/map", client="5.6.7.8"))[0] == 200
    assert (await status_of(limit, "/static/page.js"))[0] == 200


async def test_a_client_that_rests_has_its_burst_again_and_no_more():
    clock = Clock()
    limit = RequestLimiter(respond, rates=(RATE,), clock=clock)
    for _ in range(3):
        await status_of(limit, "/v1/map")
    clock.now = 3600.0
    assert [(await status_of(limit, "/v1/map"))[0] for _ in range(4)] == [200, 200, 200, 429]


def test_memory_of_clients_is_bounded():
    counter = ClientCounter(Clock())
    for number in range(10_050):
        counter.count(str(number), RATE)
    assert len(counter._left) == 10_000


def test_fifty_requests_at_once_are_within_every_rate_but_the_login():
    assert {one.prefix for one in RATES if one.burst < 50} == {"/login"}
