"""Values as SQL text, for statements that take no parameters, and paths for its functions."""

import re
from pathlib import Path


def quoted(value: Path | str) -> str:
    """Return a path or text as an SQL literal.

    Examples
    --------
    >>> print(quoted("o'clock"))
    'o''clock'
    """
    return "'" + str(value).replace("'", "''") + "'"


def exact_path(path: Path | str) -> str:
    """Return a path as the pattern that names this file alone, where DuckDB takes a pattern.

    Examples
    --------
    >>> exact_path("/maps [1]/a*.parquet")
    '/maps [[]1]/a[*].parquet'
    """
    return re.sub(r"([*?[])", r"[\1]", str(path))
