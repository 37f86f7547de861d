"""Rate limits as venues document them: rolling windows of weighted requests.

Belongs here: counting. Does not belong here: which call costs what (`dialects`), nor the words of
a refusal.
"""

from collections import deque
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Budget:
    """A documented limit: so much weight within so many seconds, per address and scope.

    Parameters
    ----------
    scope : str
        ``venue`` counts all calls that name the budget together, ``endpoint`` each endpoint by
        itself, ``instrument`` each endpoint and symbol.
    """

    seconds: float
    weight: float
    scope: str = "venue"


@dataclass(slots=True)
class _Window:
    spent: deque[tuple[float, float]] = field(default_factory=deque)
    total: float = 0.0

    def expire(self, before: float) -> None:
        while self.spent and self.spent[0][0] <= before:
            self.total -= self.spent.popleft()[1]


class Ledger:
    """What has been spent of the budgets of one venue.

    Examples
    --------
    >>> ledger = Ledger({"ip": Budget(seconds=10, weight=2)})
    >>> [ledger.spend(0.0, "ip", "candles", "", 1.0) for _ in range(3)]
    [0.0, 0.0, 10.0]
    >>> ledger.spend(10.5, "ip", "candles", "", 1.0)
    0.0
    """

    def __init__(self, budgets: dict[str, Budget]) -> None:
        self.budgets = budgets
        self._windows: dict[tuple[str, ...], _Window] = {}
        self._offered: dict[tuple[str, ...], _Window] = {}
        self.refused = 0
        # Most that clients sent within any window of each budget, what was refused included.
        self.peaks: dict[str, float] = dict.fromkeys(budgets, 0.0)

    def _key(self, name: str, endpoint: str, symbol: str) -> tuple[str, ...]:
        scope = self.budgets[name].scope
        key: tuple[str, ...] = (name,)
        if scope in ("endpoint", "instrument"):
            key += (endpoint,)
        if scope == "instrument":
            key += (symbol,)
        return key

    def _window(self, name: str, endpoint: str, symbol: str) -> _Window:
        return self._windows.setdefault(self._key(name, endpoint, symbol), _Window())

    def _note(self, at: float, name: str, endpoint: str, symbol: str, weight: float) -> None:
        """Count what a client sent, whether or not it is granted."""
        window = self._offered.setdefault(self._key(name, endpoint, symbol), _Window())
        window.expire(at - self.budgets[name].seconds)
        window.spent.append((at, weight))
        window.total += weight
        self.peaks[name] = max(self.peaks[name], window.total)

    def spend(
        self,
        at: float,
        name: str,
        endpoint: str,
        symbol: str,
        weight: float,
        *,
        factor: float = 1.0,
    ) -> float:
        """Charge a call and return 0, or the seconds until it would fit, if it does not.

        `factor` scales the documented limit, for a venue that changed it unannounced.
        """
        budget = self.budgets[name]
        self._note(at, name, endpoint, symbol, weight)
        window = self._window(name, endpoint, symbol)
        window.expire(at - budget.seconds)
        if window.total + weight > budget.weight * factor:
            self.refused += 1
            return window.spent[0][0] + budget.seconds - at if window.spent else budget.seconds
        window.spent.append((at, weight))
        window.total += weight
        return 0.0

    def charge(self, at: float, name: str, endpoint: str, symbol: str, weight: float) -> None:
        """Charge without asking: weight that is known only with the answer."""
        self._note(at, name, endpoint, symbol, weight)
        window = self._window(name, endpoint, symbol)
        window.spent.append((at, weight))
        window.total += weight

    def used(self, at: float, name: str, endpoint: str = "", symbol: str = "") -> float:
        """Return what is spent of a budget within its window."""
        window = self._window(name, endpoint, symbol)
        window.expire(at - self.budgets[name].seconds)
        return window.total
