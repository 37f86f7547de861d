"""Liquidation prices: where a position's margin no longer covers its maintenance margin.

Belongs here: the formulas of the venues, margin brackets, and the distance from entry to
liquidation per leverage tier. Does not belong here: how many positions there are (``density``).

All formulas are for isolated margin. A long is liquidated where its equity, margin plus profit,
falls to its maintenance margin ``mu N - cum``, ``N`` being its notional at that price; a short
where it rises to it. Sources: Binance, "How to Calculate Liquidation Price of USDⓈ-M Futures
Contracts" and "Leverage and Margin of USDⓈ-M Futures"; Bybit, "Liquidation Price Calculation
under Isolated Mode (USDT Contract)" and the same for inverse contracts; OKX, "Perpetual futures:
liquidation price"; each in the venue's public help centre. What else a venue's own formula has, a
liquidation fee or a deduction, is in its ``Brackets``.

Venues compare against the mark price, not the last price.
"""

from dataclasses import dataclass, fields
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from transforms.errors import InvalidInput

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
Side = Literal["long", "short"]
_SIDES: Final[tuple[Side, ...]] = ("long", "short")


@dataclass(frozen=True, slots=True, eq=False)
class Brackets:
    """Margin brackets of one instrument, smallest positions first.

    Parameters
    ----------
    notional_floor_usd : ndarray of float64, shape (n_brackets,)
        Smallest notional of each bracket [USD]; the first is 0.
    notional_cap_usd : ndarray of float64, shape (n_brackets,)
        Largest notional of each bracket [USD], the next one's floor; the last may be inf.
    maintenance_margin_ratio : ndarray of float64, shape (n_brackets,)
        Maintenance margin per notional ``mu`` [ratio], never decreasing.
    maintenance_deduction_usd : ndarray of float64, shape (n_brackets,)
        Amount ``cum`` taken off ``mu`` times the notional [USD]; 0 where the venue has none.
    max_leverage : ndarray of float64, shape (n_brackets,)
        Highest leverage allowed in each bracket [multiple].
    liquidation_fee_ratio : float
        Fee of the liquidation order per notional, where the venue's formula keeps it on top of the
        maintenance margin; else 0 [ratio].

    Raises
    ------
    InvalidInput
        If the brackets leave holes, overlap, or hold impossible ratios.

    Examples
    --------
    >>> brackets = Brackets.from_ratios([0.0, 50_000.0], [0.004, 0.005], [125.0, 100.0])
    >>> brackets.maintenance_deduction_usd.tolist()
    [0.0, 50.0]
    """

    notional_floor_usd: FloatArray
    notional_cap_usd: FloatArray
    maintenance_margin_ratio: FloatArray
    maintenance_deduction_usd: FloatArray
    max_leverage: FloatArray
    liquidation_fee_ratio: float = 0.0

    def __post_init__(self) -> None:
        """Check that the brackets cover every notional once."""
        n_brackets = np.size(self.notional_floor_usd)
        for name in (column.name for column in fields(self) if column.type is FloatArray):
            array = np.ascontiguousarray(getattr(self, name), dtype=np.float64)
            if array.shape != (n_brackets,) or n_brackets == 0 or np.isnan(array).any():
                raise InvalidInput(
                    f"brackets.{name} is {array.tolist()}, expected {max(n_brackets, 1)} numbers, "
                    "one per bracket"
                )
            object.__setattr__(self, name, array)
        floor, cap = self.notional_floor_usd, self.notional_cap_usd
        if floor[0] != 0.0 or np.any(cap <= floor) or np.any(cap[:-1] != floor[1:]):
            raise InvalidInput(
                f"brackets span notionals {list(zip(floor.tolist(), cap.tolist(), strict=True))}, "
                "expected the first to begin at 0 and each to begin where the one before ends: "
                "sort them by floor and complete them"
            )
        ratio = self.maintenance_margin_ratio
        _refuse_unless(
            not (np.any(ratio <= 0.0) or np.any(ratio >= 1.0) or np.any(np.diff(ratio) < 0.0)),
            "brackets.maintenance_margin_ratio",
            ratio.tolist(),
            "ratios within 0 to 1 that never decrease: divide per cent by 100",
        )
        leverage, fee = self.max_leverage, self.liquidation_fee_ratio
        is_leverage, is_fee = not np.any(leverage < 1.0), 0.0 <= fee < 1.0
        _refuse_unless(is_leverage, "brackets.max_leverage", leverage.tolist(), "at least 1")
        expected = "a ratio within 0 to 1: divide per cent by 100"
        _refuse_unless(is_fee, "brackets.liquidation_fee_ratio", fee, expected)
        # The requirement per notional grows within a bracket where there is a deduction.
        required = ratio + self.liquidation_fee_ratio - self.maintenance_deduction_usd / cap
        if np.any(required * self.max_leverage >= 1.0):
            worst = int(np.argmax(required * self.max_leverage))
            raise InvalidInput(
                f"brackets ask {required[worst]:g} of a notional of {cap[worst]:g} USD as "
                f"maintenance margin and fee and allow {self.max_leverage[worst]:g}x there: "
                "positions would be liquidated at their entry; check ratios, deductions and "
                "max_leverage"
            )

    @classmethod
    def from_ratios(
        cls,
        notional_floor_usd: npt.ArrayLike,
        maintenance_margin_ratio: npt.ArrayLike,
        max_leverage: npt.ArrayLike,
        *,
        has_deduction: bool = True,
        liquidation_fee_ratio: float = 0.0,
    ) -> "Brackets":
        """Return brackets whose caps and deductions follow from floors and ratios.

        Parameters
        ----------
        notional_floor_usd, maintenance_margin_ratio, max_leverage : array_like, (n_brackets,)
            As in the class; the last bracket has no cap.
        has_deduction : bool
            Whether the venue takes a deduction off, so that the requirement is continuous; without
            one the ratio of a bracket holds for the whole position.
        liquidation_fee_ratio : float
            As in the class [ratio].

        Returns
        -------
        Brackets
            With deductions by ``maintenance_deductions`` where there are any.

        Examples
        --------
        >>> Brackets.from_ratios([0.0], [0.004], [125.0]).notional_cap_usd.tolist()
        [inf]
        """
        floor = np.atleast_1d(np.asarray(notional_floor_usd, dtype=np.float64))
        ratio = np.atleast_1d(np.asarray(maintenance_margin_ratio, dtype=np.float64))
        return cls(
            notional_floor_usd=floor,
            notional_cap_usd=np.append(floor[1:], np.inf),
            maintenance_margin_ratio=ratio,
            maintenance_deduction_usd=(
                maintenance_deductions(floor, ratio) if has_deduction else np.zeros(len(floor))
            ),
            max_leverage=np.atleast_1d(np.asarray(max_leverage, dtype=np.float64)),
            liquidation_fee_ratio=liquidation_fee_ratio,
        )

    def bracket_of(self, notional_usd: npt.ArrayLike) -> IntArray:
        """Return the bracket that holds a notional.

        Parameters
        ----------
        notional_usd : array_like of float, shape (...)
            Notional [USD], at least 0. Above the last cap counts as the last bracket.

        Returns
        -------
        ndarray of int64, shape (...)
            Index into the arrays; a notional on an edge belongs to the smaller bracket.

        Examples
        --------
        >>> brackets = Brackets.from_ratios([0.0, 50_000.0], [0.004, 0.005], [125.0, 100.0])
        >>> brackets.bracket_of([10.0, 50_000.0, 50_001.0]).tolist()
        [0, 0, 1]
        """
        index = np.searchsorted(self.notional_cap_usd[:-1], np.asarray(notional_usd), side="left")
        return np.asarray(index, dtype=np.int64)


