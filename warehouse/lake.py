"""A lake: a DuckLake with its catalogue in PostgreSQL or a file, its data in a folder or on S3.

Belongs here: what of a lake differs from a file. Does not belong here: models, rows, migrations;
they are the same in both.
"""

import logging
import re
import shutil
import uuid
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, suppress
from dataclasses import replace
from pathlib import Path

import duckdb

from warehouse.address import LakeAddress
from warehouse.checkpoints import delete_with_companions, held, holds_nothing
from warehouse.database_file import FileStorage, building_path
from warehouse.error_messages import translated
from warehouse.errors import LakeRejected, WarehouseError
from warehouse.lake_access import create_access, create_login, load_extensions
from warehouse.lake_files import TARGET_FILE_SIZE
from warehouse.machine_memory import memory_config
from warehouse.postgres.lake_catalogue import LakeCatalogue, open_catalogue
from warehouse.postgres.server_address import ServerAddress
from warehouse.shared_files import FILE_OPTIONS
from warehouse.sql_text import quoted

logger = logging.getLogger(__name__)

_DISCARDED = "discarded"
"""Name in SQL of a lake that is deleted."""

_EXAMINED = "examined"
"""Name in SQL of a lake that is looked at."""

_NAME_LENGTH = 12
"""Characters of the name of a lake's own folder of data."""

_PREFIX = "liqheat"
"""Beginning of the names of DuckDB's secrets."""

# Kept in the catalogue of a lake.
_OPTIONS = {**FILE_OPTIONS, "target_file_size": TARGET_FILE_SIZE}

# A connection that the server has ended is to fail, not to be made again: the lock that excludes
# other writers ended with it.
_POOL = "set pg_pool_health_check_query = ''; set pg_pool_idle_timeout_millis = 0"


