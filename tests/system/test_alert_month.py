"""Days replayed hour by hour fire where plain SQL says, and nowhere else."""

from workbench.alert_month import (
    BEGUN,
    fired_alerts,
    month_rules,
    oracle,
    replay,
    simulated_days,
)

from jobs.alerts.ledger import AlertLedger

HOURS = 34


def test_every_kind_of_rule_fires_where_plain_sql_says(tmp_path):
    with simulated_days(HOURS) as connection, AlertLedger(tmp_path / "alerts.sqlite") as ledger:
        replay(connection, ledger, range(HOURS))
        expected = oracle(connection)
        assert {rule for rule, *_ in expected} == {rule.name for rule in month_rules().rules}
        assert fired_alerts(ledger) == expected
        assert not any(one.correction_count for one in ledger.alerts(BEGUN))


def test_runs_that_were_missed_change_nothing(tmp_path):
    with simulated_days(25) as connection, AlertLedger(tmp_path / "alerts.sqlite") as ledger:
        replay(connection, ledger, [0, 1, 1, 12, 12, 24])
        assert fired_alerts(ledger) == oracle(connection)
