"""The server under load, with slow clients, and as it ends."""

import os
import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from cli.main import app
from jobs.errors import CannotListen
from web.server import listen

ROOT = Path(__file__).parents[3]
TURNOVER = {"asset": "BTC", "provider": "turnover"}


def test_fifty_requests_at_once_are_all_answered(serve, small_home):
    def ask(number):
        # Half of them ask for the same, half each for something else.
        query = {**TURNOVER, "format": "arrow", "days": 1 if number % 2 else 1 + number / 100}
        return client.get("/v1/map", params=query)

    with serve(small_home) as client, ThreadPoolExecutor(50) as workers:
        answers = list(workers.map(ask, range(50)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers[1::2]}) == 1


def test_slow_readers_hold_no_reader(serve, small_home):
    with serve(small_home) as client:
        address = (client.base_url.host, client.base_url.port)
        slow = []
        for number in range(10):
            one = socket.create_connection(address)
            one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            query = f"format=csv&days=1&asset=BTC&provider=turnover&limit={9000 + number}"
            one.sendall(f"GET /v1/map?{query} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            slow.append(one)
        # Each has begun to receive, and reads no more.
        assert all(one.recv(12) == b"HTTP/1.1 200" for one in slow)
        for number in range(20):
            query = {**TURNOVER, "limit": 7 + number}
            assert client.get("/v1/map", params=query).status_code == 200
        metrics = client.get("/metrics").text
        assert "liqheat_readers_in_use 0.0" in metrics
        for one in slow:
            one.close()


def test_metrics_count_by_route(serve, small_home):
    with serve(small_home) as client:
        client.get("/v1/bands", params=TURNOVER)
        client.get("/v1/bands", params={"asset": "<script>"})
        client.get("/wp-login.php")
        text = client.get("/metrics").text
    assert 'liqheat_http_requests_total{method="GET",route="/v1/bands",status="200"} 1.0' in text
    assert 'liqheat_http_requests_total{method="GET",route="/v1/bands",status="404"} 1.0' in text
    assert 'route="other",status="404"} 1.0' in text
    assert "<script>" not in text
    assert "wp-login" not in text
    assert "liqheat_is_stale 1.0" in text


def test_many_requests_of_one_client_are_refused_with_a_time_to_wait(serve, small_home):
    with serve(small_home) as client:
        answers = [client.get("/v1/bands", params={"asset": "BTX"}) for _ in range(260)]
        refused = next(one for one in answers if one.status_code == 429)
        assert int(refused.headers["retry-after"]) >= 1
        assert refused.headers["content-security-policy"]
        assert client.get("/healthz").status_code == 200


def test_a_port_that_is_taken_is_named():
    with listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(CannotListen, match=f"port {port}.*--port"):
            listen("127.0.0.1", port)
        shown = CliRunner().invoke(app, ["serve", "--port", str(port)])
        assert shown.exit_code == 1
        assert "Traceback" not in shown.output


def test_an_address_of_another_machine_is_named():
    with pytest.raises(CannotListen, match=r"192\.0\.2\.1"):
        listen("192.0.2.1", 0)
    with pytest.raises(CannotListen, match="no-such-host"):
        listen("no-such-host.invalid", 0)


def test_another_address_needs_a_token():
    shown = CliRunner().invoke(app, ["serve", "--host", "0.0.0.0"])  # noqa: S104
    assert shown.exit_code == 1
    assert "LIQHEAT_SERVE_TOKEN" in shown.output


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_the_command_ends_at_a_signal_with_pages_open(small_home, sent):
    environment = {**os.environ, "LIQHEAT_HOME": str(small_home)}
    command = [sys.executable, "-c", "from cli.main import app; app()", "serve", "--port", "0"]
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            address = process.stdout.readline().strip()
            with httpx.stream("GET", f"{address}events", timeout=30) as events:
                assert next(events.iter_lines())
                process.send_signal(sent)
                # A stream of events stays silent for longer.
                _, errors = process.communicate(timeout=12)
            assert process.returncode in (0, -sent)
            assert "Traceback" not in errors
        finally:
            process.kill()
