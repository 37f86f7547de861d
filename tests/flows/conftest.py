"""Prefect for the tests of this folder."""

from workbench.prefect_fixtures import home, imports_as_before

__all__ = ["home", "imports_as_before"]
