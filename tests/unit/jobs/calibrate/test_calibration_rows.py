"""Rows of parameters say in words what each status says."""

from jobs.calibrate.calibration_rows import _PARAMETER_REASONS
from jobs.calibrate.fit_models import FIT_REASONS
from transforms.calibration.fit_status import FitStatus, ParameterStatus


def test_every_status_has_its_words():
    assert set(_PARAMETER_REASONS) == set(ParameterStatus)
    assert set(FIT_REASONS) == set(FitStatus) - {FitStatus.FITTED}
