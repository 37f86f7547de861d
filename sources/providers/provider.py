"""Providers of maps: their description, requests to them, the context of an answer.

Belongs here: the types every provider module shares, the name under which a raw answer is kept and
reading such a name. Does not belong here: any provider's format.
"""

import hashlib
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from sources.errors import ProviderRejected
from sources.http_exchange import HttpRequest
from sources.records import Batch

if TYPE_CHECKING:
    import aiohttp

    from sources.accounts.weight_budget import WeightBudget

INSTANT_IN_NAME = "%Y%m%dT%H%M%SZ"


def _require_zone(name: str, instant: datetime | None) -> None:
    """Raise ValueError for an instant without a time zone."""
    if instant is not None and instant.tzinfo is None:
        raise ValueError(f"{name} {instant} has no time zone; give it in UTC, as all instants are")


@dataclass(frozen=True, slots=True)
class AnswerContext:
    """What an answer itself does not contain, and what is expected of it.

    Parameters
    ----------
    input_name : str
        File name or request, without any key; it names the input in messages and in quarantine.
    ingested_at : datetime
        When the answer is read [UTC].
    captured_at : datetime, optional
        When the answer was received [UTC]; the ``as_of`` of a map that carries no instant.
    asset : str, optional
        The asset expected, ``BTC``. An answer about another one is refused.
    symbol : str, optional
        The requested symbol as the provider spells it (``BTCUSDT``, ``1000PEPEUSDT``). Gives the
        asset and how many units of it one quoted unit holds.
    venue_scope : str, optional
        The venue the map is about, or ``all``; needed where the answer does not name it.
    model : str, optional
        One of the provider's models; needed only where models share a shape.
    window : str, optional
        The requested look-back as the provider spells it.
    reference_price : float, optional
        Price of the asset at the capture, from elsewhere [USD per unit]. Splits long from short
        where the answer has no price; an answer whose own price is far off it is refused.
    max_age : timedelta, optional
        Refuse a map whose ``as_of`` lies further than this before ``ingested_at``.
    all_columns : bool
        Keep every instant of a heatmap over time; by default only the newest, the map.
    open_interest_usd : callable, optional
        (asset, instant) to open interest of the venue, one side [USD], or None where unknown.
        Only read for measured positions, to state the share observed.
    """

    input_name: str
    ingested_at: datetime
    captured_at: datetime | None = None
    asset: str | None = None
    symbol: str | None = None
    venue_scope: str | None = None
    model: str | None = None
    window: str | None = None
    reference_price: float | None = None
    max_age: timedelta | None = None
    all_columns: bool = False
    open_interest_usd: Callable[[str, datetime], float | None] | None = None

    def __post_init__(self) -> None:
        """Refuse instants without a zone."""
        _require_zone("ingested_at", self.ingested_at)
        _require_zone("captured_at", self.captured_at)


@dataclass(frozen=True, slots=True)
class MapRequest:
    """A request for one map, in our names.

    Parameters
    ----------
    model : str
        One of the provider's ``models``.
    asset : str
        The asset, ``BTC``; unused where ``symbol`` is given. Empty for all that an answer
        holds, where it holds several (wallet states).
    symbol : str, optional
        The contract as the provider spells it; by default ``<asset>USDT``.
    venue : str, optional
        The venue, by our name (``binance``); needed by models of one venue.
    window : str, optional
        Look-back as the provider spells it; by default the provider's own default.
    wallets : tuple of str
        Addresses, where positions are measured.
    base_url, token_url : str, optional
        Instead of the service's own addresses: a proxy, or a stand-in in tests.
    timeout_seconds : float
        For one HTTP exchange, connecting and reading.
    budget : WeightBudget, optional
        The rate limit that wallets are requested within, where several processes share it.
    """

    model: str
    asset: str
    symbol: str | None = None
    venue: str | None = None
    window: str | None = None
    wallets: tuple[str, ...] = ()
    base_url: str | None = None
    token_url: str | None = None
    timeout_seconds: float = 30.0
    budget: "WeightBudget | None" = field(default=None, repr=False, compare=False)

    @property
    def pair(self) -> str:
        """The contract, ``BTCUSDT`` unless ``symbol`` differs."""
        return self.symbol or f"{self.asset}USDT"

    def url(self, base_url: str, path: str) -> str:
        """Return the address of a path of the service at ``base_url``, or of what replaces it."""
        return f"{(self.base_url or base_url).rstrip('/')}/{path}"

    def get(
        self,
        base_url: str,
        path: str,
        secrets: Sequence[str],
        headers: Mapping[str, str],
        params: Mapping[str, str],
    ) -> HttpRequest:
        """Return the GET request for a path of the service."""
        url = self.url(base_url, path)
        return HttpRequest("GET", url, self.timeout_seconds, secrets, headers, params)


