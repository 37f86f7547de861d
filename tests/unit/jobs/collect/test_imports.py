"""What `liqheat import` says of files it cannot or must not read; nothing is lost by it."""

import zipfile
from datetime import UTC, datetime, timedelta

import pytest
from typer.testing import CliRunner

from cli.main import app
from jobs.collect.imports import import_files
from jobs.settings import Settings
from warehouse.connect import open_warehouse

DAY = datetime(2026, 6, 25, tzinfo=UTC)
BAR = timedelta(minutes=5)
SPOT = "data/spot/daily/klines/BTCUSDT/5m/BTCUSDT-5m-2026-06-{day}.zip"
METRICS = "data/futures/um/daily/metrics/BTCUSDT/BTCUSDT-metrics-2026-06-25.zip"
MARKS = "data/futures/um/daily/markPriceKlines/BTCUSDT/5m/BTCUSDT-5m-2026-06-25.zip"


def write(folder, name, header, lines):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(path.stem + ".csv", "\n".join([header, *lines]) + "\n")
    return path


def price(at):
    return 60_000 + int(at.timestamp()) // 300 * 7919 % 113 * 10


def bars(folder, name):
    lines = []
    for number in range(12):
        at = DAY + number * BAR
        cells = ",".join([str(price(at + BAR))] * 4)
        lines.append(f"{int(at.timestamp() * 1000)},{cells},1,0,0,1,0,0,0")
    header = "open_time,open,high,low,close,volume,close_time,quote_volume,count,"
    header += "taker_buy_volume,taker_buy_quote_volume,ignore"
    return write(folder, name, header, lines)


def metrics(folder):
    """Write rows that stand for their label, against what the day of the change says."""
    header = "create_time,symbol,sum_open_interest,sum_open_interest_value,"
    header += "count_toptrader_long_short_ratio,sum_toptrader_long_short_ratio,"
    header += "count_long_short_ratio,sum_taker_long_short_vol_ratio"
    labels = [DAY + number * BAR for number in range(1, 12)]
    lines = [f"{at:%Y-%m-%d %H:%M:%S},BTCUSDT,10,{10 * price(at)},1,1,1,1" for at in labels]
    return write(folder, METRICS, header, lines)


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.setenv("LIQHEAT_HOME", str(tmp_path / "home"))
    return lambda *words: CliRunner().invoke(app, ["import", *map(str, words)])


def test_files_of_another_market_are_named_together_and_fail(run, tmp_path):
    for day in (25, 26, 27):
        bars(tmp_path, SPOT.format(day=day))
    bars(tmp_path, MARKS)
    result = run(tmp_path / "data")
    assert result.exit_code == 1
    assert "12 mark_ohlc" in result.output
    assert "BTCUSDT-5m-2026-06-25.zip and 2 more such files: lies under 'spot'" in result.output


def test_a_named_mapping_does_not_make_spot_the_perpetual(run, tmp_path):
    result = run(bars(tmp_path, SPOT.format(day=25)), "--mapping", "binance_archive_klines")
    assert result.exit_code == 1
    assert "no rows" in result.output
    assert "lies under 'spot', another market" in result.output


def test_labels_read_by_date_are_noted_and_read_again_once_bars_are_known(tmp_path):
    settings = Settings(home=tmp_path / "home", threads=1)
    files = metrics(tmp_path), bars(tmp_path, MARKS), metrics(tmp_path)
    reports = [
        import_files(settings, [file], ingested_at=DAY + timedelta(days=9 + number))
        for number, file in enumerate(files)
    ]
    assert [len(report.notes) for report in reports] == [1, 0, 0]
    assert "import the mark price bars first" in reports[0].notes[0]
    with open_warehouse(settings.warehouse, threads=1) as connection:
        ((first, last, rows),) = connection.execute(
            "select min(observed_at), max(observed_at), count(*) from raw.open_interest "
            "where ingested_at = (select max(ingested_at) from raw.open_interest)"
        ).fetchall()
    assert (first, last, rows) == (DAY + BAR, DAY + 11 * BAR, 11)
