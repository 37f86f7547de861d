"""Failures of one cause, said once with all that they concern.

Does not belong here: what failed, and what to do about it.
"""

import re
from collections.abc import Iterable

_NAMED = 10

# A lost shard is labelled by its assets and hours.
_LABEL = re.compile(r"^[^:]*\d{4}-\d\d-\d\d \d\d:\d\d to \d{4}-\d\d-\d\d \d\d:\d\d: ")

# What differs between failures of one cause: addresses and their venue, paths, contracts, numbers.
# The status of an answer is the cause itself.
_VARYING = re.compile(r"(\S+ )?\b(GET|POST) \S+|\S*[/=?&\\]\S*|\S+:\S+|(?<!HTTP )(?<!\S)\S*\d\S*")


def by_cause(failures: Iterable[tuple[str, str]]) -> list[tuple[list[str], str]]:
    """Return the names that failed for one cause, with the first's reason, in order.

    Parameters
    ----------
    failures : iterable of (str, str)
        Name and reason of each.

    Examples
    --------
    >>> by_cause([("A", "no answer in 3 s"), ("B", "no answer in 4 s"), ("C", "refused")])
    [(['A', 'B'], 'no answer in 3 s'), (['C'], 'refused')]
    """
    found: dict[str, tuple[list[str], str]] = {}
    for name, reason in failures:
        cause = re.sub(rf"\b{re.escape(name)}\b", "*", _LABEL.sub("", reason))
        cause = _VARYING.sub("*", cause)
        names, _ = found.setdefault(cause, ([], reason))
        if name not in names:
            names.append(name)
    return list(found.values())


def listed(names: list[str]) -> str:
    """Return some names in words; of many only the first.

    Examples
    --------
    >>> listed(["A", "B"])
    'A, B'
    """
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def said_once(messages: Iterable[str]) -> list[str]:
    """Return messages with those of one cause as one: ``what: reason`` each; others come last.

    Examples
    --------
    >>> said_once(["okx bars BTC: no answer", "okx bars ETH: no answer", "okx rates: refused"])
    ['okx bars BTC: no answer (the same: okx bars ETH)', 'okx rates: refused']
    >>> said_once(["the disk is full", "the clock is wrong"])
    ['the disk is full', 'the clock is wrong']
    """
    known = list(dict.fromkeys(messages))
    parts = (message.partition(": ") for message in known if ": " in message)
    return [
        *(
            f"{names[0]}: {reason}"
            + (f" (the same: {listed(names[1:])})" if len(names) > 1 else "")
            for names, reason in by_cause((what, reason) for what, _, reason in parts)
        ),
        *(message for message in known if ": " not in message),
    ]
