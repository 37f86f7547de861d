"""Object storage that fails by rule: a proxy before the S3 server of `workbench.lakes`.

Belongs here: which requests are hit and what is answered. Does not belong here: objects; the server
behind it keeps them.
"""

import http.client
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from workbench.lakes import ObjectServer

SLOW_DOWN = (503, "SlowDown", "Please reduce your request rate.")
INTERNAL_ERROR = (500, "InternalError", "We encountered an internal error. Please try again.")
EXPIRED_TOKEN = (400, "ExpiredToken", "The provided token has expired.")
ACCESS_DENIED = (403, "AccessDenied", "Access Denied")


@dataclass(slots=True)
class ObjectFault:
    """One rule: which requests are hit, and how.

    Parameters
    ----------
    answer : tuple of (int, str, str), optional
        Status, code and message of S3's error; with None the connection is closed without a word.
    method : str
        ``GET``, ``PUT``, ... or ``*`` for all.
    after : int
        Matching requests that pass unharmed first.
    every : int
        Of the others each so-manieth is hit.
    times : int, optional
        Requests hit at most; None is without end.
    seconds : float
        Time before the answer [s].
    is_late : bool
        Whether the request is carried out all the same.
    """

    answer: tuple[int, str, str] | None
    method: str = "*"
    after: int = 0
    every: int = 1
    times: int | None = None
    seconds: float = 0.0
    is_late: bool = False
    hits: int = field(default=0, init=False)
    seen: int = field(default=0, init=False)

    def hits_request(self, method: str) -> bool:
        """Return whether a request is hit, and count it."""
        if self.method not in ("*", method):
            return False
        self.seen += 1
        number = self.seen - self.after
        if number <= 0 or number % self.every or self.hits == self.times:
            return False
        self.hits += 1
        return True


@dataclass(slots=True)
class FaultyObjects:
    """A running proxy.

    Parameters
    ----------
    port : int
        Where it listens on the loopback address.
    faults : tuple of ObjectFault
        What it does at present; of those that hit a request the first counts.
    """

    port: int
    faults: tuple[ObjectFault, ...] = ()
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def url(self) -> str:
        """As ``AWS_ENDPOINT_URL``."""
        return f"http://127.0.0.1:{self.port}"

    def fault_of(self, method: str) -> ObjectFault | None:
        """Return the fault that hits a request."""
        with self._lock:
            hit = [fault for fault in self.faults if fault.hits_request(method)]
        return hit[0] if hit else None


@contextmanager
def faulty_objects(server: ObjectServer) -> Iterator[FaultyObjects]:
    """Yield a proxy of a server that answers every request until it has faults."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            """Say nothing."""

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            fault = proxy.fault_of(self.command)
            if fault is None:
                self.forward(body)
                return
            time.sleep(fault.seconds)
            if fault.is_late:
                self.forward(body)
            elif fault.answer is None:
                self.close_connection = True
            else:
                status, code, message = fault.answer
                self.send(status, {"Content-Type": "application/xml"}, _error(code, message))

        do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = answer  # noqa: N815  (as http.server calls them)

        def forward(self, body: bytes) -> None:
            behind = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
            try:
                behind.request(self.command, self.path, body, dict(self.headers))
                answer = behind.getresponse()
                content = answer.read()
            finally:
                behind.close()
            headers = {
                name: value
                for name, value in answer.getheaders()
                if name.lower() not in ("connection", "date", "server", "transfer-encoding")
            }
            self.send(answer.status, headers, content)

        def send(self, status: int, headers: dict[str, str], content: bytes) -> None:
            self.send_response_only(status)
            if self.command != "HEAD":
                headers = {**headers, "Content-Length": str(len(content))}
            for name, value in headers.items():
                self.send_header(name, value)
            # The client may have given up.
            with suppress(OSError):
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(content)

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listener:
        listener.daemon_threads = True
        proxy = FaultyObjects(listener.server_address[1])
        thread = threading.Thread(target=listener.serve_forever, daemon=True)
        thread.start()
        try:
            yield proxy
        finally:
            listener.shutdown()


def _error(code: str, message: str) -> bytes:
    text = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}'.encode()
