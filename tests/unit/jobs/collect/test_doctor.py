"""What a venue answers otherwise than declared is named, and nothing else is."""

import datetime as dt
import json
from collections import Counter
from dataclasses import replace

import pytest
from click.testing import CliRunner
from standin import DAY, HOUR, VENUES, Faults, Standin, serving, synthetic_market
from standin.archive import Archive
from typer.main import get_command
from workbench.live import instant

from cli import health
from cli.main import app
from jobs.collect import doctor
from jobs.settings import Settings
from sources.errors import VenueRejected
from sources.quotes import QUOTE_MARKETS, parse_quote_rates
from sources.venues import client, conformance, connection
from sources.venues.connection import Connection
from sources.venues.declared import VENUES as DECLARED
from sources.venues.pacer import Patience
from sources.venues.payload import MalformedResponse, find_rows

START = 1_772_323_200_000  # 2026-03-01
NOW = START + 41 * DAY + 3 * HOUR + 67_000
ONCE = Patience(attempts=1, concurrency=1)


@pytest.fixture(scope="module")
def standin():
    market = synthetic_market(
        start=START,
        end=START + 42 * DAY,
        venues=VENUES,
        assets={"BTC": 70_000.0, "PEPE": 4e-6},
        inverse_assets=("BTC",),
    )
    served = Standin(market, now=NOW, faults=Faults(seed=0), enforce_limits=False)
    with serving(served):
        yield served


@pytest.fixture(autouse=True)
def _without_pacing(monkeypatch):
    """Let ccxt ask as fast as it can: the stand-in has no limits here."""

    def open_at_once(*told, **named):
        exchange = connection.open_exchange(*told, **named)
        exchange.enableRateLimit = False
        return exchange

    monkeypatch.setattr(client, "open_exchange", open_at_once)


@pytest.fixture
def examine(standin, tmp_path):
    """Return a function that examines venues, each call with its faults."""

    def run(*venues, budget_seconds=60.0, **settings):
        return doctor.run_doctor(
            Settings(home=tmp_path / "home", venue_url=standin.base_url, **settings),
            clock=lambda: instant(standin.now),
            venues=venues,
            budget_seconds=budget_seconds,
            patience=ONCE,
        )

    yield run
    standin.faults.clear()
    assert not (tmp_path / "home").exists()


def each(change):
    return lambda rows: [change(dict(row) if isinstance(row, dict) else list(row)) for row in rows]


def put(name, make):
    """Return what replaces a cell of each row."""

    def change(row):
        row[name] = make(row[name])
        return row

    return each(change)


def scaled(name, factor):
    return put(name, lambda cell: str(float(cell) * factor))


def renamed(old, new):
    return each(lambda row: {new if key == old else key: cell for key, cell in row.items()})


def doubled(rows):
    for name in ("sumOpenInterest", "sumOpenInterestValue"):
        rows = scaled(name, 2)(rows)
    return rows


