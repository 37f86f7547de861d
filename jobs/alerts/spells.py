"""What one more hour changes about a thing that a rule watches.

Belongs here: when an alert fires and clears, as pure functions. Does not belong here: storing it
(`jobs.alerts.recording`).

A spell is a run of hours in which a condition held. It is announced once: in its first hour, or,
where the cooldown of an earlier announcement is not over, in the first hour after it in which the
condition still holds. Hours that show neither leave a spell as it is.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

LATE_HOURS = 1
"""How many hours before the newest one may still fire: most late data come within them."""

MATERIAL_RATIO = 0.25
"""A figure that moves by more than this share of the larger value is corrected by a message."""


@dataclass(frozen=True, slots=True)
class Spell:
    """The newest spell of one thing; hours are whole hours since 1970.

    Parameters
    ----------
    is_on : bool
        Whether it lasts.
    is_announced : bool
        Whether an alert fired in it.
    since_hour : int
        Its first hour.
    last_hour : int
        The last hour in which the condition held; once it is over, the hour that showed so.
    announced_hour : int or None
        Hour of the last alert about the thing, in this spell or an earlier one.
    """

    is_on: bool
    is_announced: bool
    since_hour: int
    last_hour: int
    announced_hour: int | None


@dataclass(frozen=True, slots=True)
class Step:
    """What an hour changes.

    Parameters
    ----------
    spell : Spell
        The spell after it.
    has_fired : bool
        Whether an alert fires.
    has_cleared : bool
        Whether the alert before is over.
    """

    spell: Spell
    has_fired: bool = False
    has_cleared: bool = False


def next_step(
    spell: Spell | None, hour: int, *, is_on: bool, is_event: bool, cooldown_hours: int
) -> Step | None:
    """Return what an hour after the last one of a spell changes; None where it is nothing.

    Parameters
    ----------
    spell : Spell or None
        The newest spell; None where there was none.
    hour : int
        The hour.
    is_on : bool
        Whether the condition held in it.
    is_event : bool
        Whether each hour in which it holds is a spell of its own.
    cooldown_hours : int
        Hours after an alert in which another one waits.

    Examples
    --------
    >>> first = next_step(None, 10, is_on=True, is_event=False, cooldown_hours=6)
    >>> first.has_fired
    True
    >>> second = next_step(first.spell, 11, is_on=True, is_event=False, cooldown_hours=6)
    >>> second.has_fired
    False
    >>> next_step(second.spell, 12, is_on=False, is_event=False, cooldown_hours=6).has_cleared
    True
    """
    was_on = spell is not None and spell.is_on
    if not is_on:
        if spell is None or not was_on:
            return None
        return Step(replace(spell, is_on=False, last_hour=hour), has_cleared=True)
    announced_hour = None if spell is None else spell.announced_hour
    if spell is not None and was_on and not is_event:
        since_hour, is_announced = spell.since_hour, spell.is_announced
    else:
        since_hour, is_announced = hour, False
    is_free = announced_hour is None or hour >= announced_hour + cooldown_hours
    has_fired = not is_announced and is_free
    return Step(
        Spell(
            is_on=True,
            is_announced=is_announced or has_fired,
            since_hour=since_hour,
            last_hour=hour,
            announced_hour=hour if has_fired else announced_hour,
        ),
        has_fired=has_fired,
        has_cleared=was_on and is_event,
    )


def without_alert(spell: Spell, hour: int, announced_hour: int | None) -> Spell:
    """Return a spell after the alert of an hour was withdrawn.

    A spell of that hour alone is over, and its alert delays no other.

    Parameters
    ----------
    spell : Spell
        The newest spell.
    hour : int
        Hour of the alert.
    announced_hour : int or None
        Hour of the alert before it.
    """
    if spell.since_hour == spell.last_hour == hour and spell.is_on:
        spell = replace(spell, is_on=False)
    return replace(spell, announced_hour=announced_hour) if spell.announced_hour == hour else spell


def is_covered(
    hour: int, alerts: Sequence[tuple[int, int | None]], *, is_event: bool, cooldown_hours: int
) -> bool:
    """Return whether alerts that fired leave nothing to say of an hour that later data show.

    Parameters
    ----------
    hour : int
        The hour.
    alerts : sequence of (int, int or None)
        Hour fired and hour cleared of each alert about the thing.
    is_event, cooldown_hours
        As for `next_step`.

    Examples
    --------
    >>> is_covered(9, ((10, 12),), is_event=False, cooldown_hours=0)
    True
    >>> is_covered(5, ((10, 12),), is_event=False, cooldown_hours=0)
    False
    """
    ahead = cooldown_hours if is_event else max(cooldown_hours, LATE_HOURS)
    return any(
        fired - ahead <= hour < max(fired + cooldown_hours, fired + 1)
        or fired <= hour < (hour + 1 if cleared is None else cleared)
        for fired, cleared in alerts
    )
