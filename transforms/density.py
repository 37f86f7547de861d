"""The density model: from bars to what stands at which price, by a recursion over bars.

Belongs here: the compiled kernel that moves a state over bars and writes maps.
Does not belong here: parameters (``estimators``), liquidation prices (``margin``), the flows of a
bar (``accounting``), containers (``series``).

How callers use the model, whatever the estimator::

    from transforms.estimators import ESTIMATORS, run
    from transforms.margin import default_brackets
    from transforms.series import Bars, State

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

Brackets that change in time: call once per stretch and hand the state on; positions already
standing keep their liquidation prices, positions opened later get the changed ones.
"""
