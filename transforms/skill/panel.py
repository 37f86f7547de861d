"""What happened in one asset span by span, beside what each model was exposed to in it.

Belongs here: the record that fits and scores read, and which of its spans may count. Does not
belong here: how a panel is filled from bars, feeds or tables.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Final

import numpy as np

from transforms.errors import InvalidInput
from transforms.series import MICROSECONDS, BoolArray, FloatArray, IntArray

LEAST_SILENT_HOURS: Final = 24.0
"""Time without a liquidation on either side that may be a feed that is down [h]."""

SILENCE_PROBABILITY: Final = 1e-6
"""A run of silent spans less likely than this is taken for a feed that is down [0-1]."""

NO_ARRAYS: Final[Mapping[str, FloatArray]] = MappingProxyType({})


class ScoreStatus(StrEnum):
    """Whether there is a score, and why not; only the first comes with figures."""

    SCORED = "scored"
    NO_FEED = "no_feed"
    """No span has a realised figure."""
    ALL_ZERO = "all_zero"
    """Every realised figure is 0: a feed that is down looks the same."""
    THROTTLED = "throttled"
    """Every realised figure is a lower bound, and lower bounds were not accepted."""
    TOO_FEW_SPANS = "too_few_spans"
    """Fewer spans have a realised figure, or a prediction beside it, than are needed."""
    NO_PREDICTION = "no_prediction"
    """The model has no prediction, or predicts nothing."""
    NOT_CONVERGED = "not_converged"
    """The fit did not converge, so its predictions mean nothing."""
    NO_NULL = "no_null"
    """The null that the model is held against has no prediction."""
    NO_PRICE = "no_price"
    """No feed gives prices of liquidations, nor halves of hours whose path is known."""
    NO_MAP = "no_map"
    """The model or the null predicts amounts and has no map."""


@dataclass(frozen=True, slots=True, eq=False)
class Panel:
    """Spans of one asset in order of time; a span is an hour, or whatever is predicted at once.

    Axis ``side``: 0 long, 1 short (``transforms.series``).

    Parameters
    ----------
    span_end : ndarray of int64, shape (n_spans,)
        End of each span [microseconds since 1970, UTC], increasing; spans may be missing.
    span_seconds : int
        Length of every span [s].
    realised_usd : ndarray of float64, shape (n_spans, 2)
        Liquidations that feeds of one scope published [USD], at least 0. NaN: no figure, not zero.
    is_complete : ndarray of bool, shape (n_spans,)
        Whether the feeds publish every liquidation; else the figure is a lower bound.
    is_left_out : ndarray of bool, shape (n_spans,)
        Whether the span carries a flag (a suspect bar, a feed with a gap). It is in no fit, no
        capture, no score and no block of the bootstrap.
    open, high, low, close, previous_close : ndarray of float64, shape (n_spans,)
        Reference price [USD per unit of the asset], above 0. NaN: not known.
    volume_usd, open_interest_usd : ndarray of float64, shape (n_spans,)
        Volume in the span and open interest at its end [USD], at least 0. NaN: not known.
    exposures : mapping of str to ndarray of float64, shape (n_spans, 2, n_columns)
        What each model consumed in the span, by model; linear in its weights, at least 0. NaN: the
        model has no prediction of the span.
    log_age : ndarray of float64, shape (n_spans, 2)
        Mean log of the hours since deposit of what the ledger consumed [ln h]. NaN: nothing was.
    asset : str
        Name for messages.
    features : mapping of str to ndarray of float64, shape (n_spans, 2, n_features)
        Features of models that are fitted by a log link instead, by model. NaN: not known.

    Raises
    ------
    InvalidInput
        If shapes differ, spans overlap or are not sorted, or a value is not allowed.

    Examples
    --------
    >>> one = np.ones(2)
    >>> panel = Panel(
    ...     span_end=np.array([3_600_000_000, 7_200_000_000]), span_seconds=3600,
    ...     realised_usd=np.array([[5.0, 0.0], [np.nan, 1.0]]), is_complete=one > 0,
    ...     is_left_out=one < 0, open=one, high=one, low=one, close=one, previous_close=one,
    ...     volume_usd=one, open_interest_usd=one, exposures={}, log_age=np.ones((2, 2)),
    ... )
    >>> len(panel), panel.has_figure.tolist()
    (2, [True, False])
    """

    span_end: IntArray
    span_seconds: int
    realised_usd: FloatArray
    is_complete: BoolArray
    is_left_out: BoolArray
    open: FloatArray
    high: FloatArray
    low: FloatArray
    close: FloatArray
    previous_close: FloatArray
    volume_usd: FloatArray
    open_interest_usd: FloatArray
    exposures: Mapping[str, FloatArray]
    log_age: FloatArray
    asset: str = ""
    features: Mapping[str, FloatArray] = field(default_factory=lambda: NO_ARRAYS)

    def __post_init__(self) -> None:
        """Check shapes and values."""
        n_spans = len(self.span_end)
        _hold(self, "span_end", np.int64, (n_spans,))
        if self.span_seconds <= 0:
            raise InvalidInput(f"panel.span_seconds is {self.span_seconds}, expected above 0")
        if np.any(np.diff(self.span_end) < self.span_seconds * MICROSECONDS):
            raise InvalidInput(
                f"spans of panel {self.asset or 'without a name'} overlap or are not in order of "
                f"time: sort them, each {self.span_seconds} s after the one before or later"
            )
        for name in ("is_complete", "is_left_out"):
            _hold(self, name, np.bool_, (n_spans,))
        for name in _PRICES:
            _refuse(name, _hold(self, name, np.float64, (n_spans,)), is_zero_allowed=False)
        for name in ("volume_usd", "open_interest_usd"):
            _refuse(name, _hold(self, name, np.float64, (n_spans,)))
        _refuse("realised_usd", _hold(self, "realised_usd", np.float64, (n_spans, 2)))
        _hold(self, "log_age", np.float64, (n_spans, 2))
        for kind in ("exposures", "features"):
            held = {}
            for model, values in getattr(self, kind).items():
                array = np.asarray(values, dtype=np.float64)
                if array.ndim != 3 or array.shape[:2] != (n_spans, 2) or array.shape[2] == 0:
                    raise InvalidInput(
                        f"panel.{kind}[{model!r}] has shape {array.shape}, expected "
                        f"({n_spans}, 2, 1 or more)"
                    )
                if kind == "exposures":
                    _refuse(f"exposures[{model!r}]", array)
                held[model] = array
            object.__setattr__(self, kind, MappingProxyType(held))

    def __len__(self) -> int:
        """Return the number of spans."""
        return len(self.span_end)

    @property
    def has_figure(self) -> BoolArray:
        """Return which spans have a realised figure of both sides and carry no flag, (n_spans,)."""
        has_figure: BoolArray = np.isfinite(self.realised_usd).all(axis=1) & ~self.is_left_out
        return has_figure

    @property
    def span_hours(self) -> float:
        """Return the length of a span [h]."""
        return self.span_seconds / 3600.0

    @property
    def grid_row(self) -> IntArray:
        """Return the row of each span on a grid from the first span on without gaps, (n_spans,)."""
        row: IntArray = (self.span_end - self.span_end[:1]) // (self.span_seconds * MICROSECONDS)
        return row

    def part(self, rows: BoolArray | IntArray | slice) -> "Panel":
        """Return some of the spans.

        Parameters
        ----------
        rows : ndarray of bool or int64, or slice
            Which spans, in order of time.

        Returns
        -------
        Panel
            Those spans.

        Raises
        ------
        InvalidInput
            If `rows` puts them out of order.
        """
        taken = {name: getattr(self, name)[rows] for name in _BY_SPAN}
        for kind in ("exposures", "features"):
            taken[kind] = {model: array[rows] for model, array in getattr(self, kind).items()}
        return replace(self, **taken)

    def within(self, start: int, stop: int) -> BoolArray:
        """Return which spans end after `start` and not after `stop`.

        Parameters
        ----------
        start, stop : int
            Instants [microseconds since 1970, UTC].

        Returns
        -------
        ndarray of bool, shape (n_spans,)
        """
        inside: BoolArray = (self.span_end > start) & (self.span_end <= stop)
        return inside

    def without_silence(self) -> "Panel":
        """Return the panel with runs of zeros left out that look like a feed that is down.

        A run counts if it lasts a day or longer, and would come by chance less than once in a
        million: ``p^n`` for n silent spans in a row, where p is the share of spans that are silent.
        A thin market in which most spans are silent keeps them.

        Returns
        -------
        Panel
            The same spans; more of them are left out. A feed of nothing but zeros stays as it is:
            `feed_status` says so.

        Examples
        --------
        A feed that shows 5 USD every hour, and zeros for 30 hours:

        >>> one, realised = np.ones(200), np.full((200, 2), 5.0)
        >>> realised[100:130] = 0.0
        >>> panel = Panel(
        ...     np.arange(1, 201) * 3_600_000_000, 3600, realised, one > 0, one < 0, one, one, one,
        ...     one, one, one, one, {}, realised,
        ... )
        >>> int(panel.without_silence().has_figure.sum())
        170
        """
        rows = np.flatnonzero(self.has_figure)
        is_silent = self.realised_usd[rows].sum(axis=1) == 0.0
        if len(rows) == 0 or is_silent.all() or not is_silent.any():
            return self
        edges = np.flatnonzero(np.diff(is_silent, prepend=False, append=False))
        begin, end = edges[::2], edges[1::2]
        hours = (
            self.span_end[rows[end - 1]] - self.span_end[rows[begin]]
        ) / 3.6e9 + self.span_hours
        log_probability = (end - begin) * np.log(is_silent.mean())
        is_down = (hours >= LEAST_SILENT_HOURS) & (log_probability < np.log(SILENCE_PROBABILITY))
        is_left_out = self.is_left_out.copy()
        for start, stop in zip(begin[is_down], end[is_down], strict=True):
            is_left_out[rows[start:stop]] = True
        return replace(self, is_left_out=is_left_out)

    def feed_status(
        self, rows: BoolArray, least_spans: int = 1, *, accepts_lower_bound: bool = False
    ) -> ScoreStatus:
        """Return whether some spans have realised figures that can be scored, or why not.

        Parameters
        ----------
        rows : ndarray of bool, shape (n_spans,)
            The spans in question.
        least_spans : int
            Spans that have to have a figure.
        accepts_lower_bound : bool
            Whether figures of throttled feeds may be scored though none is complete.

        Returns
        -------
        ScoreStatus
            ``SCORED`` where they can; ``NO_FEED`` where no span of the panel has a figure.
        """
        used = rows & self.has_figure
        if not np.any(np.isfinite(self.realised_usd)):
            return ScoreStatus.NO_FEED
        if np.count_nonzero(used) < least_spans:
            return ScoreStatus.TOO_FEW_SPANS
        if not np.any(self.realised_usd[used] > 0.0):
            return ScoreStatus.ALL_ZERO
        if not accepts_lower_bound and not np.any(self.is_complete[used]):
            return ScoreStatus.THROTTLED
        return ScoreStatus.SCORED


_PRICES: Final = ("open", "high", "low", "close", "previous_close")
_BY_SPAN: Final = tuple(
    one.name
    for one in fields(Panel)
    if one.name not in ("span_seconds", "exposures", "features", "asset")
)


def _hold(panel: Panel, name: str, kind: type[np.generic], shape: tuple[int, ...]) -> FloatArray:
    """Store a column as an array of its type and return it."""
    array = np.asarray(getattr(panel, name), dtype=kind)
    if array.shape != shape:
        raise InvalidInput(f"panel.{name} has shape {array.shape}, expected {shape}")
    object.__setattr__(panel, name, array)
    return array


def _refuse(name: str, array: FloatArray, *, is_zero_allowed: bool = True) -> None:
    """Raise an error that names the first value that is not allowed."""
    is_wrong = np.isinf(array) | (array < 0.0 if is_zero_allowed else array <= 0.0)
    if np.any(is_wrong):
        where = tuple(int(index) for index in np.argwhere(is_wrong)[0])
        expected = "at least 0" if is_zero_allowed else "above 0"
        raise InvalidInput(
            f"panel.{name}{list(where)} is {array[where]}, expected finite and {expected}, or NaN "
            f"where not known; {int(np.count_nonzero(is_wrong))} values are affected"
        )
