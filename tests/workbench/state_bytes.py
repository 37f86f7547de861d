"""States of models as bytes."""

import dataclasses

from numpy.testing import assert_array_equal

from transforms.ledger import LedgerState
from transforms.state import State


def assert_survives_bytes(state: State | LedgerState) -> None:
    """Assert that a state is read from its bytes as it was, bit for bit."""
    again = type(state).from_bytes(state.to_bytes())
    for field in dataclasses.fields(state):
        own, other = getattr(state, field.name), getattr(again, field.name)
        assert_array_equal(own, other, err_msg=field.name, strict=True)
    assert again.to_bytes() == state.to_bytes()
