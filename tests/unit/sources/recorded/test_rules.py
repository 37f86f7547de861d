"""Imports know what live ingestion knows: quotes, multiples, markets, meanings of labels."""

import datetime as dt
import gzip
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
import pytest

from sources.errors import InputRejected
from sources.recorded import find_inputs, import_file, load_mapping
from sources.recorded.known_closes import KnownCloses

CASES = Path(__file__).parents[4] / "../shared/cases"
INGESTED_AT = dt.datetime(2026, 10, 1, tzinfo=dt.UTC)
BAR = dt.timedelta(minutes=5)
KLINES_HEADER = (
    "open_time,open,high,low,close,volume,close_time,quote_volume,count,taker_buy_volume,"
    "taker_buy_quote_volume,ignore"
)
METRICS_HEADER = (
    "create_time,symbol,sum_open_interest,sum_open_interest_value,count_toptrader_long_short_ratio,"
    "sum_toptrader_long_short_ratio,count_long_short_ratio,sum_taker_long_short_vol_ratio"
)

needs_cases = pytest.mark.skipif(not CASES.exists(), reason="no shared cases beside the project")


def import_all(path, closes=None):
    """Return the rows of all inputs below a path by kind, bars first, and the unread files."""
    closes = closes or KnownCloses()
    found = find_inputs(path)
    rows = {}
    refused = [f"{file}: {advice}" for file, advice in found.unmatched]
    inputs = sorted(found.matched, key=lambda one: one[1].time.label_change is not None)
    for file, mapping in inputs:
        try:
            batches = list(import_file(file, mapping, ingested_at=INGESTED_AT, closes=closes))
        except InputRejected as exc:
            refused.append(str(exc))
            continue
        for batch in batches:
            closes.add(batch.kind, batch.table)
            rows.setdefault(batch.kind, []).extend(batch.table.to_pylist())
    return rows, refused


def write_zip(path, lines, header=KLINES_HEADER):
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(path.stem + ".csv", "\n".join([header, *lines]) + "\n")
    return path


def bar_line(at, price):
    start = int(at.timestamp() * 1000)
    return f"{start},{price},{price},{price},{price},10,{start + 299_999},{price * 10},4,5,0,0"


def price_at(at):
    """Return a price that moves by some tenths of a percent in five minutes."""
    minutes = int(at.timestamp()) // 300
    return 60_000 + (minutes * 7919 % 113) * 10


def bars_until(folder, start, end, symbol="BTCUSDT"):
    """Write bars whose closes are `price_at` their ends."""
    count = (end - start) // BAR
    lines = [bar_line(start + n * BAR, price_at(start + (n + 1) * BAR)) for n in range(count)]
    return write_zip(folder / f"{symbol}-5m-{start:%Y-%m-%d}.zip", lines)


def metrics_day(folder, labels, shift, symbol="BTCUSDT"):
    """Write open interest that stands for label plus shift; the amount tells the label's number."""
    lines = []
    for number, label in enumerate(labels):
        amount = 1000 + number
        value = amount * price_at(label + shift)
        lines.append(f"{label:%Y-%m-%d %H:%M:%S},{symbol},{amount},{value},1.2,1.1,1.05,0.9")
    day = labels[0]
    return write_zip(folder / f"{symbol}-metrics-{day:%Y-%m-%d}.zip", lines, METRICS_HEADER)


DAY = dt.datetime(2026, 6, 25, tzinfo=dt.UTC)
DAY_BEFORE = [DAY - dt.timedelta(days=1) + (n + 1) * BAR for n in range(288)]
DAY_AFTER = [DAY + n * BAR for n in range(288)]


@pytest.mark.parametrize("folder", ["markPriceKlines", "klines"])
def test_labels_mean_the_instant_whose_price_value_and_amount_agree_with(tmp_path, folder):
    bars_until(tmp_path / folder, DAY - dt.timedelta(days=1), DAY + dt.timedelta(days=1))
    metrics_day(tmp_path / "metrics", DAY_BEFORE, dt.timedelta())
    metrics_day(tmp_path / "metrics", DAY_AFTER, BAR)
    closes = KnownCloses()
    rows, refused = import_all(tmp_path, closes)
    assert not refused
    assert "quarantine" not in rows
    instants = sorted(row["observed_at"] for row in rows["open_interest"])
    assert instants == [DAY - dt.timedelta(days=1) + (n + 1) * BAR for n in range(576)]
    assert closes.by_date_only == []
    # Ratios of a row stand for the same instant as its open interest.
    ratios = {row["observed_at"] for row in rows["long_short_ratio"]}
    assert ratios == set(instants)


