import numpy as np
import pytest

from bench.accuracy.recorded import fill_volume, read_binance_bars, read_bybit_bars, read_realised
from tests.workbench import recordings
from tests.workbench.recordings import HOUR, START


@pytest.fixture
def hours():
    return recordings.make_hours(48)


def part(hours, rows, factor=1.0):
    """Return some hours, prices multiplied."""
    names = ("open", "high", "low", "close")
    return {name: hours[name][rows] * (factor if name in names else 1) for name in hours}


@pytest.mark.parametrize("unit", [1000, 1])
@pytest.mark.parametrize("has_header", [True, False])
def test_klines_are_read_with_and_without_a_header_in_either_unit(
    tmp_path, hours, has_header, unit
):
    path = tmp_path / "binance_dumps" / "futures_klines" / "BTCUSDT-1h-2026-01.zip"
    recordings.write_klines(path, hours, has_header=has_header, unit=unit)
    bars = read_binance_bars(tmp_path, "BTC")
    np.testing.assert_array_equal(bars.bar_end, START + HOUR * np.arange(1, 49))
    np.testing.assert_allclose(bars.close, hours["close"])
    np.testing.assert_allclose(bars.taker_buy, hours["volume"] / 2)
    assert np.isnan(bars.mark_low).all()


def test_marks_are_joined_by_label(tmp_path, hours):
    folder = tmp_path / "binance_dumps"
    name = "BTCUSDT-1h-2026-01.zip"
    recordings.write_klines(folder / "futures_klines" / name, hours, has_header=True)
    marks = part(hours, slice(10, 20), factor=1.001)
    recordings.write_klines(folder / "mark_price_klines" / name, marks, has_header=False)
    bars = read_binance_bars(tmp_path, "BTC")
    np.testing.assert_allclose(bars.mark_low[10:20], marks["low"])
    assert np.isnan(bars.mark_low[:10]).all()


def test_the_first_table_that_holds_an_hour_counts(tmp_path, hours):
    zips = tmp_path / "calibration" / "binance_dumps" / "futures_klines"
    recordings.write_klines(
        zips / "BTCUSDT-1h-2026-01.zip", part(hours, slice(0, 24)), has_header=True
    )
    recordings.write_binance_table(
        tmp_path / "market_1h", "BTC", part(hours, slice(12, 36), 2.0), np.full(24, 7e6)
    )
    recordings.write_price_table(
        tmp_path / "calibration", "BTC", part(hours, slice(30, 48), 2.0), np.full(18, 8e6)
    )
    bars = read_binance_bars(tmp_path, "BTC")
    assert bars.source.tolist() == [0] * 24 + [2] * 12 + [4] * 12
    np.testing.assert_allclose(bars.close[:24], hours["close"][:24])
    np.testing.assert_allclose(bars.close[24:36], 2.0 * hours["close"][24:36])
    # Open interest of the hourly table is that at the label, of the prices' that at the end.
    np.testing.assert_allclose(bars.open_interest[20], 7e6 / (2.0 * hours["open"][21]))
    np.testing.assert_allclose(bars.open_interest[47], 8e6 / (2.0 * hours["close"][47]))


def test_volume_that_is_missing_is_what_hours_of_that_range_traded(tmp_path, hours):
    recordings.write_binance_table(
        tmp_path / "market_1h", "BTC", part(hours, slice(0, 40)), np.full(40, 7e6)
    )
    recordings.write_price_table(
        tmp_path / "calibration", "BTC", part(hours, slice(0, 48)), np.full(48, 8e6)
    )
    bars = read_binance_bars(tmp_path, "BTC")
    volume, is_filled = fill_volume(bars)
    assert is_filled.tolist() == [False] * 40 + [True] * 8
    assert np.all(volume[40:] > 0.1 * np.median(volume[:40]))


def test_open_interest_of_bybit_is_counted_once_and_at_the_end_of_the_hour(tmp_path, hours):
    amount = np.arange(48.0)
    recordings.write_bybit_table(tmp_path / "calibration", "ETH", hours, amount)
    bars = read_bybit_bars(tmp_path, "ETH")
    np.testing.assert_allclose(bars.open_interest[:-1], amount[1:] / 2.0)
    assert np.isnan(bars.open_interest[-1])


def test_realised_spans_are_read_by_their_end_from_the_longest_file_of_one_scope(tmp_path):
    label = START + 4 * HOUR * np.arange(6)
    for name, rows in (("binance_bybit", slice(0, 5)), ("all_venues", slice(2, 6))):
        recordings.write_realised(
            tmp_path / "calibration",
            f"SOL_4h_liquidations_{name}_usd.csv",
            label[rows],
            np.arange(6.0)[rows],
            10.0 * np.arange(6)[rows],
        )
    end, realised, scope = read_realised(tmp_path, "SOL", "4h")
    np.testing.assert_array_equal(end, label[:5] + 4 * HOUR)
    np.testing.assert_array_equal(realised, np.arange(5.0)[:, None] * [1.0, 10.0])
    assert scope == "binance + bybit"


def test_a_folder_without_files_has_no_realised_figures(tmp_path):
    end, realised, scope = read_realised(tmp_path, "BTC", "1h")
    assert (len(end), len(realised), scope) == (0, 0, "")
    with pytest.raises(FileNotFoundError, match="no hourly bars"):
        read_binance_bars(tmp_path, "BTC")
