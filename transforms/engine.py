"""Runs any estimator over the bars of a series.

Belongs here: the one function that runs an estimator, where its series starts, and when its maps
are in warm-up. Does not belong here: what an estimator assumes (``estimators``), and how a state
moves over bars (``density``, ``volume_profile``).

How callers use the model, whatever the estimator::

    from transforms.engine import run
    from transforms.estimators import ESTIMATORS
    from transforms.ladders import default_brackets
    from transforms.series import Bars
    from transforms.state import State

    state, outputs = run(
        ESTIMATORS["turnover"],      # EstimatorParameters
        bars,                        # series.Bars: one series, open interest filled
        emit_after,                  # int64 (n_emits,): write a map after this bar of `bars`
        brackets=default_brackets("BTC"),   # margin.Brackets in force over these bars
        contract_kind="linear",      # or "inverse"
        state=None,                  # or the State of the call before
    )
    payload = state.to_bytes()       # checkpoint
    state = State.from_bytes(payload)

``emit_after`` is non-decreasing. -1 means before the first bar of this call (an hour without bars
at the head: the state as it was handed in); the same bar may be named several times (hours without
bars in between). Counters of an instant cover what happened since the instant before it, also
across calls: they are part of the state. Results do not depend on how bars are split into calls.

Brackets that change in time: call once per stretch and hand the state on; positions already open
keep their liquidation prices, positions opened later get the changed ones.
"""

import functools
import math

import numpy as np
import numpy.typing as npt

from transforms import accounting, density, volume_profile
from transforms.errors import InvalidInput
from transforms.estimators import EstimatorParameters, taker_and_maker_weights
from transforms.margin import Brackets, fold_tiers, tier_log_offsets
from transforms.series import Bars, ContractKind, FloatArray, Outputs, checked_bar_indices
from transforms.state import State


def run(
    parameters: EstimatorParameters,
    bars: Bars,
    emit_after: npt.ArrayLike,
    *,
    brackets: Brackets,
    contract_kind: ContractKind = "linear",
    state: State | None = None,
    n_by_tier: int = 0,
) -> tuple[State, Outputs]:
    """Return the state after the bars, and the maps at some instants.

    Parameters
    ----------
    parameters : EstimatorParameters
        Estimator to run.
    bars : Bars
        Bars of one series that follow those the state has seen; may be empty.
    emit_after : array_like of int, shape (n_emits,)
        Index of the bar after which each instant lies, never decreasing; -1 for an instant before
        the first bar of this call. One bar may be named several times.
    brackets : Brackets
        Margin brackets in force over these bars. Where they change, call once per stretch.
    contract_kind : {'linear', 'inverse'}
        Kind of contract: quantities are units of the asset, or USD.
    state : State or None
        State that the call before returned; None starts the series.
    n_by_tier : int
        How many of the instants, the last ones, also get a map by tier.

    Returns
    -------
    state : State
        To be handed to the next call. The argument is left as it was.
    outputs : Outputs
        One entry per instant.

    Raises
    ------
    InvalidInput
        If the state belongs to other parameters, or an instant lies outside the bars or before
        the first bar of the series.

    Examples
    --------
    >>> from transforms.estimators import ESTIMATORS
    >>> seven = np.full(2, 7.0)
    >>> bars = Bars(*[seven] * 9, seven < 0, seven < 0, bar_seconds=300)
    >>> brackets = Brackets.from_ratios([0.0], [0.005], [125.0])
    >>> state, outputs = run(ESTIMATORS["open_interest"], bars, [1], brackets=brackets)
    >>> outputs.unlevered_base.round(6).tolist()
    [[0.7, 0.7]]
    """
    n_before = 0 if state is None else state.bar_count
    instants = checked_bar_indices(emit_after, bars, "emit_after", "an instant", n_before)
    if state is None:
        state = State.empty(parameters.n_state_rows, parameters.params_hash)
    elif state.params_hash != parameters.params_hash:
        raise InvalidInput(
            f"state belongs to parameters {state.params_hash[:12]}, {parameters.provider} is "
            f"{parameters.params_hash[:12]}: replay the series from its first bar"
        )
    assumed = density_parameters(parameters, brackets, contract_kind)
    change = np.diff(bars.open_interest, prepend=state.open_interest)
    is_violation = accounting.is_violation(bars.volume, change, bars.has_gap_before)
    if parameters.model == "volume_profile":
        half_life_bars = _half_life_bars(parameters, bars)
        return volume_profile.advance(
            state, bars, instants, is_violation, half_life_bars, assumed, n_by_tier
        )
    opened, closed = accounting.opens_and_closes(bars.volume, change, parameters.turnover_ratio)
    flows = density.Flows(opened, closed, is_violation)
    return density.advance(state, bars, instants, flows, assumed, n_by_tier)


