"""A lake: a DuckLake with its catalogue in PostgreSQL or a file, its data in a folder or on S3.

Belongs here: what of a lake differs from a file. Does not belong here: models, rows, migrations;
they are the same in both.
"""

import importlib.util
import uuid
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import duckdb

from warehouse.address import LakeAddress, ObjectStore, libpq_text
from warehouse.database_file import FileStorage
from warehouse.errors import LakeRejected
from warehouse.postgres.lake_catalogue import LakeCatalogue, open_catalogue
from warehouse.postgres.server_address import ServerAddress
from warehouse.sql_text import quoted

_PREFIX = "liqheat"
"""Beginning of the names of DuckDB's secrets."""

# Options of a lake, kept in its catalogue. No rows in the catalogue itself: they would have to be
# flushed. Groups of rows as in a file; a group is held in memory while it is written.
_OPTIONS = {"parquet_compression": "zstd", "parquet_row_group_size": "8192"}

# A server that has gone without a word is noticed after two minutes, not after those of the system.
_CONNECTION = {
    "connect_timeout": "20",
    "keepalives_idle": "60",
    "keepalives_interval": "15",
    "keepalives_count": "4",
    "tcp_user_timeout": "120000",
}

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
        """Exclude other writers; of a catalogue in a file DuckDB does so."""
        catalogue = self._address.catalogue
        if isinstance(catalogue, Path):
            catalogue.parent.mkdir(parents=True, exist_ok=True)
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
            return not catalogue.exists() or not catalogue.stat().st_size
        with self._catalogue(catalogue) as server:
            return server.is_empty(self._address.schema)

    def attach(self, connection: duckdb.DuckDBPyConnection, catalog: str) -> None:
        """Attach the lake under a name; one that is empty is made."""
        is_new = self.is_empty()
        load_extensions(connection, self._address)
        options = {"data_inlining_row_limit": "0", "metadata_schema": quoted(self._address.schema)}
        if is_new:
            self._discard()
            options["data_path"] = quoted(f"{self._address.data}{uuid.uuid4().hex[:12]}/")
        catalogue = self._address.catalogue
        if isinstance(catalogue, ServerAddress):
            secret = f"{_PREFIX}_{catalog}"
            with self._catalogue(catalogue) as server:
                _create_login(connection, secret, catalogue, server.application)
            connection.execute(_POOL)
            path = f"ducklake:{secret}"
        else:
            del options["metadata_schema"]
            path = f"ducklake:{catalogue}"
        _create_access(connection, f"{_PREFIX}_{catalog}_store", self._address)
        listed = ", ".join(f"{name} {value}" for name, value in options.items())
        connection.execute(f"attach {quoted(path)} as {catalog} ({listed})")
        if is_new:
            for name, value in _OPTIONS.items():
                connection.execute(f"call {catalog}.set_option('{name}', '{value}')")
            if isinstance(catalogue, ServerAddress):
                with self._catalogue(catalogue) as server:
                    server.fence(self._address.schema)
        else:
            self._check_data_path(connection, catalog)

    @contextmanager
    def replaced(self) -> Iterator[LakeAddress]:
        """Yield the address of a lake to make, which takes this one's place after the block.

        The one before stays, under the first free name ``liqheat_lake_old_<n>`` of the catalogue.
        """
        catalogue = self._address.catalogue
        if isinstance(catalogue, Path):
            with FileStorage(catalogue).replaced() as building:
                yield replace(self._address, catalogue=building)
            return
        making = replace(self._address, schema=f"{self._address.schema}_making")
        with self.held(), self._catalogue(catalogue) as server:
            server.drop(making.schema)
            yield making
            server.replace(self._address.schema, making.schema)

    def _discard(self) -> None:
        """Drop a lake that has no tables."""
        catalogue = self._address.catalogue
        if isinstance(catalogue, Path):
            catalogue.unlink(missing_ok=True)
            return
        with self._catalogue(catalogue) as server:
            server.drop(self._address.schema)

    def _catalogue(self, catalogue: ServerAddress) -> AbstractContextManager[LakeCatalogue]:
        return nullcontext(self._server) if self._server else open_catalogue(catalogue)

    def _check_data_path(self, connection: duckdb.DuckDBPyConnection, catalog: str) -> None:
        row = connection.execute(
            f"select value from {catalog}.options() where option_name = 'data_path'"
        ).fetchone()
        place = row[0] if row else ""
        if not place.startswith(self._address.data):
            raise LakeRejected(
                f"{self._address}: its data is below {place}, and LIQHEAT_DATA says "
                f"{self._address.data}; set LIQHEAT_DATA to the former, or use another catalogue"
            )


