"""What goes into the account book and comes out of it.

Belongs here: frozen records. Does not belong here: storing them (`jobs.positions.account_book`).
"""

from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from jobs.positions.state_changes import PositionChange, StateVerdict
from sources.accounts.states import AccountPosition, AccountState


@dataclass(frozen=True, slots=True)
class FoundAccount:
    """An account seen for the first time.

    Parameters
    ----------
    account_id : int
        Its number: accounts are numbered from 0 in the order they were found.
    address : bytes
        20 bytes.
    found_by : str
        trade, list.
    first_seen_at : int
        When [microseconds since 1970].
    """

    account_id: int
    address: bytes
    found_by: str
    first_seen_at: int


@dataclass(frozen=True, slots=True)
class Trading:
    """What an account traded on one dex since its last state there.

    Parameters
    ----------
    first_at, last_at : int
        First and last trade [microseconds since 1970].
    usd : float
        Traded value [USD].
    trades : int
        How many.
    """

    first_at: int
    last_at: int
    usd: float
    trades: int


@dataclass(frozen=True, slots=True)
class SweptState:
    """A state as received.

    Parameters
    ----------
    account_id : int
        The account.
    state : AccountState
        The answer.
    observed_at, received_at : int
        Instant of the state and of the answer, by our clock [microseconds since 1970].
    was_empty : bool
        Whether the answer before it was without positions too, and not believed yet.
    usual_trades_per_hour : float
        How often the account usually trades, this span included [1/h].
    trading : Trading or None
        What it traded since its last state and until this one was received; None: nothing.
    is_trading_whole : bool
        Whether the stream of trades was connected all the time since its last state.
    """

    account_id: int
    state: AccountState
    observed_at: int
    received_at: int
    was_empty: bool = False
    usual_trades_per_hour: float = 0.0
    trading: Trading | None = None
    is_trading_whole: bool = False


@dataclass(frozen=True, slots=True)
class StoredState:
    """What became of a received state.

    Parameters
    ----------
    swept : SweptState
        The state.
    verdict : StateVerdict
        Whether it replaced the held one.
    positions : tuple of AccountPosition
        Those held after it.
    changes : tuple of PositionChange
        What it changed.
    previous_at : int or None
        Instant of the state before it [microseconds since 1970].
    """

    swept: SweptState
    verdict: StateVerdict
    positions: tuple[AccountPosition, ...]
    changes: tuple[PositionChange, ...]
    previous_at: int | None


@dataclass(frozen=True, slots=True)
class Suspect:
    """A position that may have been liquidated between two states.

    Parameters
    ----------
    account_id : int
        The account.
    coin : str
        As the venue spells it.
    since_at, until_at : int
        The two states [microseconds since 1970].
    value_usd : float
        What is gone of the position [USD].
    attempts : int
        Look-ups that failed.
    """

    account_id: int
    coin: str
    since_at: int
    until_at: int
    value_usd: float
    attempts: int = 0


@dataclass(frozen=True, slots=True)
class HeldPositions:
    """All positions held; arrays of shape (n_positions,), NaN where a figure is not known.

    Parameters
    ----------
    account_id : ndarray of int64
        Number of the account in this home: it may be counted, and never lands.
    coin, dex, asset, side : ndarray of str
        As in `AccountPosition`.
    quantity : ndarray of float64
        Size [asset units].
    entry_price, liquidation_price, mark_price : ndarray of float64
        [USD per asset unit]; a liquidation price of NaN: the venue states none.
    leverage : ndarray of float64
        Multiple.
    is_cross : ndarray of bool
        Whether margin is shared; False where not known.
    margin_usd : ndarray of float64
        [USD].
    observed_at : ndarray of datetime64[us]
        Instant of the state.
    traded_at : ndarray of datetime64[us]
        A trade of the account after its state; NaT: none.
    first_seen_at : datetime or None
        When the first account was found; None in an empty book.
    account_count : int
        Accounts known, with positions or without.
    """

    account_id: NDArray[np.int64]
    coin: NDArray[np.str_]
    dex: NDArray[np.str_]
    asset: NDArray[np.str_]
    side: NDArray[np.str_]
    quantity: NDArray[np.float64]
    entry_price: NDArray[np.float64]
    liquidation_price: NDArray[np.float64]
    leverage: NDArray[np.float64]
    is_cross: NDArray[np.bool_]
    margin_usd: NDArray[np.float64]
    mark_price: NDArray[np.float64]
    observed_at: NDArray[np.datetime64]
    traded_at: NDArray[np.datetime64]
    first_seen_at: datetime | None
    account_count: int

    def __len__(self) -> int:
        return len(self.quantity)


@dataclass(frozen=True, slots=True)
class KnownSweep:
    """The last state of an account on one dex, without its positions.

    Parameters
    ----------
    account_id : int
        The account.
    dex : str
        The builder's dex; empty for the venue's own.
    observed_at : int
        Instant of the state [microseconds since 1970].
    usual_trades_per_hour : float
        How often the account usually trades there [1/h].
    """

    account_id: int
    dex: str
    observed_at: int
    usual_trades_per_hour: float