def maintenance_deductions(
    notional_floor_usd: npt.ArrayLike, maintenance_margin_ratio: npt.ArrayLike
) -> FloatArray:
    """Return the deductions that make maintenance margin continuous across brackets.

    ``cum_n = cum_(n-1) + floor_n (mu_n - mu_(n-1))``, from 0 (Binance, "Leverage and Margin of
    USDⓈ-M Futures").

    Parameters
    ----------
    notional_floor_usd : array_like of float, shape (n_brackets,)
        Smallest notional of each bracket [USD], ascending from 0.
    maintenance_margin_ratio : array_like of float, shape (n_brackets,)
        Maintenance margin per notional [ratio].

    Returns
    -------
    ndarray of float64, shape (n_brackets,)
        Deduction of each bracket [USD].

    Examples
    --------
    >>> floors, ratios = [0.0, 50e3, 600e3, 3e6], [0.004, 0.005, 0.0065, 0.01]
    >>> maintenance_deductions(floors, ratios).round(6).tolist()
    [0.0, 50.0, 950.0, 11450.0]
    """
    floor = np.asarray(notional_floor_usd, dtype=np.float64)
    ratio = np.asarray(maintenance_margin_ratio, dtype=np.float64)
    return np.cumsum(floor * np.diff(ratio, prepend=0.0))


