"""Targets that alerts are sent to."""

import pytest
from standin.alert_target import AlertTarget


@pytest.fixture
def phone():
    """A target without a secret."""
    with AlertTarget() as standin:
        yield standin
