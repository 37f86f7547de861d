"""The panel of two providers, against the published rows of the pair."""

import math

import pytest
from workbench import END

from web.panels.providers_panel import pair_sentences, read_providers

PAIR = """
select * from marts.provider_disagreement_hourly
where asset = 'BTC' and venue = 'all' and as_of = $as_of and provider_a = $a and provider_b = $b
"""


@pytest.fixture
def pair(ask, published):
    rows = ask(published, PAIR, {"as_of": END, "a": "public_convention", "b": "turnover"})
    return {row["side"]: row for row in rows}


def test_a_pair_is_shown_with_its_measures(given, published, pair):
    panel = given(published, read_providers, provider="turnover", compare="public_convention")
    assert (panel.first, panel.second) == ("turnover", "public_convention")
    measures = {one.name: one for one in panel.measures}
    for side, row in pair.items():
        assert getattr(measures["share"], side) == f"{100 * row['overlap_ratio']:.0f} %"
        assert getattr(measures["reach"], side) == f"{100 * row['reach_ratio']:.0f} %"
        assert getattr(measures["moved by"], side) == f"{row['wasserstein_bps'] / 100:.1f} %"
        assert getattr(measures["peaks"], side) == f"{row['peak_distance_bps'] / 100:.1f} %"


def test_size_is_said_the_same_whichever_is_named_first(pair):
    factor = math.exp(abs(pair["both"]["scale_log_ratio"]))
    larger = "public_convention" if pair["both"]["scale_log_ratio"] > 0 else "turnover"
    for names in (("turnover", "public_convention"), ("public_convention", "turnover")):
        assert pair_sentences(pair, *names)[0].startswith(
            f"Size: {larger} holds {factor:.2g} times"
        )


def test_maps_of_another_unit_have_no_size_to_compare(pair):
    both = {**pair["both"], "scale_log_ratio": None, "unit_b": "relative"}
    said = pair_sentences({**pair, "both": both}, "turnover", "public_convention")
    assert said[0].startswith("Size cannot be compared: public_convention counts standing, usd")
    assert "relative" in said[0]
    assert said[1].startswith("Shape: they share ")


def test_a_map_without_shape_is_not_compared(pair):
    both = {**pair["both"], "is_comparable": False, "reason": "turnover has no mass in range"}
    said = pair_sentences({"both": both}, "turnover", "public_convention")
    assert said == [
        "turnover and public_convention cannot be compared: turnover has no mass in range."
    ]


def test_without_a_second_provider_the_least_alike_is_shown(given, published, ask):
    panel = given(published, read_providers, provider="turnover")
    (least,) = ask(
        published,
        "select if(provider_a = 'turnover', provider_b, provider_a) as other, "
        "from marts.provider_disagreement_hourly where asset = 'BTC' and venue = 'all' "
        "and as_of = $at and side = 'both' and 'turnover' in (provider_a, provider_b) "
        "order by overlap_ratio limit 1",
        {"at": END},
    )
    assert panel.second == least["other"]


def test_all_pairs_are_a_matrix_that_mirrors_itself(given, published):
    panel = given(published, read_providers, provider="turnover")
    cells = [[cell.text for cell in row.cells] for row in panel.rows]
    assert [row.provider for row in panel.rows] == list(panel.names)
    assert cells == [list(column) for column in zip(*cells, strict=True)]
    assert all(cells[at][at] == "" for at in range(len(cells)))
    assert sum(cell.is_shown for row in panel.rows for cell in row.cells) == 2


def test_a_figure_of_the_matrix_links_to_its_pair(fragment, published):
    found = fragment(published, "providers", provider="turnover", days=3)
    links = [attributes["href"] for attributes in found.all("a")]
    assert any(
        "provider=public_convention" in link and "compare=turnover" in link for link in links
    )
    assert all("days=3" in link and "panel=providers" in link for link in links)


def test_shapes_are_shares_of_each_map(given, published):
    panel = given(published, read_providers, provider="turnover", compare="public_convention")
    assert "Below price: turnover" in panel.shapes
    assert "style=" not in panel.shapes


def test_without_two_maps_there_are_words(fragment, changed_file):
    none = changed_file("delete from marts.provider_disagreement_hourly")
    words = fragment(none, "providers").text
    assert "no two maps of BTC are published up to this hour" in words
    assert "liqheat providers" in words


def test_the_consensus_is_compared_with_nothing_and_others_are_shown(given, published):
    panel = given(published, read_providers, provider="consensus")
    assert panel.first in panel.names
    assert panel.first != "consensus"
