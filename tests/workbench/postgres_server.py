"""A PostgreSQL server of our own, on this machine and for one session of tests or one benchmark.

Belongs here: finding the programs, starting and stopping a server as a user without privileges
(PostgreSQL refuses root). Does not belong here: what is published to it.
"""

import asyncio
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import asyncpg

Run = Callable[[str], list[tuple[Any, ...]]]
"""Runs a statement and returns its rows."""

PASSWORD = "p@ss:w/o?r#d%41"  # noqa: S105  (of a server that lives as long as a test)
"""With every character that means something in a URL."""


def programs() -> Path | None:
    """Return the folder of PostgreSQL's programs; None where it is not installed."""
    found = shutil.which("initdb")
    if found:
        return Path(found).resolve().parent
    folders = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    newest = max(folders, key=lambda each: int(each.parts[-3]), default=None)
    return newest.parent if newest else None


@dataclass(frozen=True, slots=True)
class PostgresServer:
    """A running server.

    Parameters
    ----------
    folder : Path
        Of its data and log.
    port : int
        Where it listens on the loopback address.
    """

    folder: Path
    port: int

    def url(self, database: str, user: str = "publisher", password: str = PASSWORD) -> str:
        """Return the address of a database."""
        return f"postgresql://{user}:{quote(password, safe='')}@127.0.0.1:{self.port}/{database}"

    @contextmanager
    def session(self, database: str, user: str = "postgres") -> Iterator[Run]:
        """Yield a function that runs a statement in one session and returns its rows."""
        with asyncio.Runner() as runner:
            connection = runner.run(asyncpg.connect(self.url(database, user)))
            try:
                yield lambda statement: [
                    tuple(row) for row in runner.run(connection.fetch(statement))
                ]
            finally:
                runner.run(connection.close())

    def run(self, database: str, *statements: str, user: str = "postgres") -> list[Any]:
        """Run statements, each committed by itself; return the rows of the last, if it has any."""

        async def work() -> list[Any]:
            connection = await asyncpg.connect(self.url(database, user))
            try:
                # Each may be several in one string, which what returns rows may not.
                for statement in statements[:-1]:
                    await connection.execute(statement)
                return [tuple(row) for row in await connection.fetch(statements[-1])]
            finally:
                await connection.close()

        return asyncio.run(work())

    def control(self, *arguments: str) -> None:
        """Stop or restart the server as ``pg_ctl`` does, and wait for it."""
        subprocess.run(
            [programs() / "pg_ctl", *arguments, "-w", "-D", self.folder / "data",
             "-l", self.folder / "log"],
            check=True, stdout=subprocess.DEVNULL, cwd=self.folder, **_unprivileged(),
        )  # fmt: skip

    def processor_seconds(self) -> float:
        """Return the processor time of the server and its processes since it started [s]."""
        leader = int((self.folder / "data/postmaster.pid").read_text().split()[0])
        ticks = 0
        for path in Path("/proc").glob("[0-9]*/stat"):
            with suppress(OSError):
                number, _, fields = path.read_text().partition(" (")
                _, parent, *others = fields.rpartition(") ")[2].split()
                # User and system; of the leader those of processes that have ended too.
                if int(number) == leader:
                    ticks += sum(map(int, others[9:13]))
                elif int(parent) == leader:
                    ticks += sum(map(int, others[9:11]))
        return ticks / os.sysconf("SC_CLK_TCK")

    def make_database(self, like: str = "template1") -> str:
        """Make a database like another, in which the role ``publisher`` may create schemas.

        Returns its name, which is new: a fixture may be set up twice on the same server.
        """
        name = f"d{uuid4().hex[:8]}"
        self.run(
            "postgres",
            f"create database {name} template {like}",
            f"grant create on database {name} to publisher",
        )
        return name


@contextmanager
def postgres_server(*options: str) -> Iterator[PostgresServer]:
    """Yield a server with a role ``publisher``; options are ``name=value`` of its settings."""
    found = programs()
    assert found is not None, "PostgreSQL is not installed"
    # Folders of pytest are closed to other users.
    folder = Path(tempfile.mkdtemp(prefix="postgres-"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    login = folder / "login"
    login.write_text(PASSWORD)
    identity = _unprivileged()
    log_file = folder / "log"
    log_file.touch()
    for path in (folder, login, log_file):
        os.chown(path, identity.get("user", -1), identity.get("group", -1))
    data = folder / "data"
    subprocess.run(
        [found / "initdb", "-D", data, "-U", "postgres", "-A", "scram-sha-256", "--no-sync",
         f"--pwfile={login}", "-E", "UTF8", "--locale=C"],
        check=True, capture_output=True, cwd=folder, **identity,
    )  # fmt: skip
    settings = ["listen_addresses=127.0.0.1", f"port={port}", f"unix_socket_directories={folder}"]
    with log_file.open("a") as log:
        process = subprocess.Popen(
            [found / "postgres", "-D", data]
            + [part for each in (*settings, *options) for part in ("-c", each)],
            stdout=log, stderr=subprocess.STDOUT, cwd=folder, **identity,
        )  # fmt: skip
    server = PostgresServer(folder, port)
    try:
        _wait_for(server, process)
        secret = PASSWORD.replace("'", "''")
        server.run("postgres", f"create role publisher login password '{secret}'")
        yield server
    finally:
        # At once, whatever is connected.
        server.control("stop", "-m", "immediate")
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)


def _unprivileged() -> dict[str, Any]:
    """Return as whom a server's processes are started."""
    if os.getuid():
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def _wait_for(server: PostgresServer, process: subprocess.Popen[bytes]) -> None:
    """Wait until the server takes connections."""
    ready = [programs() / "pg_isready", "-h", "127.0.0.1", "-p", str(server.port), "-t", "1"]
    while subprocess.run(ready, capture_output=True, check=False).returncode:
        assert process.poll() is None, (server.folder / "log").read_text()