def test_prices_decide_against_the_date(tmp_path):
    # The venue went back to labels that are instants: the day after the change, unshifted.
    bars_until(tmp_path / "markPriceKlines", DAY, DAY + dt.timedelta(days=1))
    metrics_day(tmp_path / "metrics", DAY_AFTER, dt.timedelta())
    rows, _ = import_all(tmp_path)
    assert min(row["observed_at"] for row in rows["open_interest"]) == DAY


def test_a_change_within_one_file_is_found(tmp_path):
    bars_until(tmp_path / "markPriceKlines", DAY - dt.timedelta(days=1), DAY + BAR * 289)
    before = metrics_day(tmp_path / "a", DAY_BEFORE, dt.timedelta())
    after = metrics_day(tmp_path / "b", DAY_AFTER, BAR)
    lines = []
    for path in (after, before):
        with zipfile.ZipFile(path) as archive:
            lines += archive.read(archive.namelist()[0]).decode().splitlines()[1:]
        path.unlink()
    write_zip(tmp_path / "metrics" / "BTCUSDT-metrics-joined.zip", lines, METRICS_HEADER)
    rows, _ = import_all(tmp_path)
    by_instant = {row["observed_at"]: row["received_amount"] for row in rows["open_interest"]}
    assert len(by_instant) == 576
    # Midnight is the last row of the one day and, five minutes later, the first of the other.
    assert by_instant[DAY] == 1287
    assert by_instant[DAY + BAR] == 1000


@pytest.mark.parametrize(
    ("labels", "first", "is_noted"),
    [(DAY_BEFORE, DAY_BEFORE[0], False), (DAY_AFTER, DAY + BAR, True)],
)
def test_without_bars_the_date_decides_and_is_noted(tmp_path, labels, first, is_noted):
    metrics_day(tmp_path, labels, dt.timedelta())
    closes = KnownCloses()
    rows, _ = import_all(tmp_path, closes)
    assert len(rows["open_interest"]) == 288
    assert min(row["observed_at"] for row in rows["open_interest"]) == first
    assert len(closes.by_date_only) == is_noted


def test_bars_that_never_move_leave_the_decision_to_the_date(tmp_path):
    lines = [bar_line(DAY + n * BAR, 60_000) for n in range(290)]
    write_zip(tmp_path / "markPriceKlines" / "BTCUSDT-5m-2026-06-25.zip", lines)
    text = [f"{at:%Y-%m-%d %H:%M:%S},BTCUSDT,10,600000,1,1,1,1" for at in DAY_AFTER]
    write_zip(tmp_path / "BTCUSDT-metrics-2026-06-25.zip", text, METRICS_HEADER)
    closes = KnownCloses()
    rows, _ = import_all(tmp_path, closes)
    assert min(row["observed_at"] for row in rows["open_interest"]) == DAY + BAR
    assert closes.by_date_only


def test_bars_known_from_earlier_decide_labels_too(tmp_path):
    path = bars_until(tmp_path / "markPriceKlines", DAY, DAY + dt.timedelta(days=1))
    mapping = load_mapping("binance_archive_mark_klines")
    batches = import_file(path, mapping, ingested_at=INGESTED_AT)
    earlier = {batch.kind: batch.table for batch in batches}
    requested = []

    def stored(venue, instrument):
        requested.append((venue, instrument))
        return earlier

    closes = KnownCloses(stored)
    rows, _ = import_all(metrics_day(tmp_path / "m", DAY_AFTER, dt.timedelta()), closes)
    assert min(row["observed_at"] for row in rows["open_interest"]) == DAY
    assert requested == [("binance", "BTC/USDT:USDT")]


@needs_cases
def test_the_recorded_change_of_labels_loses_no_instant():
    rows, refused = import_all(CASES / "A01_metrics_label_change")
    assert not refused
    held = {row["observed_at"]: row["received_amount"] for row in rows["open_interest"]}
    assert len(held) == len(rows["open_interest"]) == 576
    assert held[DAY + BAR] == 90164.776
    assert min(held) == DAY - dt.timedelta(days=1) + BAR
    assert max(held) == DAY + dt.timedelta(days=1)


def test_a_contract_in_coins_is_refused_with_what_it_is_quoted_in(tmp_path):
    path = write_zip(tmp_path / "klines" / "ETHBTC-5m-2026-06-20.zip", [bar_line(DAY, 0.05)])
    rows, (message,) = import_all(path)
    assert rows == {}
    assert "ETH/BTC:BTC" in message
    assert "not quoted in US dollars" in message


