"""How often one client may send requests.

Belongs here: counting requests by client. Does not belong here: how much one answer may hold
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
    # Guesses at the form. Those in headers are not counted: what protects is the token's length.
    RequestRate("/login", 0.1, 10),
    RequestRate("/v1/files", 20.0, 200),
    RequestRate("/v1/", 20.0, 200),
    RequestRate("/panels/", 20.0, 200),
    RequestRate("/state", 20.0, 200),
    RequestRate("/events", 1.0, 60),
)
"""What is counted; the first prefix that fits decides. The page's own files are not."""


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
        self._clock = clock
        # Requests that a client has left, and when that was counted.
        self._left: OrderedDict[tuple[str, str], tuple[float, float]] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        rate = None
        if scope["type"] == "http":
            path = str(scope["path"])
            rate = next((one for one in self._rates if path.startswith(one.prefix)), None)
        wait = 0.0 if rate is None else self.seconds_to_wait(_client(scope), rate)
        if wait <= 0.0:
            await self._app(scope, receive, send)
            return
        refusal = Refusal(
            429,
            "Too many requests",
            "this client sends more requests than one may",
            f"wait {math.ceil(wait)} s; pages of more rows, or /v1/files, need fewer requests",
            headers={"Retry-After": str(math.ceil(wait))},
        )
        await json_problem(refusal)(scope, receive, send)

    def seconds_to_wait(self, client: str, rate: RequestRate) -> float:
        """Count a request; return how long its client has to wait first, 0 where it has not to."""
        now = self._clock()
        left, counted = self._left.pop((client, rate.prefix), (float(rate.burst), now))
        left = min(left + (now - counted) * rate.per_second, float(rate.burst))
        is_allowed = left >= 1.0
        self._left[client, rate.prefix] = (left - is_allowed, now)
        if len(self._left) > _MOST_CLIENTS:
            self._left.popitem(last=False)
        return 0.0 if is_allowed else (1.0 - left) / rate.per_second


def _client(scope: Scope) -> str:
    client = scope.get("client")
    # A proxy's header may name anything, at any length.
    return "" if client is None else str(client[0])[:64]
