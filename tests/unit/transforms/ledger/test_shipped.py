import numpy as np
import pytest

from transforms.ledger import LEDGERS
from transforms.ledger.ledger_fit import scale_fit
from transforms.ledger.shipped import SHIPPED


@pytest.mark.parametrize("provider", LEDGERS)
def test_every_ledger_ships_with_a_fit_of_its_present_rows(provider):
    fit = SHIPPED[f"{provider}:large"]
    assert fit.provider == provider
    assert fit.structure_hash == LEDGERS[provider].structure_hash, "run: python -m bench.accuracy"
    assert len(fit.weights) == LEDGERS[provider].n_rows
    assert fit.is_shipped
    assert fit.is_pooled


@pytest.mark.parametrize("key", SHIPPED)
def test_a_shipped_fit_is_worth_something_at_every_distance(key):
    fit = SHIPPED[key]
    assert np.all(fit.weights > 0.0)
    assert fit.floor < fit.constant


def test_volume_carries_itself_into_the_rows_of_one_ledger_and_not_of_the_other():
    path, volume = SHIPPED["path_ledger:large"], SHIPPED["volume_ledger:large"]
    np.testing.assert_allclose(scale_fit(path, 5e8, "path").weights, 5e8 * path.weights)
    np.testing.assert_array_equal(scale_fit(volume, 5e8, "volume").weights, volume.weights)
