"""A fit of a ledger: what each row, the move and the constant are worth in USD, and its span.

Belongs here: the record that fits, builds and the shipped parameters share. Does not belong here:
fitting (``transforms.calibration``), the recursion that makes rows (``transforms.ledger``).
"""

import hashlib
import json
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from transforms.errors import InvalidInput
from transforms.series import DAY_MICROSECONDS, Float32Array, FloatArray

SHORT_FIT_DAYS: Final = 90
"""A fit on fewer days is short: sd of the logarithm of its weights is about three times that of
half a year."""

LARGE_VOLUME_USD: Final = 5e7
"""USD traded in a mean hour on the most traded contract from which an asset is large."""

MIDDLE_VOLUME_USD: Final = 5e6
"""The same from which it is of middle size."""

SIZES: Final = ("large", "middle", "small")


@dataclass(frozen=True, slots=True, eq=False)
class LedgerFit:
    """Fitted parameters of one ledger, before capture.

    Expected realised USD of a span is weights . exposure + move_weight move^2 + constant, and at
    least the floor (all times the capture in force).

    Parameters
    ----------
    provider : str
        Ledger, a key of ``LEDGERS``.
    structure_hash : str
        ``LedgerParameters.structure_hash`` of the rows it was fitted on.
    source : str
        Asset, or pool of assets of a size (``SIZES``), whose realised hours it was fitted on.
    weights : ndarray of float64, shape (n_rows,)
        theta [USD per unit of exposure], finite, at least 0.
    move_weight : float
        beta [USD per squared logarithm].
    constant : float
        alpha [USD per span].
    floor : float
        Least prediction [USD per span].
    log_sd : ndarray of float64, shape (n_rows + 2,)
        Standard deviation of the logarithm of each weight, of the move's, of the constant; infinity
        where it is not identified.
    volume_usd : float
        USD traded in a mean span on the most traded contract over the fit's hours; 1 for a pool
        whose figures were divided by it.
    fitted_from, fitted_until : int
        Hours used [microseconds since 1970, UTC].
    valid_from : int
        Instant from which maps use it [microseconds]; never before ``fitted_until``, unless it is
        shipped.
    hour_count : int
        Hours used, those left out aside.
    is_pooled : bool
        Whether ``source`` is a pool.
    is_shipped : bool
        Whether it comes with the release, fitted on recorded data.
    draws : ndarray of float32, shape (n_draws, n_rows + 2)
        Parameters in each draw of the bootstrap, in the order of ``log_sd`` [as the parameter]; no
        rows where they are not kept.
    params_hash : str
        SHA-256 of structure, parameters and span, made where none is given: equal hashes, equal
        fits. A scaled fit keeps that of the fit it was scaled from.

    Raises
    ------
    InvalidInput
        A weight is negative or not finite, or ``log_sd`` or ``draws`` have another length.

    Examples
    --------
    >>> fit = LedgerFit(
    ...     provider="path_ledger", structure_hash="s", source="BTC", weights=np.array([2.0, 0.0]),
    ...     move_weight=5.0, constant=1.0, floor=0.1, log_sd=np.full(4, np.inf), volume_usd=10.0,
    ...     fitted_from=0, fitted_until=86_400_000_000, valid_from=86_400_000_000, hour_count=24,
    ...     is_pooled=False, is_shipped=False,
    ... )
    >>> fit.is_short_fit, len(fit.params_hash)
    (True, 64)
    """

    provider: str
    structure_hash: str
    source: str
    weights: FloatArray
    move_weight: float
    constant: float
    floor: float
    log_sd: FloatArray
    volume_usd: float
    fitted_from: int
    fitted_until: int
    valid_from: int
    hour_count: int
    is_pooled: bool
    is_shipped: bool
    draws: Float32Array = field(default_factory=lambda: np.empty((0, 0), dtype=np.float32))
    params_hash: str = ""

    def __post_init__(self) -> None:
        """Check shapes and values, and set the hash where there is none."""
        values = np.array([*self.weights, self.move_weight, self.constant, self.floor])
        if not (np.isfinite(values).all() and (values >= 0.0).all()):
            raise InvalidInput(
                f"fit of {self.provider} on {self.source}: a weight is negative or not finite"
            )
        if self.log_sd.shape != (len(self.weights) + 2,):
            raise InvalidInput(
                f"fit of {self.provider} on {self.source}: log_sd has shape {self.log_sd.shape}, "
                f"expected ({len(self.weights) + 2},)"
            )
        if len(self.draws) and self.draws.shape[1:] != self.log_sd.shape:
            raise InvalidInput(
                f"fit of {self.provider} on {self.source}: draws have shape {self.draws.shape}, "
                f"expected (n_draws, {len(self.log_sd)})"
            )
        if not self.params_hash:
            object.__setattr__(self, "params_hash", _hash_of(self))

    @property
    def is_short_fit(self) -> bool:
        """Whether its span is shorter than ``SHORT_FIT_DAYS``."""
        return self.fitted_until - self.fitted_from < SHORT_FIT_DAYS * DAY_MICROSECONDS


