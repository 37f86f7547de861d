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


def market(seed, n_days=60, *, is_placed_by_open_interest, noise=0.7):
    """Return a market of hours, and a path of price that liquidates.

    ``path_only`` holds what the path consumes of levels that are all alike; ``open_interest`` the
    same weighted with what was opened there. Liquidations follow the one or the other; a third is
    noise that comes in clusters of a day.
    """
    generator = np.random.default_rng(seed)
    n_hours = n_days * 24
    move = np.abs(generator.normal(0.0, 0.01, (n_hours, 2)))
    path = move * np.exp(generator.normal(0.0, 0.5, (n_hours, 2)))
    placed = path * np.exp(generator.normal(0.0, 0.8, (n_hours, 2)))
    truth = placed if is_placed_by_open_interest else path
    cluster = np.repeat(generator.gamma(4.0, 0.25, n_days), 24)[:, None]
    realised = 1e8 * truth * cluster * generator.gamma(1.0 / noise, noise, (n_hours, 2))
    return panel_of(
        realised,
        high=100.0 * np.exp(move[:, 1]),
        low=100.0 * np.exp(-move[:, 0]),
        volume_usd=1e9 * np.exp(generator.normal(0.0, 0.3, n_hours)),
        exposures={"path_only": path[..., None], "open_interest": placed[..., None]},
        asset="BTC",
    )
