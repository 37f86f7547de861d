"""The ledgers: what is deposited, how far from price, and how long it lasts.

Belongs here: the structure that a state belongs to. Does not belong here: fitted weights of rows
(``calibration``), and how a state moves over bars (``kernel``).
"""

import dataclasses
import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from transforms.errors import InvalidParameters

STRUCTURE_VERSION: Final = 1
"""Raised whenever the same structure and bars would give other figures."""

N_HALF_LIVES: Final = 4
"""Half-lives of a ledger: the compiled loops over them have this length."""

N_ENTRIES: Final = 4
"""Prices of a bar that deposits start from: open, high, low, close."""

DEPOSITS: Final = ("path", "volume")


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerParameters:
    """Structure of one ledger: deposits and rows, without the weights fitted to the rows.

    A row is one distance and one half-life: row ``k * 4 + l`` has distance ``k`` and half-life
    ``l``.

    Parameters
    ----------
    provider : str
        Name under which its maps are published.
    deposit : {'path', 'volume'}
        What a bar deposits: 1, or its traded USD per unit of log range.
    distances : tuple of float, length n_distances
        Distance of a level from the price it was opened at [ln], ascending, above 0.
    half_lives_days : tuple of float, length 4
        How long deposits last by the clock [days], ascending, above 0.
    entry_weights : tuple of float, length 4
        Shares deposited from a bar's open, high, low and close [ratio]; sum 1.
    range_floor : float
        Least ln(high / low) that volume is divided by [ln].

    Raises
    ------
    InvalidParameters
        If the values do not describe a ledger; the message names the field.

    Examples
    --------
    >>> LEDGERS["path_ledger"].n_rows
    64
    """

    provider: str
    deposit: Literal["path", "volume"]
    distances: tuple[float, ...]
    half_lives_days: tuple[float, ...]
    entry_weights: tuple[float, ...]
    range_floor: float

    def __post_init__(self) -> None:
        """Check the values."""
        if self.deposit not in DEPOSITS:
            raise self._invalid("deposit", f"one of {DEPOSITS}")
        if not self.distances or not _is_ascending(self.distances):
            raise self._invalid("distances", "ascending numbers above 0")
        if len(self.half_lives_days) != N_HALF_LIVES or not _is_ascending(self.half_lives_days):
            raise self._invalid("half_lives_days", f"{N_HALF_LIVES} ascending numbers above 0")
        is_share = all(0.0 <= share <= 1.0 for share in self.entry_weights)
        total = math.fsum(self.entry_weights)
        if len(self.entry_weights) != N_ENTRIES or not is_share or abs(total - 1.0) > 1e-9:
            raise self._invalid("entry_weights", f"{N_ENTRIES} shares that sum to 1")
        if not 0.0 < self.range_floor < math.inf:
            raise self._invalid("range_floor", "a number above 0")

    @property
    def n_rows(self) -> int:
        """Return the number of rows, distances times half-lives.

        Returns
        -------
        int
            64 for the ledgers shipped.

        Examples
        --------
        >>> LEDGERS["volume_ledger"].n_rows
        64
        """
        return len(self.distances) * N_HALF_LIVES

    @property
    def structure_hash(self) -> str:
        """Return a hash of the values, the provider's name aside: a state belongs to it.

        Returns
        -------
        str
            64 hexadecimal digits.

        Examples
        --------
        >>> path, volume = LEDGERS["path_ledger"], LEDGERS["volume_ledger"]
        >>> path.structure_hash == volume.structure_hash
        False
        """
        values = dataclasses.asdict(self) | {"structure_version": STRUCTURE_VERSION}
        del values["provider"]
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()

    def _invalid(self, name: str, expected: str) -> InvalidParameters:
        """Return the error that names a field."""
        return InvalidParameters(
            f"{self.provider}: {name} is {getattr(self, name)!r}, expected {expected}"
        )


def _is_ascending(values: tuple[float, ...]) -> bool:
    """Return whether finite numbers above 0 ascend."""
    return all(low < high < math.inf for low, high in zip((0.0, *values), values, strict=False))


_DISTANCES: Final = tuple(float(distance) for distance in np.geomspace(0.0045, 0.45, 16).round(9))


def _ledger(deposit: Literal["path", "volume"]) -> LedgerParameters:
    """Return one of the two ledgers, which differ in what they deposit."""
    return LedgerParameters(
        provider=f"{deposit}_ledger",
        deposit=deposit,
        distances=_DISTANCES,
        half_lives_days=(1.0, 4.0, 15.0, 60.0),
        entry_weights=(0.25, 0.20, 0.20, 0.35),
        range_floor=1e-4,
    )


LEDGERS: Final[Mapping[str, LedgerParameters]] = {
    ledger.provider: ledger for ledger in (_ledger("path"), _ledger("volume"))
}
"""The ledgers that are built, by provider.

Distances reach from where the highest leverage on offer is liquidated to where two times leverage
is; half of them cost .007 of the deviance explained, half as many again add .003. Half-lives span
what open interest was measured to live for, from a day to two months.
"""
