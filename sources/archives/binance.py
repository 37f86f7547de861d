"""Binance's public archive: its layout, and which files cover a time span.

Belongs here: names, days and months. Does not belong here: downloads.

https://github.com/binance/binance-public-data: ``data/futures/{um,cm}/{daily,monthly}/<dataset>/
<symbol>/[<interval>/]<symbol>-<interval or dataset>-<date>.zip``, each beside a ``.CHECKSUM`` with
its SHA-256. Daily files appear the next day, monthly ones in the first days of the next month.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from types import MappingProxyType
from typing import Literal

ARCHIVE_ADDRESS = "https://data.binance.vision"
MARKET_FOLDERS = MappingProxyType({"binance": "um", "binancecoinm": "cm"})
"""Folder of each venue's contracts."""

BAR_INTERVAL = "5m"
# A file that is missing this long after its last day will not be published.
_LATEST = MappingProxyType({"daily": timedelta(days=3), "monthly": timedelta(days=10)})

Period = Literal["daily", "monthly"]


@dataclass(frozen=True, slots=True)
class Dataset:
    """One kind of file.

    Parameters
    ----------
    name : str
        Its folder.
    mappings : mapping of str to str
        The shipped mapping that reads it, by market.
    has_months, has_days : bool
        Whether it is published by month, and by day.
    has_interval : bool
        Whether folder and name carry the length of a bar.
    """

    name: str
    mappings: MappingProxyType[str, str]
    has_months: bool
    has_days: bool
    has_interval: bool


def _mappings(what: str) -> MappingProxyType[str, str]:
    return MappingProxyType({"um": f"binance_archive_{what}", "cm": f"binance_coinm_{what}"})


BAR_DATASETS = (
    Dataset("klines", _mappings("klines"), True, True, True),
    Dataset("markPriceKlines", _mappings("mark_klines"), True, True, True),
)
# These are valued by the prices of the bars, or need none.
OTHER_DATASETS = (
    Dataset("metrics", _mappings("metrics"), False, True, False),
    Dataset("fundingRate", _mappings("funding"), True, False, False),
)


@dataclass(frozen=True, slots=True)
class ArchivedContract:
    """A perpetual and its name in the archive.

    Parameters
    ----------
    venue, instrument : str
        As in the records.
    symbol : str
        The archive's spelling.
    """

    venue: str
    instrument: str
    symbol: str


@dataclass(frozen=True, slots=True)
class ArchiveFile:
    """One file of the archive, which may or may not exist.

    Parameters
    ----------
    contract : ArchivedContract
        The contract.
    dataset : Dataset
        The kind of file.
    period : {'daily', 'monthly'}
        The span of one file.
    first_day, end_day : date
        The days it covers, from the first up to, not including, the end.
    """

    contract: ArchivedContract
    dataset: Dataset
    period: Period
    first_day: date
    end_day: date

    @property
    def path(self) -> str:
        """Return its path below the archive's address."""
        symbol, market = self.contract.symbol, MARKET_FOLDERS[self.contract.venue]
        stamp = (
            f"{self.first_day:%Y-%m-%d}" if self.period == "daily" else f"{self.first_day:%Y-%m}"
        )
        folder = f"data/futures/{market}/{self.period}/{self.dataset.name}/{symbol}"
        if self.dataset.has_interval:
            return f"{folder}/{BAR_INTERVAL}/{symbol}-{BAR_INTERVAL}-{stamp}.zip"
        return f"{folder}/{symbol}-{self.dataset.name}-{stamp}.zip"

    @property
    def mapping(self) -> str:
        """Return the name of the shipped mapping that reads it."""
        return self.dataset.mappings[MARKET_FOLDERS[self.contract.venue]]

    def is_overdue(self, today: date) -> bool:
        """Return whether it will no longer be published if it is missing."""
        return today >= self.end_day + _LATEST[self.period]


def guess_symbol(venue: str, instrument: str) -> str:
    """Return the archive's spelling of a contract.

    Examples
    --------
    >>> guess_symbol("binance", "1000PEPE/USDT:USDT"), guess_symbol("binancecoinm", "BTC/USD:BTC")
    ('1000PEPEUSDT', 'BTCUSD_PERP')
    """
    base, _, rest = instrument.partition("/")
    quote = rest.partition(":")[0]
    return f"{base}{quote}" if MARKET_FOLDERS[venue] == "um" else f"{base}{quote}_PERP"


def months(
    contract: ArchivedContract, dataset: Dataset, start: date, end: date, today: date
) -> Iterator[ArchiveFile]:
    """Yield the monthly files of all months that overlap [start, end) and have ended."""
    first = start.replace(day=1)
    while first < end:
        after = (first + timedelta(days=31)).replace(day=1)
        if after <= today:
            yield ArchiveFile(contract, dataset, "monthly", first, after)
        first = after


def days(
    contract: ArchivedContract, dataset: Dataset, start: date, end: date, today: date
) -> Iterator[ArchiveFile]:
    """Yield the daily files of [start, end) whose day has ended."""
    for number in range((min(end, today) - start).days):
        day = start + timedelta(days=number)
        yield ArchiveFile(contract, dataset, "daily", day, day + timedelta(days=1))
