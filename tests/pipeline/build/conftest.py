"""One asset of the small market, built, and builds that are cut finely."""

from workbench.build_fixtures import bitcoin, built_at_once, cut_into_days, shop, short_memory
from workbench.ledger_fits import two_fits

__all__ = ["bitcoin", "built_at_once", "cut_into_days", "shop", "short_memory", "two_fits"]
