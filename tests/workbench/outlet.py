"""Small publications without a pipeline behind them, and copies of them held against the file.

Belongs here: a published file with some rows in every relation, made in a moment; a copy that kills
itself; comparing PostgreSQL with the file. Does not belong here: the server
(``workbench.postgres_server``).
"""

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import asyncpg
import duckdb
import pyarrow as pa

from warehouse.contracts import Column, Relation, public_relations
from warehouse.postgres.outlet import OutletReport, copy_publication
from warehouse.postgres.outlet_tables import OutletBounds, outlet_relations
from warehouse.postgres.server_address import read_address
from warehouse.sql_text import quoted
from workbench.dying import die_at
from workbench.postgres_server import PostgresServer

ASSETS = ("BTC", "O'Neil")

BOUNDS = OutletBounds()

# bin_index, price_low, price_high, venue and USD of a map at a price of 100: what is copied first.
_BINS = (
    (-1, 99.0, 100.0, "all", 5.0),
    (0, 100.0, 101.0, "all", 7.0),
    (90, 119.0, 121.0, "all", 1.0),
    (91, 121.0, 122.0, "all", 9.0),
    (0, 100.0, 101.0, "binance", 7.0),
    (1, 101.0, 102.0, "all", 0.0),
)

_MACRO = "create or replace macro published_days() as map([{}]::varchar[], [{}]::varchar[])"


class Publications:
    """Publications of one folder, one after the other, each of some hours.

    Parameters
    ----------
    folder : Path
        The published folder.
    """

    def __init__(self, folder: Path) -> None:
        self.link = folder / "liqheat.duckdb"
        self._hours: dict[str, float] = {}
        self._days: dict[str, str] = {}
        self._number = 0

    def copied(self, folder: Path) -> Self:
        """Return what can go on from here in a folder of its own."""
        other = type(self)(folder)
        folder.mkdir(exist_ok=True)
        other.link.symlink_to(self.link.resolve())
        other._hours, other._days, other._number = self._hours, self._days, self._number
        return other

    def publish(self, hours: Mapping[str, float]) -> str:
        """Publish hours, each with a figure that its rows hold; return the publication's id."""
        self._number += 1
        name = f"publication-{self._number}"
        changed = {
            hour[:10] for hour in {*hours, *self._hours} if hours.get(hour) != self._hours.get(hour)
        }
        days = {hour[:10] for hour in hours}
        self._days = {
            day: name if day in changed else self._days.get(day, name) for day in sorted(days)
        }
        self._hours = dict(hours)
        version = self.link.parent / "versions" / name / self.link.name
        version.parent.mkdir(parents=True)
        with duckdb.connect(str(version)) as connection:
            connection.execute("set timezone = 'UTC'")
            for schema in ("marts", "quality"):
                connection.execute(f"create schema {schema}")
            for relation in public_relations():
                self._fill(connection, relation)
            parts = (self._days, self._days.values())
            connection.execute(_MACRO.format(*(", ".join(map(quoted, part)) for part in parts)))
        temporary = self.link.with_name("next")
        temporary.symlink_to(version)
        temporary.replace(self.link)
        return name

    def _fill(self, connection: duckdb.DuckDBPyConnection, relation: Relation) -> None:
        types = [
            f'"{each.name}" {getattr(each, "published_type", each.type)}'
            for each in relation.columns
        ]
        connection.execute(f"create table {relation.name} ({', '.join(types)})")
        hours = self._hours if relation.is_hourly else {"2026-01-01 00:00": float(self._number)}
        rows = [
            {each.name: _value(each, hour, figure, asset, part) for each in relation.columns}
            for hour, figure in hours.items()
            for asset in (ASSETS if "asset" in relation.grain else ASSETS[:1])
            for part in (_BINS if "bin_index" in relation.grain else _BINS[:1])
            if part[3] == "all" or "venue" in relation.grain
        ]
        table = pa.Table.from_pylist(rows, relation.arrow_schema)
        connection.register("given", table)
        connection.execute(f"insert into {relation.name} by name select * from given")
        connection.unregister("given")


