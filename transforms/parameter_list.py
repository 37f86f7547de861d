"""Every parameter of an estimator with its unit and the reason for its value, to be published.

Belongs here: the list, and reasons of single estimators. Does not belong here: the parameters
themselves and the usual reasons (``estimators``).
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from transforms.estimators import ESTIMATORS, EstimatorParameters

_REASONS: Final[Mapping[str, Mapping[str, str]]] = {
    "open_interest": {
        "weights": "prior: equal from 3x on: without turnover positions are never renewed at the "
        "price of the day, so more leverage is needed to hold near price the share measured on "
        "Hyperliquid (all accounts, BTC, 2026-04-05). 2x, hardly told from no leverage, has "
        "little",
    },
    "public_convention": {
        "leverages": "the tiers that open-source and web heatmaps commonly draw",
        "weights": "the shares that open-source and web heatmaps commonly use; shipped to compare "
        "with them, not because they are right",
        "half_lives_days": "one for all tiers: public maps keep every level until price crosses "
        "it, so what closes is taken from all alike; with one half-life for all its length moves "
        "nothing, 7 days being a window such maps offer",
        "unlevered_share": "public maps spread all of open interest over their tiers",
        "turnover_ratio": "public maps add levels where open interest grows and look at no churn",
        "clearing_price": "public maps clear a level once the last price has crossed it",
    },
    "volume_profile": {
        "half_lives_days": "not used: nothing is carried from bar to bar",
        "turnover_ratio": "not used: nothing is carried from bar to bar",
        "clearing_price": "not used: what the close has passed is left out",
    },
}


@dataclass(frozen=True, slots=True)
class ParameterRow:
    """One parameter of one estimator, for a published table.

    Parameters
    ----------
    provider : str
        Estimator.
    params_hash : str
        Hash of all of its parameters.
    parameter_name : str
        Field of ``EstimatorParameters``.
    leverage : float or None
        Tier the value belongs to [multiple]; None where it belongs to the estimator.
    unit : str
        Unit of the value.
    value : str
        The value as text.
    reason : str
        Why it has this value.
    """

    provider: str
    params_hash: str
    parameter_name: str
    leverage: float | None
    unit: str
    value: str
    reason: str


def parameter_rows(parameters: EstimatorParameters) -> list[ParameterRow]:
    """Return every parameter of an estimator with unit, value and reason.

    Parameters
    ----------
    parameters : EstimatorParameters
        Estimator to list.

    Returns
    -------
    list of ParameterRow
        One row per value, in the order of the fields; tiers one by one.

    Examples
    --------
    >>> rows = parameter_rows(ESTIMATORS["open_interest"])
    >>> [(row.leverage, row.value) for row in rows if row.parameter_name == "weights"][:2]
    [(2.0, '0.02'), (3.0, '0.11')]
    """
    reasons = _REASONS.get(parameters.provider, {})
    is_shipped = parameters.provider in ESTIMATORS
    rows = []
    for each in dataclasses.fields(parameters):
        if each.name == "provider":
            continue
        value = getattr(parameters, each.name)
        reason = reasons.get(each.name, each.metadata["reason"])
        if not is_shipped and value != getattr(ESTIMATORS["turnover"], each.name):
            reason = "chosen by whoever defined this estimator"
        cells: list[tuple[float | None, str | float]] = [(None, value)]
        if each.name in ("leverages", "weights", "half_lives_days"):
            cells = list(zip(parameters.leverages, value, strict=True))
        elif isinstance(value, tuple):
            cells = [(None, " ".join(f"{part:g}" for part in value))]
        rows += [
            ParameterRow(
                parameters.provider,
                parameters.params_hash,
                each.name,
                leverage,
                each.metadata["unit"],
                cell if isinstance(cell, str) else f"{cell:g}",
                reason,
            )
            for leverage, cell in cells
        ]
    return rows
