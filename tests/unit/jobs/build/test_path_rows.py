"""What is published of the fits of a path."""

import pytest
from workbench.ledger_fits import round_fit

from jobs.build.path_rows import path_assumptions
from transforms.ledger import LEDGERS
from transforms.ledger.ledger_fit import scale_fit


@pytest.mark.parametrize("provider", LEDGERS)
def test_a_fit_scaled_to_two_assets_is_described_alike(provider):
    fit = round_fit(provider)
    deposit = LEDGERS[provider].deposit
    (large,), (small,) = (
        path_assumptions((), [scale_fit(fit, volume, deposit)]).values() for volume in (3e8, 7e5)
    )
    assert large == small
    assert [fit.params_hash, provider, "move_weight", "1e+06"] in [row[:4] for row in large]
