"""One module per venue: its paths, parameters, units, orders, limits and refusals.

A new module with a dialect is a new venue of the stand-in.
"""

import pkgutil
from importlib import import_module

from standin.answers import Dialect

for _module in pkgutil.iter_modules(__path__, f"{__name__}."):
    import_module(_module.name)

DIALECTS: tuple[type[Dialect], ...] = tuple(Dialect.__subclasses__())
