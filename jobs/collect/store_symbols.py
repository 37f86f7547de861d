"""The user's exceptions for tickers: stored in the warehouse, with what a change makes outdated.

Does not belong here: the format of the file (``sources.symbol_exceptions``), applying exceptions
(``sql/staging/stg_instrument.sql``).
"""

import difflib
import logging
from collections.abc import Collection

from duckdb import DuckDBPyConnection

from jobs.settings import Settings
from sources.symbol_exceptions import SymbolException, read_symbol_exceptions
from warehouse.connect import insert_values, transaction

logger = logging.getLogger(__name__)

SYMBOLS_FILE = "symbols.yaml"


def store_symbols(settings: Settings, connection: DuckDBPyConnection) -> None:
    """Store the exceptions of the home's ``symbols.yaml``; mark what a change makes outdated.

    Raises
    ------
    InputRejected
        The file cannot be used.
    """
    path = settings.home / SYMBOLS_FILE
    exceptions = read_symbol_exceptions(path) if path.exists() else ()
    stored = {
        SymbolException(*row)
        for row in connection.execute("select * from meta.symbol_exception").fetchall()
    }
    changed = stored.symmetric_difference(exceptions)
    if not changed:
        return
    _warn_of_unknown(connection, exceptions)
    with transaction(connection):
        # Before and after: the assets that instruments counted for, and those they count for now.
        _mark_assets(connection, changed)
        connection.execute("delete from meta.symbol_exception")
        insert_values(
            connection,
            "meta.symbol_exception",
            [[each.venue, each.instrument, each.asset] for each in exceptions],
        )
        _mark_assets(connection, changed)
    logger.info("%s lists %d exceptions, %d changed", path, len(exceptions), len(changed))


def _mark_assets(connection: DuckDBPyConnection, changed: Collection[SymbolException]) -> None:
    """Mark the assets that instruments count for now as outdated since their first bar."""
    connection.execute(
        "insert into meta.pending_build "
        "select instrument.asset, coalesce(min(bar_start_at), '-infinity'::timestamptz) "
        "from staging.stg_instrument as instrument "
        "inner join (select unnest(?) as venue, unnest(?) as instrument) "
        "using (venue, instrument) "
        "left join raw.ohlcv using (venue, instrument) group by instrument.asset",
        [[each.venue for each in changed], [each.instrument for each in changed]],
    )


def _warn_of_unknown(
    connection: DuckDBPyConnection, exceptions: Collection[SymbolException]
) -> None:
    known = [
        f"{venue}:{instrument}"
        for venue, instrument in connection.execute(
            "select distinct venue, instrument from raw.instrument order by all"
        ).fetchall()
    ]
    for each in exceptions:
        name = f"{each.venue}:{each.instrument}"
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            logger.warning(
                "%s: %s is unknown and has no effect%s",
                SYMBOLS_FILE,
                name,
                f"; did you mean {near[0]}?" if near else "",
            )
