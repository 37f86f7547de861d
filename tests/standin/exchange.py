"""The stand-in exchange: a local HTTP and websocket server that speaks for ten venues.

Belongs here: the server, its clock and its log. Does not belong here: what venues answer
(`dialects`), when faults strike (`faults`), how answers break (`transport`), the market itself
(`market_data`).

Every venue answers under its own first path segment, ``http://127.0.0.1:<port>/<venue>/...``, with
the real venue's path behind it. ``/_control`` steers a stand-in that runs in another process.
"""

import asyncio
import json
import threading
import time
from collections import Counter, deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from typing import Any, Self
from urllib.parse import parse_qsl

import orjson
from aiohttp import WSMsgType, web

from standin.answers import Answer, Call, Dialect, Refusal, Socket, retry_after
from standin.budgets import Ledger
from standin.dialects import DIALECTS
from standin.faults import TRANSPORT, Fault, Faults, mangle
from standin.market_data import MarketData, Series
from standin.population import Population, PopulationParameters
from standin.transport import cut, raise_refusal, send


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One request: the venue, endpoint and parameters, the instant, and the outcome."""

    seconds: float  # of a monotonic clock
    now: int
    venue: str
    endpoint: str
    symbol: str
    params: Mapping[str, str]
    status: int
    rows: int
    faults: tuple[str, ...]


class _Connection:
    """One websocket client."""

    def __init__(
        self,
        dialect: Dialect,
        path: str,
        request: web.BaseRequest,
        response: web.WebSocketResponse,
    ) -> None:
        self.dialect = dialect
        self.state = Socket(path)
        self.request = request
        self.response = response
        self.is_silent = False

    def cut(self) -> None:
        """Close the connection without a word."""
        cut(self.request)


class Standin:
    """A stand-in exchange; use as an async context manager, or `serving` from a plain test.

    Parameters
    ----------
    market : MarketData
        What the venues publish.
    now : int
        Time as of which the venues answer [ms]. Set `now` to move it, `run` to let it go by itself.
    latency_seconds : float
        Before every answer.
    enforce_limits : bool
        Whether requests beyond a venue's documented rate limit are refused.
    accounts : PopulationParameters, optional
        Accounts of Hyperliquid, who begin to trade at `now`. Rate limits are then counted by the
        stand-in's clock, so that a client may live at its speed.
    """

    def __init__(
        self,
        market: MarketData,
        *,
        now: int,
        faults: Faults | None = None,
        latency_seconds: float = 0.0,
        enforce_limits: bool = True,
        accounts: PopulationParameters | None = None,
    ) -> None:
        self.market = market
        self.faults = faults if faults is not None else Faults()
        self.latency_seconds = latency_seconds
        self.enforce_limits = enforce_limits
        self.log: deque[LogEntry] = deque(maxlen=200_000)
        self.counts: Counter[tuple[str, str]] = Counter()
        self.refused: Counter[str] = Counter()
        self.unknown: Counter[str] = Counter()
        self.frames_sent: Counter[str] = Counter()
        self.port = 0
        self._now = now
        self._speed = 0.0
        self._set_at = time.monotonic()
        self._sent_until = now
        self._moved: asyncio.Event | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._runner: web.ServerRunner | None = None
        self._publisher: asyncio.Task[None] | None = None
        self._connections: set[_Connection] = set()
        self._dialects: dict[str, Dialect] = {}
        self._ledgers: dict[str, Ledger] = {}
        for kind in DIALECTS:
            dialect = kind(market)
            for name in (kind.venue, *kind.aliases):
                self._dialects[name] = dialect
            self._ledgers[kind.venue] = Ledger(kind.budgets)
        self.population: Population | None = None
        if accounts is not None:
            self.population = self._dialects["hyperliquid"].populate(market, now, accounts)

    # -- time

    @property
    def now(self) -> int:
        """Return the time as of which the venues answer [ms]."""
        if self._speed:
            return self._now + int((time.monotonic() - self._set_at) * 1000 * self._speed)
        return self._now

    @now.setter
    def now(self, milliseconds: int) -> None:
        self._now = milliseconds
        self._set_at = time.monotonic()
        self._sent_until = min(self._sent_until, milliseconds)
        if self._loop is not None and self._moved is not None and self._loop.is_running():
            self._loop.call_soon_threadsafe(self._moved.set)

    def run(self, speed: float = 1.0) -> None:
        """Let time go by, so many times as fast as the wall clock; 0 stops it."""
        now = self.now
        self._speed = speed
        # Wakes the publisher, which then sees the speed.
        self.now = now

    async def advance(self, milliseconds: int) -> None:
        """Move time on and wait until websocket clients have all frames."""
        self.now = self.now + milliseconds
        await self.settled()

    @property
    def subscriptions(self) -> int:
        """Return how many topics websocket clients listen to."""
        return sum(len(connection.state.topics) for connection in self._connections)

    def ledger(self, venue: str) -> Ledger:
        """Return what has been spent of a venue's budgets."""
        return self._ledgers[venue]

    def least_calls(self, venue: str, endpoint: str, rows: int) -> int:
        """Return how many requests so many rows of one symbol cost at least."""
        return -(-rows // self._dialects[venue].most_rows[endpoint])

    def elapsed(self) -> float:
        """Return the seconds of the clock that rate limits are counted by."""
        return time.monotonic() if self.population is None else self.now / 1000

    async def settled(self) -> None:
        """Wait until everything up to now has been sent to websocket clients."""
        while self._sent_until < self._now:
            await asyncio.sleep(0.001)

    # -- life

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self, port: int = 0) -> None:
        """Listen on the loopback address, on any free port if none is named."""
        self._loop = asyncio.get_running_loop()
        self._moved = asyncio.Event()
        self._runner = web.ServerRunner(
            web.Server(self._handle, access_log=None), shutdown_timeout=0.1
        )
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", port)
        await site.start()
        self.port = self._runner.addresses[0][1]
        self._publisher = asyncio.create_task(self._publish())

    async def stop(self) -> None:
        if self._publisher is not None:
            self._publisher.cancel()
            await asyncio.gather(self._publisher, return_exceptions=True)
        for connection in list(self._connections):
            connection.cut()
        if self._runner is not None:
            await self._runner.cleanup()
        self._loop = self._runner = self._publisher = None

    # -- requests

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        venue, _, rest = request.path.lstrip("/").partition("/")
        path = "/" + rest
        if venue == "_control":
            return await self._control(request, rest)
        dialect = self._dialects.get(venue)
        if dialect is None:
            self.unknown[request.path] += 1
            return web.json_response({"standin": f"no venue is called {venue!r}"}, status=404)
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return await self._serve_socket(request, dialect, path)
        params = dict(parse_qsl(request.query_string, keep_blank_values=True))
        if request.method == "POST":
            params |= _flat(await request.read())
        route = dialect.find(request.method, path, params)
        if route is None:
            self.unknown[f"{request.method} {dialect.venue}{path}"] += 1
            refusal = dialect.unknown_path(path)
            return web.json_response(refusal.body, status=refusal.status)

        now = self.now
        endpoint = route.endpoint if isinstance(route.endpoint, str) else route.endpoint(params)
        call = Call(dialect, endpoint, params, now, now, self.faults, headers=dict(request.headers))
        call.symbol = _symbol_of(dialect, params)
        call.drawn = self.faults.draw(dialect.venue, call.endpoint, call.symbol)
        delay = self.latency_seconds
        for fault in call.drawn:
            if fault.kind == "latency":
                delay += fault.seconds
            elif fault.kind == "clock_skew":
                call.server_time += fault.milliseconds
        if delay:
            await asyncio.sleep(delay)
        broken = next((fault for fault in call.drawn if fault.kind in TRANSPORT), None)

        status, body, headers, rows = self._answer(call, route.charges, route.handler, broken)
        self._note(call, status, rows)
        return await send(request, broken, status, body, headers)

    def _answer(
        self, call: Call, charges: tuple[Any, ...], handler: Any, broken: Fault | None
    ) -> tuple[int, bytes, dict[str, str], int]:
        """Return status, body, headers and number of rows."""
        dialect = call.dialect
        try:
            self._charge(call, charges)
            if broken is not None:
                raise_refusal(dialect, broken)
            answer: Answer = handler(dialect, call)
            if answer.weight:
                ledger = self._ledgers[dialect.venue]
                ledger.charge(
                    self.elapsed(), charges[0][0], call.endpoint, call.symbol, answer.weight
                )
            rows = mangle(answer.rows, call.drawn, f"{self.faults.seed}/{len(self.log)}")
            body = orjson.dumps(answer.wrap(rows))
        except Refusal as refusal:
            if isinstance(refusal.body, bytes):
                return refusal.status, refusal.body, refusal.headers, 0
            return refusal.status, orjson.dumps(refusal.body), refusal.headers, 0
        return 200, body, answer.headers, len(rows)

    def _charge(self, call: Call, charges: tuple[Any, ...]) -> None:
        ledger = self._ledgers[call.venue]
        at = self.elapsed()
        factor = self.faults.limit_factor(call.venue)
        for name, weight in charges:
            cost = weight(call.params) if callable(weight) else weight
            if not self.enforce_limits:
                continue
            wait = ledger.spend(at, name, call.endpoint, call.symbol, cost, factor=factor)
            if wait:
                self.refused[call.venue] += 1
                refusal = call.dialect.too_many_requests(wait)
                refusal.headers |= retry_after(wait)
                raise refusal

    def _note(self, call: Call, status: int, rows: int) -> None:
        self.counts[call.venue, call.endpoint] += 1
        self.log.append(
            LogEntry(
                time.monotonic(),
                call.now,
                call.venue,
                call.endpoint,
                call.symbol,
                call.params,
                status,
                rows,
                tuple(fault.kind for fault in call.drawn),
            )
        )

    # -- websockets

    async def _serve_socket(
        self, request: web.BaseRequest, dialect: Dialect, path: str
    ) -> web.StreamResponse:
        # A ping is answered by hand, so that a silent socket can leave it.
        response = web.WebSocketResponse(autoping=False)
        await response.prepare(request)
        connection = _Connection(dialect, path, request, response)
        self._connections.add(connection)
        self.counts[dialect.venue, "socket"] += 1
        try:
            async for message in response:
                if self._socket_faults(connection, "socket_silence"):
                    connection.is_silent = True
                if connection.is_silent:
                    continue
                if message.type == WSMsgType.PING:
                    await response.pong(message.data)
                elif message.type == WSMsgType.TEXT:
                    for reply in dialect.on_text(connection.state, message.data):
                        await _send_frame(response, reply)
        except ConnectionError:
            pass  # the client hung up before its answer
        finally:
            self._connections.discard(connection)
        return response

    def _socket_faults(self, connection: _Connection, *kinds: str) -> list[Fault]:
        """Return the faults of some kinds that hit a socket, counting only these."""
        venue = connection.dialect.venue
        return [
            fault
            for fault in self.faults.active
            if fault.kind in kinds
            and fault.matches(venue, "socket", "")
            and self.faults.hits(fault, venue, "socket", "")
        ]

    def _is_listed(self, series: Series) -> bool:
        instrument = series.instrument
        return instrument.is_listed(self.now) and not self.faults.has_vanished(
            instrument.venue, instrument.symbol
        )

    async def _publish(self) -> None:
        """Send websocket clients what happens as time moves."""
        if self._moved is None:
            return
        while True:
            timeout = 0.1 if self._speed else None
            with suppress(TimeoutError):
                await asyncio.wait_for(self._moved.wait(), timeout)
            self._moved.clear()
            now = self.now
            for connection in list(self._connections):
                try:
                    await self._send_frames(connection, self._sent_until, now)
                except ConnectionError:
                    self._connections.discard(connection)
            self._sent_until = now

    async def _send_frames(self, connection: _Connection, after: int, until: int) -> None:
        frames = connection.dialect.frames(connection.state, after, until, self._is_listed)
        for frame in frames:
            struck = self._socket_faults(
                connection, "socket_cut", "socket_silence", "socket_garbage"
            )
            for fault in struck:
                if fault.kind == "socket_cut":
                    connection.cut()
                    self._connections.discard(connection)
                    return
                if fault.kind == "socket_silence":
                    connection.is_silent = True
                elif not connection.is_silent:
                    await _send_frame(connection.response, '{"broken": ')
                    await _send_frame(connection.response, {"unknown": ["shape"]})
            if connection.is_silent:
                return
            await _send_frame(connection.response, frame)
            self.frames_sent[connection.dialect.venue] += 1

    # -- control from another process

    async def _control(self, request: web.BaseRequest, what: str) -> web.Response:
        """Answer ``/_control``: state, log, clock, faults, latency."""
        sent = json.loads(await request.read() or b"{}")
        if what == "clock":
            if "now" in sent:
                self.now = int(sent["now"])
            if "advance" in sent:
                self.now = self.now + int(sent["advance"])
            if "speed" in sent:
                self.run(float(sent["speed"]))
        elif what == "faults":
            if sent.get("clear"):
                self.faults.clear()
            for fault in sent.get("add", ()):
                self.faults.add(**fault)
        elif what == "settings":
            self.latency_seconds = float(sent.get("latency_seconds", self.latency_seconds))
            self.enforce_limits = bool(sent.get("enforce_limits", self.enforce_limits))
        elif what == "log":
            return web.json_response([asdict(entry) for entry in self.log])
        elif what == "forget":
            self.forget()
        elif what == "population" and self.population is not None:
            self.population.steer(**sent)
        elif what != "state":
            return web.json_response({"standin": f"no control is called {what!r}"}, status=404)
        return web.json_response(self.state())

    def forget(self) -> None:
        """Empty the log and the counters."""
        self.log.clear()
        counters = (self.counts, self.refused, self.unknown, self.frames_sent, self.faults.drawn)
        for counter in counters:
            counter.clear()

    def state(self) -> dict[str, Any]:
        """Return time and counters as JSON can carry them."""
        return {
            "now": self.now,
            "counts": {f"{venue} {endpoint}": n for (venue, endpoint), n in self.counts.items()},
            "refused": dict(self.refused),
            "unknown": dict(self.unknown),
            "frames_sent": dict(self.frames_sent),
            "faults": {f"{venue} {kind}": n for (venue, kind), n in self.faults.drawn.items()},
            "peaks": {
                f"{venue} {name}": weight
                for venue, ledger in self._ledgers.items()
                for name, weight in ledger.peaks.items()
                if weight
            },
            "population": self.population.summary() if self.population is not None else None,
        }


