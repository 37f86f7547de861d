"""Each check has a frame that passes it and one that fails it, and says what fails."""

import datetime as dt
import os
import re
import socket

import pandas as pd
import pytest

from quality.errors import FrameRejected, PagesNotWritten
from quality.gates import declared_gates
from quality.suites import SUITES, Check, frame_columns, suites
from quality.validation import SAMPLE_SIZE, Validation

AT = pd.Timestamp("2026-01-01T01:00:00Z")
CHECKS = suites(declared_gates())
GOOD = {
    "relation": "raw.ohlcv",
    "column_name": "close",
    "stored_type": "DOUBLE",
    "declared_type": "DOUBLE",
    "kind": "ohlcv",
    "asset": "BTC",
    "provider": "turnover",
    "as_of": AT,
    "grade": "A",
    "high": 3.0,
    "close": 2.0,
    "low": 1.0,
}


def good_frame(check):
    """Return two rows that pass a check."""
    columns = dict.fromkeys((*frame_columns(check.frame), *check.columns))
    rows = []
    for venue in ("gate", "okx"):
        row = {name: GOOD.get(name, 0.0) for name in columns}
        row |= {name: name + venue for name in ("venue", "instrument") if name in columns}
        if check.rule in ("at_least", "at_most"):
            row[check.columns[0]] = check.level
        rows.append(row)
    return pd.DataFrame(rows)


def spoiled(check, frame):
    """Return the frame with its second row failing the check."""
    frame = frame.copy()
    first = check.columns[0]
    match check.rule:
        case "at_least":
            frame.loc[1, first] = check.level - max(abs(check.level), 1.0)
        case "at_most":
            frame.loc[1, first] = check.level + max(abs(check.level), 1.0)
        case "not_null":
            frame.loc[1, first] = None
        case "unique":
            frame.loc[1, list(check.columns)] = frame.loc[0, list(check.columns)]
        case "equal":
            frame.loc[1, first] = "VARCHAR"
        case "ordered":
            frame.loc[1, first] = frame.loc[1, check.columns[1]] - 0.5
        case "one_of":
            frame.loc[1, first] = "D"
    return frame


@pytest.fixture(scope="module")
def outcomes():
    """Return what each check finds in its good and in its spoiled frame."""
    found = {}
    for number, make in enumerate((good_frame, lambda check: spoiled(check, good_frame(check)))):
        for check in CHECKS:
            (result,) = Validation().run([check], {check.frame: make(check)})
            found[check.suite, check.name, number] = result
    return found


def of(check):
    return f"{check.suite}-{check.name}"


@pytest.mark.parametrize("check", CHECKS, ids=of)
def test_a_check_passes_good_rows(check, outcomes):
    result = outcomes[check.suite, check.name, 0]
    assert result.success
    assert result.row_count == 2
    assert result.unexpected_count == 0
    assert result.sample == ()
    assert result.findings == ()


@pytest.mark.parametrize("check", CHECKS, ids=of)
def test_a_check_fails_a_bad_row_and_names_it(check, outcomes):
    result = outcomes[check.suite, check.name, 1]
    assert not result.success
    assert result.unexpected_count >= 1
    assert result.sample
    if "asset" in frame_columns(check.frame):
        finding = result.findings[-1]
        assert (finding.asset, finding.as_of) == ("BTC", AT)
        assert finding.venue.startswith("venue")
        # The rows that we find are those that Great Expectations counts.
        assert sum(each.row_count for each in result.findings) == result.unexpected_count


@pytest.mark.parametrize("number", [0, 1], ids=["good", "bad"])
@pytest.mark.parametrize("check", CHECKS, ids=of)
def test_pandas_counts_what_great_expectations_counts(check, number, outcomes, counted_by_pandas):
    frame = good_frame(check)
    frames = {check.frame: spoiled(check, frame) if number else frame}
    assert Validation().run([check], frames) == (outcomes[check.suite, check.name, number],)


def test_names_are_unique_within_a_suite_and_frames_known():
    assert len({(check.suite, check.name) for check in CHECKS}) == len(CHECKS)
    assert all(frame_columns(check.frame) for check in CHECKS)
    assert {check.suite for check in CHECKS} == set(SUITES)


def check_of(name, suite="bars"):
    return next(check for check in CHECKS if (check.suite, check.name) == (suite, name))