class SendRequest(Protocol):
    """Requests one map from a service and returns its answer untouched."""

    def __call__(
        self, session: "aiohttp.ClientSession", secrets: list[str], request: MapRequest, /
    ) -> Awaitable[bytes]:
        """Return the raw answer; ``secrets`` are in the order of ``key_variables``."""
        ...


def _require_keys(provider: str, names: tuple[str, ...], keys: Mapping[str, str]) -> list[str]:
    """Return the secrets under the names given, refusing to go on without them.

    Raises
    ------
    ProviderRejected
        Naming the variable, never its value.
    """
    secrets = []
    for name in names:
        secret = keys.get(name, "").strip()
        if not secret:
            raise ProviderRejected(
                f"{provider}: no key, no call; set the environment variable {name}, or import "
                "saved answers instead"
            )
        if not (secret.isascii() and secret.isprintable() and " " not in secret):
            raise ProviderRejected(
                f"{provider}: {name} holds characters no key has (space, line break, non-ASCII); "
                "set it to the key alone"
            )
        secrets.append(secret)
    return secrets


def require_model(provider: str, models: tuple[str, ...], model: str) -> None:
    """Refuse a request for a model the provider does not have."""
    if model not in models:
        raise ProviderRejected(
            f"{provider}: there is no model {model!r}; request one of {', '.join(models)}"
        )


@dataclass(frozen=True, slots=True)
class Provider:
    """One provider of maps: what it sends, in which unit, how to read and request it.

    Parameters
    ----------
    name : str
        The provider in every record.
    sends : str
        What it sends, in one sentence.
    unit : str
        Unit of its values, as in ``provider_map``; empty where each row has its own.
    semantics : str
        What its values mean: ``standing`` (all that is open), ``opened`` (opened within the stated
        look-back and not yet reached by price), ``realised``; empty where each row has its own.
    valuation : str
        At which price a position is valued, as far as the provider or the data shows.
    documentation_url : str
        Where the format is documented.
    models : tuple of str
        Valid values of ``model``.
    key_variables : tuple of str
        Environment variables that hold its secrets; empty if none is needed.
    parse : callable
        (raw bytes as received, `AnswerContext`) to batches: one of ``provider_map`` in the
        provider's unit, then one of ``quarantine`` if anything could not be used. Raises
        `InputRejected` for an answer unusable as a whole.
    send : callable, optional
        How to request a map from the service; None for files only.
    default_model : str, optional
        The model requested where no file lists requests; None: nothing is requested then.
    answer_suffix : str
        File suffix of a saved answer.
    """

    name: str
    sends: str
    unit: str
    semantics: str
    valuation: str
    documentation_url: str
    models: tuple[str, ...]
    key_variables: tuple[str, ...]
    parse: Callable[[bytes, AnswerContext], list[Batch]]
    send: SendRequest | None = None
    default_model: str | None = None
    answer_suffix: str = ".json"

    async def fetch(
        self, session: "aiohttp.ClientSession", keys: Mapping[str, str], request: MapRequest
    ) -> bytes:
        """Return the service's answer to one request, as received.

        Parameters
        ----------
        session : aiohttp.ClientSession
            The connections to use.
        keys : mapping of str to str
            Secrets by variable; those of others stay here.
        request : MapRequest
            The map.

        Raises
        ------
        ProviderRejected
            There is no service, model or key, or the service refused for good.
        ProviderUnavailable
            The service did not answer.
        """
        if self.send is None:
            raise ProviderRejected(f"{self.name} has no service; import saved answers instead")
        require_model(self.name, self.models, request.model)
        secrets = _require_keys(self.name, self.key_variables, keys)
        return await self.send(session, secrets, request)