def linear_liquidation_price(
    side: Side,
    entry_price: npt.ArrayLike,
    leverage: npt.ArrayLike,
    quantity: npt.ArrayLike,
    brackets: Brackets,
) -> FloatArray:
    """Return the liquidation price of isolated positions in a linear contract.

    With the bracket of the notional at the liquidation price itself and margin ``E Q / L``::

        long   (E (1 - 1/L) - cum / Q) / (1 - (mu + fee))
        short  (E (1 + 1/L) + cum / Q) / (1 + (mu + fee))

    Without fee this is Binance's formula; with the fee of the liquidation order on top and no
    deduction, OKX's and Bitget's; with both, Gate's.

    Parameters
    ----------
    side : {'long', 'short'}
        Side of the positions.
    entry_price : array_like of float, shape (...)
        Entry price ``E`` [USD per unit of the asset].
    leverage : array_like of float, shape (...)
        Leverage ``L`` at entry [multiple], at least 1.
    quantity : array_like of float, shape (...)
        Size ``Q`` [units of the asset], above 0.
    brackets : Brackets
        Margin brackets of the instrument, with ``fee`` in them.

    Returns
    -------
    ndarray of float64, shape (...)
        Liquidation price [USD per unit of the asset]. 0 for a long that no price liquidates. NaN
        inputs give NaN.

    Notes
    -----
    A position can be in one bracket at entry and in another at liquidation. Within bracket
    ``n`` a long is liquidated at and below the formula's price for ``n``, as far as that lies
    below the bracket's upper edge ``cap_n / Q`` and above its lower; the first such price met on
    the way down from entry counts. Shorts mirror it. This holds also for tables without
    deductions, where the requirement jumps at an edge.

    Examples
    --------
    >>> from transforms.ladders import default_brackets
    >>> brackets = default_brackets("BTC")
    >>> linear_liquidation_price("long", 60_000.0, [10.0, 100.0], 0.1, brackets).round(2).tolist()
    [54216.87, 59638.55]
    """
    given = (np.asarray(each, dtype=np.float64) for each in (entry_price, leverage, quantity))
    entry, multiple, size = (each[..., np.newaxis] for each in np.broadcast_arrays(*given))
    _refuse_unless(side in ("long", "short"), "side", side, "'long' or 'short'")
    _refuse_unless(not np.any(entry <= 0.0), "entry_price", entry_price, "above 0")
    _refuse_unless(not np.any(multiple < 1.0), "leverage", leverage, "at least 1")
    _refuse_unless(not np.any(size <= 0.0), "quantity", quantity, "above 0")
    required = brackets.maintenance_margin_ratio + brackets.liquidation_fee_ratio
    deduction = brackets.maintenance_deduction_usd / size
    lower, upper = brackets.notional_floor_usd / size, brackets.notional_cap_usd / size
    # Beyond the venue's largest notional the last bracket is the best guess there is.
    upper[..., -1] = np.inf
    if side == "long":
        crossing = (entry * (1.0 - 1.0 / multiple) - deduction) / (1.0 - required)
        # A long that is open at its entry meets no bracket of larger notionals on the way down.
        is_own = (lower < entry) & (entry <= upper)
        is_standing = (is_own & (crossing < entry)).any(axis=-1, keepdims=True)
        is_met = (crossing > lower) & ((lower < entry) | ~is_standing)
        reached = np.where(is_met, np.minimum(crossing, upper), -np.inf)
        return np.where(
            np.isnan(crossing).any(axis=-1), np.nan, np.maximum(reached.max(axis=-1), 0.0)
        )
    crossing = (entry * (1.0 + 1.0 / multiple) + deduction) / (1.0 + required)
    reached = np.where(crossing <= upper, np.maximum(crossing, lower), np.inf)
    return np.where(np.isnan(crossing).any(axis=-1), np.nan, reached.min(axis=-1))


