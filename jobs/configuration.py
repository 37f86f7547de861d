"""The files that a person writes in a home, read before a build or a run begins its work.

Belongs here: refusing what a later step would refuse once the hour is built. Does not belong here:
what the files mean, which is with the jobs that use them; the universe, which neither reads.
"""

import logging

from jobs.alerts.rule_file import read_rules
from jobs.build.estimator_choice import configured_estimators
from jobs.check.gates_in_force import read_gates
from jobs.collect.store_symbols import SYMBOLS_FILE
from jobs.settings import Settings
from sources.errors import InputRejected
from sources.symbol_exceptions import read_symbol_exceptions

logger = logging.getLogger(__name__)


def check_configuration(settings: Settings) -> None:
    """Refuse a home with a file of thresholds, estimators or tickers that cannot be used.

    Raises
    ------
    InputRejected
        A file cannot be read, or holds what it may not; the message names file and line.
    ThresholdsRejected
        Levels name an unknown gate, or contradict each other.
    EstimatorRejected
        A file describes no estimator.
    """
    read_gates(settings)
    configured_estimators(settings)
    symbols = settings.home / SYMBOLS_FILE
    if symbols.exists():
        read_symbol_exceptions(symbols)


def has_usable_rules(settings: Settings) -> bool:
    """Return whether rules of alerts can be read, and log why not.

    They never keep anything from being published.
    """
    try:
        if settings.alerts_file.exists():
            read_rules(settings.alerts_file)
    except InputRejected as exc:
        logger.warning("no alerts are sent in this run: %s", exc)
        return False
    return True