WRONG = {
    "a renamed field": (
        "binance", "open_interest_history", renamed("sumOpenInterest", "openInterestSum"),
        "open_interest", "amount", ("missing (100 of 100 rows", "openInterestSum"),
        'products[0].open_interest_history.endpoint.columns["amount"]',
    ),
    "a renamed field that may be empty": (
        "bybit", "tickers", renamed("singleOpenInterest", "oneSided"),
        "open_interest_now", "one_side", ("no row has 'singleOpenInterest'",),
        'products[0].open_interest_now.endpoint.columns["one_side"]',
    ),
    "text that is no number": (
        "binance", "candles", put(5, lambda _: "much"),
        "ohlcv", "volume", ("not a finite number",),
        'products[0].ohlcv.endpoints[0].columns["volume"]',
    ),
    "rows in another format": (
        "okx", "open_interest_history", lambda rows: [row[:3] for row in rows],
        "open_interest", "value", ("the row has 3 cells: another format than declared",),
        'products[0].open_interest_history.endpoint.columns["value"]',
    ),
    "rows that do not say whether they are final": (
        "okx", "candles", lambda rows: [row[:8] for row in rows],
        "ohlcv", "closed", ("no row says whether it is final",), "ohlcv.endpoints[0].closed",
    ),
    "seconds instead of milliseconds": (
        "binance", "open_interest_history", put("timestamp", lambda at: at // 1000),
        "open_interest", "time", ("no instant in ms", "stamps in ms"), "endpoint.label_unit",
    ),
    "stamps off the grid": (
        "binance", "long_short_ratio", put("timestamp", lambda at: at + 1000),
        "long_short_ratio accounts", "time", ("100 of 100 labels are no multiple", "300 s apart"),
        "products[0].ratios[0].endpoint.period_seconds",
    ),
    "bars off the grid": (
        "binance", "candles", put(0, lambda at: at + 1000),
        "ohlcv", "time", ("no multiple of 300 s",), "ohlcv.endpoints[0].period_seconds",
    ),
    "an old snapshot": (
        "bitget", "tickers", put("ts", lambda at: str(int(at) - DAY)),
        "open_interest_now", "time", ("1440 minutes ago",),
        'products[0].open_interest_now.endpoint.columns["time"]',
    ),
    "rows from the future": (
        "binance", "funding_history", put("fundingTime", lambda at: at + 100 * DAY),
        "funding_rate", "time", ("lies in the future",), 'funding.endpoint.columns["time"]',
    ),
    "contracts where coins are declared": (
        "bybit", "tickers", lambda rows: [
            row | {name: str(float(row[name]) * 1000)
                   for name in ("openInterest", "singleOpenInterest")}
            for row in rows
        ],
        "open_interest_now", "amount", ("amount x price / value is 1000", "amount in base"),
        "products[0].open_interest_now.amount_unit",
    ),
    "contracts where coins are declared, without a value": (
        "binance", "open_interest", scaled("openInterest", 1000),
        "open_interest_now", "amount", ("times what history says", "in base"),
        "products[0].open_interest_now.amount_unit",
    ),
    "a value in coins": (
        "binance", "open_interest_history", scaled("sumOpenInterestValue", 1 / 70_000),
        "open_interest", "amount", ("amount x price / value is", "value in usd"),
        "products[0].open_interest_history.amount_unit",
    ),
    "a value in coins, beside candles of two endpoints": (
        "okx", "open_interest_history",
        lambda rows: [[*row[:3], str(float(row[3]) / 70_000)] for row in rows],
        "open_interest", "amount", ("amount x price / value is", "amount in contracts"),
        "products[0].open_interest_history.amount_unit",
    ),
    "volume in coins where contracts are declared": (
        "gate", "candles", scaled("v", 0.0001),
        "ohlcv", "volume", ("if volume is base", "volume in contracts"),
        "products[0].ohlcv.volume_unit",
    ),
    "a mark price of another contract": (
        "binance", "mark_candles",
        lambda rows: [[at, *(str(float(one) * 1000) for one in ohlc[:4])] for at, *ohlc in rows],
        "mark_ohlc", "close", ("1000 times the price of trades",),
        'mark_ohlc.endpoints[0].columns["close"]',
    ),
    "both sides where one is declared": (
        "binance", "open_interest_history", doubled,
        "sides of open interest", "sides", ("0% of", "which shows both sides", "sides_counted 1"),
        "products[0].open_interest_history.sides_counted",
    ),
    "one side where both are declared": (
        "bybit", "open_interest_history", scaled("openInterest", 0.5),
        "open_interest", "one_side", ("open interest is not 2 times",),
        "products[0].open_interest_history.sides_counted",
    ),
    "the newest rows where the oldest are declared": (
        "binance", "funding_history", put("fundingTime", lambda at: at + 80 * HOUR),
        "funding_rate", "order", ("a full answer holds the newest rows", "paging 'oldest'"),
        "products[0].funding.endpoint.paging",
    ),
    "the oldest rows where the newest are declared": (
        "bybit", "funding_history",
        put("fundingRateTimestamp", lambda at: str(int(at) - 80 * HOUR)),
        "funding_rate", "order", ("a full answer holds the oldest rows", "paging 'newest'"),
        "products[0].funding.endpoint.paging",
    ),
    "a first page with old rows": (
        "bitget", "funding_history", put("fundingTime", lambda at: str(int(at) - 20 * DAY)),
        "funding_rate", "order", ("the newest row is 48", "page 1 with the newest rows"),
        "products[0].funding.endpoint.paging",
    ),
    "an end that is left out": (
        "bybit", "candles", lambda rows: rows[1:],
        "ohlcv", "bounds", ("the last label asked for", "99 of 100"),
        "ohlcv.endpoints[0].end_shift",
    ),
    "margins above the initial margin": (
        "bybit", "leverage_tiers", put("maintenanceMargin", lambda _: "0.9"),
        "leverage_bracket", "maintenance", ("is not below the initial margin",),
        'products[0].brackets.endpoint.columns["maintenance"]',
    ),
    "margins that fall with size": (
        "bybit", "leverage_tiers",
        lambda rows: [row | {"maintenanceMargin": f"{0.004 - n / 1e4}"}
                      for n, row in enumerate(rows)],
        "leverage_bracket", "maintenance", ("maintenance margin falls with size",),
        'products[0].brackets.endpoint.columns["maintenance"]',
    ),
    "another name of the contract": (
        "bybit", "tickers", put("symbol", lambda name: name.replace("USDT", "-USDT")),
        "open_interest_now", "instrument", ("no row of BTCUSDT; rows name BTC-USDT",),
        "products[0].open_interest_now.endpoint.id_column",
    ),
    "no rows": (
        "binance", "candles", lambda _: [],
        "ohlcv", "rows", ("none at the answer itself",), "products[0].ohlcv.endpoints[0].rows",
    ),
}  # fmt: skip


def test_venues_as_declared_fit(examine):
    report = examine(*DECLARED)
    assert [difference.words for one in report.examined for difference in one.differences] == []
    assert {(one.venue, one.kind, one.reason) for one in report.of_status("not checked")} == set()
    assert report.has_fitted
    asked = Counter(one.venue for one in report.of_status("fits"))
    assert set(asked) == set(DECLARED)
    assert min(asked.values()) >= 7  # hyperliquid has the fewest kinds
    # Every kind of every product is there, whether it could be asked for or not.
    for venue in DECLARED.values():
        of_venue = {one.declaration for one in report.examined if one.venue == venue.name}
        for product in venue.products:
            for declared in doctor.declared_endpoints(venue, product):
                assert of_venue & {declared.path, declared.place}, declared.place
    assert report.rate_limits["binance"] == {"x-mbx-used-weight-1m": "1"}
    assert all(one.exchanges for one in report.of_status("fits") if one.kind == "clock")


@pytest.mark.parametrize("name", WRONG)
def test_each_thing_wrong_is_named_with_what_to_mend(examine, standin, name):
    venue, endpoint, alter, kind, field, words, mend = WRONG[name]
    standin.faults.add("altered", venue=venue, endpoint=endpoint, alter=alter)
    report = examine(venue)
    assert not report.has_fitted
    found = [
        difference
        for one in report.of_status("differs")
        if one.kind == kind
        for difference in one.differences
        if difference.field == field
    ]
    assert found, [(one.kind, one.differences) for one in report.of_status("differs")]
    said = found[0].words
    assert all(part in said for part in (*words, mend, "sources/venues/declared/")), said
    assert said.count(f'VENUES["{venue}"]') == 1
    # The expression leads to the declaration it names.
    place = found[0].mend.rpartition("[")[0] if field == "instrument" else found[0].mend
    assert eval(place, {"VENUES": DECLARED}) is not None  # noqa: S307


def spoilt(answer, column, endpoint, spoil):
    """Return an answer of which one column is spoilt wherever it is, in lists or nested."""
    answer = json.loads(json.dumps(answer))
    names = column if isinstance(column, tuple) else (column,)

    def walk(here):
        if isinstance(here, dict):
            for name in names:
                if name in here:
                    spoil(here, name)
            here = here.values()
        if isinstance(here, list | type({}.values())):
            for one in here:
                walk(one)

    if isinstance(column, int):
        for row in find_rows(answer, endpoint):
            row[column] = "x"
    else:
        walk(answer)
    return answer


def drop(row, name):
    del row[name]


def blot(row, name):
    is_column = isinstance(row[name], list)
    row[name] = ["x"] * len(row[name]) if is_column else "x"


def test_no_column_of_any_venue_can_be_lost_without_a_word(examine, monkeypatch):
    answers = []

    def note(declared, answer, context, sample=None, prices=None):
        answers.append((declared, answer, context, sample, prices))
        return conformance.examine(declared, answer, context, sample, prices)

    monkeypatch.setattr(doctor, "examine", note)
    examine(*DECLARED)
    silent = []
    for declared, answer, context, *more in answers:
        for cell, column in declared.endpoint.columns.items():
            # The key of an order may be any text.
            for spoil in (drop,) if cell == "key" else (drop, blot):
                wrong = spoilt(answer, column, declared.endpoint, spoil)
                try:
                    found = conformance.examine(declared, wrong, replace(context), *more)
                except MalformedResponse:
                    continue
                if not found.differences:
                    silent.append((declared.path, cell, spoil.__name__))
    assert len(answers) > 120
    assert silent == []


@pytest.mark.parametrize(
    ("venue", "endpoint", "alter"),
    [
        ("binance", "candles", put(5, float)),
        ("binance", "open_interest_history", put("sumOpenInterest", float)),
        ("bybit", "candles", lambda rows: rows[::-1]),
        ("binance", "candles", lambda rows: rows[::-1]),
    ],
)
def test_numbers_as_text_or_not_and_rows_either_way_round_fit(
    examine, standin, venue, endpoint, alter
):
    standin.faults.add("altered", venue=venue, endpoint=endpoint, alter=alter)
    assert examine(venue).of_status("differs") == []


def test_a_clock_ten_minutes_off(examine, standin):
    standin.faults.add("clock_skew", venue="binance", endpoint="time", milliseconds=-600_000)
    (one,) = [one for one in examine("binance").of_status("differs") if one.kind == "clock"]
    assert "the venue's is 600 s behind ours" in one.differences[0].words
    assert "NTP" in one.differences[0].words


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ({"kind": "too_many_requests"}, ("429", "Too many requests")),
        ({"kind": "time_out", "seconds": 1.0}, ("RequestTimeout",)),
        ({"kind": "server_error", "status": 200}, ("answered no JSON", "<html>")),
        ({"kind": "cut_before_answer"}, ("ask again",)),
    ],
)
def test_what_cannot_be_had_is_not_checked_and_says_why(
    examine, standin, monkeypatch, fault, words
):
    def hasty(_, venues):
        return {name: Connection(standin.base_url, timeout_seconds=0.3) for name in venues}

    if fault["kind"] == "time_out":
        monkeypatch.setattr(doctor, "venue_connections", hasty)
    standin.faults.add(venue="binance", endpoint="candles", **fault)
    report = examine("binance")
    assert not report.has_fitted
    assert report.of_status("differs") == []
    (one,) = report.of_status("not checked")
    assert one.kind == "ohlcv"
    assert all(part in one.reason for part in words), one.reason


