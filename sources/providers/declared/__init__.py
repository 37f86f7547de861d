"""Each provider of maps: what it sends, how its answers are read and requested, one module each.

A new module here with a ``PROVIDER`` is a new provider; the fields of `Provider` explain the terms.
Does not belong here: what every format needs (`sources.providers.provider_answer`).
"""

import pkgutil
from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType

from sources.providers.provider import Provider


def _load_providers() -> Mapping[str, Provider]:
    names = sorted(module.name for module in pkgutil.iter_modules(__path__, f"{__name__}."))
    providers: list[Provider] = [import_module(name).PROVIDER for name in names]
    return MappingProxyType({provider.name: provider for provider in providers})


PROVIDERS: Mapping[str, Provider] = _load_providers()
"""Every provider by name."""
