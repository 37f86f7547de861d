"""Asking outside providers for their maps, where a key is set: kept, parsed, landed, loaded.

Every answer is kept as it came, under its hash, before anything is read from it. The warehouse is
opened at the end only: where it is busy, the next load takes what has landed.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta

from pydantic import SecretStr

from jobs.build.hourly_maps import ALL_VENUES
from jobs.collect.landing import land_all, write_whole
from jobs.errors import AllProvidersFailed
from jobs.runs import Run, recorded_run, run_file
from jobs.settings import Settings
from jobs.writer import open_writer
from sources.errors import SourceError
from sources.http_exchange import open_session
from sources.providers.map_requests import (
    default_requests,
    fetch_map,
    fetchable,
    read_requests,
)
from sources.providers.provider import (
    AnswerContext,
    MapRequest,
    Provider,
    raw_answer_path,
)
from warehouse.errors import WarehouseBusy
from warehouse.load import load_landing_files

logger = logging.getLogger(__name__)

# An answer whose own clock lies further back is a cached one: it says nothing of the hour.
MAX_AGE = timedelta(hours=6)


@dataclass(slots=True)
class ProviderOutcome:
    """What asking one provider came to.

    Parameters
    ----------
    asked, answered : int
        Requests, and those whose answer could be read.
    cells, quarantined : int
        Rows landed, and what was put aside.
    messages : list of str
        What went wrong, in words, without secrets.
    """

    asked: int = 0
    answered: int = 0
    cells: int = 0
    quarantined: int = 0
    messages: list[str] = field(default_factory=list)


@dataclass(slots=True)
class FetchReport:
    """What one round of asking came to.

    Parameters
    ----------
    providers : dict of str to ProviderOutcome
        By provider that was asked.
    without_key : dict of str to tuple of str
        By provider that was not asked, the variables that are not set.
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
    settings: Settings,
    *,
    clock: Callable[[], datetime],
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> FetchReport:
    """Ask every provider whose key is set for its maps, land what it says, and load it.

    What is asked for stands in ``providers.yaml`` in the home folder; without it, one map of BTC
    and ETH each.

    Parameters
    ----------
    settings : Settings
        Where things are, and the keys.
    clock : callable
        Returns the instant, UTC.
    sleep : callable
        How to wait before asking again.

    Raises
    ------
    AllProvidersFailed
        Providers were asked and none gave an answer that could be read.
    InputRejected
        ``providers.yaml`` says something it cannot mean.
    """
    with run_file(settings, "fetch") as run:
        return _fetch(settings, clock, sleep, run)


def _fetch(
    settings: Settings,
    clock: Callable[[], datetime],
    sleep: Callable[[float], Awaitable[None]],
    run: Run,
) -> FetchReport:
    path = settings.providers_file
    wanted = read_requests(path) if path.exists() else default_requests()
    keys = provider_keys(settings)
    report = FetchReport()
    asked = {}
    for name, requests in wanted.items():
        missing = tuple(v for v in fetchable()[name].key_variables if v not in keys)
        if missing:
            report.without_key[name] = missing
        elif requests:
            asked[name] = requests
    if not asked:
        return report
    asyncio.run(_ask_all(settings, asked, keys, report, clock, sleep))
    _load(settings, report, clock, run)
    if not any(outcome.answered for outcome in report.providers.values()):
        first = next(
            message for outcome in report.providers.values() for message in outcome.messages
        )
        raise AllProvidersFailed(f"no provider answered; the first said: {first}")
    return report


async def _ask_all(
    settings: Settings,
    asked: dict[str, list[MapRequest]],
    keys: dict[str, str],
    report: FetchReport,
    clock: Callable[[], datetime],
    sleep: Callable[[float], Awaitable[None]],
) -> None:
    """Ask providers side by side, each one request after the other."""
    proxy = settings.https_proxy or settings.http_proxy
    url = settings.provider_url
    async with open_session(proxy.get_secret_value() if proxy else None) as session:

        async def ask_one(name: str) -> None:
            provider = fetchable()[name]
            outcome = report.providers.setdefault(name, ProviderOutcome())
            for request in asked[name]:
                outcome.asked += 1
                sent = replace(request, base_url=url, token_url=f"{url}/token" if url else None)
                try:
                    raw = await fetch_map(session, provider, keys, sent, sleep)
                    _take(settings, provider, request, raw, clock(), outcome)
                except SourceError as exc:
                    logger.warning("%s", exc)
                    outcome.messages.append(str(exc))

        await asyncio.gather(*map(ask_one, asked))


def _take(
    settings: Settings,
    provider: Provider,
    request: MapRequest,
    raw: bytes,
    captured_at: datetime,
    outcome: ProviderOutcome,
) -> None:
    """Keep an answer as it came, then parse and land it."""
    path = raw_answer_path(settings.answers, provider, request, captured_at, raw)
    write_whole(path, raw)
    batches = provider.parse(
        raw,
        AnswerContext(
            input_name=path.name,
            ingested_at=captured_at,
            captured_at=captured_at,
            asset=request.asset or None,
            symbol=request.pair if request.venue or request.symbol else None,
            venue_scope=request.venue or ALL_VENUES,
            model=request.model,
            window=request.window,
            max_age=MAX_AGE,
        ),
    )
    for batch in land_all(batches, settings.landing, f"{provider.name}-{path.stem}"):
        if batch.kind == "quarantine":
            outcome.quarantined += batch.table.num_rows
        else:
            outcome.cells += batch.table.num_rows
    outcome.answered += 1


def _load(settings: Settings, report: FetchReport, clock: Callable[[], datetime], run: Run) -> None:
    """Load what has landed, unless somebody else is writing."""
    run.row_count = report.row_count
    run.detail = {
        "providers": {name: asdict(one) for name, one in report.providers.items()},
        "without_key": report.without_key,
    }
    try:
        with open_writer(settings) as connection, recorded_run(connection, run):
            load_landing_files(connection, settings.landing, run_id=run.run_id, loaded_at=clock())
        report.is_loaded = True
    except WarehouseBusy as exc:
        logger.info("%s; the next run loads what has landed", exc)