def test_a_venue_out_of_reach_is_one_line_and_costs_no_other(examine, standin):
    standin.faults.add("server_error", venue="gate", status=451)
    report = examine("gate", "binance")
    (one,) = report.of_status("not checked")
    assert (one.venue, one.kind) == ("gate", "instruments")
    assert "451" in one.reason
    assert len([one for one in report.of_status("fits") if one.venue == "binance"]) > 8


def test_a_venue_that_asks_for_a_pause_is_left_alone(examine, standin):
    standin.faults.add(
        "too_many_requests", venue="binance", endpoint="funding_history", seconds=300.0
    )
    first, second = examine("binance").of_status("not checked")
    assert first.kind == "funding_rate"
    assert "ask again in 300 s" in first.reason
    assert second.kind == "long_short_ratio accounts"
    assert "not asked" in second.reason
    assert second.reason.endswith("Nor was anything after it")


def test_a_wrong_volume_is_not_held_against_open_interest(examine, standin):
    standin.faults.add("altered", venue="gate", endpoint="candles", alter=scaled("v", 0.0001))
    differing = {(one.kind, one.instrument) for one in examine("gate").of_status("differs")}
    assert ("ohlcv", "BTC/USDT:USDT") in differing
    assert ("open_interest", "BTC/USDT:USDT") not in differing
    # Candles of the inverse contract have no second volume: only their ratio to it shows.
    assert ("open_interest", "BTC/USD:BTC") in differing


