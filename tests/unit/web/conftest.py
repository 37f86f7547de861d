"""The server over the small market's home, on a socket of loopback."""

import threading
from contextlib import contextmanager

import httpx
import pytest

from jobs.settings import Settings
from web.server import create_server, listen


@contextmanager
def serving(home, **given):
    """Serve a home in a thread; yield a client of it."""
    listening = listen("127.0.0.1", 0)
    started = threading.Event()
    server = create_server(Settings(home=home, **given), on_start=started.set)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        assert started.wait(30)
        address = f"http://127.0.0.1:{listening.getsockname()[1]}"
        with httpx.Client(base_url=address, timeout=30) as client:
            yield client
    finally:
        server.handle_exit(2, None)
        thread.join(30)
        listening.close()
        assert not thread.is_alive()


@pytest.fixture(scope="module")
def client(small_home):
    """Yield a client of the small market; what a module requests stays below the rate limit."""
    with serving(small_home) as client:
        yield client


@pytest.fixture(scope="session")
def serve():
    """Return `serving`, for a test that needs a server of its own."""
    return serving
