"""The demonstration: a simulated market through the whole pipeline, offline, in its own folder."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from jobs.collect.landing import land
from jobs.hourly import run_hour
from jobs.progress import Progress, silent
from jobs.settings import Settings
from sources.simulated import MarketParameters, simulate

DEMO_ASSET = "BTC"
DEMO_PROVIDER = "turnover"

# A fixed span and seed: every demonstration shows the same market.
_START = datetime(2026, 1, 5, tzinfo=UTC)
_SEED = 7


def run_demo(settings: Settings, *, days: int = 10, progress: Progress = silent) -> Settings:
    """Simulate a market, land its records, load, build, check and publish them.

    Return the settings of its folder.

    Parameters
    ----------
    settings : Settings
        Where things are. The demonstration goes to a folder below, so that simulated and real data
        never mix.
    days : int
        Days simulated.
    progress : callable
        Called with the step, the item and the share that is done.
    """
    own = _apart(settings)
    parameters = MarketParameters(start=_START, days=days, seed=_SEED)
    end = _START + timedelta(days=days)
    # A longer span begins with the rows of a shorter one, in files of its own.
    name = f"simulated-seed{_SEED}-{days}d"
    for number, batch in enumerate(simulate(parameters, ingested_at=end)):
        land(batch, own.landing, f"{name}-{number:04d}")
        progress("simulate", batch.kind, min(number / (6.0 * days), 1.0))
    run_hour(own, as_of=end, progress=progress)
    return own


def _apart(settings: Settings) -> Settings:
    """Return settings of a folder of its own, none of which lead to where real data is."""
    home = Path(settings.home) / "demo"
    return settings.model_copy(
        update={
            "home": home,
            "warehouse": home / "warehouse.duckdb",
            "data": None,
            "send_to": None,
            "receive_from": None,
            "postgres_url": None,
        }
    )
