"""Windows of a day, for builds that are cut."""

from workbench.build_fixtures import cut_into_days

__all__ = ["cut_into_days"]
