"""Copies to PostgreSQL killed with -9 before each of their calls to the server, and a full disk.

A small publication is copied over an earlier one; the copy is killed before its first call, its
second and so on. After each the database must hold the earlier one, whole, and a copy that is not
killed must bring the later one. As root, a copy meets a full disk too, a tablespace on a small
tmpfs. Run it from the project root with

    .venv/bin/python -m bench.outlet_kills [--step 1]
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from workbench.outlet import Publications, copy, differences, held, kill_copies
from workbench.postgres_server import PostgresServer, postgres_server

from warehouse.errors import OutletUnavailable

_HOURS = {f"2026-01-{day:02d} 23:00": 1.0 for day in range(1, 11)}
_MANY = {f"2026-01-{day:02d} {hour:02d}:00": 2.0 for day in range(1, 11) for hour in range(24)}
_MOST_CALLS = 2000
_ROOM_LEFT = 500_000


def main() -> None:
    """Kill copies, fill a disk, and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--step", type=int, default=1, help="calls from one kill to the next")
    step = parser.parse_args().step
    with TemporaryDirectory(prefix="kills-") as folder, postgres_server() as server:
        publications = Publications(Path(folder))
        publications.publish(_HOURS)
        database = server.make_database()
        url = server.url(database)
        copy(url, publications)
        publications.publish(dict.fromkeys(_HOURS, 2.0))
        points = list(range(1, _MOST_CALLS, step))
        died = kill_copies(url, server, database, publications, points)
        copy(url, publications)
        found = differences(server, database, publications.link)
        print(f"{died} copies killed, {len(found)} differences after the one that was not")
        full = _fill_disk(server, publications) if os.getuid() == 0 else "not root: no full disk"
        print(full)
        sys.exit(bool(found) or died == 0)


def _fill_disk(server: PostgresServer, publications: Publications) -> str:
    """Copy into a tablespace that is too small; return what came of it."""
    small = server.folder / "small"
    small.mkdir()
    mounted = subprocess.run(  # noqa: S603
        ["/bin/mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(small)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        return "no tmpfs can be mounted here: no full disk"
    try:
        owner = server.folder.stat()
        os.chown(small, owner.st_uid, owner.st_gid)
        server.run(
            "postgres",
            f"create tablespace small location '{small}'",
            "create database small tablespace small",
            "grant create on database small to publisher",
        )
        url = server.url("small")
        copy(url, publications)
        before = held(server, "small")
        room = os.statvfs(small)
        ballast = small / "ballast"
        ballast.write_bytes(bytes(room.f_bavail * room.f_frsize - _ROOM_LEFT))
        publications.publish(_MANY)
        try:
            copy(url, publications)
        except OutletUnavailable as exc:
            assert held(server, "small") == before
            ballast.unlink()
            copy(url, publications)
            found = differences(server, "small", publications.link)
            return f"full disk: {exc}; {len(found)} differences once there was room"
        raise AssertionError("the disk was not full")
    finally:
        server.run("postgres", "drop database if exists small with (force)")
        server.run("postgres", "drop tablespace if exists small")
        subprocess.run(["/bin/umount", str(small)], check=False)  # noqa: S603


if __name__ == "__main__":
    main()
