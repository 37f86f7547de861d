"""What a job collects and how hard it tries: the universe, venues' connections, time, retries.

Belongs here: turning settings into what `sources` takes. Does not belong here: the format of the
universe file (`sources.universe`), opening a connection (`sources.venues.connection`).
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pydantic import BaseModel

from jobs.settings import Settings, VenueKey
from sources.accounts.weight_budget import WeightBudget
from sources.universe import Universe, read_universe
from sources.venue_names import venue_name
from sources.venues.connection import Connection
from sources.venues.declared import find_venue
from sources.venues.pacer import RequestPolicy

Clock = Callable[[], datetime]
"""Returns the time, UTC."""

WEIGHTS_FILE = "positions/weights.sqlite"

_PROXIES = [name for name in Settings.model_fields if name.endswith("_proxy")]


@dataclass(frozen=True, slots=True)
class Effort:
    """How long and how hard a job tries.

    Parameters
    ----------
    budget_seconds : float
        Time for each venue; what does not fit is left to the next run.
    policy : RequestPolicy
        How a failed request is repeated, and how many requests run at once.
    seed : int
        Seed of the random delays between retries.
    wait_seconds : float
        How long to wait, each time, for another writer of the warehouse.
    """

    budget_seconds: float = 240.0
    policy: RequestPolicy = field(default_factory=RequestPolicy)
    seed: int = 0
    wait_seconds: float = 60.0


@dataclass(frozen=True, slots=True)
class Scope:
    """What one round collects.

    Parameters
    ----------
    settings : Settings
        Folders, addresses, keys.
    clock : callable
        Returns the time, UTC.
    universe : Universe
        Venues and assets to follow.
    effort : Effort
        Time and retries.
    span : (datetime, datetime), optional
        Only instants within it; without, everything that is missing.
    has_backoff : bool
        Whether gaps that answers did not fill wait longer each time, and irregular feeds are
        requested for the last day only.
    """

    settings: Settings
    clock: Clock
    universe: Universe
    effort: Effort
    span: tuple[datetime, datetime] | None = None
    has_backoff: bool = True

    @property
    def is_thorough(self) -> bool:
        """Whether irregular feeds are requested again for weeks already answered."""
        return not self.has_backoff and self.span is None


def configured_universe(settings: Settings, assets: Sequence[str] = ()) -> Universe:
    """Return the universe of the file, or the default where there is none.

    With `assets`, these on the same venues.

    Raises
    ------
    InputRejected
        The universe file cannot be used.
    """
    path = settings.universe_file
    is_default = settings.universe is None and not path.exists()
    universe = Universe() if is_default else read_universe(path)
    return universe.model_copy(update={"assets": tuple(assets)}) if assets else universe


def venue_connections(settings: Settings, venues: Iterable[str]) -> dict[str, Connection]:
    """Return how to reach each venue."""
    keys = {venue_name(spelled): key for spelled, key in settings.keys.items()}
    # Without a home there is nothing to share a budget with, and looking at venues makes no home.
    budget = shared_budget(settings) if settings.home.exists() else None
    return {
        venue: Connection(
            base_url=settings.venue_url,
            shared_budget=budget if find_venue(venue).is_limit_shared else None,
            **_reveal(keys.get(venue), VenueKey.model_fields),
            **_reveal(settings, _PROXIES),
        )
        for venue in venues
    }


def shared_budget(settings: Settings) -> WeightBudget:
    """Return the rate limit that ingestion and the collector of positions share; close it."""
    return WeightBudget(settings.home / WEIGHTS_FILE)


def file_proxy(settings: Settings) -> str | None:
    """Return the proxy for downloads of files and for providers."""
    secret = settings.https_proxy or settings.http_proxy
    return secret.get_secret_value() if secret else None


def _reveal(model: BaseModel | None, names: Iterable[str]) -> dict[str, Any]:
    """Return the secrets among some fields of a model that are set."""
    secrets = ((name, getattr(model, name, None)) for name in names)
    return {name: secret.get_secret_value() for name, secret in secrets if secret is not None}
