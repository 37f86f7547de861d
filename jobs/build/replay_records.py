"""What a replay reads, covers and returns: bars, series, spans, stretches and checkpoints.

Instants are int64 microseconds since 1970, UTC.
"""

from dataclasses import dataclass, field, fields

import numpy as np

from jobs.build.bracket_choice import HeldBrackets
from jobs.instants import HOUR_MICROSECONDS
from transforms.series import BoolArray, ContractKind, FloatArray, IntArray, Outputs
from transforms.state import State


@dataclass(frozen=True, slots=True)
class BarColumns:
    """Bars of one instrument as the warehouse has them, in order of time.

    Parameters
    ----------
    start, end : ndarray of int64, shape (n_bars,)
        Open and end of each bar [microseconds].
    prices : ndarray of float64, shape (6, n_bars)
        open, high, low, close, mark high, mark low; NaN where no mark is known.
    volume, taker_buy, open_interest : ndarray of float64, shape (n_bars,)
        As in ``transforms.series.Bars``; NaN where not observed.
    """

    start: IntArray
    end: IntArray
    prices: FloatArray
    volume: FloatArray
    taker_buy: FloatArray
    open_interest: FloatArray

    def __len__(self) -> int:
        """Return the number of bars."""
        return len(self.start)

    def part(self, start: int, stop: int) -> "BarColumns":
        """Return the bars from `start` up to but not including `stop`."""
        return BarColumns(*(getattr(self, one.name)[..., start:stop] for one in fields(self)))

    def followed_by(self, later: "BarColumns") -> "BarColumns":
        """Return these bars and later ones."""
        return BarColumns(
            *(
                np.concatenate((getattr(self, one.name), getattr(later, one.name)), axis=-1)
                for one in fields(self)
            )
        )


_NO_FLOATS = np.zeros(0)
_NO_INSTANTS = np.zeros(0, dtype=np.int64)

EMPTY_BARS = BarColumns(
    _NO_INSTANTS, _NO_INSTANTS, np.zeros((6, 0)), _NO_FLOATS, _NO_FLOATS, _NO_FLOATS
)
"""Bars of an instrument that has none."""


@dataclass(slots=True)
class Series:
    """One instrument under replay: its identity, its brackets, and the state of each estimator.

    Parameters
    ----------
    asset, venue, instrument : str
        Identity.
    contract_kind : str
        ``linear`` or ``inverse``.
    brackets : list of HeldBrackets
        The contract's own brackets, oldest first; empty where none are known.
    states : dict of str to State
        State by provider; absent before the first bar.
    trail : BarColumns
        Bars before the first open interest, as far back as they count.
    first_bar_start, last_bar_end : int, optional
        Of the bars that count so far, the trail included [microseconds].
    observed : float
        Open interest last observed [quantity].
    observed_end : int, optional
        End of the bar in which it was observed [microseconds].
    unobserved_volume : ndarray of float64
        Volume of the bars since then [quantity].
    """

    asset: str
    venue: str
    instrument: str
    contract_kind: ContractKind
    brackets: list[HeldBrackets]
    states: dict[str, State] = field(default_factory=dict)
    trail: BarColumns = EMPTY_BARS
    first_bar_start: int | None = None
    last_bar_end: int | None = None
    observed: float = float("nan")
    observed_end: int | None = None
    unobserved_volume: FloatArray = field(default_factory=lambda: np.zeros(0))

    @property
    def key(self) -> tuple[str, str]:
        """Venue and instrument."""
        return self.venue, self.instrument


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The state of one estimator at a midnight.

    Parameters
    ----------
    at : int
        The midnight [microseconds].
    last_bar_end : int
        End of the last bar by then [microseconds].
    observed_end : int
        End of the last bar by then with observed open interest [microseconds].
    state : State
        Of the estimator.
    """

    at: int
    last_bar_end: int
    observed_end: int
    state: State


@dataclass(frozen=True, slots=True)
class Stretch:
    """The results of one estimator on one series over a span of time.

    Parameters
    ----------
    provider, params_hash : str
        The estimator.
    hours : ndarray of int64, shape (n_hours,)
        Instants of the maps [microseconds].
    outputs : Outputs
        The estimator's outputs at them.
    is_warm_up : ndarray of bool, shape (n_hours,)
        Whether too much of the maps was start-up mass.
    checkpoints : tuple of Checkpoint
        From which a later replay may start.
    brackets : tuple of HeldBrackets
        The brackets over the span, oldest first.
    reference_position_usd : float
        The estimator's reference position, whose bracket is reported [USD].
    """

    provider: str
    params_hash: str
    hours: IntArray
    outputs: Outputs
    is_warm_up: BoolArray
    checkpoints: tuple[Checkpoint, ...]
    brackets: tuple[HeldBrackets, ...]
    reference_position_usd: float


@dataclass(frozen=True, slots=True)
class ReplaySpan:
    """The hours that a replay covers and returns.

    Parameters
    ----------
    start, end : int
        The span (start, end] [microseconds].
    store_after : int
        Hours up to this instant are not returned [microseconds].
    longest_hole : int
        Over a longer hole in open interest the value before it is held [microseconds].
    by_tier_after : int
        Hours after this instant also get a map by tier [microseconds]; by default none.
    checkpoints : tuple of int
        Instants whose states are wanted [microseconds]. A state that later observations may still
        change is left out. Where that leaves none, the last midnight that is settled has one.
    step : int
        Time between maps, which are at multiples of it [microseconds].
    """

    start: int
    end: int
    store_after: int
    longest_hole: int
    by_tier_after: int = np.iinfo(np.int64).max
    checkpoints: tuple[int, ...] = ()
    step: int = HOUR_MICROSECONDS
