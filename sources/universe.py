"""Which instruments are followed: a small YAML file, resolved against what venues list.

Belongs here: the file, its defaults, choosing instruments, telling what came and went. Does not
belong here: asking venues (`sources.venues`), storing the choice.

The file, every key optional::

    venues: [binance, bybit, okx]      # default: all that are declared; []: none
    assets: [BTC, ETH, PEPE]           # either these assets ...
    top: 50                            # ... or the largest by open interest (default 50)
    exclude: [USDC, binance:BTC/USDC:USDC]   # assets, or venue:instrument
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sources.errors import InputRejected
from sources.user_files import read_yaml
from sources.venue_names import venue_name
from sources.venues.declared import VENUES

DEFAULT_TOP = 50
_KEYS = ("venues", "assets", "top", "exclude")


@dataclass(frozen=True, slots=True)
class Universe:
    """What is to be followed.

    Parameters
    ----------
    venues : tuple of str
        Venues followed; empty: none, for a home that lives on imports.
    assets : tuple of str
        Assets followed; empty: the largest.
    top : int
        How many of the largest assets by open interest, where `assets` is empty.
    exclude : frozenset of str
        Assets, or ``venue:instrument``, left out.
    """

    venues: tuple[str, ...] = tuple(VENUES)
    assets: tuple[str, ...] = ()
    top: int = DEFAULT_TOP
    exclude: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, order=True)
class Listing:
    """An instrument as a venue lists it, for choosing.

    Parameters
    ----------
    venue, instrument, asset : str
        As in the record kind ``instrument``.
    is_active : bool
        Whether it trades.
    open_interest_usd : float or None
        The last known; None where it is not.
    """

    venue: str
    instrument: str
    asset: str
    is_active: bool = True
    open_interest_usd: float | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """What came and went between two listings.

    Parameters
    ----------
    listed : tuple of Listing
        Trade now and did not before.
    delisted : tuple of Listing
        Traded before and do not now, as they were.
    """

    listed: tuple[Listing, ...]
    delisted: tuple[Listing, ...]


def read_universe(path: Path) -> Universe:
    """Return the universe a YAML file describes.

    Raises
    ------
    InputRejected
        Where the file cannot be read or says something it cannot mean.
    """
    return parse_universe(read_yaml(path), path.name)


def parse_universe(said: object, name: str = "universe") -> Universe:
    """Return the universe that the contents of a file describe.

    Parameters
    ----------
    said : object
        What the YAML says; None for an empty file, which means the defaults.
    name : str
        Names the file in messages.

    Examples
    --------
    >>> parse_universe({"venues": ["okx"], "assets": ["btc"]}).assets
    ('BTC',)

    Raises
    ------
    InputRejected
        Where a key is unknown or a value of the wrong kind.
    """
    if said is None:
        return Universe()
    if not isinstance(said, Mapping):
        raise InputRejected(f"{name}: expected keys {', '.join(_KEYS)}, got {said!r}")
    unknown = [key for key in said if key not in _KEYS]
    if unknown:
        raise InputRejected(f"{name}: unknown key {unknown[0]!r}; known are {', '.join(_KEYS)}")
    if said.get("assets") and "top" in said:
        raise InputRejected(f"{name}: 'assets' and 'top' exclude each other; leave one out")
    given = tuple(VENUES) if said.get("venues") is None else _texts(said, "venues", name)
    venues = [venue_name(one) for one in given]
    for venue in venues:
        if venue not in VENUES:
            raise InputRejected(
                f"{name}: venues: {venue!r} is not declared; known are {', '.join(VENUES)}"
            )
    top = said.get("top", DEFAULT_TOP)
    if isinstance(top, bool) or not isinstance(top, int) or top < 1:
        raise InputRejected(f"{name}: top: expected a whole number above 0, got {top!r}")
    return Universe(
        venues=tuple(dict.fromkeys(venues)),
        assets=tuple(dict.fromkeys(asset.upper() for asset in _texts(said, "assets", name))),
        top=top,
        exclude=frozenset(_excluded(one) for one in _texts(said, "exclude", name)),
    )


def _excluded(one: str) -> str:
    """Return an asset, or ``venue:instrument`` with the venue under its one name."""
    venue, colon, instrument = one.partition(":")
    return f"{venue_name(venue)}:{instrument}" if colon else one.upper()


def _texts(said: Mapping[Any, object], key: str, name: str) -> tuple[str, ...]:
    values = said.get(key)
    if values is None:
        return ()
    # Quotation marks are easily left out: 1000 and NO are no texts in YAML.
    if not isinstance(values, list) or not all(isinstance(one, str) and one for one in values):
        raise InputRejected(
            f"{name}: {key}: expected a list of names, got {values!r}; put names in quotes"
        )
    return tuple(values)


def choose_instruments(universe: Universe, listings: Iterable[Listing]) -> list[Listing]:
    """Return the instruments to follow: those that trade, of the chosen assets and venues.

    Parameters
    ----------
    universe : Universe
        What is wanted.
    listings : iterable of Listing
        What venues list. For the largest assets, open interest is summed over the universe's
        venues; where none is known at all, all assets are taken in the order of their names.

    Returns
    -------
    list of Listing
        By venue and instrument.
    """
    offered = [
        one
        for one in listings
        if one.is_active
        and one.venue in universe.venues
        and one.asset not in universe.exclude
        and f"{one.venue}:{one.instrument}" not in universe.exclude
    ]
    wanted = set(universe.assets) or set(_largest(offered, universe.top))
    return sorted(one for one in offered if one.asset in wanted)


def _largest(offered: Sequence[Listing], top: int) -> list[str]:
    held: dict[str, float] = {}
    for one in offered:
        held[one.asset] = held.get(one.asset, 0.0) + (one.open_interest_usd or 0.0)
    return sorted(held, key=lambda asset: (-held[asset], asset))[:top]


def compare_listings(previous: Iterable[Listing], current: Iterable[Listing]) -> Change:
    """Return what came and went between two listings of the same venues.

    Parameters
    ----------
    previous, current : iterable of Listing
        Before and now. Only venues that appear in `current` are compared: one that did not answer
        has delisted nothing.
    """
    before = {(one.venue, one.instrument): one for one in previous if one.is_active}
    listed = list(current)
    now = {(one.venue, one.instrument): one for one in listed if one.is_active}
    answered = {one.venue for one in listed}
    return Change(
        listed=tuple(sorted(one for key, one in now.items() if key not in before)),
        delisted=tuple(
            sorted(one for key, one in before.items() if key not in now and one.venue in answered)
        ),
    )
