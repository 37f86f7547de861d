"""Tickers on a venue that mean another coin than their name suggests.

Belongs here: the user's file of exceptions. Does not belong here: applying it; the warehouse does
wherever it reads instruments.

The file names instruments as ``universe.yaml`` does, each with the asset it counts for::

    bybit:NEIRO/USDT:USDT: NEIROETH    # another coin under the same ticker
    gate:XYZ/USDT:USDT: exclude        # left out of everything
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator

from sources.user_models import read_model

EXCLUDE = "exclude"


def _require_instrument(name: str) -> str:
    venue, _, instrument = name.partition(":")
    if not venue or "/" not in instrument:
        raise ValueError("not an instrument; name venue and contract as `bybit:NEIRO/USDT:USDT`")
    return name


def _require_asset(name: str) -> str:
    if name != EXCLUDE and not re.fullmatch(r"[A-Z0-9][A-Z0-9._-]{0,31}", name.upper()):
        raise ValueError(f"expected an asset's name such as NEIROETH, or `{EXCLUDE}`, got {name!r}")
    return name


_Instrument = Annotated[str, AfterValidator(_require_instrument)]
_Asset = Annotated[str, AfterValidator(_require_asset)]


@dataclass(frozen=True, slots=True, order=True)
class SymbolException:
    """An instrument that counts for another asset than its ticker names.

    Parameters
    ----------
    venue, instrument : str
        As in the record kind ``instrument``.
    asset : str or None
        The asset it counts for; None leaves it out.
    """

    venue: str
    instrument: str
    asset: str | None


def read_symbol_exceptions(path: Path) -> tuple[SymbolException, ...]:
    """Return the exceptions that a YAML file lists, by venue and instrument.

    Raises
    ------
    InputRejected
        If the file cannot be read, or an entry is not an instrument with an asset.
    """
    listed = read_model(path, dict[_Instrument, _Asset], "bybit:NEIRO/USDT:USDT: NEIROETH")
    return tuple(
        sorted(
            SymbolException(venue, instrument, None if asset == EXCLUDE else asset.upper())
            for (venue, _, instrument), asset in ((n.partition(":"), a) for n, a in listed.items())
        )
    )
