"""Named queries: the SELECTs under ``sql/queries`` that jobs and commands run with parameters.

Belongs here: finding their text. Does not belong here: models (`warehouse.models`), which make a
relation; statements of a line or two, which stay where they are run.
"""

from functools import cache

from warehouse.contracts import SQL_FOLDER

_QUERIES = SQL_FOLDER / "queries"


@cache
def named_query(name: str) -> str:
    """Return the text of ``sql/queries/<name>.sql``; its header says what it takes and returns."""
    return (_QUERIES / f"{name}.sql").read_text()