def test_among_others_a_contract_in_coins_is_quarantined(tmp_path):
    lines = [
        "2026-06-20 00:05:00,ETHBTC,20,1.0,1,1,1,1",
        "2026-06-20 00:05:00,ETHUSDT,20,60000,1,1,1,1",
    ]
    path = write_zip(tmp_path / "all-metrics-2026.zip", lines, METRICS_HEADER)
    rows, refused = import_all(path)
    assert not refused
    assert [row["instrument"] for row in rows["open_interest"]] == ["ETH/USDT:USDT"]
    assert {row["reason"].split(" (")[0] for row in rows["quarantine"]} == {
        "not quoted in US dollars or a token pegged to them"
    }


def test_a_quote_nobody_knows_is_named(tmp_path):
    path = write_zip(tmp_path / "klines" / "BTCXYZ-5m-2026-06-20.zip", [bar_line(DAY, 0.05)])
    _, (message,) = import_all(path)
    assert "BTCXYZ-5m-2026-06-20.zip" in message
    assert "{quote} is one of FDUSD, USDT" in message


def test_a_pair_in_bitcoin_leaves_the_price_of_ether_alone(tmp_path):
    for symbol, price, value in (("ETHUSDT", 3000, 60_000), ("ETHBTC", 0.05, 1.0)):
        for kind, line, header in (
            ("klines", bar_line(DAY, price), KLINES_HEADER),
            ("metrics", f"{DAY:%Y-%m-%d %H:%M:%S},{symbol},20,{value},1,1,1,1", METRICS_HEADER),
        ):
            name = f"{symbol}-{'5m' if kind == 'klines' else 'metrics'}-2026-06-25.zip"
            write_zip(tmp_path / kind / name, [line], header)
    rows, refused = import_all(tmp_path)
    assert len(refused) == 2
    assert {row["instrument"] for row in rows["ohlcv"]} == {"ETH/USDT:USDT"}
    assert {row["instrument"] for row in rows["open_interest"]} == {"ETH/USDT:USDT"}
    assert [row["close"] for row in rows["ohlcv"]] == [3000]


@needs_cases
def test_the_recorded_pair_in_bitcoin_leaves_the_price_of_ether_alone():
    rows, refused = import_all(CASES / "A12_quote_in_btc")
    assert len(refused) == 6
    assert {row["instrument"] for row in rows["ohlcv"]} == {"ETH/USDT:USDT"}
    assert {row["instrument"] for row in rows["open_interest"]} == {"ETH/USDT:USDT"}
    last = max(rows["ohlcv"], key=lambda row: row["bar_start_at"])
    assert last["close"] == pytest.approx(3015, rel=2e-3)


def test_multiples_are_read_as_live_ingestion_reads_them(tmp_path):
    path = tmp_path / "dex_candles.parquet"
    at = dt.datetime(2026, 6, 20, tzinfo=dt.UTC)
    coins = ["kPEPE", "KAS", "1000BONK"]
    columns = {
        "venue": ["hyperliquid", "hyperliquid", "lighter"],
        "coin": coins,
        "timestamp": [at] * 3,
        **{cell: [0.0102] * 3 for cell in "ohlc"},
        "v": [100.0] * 3,
    }
    pa.parquet.write_table(pa.table(columns), path)
    rows, _ = import_all(path)
    caught = {
        row["asset"]: (row["instrument"], row["base_multiplier"]) for row in rows["instrument"]
    }
    assert caught == {
        # As ccxt spells it, so that live and imported records are one series.
        "PEPE": ("KPEPE/USDC:USDC", 1000.0),
        "KAS": ("KAS/USDC:USDC", 1.0),
        "BONK": ("1000BONK/USDC:USDC", 1000.0),
    }
    pepe = next(row for row in rows["ohlcv"] if row["instrument"] == "KPEPE/USDC:USDC")
    assert pepe["close"] == pytest.approx(1.02e-5)
    assert pepe["volume_quantity"] == pytest.approx(100_000)


@needs_cases
def test_the_recorded_kpepe_is_pepe():
    rows, _ = import_all(CASES / "H01_dex_kpepe")
    (described,) = rows["instrument"]
    assert (described["asset"], described["base_multiplier"]) == ("PEPE", 1000.0)
    assert rows["ohlcv"][0]["close"] == pytest.approx(1.02e-5)


ARCHIVE = "data/futures/um/daily/klines/BTCUSDT/5m/BTCUSDT-5m-2026-06-20.zip"
SPOT = "data/spot/daily/klines/BTCUSDT/5m/BTCUSDT-5m-2026-06-20.zip"
COIN_M = "data/futures/cm/daily/klines/BTCUSD_PERP/5m/BTCUSD_PERP-5m-2026-06-20.zip"


