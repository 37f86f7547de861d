"""Import of a user's own archive, Parquet or CSV (plain, zipped, gzipped), through a mapping file.

A mapping is a YAML file that declares the columns of a recorded file and their units.
``sources/mappings/example.yaml`` lists every key with a comment; in short:

=========================  =====================================================================
key                        content
=========================  =====================================================================
``description``            one line for people
``matches``                path patterns of the files it reads, compared from the right
``within``, ``not_within`` folder names that mean its market, and another one
``venue``                  the venue, or ``{column: ...}``
``file_name``              how file names spell ``{base}``, ``{quote}`` and ``{bar}``
``instrument``             ``unified`` symbol or template; the symbol comes from a ``column``
                           (with ``column_pattern``), from column names (``column_name``, a wide
                           file), from ``file_name``, or is fixed. ``contract_size``,
                           ``multiplier_prefixes``, and ``terms`` for single instruments
``time``                   ``column``, ``unit``, ``label`` (``bar_open`` | ``bar_end``),
                           ``round_to``, ``label_change``
``bar``                    length of a bar, ``5m`` to ``1d``
``columns``                column names of a CSV file without a header row
``where``                  values a column must hold for a row to be read
``ohlcv``                  ``open high low close volume volume_unit``, ``volume_valued_at``,
                           ``taker_buy``, ``trade_count``
``mark_ohlc``              ``close``, or ``open high low close``
``open_interest``          ``amount amount_unit``, ``value value_unit``, ``valued_at``,
                           ``prices_from``, ``shift``, ``sides_counted``
``funding_rate``           ``rate rate_unit``, ``interval_hours``, ``repeated``, ``shift``
``realised_liquidation``   ``long short unit is_complete_feed``
``long_short_ratio``       ``accounts``, ``top_accounts``, ``top_positions``, ``taker_volume``,
                           ``shift``
``sentiment``              ``index``, ``value``, ``shift``: 0 to 100, of no venue or instrument
=========================  =====================================================================

At least one of the last seven must be there. Unknown keys are refused with the nearest known
one, and so is a figure without its unit. Stamps: bars carry their open or their end, snapshots
belong to their label plus ``shift``.

What becomes of a row: a cell that is empty was not observed, and where all cells of a kind are
empty the row has no record of that kind. A row with a cell that cannot be used (text, NaN, a price
or open interest of 0, high below low, a bar that has not ended, an unknown symbol) goes to
quarantine with its row number, column and reason, once for each kind it was meant for. Rows may
come in any order. Of rows of one instant the last in the file counts: those before it are dropped
where they are identical, and quarantined where they are not. A change of open interest above
the volume is a measure of quality, not a reason to refuse. A file that is unusable as a whole is
refused before any of it is imported.
"""

from sources.recorded.file_import import import_file
from sources.recorded.input_files import FoundInputs, find_inputs, shipped_mappings
from sources.recorded.mapping import Mapping, load_mapping, shipped_mapping_names

__all__ = [
    "FoundInputs",
    "Mapping",
    "find_inputs",
    "import_file",
    "load_mapping",
    "shipped_mapping_names",
    "shipped_mappings",
]