def test_the_worst_value_of_each_scope_is_reported():
    check = check_of("map_jump", "maps")
    frame = pd.concat([good_frame(check)] * 3, ignore_index=True)
    frame["provider"] = ["one", "one", "two", "two", "three", "three"]
    frame["venue"] = "gate"
    frame["unexplained_change_ratio"] = [0.0, 0.2, 0.9, 0.3, 0.4, 0.0]
    (result,) = Validation().run([check], {"maps": frame})
    assert result.observed == 0.9
    assert result.unexpected_count == 4
    (finding,) = result.findings
    assert (finding.observed, finding.row_count) == (0.9, 4)
    assert "provider=two" in finding.sample


def test_missing_values_pass_where_a_figure_is_held_against_a_level():
    check = check_of("single_bar_change")
    frame = good_frame(check)
    frame["single_bar_change_24h_ratio"] = None
    (result,) = Validation().run([check], {"measures": frame})
    assert result.success
    assert result.observed is None


def test_a_frame_without_rows_passes():
    for check in CHECKS:
        (result,) = Validation().run([check], {check.frame: good_frame(check).iloc[:0]})
        assert result.success
        assert (result.row_count, result.observed) == (0, None)


def test_samples_are_cut_short():
    check = check_of("price_positive")
    frame = pd.concat([good_frame(check)] * 10, ignore_index=True).assign(low=-1.0)
    (result,) = Validation().run([check], {"hours": frame})
    assert result.unexpected_count == 20
    assert len(result.sample) == SAMPLE_SIZE


def test_a_missing_frame_or_column_is_named():
    check = check_of("price_positive")
    with pytest.raises(FrameRejected, match="no frame hours"):
        Validation().run([check], {})
    with pytest.raises(FrameRejected, match="lacks low"):
        Validation().run([check], {"hours": good_frame(check).drop(columns="low")})


def test_results_come_in_the_order_of_the_checks():
    checks = [check_of("map_jump", "maps"), check_of("price_positive"), check_of("hours_unique")]
    frames = {check.frame: good_frame(check) for check in reversed(checks)}
    found = Validation().run(checks, frames)
    assert [result.check for result in found] == checks


def test_pages_replace_those_before_and_nothing_is_written_elsewhere(tmp_path, monkeypatch):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    monkeypatch.setenv("TMPDIR", str(elsewhere))
    monkeypatch.setenv("HOME", str(elsewhere))
    pages = tmp_path / "pages"
    pages.mkdir()
    (pages / "old.html").write_text("old")
    check = check_of("price_positive")
    validation = Validation(pages)
    validation.run([check], {"hours": spoiled(check, good_frame(check))})
    validation.write_pages()
    assert (pages / "index.html").exists()
    assert not (pages / "old.html").exists()
    assert any("bars_hours" in path.name for path in pages.rglob("*.html"))
    assert list(elsewhere.iterdir()) == []


def test_pages_need_no_network_and_their_index_lists_every_check(tmp_path):
    good, bad = check_of("volume_not_negative"), check_of("price_positive")
    validation = Validation(tmp_path)
    validation.run([good, bad], {"hours": spoiled(bad, good_frame(bad))})
    validation.write_pages()
    for page in tmp_path.rglob("*.html"):
        fetched = re.findall(r"(?:src=|url\(|<link[^>]*href=)['\"]?https?://", page.read_text())
        assert fetched == [], page
    index = (tmp_path / "index.html").read_text()
    assert "2 checks: 1 critical, 0 warnings" in index
    assert index.index("price positive") < index.index("volume not negative")
    (link, *_) = re.findall(r"href='(validations/bars_hours/[^']*)'", index)
    assert "Unexpected" in (tmp_path / link).read_text()


def test_without_a_folder_no_pages_are_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Validation().write_pages()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes anywhere")
def test_pages_that_cannot_be_written_are_reported(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(PagesNotWritten, match="pages"):
        Validation(tmp_path / "pages").write_pages()


def test_pages_over_a_file_are_refused(tmp_path):
    (tmp_path / "pages").write_text("a file")
    with pytest.raises(PagesNotWritten, match="pages"):
        Validation(tmp_path / "pages").write_pages()


def test_a_run_opens_no_connection(monkeypatch, tmp_path):
    def refused(*_):
        raise AssertionError("a connection was requested")

    monkeypatch.setattr(socket.socket, "connect", refused)
    monkeypatch.setattr(socket, "getaddrinfo", refused)
    check = check_of("price_positive")
    validation = Validation(tmp_path / "pages")
    validation.run([check], {"hours": good_frame(check)})
    validation.write_pages()


def test_instants_of_findings_are_instants():
    check = check_of("bar_coverage")
    (result,) = Validation().run([check], {"measures": spoiled(check, good_frame(check))})
    assert result.findings[0].as_of == dt.datetime(2026, 1, 1, 1, tzinfo=dt.UTC)
    assert isinstance(check, Check)