@pytest.fixture
def dump(tmp_path):
    for name, price in ((ARCHIVE, 61_000), (SPOT, 60_000), (COIN_M, 62_000)):
        write_zip(tmp_path / name, [bar_line(DAY, price)])
    return tmp_path


@pytest.mark.parametrize("below", [".", "data", "data/futures", ARCHIVE])
def test_the_whole_path_separates_spot_from_the_perpetual(dump, below):
    rows, refused = import_all(dump / below)
    closes = {(row["venue"], row["instrument"]): row["close"] for row in rows["ohlcv"]}
    assert closes.pop(("binance", "BTC/USDT:USDT")) == 61_000
    assert closes in ({}, {("binancecoinm", "BTC/USD:BTC"): 62_000})
    assert all("lies under 'spot', another market" in message for message in refused)


@pytest.mark.parametrize("named", ["data/spot", "data/spot/daily/klines", SPOT])
def test_a_spot_folder_or_file_named_directly_is_refused(dump, named):
    rows, (message,) = import_all(dump / named)
    assert rows == {}
    assert "'spot'" in message
    assert "another market than 'binance_archive_klines' reads" in message


def test_coin_margined_volume_is_in_dollars(dump):
    rows, _ = import_all(dump / COIN_M)
    (bar,) = rows["ohlcv"]
    # Ten contracts of 100 USD, five of them bought by takers.
    assert (bar["volume_quantity"], bar["taker_buy_quantity"]) == (1000.0, 500.0)
    (described,) = rows["instrument"]
    assert (described["contract_kind"], described["contract_size"]) == ("inverse", 100.0)


def test_coin_margined_open_interest_counts_contracts(tmp_path):
    # Figures the venue published.
    lines = ['2023-06-25 00:00:00,BTCUSD_PERP,5578700.00000000,18265.00911826,"","","",0.00855776']
    folder = tmp_path / "data/futures/cm/daily/metrics/BTCUSD_PERP"
    path = write_zip(folder / "BTCUSD_PERP-metrics-2023-06-25.zip", lines, METRICS_HEADER)
    rows, _ = import_all(path)
    (held,) = rows["open_interest"]
    assert held["observed_at"] == dt.datetime(2023, 6, 25, 0, 5, tzinfo=dt.UTC)
    assert held["open_interest_quantity"] == 557_870_000.0
    price = held["open_interest_quantity"] / held["received_value"]
    assert price == pytest.approx(30_543, rel=1e-4)
    assert [row["measure"] for row in rows["long_short_ratio"]] == ["taker_volume"]


def test_a_value_in_another_unit_is_found_by_the_price(tmp_path):
    # Of a coin-M file, rows whose value is in dollars instead of coins.
    labels = [DAY + n * BAR for n in range(12)]
    bars = [bar_line(DAY + n * BAR, price_at(DAY + (n + 1) * BAR)) for n in range(12)]
    write_zip(tmp_path / "cm/markPriceKlines/BTCUSD_PERP-5m-2026-06-25.zip", bars)
    prices = [1, 1, *(price_at(at + BAR) for at in labels[2:])]
    lines = [
        f"{at:%Y-%m-%d %H:%M:%S},BTCUSD_PERP,600,{60_000 / price},,,,1"
        for at, price in zip(labels, prices, strict=True)
    ]
    write_zip(tmp_path / "cm/metrics/BTCUSD_PERP-metrics-2026-06-25.zip", lines, METRICS_HEADER)
    rows, _ = import_all(tmp_path)
    assert [row["observed_at"] for row in rows["open_interest"]] == [at + BAR for at in labels[2:]]
    assert {row["open_interest_quantity"] for row in rows["open_interest"]} == {60_000.0}
    reasons = {row["reason"].partition(" is ")[0]: row["reason"] for row in rows["quarantine"]}
    assert reasons.keys() == {"amount x price / value"}
    assert (
        "BTC/USD:BTC on binancecoinm: one is in another unit" in reasons["amount x price / value"]
    )
    assert len(rows["quarantine"]) == 2


@needs_cases
def test_a_recorded_dump_of_both_markets_gives_the_perpetual_only():
    rows, refused = import_all(CASES / "B16_spot_and_um_dump")
    assert len(rows["ohlcv"]) == 864
    assert rows["ohlcv"][0]["close"] == 65_299.6
    assert len(refused) == 3


