"""The JavaScript modules of the chart, for whatever shows it: the server and the static page.

Belongs here: which there are and their text. Does not belong here: how they are sent or embedded.
"""

import re
from functools import cache
from importlib.resources import files
from pathlib import Path

CHARTS_LIBRARY = "lightweight-charts.js"
"""The one module that is not ours: TradingView's library, from the installed wheel."""

_FOLDER = Path(__file__).with_name("chart")
_WHEEL, _IN_WHEEL = "lwcharts", "vendor/lightweight-charts.standalone.production.js"

# The file is a script that sets one global; what our modules import is exported.
_IMPORTED = re.compile(r"import\s*\{([^}]*)\}\s*from\s*['\"][./\w-]*/lightweight-charts\.js['\"]")


def module_names() -> list[str]:
    """Return the names of all modules, the library's last."""
    return [*sorted(path.name for path in _FOLDER.glob("*.js")), CHARTS_LIBRARY]


@cache
def module_text(name: str) -> str:
    """Return the source of a module.

    Parameters
    ----------
    name : str
        One of ``module_names``.

    Raises
    ------
    KeyError
        There is no such module.
    """
    if name not in module_names():
        raise KeyError(name)
    if name != CHARTS_LIBRARY:
        return (_FOLDER / name).read_text(encoding="utf-8")
    library = (files(_WHEEL) / _IN_WHEEL).read_text(encoding="utf-8")
    return (
        f"{library}\nexport const {{{', '.join(_used_names())}}} = globalThis.LightweightCharts;\n"
    )


def _used_names() -> list[str]:
    """Return the names that our modules import from the library."""
    used = {
        name.split(" as ")[0].strip()
        for path in _FOLDER.glob("*.js")
        for names in _IMPORTED.findall(path.read_text(encoding="utf-8"))
        for name in names.split(",")
    }
    return sorted(used - {""})
