"""`liqheat providers` on the small market."""

import json


def test_providers_say_who_from_where_in_what_and_how_much(run):
    rows = json.loads(run("providers", "--format", "json").stdout)
    by_name = {row["provider"]: row for row in rows}
    truth = by_name["simulated_truth"]
    assert (truth["unit"], truth["semantics"]) == ("usd", "standing")
    assert truth["observed_ratio"] > 0.5
    assert by_name["turnover"]["from"] == "estimator: density"
    assert by_name["turnover"]["covered_ratio"] is None
    output = run("providers").stdout
    assert "covers" in output
    assert "standing, usd" in output
