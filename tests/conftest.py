"""What all tests share: the stand-in exchange, importable as `standin`.

Tests are no package and their folder is not on the path (it would shadow `flows` and `sql`), so the
one package among them is loaded by its path, once, under its own name.
"""

import importlib.util
import sys
from pathlib import Path

_STANDIN = Path(__file__).parent / "standin"

if "standin" not in sys.modules:
    _spec = importlib.util.spec_from_file_location(
        "standin", _STANDIN / "__init__.py", submodule_search_locations=[str(_STANDIN)]
    )
    if _spec is None or _spec.loader is None:
        raise ImportError(f"the stand-in exchange is not at {_STANDIN}")
    sys.modules["standin"] = importlib.util.module_from_spec(_spec)
    _spec.loader.exec_module(sys.modules["standin"])
