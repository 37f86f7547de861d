"""The process of ``liqheat serve``: its socket, its signals, its end.

Belongs here: listening and stopping. Does not belong here: what is answered (``web.app``).
"""

import ctypes
import socket
from collections.abc import Callable
from contextlib import suppress
from types import FrameType

import pyarrow as pa
import uvicorn

from jobs.errors import CannotListen
from jobs.settings import Settings
from web.app import create_app
from web.publications import Publications

# Connections beyond these are answered with 503 at once.
_MOST_CONNECTIONS = 1000

# How long answers under way may take after Ctrl-C [s].
_GRACE_SECONDS = 3


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens on an address; port 0 takes any free one.

    Raises
    ------
    CannotListen
        The port is taken, not allowed, or the address is not one of this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        listening.listen(2048)
    except (OSError, OverflowError) as exc:
        listening.close()
        reason = getattr(exc, "strerror", None) or str(exc)
        raise CannotListen(
            f"cannot listen on {host} port {port}: {reason}; choose another with --port, or "
            "end what listens there"
        ) from exc
    listening.setblocking(False)
    return listening


class _Server(uvicorn.Server):
    """A server that ends its event streams as soon as it is to stop: they would never end."""

    def __init__(
        self, config: uvicorn.Config, publications: Publications, on_start: Callable[[], None]
    ) -> None:
        super().__init__(config)
        self._publications = publications
        self._on_start = on_start

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, then report it."""
        await super().startup(sockets)
        if self.started:
            self._on_start()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop; a second signal does not wait for answers under way."""
        self._publications.stop()
        super().handle_exit(sig, frame)


# glibc's mallopt: from which size on memory is mapped, and returned as soon as it is free [bytes];
# how many arenas keep what threads have freed.
_M_MMAP_THRESHOLD, _MAPPED_FROM_BYTES = -3, 131_072
_M_ARENA_MAX, _ARENAS = -8, 2


def return_freed_memory() -> None:
    """Let memory of large answers go back to the system once they are sent.

    By default every thread's arena and every library's pool keep what they once held, and the
    server would stay as large as its busiest moment. Does nothing without glibc.
    """
    pa.set_memory_pool(pa.system_memory_pool())
    with suppress(OSError, AttributeError):
        libc = ctypes.CDLL("libc.so.6")
        libc.mallopt(_M_MMAP_THRESHOLD, _MAPPED_FROM_BYTES)
        libc.mallopt(_M_ARENA_MAX, _ARENAS)


def create_server(
    settings: Settings, *, on_start: Callable[[], None] = lambda: None
) -> uvicorn.Server:
    """Return a server of the page and the API.

    Parameters
    ----------
    settings : Settings
        The home, and the token where one is needed.
    on_start : callable
        Called once requests are answered.
    """
    app = create_app(settings)
    config = uvicorn.Config(
        app,
        # The parser that bounds a request's head; another one, if installed, takes any length.
        http="h11",
        # Requests are counted in /metrics; a log of addresses is the proxy's.
        access_log=False,
        log_config=None,
        limit_concurrency=_MOST_CONNECTIONS,
        timeout_graceful_shutdown=_GRACE_SECONDS,
        server_header=False,
        ws="none",
    )
    return _Server(config, app.state.publications, on_start)


def run_server(
    settings: Settings, listening: socket.socket, *, on_start: Callable[[], None] = lambda: None
) -> None:
    """Serve the page and the API until a signal.

    Parameters
    ----------
    settings, on_start
        As in `create_server`.
    listening : socket
        From `listen`.
    """
    return_freed_memory()
    create_server(settings, on_start=on_start).run(sockets=[listening])
