"""Bars of one instrument as raw holds them.

Belongs here: what jobs need of single bars before maps are built. Does not belong here: bars
aligned in time (``sql/intermediate/int_bar.sql``).
"""

import duckdb
import pyarrow as pa

_CLOSES = {"mark_ohlc": "mark_close", "ohlcv": "close"}


def bar_closes(
    connection: duckdb.DuckDBPyConnection, venue: str, instrument: str
) -> dict[str, pa.Table]:
    """Return the closes known of an instrument, by kind of bar, in order of time.

    Parameters
    ----------
    connection : DuckDBPyConnection
        The writer's.
    venue, instrument : str
        Whose.

    Returns
    -------
    dict of str to pyarrow.Table
        Columns venue, instrument, bar_start_at, bar_seconds and the close [USD per asset unit]
        under its column's name, for ``mark_ohlc`` and ``ohlcv``.
    """
    return {
        kind: connection.execute(
            f"select venue, instrument, bar_start_at, bar_seconds, {close} "
            f"from staging.stg_{kind} where venue = ? and instrument = ? "
            "order by bar_start_at, bar_seconds",
            [venue, instrument],
        ).to_arrow_table()
        for kind, close in _CLOSES.items()
    }
