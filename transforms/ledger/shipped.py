"""Fits of the ledgers on recorded data, for homes without realised liquidations of their own.

``shipped_fits.json`` holds them and says which liquidations they were fitted on; ``python -m
bench.accuracy`` writes it. Keys of `SHIPPED` are ``provider:size``, sizes those of ``ledger_fit``;
the nearest size holds for the others.

Realised USD, move and constant are in units of the USD traded in a mean hour on the asset's most
traded linear contract, and so are deposits of volume; ``ledger_fit.scale_fit`` gives them the
volume of the asset they are used for. The shape carries over to assets that were left out of the
fit, the total does so within a factor of about five (docs/accuracy.md): until an asset has realised
liquidations of its own, read shares of a map rather than its USD.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from transforms.calibration.draws import unpack_draws
from transforms.ledger.ledger_fit import LedgerFit


def _fit_of(shipped: Mapping[str, Any]) -> LedgerFit:
    """Return a fit from what the file holds of it."""
    weights = np.array(shipped["weights"])
    parameters = np.array([*weights, shipped["move_weight"], shipped["constant"]])
    arrays = {
        "weights": weights,
        "log_sd": np.array(shipped["log_sd"]),
        "draws": unpack_draws(shipped["draws"], parameters),
    }
    return LedgerFit(
        **{**shipped, **arrays}, volume_usd=1.0, valid_from=0, is_pooled=True, is_shipped=True
    )


def read_shipped(path: Path) -> dict[str, LedgerFit]:
    """Return the fits of a file of ``bench.accuracy``, by ``provider:size``."""
    fits = [_fit_of(one) for one in json.loads(path.read_bytes())["fits"]]
    return {f"{fit.provider}:{fit.source}": fit for fit in fits}


_FILE: Final = Path(__file__).with_name("shipped_fits.json")
SHIPPED: Final[Mapping[str, LedgerFit]] = read_shipped(_FILE)
"""Fits that ship, by ``provider:size``."""
