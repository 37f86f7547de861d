"""Files of a home that cannot be used are refused before any work, not once an hour is built."""

from datetime import UTC, datetime

import pytest

from jobs.configuration import check_configuration, has_usable_rules
from jobs.hourly import run_hour
from jobs.settings import Settings
from quality.errors import ThresholdsRejected
from sources.errors import InputRejected

AS_OF = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def settings(tmp_path):
    return Settings(home=tmp_path)


@pytest.mark.parametrize(
    ("name", "text", "error", "message"),
    [
        ("quality_thresholds.yaml", "bar_coverage: {level: 1}", InputRejected, "unknown key"),
        ("quality_thresholds.yaml", "bar_cover: {soft: 1}", ThresholdsRejected, "bar_coverage"),
        ("symbols.yaml", "okx: X", InputRejected, "name venue and contract"),
        ("estimators/mine.yaml", "bass: turnover", Exception, "mine.yaml"),
    ],
)
def test_a_run_refuses_it_before_it_loads_anything(settings, name, text, error, message):
    path = settings.home / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    with pytest.raises(error, match=message):
        check_configuration(settings)
    with pytest.raises(error, match=message):
        run_hour(settings, as_of=AS_OF)
    assert not settings.warehouse.exists()
    assert not (settings.home / "runs").exists()


def test_a_home_without_files_is_fine(settings):
    check_configuration(settings)
    assert has_usable_rules(settings)


def test_errors_in_alert_rules_are_reported_and_stop_nothing(settings, caplog):
    settings.alerts_file.write_text("rulse: []")
    assert not has_usable_rules(settings)
    assert "nearest known key is 'rules'" in caplog.text
    check_configuration(settings)
