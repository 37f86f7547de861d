"""Data coming in: from venues, archives, providers and a user's files to landing and the ledger.

venues
    ``ingest`` runs rounds: ``warehouse_state`` (what the warehouse has), ``listings`` and
    ``followed_feeds`` (contracts and feeds to follow), ``plan`` (requests), ``fetch`` (sends them),
    ``new_rows`` (lands what is new), ``settle`` (loads, updates the ledger), ``round_report``.
    ``reference_data`` brings the Fear & Greed index and prices of stablecoins, ``stream`` records
    liquidations as they happen.
the shared landing of several collectors
    ``send_landing`` and ``receive_landing``, through ``shared_landing``; ``collector_card`` says
    who sends what, ``transfer_report`` what the last transfer did.
public archives
    ``archives`` runs a backfill: ``archive_plan`` (files), ``archive_intake`` (reads and loads).
providers
    ``providers`` fetches maps.
a user's files
    ``imports``; ``store_symbols`` for exceptions to tickers.
checks of venues
    ``doctor``: ``venue_examination``, ``counted_sides``, ``doctor_report``.

All of them write through ``landing``; ``scope`` says what to collect, and how hard to try.
"""
