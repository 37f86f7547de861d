"""A user's own estimators: read from YAML, refused with reasons, built and published like ours."""

import re
import shutil
from pathlib import Path

import pytest
from workbench import END, START, workshop

from jobs.build.estimator_choice import RESERVED_NAMES, configured_estimators, read_estimator
from jobs.errors import EstimatorRejected
from jobs.pipeline import build_maps, load
from jobs.publish.publish import publish
from jobs.read.query import query
from jobs.settings import Settings
from transforms.estimators import ESTIMATORS

DOCUMENTED = Path(__file__).parents[4] / "docs" / "estimators.md"


@pytest.fixture
def settings(tmp_path):
    settings = Settings(home=tmp_path, threads=1)
    settings.estimators.mkdir()
    return settings


def write(settings, text, name="mine.yaml"):
    path = settings.estimators / name
    path.write_text(text)
    return path


def test_without_files_the_shipped_ones_run(tmp_path):
    assert configured_estimators(Settings(home=tmp_path)) == tuple(ESTIMATORS.values())


def test_a_file_begins_from_a_shipped_estimator(settings):
    write(
        settings,
        "provider: calm\nbase: open_interest\nunlevered_share: 0.1\nclearing_price: last\n",
    )
    mine = configured_estimators(settings)[-1]
    assert mine.provider == "calm"
    assert mine.clearing_price == "last"
    assert mine.turnover_ratio == ESTIMATORS["open_interest"].turnover_ratio
    assert mine.params_hash not in {each.params_hash for each in ESTIMATORS.values()}


def test_files_come_by_name(settings):
    write(settings, "provider: second", "b.yml")
    write(settings, "provider: first", "a.yaml")
    assert [each.provider for each in configured_estimators(settings)[-2:]] == ["first", "second"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds NoneType, expected names and values"),
        ("- provider", "holds list"),
        ("provider: [", "no valid YAML"),
        ("turnover_ratio: 0.5", "has no provider"),
        ("provider: mine\nturnover: 0.5", "unknown fields turnover; known are base, provider"),
        ("provider: mine\nturnover_ratio: lots", "turnover_ratio is 'lots', expected a number"),
        ("provider: mine\nturnover_ratio: 2", "turnover_ratio is 2.0, expected a share"),
        ("provider: mine\nbase: theirs", "no estimator 'theirs'; shipped are open_interest"),
        ("provider: My Map", "lower case letters, digits and underscores"),
        ("provider: mine\nleverages: [5, 10]", "weights"),
        ("provider: mine\nclearing_price: index", "one of mark, last"),
        ("provider: turnover", "provider turnover is taken.*base: turnover"),
        ("provider: consensus", "provider consensus is taken"),
    ],
)
def test_a_file_that_describes_none_is_refused_by_name(settings, text, message):
    path = write(settings, text)
    with pytest.raises(EstimatorRejected, match=f"{re.escape(str(path))}: .*{message}"):
        configured_estimators(settings)


def test_bytes_that_are_no_text_are_refused(settings):
    path = settings.estimators / "mine.yaml"
    path.write_bytes(b"provider: \xff\xfe")
    with pytest.raises(EstimatorRejected, match="byte 10 is not UTF-8"):
        configured_estimators(settings)


def test_two_files_of_one_name_are_refused(settings):
    write(settings, "provider: mine", "a.yaml")
    write(settings, "provider: mine", "b.yaml")
    with pytest.raises(
        EstimatorRejected, match=r"b\.yaml: provider mine is described in .*a\.yaml"
    ):
        configured_estimators(settings)


def test_names_of_others_are_reserved():
    assert {"turnover", "consensus", "hyperliquid_positions"} <= set(RESERVED_NAMES)


def test_it_is_built_compared_and_published_like_ours(settings, market_records):
    write(settings, "provider: mine\nturnover_ratio: 1.0\n")
    with workshop(settings.home) as shop:
        for kind in ("instrument", "ohlcv", "mark_ohlc", "open_interest"):
            shop.land(kind, market_records[kind].slice(0, 6000), f"market-{kind}")
    load(settings)
    until = START + (END - START) / 2
    build_maps(settings, as_of=until)
    publish(settings, as_of=until)

    def select(sql):
        with query(settings, sql) as answer:
            return list(answer.rows)

    assert select(
        "select count(*) > 0 from marts.liquidation_heatmap_hourly where provider = 'mine'"
    )
    others = select(
        "select distinct provider_b from marts.provider_disagreement_hourly "
        "where provider_a = 'mine' and overlap_ratio < 1"
    )
    assert {name for (name,) in others} >= {"turnover"}
    ((band_count,),) = select(
        "select count(*) from marts.liquidation_bands_hourly where provider = 'mine'"
    )
    assert band_count > 0
    ((value, reason),) = select(
        "select value, reason from marts.estimator_parameters "
        "where provider = 'mine' and parameter = 'turnover_ratio'"
    )
    assert (value, reason) == ("1", "chosen by whoever defined this estimator")


def test_the_documented_example_is_an_estimator(settings):
    (example,) = re.findall(r"```yaml\n(.*?)```", DOCUMENTED.read_text(), re.DOTALL)
    mine = read_estimator(write(settings, example))
    assert mine.provider not in RESERVED_NAMES
    shutil.rmtree(settings.estimators)
