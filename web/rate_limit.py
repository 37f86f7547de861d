"""How often one client may send requests, and guess the token.

Belongs here: counting by client. Does not belong here: how much one answer may hold
(``web.answers``).
"""

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from starlette.types import ASGIApp, Receive, Scope, Send

from web.problem_details import Refusal
from web.problem_handlers import json_problem

# Clients remembered; the one that has been away longest is forgotten first.
_MOST_CLIENTS = 10_000


@dataclass(frozen=True, slots=True)
class RequestRate:
    """A rate with a burst.

    Parameters
    ----------
    prefix : str
        Paths that it counts.
    per_second : float
        Requests a second in the long run.
    burst : int
        Requests at once.
    """

    prefix: str
    per_second: float
    burst: int


RATES = (
    # Guesses at the form; `web.security` counts those in headers by GUESSES.
    RequestRate("/login", 0.1, 10),
    RequestRate("/v1/files", 20.0, 200),
    RequestRate("/v1/", 20.0, 200),
    RequestRate("/panels/", 20.0, 200),
    RequestRate("/state", 20.0, 200),
    RequestRate("/events", 1.0, 60),
)
"""What is counted; the first prefix that fits decides. The page's own files are not."""


GUESSES = RequestRate("", 0.1, 5)
"""Wrong tokens of one client, whatever the path."""


class ClientCounter:
    """Counts by client and rate; what a client has left fills up again with time.

    Parameters
    ----------
    clock : callable
        Seconds that only grow.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        # What a client has left of a rate, and when that was counted.
        self._left: OrderedDict[tuple[str, str], tuple[float, float]] = OrderedDict()

    def seconds_to_wait(self, client: str, rate: RequestRate) -> float:
        """Return how long a client has to wait, 0 where it has not to."""
        left, _ = self._left_now(client, rate)
        return 0.0 if left >= 1.0 else (1.0 - left) / rate.per_second

    def count(self, client: str, rate: RequestRate) -> None:
        """Count once for a client."""
        left, now = self._left_now(client, rate)
        self._left[client, rate.prefix] = (max(left - 1.0, 0.0), now)
        self._left.move_to_end((client, rate.prefix))
        if len(self._left) > _MOST_CLIENTS:
            self._left.popitem(last=False)

    def _left_now(self, client: str, rate: RequestRate) -> tuple[float, float]:
        now = self._clock()
        left, counted = self._left.get((client, rate.prefix), (float(rate.burst), now))
        return min(left + (now - counted) * rate.per_second, float(rate.burst)), now


class RequestLimiter:
    """Refuses requests of a client that come faster than its rate, with 429 and Retry-After.

    Parameters
    ----------
    app : ASGI application
        What is limited.
    rates : tuple of RequestRate
        What is counted.
    clock : callable
        Seconds that only grow.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        rates: tuple[RequestRate, ...] = RATES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._app = app
        self._rates = rates
        self._counter = ClientCounter(clock)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        rate = None
        if scope["type"] == "http":
            path = str(scope["path"])
            rate = next((one for one in self._rates if path.startswith(one.prefix)), None)
        if rate is not None:
            client = client_of(scope)
            wait = self._counter.seconds_to_wait(client, rate)
            if wait > 0.0:
                await json_problem(_too_many(wait))(scope, receive, send)
                return
            self._counter.count(client, rate)
        await self._app(scope, receive, send)


def _too_many(wait: float) -> Refusal:
    return Refusal(
        429,
        "Too many requests",
        "this client sends more requests than one may",
        f"wait {math.ceil(wait)} s; pages of more rows, or /v1/files, need fewer requests",
        headers={"Retry-After": str(math.ceil(wait))},
    )


def client_of(scope: Scope) -> str:
    """Return the address that a request came from."""
    client = scope.get("client")
    # A proxy's header may name anything, at any length.
    return "" if client is None else str(client[0])[:64]