class LakeStorage:
    """A lake as storage of the writer's database (``warehouse.storage.Storage``).

    Parameters
    ----------
    address : LakeAddress
        Where it is.
    """

    def __init__(self, address: LakeAddress) -> None:
        self._address = address
        self._server: LakeCatalogue | None = None

    @property
    def spill(self) -> Path:
        """Folder for data beyond memory."""
        return self._address.spill

    @contextmanager
    def held(self) -> Iterator[None]:
        """Exclude other writers."""
        catalogue = self._address.catalogue
        if isinstance(catalogue, Path):
            with held(catalogue):
                yield
            return
        with open_catalogue(catalogue) as server:
            server.lock(self._address.schema)
            self._server = server
            try:
                yield
            finally:
                self._server = None

    def is_empty(self) -> bool:
        """Return whether nothing has been written to it yet."""
        catalogue = self._address.catalogue
        if isinstance(catalogue, Path):
            return holds_nothing(catalogue)
        with self._catalogue(catalogue) as server:
            return server.is_empty(self._address.schema)

    def attach(self, connection: duckdb.DuckDBPyConnection, catalog: str) -> None:
        """Attach the lake under a name; one that is empty is made."""
        if not self.is_empty():
            self._attach(connection, catalog)
            self._check_data_path(connection, catalog)
            return
        catalogue = self._address.catalogue
        if isinstance(catalogue, ServerAddress):
            self._discard()
        place = f"{self._address.data}{uuid.uuid4().hex[:_NAME_LENGTH]}/"
        self._attach(connection, catalog, data_path=quoted(place))
        for name, value in _OPTIONS.items():
            connection.execute(f"call {catalog}.set_option('{name}', '{value}')")
        if isinstance(catalogue, ServerAddress):
            with self._catalogue(catalogue) as server:
                server.fence(self._address.schema)

    def _attach(self, connection: duckdb.DuckDBPyConnection, catalog: str, **options: str) -> None:
        address = self._address
        load_extensions(connection, address)
        # No rows in the catalogue itself: they would have to be flushed.
        options["data_inlining_row_limit"] = "0"
        if isinstance(address.catalogue, ServerAddress):
            options["metadata_schema"] = quoted(address.schema)
            secret = f"{_PREFIX}_{catalog}"
            with self._catalogue(address.catalogue) as server:
                create_login(connection, secret, address.catalogue, server.application)
            connection.execute(_POOL)
            path = f"ducklake:{secret}"
        else:
            path = f"ducklake:{address.catalogue}"
        create_access(connection, f"{_PREFIX}_{catalog}_store", address.data, address.store)
        listed = ", ".join(f"{name} {value}" for name, value in options.items())
        connection.execute(f"attach {quoted(path)} as {catalog} ({listed})")

    @contextmanager
    def replaced(self) -> Iterator[LakeAddress]:
        """Yield the address of a lake to make, which takes this one's place after the block.

        The one before stays, under the first free name ``liqheat_lake_old_<n>`` of the catalogue.
        """
        catalogue, making = self._address.catalogue, self._making
        if isinstance(catalogue, Path):
            self.discard_unfinished()
            with FileStorage(catalogue).replaced():
                yield making
            return
        with self.held(), self._catalogue(catalogue) as server:
            self.discard_unfinished()
            yield making
            server.replace(self._address.schema, making.schema)

    @property
    def _making(self) -> LakeAddress:
        """The lake that takes this one's place when it is done."""
        catalogue = self._address.catalogue
        if isinstance(catalogue, Path):
            return replace(self._address, catalogue=building_path(catalogue))
        return replace(self._address, schema=f"{self._address.schema}_making")

    def content_of(self, file_name: str) -> str:
        """Return in words which rows a data file holds; empty where that is not known."""
        if self._server is None:
            return ""
        with suppress(WarehouseError):
            return self._server.content_of(self._address.schema, file_name)
        return ""

    def examine(self) -> tuple[str, ...]:
        """Return in words what the lake rests on: versions, and what its catalogue holds.

        Nothing is changed: a lake is read, where there is one. A catalogue in PostgreSQL keeps no
        writer out meanwhile; one in a file does, for as long as it takes.

        Raises
        ------
        WarehouseError
            The catalogue or the data cannot be reached, or a package is not installed.
        """
        address, notes = self._address, [f"DuckDB {duckdb.__version__}"]
        with ExitStack() as stack:
            stack.enter_context(translated(f"reading {address}"))
            if isinstance(address.catalogue, Path) and address.catalogue.exists():
                stack.enter_context(held(address.catalogue))
            connection = stack.enter_context(duckdb.connect(config=memory_config()))
            load_extensions(connection, address)
            loaded = "select extension_version from duckdb_extensions() where extension_name = ?"
            row = connection.execute(loaded, ["ducklake"]).fetchone()
            notes.append(f"ducklake {row[0] if row else 'of no version'}")
            if isinstance(address.catalogue, ServerAddress):
                with self._catalogue(address.catalogue) as server:
                    notes.append(f"PostgreSQL {server.server_version}")
            if self.is_empty():
                return (*notes, "the lake is empty, the first run makes it")
            self._attach(connection, _EXAMINED, read_only="true")
            self._check_data_path(connection, _EXAMINED)
            options = f"select value from {_EXAMINED}.options() where option_name = 'version'"
            row = connection.execute(options).fetchone()
            notes.append(f"catalogue of version {row[0] if row else 'unknown'}")
            # A data file is read: the catalogue alone does not show that they can be.
            rows = connection.execute(f"select name from {_EXAMINED}.meta.schema_migrations")
            names = sorted(name for (name,) in rows.fetchall())
            notes.append(f"{len(names)} migrations, the last is {names[-1] if names else 'none'}")
        return tuple(notes)

    def discard_unfinished(self) -> None:
        """Delete a lake that was to replace this one and was not finished, and its files."""
        making = self._making
        if isinstance(making.catalogue, Path) and not making.catalogue.exists():
            return
        unfinished = LakeStorage(making)
        with unfinished.held():
            unfinished._discard()

    def _discard(self) -> None:
        """Delete the lake: its files, then its catalogue."""
        catalogue = self._address.catalogue
        if isinstance(catalogue, Path):
            if not holds_nothing(catalogue):
                self._delete_files()
            delete_with_companions(catalogue)
            return
        with self._catalogue(catalogue) as server:
            if server.has_lake(self._address.schema):
                self._delete_files()
            server.drop(self._address.schema)

    def _delete_files(self) -> None:
        """Delete the files in the lake's folder, if the folder is one that was made for it."""
        with duckdb.connect(config=memory_config()) as connection:
            self._attach(connection, _DISCARDED)
            place = data_folder(connection, _DISCARDED)
            if not re.fullmatch(
                rf"{re.escape(self._address.data)}[0-9a-f]{{{_NAME_LENGTH}}}/", place
            ):
                logger.warning("%s: its files below %s were left there", self._address, place)
                return
            named = connection.execute(
                "select distinct schema_name from duckdb_tables() where database_name = ?",
                [_DISCARDED],
            )
            for (schema,) in named.fetchall():
                connection.execute(f"drop schema {_DISCARDED}.{schema} cascade")
            for statement in (
                "expire_snapshots('{}', older_than => timestamptz '9999-01-01')",
                "cleanup_old_files('{}', cleanup_all => true)",
                "delete_orphaned_files('{}', cleanup_all => true)",
            ):
                connection.execute(f"call ducklake_{statement.format(_DISCARDED)}")
        if "://" not in place:
            shutil.rmtree(place, ignore_errors=True)

    def _catalogue(self, catalogue: ServerAddress) -> AbstractContextManager[LakeCatalogue]:
        return nullcontext(self._server) if self._server else open_catalogue(catalogue)

    def _check_data_path(self, connection: duckdb.DuckDBPyConnection, catalog: str) -> None:
        place = data_folder(connection, catalog)
        if not place.startswith(self._address.data):
            tables = connection.execute(
                "from duckdb_tables() where database_name = ? limit 1", [catalog]
            )
            step = (
                "set LIQHEAT_DATA to the former, or use another catalogue"
                if tables.fetchone()
                else f"delete {self._address.catalogue}, which holds nothing yet"
            )
            raise LakeRejected(
                f"{self._address}: its data is below {place}, and LIQHEAT_DATA says "
                f"{self._address.data}; {step}"
            )


def data_folder(connection: duckdb.DuckDBPyConnection, catalog: str) -> str:
    """Return where the data of an attached lake is, with a slash at its end."""
    row = connection.execute(
        f"select value from {catalog}.options() where option_name = 'data_path'"
    ).fetchone()
    return row[0] if row else ""