def inverse_liquidation_price(
    side: Side,
    entry_price: npt.ArrayLike,
    leverage: npt.ArrayLike,
    maintenance_margin_ratio: npt.ArrayLike,
) -> FloatArray:
    """Return the liquidation price of isolated positions in an inverse contract.

    ``E (1 + mu) / (1 + 1/L)`` for longs, ``E (1 - mu) / (1 - 1/L)`` for shorts (Bybit, inverse
    contracts). Margin and profit are in the asset, so a short is liquidated further away than a
    long and, at 1x, never.

    Parameters
    ----------
    side, entry_price, leverage
        As in ``linear_liquidation_price``.
    maintenance_margin_ratio : array_like of float, shape (...)
        Maintenance margin per notional ``mu`` [ratio]. The notional of an inverse contract is
        its USD quantity, the same at every price.

    Returns
    -------
    ndarray of float64, shape (...)
        Liquidation price [USD per unit of the asset]; inf for a short at 1x.

    Examples
    --------
    >>> float(inverse_liquidation_price("short", 60_000.0, 10.0, 0.005).round(2))
    66333.33
    """
    entry = np.asarray(entry_price, dtype=np.float64)
    inverse_leverage = 1.0 / np.asarray(leverage, dtype=np.float64)
    ratio = np.asarray(maintenance_margin_ratio, dtype=np.float64)
    _refuse_unless(side in ("long", "short"), "side", side, "'long' or 'short'")
    _refuse_unless(not np.any(inverse_leverage > 1.0), "leverage", leverage, "at least 1")
    sign = 1.0 if side == "long" else -1.0
    with np.errstate(divide="ignore"):
        return entry * (1.0 + sign * ratio) / (1.0 + sign * inverse_leverage)


def fold_tiers(leverages: npt.ArrayLike, max_leverage: float) -> IntArray:
    """Return, for each leverage tier, the tier that its positions belong to under a maximum.

    Parameters
    ----------
    leverages : array_like of float, shape (n_tiers,)
        Leverage of each tier [multiple], ascending.
    max_leverage : float
        Highest leverage allowed [multiple].

    Returns
    -------
    ndarray of int64, shape (n_tiers,)
        The tier itself where allowed, else the highest allowed one; the lowest tier where none is.

    Examples
    --------
    >>> fold_tiers([10.0, 25.0, 50.0, 100.0], 50.0).tolist()
    [0, 1, 2, 2]
    """
    multiples = np.asarray(leverages, dtype=np.float64)
    highest_allowed = max(int(np.count_nonzero(multiples <= max_leverage)) - 1, 0)
    return np.minimum(np.arange(len(multiples), dtype=np.int64), highest_allowed)


