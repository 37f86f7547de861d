"""How far back a build looks, how much it holds in memory, and what it accepts."""

BOOKS_TOLERANCE = 1e-9
"""Longs, shorts and open interest agree to this share of open interest, or nothing is stored."""

WINDOW_DAYS = 92
"""Days of bars replayed and stored at once, so that memory does not grow with the history."""

BATCH_BARS = 4_000_000
"""Bars of five minutes that one batch of assets may bring into memory."""

HOLE_DAYS = 31
"""Longest hole in open interest that its far end fills; over a longer one the value before it is
held. It bounds how far a replay looks back and ahead."""

QUIET_DAYS = 8
"""Days after its last bar for which an asset still gets hours: maps end after one day, measures
over seven days after eight."""

DETAIL_HOURS = 168
"""Newest hours that have maps by tier and odds of touch by bin, unless set otherwise."""

KEPT_MIDNIGHTS = 8
"""Newest midnights whose checkpoints are kept, for late bars; the first of each month is kept for
late months."""

CONTRADICTORY = 1.5
"""Factor between two prices beyond which a venue may be set apart (int_set_apart)."""
