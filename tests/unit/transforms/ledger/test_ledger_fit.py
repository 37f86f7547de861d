"""A fit checks itself, names itself by its values, and scales with volume."""

from dataclasses import replace

import numpy as np
import pytest

from transforms.errors import InvalidInput
from transforms.ledger.ledger_fit import LedgerFit, scale_fit

DAY = 86_400_000_000


def a_fit(**changed):
    values = {
        "provider": "path_ledger",
        "structure_hash": "s",
        "source": "large",
        "weights": np.array([2.0, 0.0, 3.0]),
        "move_weight": 5.0,
        "constant": 1.0,
        "floor": 0.5,
        "log_sd": np.array([0.1, np.inf, 0.2, 0.1, 0.1]),
        "volume_usd": 10.0,
        "fitted_from": 0,
        "fitted_until": 100 * DAY,
        "valid_from": 100 * DAY,
        "hour_count": 2400,
        "is_pooled": True,
        "is_shipped": False,
    }
    return LedgerFit(**values | changed)


@pytest.mark.parametrize(
    "changed",
    [
        {"weights": np.array([1.0, -1.0, 0.0])},
        {"weights": np.array([1.0, np.nan, 0.0])},
        {"constant": np.inf},
        {"log_sd": np.zeros(3)},
    ],
)
def test_what_no_fit_can_give_is_refused(changed):
    with pytest.raises(InvalidInput, match="path_ledger on large"):
        a_fit(**changed)


def test_the_hash_follows_parameters_and_span_and_nothing_else():
    fit = a_fit()
    assert fit.params_hash == a_fit(valid_from=300 * DAY, log_sd=np.zeros(5)).params_hash
    others = [
        a_fit(weights=np.array([2.0, 0.0, 3.5])),
        a_fit(move_weight=6.0),
        a_fit(fitted_until=99 * DAY),
        a_fit(structure_hash="t"),
        a_fit(source="BTC"),
    ]
    assert len({fit.params_hash, *(other.params_hash for other in others)}) == 6


def test_a_short_span_is_flagged():
    assert not a_fit(fitted_until=90 * DAY).is_short_fit
    assert a_fit(fitted_until=90 * DAY - 1).is_short_fit


def test_scaling_keeps_the_hash_and_undoes_itself():
    fit = a_fit()
    for deposit in ("path", "volume"):
        back = scale_fit(scale_fit(fit, 3.0, deposit), 10.0, deposit)
        np.testing.assert_allclose(back.weights, fit.weights, rtol=1e-12)
        np.testing.assert_allclose(
            [back.move_weight, back.constant, back.floor], [5.0, 1.0, 0.5], rtol=1e-12
        )
        assert back.params_hash == fit.params_hash
    assert replace(fit, valid_from=1).params_hash == fit.params_hash