def tier_log_offsets(
    leverages: npt.ArrayLike,
    brackets: Brackets,
    reference_position_usd: float,
    contract_kind: Literal["linear", "inverse"] = "linear",
) -> FloatArray:
    """Return how far liquidation lies from entry, per side and leverage tier, in log price.

    Size decides the bracket, so each tier is represented by one size, stated in USD: then the
    offset does not depend on price.

    Parameters
    ----------
    leverages : array_like of float, shape (n_tiers,)
        Leverage of each tier [multiple], ascending, above 1.
    brackets : Brackets
        Margin brackets of the instrument.
    reference_position_usd : float
        Notional at entry of the representative position [USD].
    contract_kind : {'linear', 'inverse'}

    Returns
    -------
    ndarray of float64, shape (2, n_tiers)
        ``ln(liquidation price / entry price)``, longs (negative) first [ln]. A tier above the
        maximum leverage of the reference position has the offset of the tier it folds into
        (``fold_tiers``), a lowest tier above it that of the maximum itself; one that would be
        liquidated at its entry has that of the next lower one that is not.

    Raises
    ------
    InvalidInput
        If a leverage is not above 1, or the lowest tier would be liquidated at its entry.

    Examples
    --------
    >>> brackets = Brackets.from_ratios([0.0], [0.005], [125.0])
    >>> np.exp(tier_log_offsets([25.0], brackets, 1e4)).round(6).tolist()
    [[0.964824], [1.034826]]
    """
    multiples = np.asarray(leverages, dtype=np.float64)
    is_ascending = bool(np.all(np.diff(multiples, prepend=1.0) > 0.0))
    _refuse_unless(
        multiples.ndim == 1 and multiples.size > 0 and is_ascending,
        "leverages",
        leverages,
        "ascending multiples above 1: a position without leverage belongs to the unlevered share",
    )
    _refuse_unless(
        bool(np.isfinite(reference_position_usd)) and reference_position_usd > 0.0,
        "reference_position_usd",
        reference_position_usd,
        "finite and above 0",
    )
    bracket = int(brackets.bracket_of(reference_position_usd))
    # What may not be leveraged is liquidated, if ever, near zero; a logarithm needs a price.
    max_leverage = max(float(brackets.max_leverage[bracket]), 1.01)
    allowed = np.minimum(multiples[fold_tiers(multiples, max_leverage)], max_leverage)
    if contract_kind not in ("linear", "inverse"):
        raise InvalidInput(f"contract_kind is {contract_kind!r}, expected 'linear' or 'inverse'")
    ratio = brackets.maintenance_margin_ratio[bracket]
    required = ratio + brackets.liquidation_fee_ratio
    prices = [
        linear_liquidation_price(side, 1.0, allowed, reference_position_usd, brackets)
        if contract_kind == "linear"
        else inverse_liquidation_price(side, 1.0, allowed, required)
        for side in _SIDES
    ]
    relative = np.stack(prices)
    is_wrong = (relative[0] <= 0.0) | (relative[0] >= 1.0) | (relative[1] <= 1.0)
    if is_wrong[0] or not np.isfinite(relative).all():
        raise InvalidInput(
            f"leverage {multiples[0]:g}x with maximum {max_leverage:g}x and maintenance margin "
            f"{ratio:g} gives liquidation at {relative[0, 0]:g} (long) and "
            f"{relative[1, 0]:g} (short) times entry; expected "
            "below and above 1: check the brackets' max_leverage and ratios"
        )
    # Without deductions the requirement may jump beyond the margin of a tier right at its entry.
    usable = np.maximum.accumulate(np.where(is_wrong, 0, np.arange(len(multiples))))
    return np.log(np.ascontiguousarray(relative[:, usable]))


def _refuse_unless(holds: bool, name: str, value: object, expected: str) -> None:
    """Raise an error that names an argument and what was expected of it."""
    if not holds:
        raise InvalidInput(f"{name} is {value}, expected {expected}")