def _hash_of(fit: LedgerFit) -> str:
    values = {
        "provider": fit.provider,
        "structure": fit.structure_hash,
        "source": fit.source,
        "parameters": [*fit.weights.tolist(), fit.move_weight, fit.constant, fit.floor],
        "volume_usd": fit.volume_usd,
        "span": [fit.fitted_from, fit.fitted_until],
    }
    text = json.dumps(values, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def scale_fit(fit: LedgerFit, volume_usd: float, deposit: str) -> LedgerFit:
    """Return a fit of a pool for an asset of another volume.

    What is liquidated grows with what is traded. Rows that hold volume carry that themselves.

    Parameters
    ----------
    fit : LedgerFit
        A fit of other assets.
    volume_usd : float
        USD traded in a mean span on the asset's most traded contract.
    deposit : str
        ``path`` or ``volume``: what a row holds.

    Returns
    -------
    LedgerFit
        The fit in the asset's USD, under the same ``params_hash``.

    Examples
    --------
    >>> fit = LedgerFit(
    ...     provider="path_ledger", structure_hash="s", source="large", weights=np.array([2.0]),
    ...     move_weight=4.0, constant=1.0, floor=0.1, log_sd=np.zeros(3), volume_usd=10.0,
    ...     fitted_from=0, fitted_until=1, valid_from=0, hour_count=1, is_pooled=True,
    ...     is_shipped=True,
    ... )
    >>> scaled = scale_fit(fit, 5.0, "path")
    >>> scaled.weights.tolist(), scaled.move_weight, scaled.constant
    ([1.0], 2.0, 0.5)
    >>> scale_fit(fit, 5.0, "volume").weights.tolist()
    [2.0]
    """
    ratio = volume_usd / fit.volume_usd
    factors = np.full(len(fit.log_sd), ratio)
    if deposit != "path":
        factors[: len(fit.weights)] = 1.0
    return replace(
        fit,
        weights=fit.weights * factors[: len(fit.weights)],
        move_weight=fit.move_weight * ratio,
        constant=fit.constant * ratio,
        floor=fit.floor * ratio,
        draws=(fit.draws * factors).astype(np.float32) if len(fit.draws) else fit.draws,
        volume_usd=volume_usd,
    )


def size_of(volume_usd: float) -> str:
    """Return the size of an asset by what is traded in a mean hour on its most traded contract.

    Parameters
    ----------
    volume_usd : float
        Mean volume [USD an hour].

    Examples
    --------
    >>> size_of(4e8), size_of(1e7), size_of(0.0)
    ('large', 'middle', 'small')
    """
    if volume_usd >= LARGE_VOLUME_USD:
        return "large"
    return "middle" if volume_usd >= MIDDLE_VOLUME_USD else "small"
