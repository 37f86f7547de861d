"""What the models of an asset's reference path are, read and return.

Belongs here: their names, records and states. Does not belong here: how they are run
(``path_replay``), and the path itself (``reference_path``).

Instants are int64 microseconds since 1970, UTC.
"""

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from jobs.build.reference_path import ContractKey, ReferencePath
from jobs.instants import HOUR_MICROSECONDS
from transforms.ledger import LEDGERS, LedgerParameters, LedgerState
from transforms.ledger.ledger_fit import LedgerFit
from transforms.path_only import PATH_ONLY
from transforms.series import BoolArray, Float32Array, FloatArray, IntArray
from transforms.state import State

CAPTURE_HOURS: Final = 168
"""Hours before an hour whose published liquidations make its capture."""


@dataclass(frozen=True, slots=True)
class PathModel:
    """A model that reads nothing but the reference path of an asset.

    Parameters
    ----------
    provider : str
        Its name.
    structure_hash : str
        What its states belong to.
    ledger : LedgerParameters, optional
        The ledger it is; None for ``path_only``.
    """

    provider: str
    structure_hash: str
    ledger: LedgerParameters | None = None


PATH_MODELS: Final = (
    *(PathModel(each.provider, each.structure_hash, each) for each in LEDGERS.values()),
    PathModel(PATH_ONLY.provider, PATH_ONLY.params_hash),
)
"""The ledgers, whose maps are published, and ``path_only``, which is there to be beaten."""


@dataclass(frozen=True, slots=True)
class PathCheckpoint:
    """The state of one model, and which contract is followed, at a midnight.

    Parameters
    ----------
    at, last_bar_end : int
        The midnight, and the end of the last bar by then [microseconds].
    contract : ContractKey
        Followed on the day that begins.
    state : LedgerState or State
        Of the model.
    """

    at: int
    last_bar_end: int
    contract: ContractKey
    state: LedgerState | State

    def to_bytes(self) -> bytes:
        """Return contract and state as bytes. Most of a ledger's nodes are empty: it is packed."""
        return json.dumps(self.contract).encode() + b"\n" + zlib.compress(self.state.to_bytes(), 1)


def read_checkpoint(payload: bytes) -> tuple[ContractKey, bytes]:
    """Return the contract in the bytes of a checkpoint, and the bytes of its state."""
    contract, _, state = payload.partition(b"\n")
    return ContractKey(*json.loads(contract)), zlib.decompress(state)


@dataclass(frozen=True, slots=True)
class HourlyAmounts:
    """Amounts of both sides over consecutive hours.

    Parameters
    ----------
    first : int
        End of the first hour [microseconds].
    usd : ndarray of float64, shape (n_hours, 2)
        Amounts [USD]; NaN where not known.
    """

    first: int
    usd: FloatArray

    @classmethod
    def of(cls, hours: IntArray, usd: FloatArray) -> "HourlyAmounts":
        """Return amounts of some hours, in any order; those between are not known.

        Examples
        --------
        >>> hours = np.array([3, 1]) * HOUR_MICROSECONDS
        >>> HourlyAmounts.of(hours, np.ones((2, 2))).over(0, 4 * HOUR_MICROSECONDS)[:, 0].tolist()
        [1.0, nan, 1.0, nan]
        """
        if len(hours) == 0:
            return cls(0, np.zeros((0, 2)))
        first = int(hours.min())
        place = (hours - first) // HOUR_MICROSECONDS
        dense = np.full((int(place.max()) + 1, 2), np.nan)
        dense[place] = usd
        return cls(first, dense)

    def over(self, start: int, end: int) -> FloatArray:
        """Return the amounts of the hours (start, end], shape (n_hours, 2) [USD]."""
        n_hours = (end - start) // HOUR_MICROSECONDS
        offset = (self.first - start) // HOUR_MICROSECONDS - 1
        amounts = np.full((n_hours, 2), np.nan)
        low, high = max(offset, 0), min(offset + len(self.usd), n_hours)
        if low < high:
            amounts[low:high] = self.usd[low - offset : high - offset]
        return amounts


NO_AMOUNTS: Final = HourlyAmounts(0, np.zeros((0, 2)))
"""No hour is known."""