def test_a_listing_without_declared_contracts_differs(examine, standin):
    standin.faults.add(
        "altered", venue="binance", endpoint="instruments",
        alter=put("quoteAsset", lambda _: "EUR"),
    )  # fmt: skip
    (one,) = examine("binance").examined
    assert (one.kind, one.status) == ("instruments", "differs")
    assert 'VENUES["binance"].markets_method' in one.differences[0].words


def test_a_declaration_that_cannot_be_is_named(examine, monkeypatch):
    product = DECLARED["binance"].products[0]
    broken = replace(product, ohlcv=replace(product.ohlcv, volume_unit="usd"))
    venue = replace(DECLARED["binance"], products=(broken,))
    monkeypatch.setattr("sources.venues.declared.VENUES", {**DECLARED, "binance": venue})
    (one,) = examine("binance").of_status("differs")
    assert one.kind == "ohlcv"
    assert "usd is no position unit of a linear contract" in one.differences[0].words


def test_an_answer_that_serves_several_kinds_is_asked_for_once_and_in_each_report(examine, standin):
    standin.forget()
    report = examine("gate")
    statistics = [one for one in report.examined if "contract_stats" in str(one.exchanges)]
    # Open interest, four ratios and liquidations, of linear and of inverse contracts.
    assert len(statistics) == 12
    assert standin.counts["gate", "open_interest_history"] == 2


