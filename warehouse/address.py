"""The address of the writer's database: a file, or a lake with its catalogue and its data.

Belongs here: reading an address, and naming a lake without its password. Does not belong here:
attaching it (``warehouse.storage``).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from urllib.parse import urlencode

from warehouse.errors import LakeRejected, OutletRejected
from warehouse.postgres.server_address import ServerAddress, read_address

LAKE = "ducklake:"
"""Beginning of the address of a lake."""

BUCKET = "s3://"
"""Beginning of the address of a place on object storage."""

_PLACE = re.compile(rf"{BUCKET}[\w.-]+(/[^/?#]+)*/*")

_FORM = "ducklake:postgres://user:password@host:5432/database or ducklake:FILE"
_KEYWORD = re.compile(r"(\w+)\s*=\s*('(?:[^'\\]|\\.)*'|\S+)")

WRITERS_SCHEMA = "liqheat_lake"
"""Schema of the catalogue's database that a lake's tables are in."""


@dataclass(frozen=True, slots=True)
class ObjectStore:
    """How object storage is reached; what is None comes from DuckDB's own secrets.

    Parameters
    ----------
    key_id, secret, token : str, optional
        Access key, its secret, and the token of a session.
    region : str, optional
        Region of the bucket.
    endpoint : str, optional
        Address of a server that is not Amazon's; its buckets are then addressed by path.
    """

    key_id: str | None = None
    secret: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)
    region: str | None = None
    endpoint: str | None = None


@dataclass(frozen=True, slots=True)
class LakeAddress:
    """Where a lake is.

    Parameters
    ----------
    catalogue : ServerAddress or Path
        The database of its catalogue: PostgreSQL, or a file of DuckDB.
    data : str
        Folder or ``s3://bucket/prefix`` of its data files.
    spill : Path
        Folder on this machine for data beyond memory.
    store : ObjectStore
        How object storage is reached.
    schema : str
        Schema of the catalogue's tables in PostgreSQL.
    """

    catalogue: ServerAddress | Path
    data: str
    spill: Path
    store: ObjectStore = ObjectStore()
    schema: str = WRITERS_SCHEMA

    def __str__(self) -> str:
        return f"the lake of {self.catalogue}"


WarehouseAddress = Path | LakeAddress


def read_warehouse_address(
    text: str, *, data: str | None, spill: Path, store: ObjectStore
) -> WarehouseAddress:
    """Return the address that a text holds: ``ducklake:`` and a catalogue, or the path of a file.

    No message shows the text, which may hold a password.

    Raises
    ------
    LakeRejected
        It is the address of a lake and cannot be read, or its data has no place.

    Examples
    --------
    >>> lake = read_warehouse_address(
    ...     "ducklake:postgres:dbname=heat host=db.example user=writer password=secret",
    ...     data="s3://maps/lake",
    ...     spill=Path("data/spill"),
    ...     store=ObjectStore(),
    ... )
    >>> print(lake)
    the lake of db.example/heat
    """
    if not text.startswith(LAKE):
        return Path(text)
    if not data:
        raise LakeRejected(
            "the warehouse is a lake and LIQHEAT_DATA is not set; set it (or --data of `liqheat "
            "warehouse move`) to the folder or the s3://bucket/prefix of the lake's data"
        )
    mistake = place_mistake(data)
    if mistake:
        raise LakeRejected(f"LIQHEAT_DATA: {mistake}")
    place = data if data.startswith(BUCKET) else str(Path(data).resolve())
    catalogue = _read_catalogue(text.removeprefix(LAKE))
    return LakeAddress(catalogue, f"{place.rstrip('/')}/", spill, store)


def place_mistake(place: str) -> str | None:
    """Return what is wrong with the address of a folder or of object storage; None where nothing.

    The message never holds the address, which may hold a key.

    Examples
    --------
    >>> place_mistake("s3://key:secret@bucket/prefix")
    'it holds a key, and addresses are shown; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY'
    """
    if "://" not in place or _PLACE.fullmatch(place):
        return None
    if place.startswith(BUCKET) and "@" in place:
        return (
            "it holds a key, and addresses are shown; set AWS_ACCESS_KEY_ID and "
            "AWS_SECRET_ACCESS_KEY"
        )
    return "neither a folder nor s3://bucket/prefix"


def _read_catalogue(text: str) -> ServerAddress | Path:
    kind, _, rest = text.partition(":")
    if kind not in ("postgres", "postgresql"):
        if not text or re.match(r"\w+:", text):
            raise LakeRejected(f"the catalogue of the lake cannot be read; its form is {_FORM}")
        return Path(text)
    url = text if rest.startswith("//") else rest
    if "://" not in url:
        given = {name: value.strip("'") for name, value in _KEYWORD.findall(rest)}
        url = f"postgresql:///?{urlencode(given)}" if given else ""
    try:
        return read_address(url)
    except OutletRejected:
        raise LakeRejected(
            f"the catalogue of the lake cannot be read; its form is {_FORM}, where each of "
            "@ : / ? # % in the password is percent-encoded (@ is %40), or leave the password out "
            "and set PGPASSWORD"
        ) from None


def libpq_text(
    server: ServerAddress,
    settings: Mapping[str, str] = MappingProxyType({}),
    defaults: Mapping[str, str] = MappingProxyType({}),
) -> str:
    """Return a server's address as keywords of libpq, without its password.

    Parameters
    ----------
    server : ServerAddress
        The server.
    settings, defaults : mapping of str to str
        Further keywords, which replace those of the address, and those it has none of.

    Examples
    --------
    >>> server = read_address("postgresql://writer@db.example:5433/heat?sslmode=require")
    >>> libpq_text(server, {"user": "reader"}, {"sslmode": "prefer"})
    "sslmode='require' host='db.example' port='5433' user='reader' dbname='heat'"
    """
    return " ".join(
        f"{name}='{value}'".replace("\\", "\\\\")
        for name, value in {**defaults, **server.keywords(), **settings}.items()
    )
