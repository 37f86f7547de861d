"""A stand-in for where alerts go: one HTTP server on loopback that takes, refuses, hangs or cuts.

    with AlertTarget() as target:
        target.answers = [Answer(status=500), Answer(hangs=True)]   # one a request, then 200
        ...
        target.received[0].json["title"]

It checks what a careful receiver checks: the signature, the age of the timestamp, and which
idempotency keys it has seen. It is written against the description of the webhook, not against its
code.
"""

import hashlib
import hmac
import json
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

OLDEST_SECONDS = 300


@dataclass(frozen=True, slots=True)
class Answer:
    """How one request is answered.

    Parameters
    ----------
    status : int
        HTTP status.
    headers : dict of str to str
        Further headers, such as ``Retry-After``.
    hangs : bool
        Nothing is answered until the stand-in stops.
    cuts : bool
        The connection closes without an answer.
    drips : float
        The head of the answer comes byte by byte, so many seconds apart [s].
    """

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    hangs: bool = False
    cuts: bool = False
    drips: float = 0.0


@dataclass(frozen=True, slots=True)
class Received:
    """One request as it came."""

    path: str
    headers: dict[str, str]
    body: bytes
    status: int

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def key(self) -> str | None:
        return self.headers.get("Idempotency-Key")


class AlertTarget:
    """The stand-in under way.

    Parameters
    ----------
    secret : str, optional
        Where given, a request without a valid signature is refused with 401.
    now : float, optional
        What the receiver takes for the present [s since 1970]; by default the machine's clock.
    """

    def __init__(self, secret: str | None = None, now: float | None = None) -> None:
        self.secret = secret
        self.now = now
        self.answers: list[Answer] = []
        self.always: Answer | None = None
        self.largest_bytes: int | None = None
        self.received: list[Received] = []
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._server.block_on_close = False

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/hook"

    @property
    def apprise_url(self) -> str:
        """The same place as a service of apprise that posts JSON."""
        return f"json://user:hunter2-token@127.0.0.1:{self._server.server_port}/hook"

    @property
    def taken(self) -> list[Received]:
        """Requests answered with 200, repeated keys left out."""
        distinct: dict[object, Received] = {}
        for number, one in enumerate(self.received):
            if one.status == 200:
                distinct.setdefault(one.key or number, one)
        return list(distinct.values())

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._server.shutdown()
        self._server.server_close()

    def _answer_to(self, headers: dict[str, str], body: bytes) -> Answer:
        if self.secret is not None and not self._is_signed(headers, body):
            return Answer(401)
        if self.largest_bytes is not None and len(body) > self.largest_bytes:
            return Answer(413)
        if self.always is not None:
            return self.always
        with self._lock:
            return self.answers.pop(0) if self.answers else Answer()

    def _is_signed(self, headers: dict[str, str], body: bytes) -> bool:
        timestamp = headers.get("X-Liqheat-Timestamp", "")
        made = hmac.new(self.secret.encode(), f"{timestamp}.".encode() + body, hashlib.sha256)
        given = headers.get("X-Liqheat-Signature", "")
        present = time.time() if self.now is None else self.now
        return (
            hmac.compare_digest(f"sha256={made.hexdigest()}", given)
            and abs(present - int(timestamp)) <= OLDEST_SECONDS
        )

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                headers = dict(self.headers.items())
                answer = outer._answer_to(headers, body)
                status = 0 if answer.hangs or answer.cuts else answer.status
                outer.received.append(Received(self.path, headers, body, status))
                if answer.hangs:
                    outer._stopped.wait()
                if answer.hangs or answer.cuts:
                    self.close_connection = True
                    return
                head = [f"HTTP/1.1 {answer.status} Said", "Content-Length: 0", "Connection: close"]
                head += [f"{name}: {value}" for name, value in answer.headers.items()]
                sent = "\r\n".join([*head, "", ""]).encode()
                for one in [sent] if not answer.drips else [bytes([byte]) for byte in sent]:
                    self.wfile.write(one)
                    self.wfile.flush()
                    if answer.drips and outer._stopped.wait(answer.drips):
                        return

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        return Handler
