"""The instruments to follow: a small YAML file, resolved against what venues list.

Belongs here: the file, its defaults, choosing instruments, comparing listings. Does not belong
here: requests to venues (`sources.venues`), storing the choice.

The file, every key optional::

    venues: [binance, bybit, okx]      # default: all declared; []: none
    assets: [BTC, ETH, PEPE]           # either these assets ...
    top: 50                            # ... or the largest by open interest (default 50)
    exclude: [USDC, binance:BTC/USDC:USDC]   # assets, or venue:instrument
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Self

from pydantic import AfterValidator, Field, Strict, model_validator

from sources.user_models import Name, Names, UserModel, read_model
from sources.venue_names import venue_name
from sources.venues.declared import VENUES


def _declared(names: tuple[str, ...]) -> tuple[str, ...]:
    """Return venues under their one name, each once."""
    venues = tuple(dict.fromkeys(map(venue_name, names)))
    for venue in venues:
        if venue not in VENUES:
            raise ValueError(f"{venue!r} is not declared; known are {', '.join(VENUES)}")
    return venues


def _excluded(one: str) -> str:
    """Return an asset, or ``venue:instrument`` with the venue under its one name."""
    venue, colon, instrument = one.partition(":")
    return f"{venue_name(venue)}:{instrument}" if colon else one.upper()


class Universe(UserModel):
    """Which instruments to follow.

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

    venues: Annotated[Names, AfterValidator(_declared)] = tuple(VENUES)
    assets: Annotated[
        Names, AfterValidator(lambda names: tuple(dict.fromkeys(map(str.upper, names))))
    ] = ()
    top: Annotated[int, Field(gt=0)] = 50
    exclude: Annotated[
        frozenset[Name],
        Strict(False),
        AfterValidator(lambda names: frozenset(map(_excluded, names))),
    ] = frozenset()

    @model_validator(mode="after")
    def _check_choice(self) -> Self:
        if self.assets and "top" in self.model_fields_set:
            raise ValueError("'assets' and 'top' exclude each other; leave one out")
        return self


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
        The last known; None where unknown.
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
        Trading now and not before.
    delisted : tuple of Listing
        Trading before and not now, with their previous fields.
    """

    listed: tuple[Listing, ...]
    delisted: tuple[Listing, ...]


def read_universe(path: Path) -> Universe:
    """Return the universe a YAML file describes; an empty file means the defaults.

    Raises
    ------
    InputRejected
        If the file cannot be read, a key is unknown or a value is of the wrong kind.
    """
    return read_model(path, Universe)


def choose_instruments(universe: Universe, listings: Iterable[Listing]) -> list[Listing]:
    """Return the instruments to follow: those that trade, of the chosen assets and venues.

    Parameters
    ----------
    universe : Universe
        Which venues and assets.
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
