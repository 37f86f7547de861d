"""The estimators: named parameter sets.

Belongs here: what an estimator assumes, each figure with its unit and the reason for it. Does not
belong here: running one (``engine``), how a state moves over bars (``density``,
``volume_profile``).
"""

import dataclasses
import functools
import hashlib
import itertools
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from transforms.errors import InvalidParameters
from transforms.series import FloatArray

MODEL_VERSION: Final = 2
"""Raised whenever the same parameters and bars would give other figures."""

MODELS: Final = ("density", "volume_profile")
CLEARING_PRICES: Final = ("mark", "last")


def _described(unit: str, reason: str) -> Any:  # noqa: ANN401 - what dataclasses.field returns
    """Return a dataclass field that carries its unit and the reason for its value."""
    return field(metadata={"unit": unit, "reason": reason})


@dataclass(frozen=True, slots=True, kw_only=True)
class EstimatorParameters:
    """What one estimator assumes. Units and reasons are listed by ``parameter_rows``.

    Parameters
    ----------
    provider : str
        Name under which the maps are published; lower case letters, digits and underscores.
    model : {'density', 'volume_profile'}
        Recursion over bars, or open interest spread over a trailing volume profile.
    leverages : tuple of float, length n_tiers
        Leverage of each tier [multiple], ascending, above 1.
    weights : tuple of float, length n_tiers
        Share of fresh positions in each tier [ratio]; with ``unlevered_share`` they sum to 1.
    half_lives_days : tuple of float, length n_tiers
        How fast each tier closes of its own will, relative to the others [days].
    unlevered_share : float
        Share of fresh positions that no price can liquidate [ratio].
    unlevered_half_life_days : float
        Half-life of these positions, as above [days].
    turnover_ratio : float
        Share of churn (volume less |change of open interest|) that turns positions over [ratio].
    taker_leverage_exponent : float
        Takers' weights are proportional to weight times leverage to this power; makers have what
        is left, so that both together have the weights [exponent]. 0: no difference.
    clearing_price : {'mark', 'last'}
        Price that liquidates.
    entry_weights : tuple of float, length 4
        Shares of a bar's opens entered at its open, high, low and close [ratio]; sum 1.
    reference_position_usd : float
        Notional of the representative position, which decides its margin bracket [USD].
    warm_up_start_up_ratio : float
        A map is in warm-up while more of a side is start-up mass [ratio].
    warm_up_half_lives : float
        A volume profile is in warm-up for so many of its half-lives [multiple].
    volume_half_life_days : float
        Half-life of the trailing volume profile [days]: of ``volume_profile``, and over which the
        other models spread the first open interest of a series.

    Raises
    ------
    InvalidParameters
        If the values do not describe an estimator; the message names the field.

    Examples
    --------
    >>> ESTIMATORS["turnover"].turnover_ratio
    0.25
    >>> len(ESTIMATORS["turnover"].params_hash)
    64
    """

    provider: str
    model: str = _described(
        "name", "density follows positions from bar to bar; volume_profile starts afresh each hour"
    )
    leverages: tuple[float, ...] = _described(
        "multiple", "the steps venues offer most prominently in their order forms"
    )
    weights: tuple[float, ...] = _described(
        "ratio",
        "prior: fall with the square root of leverage from 3x on, so that near price the standing "
        "map holds the share measured on Hyperliquid (all accounts, BTC, 2026-04-05: 3 % of "
        "positions within 2 %, 9 to 16 % within 5 %, 15 to 32 % within 10 %). 2x, hardly told from "
        "no leverage, has little",
    )
    half_lives_days: tuple[float, ...] = _described(
        "days",
        "prior: fall with the square root of leverage, 60 days at 2x: the higher the leverage, "
        "the sooner funding and noise make a holder close; only the ratios between tiers matter, "
        "how much closes in all follows from volume",
    )
    unlevered_share: float = _described(
        "ratio",
        "prior: hedged, fully collateralised and cross-margined positions that no price in "
        "reach liquidates; they grow to twice the share of what stands, because they close last",
    )
    unlevered_half_life_days: float = _described("days", "prior: as slow as the lowest tiers")
    turnover_ratio: float = _described(
        "ratio",
        "0 sees changes of open interest only; 0.25 is a prior between that and 1, where no "
        "volume passes to and fro between the same hands",
    )
    taker_leverage_exponent: float = _described(
        "exponent",
        "0.2 gives takers 1.6 times the usual share of the highest tier; somewhat above 0.3 makers "
        "would be left with less than nothing there",
    )
    clearing_price: str = _described("name", "venues liquidate on the mark price")
    entry_weights: tuple[float, ...] = _described(
        "ratio",
        "open, high, low, close: most trades happen inside the bar's body, extremes are brief",
    )
    reference_position_usd: float = _described(
        "USD",
        "a retail-sized position; larger ones are fewer and carry less leverage. Its bracket is "
        "reference_bracket of marts.series_books_hourly; in the default ladders the first one of "
        "BTC and ETH (to 50,000 USD, 125x, .4 %) and of large coins (to 10,000 USD, 75x, .6 %), "
        "the second of middle (5,000 to 10,000 USD, 50x, 1.5 %) and small ones (the same, 20x, "
        "2.5 %)",
    )
    warm_up_start_up_ratio: float = _described(
        "ratio", "entries of what stood at the start were not seen; a twentieth makes no band"
    )
    warm_up_half_lives: float = _described(
        "multiple", "after three half-lives an eighth of a volume profile lies before its start"
    )
    volume_half_life_days: float = _described(
        "days", "about the mean age of a position where a tenth of open interest turns over a day"
    )

    def __post_init__(self) -> None:
        """Check the values."""
        _check_parameters(self)

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, Any]) -> "EstimatorParameters":
        """Return parameters described by plain data, such as a parsed YAML mapping.

        Parameters
        ----------
        mapping : mapping of str to value
            Field names and values, lists for tuples. ``provider`` is required. ``base`` names a
            shipped estimator whose values hold for the fields left out (default ``turnover``).

        Returns
        -------
        EstimatorParameters
            Validated parameters.

        Raises
        ------
        InvalidParameters
            If a field is unknown, missing or of the wrong kind, or a value is not allowed.

        Examples
        --------
        >>> mine = EstimatorParameters.from_mapping({"provider": "mine", "turnover_ratio": 0.5})
        >>> mine.turnover_ratio, mine.unlevered_share
        (0.5, 0.1)
        """
        known = {each.name: each for each in dataclasses.fields(cls)}
        unknown = sorted(str(name) for name in mapping if name not in known and name != "base")
        if unknown:
            raise InvalidParameters(
                f"estimator has unknown fields {', '.join(unknown)}; known are base, "
                f"{', '.join(known)}"
            )
        if "provider" not in mapping:
            raise InvalidParameters("estimator has no provider; give it a name: provider: my_name")
        provider = mapping["provider"]
        base = get_estimator(str(mapping.get("base", "turnover")))
        values: dict[str, Any] = {}
        for name, given in mapping.items():
            if name == "base":
                continue
            values[name] = _converted(str(provider), name, getattr(base, name), given)
        return dataclasses.replace(base, **values)

    @property
    def params_hash(self) -> str:
        """Return a hash of the model version and every value: equal hashes, equal figures.

        Returns
        -------
        str
            SHA-256 of the canonical JSON of the parameters, 64 hexadecimal digits.

        Examples
        --------
        >>> ESTIMATORS["turnover"].params_hash == ESTIMATORS["open_interest"].params_hash
        False
        """
        return _hash_of(self)

    @property
    def warm_up_days(self) -> float:
        """Return how long a volume profile needs from its first bar until its maps are of use.

        Returns
        -------
        float
            Warm-up [days].

        Examples
        --------
        >>> ESTIMATORS["volume_profile"].warm_up_days
        30.0
        """
        return self.warm_up_half_lives * self.volume_half_life_days

    @property
    def n_state_rows(self) -> int:
        """Return the number of rows of this estimator's ``State``.

        Returns
        -------
        int
            Two sides times the tiers, or 1 for the volume profile.

        Examples
        --------
        >>> ESTIMATORS["turnover"].n_state_rows
        18
        """
        return 1 if self.model == "volume_profile" else 2 * len(self.leverages)


