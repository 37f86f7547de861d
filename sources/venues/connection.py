"""How a venue is reached: address, keys, proxies, time-outs; and what must never be said aloud.

Belongs here: making a ccxt exchange as declared, turning its errors into ours, hiding secrets.
Does not belong here: when to ask again (`sources.venues.pacer`).
"""

import importlib
import logging
import math
import re
import ssl
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any

from sources.errors import VenueRejected, VenueUnavailable
from sources.http_exchange import retry_after_seconds
from sources.venues.declaration import Venue

# Where a request carries a key or a signature in its address, and headers that carry one.
_SECRET_FIELDS = re.compile(
    r"(?i)((?:signature|sign|api[-_]?key|accesskeyid|passphrase|secret|token|ok-access-\w+|"
    r"x-mbx-apikey|authorization)[\"']?\s*[=:]\s*[\"']?)[^\s&\"',}]+"
)
_HIDDEN = "***"
_LONGEST_MESSAGE = 300
_ANY_ADDRESS = re.compile(r"^[a-z]+://[^/]+")
# What a venue will not take back; everything else may pass. ccxt counts these as passing.
_FINAL_STATUSES = frozenset({400, 401, 404, 405, 410, 422, 451})

# ccxt logs whole requests, keys among them, where anyone turns its debugging on.
_SILENT = logging.Logger("ccxt", logging.CRITICAL)


@dataclass(frozen=True, slots=True)
class Connection:
    """How to reach one venue.

    Parameters
    ----------
    base_url : str or None
        Where a stand-in for all venues listens; None: the venue itself. Every address of the
        venue becomes ``base_url/<venue>/...``, websockets too.
    api_key, secret, password : str or None
        Only for what is private; never written anywhere.
    http_proxy, https_proxy, socks_proxy : str or None
        As ccxt takes them; one at most.
    ws_proxy, wss_proxy, ws_socks_proxy : str or None
        The same for websockets.
    timeout_seconds : float
        For one call.
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

    @property
    def secrets(self) -> tuple[str, ...]:
        """Return what must not appear in anything written; proxies may carry a password."""
        proxies = (
            self.http_proxy,
            self.https_proxy,
            self.socks_proxy,
            self.ws_proxy,
            self.wss_proxy,
            self.ws_socks_proxy,
        )
        said = (self.api_key, self.secret, self.password, *proxies)
        return tuple(secret for secret in said if secret)

    @property
    def has_key(self) -> bool:
        """Return whether private endpoints can be asked."""
        return bool(self.api_key and self.secret)


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """One answer as it came over HTTP, free of secrets.

    Parameters
    ----------
    method, url : str
        What was called.
    sent : str or None
        Body of the request.
    status : int
        HTTP status.
    headers : mapping of str to str
        Of the answer, names in lower case.
    body : str
        Of the answer.
    """

    method: str
    url: str
    sent: str | None
    status: int
    headers: Mapping[str, str]
    body: str


Listener = Callable[[HttpAnswer], None]


def scrub(text: str, secrets: Iterable[str] = ()) -> str:
    """Return a text without secrets: those given, and whatever stands where keys stand.

    Examples
    --------
    >>> scrub("GET /x?symbol=BTC&signature=abc123 key-1", ["key-1"])
    'GET /x?symbol=BTC&signature=*** ***'
    """
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, _HIDDEN)
    return _SECRET_FIELDS.sub(rf"\g<1>{_HIDDEN}", text)


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
        What to set up.
    connection : Connection
        How to reach it.
    is_streaming : bool
        With websockets (``ccxt.pro``).
    extra : type or None
        A class whose methods come before ccxt's.
    listener : Callable or None
        Takes every HTTP answer as it came, errors included.
    """
    aiohttp = importlib.import_module("aiohttp")
    library = importlib.import_module("ccxt.pro" if is_streaming else "ccxt.async_support")
    parents = (_Answering, getattr(library, venue.ccxt_id))
    made = type(venue.ccxt_id, parents if extra is None else (extra, *parents), {})
    proxies = {
        "httpProxy": connection.http_proxy,
        "httpsProxy": connection.https_proxy,
        "socksProxy": connection.socks_proxy,
        "wsProxy": connection.ws_proxy,
        "wssProxy": connection.wss_proxy,
        "wsSocksProxy": connection.ws_socks_proxy,
        "apiKey": connection.api_key,
        "secret": connection.secret,
        "password": connection.password,
    }
    exchange = made(
        {
            "options": dict(venue.options),
            "timeout": round(connection.timeout_seconds * 1000),
            "timeout_on_exit": 0,
            "enableRateLimit": True,
            # Answers are not kept: with many instruments they are most of the memory.
            "enableLastHttpResponse": False,
            "enableLastJsonResponse": False,
            "enableLastResponseHeaders": False,
            "logger": _SILENT,
            **{key: value for key, value in proxies.items() if value},
        }
    )
    exchange.has["fetchCurrencies"] = False
    if listener is not None:
        exchange.on_answer = partial(_pass_on, listener, connection.secrets)
    # Its own pool: certificates checked, nothing taken from the environment.
    exchange.own_session = False
    exchange.ssl_context = _trusted(exchange.cafile)
    exchange.session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(ssl=_trusted(exchange.cafile), limit=32),
        trust_env=False,
    )
    if connection.base_url is not None:
        prefix = f"{connection.base_url.rstrip('/')}/{venue.name}"
        exchange.urls["api"] = redirect_addresses(exchange.urls["api"], prefix)
    return exchange


