"""How a venue is reached: addresses, keys, proxies, time-outs, and errors in our own classes.

Belongs here: opening a ccxt exchange as declared, translating its errors. Does not belong here:
when to call and to retry (`sources.venues.pacer`, `sources.retry`).
"""

import importlib
import logging
import math
import re
import ssl
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

from sources.errors import VenueRejected, VenueUnavailable
from sources.http_exchange import retry_after_seconds
from sources.redaction import redact, redact_error
from sources.venues.declaration import Venue

if TYPE_CHECKING:
    from sources.venues.pacer import SharedBudget

_LONGEST_MESSAGE = 300
_ANY_ADDRESS = re.compile(r"^[a-z]+://[^/]+")
# Statuses that will not change on a retry. ccxt counts some of them as transient.
_FINAL_STATUSES = frozenset({400, 401, 404, 405, 410, 422, 451})

# ccxt logs whole requests, keys included, where anyone turns its debugging on.
_SILENT = logging.Logger("ccxt", logging.CRITICAL)
_PROXIES = ("http_proxy", "https_proxy", "socks_proxy", "ws_proxy", "wss_proxy", "ws_socks_proxy")
_CREDENTIALS = ("api_key", "secret", "password")


@dataclass(frozen=True, slots=True)
class Connection:
    """How to reach one venue.

    Parameters
    ----------
    base_url : str or None
        Where a stand-in for all venues listens; None: the venue itself. Every address of the
        venue becomes ``base_url/<venue>/...``, websockets included.
    api_key, secret, password : str or None
        Only for private endpoints; never written anywhere.
    http_proxy, https_proxy, socks_proxy : str or None
        As ccxt takes them; one at most.
    ws_proxy, wss_proxy, ws_socks_proxy : str or None
        The same for websockets.
    timeout_seconds : float
        For one call.
    shared_budget : SharedBudget or None
        The venue's rate limit, where other processes use it too.
    """

    base_url: str | None = None
    api_key: str | None = field(default=None, repr=False)
    secret: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)
    http_proxy: str | None = field(default=None, repr=False)
    https_proxy: str | None = field(default=None, repr=False)
    socks_proxy: str | None = field(default=None, repr=False)
    ws_proxy: str | None = field(default=None, repr=False)
    wss_proxy: str | None = field(default=None, repr=False)
    ws_socks_proxy: str | None = field(default=None, repr=False)
    timeout_seconds: float = 10.0
    shared_budget: "SharedBudget | None" = field(default=None, repr=False, compare=False)

    @property
    def secrets(self) -> tuple[str, ...]:
        """Return what must not appear in any text; proxies may contain a password."""
        values = (getattr(self, name) for name in (*_CREDENTIALS, *_PROXIES))
        return tuple(value for value in values if value)

    @property
    def has_key(self) -> bool:
        """Return whether private endpoints can be called."""
        return bool(self.api_key and self.secret)

    def ccxt_settings(self) -> dict[str, object]:
        """Return keys, proxies and time-out by ccxt's names."""
        names = {name: _camel_case(name) for name in (*_CREDENTIALS, *_PROXIES)}
        given = {ours: getattr(self, ours) for ours in names}
        return {"timeout": round(self.timeout_seconds * 1000)} | {
            names[ours]: value for ours, value in given.items() if value
        }


def _camel_case(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(one.title() for one in others)


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """One HTTP response as received, free of secrets.

    Parameters
    ----------
    method, url : str
        What was called.
    sent : str or None
        Body of the request.
    status : int
        HTTP status.
    headers : mapping of str to str
        Of the response, names in lower case.
    body : str
        Of the response.
    """

    method: str
    url: str
    sent: str | None
    status: int
    headers: Mapping[str, str]
    body: str


Listener = Callable[[HttpResponse], None]


def redirect_addresses(addresses: Any, prefix: str) -> Any:  # noqa: ANN401 (ccxt nests freely)
    """Return ccxt's table of addresses with scheme and host of each replaced.

    Parameters
    ----------
    addresses : str, dict or other
        As in ``exchange.urls['api']``.
    prefix : str
        ``http://host:port/venue``; websocket addresses get its scheme's counterpart.

    Examples
    --------
    >>> redirect_addresses({"a": "https://{hostname}/v1", "b": {"c": "wss://x/ws"}}, "http://h/v")
    {'a': 'http://h/v/v1', 'b': {'c': 'ws://h/v/ws'}}
    """
    if isinstance(addresses, Mapping):
        return {key: redirect_addresses(value, prefix) for key, value in addresses.items()}
    if not isinstance(addresses, str):
        return addresses
    is_socket = addresses.startswith("ws")
    here = re.sub("^http", "ws", prefix) if is_socket else prefix
    return _ANY_ADDRESS.sub(here, addresses)


def open_exchange(
    venue: Venue,
    connection: Connection,
    *,
    is_streaming: bool = False,
    extra: type | None = None,
    listener: Listener | None = None,
) -> Any:  # noqa: ANN401 (ccxt has no types)
    """Return a ccxt exchange set up for a venue; it must be closed by `close_exchange`.

    Parameters
    ----------
    venue : Venue
        Its declaration.
    connection : Connection
        How to reach it.
    is_streaming : bool
        With websockets (``ccxt.pro``).
    extra : type or None
        A class whose methods come before ccxt's.
    listener : Callable or None
        Receives every HTTP response, errors included.
    """
    aiohttp = importlib.import_module("aiohttp")
    library = importlib.import_module("ccxt.pro" if is_streaming else "ccxt.async_support")
    parents = (_ResponseChecks, getattr(library, venue.ccxt_id))
    made = type(venue.ccxt_id, parents if extra is None else (extra, *parents), {})
    exchange = made(
        {
            "options": dict(venue.options),
            "timeout_on_exit": 0,
            "enableRateLimit": True,
            # Responses are not kept: with many instruments they are most of the memory.
            "enableLastHttpResponse": False,
            "enableLastJsonResponse": False,
            "enableLastResponseHeaders": False,
            "logger": _SILENT,
            **connection.ccxt_settings(),
        }
    )
    exchange.has["fetchCurrencies"] = False
    exchange.listener, exchange.secrets = listener, connection.secrets
    # Its own pool: certificates are checked, nothing is taken from the environment.
    exchange.own_session = False
    exchange.ssl_context = _trusted(exchange.cafile)
    exchange.session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(ssl=exchange.ssl_context, limit=32), trust_env=False
    )
    if connection.base_url is not None:
        prefix = f"{connection.base_url.rstrip('/')}/{venue.name}"
        exchange.urls["api"] = redirect_addresses(exchange.urls["api"], prefix)
    return exchange


