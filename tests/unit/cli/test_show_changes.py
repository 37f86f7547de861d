"""`liqheat diff` on the small market, of which one hour is corrected after it was published."""

import json
import shutil
from datetime import timedelta

import pytest
from workbench import END, HOUR, workshop
from workbench.publishing import publish_all

AT = END - 3 * HOUR


@pytest.fixture(scope="module")
def published(small_home, tmp_path_factory):
    """Return a home with a correction, and the publication before it."""
    home = tmp_path_factory.mktemp("corrected") / "home"
    shutil.copytree(small_home, home, symlinks=True)
    with workshop(home) as shop:
        before = shop.one("select publication_id from meta.publication")
        shop.connection.execute(
            "update derived.heatmap set liquidation_usd = list_transform(liquidation_usd, "
            "lambda usd: 2 * usd) where asset = 'BTC' and provider = 'turnover' "
            "and as_of in (?, ?)",
            [AT, AT + HOUR],
        )
        shop.connection.execute("insert into meta.pending_publish values (?)", [AT.date()])
        publish_all(shop)
    return home, before


@pytest.fixture
def home_of_commands(published):
    return published[0]


def test_hours_that_follow_one_another_are_one_line(run):
    output = run("diff").stdout
    assert f"{AT:%Y-%m-%d %H:%M} to {AT + HOUR:%H:%M}" in output
    assert output.count("turnover") == 1
    assert "+100.0 %  0.0 %" in output, "a map that doubled in place grew, and nothing moved"
    assert "unknown" in output
    assert "changed: BTC 2 hours." in output


def test_rows_say_by_how_much(run):
    rows = json.loads(run("diff", "btc", "--format", "json").stdout)
    assert [row["provider"] for row in rows] == ["turnover"] * 2
    for row in rows:
        assert row["map_after_usd"] == pytest.approx(2 * row["map_before_usd"])
        # All bins grow alike: nothing moves.
        assert row["moved_ratio"] == pytest.approx(0, abs=1e-9)
        assert row["near_long_change_usd"] > 0


def test_since_an_instant_or_a_publication(run, published):
    for since in (published[1][:8], published[1], f"{END + timedelta(minutes=1):%Y-%m-%dT%H:%M}"):
        assert "BTC 2 hours" in run("diff", "--since", since).stdout


def test_nothing_changed_is_an_answer(run):
    hour = f"{AT - HOUR:%Y-%m-%d %H:%M}"
    assert "nothing that readers had seen changed" in run("diff", "--to", hour).stderr
    assert json.loads(run("diff", "--to", hour, "--format", "json").stdout) == []


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nocoin"], "no asset NOCOIN is published; there are BTC"),
        (["--provider", "nobody"], "no provider nobody is published"),
        (["--since", "0123456789"], "0123456789 is no publication"),
        (["--since", "a"], "a is no publication"),
        (["--from", "2026-03-02", "--to", "2026-03-01"], "the first is after the last"),
    ],
)
def test_what_is_not_known_is_named_with_what_is(run, words, message):
    assert message in run("diff", *words, code=1).stderr


def test_other_parameters_are_no_difference_of_data(published, tmp_path, monkeypatch, run):
    home = tmp_path / "home"
    shutil.copytree(published[0], home, symlinks=True)
    with workshop(home) as shop:
        shop.connection.execute(
            "update derived.heatmap set params_hash = 'other', price = price + 1 "
            "where asset = 'BTC' and provider = 'turnover' and as_of = ?",
            [AT],
        )
        shop.connection.execute("insert into meta.pending_publish values (?)", [AT.date()])
        publish_all(shop)
    monkeypatch.setenv("LIQHEAT_HOME", str(home))
    output = run("diff", code=1).stderr
    assert "1 hour of BTC differ in the parameters of turnover" in output
    assert "--across-parameters" in output
    assert "parameters of turnover" in run("diff", "--across-parameters").stdout


def test_nothing_published(tmp_path, monkeypatch, run):
    monkeypatch.setenv("LIQHEAT_HOME", str(tmp_path))
    assert "is not there" in run("diff", code=1).stderr
