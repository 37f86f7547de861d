"""What a state of an account changes: whether it is believed, and which positions changed how.

Belongs here: one held state against one received. Does not belong here: reading an answer
(`sources.accounts.states`), keeping states (`jobs.positions.account_book`).
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from sources.accounts.states import AccountPosition, AccountState

# Sizes have eight decimals at most: anything smaller is rounding.
_QUANTITY_TOLERANCE = 1e-9
MOVED_RATIO = 0.005
"""Change of a liquidation price from which it counts as moved."""
# Funding is paid from isolated margin: hourly, and below these over half a day.
_MARGIN_RATIO = 0.05
_MARGIN_OF_VALUE_RATIO = 0.0005


class StateVerdict(StrEnum):
    """Whether a state replaces the held one."""

    believed = "believed"
    older = "older"
    unconfirmed = "unconfirmed"


@dataclass(frozen=True, slots=True)
class HeldPosition:
    """A position as last seen.

    Parameters
    ----------
    position : AccountPosition
        Its newest form.
    logged_liquidation_price : float or None
        Its liquidation price in the last logged change [USD per asset unit].
    """

    position: AccountPosition
    logged_liquidation_price: float | None


@dataclass(frozen=True, slots=True)
class HeldState:
    """The last believed state of an account on one dex.

    Parameters
    ----------
    observed_at : int
        Its instant, by our clock at the latest [microseconds since 1970].
    positions : mapping of str to HeldPosition
        By coin.
    """

    observed_at: int
    positions: Mapping[str, HeldPosition]


@dataclass(frozen=True, slots=True)
class PositionChange:
    """One change of one position.

    Parameters
    ----------
    change : str
        As ``raw.account_position`` names it.
    position : AccountPosition
        After it; of one that was closed, as last seen.
    quantity : float
        After it [asset units]; 0 of one that was closed.
    previous : AccountPosition or None
        Before it.
    """

    change: str
    position: AccountPosition
    quantity: float
    previous: AccountPosition | None


def judge_state(
    held: HeldState | None, state: AccountState, observed_at: int, now: int, *, was_empty: bool
) -> StateVerdict:
    """Return whether a state replaces the held one.

    A state older than the held one never does, nor one of the same instant; a held one that lies
    after the present, which a clock set back leaves behind, holds nothing up. An account that had
    positions and comes back without any is believed when a second answer agrees: all closed and an
    answer that was left empty look the same, and the second would take a map's positions with it.

    Parameters
    ----------
    held : HeldState or None
        The last believed state.
    state : AccountState
        The one received.
    observed_at, now : int
        Its instant, and the present [microseconds since 1970].
    was_empty : bool
        Whether the answer before it was as empty.
    """
    if held is None:
        return StateVerdict.believed
    if observed_at <= held.observed_at <= now:
        return StateVerdict.older
    if held.positions and is_empty(state) and not was_empty:
        return StateVerdict.unconfirmed
    return StateVerdict.believed


def is_empty(state: AccountState) -> bool:
    """Return whether a state has no positions, not even unreadable ones."""
    return not state.positions and not state.faults


def standing_positions(held: HeldState | None, state: AccountState) -> tuple[AccountPosition, ...]:
    """Return the positions after a state: one that could not be read stays as it was held."""
    if not state.faults or held is None:
        return state.positions
    known = {one.coin for one in state.positions}
    return (*state.positions, *(_kept(held, state, known)))


def _kept(held: HeldState, state: AccountState, known: set[str]) -> Iterator[AccountPosition]:
    """Yield held positions that a state with faults does not mention, or not readably."""
    broken = {fault.coin for fault in state.faults}
    for coin, one in held.positions.items():
        if coin not in known and (None in broken or coin in broken):
            yield one.position


def changes_between(
    held: HeldState | None, positions: tuple[AccountPosition, ...]
) -> Iterator[PositionChange]:
    """Yield the changes from the held state to the positions of the next.

    Parameters
    ----------
    held : HeldState or None
        The last believed state; None for an account never seen.
    positions : tuple of AccountPosition
        Those of the next state, at most one a coin.
    """
    earlier = {} if held is None else held.positions
    for position in positions:
        before = earlier.get(position.coin)
        if before is None:
            change = "first" if held is None else "opened"
            yield PositionChange(change, position, position.quantity, None)
            continue
        kind = _kind_of_change(before, position)
        if kind is not None:
            yield PositionChange(kind, position, position.quantity, before.position)
    standing = {position.coin for position in positions}
    for coin, gone in earlier.items():
        if coin not in standing:
            yield PositionChange("closed", gone.position, 0.0, gone.position)


def _kind_of_change(before: HeldPosition, now: AccountPosition) -> str | None:
    """Return how a position changed; None where it is the same."""
    was = before.position
    if now.side != was.side:
        return "flipped"
    if abs(now.quantity - was.quantity) > _QUANTITY_TOLERANCE * max(now.quantity, was.quantity):
        return "increased" if now.quantity > was.quantity else "reduced"
    if _is_margined_otherwise(was, now):
        return "leverage_changed"
    if now.is_cross is False and _has_own_margin_changed(was, now):
        return "margin_changed"
    if _has_moved(before.logged_liquidation_price, now.liquidation_price):
        return "moved"
    return None


def _is_margined_otherwise(was: AccountPosition, now: AccountPosition) -> bool:
    """Return whether leverage or margin mode differ; what is unknown differs from nothing."""
    is_known = not (math.isnan(was.leverage) or math.isnan(now.leverage))
    if is_known and now.leverage != was.leverage:
        return True
    return None not in (was.is_cross, now.is_cross) and now.is_cross != was.is_cross


def _has_own_margin_changed(was: AccountPosition, now: AccountPosition) -> bool:
    """Return whether isolated margin was added or taken, by more than funding and fees do.

    The venue reports margin with unrealised profit in it, which is taken out first. Where a figure
    is unknown nothing is seen.
    """
    change = abs(_paid_margin(now) - _paid_margin(was))
    value = now.quantity * now.mark_price
    return change > _MARGIN_RATIO * abs(_paid_margin(was)) and (
        change > _MARGIN_OF_VALUE_RATIO * value
    )


def _paid_margin(position: AccountPosition) -> float:
    """Return isolated margin without unrealised profit [USD]."""
    sign = 1.0 if position.side == "long" else -1.0
    profit = sign * position.quantity * (position.mark_price - position.entry_price)
    return position.margin_usd - profit


def _has_moved(logged: float | None, now: float | None) -> bool:
    if logged is None or now is None:
        return (logged is None) != (now is None)
    return abs(now / logged - 1.0) > MOVED_RATIO
