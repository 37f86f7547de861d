"""Maps of outside providers, where a key is set: fetched, kept, parsed, landed, loaded.

Belongs here: one round over providers. Does not belong here: requests and formats
(`sources.providers`), responses that a user has saved (`jobs.collect.imports`).

Every response is kept as received, under its hash, before it is parsed. The warehouse is opened at
the end only: where it is busy, the next load takes what has landed.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field, replace
from datetime import timedelta

from pydantic import SecretStr

from jobs.build.hourly_maps import ALL_VENUES
from jobs.collect.landing import land_all
from jobs.collect.scope import Clock, file_proxy, shared_budget
from jobs.errors import AllProvidersFailed
from jobs.runs import Run, recorded_run, run_file
from jobs.settings import Settings
from jobs.writer import open_writer
from sources.errors import SourceError
from sources.http_exchange import open_session
from sources.providers.map_requests import default_requests, fetch_map, fetchable, read_requests
from sources.providers.provider import AnswerContext, MapRequest, Provider, raw_answer_path
from warehouse.durable_files import write_whole
from warehouse.errors import WarehouseBusy
from warehouse.load import load_landing_files

logger = logging.getLogger(__name__)

# A map whose own time lies further back was cached: it is not the map of this hour.
MAX_AGE = timedelta(hours=6)


@dataclass(slots=True)
class ProviderOutcome:
    """What requests to one provider achieved.

    Parameters
    ----------
    asked, answered : int
        Requests, and those whose response could be parsed.
    cells, quarantined : int
        Rows landed, and rows set aside.
    messages : list of str
        Errors in words, without secrets.
    """

    asked: int = 0
    answered: int = 0
    cells: int = 0
    quarantined: int = 0
    messages: list[str] = field(default_factory=list)


@dataclass(slots=True)
class FetchReport:
    """What one round over providers achieved.

    Parameters
    ----------
    providers : dict of str to ProviderOutcome
        By provider that was requested.
    without_key : dict of str to tuple of str
        By provider that was not, the variables that are not set.
    is_loaded : bool
        Whether what landed is in the warehouse already.
    """

    providers: dict[str, ProviderOutcome] = field(default_factory=dict)
    without_key: dict[str, tuple[str, ...]] = field(default_factory=dict)
    is_loaded: bool = False

    @property
    def row_count(self) -> int:
        """Cells landed."""
        return sum(outcome.cells for outcome in self.providers.values())


def provider_keys(settings: Settings) -> dict[str, str]:
    """Return the secrets that are set, by the variable a provider names."""
    keys = {}
    for provider in fetchable().values():
        for variable in provider.key_variables:
            secret = getattr(settings, variable.removeprefix("LIQHEAT_").lower())
            if isinstance(secret, SecretStr) and secret.get_secret_value().strip():
                keys[variable] = secret.get_secret_value()
    return keys


def fetch_providers(
    settings: Settings, *, clock: Clock, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
) -> FetchReport:
    """Fetch the maps of every provider whose key is set, land and load them.

    ``providers.yaml`` in the home folder lists what to request; without it, one map of BTC and one
    of ETH from each.

    Parameters
    ----------
    settings : Settings
        Folders and keys.
    clock : callable
        Returns the time, UTC.
    sleep : callable
        Waits between retries.

    Raises
    ------
    AllProvidersFailed
        No response could be parsed.
    InputRejected
        ``providers.yaml`` cannot be used.
    """
    with run_file(settings, "fetch") as run:
        path = settings.providers_file
        wanted = read_requests(path) if path.exists() else default_requests()
        fetcher = _ProviderFetcher(settings, clock, sleep, provider_keys(settings))
        report = fetcher.report
        requests = {}
        for name, listed in wanted.items():
            missing = tuple(v for v in fetchable()[name].key_variables if v not in fetcher.keys)
            if missing:
                report.without_key[name] = missing
            elif listed:
                requests[name] = listed
        if not requests:
            return report
        asyncio.run(fetcher.fetch(requests))
        fetcher.load(run)
        if not any(outcome.answered for outcome in report.providers.values()):
            first = next(message for one in report.providers.values() for message in one.messages)
            raise AllProvidersFailed(f"no provider answered; the first error: {first}")
        return report


@dataclass(frozen=True, slots=True)
class _ProviderFetcher:
    settings: Settings
    clock: Clock
    sleep: Callable[[float], Awaitable[None]]
    keys: Mapping[str, str]
    report: FetchReport = field(default_factory=FetchReport)

    async def fetch(self, requests: Mapping[str, Sequence[MapRequest]]) -> None:
        """Fetch from all providers at once, from each one map after the other."""
        url = self.settings.provider_url
        budget = shared_budget(self.settings)
        async with open_session(file_proxy(self.settings)) as session:

            async def fetch_from(name: str) -> None:
                provider = fetchable()[name]
                outcome = self.report.providers.setdefault(name, ProviderOutcome())
                for request in requests[name]:
                    outcome.asked += 1
                    token_url = f"{url}/token" if url else None
                    sent = replace(request, base_url=url, token_url=token_url, budget=budget)
                    try:
                        raw = await fetch_map(session, provider, self.keys, sent, self.sleep)
                        self._take(provider, request, raw, outcome)
                    except SourceError as exc:
                        logger.warning("%s", exc)
                        outcome.messages.append(str(exc))

            with closing(budget):
                await asyncio.gather(*map(fetch_from, requests))

    def _take(
        self, provider: Provider, request: MapRequest, raw: bytes, outcome: ProviderOutcome
    ) -> None:
        """Keep a response as received, then parse and land it."""
        now = self.clock()
        path = raw_answer_path(self.settings.answers, provider, request, now, raw)
        write_whole(path, raw)
        context = AnswerContext(
            input_name=path.name,
            ingested_at=now,
            captured_at=now,
            asset=request.asset or None,
            symbol=request.pair if request.venue or request.symbol else None,
            venue_scope=request.venue or ALL_VENUES,
            model=request.model,
            window=request.window,
            max_age=MAX_AGE,
        )
        batches = provider.parse(raw, context)
        for batch in land_all(batches, self.settings.landing, f"{provider.name}-{path.stem}"):
            if batch.kind == "quarantine":
                outcome.quarantined += batch.table.num_rows
            else:
                outcome.cells += batch.table.num_rows
        outcome.answered += 1

    def load(self, run: Run) -> None:
        """Load what has landed, unless another process writes."""
        run.row_count = self.report.row_count
        run.detail = {
            "providers": {name: asdict(one) for name, one in self.report.providers.items()},
            "without_key": self.report.without_key,
        }
        landing = self.settings.landing
        try:
            with open_writer(self.settings) as connection, recorded_run(connection, run):
                load_landing_files(connection, landing, run_id=run.run_id, loaded_at=self.clock())
            self.report.is_loaded = True
        except WarehouseBusy as exc:
            logger.info("%s; the next run loads what has landed", exc)