@cache
def _trusted(certificates: str) -> ssl.SSLContext:
    """Return the TLS context; reading the certificates takes longer than many a call."""
    return ssl.create_default_context(cafile=certificates)


async def close_exchange(exchange: Any) -> None:  # noqa: ANN401 (ccxt has no types)
    """Close an exchange, its websockets and its pool."""
    session = exchange.session
    await exchange.close()
    if session is not None:
        await session.close()


class _ResponseChecks:
    """Put before a ccxt class: errors know their status, responses that are no JSON are errors."""

    listener: Listener | None = None
    secrets: tuple[str, ...] = ()

    def handle_errors(
        self,
        code: int,
        reason: str,
        url: str,
        method: str,
        headers: Mapping[str, str],
        body: str,
        *rest: Any,  # noqa: ANN401 (ccxt's: decoded response, headers and body of the request)
    ) -> object:
        errors = importlib.import_module("ccxt.async_support")
        above: Any = super()
        exchange: Any = self
        response, _, request_body = rest
        if self.listener is not None:
            secrets = self.secrets
            self.listener(
                HttpResponse(
                    method=method,
                    url=redact(url, secrets),
                    sent=redact(str(request_body), secrets) if request_body else None,
                    status=code,
                    headers={key.lower(): redact(value, secrets) for key, value in headers.items()},
                    body=redact(body, secrets),
                )
            )
        try:
            handled = above.handle_errors(code, reason, url, method, headers, body, *rest)
            if code >= 400:
                exchange.handle_http_status_code(code, reason, url, method, body)
                raise errors.ExchangeError(f"{exchange.id} {code} {reason} {body}")
            if response is None and body != "":
                broken = errors.BadResponse(f"{exchange.id} answered no JSON: {body[:100]}")
                broken.received = body
                raise broken
        except errors.BaseError as exc:
            exc.http_status = code
            titled = {key.title(): value for key, value in headers.items()}
            exc.retry_after = retry_after_seconds(titled)
            raise
        return handled


def expected_errors() -> tuple[type[BaseException], ...]:
    """Return what ccxt raises: its own errors, and Python's over an unexpected response."""
    library = importlib.import_module("ccxt.async_support")
    aiohttp = importlib.import_module("aiohttp")
    return (
        library.BaseError,
        aiohttp.ClientError,
        OSError,
        TimeoutError,
        ValueError,
        LookupError,
        TypeError,
        AttributeError,
    )


def translate_error(
    exc: BaseException, what: str, secrets: Iterable[str]
) -> VenueUnavailable | VenueRejected:
    """Return our error for one of ccxt's, without secrets; the original is redacted in place.

    Parameters
    ----------
    exc : BaseException
        Raised by ccxt, or by Python while ccxt read an unexpected response.
    what : str
        Venue and request.
    secrets : iterable of str
        What must not appear in the message.
    """
    redact_error(exc, secrets)
    message = " ".join(str(exc).split())[:_LONGEST_MESSAGE]
    name = type(exc).__name__
    errors = importlib.import_module("ccxt.async_support")
    wait = getattr(exc, "retry_after", None)
    if not isinstance(exc, errors.BaseError):
        return VenueUnavailable(
            f"{what}: the response is unexpected ({name}: {message}); try again"
        )
    if _is_transient(exc, getattr(exc, "http_status", None), errors):
        hint = f" in {math.ceil(wait)} s" if wait else ""
        return VenueUnavailable(f"{what}: {name}: {message}; try again{hint}", wait)
    return VenueRejected(
        f"{what}: {name}: {message}; check that the contract is still listed and the request "
        "permitted"
    )


def _is_transient(exc: BaseException, status: int | None, errors: Any) -> bool:  # noqa: ANN401
    if status in _FINAL_STATUSES and not isinstance(
        exc, errors.DDoSProtection | errors.RateLimitExceeded | errors.RequestTimeout
    ):
        return isinstance(exc, errors.OnMaintenance)
    if isinstance(exc, errors.OperationFailed | errors.ExchangeClosedByUser):
        return True
    # A connection that breaks within a response reaches ccxt as an error of the exchange.
    is_broken = type(exc.__cause__).__module__.startswith("aiohttp")
    return is_broken or (status is not None and (status == 429 or status >= 500))
