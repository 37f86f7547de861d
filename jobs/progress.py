"""How jobs report progress: a callable they are given, which by default does nothing."""

from collections.abc import Callable

Progress = Callable[[str, str, float], None]
"""Called with the step, the item under way, and the share of the step that is done [0-1]."""


def silent(step: str, item: str, share: float) -> None:
    """Show no progress."""
