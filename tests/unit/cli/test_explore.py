"""Plots, and what commands say where there is nothing to show."""

import pytest


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("bands", "nope"), "no bands of NOPE by turnover on all are published; there are: BTC"),
        (("bands", "btc", "--provider", "nobody"), "turnover on all"),
        (("bands", "btc", "--as-of", "2020-01-01"), "no bands of BTC"),
        (("plot", "nope"), "no map of NOPE by turnover on all is published; there are: BTC"),
        (("plot", "btc", "--provider", "nobody"), "turnover on all"),
        (("disagreement", "nope"), "no two maps of NOPE"),
        (("disagreement", "btc", "--venue", "nowhere"), "there are of all"),
        (("assumptions", "btc"), "run `liqheat vary`"),
        (("assumptions", "btc", "--provider", "path_ledger"), "marts.estimator_parameters"),
        (
            ("plot", "btc", "--compare", "--venue", "nowhere"),
            "fewer than two providers have a map of BTC",
        ),
    ],
)
def test_what_is_not_there_is_said_with_what_is(run, words, message):
    assert message in run(*words, code=1).stderr


def test_plot_compares_in_one_page(run, tmp_path):
    page = tmp_path / "compared.html"
    run("plot", "btc", "--compare", "--output", str(page))
    text = page.read_text()
    assert "map by map" in text
    assert "public convention" in text
    assert "<script src=" not in text
