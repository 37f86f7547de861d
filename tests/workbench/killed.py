"""What killing came to, however it was done.

Belongs here: what all kinds of kills count. Does not belong here: whom a kill hits and what is
checked afterwards (`workbench.kills`, `workbench.lake_kills`, `workbench.alert_kills`,
`workbench.position_kills`).
"""

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class Killed:
    """What killing came to.

    Parameters
    ----------
    kills : Counter
        Processes that were killed at work, by what they were or did.
    differences : list of str
        What the home that was disturbed should not hold, or should and does not.
    seconds : float
        Wall clock.
    """

    kills: Counter[str] = field(default_factory=Counter)
    differences: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def is_whole(self) -> bool:
        """Whether nothing was lost, doubled or changed."""
        return not self.differences
