"""Panels of realised liquidations for tests: made up, small, with a known truth."""

import numpy as np

from transforms.skill.panel import Panel

HOUR = 3_600_000_000


def panel_of(realised_usd, span_seconds=3600, **columns):
    """Return a panel whose other columns are quiet where they are not given."""
    realised_usd = np.asarray(realised_usd, dtype=np.float64)
    n_spans = len(realised_usd)
    one, none = np.ones(n_spans), np.zeros(n_spans, dtype=bool)
    defaults = {
        "span_end": np.arange(1, n_spans + 1) * span_seconds * 1_000_000,
        "span_seconds": span_seconds,
        "realised_usd": realised_usd,
        "is_complete": ~none,
        "is_left_out": none,
        **dict.fromkeys(("open", "high", "low", "close", "previous_close"), 100.0 * one),
        "volume_usd": 1e6 * one,
        "open_interest_usd": 1e7 * one,
        "exposures": {},
        "log_age": np.full((n_spans, 2), np.nan),
    }
    return Panel(**{**defaults, **columns})
