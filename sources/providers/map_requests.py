"""Requests to providers: listed in a small YAML file, by default one map each; retries.

The file, by provider, each entry for several assets and venues::

    coinglass:
      - {model: aggregated_heatmap_model2, assets: [BTC, ETH], window: 24h}
      - {model: map, assets: [BTC], venues: [binance, bybit]}
    hyperliquid_positions:
      - {model: wallet_states, wallets: wallets.txt}   # addresses, one per line, in the same folder

Does not belong here: the request of one provider (its ``fetch``), what happens to the answer.
"""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, Discriminator, Tag

from sources.errors import InputRejected
from sources.providers.declared import PROVIDERS
from sources.providers.provider import MapRequest, Provider
from sources.retry import RetryPolicy, Sleep
from sources.user_models import Names, UserModel, read_model

if TYPE_CHECKING:
    import aiohttp

logger = logging.getLogger(__name__)

# Without a file: all venues together, where a provider has that.
DEFAULT_ASSETS = ("BTC", "ETH")

_RETRIES = RetryPolicy(attempts=3, first_delay_seconds=2.0, longest_delay_seconds=60.0)


async def fetch_map(
    session: "aiohttp.ClientSession",
    provider: Provider,
    keys: Mapping[str, str],
    request: MapRequest,
    sleep: Sleep,
) -> bytes:
    """Return the answer to one request; transient errors are retried.

    Parameters
    ----------
    session : aiohttp.ClientSession
        The connections to use.
    provider : Provider
        Where the request goes.
    keys : mapping
        Secrets by variable.
    request : MapRequest
        The map.
    sleep : callable
        How to wait [s].

    Raises
    ------
    ProviderUnavailable
        It did not answer three times, or requires a wait of more than a minute.
    ProviderRejected
        It refused for good, or has no service.
    """
    retrying = _RETRIES.retrying(
        sleep=sleep,
        may_wait=lambda seconds: seconds <= _RETRIES.longest_delay_seconds,
        before_wait=lambda error: logger.info("%s; trying again", error),
    )

    async def attempt() -> bytes:
        return await provider.fetch(session, keys, request)

    return await retrying(attempt)


def fetchable() -> dict[str, Provider]:
    """Return the providers that have a service, by name."""
    return {name: provider for name, provider in PROVIDERS.items() if provider.send is not None}


def default_requests() -> dict[str, list[MapRequest]]:
    """Return the requests to each provider where no file lists any.

    Examples
    --------
    >>> [request.asset for request in default_requests()["coinank"]]
    ['BTC', 'ETH']
    """
    return {
        name: [MapRequest(provider.default_model, asset) for asset in DEFAULT_ASSETS]
        for name, provider in fetchable().items()
        if provider.default_model is not None
    }


class RequestEntry(UserModel):
    """One entry of the file: a model of a provider, for several assets and venues.

    Parameters
    ----------
    model : str
        One of the provider's models.
    assets, venues : tuple of str
        Each asset of each venue is one request; no venues: all together.
    symbol, window : str or None
        As in `MapRequest`.
    wallets : str or tuple of str
        Addresses, or the name of a file that lists them one a line.
    """

    model: str
    assets: Annotated[Names, AfterValidator(lambda names: tuple(map(str.upper, names)))] = ()
    venues: Names = ()
    symbol: str | None = None
    window: str | None = None
    wallets: Annotated[
        Annotated[str, Tag("<file>")] | Annotated[Names, Tag("<list>")],
        Discriminator(lambda value: "<file>" if isinstance(value, str) else "<list>"),
    ] = ()


def read_requests(path: Path) -> dict[str, list[MapRequest]]:
    """Return the requests a file lists, by provider.

    Raises
    ------
    InputRejected
        If the file, or a list of wallets it names, cannot be read or does not fit the model.
    """
    known = fetchable()
    listed = read_model(path, dict[str, list[RequestEntry]], "coinank: [{model: getLiqMap}]")
    unknown = [name for name in listed if name not in known]
    if unknown or not listed:
        what = f"{unknown[0]} cannot be fetched" if unknown else "names no provider"
        raise InputRejected(f"{path}: {what}; those that can be are {', '.join(known)}")
    requests: dict[str, list[MapRequest]] = {}
    for name, entries in listed.items():
        requests[name] = []
        for number, entry in enumerate(entries, start=1):
            where = f"{path}: {name}, entry {number}"
            if entry.model not in known[name].models:
                raise InputRejected(
                    f"{where}: 'model' is {entry.model!r}; {name} has "
                    f"{', '.join(known[name].models)}"
                )
            requests[name] += _requests(entry, _wallets(entry, path.parent, where))
    return requests


def _requests(entry: RequestEntry, wallets: tuple[str, ...]) -> list[MapRequest]:
    """Return one request for each asset and venue of an entry."""
    return [
        MapRequest(
            model=entry.model,
            asset=asset,
            symbol=entry.symbol,
            venue=venue,
            window=entry.window,
            wallets=wallets,
        )
        for asset in entry.assets or (("",) if wallets else DEFAULT_ASSETS)
        for venue in entry.venues or (None,)
    ]


def _wallets(entry: RequestEntry, folder: Path, where: str) -> tuple[str, ...]:
    """Return the addresses listed, or those of the file named."""
    if not isinstance(entry.wallets, str):
        return entry.wallets
    try:
        lines = (folder / entry.wallets).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as exc:
        raise InputRejected(f"{where}: wallets {entry.wallets} cannot be read ({exc})") from exc
    return tuple(line.strip() for line in lines if line.strip() and not line.startswith("#"))
