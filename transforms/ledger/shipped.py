"""Fits of the ledgers on recorded data, for homes without realised liquidations of their own.

Keys are ``provider:size``, sizes those of ``ledger_fit``. Empty: none has been made for this
structure.
"""

from collections.abc import Mapping
from typing import Final

from transforms.ledger.ledger_fit import LedgerFit

SHIPPED: Final[Mapping[str, LedgerFit]] = {}
