"""Who may send requests: host names, the token, and the headers that protect the page.

Belongs here: the checks around every request, and the login. Does not belong here: counting what a
client sends (``web.rate_limit``).
"""

import hashlib
import hmac
import ipaddress
import math
from collections import OrderedDict
from collections.abc import Mapping
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs, quote

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from jobs.errors import SettingsRejected
from jobs.settings import Settings
from web.page import templates
from web.problem_details import Refusal
from web.problem_handlers import json_problem
from web.rate_limit import GUESSES, ClientCounter, client_of

LEAST_TOKEN_CHARACTERS = 16

COOKIE = "liqheat_page"
_COOKIE_SECONDS = 30 * 24 * 3600

_MOST_FORM_BYTES = 4096

# Wrong tokens remembered; the oldest is forgotten first.
_MOST_WRONG = 1000

# What needs no token: the login, what it looks like, and whether the server lives.
_OPEN_PATHS = ("/login", "/logout", "/healthz", "/static/")

_POLICY = (
    "default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self'; "
    "img-src 'self' data: blob:; connect-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


def is_own_address(host: str) -> bool:
    """Return whether only this machine reaches an address."""
    if host.casefold() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def token_of(settings: Settings) -> str | None:
    """Return the token that requests need; None where they need none."""
    token = settings.serve_token
    return None if token is None else token.get_secret_value() or None


def names_of(settings: Settings) -> frozenset[str]:
    """Return the host names that are served in addition to this machine's own."""
    given = (settings.serve_names or "").split(",")
    return frozenset(name.strip().casefold() for name in given if name.strip())


def check_exposure(settings: Settings, host: str) -> None:
    """Refuse to serve others without a token.

    Parameters
    ----------
    settings : Settings
        The token and the names that the server answers to.
    host : str
        The address that it listens on.

    Raises
    ------
    SettingsRejected
        A token is needed, or too short to protect anything.
    """
    token = token_of(settings)
    make = 'make one with python -c "import secrets; print(secrets.token_urlsafe())"'
    if token is None:
        if not is_own_address(host):
            raise SettingsRejected(
                f"--host {host} lets other machines in: set LIQHEAT_SERVE_TOKEN first; {make}"
            )
        if names_of(settings):
            raise SettingsRejected(
                f"LIQHEAT_SERVE_NAMES lets other machines in: set LIQHEAT_SERVE_TOKEN too; {make}"
            )
    elif len(token) < LEAST_TOKEN_CHARACTERS:
        raise SettingsRejected(
            f"LIQHEAT_SERVE_TOKEN has fewer than {LEAST_TOKEN_CHARACTERS} characters; {make}"
        )


_TOKEN_NEEDED = Refusal(
    401,
    "Token needed",
    "the token is missing or not the one of this server",
    "send it as `Authorization: Bearer <LIQHEAT_SERVE_TOKEN>`, or log in at /login",
    headers={"WWW-Authenticate": 'Bearer realm="liqheat"'},
)


class Guard:
    """Checks each request and adds the headers that protect the page.

    A page of another site can make a browser resolve its own name to this machine (DNS rebinding)
    and would then read what is served here: a request must name a host that is served. An address
    other than this machine's own is one only with a token.

    Parameters
    ----------
    app : ASGI application
        What is guarded.
    names : frozenset of str
        Host names that are served in addition to this machine's own.
    token : str or None
        What a request must send.
    """

    def __init__(self, app: ASGIApp, *, names: frozenset[str], token: str | None) -> None:
        self._app = app
        self._names = names
        self._token = token
        self._guesses = ClientCounter()
        self._wrong: OrderedDict[bytes, None] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_protected(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        headers = Headers(scope=scope)
        refusal = self._refusal(scope, headers)
        if refusal is None:
            await self._app(scope, receive, send_protected)
        else:
            await refusal(scope, receive, send_protected)

    def _refusal(self, scope: Scope, headers: Headers) -> Response | None:
        """Return the response to a request that is not passed on; None for one that is."""
        host = _host_name(headers.get("host", ""))
        is_served = host in self._names or is_own_address(host)
        if not is_served and not (self._token and _is_address(host)):
            return json_problem(
                Refusal(
                    421,
                    "Host not served",
                    "the Host header names a host that is not served here",
                    "use the address that `liqheat serve` printed, or list the name in "
                    "LIQHEAT_SERVE_NAMES",
                )
            )
        path = str(scope["path"])
        if self._token is None or path.startswith(_OPEN_PATHS):
            return None
        refusal = self._refusal_of_secrets(client_of(scope), headers, self._token)
        if refusal is None or refusal.status_code != 401:
            return refusal
        if path == "/" and scope["method"] == "GET":
            query = scope["query_string"].decode("latin-1")
            following = f"/?{query}" if query else "/"
            return RedirectResponse(f"/login?next={quote(following, safe='')}", 303)
        return refusal

    def _refusal_of_secrets(self, client: str, headers: Headers, token: str) -> Response | None:
        """Return None for a request that sends the token, by itself or as the login's cookie.

        A wrong one is counted the first time: to send it again is no guess, so that a program or
        a page that goes on with the token of before locks out nobody else at its address.
        """
        sent = _sent_secrets(headers)
        known = hashlib.sha256("\n".join(sent).encode("utf-8", "surrogateescape")).digest()
        if any(sent) and known not in self._wrong:
            wait = self._guesses.seconds_to_wait(client, GUESSES)
            if wait > 0.0:
                return json_problem(_too_many_guesses(wait))
            if _is_same(sent[0], token) or _is_same(sent[1], _cookie_value(token)):
                return None
            self._guesses.count(client, GUESSES)
            self._wrong[known] = None
            if len(self._wrong) > _MOST_WRONG:
                self._wrong.popitem(last=False)
        return json_problem(_TOKEN_NEEDED)


def _too_many_guesses(wait: float) -> Refusal:
    return Refusal(
        429,
        "Too many wrong tokens",
        "this address has sent too many wrong tokens",
        f"wait {math.ceil(wait)} s, then send the LIQHEAT_SERVE_TOKEN of this server",
        headers={"Retry-After": str(math.ceil(wait))},
    )


def _host_name(host: str) -> str:
    """Return the name in a Host header, without its port and brackets."""
    name = host.strip().casefold()
    if name.startswith("["):
        return name[1:].partition("]")[0]
    return name.partition(":")[0].rstrip(".")


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _sent_secrets(headers: Mapping[str, str]) -> tuple[str, str]:
    """Return the token of a request's header and the cookie of its login, empty where not sent."""
    scheme, _, sent = headers.get("authorization", "").partition(" ")
    # Headers are bytes that were read as Latin-1; the token in them is UTF-8, as in a form.
    utf8 = sent.strip().encode("latin-1", "replace").decode("utf-8", "surrogateescape")
    token = utf8 if scheme.casefold() == "bearer" else ""
    try:
        cookie = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        cookie = None
    return token, "" if cookie is None else cookie.value


def _is_same(sent: str, secret: str) -> bool:
    return hmac.compare_digest(sent.encode("utf-8", "surrogateescape"), secret.encode())


def _cookie_value(token: str) -> str:
    """Return what the cookie holds: not the token itself, and of no use once that changes."""
    return hmac.new(token.encode(), b"page of liqheat serve", hashlib.sha256).hexdigest()


router = APIRouter(tags=["page"], include_in_schema=False)


@router.get("/login", response_class=HTMLResponse)
async def show_login(request: Request) -> HTMLResponse:
    """Return the form that takes the token."""
    return _login_page(_local_path(request.query_params.get("next", "/")), 200)


@router.post("/login", response_class=HTMLResponse)
async def log_in(request: Request) -> Response:
    """Take the token of the form and give the browser a cookie."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MOST_FORM_BYTES:
            raise Refusal(413, "Form too large", "the form is too large", "send the token alone")
    form = parse_qs(body.decode("utf-8", "replace"), max_num_fields=10)
    following = _local_path(form.get("next", ["/"])[0])
    token = token_of(request.app.state.settings)
    if token is not None:
        if not _is_same(form.get("token", [""])[0].strip(), token):
            return _login_page(following, 401)
        response = RedirectResponse(following, 303)
        response.set_cookie(
            COOKIE,
            _cookie_value(token),
            max_age=_COOKIE_SECONDS,
            secure=request.url.scheme == "https",
            httponly=True,
            samesite="strict",
        )
        return response
    return RedirectResponse(following, 303)


@router.post("/logout")
async def log_out() -> Response:
    """Take the cookie back."""
    response = RedirectResponse("/login", 303)
    response.delete_cookie(COOKIE, httponly=True, samesite="strict")
    return response


def _login_page(following: str, status: int) -> HTMLResponse:
    page = templates().get_template("login.html")
    text = page.render(following=following, is_wrong=status == 401)
    return HTMLResponse(text, status, headers={"Cache-Control": "no-store"})


def _local_path(path: str) -> str:
    """Return where the login leads: the page with a query, never another site."""
    return path[:2000] if path == "/" or path.startswith("/?") else "/"
