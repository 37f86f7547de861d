"""The benchmark of the pipeline runs on small sizes; its figures are taken by hand."""

from bench.pipeline import many_series, series_year


def test_a_series_is_measured_from_landing_to_marts(tmp_path):
    figures = series_year(tmp_path, n_bars=288)
    grading = figures["series-year: part for measures of quality [s]"]
    assert 0 < grading < figures["series-year: bars to rows in marts, all of it [s]"]


def test_queries_find_what_was_published_of_many_series(tmp_path):
    figures = many_series(tmp_path, n_series=4, n_assets=2, days=1)
    assert len([name for name in figures if name.startswith("query")]) == 3