def test_a_refused_request_differs(examine, standin):
    standin.faults.add("server_error", venue="binance", endpoint="candles", status=404)
    (one,) = examine("binance").of_status("differs")
    assert one.differences[0].field == "request"
    assert "404" in one.differences[0].words
    assert "ohlcv.endpoints[0].params" in one.differences[0].words


def test_no_secret_is_in_a_report(examine, tmp_path):
    keys = {"binance": {"api_key": "key-of-mine", "secret": "secret-of-mine"}}
    report = examine("binance", keys=keys)
    (brackets,) = [one for one in report.examined if one.kind == "leverage_bracket"]
    assert brackets.status == "fits"
    assert "signature=***" in brackets.exchanges[0].request
    doctor.write_report(report, tmp_path / "report.json")
    written = (tmp_path / "report.json").read_text()
    assert "of-mine" not in written
    assert json.loads(written)["versions"].keys() == {"liqheat", "ccxt", "python", "platform"}


def test_sides_are_seen_in_one_answer_of_many_contracts(tmp_path):
    """MEXC has no history of open interest: the figures of all contracts are counted together."""
    market = synthetic_market(
        start=START,
        end=START + DAY,
        venues=("mexc",),
        assets={"BTC": 70_000.0} | {f"C{chr(65 + n)}": 10.0 + n for n in range(26)}
        | {f"D{chr(65 + n)}": 40.0 + n for n in range(26)},
    )  # fmt: skip
    mexc = Standin(market, now=START + 23 * HOUR, faults=Faults(seed=0), enforce_limits=False)

    def sides():
        report = doctor.run_doctor(
            Settings(home=tmp_path, venue_url=mexc.base_url),
            clock=lambda: instant(mexc.now),
            venues=("mexc",),
            patience=ONCE,
        )
        return next(one for one in report.examined if one.kind == "sides of open interest")

    with serving(mexc):
        sound = sides()
        assert (sound.status, sound.differences) == ("fits", ())
        assert "53 figures" in sound.reason
        assert "which shows one side counted" in sound.reason
        alter = put("holdVol", lambda contracts: 2 * contracts)
        mexc.faults.add("altered", venue="mexc", endpoint="tickers", alter=alter)
        wrong = sides()
        assert wrong.status == "differs"
        assert "0% of 53 figures" in wrong.differences[0].found
        assert wrong.differences[0].declared == "sides_counted 1"