@dataclass(slots=True)
class AssetPath:
    """The reference path of one asset under replay, and the models that read it.

    Parameters
    ----------
    asset : str
        The asset.
    contracts : tuple of ContractKey
        Its contracts.
    reference : ReferencePath
        Which contract is followed.
    ledger_states : dict of str to LedgerState
        By provider; absent before the first bar.
    path_only_state : State, optional
        Of ``path_only``.
    first_bar_start, last_bar_end : int, optional
        Of the bars so far [microseconds].
    expected : dict of str to HourlyAmounts
        By ledger, what was expected before capture in the ``CAPTURE_HOURS`` before what follows.
    """

    asset: str
    contracts: tuple[ContractKey, ...]
    reference: ReferencePath = field(default_factory=ReferencePath)
    ledger_states: dict[str, LedgerState] = field(default_factory=dict)
    path_only_state: State | None = None
    first_bar_start: int | None = None
    last_bar_end: int | None = None
    expected: dict[str, HourlyAmounts] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PathInputs:
    """What the models of one asset read in a window, its bars aside.

    Parameters
    ----------
    fits : mapping of str to tuple of LedgerFit
        By ledger, in order of ``valid_from``.
    realised : HourlyAmounts
        Published liquidations of the window and of the ``CAPTURE_HOURS`` before it.
    set_apart : mapping of str to ndarray of int64
        By venue, hours in which it is set apart [microseconds]; its bars are no path then.
    """

    fits: Mapping[str, tuple[LedgerFit, ...]]
    realised: HourlyAmounts
    set_apart: Mapping[str, IntArray] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ExpectedLiquidations:
    """What a fitted ledger expects in some hours, and its maps at their ends.

    Parameters
    ----------
    fits : tuple of LedgerFit
        The fits.
    fit : ndarray of int64, shape (n_hours,)
        Index of the fit in force in each hour; -1 where there is none.
    map_usd, move_usd, constant_usd : ndarray of float64, shape (n_hours, 2)
        Expected from the levels that price reached, from its move, and in any hour, before capture
        [USD]; NaN without a fit.
    capture : ndarray of float64, shape (n_hours,)
        Capture in force [ratio]; NaN where not known.
    capture_hours : ndarray of int64, shape (n_hours,)
        Hours behind it.
    close : ndarray of float64, shape (n_hours,)
        Price that each map is centred on [USD per unit of the asset].
    first_bin : ndarray of int64, shape (n_hours,)
        Published bin of each map's first element.
    map : ndarray of float32, shape (n_hours, 2, n_bins)
        Maps before capture [USD].
    quantiles_usd : ndarray of float32, shape (n_hours, 3, 2, n_bins), optional
        ``uncertainty.QUANTILES`` of the maps with capture [USD]; NaN in bins beyond the compared
        prices. None where no hour has a fit.
    """

    fits: tuple[LedgerFit, ...]
    fit: IntArray
    map_usd: FloatArray
    move_usd: FloatArray
    constant_usd: FloatArray
    capture: FloatArray
    capture_hours: IntArray
    close: FloatArray
    first_bin: IntArray
    map: Float32Array
    quantiles_usd: Float32Array | None


@dataclass(frozen=True, slots=True)
class PathStretch:
    """The results of one model on one path over a span of time.

    Parameters
    ----------
    model : PathModel
        The model.
    hours : ndarray of int64, shape (n_hours,)
        Instants [microseconds].
    has_bar : ndarray of bool, shape (n_hours,)
        Whether the hour that ends there has a bar; nothing is known of what was reached without.
    contract : ndarray of int64, shape (n_hours,)
        Index in `contracts` of the contract that was followed in it.
    contracts : tuple of ContractKey
        The contracts.
    exposure : ndarray of float64, shape (n_hours, 2, n_rows)
        What price reached by row [deposit units of a ledger; USD for path_only].
    move : ndarray of float64, shape (n_hours, 2)
        Log move against each side [1].
    log_age : ndarray of float64, shape (n_hours, 2)
        As in ``LedgerOutputs``; NaN for ``path_only``.
    expected : ExpectedLiquidations, optional
        None for ``path_only``.
    checkpoints : tuple of PathCheckpoint
        From which a later replay may start.
    """

    model: PathModel
    hours: IntArray
    has_bar: BoolArray
    contract: IntArray
    contracts: tuple[ContractKey, ...]
    exposure: FloatArray
    move: FloatArray
    log_age: FloatArray
    expected: ExpectedLiquidations | None
    checkpoints: tuple[PathCheckpoint, ...]
