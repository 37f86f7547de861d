"""Asking providers: what for, by a small YAML file or one map each, and again where that may help.

The file, by provider, each entry for several assets and venues::

    coinglass:
      - {model: aggregated_heatmap_model2, assets: [BTC, ETH], window: 24h}
      - {model: map, assets: [BTC], venues: [binance, bybit]}
    hyperliquid_positions:
      - {model: wallet_states, wallets: wallets.txt}   # addresses, one a line, beside this file

Does not belong here: how a provider is asked (its ``fetch``), and what becomes of the answer.
"""

import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sources.errors import InputRejected, ProviderRejected, ProviderUnavailable
from sources.providers.provider import MapRequest, Provider
from sources.providers.registry import PROVIDERS
from sources.user_files import read_yaml

if TYPE_CHECKING:
    import aiohttp

logger = logging.getLogger(__name__)

_KEYS = ("model", "assets", "venues", "symbol", "window", "wallets")

# Asked for where nobody says otherwise: all venues together, where a provider has that.
DEFAULT_ASSETS = ("BTC", "ETH")
DEFAULT_MODELS = {
    "coinglass": "aggregated_heatmap_model2",
    "coinank": "getAggLiqMap",
    "hyblock": "liquidationHeatmap",
    "datamaxi": "map",
}


_ATTEMPTS = 3
_LONGEST_WAIT_SECONDS = 60.0


async def ask(
    session: "aiohttp.ClientSession",
    provider: Provider,
    keys: Mapping[str, str],
    request: MapRequest,
    sleep: Callable[[float], Awaitable[None]],
) -> bytes:
    """Return the answer to one request, asking again where what stood in the way may pass.

    Parameters
    ----------
    session : aiohttp.ClientSession
        The connections to use.
    provider : Provider
        Whom to ask.
    keys : mapping
        Secrets by variable; those of others are not passed on.
    request : MapRequest
        What for.
    sleep : callable
        How to wait [s].

    Raises
    ------
    ProviderUnavailable
        It did not answer three times, or asked for more than a minute's patience.
    ProviderRejected
        It refused for good, or cannot be asked.
    """
    if provider.fetch is None:
        raise ProviderRejected(f"{provider.name} cannot be asked; import saved answers instead")
    own = {variable: keys[variable] for variable in provider.key_variables if variable in keys}
    for attempt in range(1, _ATTEMPTS):
        try:
            return await provider.fetch(session, own, request)
        except ProviderUnavailable as exc:
            wait = exc.retry_after_seconds or 2.0**attempt
            if wait > _LONGEST_WAIT_SECONDS:
                raise
            logger.info("%s; asking again in %g s", exc, wait)
            await sleep(wait)
    return await provider.fetch(session, own, request)


def fetchable() -> dict[str, Provider]:
    """Return the providers that can be asked, by name."""
    return {name: provider for name, provider in PROVIDERS.items() if provider.fetch is not None}


def default_requests() -> dict[str, list[MapRequest]]:
    """Return what each provider is asked for where no file says so.

    Examples
    --------
    >>> [request.asset for request in default_requests()["coinank"]]
    ['BTC', 'ETH']
    """
    return {
        name: [MapRequest(model, asset) for asset in DEFAULT_ASSETS]
        for name, model in DEFAULT_MODELS.items()
    }


def read_requests(path: Path) -> dict[str, list[MapRequest]]:
    """Return what a file asks of each provider.

    Raises
    ------
    InputRejected
        The file, or a list of wallets it names, cannot be read, or says something it cannot mean.
    """
    said = read_yaml(path)
    known = fetchable()
    if not isinstance(said, Mapping):
        raise InputRejected(f"{path}: expected providers ({', '.join(known)}), got {said!r}")
    requests: dict[str, list[MapRequest]] = {}
    for name, entries in said.items():
        if name not in known:
            raise InputRejected(
                f"{path}: {name} cannot be asked; those that can are {', '.join(known)}"
            )
        if not isinstance(entries, list):
            raise InputRejected(
                f"{path}: {name}: expected a list of entries, each with a model; got {entries!r}"
            )
        requests[name] = [
            request
            for number, entry in enumerate(entries, start=1)
            for request in _requests(entry, known[name], path, f"{path}: {name}, entry {number}")
        ]
    return requests


def _requests(entry: object, provider: Provider, path: Path, where: str) -> Iterator[MapRequest]:
    """Yield one request for each asset and venue of an entry."""
    if not isinstance(entry, Mapping):
        raise InputRejected(f"{where}: expected {', '.join(_KEYS)}; got {entry!r}")
    unknown = [key for key in entry if key not in _KEYS]
    if unknown:
        raise InputRejected(f"{where}: unknown key {unknown[0]!r}; known are {', '.join(_KEYS)}")
    model = entry.get("model")
    if model not in provider.models:
        raise InputRejected(
            f"{where}: model is {model!r}; {provider.name} has {', '.join(provider.models)}"
        )
    wallets = _wallets(entry, path, where)
    assets = _texts(entry, "assets", where) or (("",) if wallets else DEFAULT_ASSETS)
    venues: tuple[str | None, ...] = _texts(entry, "venues", where) or (None,)
    for key in ("symbol", "window"):
        if entry.get(key) is not None and not isinstance(entry[key], str):
            raise InputRejected(f"{where}: {key} is {entry[key]!r}; put it in quotes")
    for asset in assets:
        for venue in venues:
            yield MapRequest(
                model=str(model),
                asset=asset.upper(),
                symbol=entry.get("symbol"),
                venue=venue,
                window=entry.get("window"),
                wallets=wallets,
            )


def _wallets(entry: Mapping[Any, Any], path: Path, where: str) -> tuple[str, ...]:
    """Return the addresses listed, or those of the file named."""
    listed = entry.get("wallets")
    if isinstance(listed, str):
        try:
            lines = (path.parent / listed).read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as exc:
            raise InputRejected(f"{where}: wallets {listed} cannot be read ({exc})") from exc
        return tuple(line.strip() for line in lines if line.strip() and not line.startswith("#"))
    return _texts(entry, "wallets", where)


def _texts(entry: Mapping[Any, Any], key: str, where: str) -> tuple[str, ...]:
    values = entry.get(key)
    if values is None:
        return ()
    # Quotation marks are easily left out: 1000 and NO are no texts in YAML.
    if not isinstance(values, list) or not all(isinstance(one, str) and one for one in values):
        raise InputRejected(
            f"{where}: {key}: expected a list of names, got {values!r}; put names in quotes"
        )
    return tuple(values)
