"""How often the collector of positions does what.

Belongs here: spacings and counts. Does not belong here: how often an account is requested
(`jobs.positions.sweep_order`).
"""

from dataclasses import dataclass, field

from jobs.positions.sweep_order import SweepPolicy


@dataclass(frozen=True, slots=True)
class CollectorPolicy:
    """How often the collector does what, in seconds of its clock.

    Parameters
    ----------
    sweeps : SweepPolicy
        How often states are requested.
    workers : int
        Requests of states under way at once.
    planned : int
        States for which the order is made at once: about eight seconds' worth.
    store_seconds : float
        Time after which what is known is stored: most that a killed process loses.
    trading_seconds : float
        Spacing of writing down what accounts traded.
    contexts_seconds, dex_contexts_seconds : float
        Spacing of marks and open interest: of the venue's own contracts, and of builders'.
    lists_seconds : float
        Spacing of public lists.
    look_up_seconds : float
        Spacing of look-ups of suspected liquidations: with 20 of weight each, and 1 for each 20
        fills, a tenth of the limit unless the account trades all the time.
    landing_seconds, report_seconds, revalue_seconds, checkpoint_seconds : float
        Spacing of landing, of the state file, of valuing positions at the newest marks and of
        folding the book's log into its file.
    progress_seconds : float
        Spacing of progress.
    map_delay_seconds : float
        Time after the hour at which its map is made.
    """

    sweeps: SweepPolicy = field(default_factory=SweepPolicy)
    workers: int = 8
    planned: int = 64
    store_seconds: float = 1.0
    trading_seconds: float = 120.0
    contexts_seconds: float = 60.0
    dex_contexts_seconds: float = 600.0
    lists_seconds: float = 86_400.0
    look_up_seconds: float = 15.0
    landing_seconds: float = 300.0
    report_seconds: float = 30.0
    revalue_seconds: float = 20.0
    checkpoint_seconds: float = 300.0
    progress_seconds: float = 5.0
    map_delay_seconds: float = 1.0
