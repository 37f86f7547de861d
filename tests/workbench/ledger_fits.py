"""Fits of the ledgers with round figures, for tests of what is made with a fit.

Belongs here: fits that are not fitted. Nothing of what they expect is anywhere near a market.
"""

import numpy as np

from jobs.calibrate.fits_in_force import FitsInForce
from transforms.ledger import LEDGERS
from transforms.ledger.ledger_fit import LedgerFit

HOUR = 3_600_000_000


def round_fit(provider, valid_from=0, scale=1.0):
    """Return a fit whose rows weigh the more the nearer they are to price."""
    ledger = LEDGERS[provider]
    per_deposit = {"path": 100.0, "volume": 1e-7}[ledger.deposit] * scale
    return LedgerFit(
        provider=provider,
        structure_hash=ledger.structure_hash,
        source="large",
        weights=per_deposit / (1.0 + np.arange(ledger.n_rows)),
        move_weight=1e6 * scale,
        constant=50.0 * scale,
        floor=100.0 * scale,
        log_sd=np.full(ledger.n_rows + 2, np.inf),
        volume_usd=1.0,
        fitted_from=0,
        fitted_until=HOUR,
        valid_from=valid_from,
        hour_count=1,
        is_pooled=True,
        is_shipped=True,
    )


def use_fits(monkeypatch, *fits):
    """Let builds use some fits for every asset, and no others."""

    def in_force(connection, assets, start, end):
        return {
            (asset, provider): FitsInForce(
                asset, provider, tuple(fit for fit in fits if fit.provider == provider)
            )
            for asset in assets
            for provider in LEDGERS
        }

    monkeypatch.setattr("jobs.build.path_inputs.fits_in_force", in_force)
