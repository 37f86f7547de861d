"""Who may ask: host names, the token, and the headers that protect the page.

Belongs here: middleware around every request. Does not belong here: rate limits
(``web.rate_limit``).
"""

import ipaddress

from jobs.errors import SettingsRejected
from jobs.settings import Settings

LEAST_TOKEN_CHARACTERS = 16

_OWN_NAMES = ("localhost", "127.0.0.1", "::1")


def is_own_address(host: str) -> bool:
    """Return whether only this machine reaches an address."""
    if host.casefold() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_exposure(settings: Settings, host: str) -> None:
    """Refuse to serve others without a token.

    Raises
    ------
    SettingsRejected
        A token is needed, or too short to protect anything.
    """
    token = settings.serve_token
    make = 'make one with python -c "import secrets; print(secrets.token_urlsafe())"'
    if token is None or not token.get_secret_value():
        if not is_own_address(host):
            raise SettingsRejected(
                f"--host {host} lets other machines in: set LIQHEAT_SERVE_TOKEN first; {make}"
            )
        if settings.serve_names:
            raise SettingsRejected(
                f"LIQHEAT_SERVE_NAMES lets other machines in: set LIQHEAT_SERVE_TOKEN too; {make}"
            )
    elif len(token.get_secret_value()) < LEAST_TOKEN_CHARACTERS:
        raise SettingsRejected(
            f"LIQHEAT_SERVE_TOKEN has fewer than {LEAST_TOKEN_CHARACTERS} characters; {make}"
        )
