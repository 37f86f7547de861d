"""The ledgers: what price deposits on its way, at fitted distances, until it comes back.

Belongs here: the recursion of a ledger, what it reads and writes, and fits as they are handed on.
Does not belong here: fitting the weights of its rows (``calibration``), and scoring what they
predict (``skill``).

Read ``spans`` first. A ledger keeps no books: its rows are weighted by what was realised, so its
map is USD that would be realised if price went there, not what is standing.
"""

from transforms.ledger.ledger_outputs import LedgerOutputs
from transforms.ledger.ledger_state import LedgerState
from transforms.ledger.parameter_sets import LEDGERS, LedgerParameters
from transforms.ledger.spans import advance

__all__ = ["LEDGERS", "LedgerOutputs", "LedgerParameters", "LedgerState", "advance"]
