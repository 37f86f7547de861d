"""An endpoint of a venue: how it is called and where its rows and columns are.

Belongs here: terms of requests and layouts, and columns that many venues share. Does not belong
here: what the rows mean (`sources.venues.declaration`, `sources.venues.margin_specs`).

Placeholders of ``params``: ``{id}``, ``{coin}``, ``{settle}``, ``{pair}`` of the instrument;
``{start}`` and ``{end}``, the first and last requested label in ``time_unit``, moved by
``start_shift`` and ``end_shift`` of that unit; ``{limit}``; ``{page}``. A value that consists of
one placeholder keeps its type, so a number is sent as a number.

A column is a list position or a key; a tuple lists alternatives, and the first that is present and
not empty is read.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from types import MappingProxyType
from typing import Literal, TypeAlias, TypedDict

Column: TypeAlias = str | int | tuple[str | int, ...]
Columns: TypeAlias = Mapping[str, Column]
Params: TypeAlias = Mapping[str, object]

BAR_SECONDS = 300
"""Length of the bars requested: the finest period in which venues publish open interest."""

_PLACEHOLDERS = frozenset({"id", "coin", "settle", "pair", "start", "end", "limit", "page"})

OHLC: Columns = MappingProxyType({"time": 0, "open": 1, "high": 2, "low": 3, "close": 4})
OHLCV: Columns = MappingProxyType({**OHLC, "volume": 5})
NAMED_OHLC: Columns = MappingProxyType(
    {"open": "open", "high": "high", "low": "low", "close": "close"}
)
LETTER_OHLC: Columns = MappingProxyType(
    {"time": "t", "open": "o", "high": "h", "low": "l", "close": "c"}
)

Paging = Literal["windows", "newest", "oldest", "numbered", "latest"]
"""How to fetch more rows than fit in one response.

windows
    Labels lie on a regular grid: the span is cut into windows that fit.
newest
    A full response holds the newest rows of the span: the next ends before its oldest row.
oldest
    A full response holds the oldest rows of the span: the next begins at its newest row.
numbered
    Pages are numbered from 1, newest first, without a span.
latest
    Only the newest rows are available, in one response.
"""


class _UnitFields(TypedDict):
    time_unit: Literal["ms", "s"]
    label_unit: Literal["ms", "s"]


IN_SECONDS: _UnitFields = {"time_unit": "s", "label_unit": "s"}
"""Fields of an endpoint whose bounds and labels are in seconds."""


def query(**names: object) -> Params:
    """Return request parameters from the venue's names of placeholders, and fixed values.

    Examples
    --------
    >>> query(id="symbol", start="startTime", period="5m")
    {'symbol': '{id}', 'startTime': '{start}', 'period': '5m'}
    """
    return {
        str(value) if key in _PLACEHOLDERS else key: f"{{{key}}}" if key in _PLACEHOLDERS else value
        for key, value in names.items()
    }


@dataclass(frozen=True, slots=True)
class CallWeight:
    """What a call counts towards a rate limit that is shared with other processes.

    Parameters
    ----------
    each : float
        Weight of any call.
    rows_per_unit : int or None
        One more for so many rows in the response; None where rows weigh nothing.
    """

    each: float = 1.0
    rows_per_unit: int | None = None

    def of(self, rows: int) -> float:
        """Return the weight of a call with so many rows in its response.

        Examples
        --------
        >>> CallWeight(20).of(5000), CallWeight(20, 60).of(59), CallWeight(20, 60).of(5000)
        (20, 20, 103)
        """
        return self.each + (rows // self.rows_per_unit if self.rows_per_unit else 0)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One endpoint and the layout of its rows, for records of one kind.

    Parameters
    ----------
    method : str
        ccxt's endpoint method.
    params : mapping
        Request parameters with placeholders.
    columns : mapping of str to Column
        Column of each field in a row; ``time`` is the row's label.
    source : str
        Where the facts of this declaration come from.
    rows : tuple of str or int
        Path to the rows in the response; a single mapping there is one row.
    joined_rows : tuple of str or int
        Path to a second list, whose mappings are merged into the rows one by one.
    is_columnar : bool
        ``rows`` leads to a mapping of equally long lists.
    limit : int
        Most rows in one response.
    paging : Paging
        How to fetch further rows.
    time_unit : {'ms', 's'}
        Unit of ``{start}`` and ``{end}``.
    label_unit : {'ms', 's'}
        Unit of the label of a row.
    start_shift, end_shift : int
        Added to ``{start}`` and ``{end}`` [time_unit] where the venue excludes its bounds.
    period_seconds : int
        Spacing of the labels [seconds]; 0 where they are irregular.
    settles_after_seconds : int
        A row may still change until this long after its label [seconds].
    closed : tuple of Column and str, or None
        Column that marks a row as final, and its final value; a row with another value is not
        final, whatever the clock says.
    reach : timedelta or None
        How far back the endpoint reaches; None where no bound is documented.
    longest_span : timedelta or None
        Longest span of one request, where the venue limits it.
    time_key : str or None
        Key of the response's own time [ms], for rows without a label.
    id_column : Column or None
        Column that names the instrument, in responses for many: one call serves the whole product,
        or a coin where ``{coin}`` is a parameter. None: one call for each instrument.
    id_key : str
        Key of a ccxt market with the spelling of ``id_column``.
    rate_group : str or None
        The venue's own rate limit it counts towards; ccxt's also applies.
    weight : CallWeight or None
        What a call counts towards a shared rate limit; None: as any call of the venue.
    needs_key : bool
        The endpoint is private.
    """

    method: str
    params: Params
    columns: Columns
    source: str
    rows: tuple[str | int, ...] = ()
    joined_rows: tuple[str | int, ...] = ()
    is_columnar: bool = False
    limit: int = 1
    paging: Paging = "latest"
    time_unit: Literal["ms", "s"] = "ms"
    label_unit: Literal["ms", "s"] = "ms"
    start_shift: int = 0
    end_shift: int = 0
    period_seconds: int = 0
    settles_after_seconds: int = 0
    closed: tuple[Column, str] | None = None
    reach: timedelta | None = None
    longest_span: timedelta | None = None
    time_key: str | None = None
    id_column: Column | None = None
    id_key: str = "id"
    rate_group: str | None = None
    weight: CallWeight | None = None
    needs_key: bool = False

    @property
    def per(self) -> Literal["instrument", "product", "coin"]:
        """Return what one call is made for."""
        if self.id_column is None:
            return "instrument"
        return "coin" if "{coin}" in self.params.values() else "product"

    def is_same_call(self, other: "Endpoint") -> bool:
        """Return whether one response serves both."""
        return self.method == other.method and self.params == other.params


samples = partial(Endpoint, paging="windows", period_seconds=BAR_SECONDS)
"""An endpoint whose rows are values at the end of each bar, requested in windows."""

bars = partial(samples, settles_after_seconds=BAR_SECONDS)
"""An endpoint whose rows are bars, labelled at their start and final when they end."""


@dataclass(frozen=True, slots=True)
class RateLimit:
    """A rate limit of the venue that ccxt does not keep.

    Parameters
    ----------
    calls : int
        Calls allowed within any span.
    seconds : float
        Length of the span.
    """

    calls: int
    seconds: float