@functools.lru_cache(maxsize=64)
def _hash_of(parameters: EstimatorParameters) -> str:
    """Return ``EstimatorParameters.params_hash``."""
    values = {"model_version": MODEL_VERSION, **dataclasses.asdict(parameters)}
    text = json.dumps(values, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def get_estimator(provider: str) -> EstimatorParameters:
    """Return a shipped estimator by name.

    Parameters
    ----------
    provider : str
        A key of ``ESTIMATORS``.

    Returns
    -------
    EstimatorParameters
        Its parameters.

    Raises
    ------
    InvalidParameters
        If there is none of that name; the message lists the names.

    Examples
    --------
    >>> get_estimator("public_convention").clearing_price
    'last'
    """
    if provider not in ESTIMATORS:
        raise InvalidParameters(
            f"there is no estimator {provider!r}; shipped are {', '.join(ESTIMATORS)}"
        )
    return ESTIMATORS[provider]


def taker_and_maker_weights(parameters: EstimatorParameters) -> tuple[FloatArray, FloatArray]:
    """Return the shares in which takers' and makers' fresh positions spread over the tiers.

    Takers' shares are ``w L^e`` normalised, with exponent ``e``; makers' are ``2 w`` less that.
    Where takers buy half of the volume each side therefore opens with the plain weights ``w``,
    and whatever takers do, as much is opened long as short.

    Parameters
    ----------
    parameters : EstimatorParameters
        Estimator.

    Returns
    -------
    taker, maker : ndarray of float64, shape (n_tiers + 1,)
        Shares per tier, the unlevered share last (as leverage 1) [ratio]; each sums to 1.

    Examples
    --------
    >>> taker, maker = taker_and_maker_weights(ESTIMATORS["taker_tilt"])
    >>> bool(taker[8] > maker[8]), round(float((taker + maker)[8] / 2), 6)
    (True, 0.042)
    """
    plain = np.array([*parameters.weights, parameters.unlevered_share])
    multiples = np.array([*parameters.leverages, 1.0])
    tilted = plain * multiples**parameters.taker_leverage_exponent
    taker = tilted / tilted.sum()
    return taker, 2.0 * plain - taker


def _converted(provider: str, name: str, example: Any, given: Any) -> Any:  # noqa: ANN401
    """Return a given value in the type of `example`, refusing what does not convert."""
    problem = f"estimator {provider}: {name} is {given!r}, expected "
    if isinstance(example, str):
        if not isinstance(given, str):
            raise InvalidParameters(f"{problem}a name")
        return given
    if isinstance(example, tuple):
        if isinstance(given, str) or not isinstance(given, list | tuple):
            raise InvalidParameters(f"{problem}a list of numbers")
        return tuple(_converted(provider, name, 0.0, part) for part in given)
    if isinstance(given, bool) or not isinstance(given, int | float):
        raise InvalidParameters(f"{problem}a number")
    return float(given)


def _is_share(value: float) -> bool:
    return 0.0 <= value <= 1.0


def _is_positive(value: float) -> bool:
    return math.isfinite(value) and value > 0.0


def _check_parameters(parameters: EstimatorParameters) -> None:
    """Raise an error that names the first field whose value is not allowed."""
    for is_allowed, name, expected in _rules(parameters):
        if not is_allowed:
            raise InvalidParameters(
                f"estimator {parameters.provider}: {name} is {getattr(parameters, name)!r}, "
                f"expected {expected}"
            )


def _rules(given: EstimatorParameters) -> Iterator[tuple[bool, str, str]]:
    """Yield whether each rule holds, its field and what is expected there, in order.

    A rule may rely on those before it.
    """
    name, leverages, exponent = given.provider, given.leverages, given.taker_leverage_exponent
    is_name = name.isascii() and name.replace("_", "a").isalnum() and name == name.lower()
    yield is_name, "provider", "lower case letters, digits and underscores"
    yield given.model in MODELS, "model", f"one of {', '.join(MODELS)}"
    is_ascending = all(low < high for low, high in itertools.pairwise((1.0, *leverages)))
    yield (
        bool(leverages) and is_ascending and math.isfinite(leverages[-1]),
        "leverages",
        "ascending multiples above 1 (what has no leverage belongs to unlevered_share)",
    )
    for per_tier in ("weights", "half_lives_days"):
        is_whole = len(getattr(given, per_tier)) == len(leverages)
        yield is_whole, per_tier, f"{len(leverages)} numbers, one per leverage"
    yield all(map(_is_share, given.weights)), "weights", "shares within 0 to 1"
    for share in ("unlevered_share", "turnover_ratio", "warm_up_start_up_ratio"):
        yield _is_share(getattr(given, share)), share, "a share within 0 to 1"
    total = math.fsum([*given.weights, given.unlevered_share])
    yield (
        abs(total - 1.0) <= 1e-9,
        "weights",
        f"shares that sum to 1 together with unlevered_share; they sum to {total:.9g}",
    )
    yield math.fsum(given.weights) > 0.0, "weights", "at least one tier above 0"
    yield all(map(_is_positive, given.half_lives_days)), "half_lives_days", "days above 0"
    is_slow = _is_positive(given.unlevered_half_life_days)
    yield is_slow, "unlevered_half_life_days", "above 0 days"
    yield 0.0 <= exponent < math.inf, "taker_leverage_exponent", "0 or above"
    yield (
        bool(np.all(taker_and_maker_weights(given)[1] >= -1e-12)),
        "taker_leverage_exponent",
        "a smaller exponent: makers would be left with less than nothing in a tier",
    )
    is_price = given.clearing_price in CLEARING_PRICES
    yield is_price, "clearing_price", f"one of {', '.join(CLEARING_PRICES)}"
    entries = given.entry_weights
    yield (
        len(entries) == 4 and all(map(_is_share, entries)) and abs(math.fsum(entries) - 1) <= 1e-9,
        "entry_weights",
        "four shares (open, high, low, close) that sum to 1",
    )
    for positive in ("reference_position_usd", "volume_half_life_days"):
        yield _is_positive(getattr(given, positive)), positive, "finite and above 0"
    yield 0.0 <= given.warm_up_half_lives < math.inf, "warm_up_half_lives", "0 or above"


_TURNOVER: Final = EstimatorParameters(
    provider="turnover",
    model="density",
    leverages=(2.0, 3.0, 5.0, 10.0, 20.0, 25.0, 50.0, 75.0, 100.0),
    weights=(0.02, 0.24, 0.185, 0.13, 0.093, 0.083, 0.059, 0.048, 0.042),
    half_lives_days=(60.0, 50.0, 40.0, 27.0, 19.0, 17.0, 12.0, 10.0, 8.5),
    unlevered_share=0.10,
    unlevered_half_life_days=60.0,
    turnover_ratio=0.25,
    taker_leverage_exponent=0.0,
    clearing_price="mark",
    entry_weights=(0.25, 0.20, 0.20, 0.35),
    reference_position_usd=10_000.0,
    warm_up_start_up_ratio=0.05,
    warm_up_half_lives=3.0,
    volume_half_life_days=10.0,
)

ESTIMATORS: Final[Mapping[str, EstimatorParameters]] = {
    each.provider: each
    for each in (
        dataclasses.replace(
            _TURNOVER,
            provider="open_interest",
            weights=(0.02, *(0.11,) * 8),
            turnover_ratio=0.0,
        ),
        _TURNOVER,
        dataclasses.replace(_TURNOVER, provider="taker_tilt", taker_leverage_exponent=0.2),
        dataclasses.replace(
            _TURNOVER,
            provider="public_convention",
            turnover_ratio=0.0,
            leverages=(5.0, 10.0, 25.0, 50.0, 100.0),
            weights=(0.15, 0.30, 0.25, 0.20, 0.10),
            half_lives_days=(7.0,) * 5,
            unlevered_share=0.0,
            clearing_price="last",
        ),
        dataclasses.replace(
            _TURNOVER, provider="volume_profile", model="volume_profile", turnover_ratio=0.0
        ),
    )
}
"""Estimators that ship, by name. The first is the plainest reading of open interest."""
