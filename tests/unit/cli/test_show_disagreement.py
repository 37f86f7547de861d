"""`liqheat disagreement` on the small market."""

import csv
import io


def test_a_side_that_is_none_is_wrong_usage(run):
    assert "none of long, short, both" in run("disagreement", "btc", "--side", "up", code=2).stderr


def test_disagreement_lists_every_pair_and_explains_the_whole(run):
    output = run("disagreement", "btc").stdout
    rows = list(csv.DictReader(io.StringIO(run("disagreement", "btc", "--format", "csv").stdout)))
    providers = {row["provider_a"] for row in rows} | {row["provider_b"] for row in rows}
    assert {"turnover", "public_convention", "simulated_truth"} <= providers
    assert len(rows) == len(providers) * (len(providers) - 1) // 2
    assert {row["venue"] for row in rows} == {"all"}
    assert all(provider in output for provider in providers)
    assert "distance from price (leverage assumed)" in " ".join(output.split())


def test_other_venues_that_are_compared_are_named(run):
    assert "--venue sim_alpha, sim_gamma" in run("disagreement", "btc").stdout
    output = run("disagreement", "btc", "--venue", "sim_alpha", "--side", "long").stdout
    assert "longs, sim_alpha" in output
