"""The one conversion of amounts: any unit a source uses into position units and into USD.

Belongs here: what a unit is worth, for live, recorded and provider figures alike. Does not belong
here: which unit a source uses, and which side of a contract it counts.

Position units do not move with price: units of the asset for linear contracts, USD for inverse
ones. One unit of an amount is worth, in USD, with the price in USD per unit of the asset:

=============  =====================================  ==============================
unit           linear                                 inverse
=============  =====================================  ==============================
``base``       base multiplier x price                base multiplier x price
``contracts``  contract size (asset units) x price    contract size (USD)
``usd``        1                                      1
position unit  price                                  1
=============  =====================================  ==============================

Position units are the first three rows over the last: whether a price is needed, and on which side,
follows from the table.
"""

from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import numpy as np
import numpy.typing as npt

AmountUnit = Literal["base", "contracts", "usd"]
ContractKind = Literal["linear", "inverse"]
Figures = TypeVar("Figures", float, npt.NDArray[np.float64])
"""One figure, or an array of them; contract terms and prices are figures or match its shape."""


@dataclass(frozen=True, slots=True)
class ContractUnits:
    """The terms of a contract that amounts are converted by.

    Parameters
    ----------
    contract_kind : {'linear', 'inverse'}
        What a position unit is.
    contract_size : float or ndarray of float64
        Asset units (linear) or USD (inverse) of one contract.
    base_multiplier : float or ndarray of float64
        Asset units per quoted unit of the coin: 1000 for 1000PEPE.

    Examples
    --------
    >>> linear = ContractUnits("linear", contract_size=0.01, base_multiplier=1.0)
    >>> linear.to_position(300.0, "contracts"), linear.to_position(9_000.0, "usd", 3_000.0)
    (3.0, 3.0)
    >>> inverse = ContractUnits("inverse", contract_size=100.0, base_multiplier=1.0)
    >>> inverse.to_position(2.0, "contracts"), inverse.to_position(2.0, "base", 3_000.0)
    (200.0, 6000.0)
    """

    contract_kind: ContractKind
    contract_size: float | npt.NDArray[np.float64]
    base_multiplier: float | npt.NDArray[np.float64]

    def to_position(
        self, amounts: Figures, unit: AmountUnit, prices: Figures | float | None = None
    ) -> Figures:
        """Return amounts in position units.

        Parameters
        ----------
        amounts : float or ndarray of float64
            Figures in ``unit``; ``base`` is quoted units of the coin.
        unit : {'base', 'contracts', 'usd'}
            Unit of the amounts.
        prices : float or ndarray of float64, optional
            USD per asset unit; NaN gives NaN. Needed for USD of a linear contract and coins of an
            inverse one, which move with price.

        Raises
        ------
        ValueError
            Where a price is needed and none is given.
        """
        worth, power = self._worth(unit)
        quantities: Figures = self._price(
            amounts * worth, prices, power - self._position_power, unit
        )
        return quantities

    def to_usd(
        self, amounts: Figures, unit: AmountUnit, prices: Figures | float | None = None
    ) -> Figures:
        """Return amounts in USD; parameters and errors as for `to_position`."""
        worth, power = self._worth(unit)
        usd: Figures = self._price(amounts * worth, prices, power, unit)
        return usd

    def position_to_usd(
        self, quantities: Figures, prices: Figures | float | None = None
    ) -> Figures:
        """Return position units in USD; only linear ones need a price."""
        usd: Figures = self._price(quantities, prices, self._position_power, "position")
        return usd

    def needs_price(self, unit: AmountUnit) -> bool:
        """Return whether amounts in a unit need a price to become USD."""
        return self._worth(unit)[1] != 0

    @property
    def _position_power(self) -> int:
        return int(self.contract_kind == "linear")

    def _worth(self, unit: AmountUnit) -> tuple[Any, int]:
        """Return what one unit is worth: a factor, and the power of the price."""
        return {
            "base": (self.base_multiplier, 1),
            "contracts": (self.contract_size, self._position_power),
            "usd": (1.0, 0),
        }[unit]

    def _price(self, figures: Any, prices: Any, power: int, unit: str) -> Any:  # noqa: ANN401
        if power == 0:
            return figures
        if prices is None:
            raise ValueError(
                f"{unit} is no position unit of {self.contract_kind} contracts: converting it "
                "needs a price; correct the declared unit or give prices"
            )
        return figures * prices if power > 0 else figures / prices
