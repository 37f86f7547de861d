"""Which maps of the published file a picture shows."""

from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from warehouse.errors import NotPublished
from warehouse.read import Reader, ReadLimits, open_published


@dataclass(frozen=True, slots=True)
class PublishedMaps:
    """The maps of one asset on one venue, up to an hour.

    Parameters
    ----------
    published : Path
        The published file.
    asset, venue : str
        Whose maps; venue ``all`` is the sum.
    until : datetime, optional
        Newest hour shown; by default the newest published.
    limits : ReadLimits, optional
        Memory and time of each statement.
    """

    published: Path
    asset: str
    venue: str = "all"
    until: datetime | None = None
    limits: ReadLimits | None = None

    @property
    def venue_label(self) -> str:
        """The venue in words."""
        return "all venues" if self.venue == "all" else self.venue

    def open(self) -> AbstractContextManager[Reader]:
        """Open the published file."""
        return open_published(self.published, limits=self.limits)


def newest_hour(reader: Reader, maps: PublishedMaps, provider: str) -> datetime:
    """Return the newest hour of the maps of a provider.

    Parameters
    ----------
    reader : Reader
        The published file.
    maps : PublishedMaps
        Asset, venue, and the hour up to which.
    provider : str
        Whose estimate.

    Raises
    ------
    NotPublished
        There is no such map; the message names those there are.
    """
    newest = reader.execute(
        "select max(as_of) from marts.liquidation_heatmap_arrays "
        "where asset = ? and provider = ? and venue = ? "
        "and as_of <= coalesce(?, 'infinity'::timestamp)",
        [maps.asset, provider, maps.venue, maps.until],
    ).fetchone()
    if newest is None or newest[0] is None:
        known = reader.execute(
            "select distinct if(is_known, provider || ' on ' || venue, asset) "
            "from marts.liquidation_heatmap_arrays, (select count(*) > 0 as is_known "
            "from marts.liquidation_heatmap_arrays where asset = $1) "
            "where asset = $1 or not is_known order by 1 limit 40",
            [maps.asset],
        ).fetchall()
        raise NotPublished(
            f"no map of {maps.asset} by {provider} on {maps.venue} is published; there are: "
            + ("; ".join(row[0] for row in known) or "none, run `liqheat run` first")
        )
    hour: datetime = newest[0]
    return hour
