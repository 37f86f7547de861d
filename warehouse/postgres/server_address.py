"""The address of a PostgreSQL database, with its password out of sight.

Belongs here: reading an address and naming it without its password. Does not belong here: opening
a connection (``warehouse.postgres.server_session``).
"""

import re
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, quote, unquote, unquote_to_bytes, urlencode, urlsplit

from warehouse.errors import OutletRejected

_SCHEMES = ("postgresql", "postgres")
_FORM = "postgresql://user:password@host:5432/database"


@dataclass(frozen=True, slots=True)
class ServerAddress:
    """Where a database is and who publishes to it.

    Parameters
    ----------
    name : str
        Host, port and database, for messages.
    user : str, optional
        The role; by default the one of the environment (``PGUSER``) or of the process.
    database : str, optional
        Its database; by default that of ``PGDATABASE`` or the user's name.
    dsn : str
        The address without its password, as the driver takes it.
    password : str, optional
        By default that of ``PGPASSWORD`` or of the password file.
    """

    name: str
    user: str | None
    database: str | None
    dsn: str
    password: str | None = field(default=None, repr=False)

    def __str__(self) -> str:
        return self.name

    def keywords(self) -> dict[str, str]:
        """Return the address as libpq's keywords, without the password.

        Examples
        --------
        >>> read_address("postgresql://p:secret@[::1]:5433/heat?sslmode=require").keywords()
        {'host': '::1', 'port': '5433', 'user': 'p', 'dbname': 'heat', 'sslmode': 'require'}
        """
        parts = urlsplit(self.dsn)
        servers = [
            server.rpartition(":") if re.search(r":\d*$", server) else (server, "", "")
            for server in parts.netloc.rpartition("@")[2].split(",")
        ]
        given = {
            "host": ",".join(host.strip("[]") for host, _, _ in servers),
            "port": ",".join(port for _, _, port in servers).strip(","),
            "user": self.user,
            "dbname": self.database,
            **dict(parse_qsl(parts.query)),
        }
        return {name: value for name, value in given.items() if value}


def read_address(url: str) -> ServerAddress:
    """Return the address that a URL holds.

    No message shows any part of the URL: what was meant as a password may be anywhere in one that
    cannot be read.

    Raises
    ------
    OutletRejected
        It is not the address of a PostgreSQL database.

    Examples
    --------
    >>> address = read_address("postgresql://publisher:p%40ss@db.example:5433/heat")
    >>> print(address, address.user, address.dsn)
    db.example:5433/heat publisher postgresql://publisher@db.example:5433/heat
    """
    try:
        # An argument that is not UTF-8 cannot be encoded.
        if b"\0" in unquote_to_bytes(url.encode()):
            raise _unreadable()
        parts = urlsplit(url)
        # As in libpq, a plus is a plus: forms alone read it as a space.
        options = parts.query.replace("+", "%2B")
        query = dict(parse_qsl(options, strict_parsing=bool(options)))
        credentials, _, hosts = parts.netloc.rpartition("@")
        # Reading a port is what checks it.
        several = hosts.split(",")
        ports = [urlsplit(f"//{host}").port for host in several]
    except ValueError:
        raise _unreadable() from None
    if parts.scheme not in _SCHEMES:
        raise OutletRejected(
            f"the address of the database does not begin with postgresql://; its form is {_FORM}"
        )
    # A password with one of these characters ends the host early, and the rest would be taken for
    # the name of a database.
    if parts.fragment or "@" in parts.path or "@" in parts.query:
        raise _unreadable()
    if "@" in credentials or any(mark in hosts for mark in "%#"):
        raise _unreadable()
    user, _, password = credentials.partition(":")
    given = query.pop("password", None) or (unquote(password) if password else None)
    user = unquote(user) or query.get("user", "")
    database = unquote(parts.path.lstrip("/")) or query.get("dbname", query.get("database", ""))
    if 0 in ports or ("," in hosts and "" in several):
        raise _unreadable()
    login = f"{quote(user, safe='')}@" if user and "user" not in query else ""
    rest = f"?{urlencode(query)}" if query else ""
    return ServerAddress(
        name=f"{hosts or query.get('host', 'the local server')}/{database}".rstrip("/"),
        user=user or None,
        database=database or None,
        dsn=f"postgresql://{login}{hosts}{parts.path}{rest}",
        password=given,
    )


def _unreadable() -> OutletRejected:
    return OutletRejected(
        f"the address of the database cannot be read; its form is {_FORM}, where each of "
        "@ : / ? # % [ ] in a password is percent-encoded (@ is %40), or leave the password out "
        "and set PGPASSWORD"
    )