def test_a_file_of_the_archive_is_verified(examine, standin):
    day = (instant(NOW) - dt.timedelta(days=4)).date()
    path = f"data/futures/um/daily/klines/BTCUSDT/5m/BTCUSDT-5m-{day}.zip"
    with serving(Archive(standin.market, today=instant(NOW).date())) as archive:
        for fault, status, words in (
            (None, "fits", ""),
            ("missing", "differs", f"{path} is not published"),
            ("wrong_checksum", "not checked", "wrong checksum, twice"),
        ):
            archive.faults = {} if fault is None else {path: (fault, -1)}
            (one,) = examine(archive_url=archive.base_url).examined
            assert (one.venue, one.status) == ("archive", status), one
            said = [difference.words for difference in one.differences] or [one.reason or ""]
            assert words in said[0]
            if status == "differs":
                assert "sources/archives/binance.py" in said[0]


@pytest.mark.parametrize(
    ("make", "status", "words"),
    [
        (lambda hour: [hour, "1", "1", "1", "1.0002"], "fits", ""),
        (lambda hour: [hour, "1", "1", "1", "70000"], "differs", "the price of another pair?"),
        (lambda hour: [hour * 1000, "1", "1", "1", "1"], "differs", "no instant in s"),
        (lambda hour: [hour - 90 * 86_400, "1", "1", "1", "1"], "differs", "none of the last six"),
    ],
)
def test_prices_of_stablecoins_are_held_against_their_declaration(
    examine, monkeypatch, make, status, words
):
    market = QUOTE_MARKETS[0]

    async def answer(market, *, since, until, now, base_url):
        rows = [make(int(since.timestamp()) + 3600 * n) for n in range(6)]
        body = json.dumps({"result": {market.rows[1]: rows}}).encode()
        return parse_quote_rates(body, market, since=since, until=until, now=now)

    monkeypatch.setattr(doctor, "QUOTE_MARKETS", (market,))
    monkeypatch.setattr(doctor, "ask_quote_rates", answer)
    (one,) = examine(quotes_url="http://unused").examined
    assert one.status == status
    assert words in "".join(difference.words for difference in one.differences)


def test_archive_and_spot_markets_out_of_reach_are_not_checked(examine, standin):
    report = examine(archive_url="http://127.0.0.1:9", quotes_url=standin.base_url)
    kinds = Counter((one.kind.partition(" ")[0], one.status) for one in report.examined)
    assert kinds == {("klines", "not checked"): 1, ("quote", "not checked"): 5}
    assert all("127.0.0.1" in line for line in report.lines())


def test_the_command_writes_a_report_and_fails_where_anything_differs(
    standin, monkeypatch, tmp_path
):
    monkeypatch.setattr(health, "now", lambda: instant(standin.now))
    monkeypatch.setenv("LIQHEAT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("LIQHEAT_VENUE_URL", standin.base_url)
    command = get_command(app)
    fine = CliRunner().invoke(command, ["doctor", "--venue", "Binance", "--format", "json"])
    assert fine.exit_code == 0, fine.output
    assert {row["result"] for row in json.loads(fine.stdout)} == {"fits", "left out"}
    (path,) = (tmp_path / "home").iterdir()
    assert {one["status"] for one in json.loads(path.read_text())["examined"]} == {
        "fits",
        "left out",
    }
    standin.faults.add("altered", venue="binance", endpoint="candles", alter=scaled(2, 0.5))
    try:
        report = tmp_path / "report.json"
        wrong = CliRunner().invoke(
            command, ["doctor", "--venue", "binance", "--report", str(report)]
        )
    finally:
        standin.faults.clear()
    assert wrong.exit_code == 1
    assert "differs: binance ohlcv BTC/USDT:USDT: high: high below low" in wrong.stderr
    lines = json.loads(report.read_text())["lines"]
    assert lines
    assert all(line in wrong.stderr for line in lines)


def test_a_venue_nobody_declares_is_named(tmp_path):
    with pytest.raises(VenueRejected, match="no venue is called 'ftx'"):
        doctor.venues_to_examine(Settings(home=tmp_path), ["ftx"])