def start_state(
    parameters: EstimatorParameters,
    bars: Bars,
    *,
    brackets: Brackets,
    contract_kind: ContractKind = "linear",
) -> State:
    """Return the state from which a series starts where bars before its open interest are known.

    The first open interest of a series was opened before it: at prices nobody saw, if not in
    these bars. So it is spread over their volume, which decays with ``volume_half_life_days``,
    less what price has reached since. It is start-up mass all the same.

    Parameters
    ----------
    parameters : EstimatorParameters
        Estimator.
    bars : Bars
        Bars right before the first one with open interest, not longer ago than a volume profile
        reaches; their open interest is not used.
    brackets : Brackets
        Margin brackets in force at the start.
    contract_kind : {'linear', 'inverse'}
        Kind of contract.

    Returns
    -------
    State
        To be handed to the first call of ``run``.

    Examples
    --------
    >>> from transforms.estimators import ESTIMATORS
    >>> seven = np.full(2, 7.0)
    >>> bars = Bars(*[seven] * 9, seven < 0, seven < 0, bar_seconds=300)
    >>> brackets = Brackets.from_ratios([0.0], [0.005], [125.0])
    >>> state = start_state(ESTIMATORS["turnover"], bars.part(0, 1), brackets=brackets)
    >>> state, outputs = run(
    ...     ESTIMATORS["turnover"], bars.part(1, 2), [0], brackets=brackets, state=state
    ... )
    >>> outputs.start_up_ratio.round(6).tolist(), float(outputs.books_error.max()) < 1e-12
    ([[1.0, 1.0]], True)
    """
    state = State.empty(parameters.n_state_rows, parameters.params_hash)
    half_life_bars = _half_life_bars(parameters, bars)
    assumed = density_parameters(parameters, brackets, contract_kind)
    if parameters.model == "volume_profile":
        return volume_profile.lay_trail(state, bars, half_life_bars, assumed)
    # As much as is left at the first bar of the series, which places its whole volume.
    opened = bars.volume * 0.5 ** (np.arange(len(bars), 0, -1) / half_life_bars)
    return density.lay_trail(state, bars, opened, assumed)


def _half_life_bars(parameters: EstimatorParameters, bars: Bars) -> float:
    """Return the half-life of the trailing volume profile [bars]."""
    return parameters.volume_half_life_days * 86_400.0 / bars.bar_seconds


def is_warm_up(
    parameters: EstimatorParameters, outputs: Outputs, age_days: FloatArray
) -> npt.NDArray[np.bool_]:
    """Return at which instants too much of a map hangs on the start of its series.

    Where positions are followed that is measured: more than ``warm_up_start_up_ratio`` of a side
    within the published bins is start-up mass. A volume profile forgets by the clock, so its
    warm-up goes by age.

    Parameters
    ----------
    parameters : EstimatorParameters
        Estimator.
    outputs : Outputs
        What it made.
    age_days : ndarray of float64, shape (n_emits,)
        Time from the first bar to each instant [days].

    Returns
    -------
    ndarray of bool, shape (n_emits,)
        True while in warm-up.

    Examples
    --------
    >>> from transforms.estimators import ESTIMATORS
    >>> seven = np.full(2, 7.0)
    >>> bars = Bars(*[seven] * 9, seven < 0, seven < 0, bar_seconds=300)
    >>> brackets = Brackets.from_ratios([0.0], [0.005], [125.0])
    >>> _, outputs = run(ESTIMATORS["turnover"], bars, [1], brackets=brackets)
    >>> is_warm_up(ESTIMATORS["turnover"], outputs, np.array([400.0])).tolist()
    [True]
    """
    if parameters.model == "volume_profile":
        return age_days < parameters.warm_up_days
    largest = outputs.start_up_in_range_ratio.max(axis=1)
    return np.asarray(largest > parameters.warm_up_start_up_ratio)


@functools.lru_cache(maxsize=1024)
def density_parameters(
    parameters: EstimatorParameters, brackets: Brackets, contract_kind: ContractKind
) -> density.DensityParameters:
    """Return an estimator's parameters as arrays; a replay needs the same ones call after call.

    Parameters
    ----------
    parameters : EstimatorParameters
        Estimator.
    brackets : Brackets
        Margin brackets of the instrument.
    contract_kind : {'linear', 'inverse'}
        Kind of contract.

    Returns
    -------
    DensityParameters
        Weights of tiers above the maximum leverage are folded into the highest allowed one.

    Examples
    --------
    >>> from transforms.estimators import ESTIMATORS
    >>> brackets = Brackets.from_ratios([0.0], [0.01], [50.0])
    >>> assumed = density_parameters(ESTIMATORS["turnover"], brackets, "linear")
    >>> assumed.weights[0].round(6).tolist()
    [0.02, 0.24, 0.185, 0.13, 0.093, 0.083, 0.149, 0.0, 0.0, 0.1]
    """
    if contract_kind not in ("linear", "inverse"):
        raise InvalidInput(f"contract_kind is {contract_kind!r}, expected 'linear' or 'inverse'")
    bracket = int(brackets.bracket_of(parameters.reference_position_usd))
    target = fold_tiers(parameters.leverages, float(brackets.max_leverage[bracket]))
    plain = np.array([*parameters.weights, parameters.unlevered_share])
    unfolded = np.stack([plain, *taker_and_maker_weights(parameters)])
    weights = np.zeros_like(unfolded)
    for tier, folded in enumerate(target.tolist()):
        weights[:, folded] += unfolded[:, tier]
    weights[:, -1] = unfolded[:, -1]
    half_lives = np.array([*parameters.half_lives_days, parameters.unlevered_half_life_days])
    return density.DensityParameters(
        log_offsets=tier_log_offsets(
            parameters.leverages, brackets, parameters.reference_position_usd, contract_kind
        ),
        weights=weights,
        hazards=math.log(2.0) / half_lives,
        entry_weights=np.array(parameters.entry_weights),
        uses_mark=parameters.clearing_price == "mark",
        uses_taker=parameters.taker_leverage_exponent > 0.0,
        is_inverse=contract_kind == "inverse",
    )