def load_extensions(connection: duckdb.DuckDBPyConnection, address: LakeAddress) -> None:
    """Load the extensions that a lake needs, from their packages; nothing is downloaded.

    Raises
    ------
    LakeRejected
        A package is not installed.
    """
    needed = ["ducklake"]
    if isinstance(address.catalogue, ServerAddress):
        needed.append("postgres_scanner")
    if address.data.startswith("s3://"):
        needed.append("httpfs")
    connection.execute("set autoinstall_known_extensions = false")
    for name in needed:
        found = importlib.util.find_spec(f"duckdb_extension_{name}")
        if found is None or not found.submodule_search_locations:
            raise LakeRejected(
                f"a lake needs DuckDB's extension {name}, and its package is not installed; "
                "run `pip install -e '.[lake]'` in the environment of liqheat"
            )
        folder = Path(found.submodule_search_locations[0], "extensions", f"v{duckdb.__version__}")
        connection.execute(f"load {quoted(folder / f'{name}.duckdb_extension')}")


def _create_login(
    connection: duckdb.DuckDBPyConnection, name: str, catalogue: ServerAddress, application: str
) -> None:
    """Create the secrets of a catalogue: DuckDB's messages show paths, never secrets."""
    address = libpq_text(catalogue, {"application_name": application}, _CONNECTION)
    password = f", password {quoted(catalogue.password)}" if catalogue.password else ""
    user = f", user {quoted(catalogue.user)}" if catalogue.user else ""
    connection.execute(f"create or replace secret {name}_login (type postgres{user}{password})")
    connection.execute(
        f"create or replace secret {name} (type ducklake, "
        f"metadata_path {quoted(address)}, "
        f"metadata_parameters map {{'TYPE': 'postgres', 'SECRET': '{name}_login'}})"
    )


def _create_access(connection: duckdb.DuckDBPyConnection, name: str, address: LakeAddress) -> None:
    """Create the secret of object storage, unless DuckDB's own are to be used."""
    store = address.store
    if not address.data.startswith("s3://") or not store.key_id:
        return
    values = {"key_id": store.key_id, "secret": store.secret, "session_token": store.token,
              "region": store.region, **_endpoint(store)}  # fmt: skip
    listed = ", ".join(f"{name} {quoted(value)}" for name, value in values.items() if value)
    scope = "/".join(address.data.split("/")[:3])
    connection.execute(
        f"create or replace secret {name} (type s3, scope {quoted(scope)}, {listed})"
    )


def _endpoint(store: ObjectStore) -> dict[str, str]:
    if not store.endpoint:
        return {}
    scheme, _, host = store.endpoint.rpartition("://")
    return {
        "endpoint": host.rstrip("/"),
        "url_style": "path",
        "use_ssl": "false" if scheme == "http" else "true",
    }


def tidy_lake(connection: duckdb.DuckDBPyConnection, before: datetime) -> None:
    """Merge small files and delete what no version since an instant reads.

    Parameters
    ----------
    connection : DuckDBPyConnection
        The writer's.
    before : datetime
        Versions of the lake from before expire [UTC].
    """
    row = connection.execute("select current_database()").fetchone()
    catalog = row[0] if row else ""
    at = f"older_than => timestamptz '{before.isoformat()}'"
    for statement in (
        f"call ducklake_rewrite_data_files('{catalog}')",
        f"call ducklake_merge_adjacent_files('{catalog}')",
        f"call ducklake_expire_snapshots('{catalog}', {at})",
        f"call ducklake_cleanup_old_files('{catalog}', {at})",
        # Of transactions that were killed.
        f"call ducklake_delete_orphaned_files('{catalog}', {at})",
    ):
        connection.execute(statement)
