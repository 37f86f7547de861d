"""Values as SQL text, for statements that take no parameters."""

from pathlib import Path


def quoted(value: Path | str) -> str:
    """Return a path or text as an SQL literal.

    Examples
    --------
    >>> print(quoted("o'clock"))
    'o''clock'
    """
    return "'" + str(value).replace("'", "''") + "'"
