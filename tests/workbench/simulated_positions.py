"""Positions of the simulated market, drawn at random."""

from hypothesis import strategies as st

from sources.simulated.positions import LONG, SHORT

A_POSITION = {
    "is_inverse": st.booleans(),
    "side": st.sampled_from([LONG, SHORT]),
    "entry": st.floats(1e-4, 1e6),
    "leverage": st.floats(1.5, 100.0),
    "margin_ratio": st.floats(0.0, 0.009),
}