def _symbol_of(dialect: Dialect, params: Mapping[str, str]) -> str:
    """Return the symbol a request names, as ccxt spells it, the account, or nothing."""
    if "user" in params:
        return params["user"].lower()
    for name in (
        "symbol",
        "instId",
        "contract",
        "coin",
        "contract_code",
        "instrument_name",
        "pair",
    ):
        value = params.get(name, "")
        if not value:
            continue
        for market_id in (value, value.removeprefix("mark_"), f"{value}_PERP",
                          value.removesuffix("-mark-price")):  # fmt: skip
            if market_id in dialect.by_id:
                return dialect.by_id[market_id].instrument.symbol
    return ""


def _flat(body: bytes) -> dict[str, str]:
    """Return the fields of a JSON body as text, those of a nested ``req`` beside them."""
    try:
        fields = orjson.loads(body or b"{}")
    except orjson.JSONDecodeError:
        return {}
    fields |= fields.pop("req", {})
    return {name: str(value) for name, value in fields.items()}


async def _send_frame(response: web.WebSocketResponse, frame: Any) -> None:
    await response.send_str(frame if isinstance(frame, str) else orjson.dumps(frame).decode())


@contextmanager
def serving(standin: Standin, port: int = 0) -> Iterator[Standin]:
    """Run a stand-in in a thread of its own, for code that has no event loop."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="standin", daemon=True)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(standin.start(port), loop).result(10)
        yield standin
        asyncio.run_coroutine_threadsafe(standin.stop(), loop).result(10)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
