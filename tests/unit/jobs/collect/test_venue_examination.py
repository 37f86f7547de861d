"""What a venue answers otherwise than declared is named, and nothing else is."""

import json
from collections import Counter
from dataclasses import replace

import pytest
from standin import DAY, HOUR
from workbench.altered import each, put, scaled

from jobs.collect import doctor, venue_examination
from sources.venues import conformance, declared_endpoints
from sources.venues.connection import Connection
from sources.venues.declared import VENUES as DECLARED
from sources.venues.payload import MalformedResponse, find_rows


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
        'products[0].ohlcv.endpoint.columns["volume"]',
    ),
    "rows in another format": (
        "okx", "open_interest_history", lambda rows: [row[:3] for row in rows],
        "open_interest", "value", ("the row has 3 cells: another format than declared",),
        'products[0].open_interest_history.endpoint.columns["value"]',
    ),
    "rows that do not say whether they are final": (
        "okx", "candles", lambda rows: [row[:8] for row in rows],
        "ohlcv", "closed", ("no row says whether it is final",), "ohlcv.endpoint.closed",
    ),
    "seconds instead of milliseconds": (
        "binance", "open_interest_history", put("timestamp", lambda at: at // 1000),
        "open_interest", "time", ("no instant in ms", "labels in ms"), "endpoint.label_unit",
    ),
    "stamps off the grid": (
        "binance", "long_short_ratio", put("timestamp", lambda at: at + 1000),
        "long_short_ratio accounts", "time", ("100 of 100 labels are no multiple", "300 s apart"),
        "products[0].ratios[0].endpoint.period_seconds",
    ),
    "bars off the grid": (
        "binance", "candles", put(0, lambda at: at + 1000),
        "ohlcv", "time", ("no multiple of 300 s",), "ohlcv.endpoint.period_seconds",
    ),
    "an old snapshot": (
        "bitget", "tickers", put("ts", lambda at: str(int(at) - DAY)),
        "open_interest_now", "time", ("1440 minutes old",),
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
        'mark_ohlc.endpoint.columns["close"]',
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
        "funding_rate", "order", ("a full response holds the newest rows", "paging 'oldest'"),
        "products[0].funding.endpoint.paging",
    ),
    "the oldest rows where the newest are declared": (
        "bybit", "funding_history",
        put("fundingRateTimestamp", lambda at: str(int(at) - 80 * HOUR)),
        "funding_rate", "order", ("a full response holds the oldest rows", "paging 'newest'"),
        "products[0].funding.endpoint.paging",
    ),
    "a first page with old rows": (
        "bitget", "funding_history", put("fundingTime", lambda at: str(int(at) - 20 * DAY)),
        "funding_rate", "order", ("the newest row is 48", "page 1 with the newest rows"),
        "products[0].funding.endpoint.paging",
    ),
    "an end that is left out": (
        "bybit", "candles", lambda rows: rows[1:],
        "ohlcv", "bounds", ("the last label requested", "99 of 100"),
        "ohlcv.endpoint.end_shift",
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
        "ohlcv", "rows", ("none at the response itself",), "products[0].ohlcv.endpoint.rows",
    ),
}  # fmt: skip


def test_venues_as_declared_fit(examine):
    report = examine(*DECLARED)
    assert [difference.words for one in report.examined for difference in one.differences] == []
    assert {(one.venue, one.kind, one.reason) for one in report.of_status("not checked")} == set()
    assert report.has_fitted
    fitting = Counter(one.venue for one in report.of_status("fits"))
    assert set(fitting) == set(DECLARED)
    assert min(fitting.values()) >= 7  # hyperliquid has the fewest kinds
    # Every kind of every product is there, whether it could be requested or not.
    for venue in DECLARED.values():
        of_venue = {one.declaration for one in report.examined if one.venue == venue.name}
        for product in venue.products:
            for declared in declared_endpoints.declared_endpoints(venue, product):
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

    monkeypatch.setattr(venue_examination, "examine", note)
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
        ({"kind": "cut_before_answer"}, ("try again",)),
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
    assert "try again in 300 s" in first.reason
    assert second.kind == "long_short_ratio accounts"
    assert "skipped" in second.reason
    assert second.reason.endswith("Nothing after it was requested either")


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
    assert "usd is no position unit of linear contracts" in one.differences[0].words


def test_an_answer_that_serves_several_kinds_is_requested_once_and_in_each_report(examine, standin):
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
    assert "ohlcv.endpoint.params" in one.differences[0].words