def _value(
    column: Column, hour: str, figure: float, asset: str, part: tuple[int, float, float, str, float]
) -> Any:
    instant = datetime.fromisoformat(f"{hour}:00+00:00")
    named = {
        "asset": asset,
        "as_of": instant,
        "bin_index": part[0],
        "price_low": part[1],
        "price_high": part[2],
        "price": 100.0,
        "venue": part[3],
        "liquidation_usd": part[4] * figure,
        "error": None,
    }
    if column.name in named and not column.type.endswith("]"):
        return named[column.name]
    if column.type.startswith("STRUCT"):
        return [{"name": "a:b", "measured": float("nan"), "gate": figure, "severity": None}]
    values = {
        "VARCHAR": 'a "quoted",\ntext \\ \x00 é',
        "TIMESTAMP WITH TIME ZONE": instant,
        "BOOLEAN": True,
        "DATE": instant.date(),
        "BLOB": b"\x00\xff",
        "DOUBLE": figure,
        "FLOAT": float("inf"),
    }
    plain = values.get(column.type.removesuffix("[]"), 3)
    return [plain] if column.type.endswith("]") else plain


def copy(
    url: str, publications: Publications | Path, bounds: OutletBounds = BOUNDS
) -> OutletReport:
    """Copy what is published to a database."""
    link = publications if isinstance(publications, Path) else publications.link
    return copy_publication(read_address(url), link, bounds=bounds)


def copy_and_die(url: str, link: str, number: int) -> None:
    """Copy, and kill this process before its n-th call to the server; with 0, never."""
    note = die_at(number)
    for name in ("execute", "executemany", "fetch", "fetchval", "copy_to_table"):
        call = getattr(asyncpg.Connection, name)

        async def noted(self: Any, *given: Any, _call: Any = call, **named: Any) -> Any:
            note()
            return await _call(self, *given, **named)

        setattr(asyncpg.Connection, name, noted)
    copy(url, Path(link))


def held(server: PostgresServer, database: str) -> str | None:
    """Return the publication that a database says it holds."""
    rows = server.run(database, "select publication_id from liqheat.publication")
    return rows[0][0] if rows else None


def differences(
    server: PostgresServer, database: str, link: Path, bounds: OutletBounds = BOUNDS
) -> list[str]:
    """Return the relations whose rows in a database are not those of the published file."""
    found = []
    with duckdb.connect(str(link.resolve()), read_only=True) as file:
        file.execute("set timezone = 'UTC'")
        newest = file.execute("select max(as_of) from marts.market_context_hourly").fetchone()[0]
        for each in outlet_relations(bounds):
            columns = ", ".join(f'"{name}"' for name in each.contract.column_names)
            oldest = (
                f"as_of > '{newest}'::timestamp::timestamptz - interval {bounds.map_days} day"
                if each.bounds and each.is_hourly and newest
                else "true"
            )
            published = file.execute(
                f"select {columns} from {each.name} where {each.condition} and {oldest}"
            ).fetchall()
            copied = server.run(database, f"select {columns} from {each.name}")
            if _comparable(published) != _comparable(copied):
                found.append(f"{each.name}: {len(published)} published, {len(copied)} copied")
    return found


def _comparable(rows: list[Any]) -> list[str]:
    return sorted(repr([_plain(value) for value in row]) for row in rows)


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).astimezone(UTC).isoformat()
    if isinstance(value, str):
        # jsonb arrives as its text.
        with suppress(ValueError):
            value = json.loads(value) if value[:1] in ("[", "{") else value
    if isinstance(value, str):
        return value.replace("\x00", "")
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if isinstance(value, dict):
        return sorted((name, _plain(each)) for name, each in value.items())
    return None if isinstance(value, float) and value != value else value


def kill_copies(
    url: str, server: PostgresServer, database: str, publications: Publications, points: list[int]
) -> int:
    """Kill a copy before each of some calls to the server; return how many died.

    After each the database holds the publication before, whole.
    """
    from workbench.forking import Forks

    before, died = held(server, database), 0
    rows = server.run(database, "select count(*) from marts.liquidation_heatmap_hourly")
    with Forks("workbench.outlet") as forks:
        for point in points:
            code = forks.start(
                "workbench.outlet", "copy_and_die", url, os.fspath(publications.link), point
            ).end()
            died += code == -9
            if code != -9:
                break
            assert held(server, database) == before
            now = server.run(database, "select count(*) from marts.liquidation_heatmap_hourly")
            assert now == rows
    return died
