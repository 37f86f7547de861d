"""One asset of the small market, and builds that are cut finely."""

from workbench.build_fixtures import bitcoin, built_at_once, short_memory
from workbench.ledger_fits import two_fits

__all__ = ["bitcoin", "built_at_once", "short_memory", "two_fits"]