@pytest.mark.parametrize("name", ["X.CSV", "X.csv.gz", "X.CSV.GZ", "X.ZIP", "X.csv"])
@pytest.mark.parametrize("is_named", [True, False])
def test_suffixes_count_in_either_case(tmp_path, name, is_named):
    path = tmp_path / "klines" / name.replace("X", "BTCUSDT-5m-2026-06-20")
    text = f"{KLINES_HEADER}\n{bar_line(DAY, 60_000)}\n"
    if name.lower().endswith(".zip"):
        write_zip(path, [bar_line(DAY, 60_000)])
    else:
        path.parent.mkdir()
        is_packed = name.lower().endswith(".gz")
        path.write_bytes(gzip.compress(text.encode()) if is_packed else text.encode())
    rows, refused = import_all(path if is_named else tmp_path)
    assert not refused
    assert len(rows["ohlcv"]) == 1


def test_a_torn_gzip_is_refused(tmp_path):
    path = tmp_path / "klines" / "BTCUSDT-5m-2026-06-20.csv.gz"
    path.parent.mkdir()
    lines = "\n".join(bar_line(DAY + n * BAR, 60_000 + n) for n in range(200))
    path.write_bytes(gzip.compress(f"{KLINES_HEADER}\n{lines}".encode())[:-200])
    rows, (message,) = import_all(path)
    assert rows == {}
    assert "torn or no csv.gz" in message


def test_a_first_bar_without_volume_is_kept(tmp_path):
    lines = [bar_line(DAY, 60_000).replace(",10,", ",0,", 1).replace(",5,0,0", ",0,0,0")]
    rows, _ = import_all(write_zip(tmp_path / "klines" / "BTCUSDT-5m-2026-06-25.zip", lines))
    assert [row["volume_quantity"] for row in rows["ohlcv"]] == [0.0]


def test_closes_of_the_mark_come_before_closes_of_trades():
    def bars(kind, column, price):
        table = pa.table(
            {
                "venue": ["v"],
                "instrument": ["i"],
                "bar_start_at": pa.array([0], pa.timestamp("us", "UTC")),
                "bar_seconds": [300],
                column: [price],
            }
        )
        return kind, table

    closes = KnownCloses()
    closes.add(*bars("ohlcv", "close", 1.0))
    assert closes.of("v", "i").price.tolist() == [1.0]
    closes.add(*bars("mark_ohlc", "mark_close", 2.0))
    known = closes.of("v", "i")
    assert known.is_mark
    assert known.at.tolist() == [300_000_000]
    assert known.price.tolist() == [2.0]


OWN_RATIOS = """
description: my own ratios
venue: binance
instrument: {unified: "{base}/USDT:USDT", column: coin}
time: {column: day, unit: datetime}
long_short_ratio: {accounts: ls, top_positions: top, shift: 1d}
"""
OWN_INDEX = """
description: my own index
time: {column: day, unit: datetime}
sentiment: {index: my_index, value: score}
"""


def import_own(folder, mapping, text):
    (folder / "mine.yaml").write_text(mapping)
    (folder / "mine.CSV").write_text(text)
    mapping = load_mapping(folder / "mine.yaml")
    rows = {}
    for batch in import_file(folder / "mine.CSV", mapping, ingested_at=INGESTED_AT):
        rows.setdefault(batch.kind, []).extend(batch.table.to_pylist())
    return rows


def test_long_short_ratios_of_a_file_of_ones_own(tmp_path):
    rows = import_own(tmp_path, OWN_RATIOS, "day,coin,ls,top\n2026-06-20,BTC,1.5,\n")
    (ratio,) = rows["long_short_ratio"]
    assert (ratio["measure"], ratio["long_short_ratio"]) == ("accounts", 1.5)
    assert ratio["observed_at"] == dt.datetime(2026, 6, 21, tzinfo=dt.UTC)


def test_a_sentiment_index_of_a_file_of_ones_own(tmp_path):
    text = "day,score\n2026-06-21,40\n2026-06-20,35.5\n2026-06-22,101\n2026-06-23,x\n2026-06-24,\n"
    rows = import_own(tmp_path, OWN_INDEX, text)
    assert set(rows) == {"sentiment", "quarantine"}
    caught = [
        (row["index_name"], row["observed_at"].day, row["index_value"]) for row in rows["sentiment"]
    ]
    assert caught == [("my_index", 20, 35.5), ("my_index", 21, 40.0)]
    refused = [(row["row_number"], row["reason"], row["venue"]) for row in rows["quarantine"]]
    assert refused == [(4, "outside 0 to 100", None), (5, "not a number", None)]


def test_a_sentiment_mapping_has_no_instrument(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(OWN_INDEX + "venue: binance\n")
    with pytest.raises(InputRejected, match="of no contract: move 'venue' into another mapping"):
        load_mapping(path)