def raw_sha256(raw: bytes) -> str:
    """Return the SHA-256 of a raw answer in hexadecimal, as in every row made of it."""
    return hashlib.sha256(raw).hexdigest()


def raw_answer_path(
    directory: Path, provider: Provider, request: MapRequest, captured_at: datetime, raw: bytes
) -> Path:
    """Return where to keep the raw bytes of an answer, so that they can be found and read again.

    The name carries what the answer does not contain; `context_from_name` reads it. It ends in
    the hash in ``provider_map.raw_sha256``.

    Parameters
    ----------
    directory : Path
        Root of all kept answers.
    provider : Provider
        Who answered.
    request : MapRequest
        The request.
    captured_at : datetime
        When the answer was received [UTC].
    raw : bytes
        The answer.

    Returns
    -------
    Path
        ``<directory>/<provider>/<YYYY-MM-DD>/<model>_<venue>_<symbol>_<window>_<instant>_<hash>``
        with the provider's suffix; nothing is created.
    """
    _require_zone("captured_at", captured_at)
    instant = captured_at.astimezone(UTC)
    symbol = request.symbol or (request.pair if request.venue else request.asset) or "all"
    parts = (request.model, request.venue or "all", symbol, request.window or "default")
    safe = [re.sub(r"[^A-Za-z0-9.]+", "-", part).strip("-") for part in parts]
    name = "_".join([*safe, instant.strftime(INSTANT_IN_NAME), raw_sha256(raw)])
    return (
        directory / provider.name / instant.strftime("%Y-%m-%d") / f"{name}{provider.answer_suffix}"
    )


def context_from_name(provider: Provider, file_name: str, ingested_at: datetime) -> AnswerContext:
    """Return what the name of a saved answer gives; override with `dataclasses.replace`.

    Understood: ``<model>[_<venue>]_<symbol>[_<window>]_<YYYYMMDDTHHMMSSZ>...``, which is how
    `raw_answer_path` names answers. Of other names only the instant is taken, if there is one.

    Parameters
    ----------
    provider : Provider
        Whose answer it is.
    file_name : str
        Name without directories.
    ingested_at : datetime
        When the file is read [UTC].
    """
    found = re.search(r"(?:^|[_\-.])(\d{8}T\d{6}Z)(?=$|[_\-.])", file_name)
    if found is None:
        return AnswerContext(input_name=file_name, ingested_at=ingested_at)
    captured_at = datetime.strptime(found[1], INSTANT_IN_NAME).replace(tzinfo=UTC)
    words = file_name[: found.start()].split("_")
    model = {name.replace("_", "-"): name for name in provider.models}.get(words[0])
    named: list[str] = words[1:] if model else []
    symbol = named[0] if len(named) == 1 else named[1] if len(named) in (2, 3) else None
    venue = named[0] if len(named) in (2, 3) else None
    window = named[2] if len(named) == 3 else None
    return AnswerContext(
        input_name=file_name,
        ingested_at=ingested_at,
        captured_at=captured_at,
        symbol=None if symbol == "all" else symbol,
        venue_scope=venue.lower() if venue else None,
        model=model,
        window=None if window == "default" else window,
    )
