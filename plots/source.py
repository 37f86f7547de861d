"""Which maps of the published file a picture shows."""

from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

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