@cache
def _trusted(certificates: str) -> ssl.SSLContext:
    """Return what checks certificates; reading them takes longer than many a call."""
    return ssl.create_default_context(cafile=certificates)


async def close_exchange(exchange: Any) -> None:  # noqa: ANN401 (ccxt has no types)
    """Close an exchange, its websockets and its pool."""
    session = exchange.session
    await exchange.close()
    if session is not None:
        await session.close()


def _pass_on(
    listener: Listener,
    secrets: tuple[str, ...],
    method: str,
    url: str,
    sent: object,
    status: int,
    headers: Mapping[str, str],
    body: str,
) -> None:
    """Give an answer to a listener without secrets."""
    listener(
        HttpAnswer(
            method=method,
            url=scrub(url, secrets),
            sent=scrub(str(sent), secrets) if sent else None,
            status=status,
            headers={key.lower(): scrub(value, secrets) for key, value in headers.items()},
            body=scrub(body, secrets),
        )
    )


class _Answering:
    """Put before a ccxt class: errors know their status, answers that are no JSON are errors."""

    on_answer: Callable[..., None] | None = None

    def handle_errors(
        self,
        code: int,
        reason: str,
        url: str,
        method: str,
        headers: Mapping[str, str],
        body: str,
        response: object,
        request_headers: object,
        request_body: object,
    ) -> object:
        errors = importlib.import_module("ccxt.async_support")
        above: Any = super()
        me: Any = self
        if me.on_answer is not None:
            me.on_answer(method, url, request_body, code, headers, body)
        try:
            handled = above.handle_errors(
                code, reason, url, method, headers, body, response, request_headers, request_body
            )
            if code >= 400:
                me.handle_http_status_code(code, reason, url, method, body)
                raise errors.ExchangeError(f"{me.id} {code} {reason} {body}")
            if response is None and body != "":
                broken = errors.BadResponse(f"{me.id} answered no JSON: {body[:100]}")
                broken.received = body
                raise broken
        except errors.BaseError as exc:
            exc.http_status = code
            exc.retry_after = _retry_after(headers)
            raise
        return handled


def _retry_after(headers: Mapping[str, str]) -> float | None:
    titled = {key.title(): value for key, value in headers.items()}
    return retry_after_seconds(titled)


def translate_error(
    exc: BaseException, what: str, secrets: Iterable[str]
) -> VenueUnavailable | VenueRejected:
    """Return our error for one of ccxt's, without secrets; the original is scrubbed in place.

    Parameters
    ----------
    exc : BaseException
        What ccxt raised, or Python while ccxt read nonsense.
    what : str
        Venue and request.
    secrets : iterable of str
        What must not be said.
    """
    secrets = tuple(secrets)
    scrub_chain(exc, secrets)
    said = " ".join(str(exc).split())[:_LONGEST_MESSAGE]
    name = type(exc).__name__
    errors = importlib.import_module("ccxt.async_support")
    status = getattr(exc, "http_status", None)
    wait = getattr(exc, "retry_after", None)
    if not isinstance(exc, errors.BaseError):
        return VenueUnavailable(f"{what}: the answer makes no sense ({name}: {said}); ask again")
    if _is_passing(exc, status, errors):
        hint = f" in {math.ceil(wait)} s" if wait else ""
        return VenueUnavailable(f"{what}: {name}: {said}; ask again{hint}", wait)
    return VenueRejected(
        f"{what}: {name}: {said}; see whether the contract is still listed and the request allowed"
    )


def _is_passing(exc: BaseException, status: int | None, errors: Any) -> bool:  # noqa: ANN401
    if status in _FINAL_STATUSES and not isinstance(
        exc, errors.DDoSProtection | errors.RateLimitExceeded | errors.RequestTimeout
    ):
        return isinstance(exc, errors.OnMaintenance)
    if isinstance(exc, errors.OperationFailed | errors.ExchangeClosedByUser):
        return True
    # A connection that breaks within an answer reaches ccxt as an error of the exchange.
    is_broken = type(exc.__cause__).__module__.startswith("aiohttp")
    return is_broken or (status is not None and (status == 429 or status >= 500))


def scrub_chain(exc: BaseException, secrets: Iterable[str]) -> None:
    """Hide secrets in an error and in what caused it: a traceback prints them all."""
    secrets = tuple(secrets)
    here: BaseException | None = exc
    seen: set[int] = set()
    while here is not None and id(here) not in seen:
        seen.add(id(here))
        here.args = tuple(scrub(one, secrets) if isinstance(one, str) else one for one in here.args)
        here = here.__cause__ or here.__context__
