"""Hours, days, and instants as numpy and Arrow hold them: int64 microseconds since 1970, UTC."""

from datetime import UTC, datetime, timedelta

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)

SECOND_MICROSECONDS = 1_000_000
HOUR_MICROSECONDS = 3600 * SECOND_MICROSECONDS
DAY_MICROSECONDS = 24 * HOUR_MICROSECONDS

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def to_microseconds(instant: datetime) -> int:
    """Return an instant in microseconds since 1970."""
    return (instant - _EPOCH) // timedelta(microseconds=1)


def to_instant(microseconds: int) -> datetime:
    """Return the instant of some microseconds since 1970."""
    return _EPOCH + timedelta(microseconds=microseconds)


BEGINNING = to_microseconds(datetime(1990, 1, 1, tzinfo=UTC))
"""Earlier than any bar, for "from the beginning" [microseconds]."""
