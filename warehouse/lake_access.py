"""Reaching the servers of a lake from DuckDB: extensions, and secrets for logins.

Belongs here: what any process needs that reads or writes a lake. Does not belong here: attaching
one (``warehouse.lake``).
"""

import importlib.util
from pathlib import Path

import duckdb

from warehouse.address import BUCKET, LakeAddress, ObjectStore, libpq_text
from warehouse.errors import LakeRejected
from warehouse.postgres.server_address import ServerAddress
from warehouse.sql_text import quoted

# A server that has gone without a word is noticed after two minutes, not after those of the system.
_CONNECTION = {
    "connect_timeout": "20",
    "keepalives_idle": "60",
    "keepalives_interval": "15",
    "keepalives_count": "4",
    "tcp_user_timeout": "120000",
}


# A request to object storage that fails is sent again after .3, .9, 2.7 and 8.1 s: a store that
# throttles recovers in seconds, and what it says at the end is worth waiting for, not hanging.
# DuckDB's other client, its default, has no limit for uploads: a server that says nothing would
# hold a build for ever. Of this one the check of certificates has to be switched on.
_REQUESTS = {
    "httpfs_client_implementation": "httplib",
    "enable_server_cert_verification": "true",
    "http_timeout": "20",
    "http_retries": "4",
    "http_retry_wait_ms": "300",
    "http_retry_backoff": "3",
}


def load_extensions(connection: duckdb.DuckDBPyConnection, address: LakeAddress) -> None:
    """Load the extensions that a lake needs.

    Raises
    ------
    LakeRejected
        A package is not installed.
    """
    load_extension(connection, "ducklake")
    if isinstance(address.catalogue, ServerAddress):
        load_extension(connection, "postgres_scanner")
    if address.data.startswith(BUCKET):
        load_extension(connection, "httpfs")


def load_extension(connection: duckdb.DuckDBPyConnection, name: str) -> None:
    """Load an extension of DuckDB from its package; nothing is downloaded.

    Raises
    ------
    LakeRejected
        The package is not installed.
    """
    connection.execute("set autoinstall_known_extensions = false")
    found = importlib.util.find_spec(f"duckdb_extension_{name}")
    if found is None or not found.submodule_search_locations:
        raise LakeRejected(
            f"a lake needs DuckDB's extension {name}, and its package is not installed; "
            "run `pip install -c requirements-dev.lock -e '.[lake]'` in the environment of liqheat"
        )
    folder = Path(found.submodule_search_locations[0], "extensions", f"v{duckdb.__version__}")
    connection.execute(f"load {quoted(folder / f'{name}.duckdb_extension')}")


def lake_in_use(connection: duckdb.DuckDBPyConnection) -> str:
    """Return the name under which the lake in use is attached."""
    row = connection.execute("select current_database()").fetchone()
    return row[0] if row else ""


def create_login(
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


def create_access(
    connection: duckdb.DuckDBPyConnection, name: str, data: str, store: ObjectStore
) -> None:
    """Set how object storage is reached; its secret, unless DuckDB's own are to be used.

    Parameters
    ----------
    connection : DuckDBPyConnection
        Any.
    name : str
        Of the secret.
    data : str
        Folder or ``s3://bucket/prefix``; the secret holds for its bucket.
    store : ObjectStore
        How object storage is reached.
    """
    if not data.startswith(BUCKET):
        return
    for setting, value in _REQUESTS.items():
        connection.execute(f"set {setting} = '{value}'")
    if not store.key_id:
        return
    values = {"key_id": store.key_id, "secret": store.secret, "session_token": store.token,
              "region": store.region, **_endpoint(store)}  # fmt: skip
    listed = ", ".join(f"{name} {quoted(value)}" for name, value in values.items() if value)
    scope = "/".join(data.split("/")[:3])
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
