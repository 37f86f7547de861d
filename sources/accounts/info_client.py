"""The client of Hyperliquid's info endpoint: requests within the shared budget, answers read.

Belongs here: which request an answer needs, what it weighs, retries. Does not belong here: who is
requested when (``jobs/positions``), the forms of answers that other modules of this room read.

Weights are those of "Rate limits and user limits",
https://hyperliquid.gitbook.io/hyperliquid-docs/for-developers/api/rate-limits-and-user-limits:
2 for states, 20 for other requests, and 1 more for each 20 fills in the answer.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, TypeVar

from sources.accounts.coins import (
    asset_of_coin,
    dex_of_coin,
    hide_addresses,
    read_coin,
    short_address,
)
from sources.accounts.fills import AccountLiquidation, read_liquidations
from sources.accounts.lists import AccountList, read_leaderboard, read_vaults
from sources.accounts.states import AccountState, read_state
from sources.accounts.weight_budget import User, WeightBudget
from sources.errors import ProviderRejected, ProviderUnavailable
from sources.http_exchange import HttpRequest, exchange
from sources.providers.answer_values import read_positive, shown
from sources.retry import RetryPolicy, Sleep

if TYPE_CHECKING:
    import aiohttp

T = TypeVar("T")

SERVICE = "hyperliquid"
INFO_URL = "https://api.hyperliquid.xyz"
LISTS_URL = "https://stats-data.hyperliquid.xyz"
SIDES_COUNTED = 2
"""Sides of each contract in ``openInterest`` (docs/decisions/0012)."""

STATE_WEIGHT, OTHER_WEIGHT = 2.0, 20.0
_TOO_MANY_REQUESTS = 429
_FILLS_PER_WEIGHT = 20
MOST_FILLS, _MOST_PAGES = 2000, 3


@dataclass(frozen=True, slots=True)
class CoinContext:
    """What the venue says of one contract.

    Parameters
    ----------
    coin : str
        As the venue spells it.
    asset : str
        As in `AccountPosition`.
    dex : str
        The builder's dex that lists it; empty for the venue's own.
    mark_price : float
        Mark price [USD per asset unit]; NaN where the answer has none.
    open_interest_quantity : float
        Open interest, one side of each contract [asset units]; NaN where the answer has none or 0.
    max_leverage : float
        Most leverage of the contract; NaN where the answer has none.
    """

    coin: str
    asset: str
    dex: str
    mark_price: float
    open_interest_quantity: float
    max_leverage: float


@dataclass(frozen=True, slots=True)
class InfoPolicy:
    """How requests are made.

    Parameters
    ----------
    retry : RetryPolicy
        How often a request is made.
    timeout_seconds, lists_timeout_seconds : float
        For one exchange; lists have tens of megabytes.
    """

    retry: RetryPolicy = field(default_factory=RetryPolicy)
    timeout_seconds: float = 10.0
    lists_timeout_seconds: float = 120.0


class InfoClient:
    """Requests to the info endpoint and to the public lists.

    Parameters
    ----------
    session : aiohttp.ClientSession
        The connections to use.
    base_url : str
        Where ``/info`` is served, and the lists too where it is not the venue itself.
    budget : WeightBudget
        The shared rate limit.
    user : {'sweep', 'ingest'}
        As which requests claim from it.
    sleep : Callable
        Waits between attempts [seconds].
    policy : InfoPolicy, optional
        How requests are made.
    """

    def __init__(
        self,
        session: "aiohttp.ClientSession",
        base_url: str,
        budget: WeightBudget,
        user: User = "sweep",
        sleep: Sleep = asyncio.sleep,
        policy: InfoPolicy | None = None,
    ) -> None:
        base = base_url.rstrip("/")
        self._session = session
        self._info_url = f"{base}/info"
        self._lists_url = f"{LISTS_URL if base == INFO_URL else base}/Mainnet"
        self._budget = budget
        self._user: User = user
        self._sleep = sleep
        self._policy = policy or InfoPolicy()

    async def state(self, address: str, dex: str = "") -> AccountState:
        """Return the state of an account, on a builder's dex where one is given.

        Raises
        ------
        ProviderUnavailable
            When the venue does not answer with a state within the attempts.
        ProviderRejected
            When it refuses.
        """
        query = {"type": "clearinghouseState", "user": address} | ({"dex": dex} if dex else {})
        return await self._info(query, lambda body: read_state(body, address, dex), STATE_WEIGHT)

    async def contexts(self, dex: str = "") -> dict[str, CoinContext]:
        """Return mark price, open interest and most leverage by coin; errors as for `state`."""
        query = {"type": "metaAndAssetCtxs"} | ({"dex": dex} if dex else {})
        return await self._info(query, lambda body: read_contexts(body, dex), OTHER_WEIGHT)

    async def dexes(self) -> list[str]:
        """Return the names of builders' dexes, without the venue's own; errors as for `state`."""
        return await self._info({"type": "perpDexs"}, read_dexes, OTHER_WEIGHT)

    async def fills(
        self, address: str, since: datetime, until: datetime | None = None
    ) -> list[AccountLiquidation]:
        """Return the liquidations of an account among its fills; errors as for `state`.

        Of an account with more than six thousand fills in the span, those among the oldest.

        Parameters
        ----------
        address : str
            The account.
        since, until : datetime
            First and last instant; without an end, up to now.
        """
        query: dict[str, object] = {"type": "userFillsByTime", "user": address}
        if until is not None:
            query["endTime"] = round(until.timestamp() * 1000)
        first_ms: int | None = round(since.timestamp() * 1000)
        found: dict[tuple[str, datetime, str], AccountLiquidation] = {}
        for _ in range(_MOST_PAGES):
            page, first_ms = await self._info(
                {**query, "startTime": first_ms},
                lambda body: (read_liquidations(body, address), _next_page(body)),
                OTHER_WEIGHT + MOST_FILLS / _FILLS_PER_WEIGHT,
                lambda body: (
                    OTHER_WEIGHT + (len(body) if isinstance(body, list) else 0) // _FILLS_PER_WEIGHT
                ),
            )
            found |= {(one.coin, one.at, one.order_key): one for one in page}
            if first_ms is None:
                break
        return list(found.values())

    async def leaderboard(self) -> AccountList:
        """Return the accounts of the leaderboard, largest first; errors as for `state`."""
        return await self._list("leaderboard", read_leaderboard)

    async def vaults(self) -> AccountList:
        """Return open vaults and their leaders, largest first; errors as for `state`."""
        return await self._list("vaults", read_vaults)

    async def _info(
        self,
        query: Mapping[str, object],
        read: Callable[[object], T],
        weight: float,
        weigh: Callable[[object], float] | None = None,
    ) -> T:
        address = str(query.get("user", ""))
        what = f"{query['type']}{' of ' + short_address(address) if address else ''}"
        request = HttpRequest(
            "POST",
            self._info_url,
            self._policy.timeout_seconds,
            secrets=(address,) if address else (),
            json_body=query,
        )

        async def attempt() -> T:
            async with claimed(self._budget, weight, self._user) as spent:
                try:
                    raw = await exchange(self._session, f"{SERVICE} {what}", request)
                except (ProviderUnavailable, ProviderRejected) as exc:
                    # The venue quotes requests.
                    exc.args = tuple(hide_addresses(str(one)) for one in exc.args)
                    raise
                body = _decode(raw, what)
                spent.weight = weight if weigh is None else weigh(body)
                return _read(read, body)

        return await self._retried(attempt)

    async def _list(self, name: str, read: Callable[[bytes], AccountList]) -> AccountList:
        request = HttpRequest(
            "GET", f"{self._lists_url}/{name}", self._policy.lists_timeout_seconds
        )

        async def attempt() -> AccountList:
            raw = await exchange(self._session, f"{SERVICE} {name}", request)
            # Seconds of work: the loop goes on meanwhile.
            return await asyncio.to_thread(read, raw)

        return await self._retried(attempt)

    async def _retried(self, attempt: Callable[[], Awaitable[T]]) -> T:
        retrying = self._policy.retry.retrying(sleep=self._sleep, may_wait=lambda _: True)
        answer: T = await retrying(attempt)
        return answer


@dataclass(slots=True)
class Spent:
    """What a request weighed.

    Parameters
    ----------
    weight : float
        At first what was claimed; set it where the answer shows another weight.
    """

    weight: float


@asynccontextmanager
async def claimed(budget: WeightBudget | None, weight: float, user: User) -> AsyncIterator[Spent]:
    """Wait until a request may be sent; afterwards settle it, and note a refusal for its rate.

    Parameters
    ----------
    budget : WeightBudget or None
        The shared rate limit; None: nothing is waited for.
    weight : float
        Most the request may weigh.
    user : {'sweep', 'ingest'}
        Who sends it.
    """
    spent = Spent(weight)
    if budget is None:
        yield spent
        return
    claim = await budget.claim(weight, user)
    try:
        yield spent
    except ProviderUnavailable as exc:
        if exc.status == _TOO_MANY_REQUESTS:
            await budget.pause(exc.retry_after_seconds)
        raise
    finally:
        await budget.settle(claim, spent.weight)


def _decode(raw: bytes, what: str) -> object:
    try:
        body: object = json.loads(raw)
    except (ValueError, RecursionError) as exc:
        raise ProviderUnavailable(
            f"{SERVICE} {what}: the answer is no JSON ({len(raw)} bytes); try again later"
        ) from exc
    return body


def _next_page(body: object) -> int | None:
    """Return the instant from which the next page of fills goes on [ms], None after the last."""
    if not isinstance(body, list) or len(body) < MOST_FILLS:
        return None
    times = [one.get("time") for one in body if isinstance(one, Mapping)]
    return max((at for at in times if isinstance(at, int)), default=None)


def _read(read: Callable[[object], T], body: object) -> T:
    """Return what an answer holds; one of another form may be a passing fault of the venue."""
    try:
        return read(body)
    except ProviderRejected as exc:
        raise ProviderUnavailable(str(exc)) from exc


def read_contexts(body: object, dex: str = "") -> dict[str, CoinContext]:
    """Return the contexts in an answer to ``metaAndAssetCtxs``, by coin, without delisted ones.

    Parameters
    ----------
    body : object
        The decoded answer.
    dex : str
        The builder's dex that was requested.

    Raises
    ------
    ProviderRejected
        Where the two lists of the answer are missing or do not go together.
    """
    meta, contexts = body if isinstance(body, list) and len(body) == 2 else (None, None)
    universe = meta.get("universe") if isinstance(meta, Mapping) else None
    if not isinstance(universe, list) or not isinstance(contexts, list):
        raise ProviderRejected(
            f"{SERVICE}: no universe and contexts in the answer ({shown(type(body).__name__)}); "
            "try again, or compare it with the documented metaAndAssetCtxs"
        )
    if len(universe) != len(contexts):
        raise ProviderRejected(
            f"{SERVICE}: {len(universe)} contracts with {len(contexts)} contexts: which belong "
            "together is not known; try again"
        )
    found: dict[str, CoinContext] = {}
    for described, context in zip(universe, contexts, strict=True):
        coin = read_coin(described.get("name")) if isinstance(described, Mapping) else None
        if coin is None or not isinstance(context, Mapping):
            continue
        if described.get("isDelisted") is True:
            continue
        coin = f"{dex}:{coin}" if dex and not dex_of_coin(coin) else coin
        asset, multiplier = asset_of_coin(coin)
        found[coin] = CoinContext(
            coin=coin,
            asset=asset,
            dex=dex_of_coin(coin),
            mark_price=read_positive(context.get("markPx")) / multiplier,
            open_interest_quantity=read_positive(context.get("openInterest"))
            * multiplier
            / SIDES_COUNTED,
            max_leverage=read_positive(described.get("maxLeverage")),
        )
    return found


def read_dexes(body: object) -> list[str]:
    """Return the names in an answer to ``perpDexs``, whose first item, the venue's own, is null.

    Raises
    ------
    ProviderRejected
        Where the answer is no list.
    """
    if not isinstance(body, list):
        raise ProviderRejected(
            f"{SERVICE}: no list of dexes in the answer ({shown(type(body).__name__)}); try again"
        )
    names = (one.get("name") for one in body if isinstance(one, Mapping))
    return [name for name in map(read_coin, names) if name is not None]
