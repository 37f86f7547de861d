"""A lake on this machine: an S3 server of our own, and homes whose warehouse is a lake.

Belongs here: starting the stand-in of object storage, addresses, a small market brought in hour by
hour. Does not belong here: PostgreSQL (`workbench.postgres_server`), what a test
asserts.
"""

import http.client
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from jobs.collect.landing import land
from jobs.move_warehouse import move_to
from jobs.pipeline import build_maps, load
from jobs.settings import Settings
from sources.records import Batch
from workbench import FEW, HOUR, START, Records, of_one_series
from workbench.postgres_server import PASSWORD, PostgresServer

ACCESS = {
    "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    "AWS_REGION": "us-east-1",
}


@dataclass(frozen=True, slots=True)
class ObjectServer:
    """A running S3 server.

    Parameters
    ----------
    port : int
        Where it listens on the loopback address.
    """

    port: int

    @property
    def url(self) -> str:
        """As ``AWS_ENDPOINT_URL``."""
        return f"http://127.0.0.1:{self.port}"

    def request(self, method: str, path: str, body: str = "") -> str:
        """Send a request that is not signed; return the answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, f"/{path}", body)
            answer = connection.getresponse()
            text = answer.read().decode()
        finally:
            connection.close()
        assert answer.status < 300, (method, path, text)
        return text

    def make_bucket(self, name: str) -> str:
        """Make a bucket; return its address."""
        self.request("PUT", name)
        return f"s3://{name}/lake"

    def refuse(self, *, after: int | None) -> None:
        """Refuse every request after some more; with None refuse none."""
        count = "inf" if after is None else str(after)
        self.request("POST", "moto-api/reset-auth", count)


@contextmanager
def object_server() -> Iterator[ObjectServer]:
    """Yield an S3 server that keeps its objects in memory."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    server = ObjectServer(port)
    try:
        while True:
            try:
                server.request("GET", "moto-api/data.json")
                break
            except ConnectionError:
                assert process.poll() is None, "the S3 server has ended"
                time.sleep(0.05)
        yield server
    finally:
        process.kill()
        process.wait()


@dataclass(frozen=True, slots=True)
class Lake:
    """A lake that tests use.

    Parameters
    ----------
    server : PostgresServer
        Of its catalogue.
    database : str
        Of its catalogue.
    data : str
        Where its data is.
    """

    server: PostgresServer
    database: str
    data: str

    @property
    def address(self) -> str:
        """As ``LIQHEAT_WAREHOUSE``."""
        login = f"publisher:{quote(PASSWORD, safe='')}@127.0.0.1:{self.server.port}"
        return f"ducklake:postgres://{login}/{self.database}"

    def settings(self, home: Path) -> Settings:
        """Return the settings of a home whose warehouse is this lake."""
        return Settings(home=home, warehouse=self.address, data=self.data, threads=1)

    def environment(self, home: Path) -> dict[str, str]:
        """Return the variables of a process that works on it."""
        return {
            **os.environ,
            "LIQHEAT_HOME": str(home),
            "LIQHEAT_WAREHOUSE": self.address,
            "LIQHEAT_DATA": self.data,
        }


HOURS = (30, 31)
"""The hours since START that are built, one after the other."""


def land_hours(settings: Settings, records: Records, first: float, last: float) -> None:
    """Land what one series has between two hours since START."""
    for kind, table in of_one_series(records, first, last).items():
        is_repeated = first > 0 and kind in ("instrument", "leverage_bracket")
        if len(table) and not is_repeated:
            land(Batch(kind, table), settings.landing, f"until-{last:.0f}-{kind}")


def build_until(settings: Settings, records: Records, first: float, last: float) -> None:
    """Bring in what one series has between two hours since START, and build up to the second."""
    land_hours(settings, records, first, last)
    load(settings)
    build_maps(settings, as_of=START + last * HOUR, estimators=FEW)


def moved(settings: Settings, path: Path) -> Path:
    """Return a file with the rows of a lake."""
    move_to(settings, str(path))
    return path
