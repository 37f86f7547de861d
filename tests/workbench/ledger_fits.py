"""Fits of the ledgers with round figures and a market to use them on.

Belongs here: fits that are not fitted. Nothing of what they expect is anywhere near a market.
"""

import numpy as np
import pytest

from jobs.calibrate.fits_in_force import FitsInForce
from jobs.instants import HOUR_MICROSECONDS, to_microseconds
from transforms.ledger import LEDGERS
from transforms.ledger.ledger_fit import LedgerFit
from workbench import HOUR, START, instrument_row, table_of

CHANGE = to_microseconds(START + 40 * HOUR)
"""The second of `two_fits` holds after this instant."""

DAYS = 12
"""Days of `plain_market`."""


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
        fitted_until=HOUR_MICROSECONDS,
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


@pytest.fixture(scope="module")
def two_fits():
    """Let builds use two fits of each ledger, one after the other."""
    with pytest.MonkeyPatch.context() as patch:
        use_fits(
            patch,
            *(
                round_fit(provider, at, scale)
                for provider in LEDGERS
                for at, scale in ((0, 1), (CHANGE, 3))
            ),
        )
        yield


def plain_market(seed=3):
    """Return hourly bars of one contract without open interest, and what was liquidated on it."""
    generator = np.random.default_rng(seed)
    n_hours = DAYS * 24
    close = 100.0 * np.exp(np.cumsum(generator.normal(0.0, 0.01, n_hours)))
    opens = np.concatenate(([100.0], close[:-1]))
    edge = 1.0 + 0.005 * generator.random((2, n_hours))
    contract = {"venue": "binance", "instrument": "BTC/USDT:USDT"}
    bars = [
        {
            **contract,
            "bar_start_at": START + number * HOUR,
            "bar_seconds": 3600,
            "open": opens[number],
            "high": max(opens[number], close[number]) * edge[0, number],
            "low": min(opens[number], close[number]) / edge[1, number],
            "close": close[number],
            "volume_quantity": 1e4,
        }
        for number in range(n_hours)
    ]
    liquidated = [
        {
            **contract,
            "period_start_at": START + number * HOUR,
            "period_seconds": 3600,
            "side": side,
            "liquidated_usd": usd,
            "is_complete_feed": True,
            "order_key": "",
        }
        for number in range(n_hours)
        for side, usd in zip(("long", "short"), generator.exponential(1e4, 2).tolist(), strict=True)
    ]
    return {
        "instrument": table_of("instrument", [instrument_row()]),
        "ohlcv": table_of("ohlcv", bars),
        "realised_liquidation": table_of("realised_liquidation", liquidated),
    }
