"""What a ticker on a venue means, where it is another coin than its name says.

Belongs here: the user's file of exceptions. Does not belong here: applying it, which the
warehouse does wherever instruments are read.

The file names instruments as ``universe.yaml`` does, each with the asset it counts for::

    bybit:NEIRO/USDT:USDT: NEIROETH    # another coin under the same ticker
    gate:XYZ/USDT:USDT: exclude        # left out of everything
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sources.errors import InputRejected
from sources.user_files import read_yaml

EXCLUDE = "exclude"
_ASSET = re.compile(r"[A-Z0-9][A-Z0-9._-]{0,31}")


@dataclass(frozen=True, slots=True, order=True)
class SymbolException:
    """An instrument that counts for another asset than its venue's name for it says.

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


def read_symbols(path: Path) -> tuple[SymbolException, ...]:
    """Return the exceptions that a YAML file lists, by venue and instrument.

    Raises
    ------
    InputRejected
        The file cannot be read, or an entry is no instrument with an asset.
    """
    said = read_yaml(path)
    if said is None:
        return ()
    if not isinstance(said, Mapping):
        raise InputRejected(
            f"{path}: expected instruments with assets, as `bybit:NEIRO/USDT:USDT: NEIROETH`, "
            f"got {said!r}"
        )
    return tuple(sorted(_exception(path, name, asset) for name, asset in said.items()))


def _exception(path: Path, name: object, asset: object) -> SymbolException:
    venue, _, instrument = name.partition(":") if isinstance(name, str) else ("", "", "")
    if not venue or "/" not in instrument:
        raise InputRejected(
            f"{path}: {name!r} is no instrument; name venue and contract as `bybit:NEIRO/USDT:USDT`"
        )
    if asset == EXCLUDE:
        return SymbolException(venue, instrument, None)
    if not isinstance(asset, str) or not _ASSET.fullmatch(asset.upper()):
        raise InputRejected(
            f"{path}: {name}: expected an asset's name such as NEIROETH, or `{EXCLUDE}`, "
            f"got {asset!r}"
        )
    return SymbolException(venue, instrument, asset.upper())
