"""Texts without secrets: whatever is logged, raised or reported passes through here.

Belongs here: hiding keys in what services and libraries say. Does not belong here: which secrets
there are.
"""

import re
from collections.abc import Iterable
from urllib.parse import quote, quote_plus

# Where an address, a header or a body carries a key or a signature.
_SECRET_FIELDS = re.compile(
    r"(?i)((?:signature|sign|api[-_]?key|accesskeyid|passphrase|secret|token|ok-access-\w+|"
    r"x-mbx-apikey|authorization)[\"']?\s*[=:]\s*[\"']?)[^\s&\"',}]+"
)
_HIDDEN = "***"


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """Return a text without secrets: those given, in any spelling, and values of secret fields.

    Parameters
    ----------
    text : str
        Anything a service or a library said.
    secrets : iterable of str
        Known secrets; addresses and forms may spell them percent-encoded.

    Examples
    --------
    >>> redact("GET /x?symbol=BTC&signature=abc123 key-1", ["key-1"])
    'GET /x?symbol=BTC&signature=*** ***'
    """
    spelled = {form for one in secrets for form in (one, quote(one, ""), quote_plus(one))}
    # One secret may contain another: the longer goes first, so that nothing of it remains.
    for form in sorted(spelled, key=len, reverse=True):
        text = text.replace(form, _HIDDEN)
    return _SECRET_FIELDS.sub(rf"\g<1>{_HIDDEN}", text)


def redact_error(error: BaseException, secrets: Iterable[str]) -> None:
    """Hide secrets in an error and in its causes, in place: a traceback prints them all."""
    secrets = tuple(secrets)
    here: BaseException | None = error
    seen: set[int] = set()
    while here is not None and id(here) not in seen:
        seen.add(id(here))
        here.args = tuple(
            redact(one, secrets) if isinstance(one, str) else one for one in here.args
        )
        here = here.__cause__ or here.__context__
