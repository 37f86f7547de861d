"""What one publication holds: assets, their maps, hours and grades, in memory.

Belongs here: what a request is checked against before anything is read. Does not belong here: rows
that are answered (``web.api``).
"""

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt

from jobs.read.accuracy import provider_shown
from jobs.read.problems import MAP_IS_LATE
from warehouse.queries import named_query
from warehouse.read import Reader

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class PublishedMap:
    """The maps of one asset, provider and venue.

    Parameters
    ----------
    first_at, newest_at : datetime
        First and newest hour.
    params_hash : str or None
        Hash of the parameters of the newest; None where it has none.
    semantics : str
        What the newest counts: standing, opened, expected_realised, or mean_shape of all maps.
    """

    first_at: datetime
    newest_at: datetime
    params_hash: str | None
    semantics: str


@dataclass(frozen=True, slots=True)
class PublishedAsset:
    """What is published of one asset.

    Parameters
    ----------
    name : str
        The asset.
    hours : ndarray of int64, shape (n_hours,)
        Hours with bars or maps, ascending [microseconds since 1970].
    grade : str or None
        Its newest grade.
    open_interest_usd : float or None
        Its newest open interest [USD].
    default_provider : str
        Whose map is shown unless somebody chooses another.
    default_reason : str
        Why.
    maps : mapping of (str, str) to PublishedMap
        By provider and venue.
    """

    name: str
    hours: npt.NDArray[np.int64]
    grade: str | None
    open_interest_usd: float | None
    default_provider: str
    default_reason: str
    maps: Mapping[tuple[str, str], PublishedMap]

    @property
    def providers(self) -> list[str]:
        """Providers that have a map of it, by name."""
        return sorted({provider for provider, _ in self.maps})

    @property
    def newest_at(self) -> datetime:
        """The newest hour."""
        return _instant(self.hours[-1])

    @property
    def first_at(self) -> datetime:
        """The first hour."""
        return _instant(self.hours[0])

    def first_of(self, provider: str, venue: str) -> datetime:
        """Return the first hour of a map, or of the asset where there is no such map."""
        own = self.maps.get((provider, venue))
        return self.first_at if own is None else own.first_at

    def newest_of(self, provider: str, venue: str) -> datetime:
        """Return the newest hour of a map, or of the asset where there is no such map."""
        own = self.maps.get((provider, venue))
        return self.newest_at if own is None else own.newest_at

    def venues(self, provider: str) -> list[str]:
        """Return the venues for which a provider has a map, by name."""
        return sorted(venue for one, venue in self.maps if one == provider)

    def hour_at(self, instant: datetime) -> datetime | None:
        """Return the newest hour that is not later than an instant; None if all are."""
        before = bisect_right(self.hours, (instant - _EPOCH) // timedelta(microseconds=1))
        return _instant(self.hours[before - 1]) if before else None


@dataclass(frozen=True, slots=True)
class Catalogue:
    """What one publication holds.

    Parameters
    ----------
    publication_id : str
        Its identity, the same for all readers.
    published_at : datetime
        When it was published.
    assets : mapping of str to PublishedAsset
        By name, largest open interest first.
    """

    publication_id: str
    published_at: datetime
    assets: Mapping[str, PublishedAsset]

    @property
    def newest_at(self) -> datetime | None:
        """The newest hour of any asset; None without maps."""
        return max((one.newest_at for one in self.assets.values()), default=None)

    def is_stale(self, now: datetime) -> bool:
        """Return whether the newest hour is older than a running schedule leaves it."""
        return is_late(self.newest_at, now)


def is_late(newest: datetime | None, now: datetime) -> bool:
    """Return whether the newest hour of something is older than a running schedule leaves it."""
    return newest is None or now - newest > MAP_IS_LATE


def read_catalogue(reader: Reader, published_at: datetime) -> Catalogue:
    """Return what the published file of a reader holds.

    Parameters
    ----------
    reader : Reader
        A reader of it.
    published_at : datetime
        When it was published, UTC.
    """
    identity = reader.execute("select publication_id()").fetchone()
    maps: dict[str, dict[tuple[str, str], PublishedMap]] = {}
    for asset, provider, venue, *known in reader.execute(named_query("published_maps")).fetchall():
        maps.setdefault(asset, {})[provider, venue] = PublishedMap(*known)
    assets = {}
    for row in reader.execute(named_query("published_assets")).fetchall():
        name, hours, grade, open_interest = row
        own = maps.get(name, {})
        provider, reason = _default_provider(reader, name, own)
        assets[name] = PublishedAsset(
            name, np.array(hours, np.int64), grade, open_interest, provider, reason, own
        )
    return Catalogue(str(identity[0]) if identity else "unnamed", published_at, assets)


def _default_provider(
    reader: Reader, asset: str, maps: Mapping[tuple[str, str], PublishedMap]
) -> tuple[str, str]:
    """Return whose map of an asset is shown, and why; another's where that has none."""
    chosen = provider_shown(reader, asset)
    published = sorted({provider for provider, _ in maps})
    if not published or chosen.name in published:
        return chosen.name, chosen.reason
    return published[0], f"{published[0]}: no map of {chosen.name} is published"


def _instant(microseconds: np.int64) -> datetime:
    return _EPOCH + timedelta(microseconds=int(microseconds))
