"""The collector beside a stand-in: what it finds, keeps and lands, and what faults do to it."""

import asyncio
import json
import logging
import re
import time
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from standin import DAY, MINUTE, PopulationParameters, Standin, synthetic_market

from jobs.positions.account_book import AccountBook
from jobs.positions.book_file import book_path
from jobs.positions.collector import collect_positions
from jobs.positions.collector_report import CollectorReport
from jobs.settings import Settings

MIDNIGHT = 1_772_323_200_000
BEFORE_THE_HOUR = MIDNIGHT + 57 * MINUTE
SPEED = 150.0
FEW = PopulationParameters(accounts=80, trades_per_second=1.0, makers=4, bots=6)


@pytest.fixture(scope="module")
def coins():
    return synthetic_market(
        start=MIDNIGHT - DAY,
        end=MIDNIGHT + DAY,
        venues=("hyperliquid",),
        assets={"BTC": 70_000.0, "SOL": 90.0, "PEPE": 4e-6},
    )


def settings_of(standin, home):
    return Settings(home=home, positions_url=f"{standin.base_url}/hyperliquid")


async def collect(standin, home, minutes, speed=SPEED):
    """Collect for some minutes of the stand-in's time, which goes by `speed` times as fast."""
    standin.run(speed)
    began_at, began = standin.now, time.monotonic()

    def seconds():
        return began_at / 1000 + (time.monotonic() - began) * speed

    async def sleep(wait):
        await asyncio.sleep(max(wait, 0.0) / speed)

    try:
        return await asyncio.to_thread(
            collect_positions,
            settings_of(standin, home),
            clock=lambda: datetime.fromtimestamp(seconds(), UTC),
            sleep=sleep,
            monotonic=seconds,
            seconds=minutes * 60.0,
        )
    finally:
        standin.run(0)


@contextmanager
def book_of(home):
    book = AccountBook(book_path(Settings(home=home)))
    yield book
    book.close()


def landed(home, kind):
    files = sorted((home / "landing" / kind).glob("*.parquet"))
    return [row for file in files for row in pq.read_table(file).to_pylist()]


@dataclass(frozen=True)
class Run:
    report: CollectorReport
    home: Path
    log: str
    holders: int
    refused: int


class _Lines(logging.Handler):
    def __init__(self):
        super().__init__(logging.DEBUG)
        self.lines = []

    def emit(self, record):
        self.lines.append(record.getMessage())


@pytest.fixture(scope="module")
def run(coins, tmp_path_factory):
    """Return what came of a quarter of an hour, some requests failing.

    The map is made three minutes in, which leaves a busy machine the others to make it.
    """
    home = tmp_path_factory.mktemp("home")
    lines = _Lines()
    # Flows raise the level of `sources` where they are imported before.
    loggers = [logging.getLogger(), logging.getLogger("sources")]
    levels = [one.level for one in loggers]
    loggers[0].addHandler(lines)
    for one in loggers:
        one.setLevel(logging.DEBUG)

    async def collected():
        async with Standin(coins, now=BEFORE_THE_HOUR, accounts=FEW) as standin:
            standin.faults.add("server_error", endpoint="account_state", probability=0.1)
            report = await collect(standin, home, 15)
            holders = int((standin.population.book.n_positions > 0).sum())
            refused = sum(one.status == 429 for one in standin.log)
        return Run(report, home, "\n".join(lines.lines), holders, refused)

    try:
        return asyncio.run(collected())
    finally:
        loggers[0].removeHandler(lines)
        for one, level in zip(loggers, levels, strict=True):
            one.setLevel(level)


def test_accounts_are_found_swept_mapped_and_landed(run):
    report = run.report
    assert report.trades_received > 100
    assert report.accounts_with_positions > 0.8 * run.holders
    assert report.btc_observed_ratio > 0.8
    assert report.records_waiting == 0
    assert run.refused == 0
    hour = datetime.fromtimestamp(MIDNIGHT / 1000 + 3600, UTC)
    assert report.last_map_at == hour
    assert {row["as_of"] for row in landed(run.home, "provider_map")} == {hour}
    assert landed(run.home, "position_coverage")
    firsts = [row for row in landed(run.home, "account_position") if row["change"] == "first"]
    assert len({row["account_key"] for row in firsts}) > 0.8 * run.holders


def test_no_address_leaves_the_folder_of_the_book(run):
    address = re.compile(rb"0x[0-9a-fA-F]{40}")
    files = [path for path in run.home.rglob("*") if path.is_file()]
    outside = [path for path in files if path.parent.name != "positions"]
    assert len(outside) >= 4
    for path in outside:
        texts = [path.read_bytes(), str(path).encode()]
        if path.suffix == ".parquet":
            texts.append(str(pq.read_table(path).to_pylist()).encode())
        assert not any(address.search(text) for text in texts), path
    assert "account_state" in run.log or "clearinghouseState" in run.log
    assert not address.search(run.log.encode())


async def test_it_goes_on_where_it_stopped(coins, tmp_path):
    async with Standin(coins, now=BEFORE_THE_HOUR - 20 * MINUTE, accounts=FEW) as standin:
        first = await collect(standin, tmp_path, 4)
        with book_of(tmp_path) as book:
            before = [one.address for one in book.addresses()]
        second = await collect(standin, tmp_path, 2)
        with book_of(tmp_path) as book:
            after = [one.address for one in book.addresses()]
    assert after[: len(before)] == before
    assert second.positions >= 0.8 * first.positions
    assert second.states_received < first.states_received
    keys = [
        (row["account_key"], row["asset"], row["observed_at"])
        for row in landed(tmp_path, "account_position")
    ]
    assert len(keys) == len(set(keys))


async def test_refusals_slow_it_down_and_end_with_no_limit_exceeded(coins, tmp_path):
    async with Standin(coins, now=BEFORE_THE_HOUR - 20 * MINUTE, accounts=FEW) as standin:
        standin.faults.add("too_many_requests", endpoint="account_state", probability=0.3)
        report = await collect(standin, tmp_path, 6)
    assert report.states_received > 0
    assert report.weight_limit < 1200
    assert "429" in report.last_error


async def test_an_error_that_has_passed_is_none_of_the_present(coins, tmp_path):
    async with Standin(coins, now=BEFORE_THE_HOUR - 20 * MINUTE, accounts=FEW) as standin:
        standin.faults.add("server_error", endpoint="account_state", times=3)
        standin.faults.add("server_error", endpoint="vaults")
        report = await collect(standin, tmp_path, 3)
    assert "502" in report.last_error or "500" in report.last_error
    assert "vaults" in report.standing_error


async def test_accounts_are_found_by_trades_alone_where_lists_are_empty(coins, tmp_path):
    async with Standin(coins, now=BEFORE_THE_HOUR - 20 * MINUTE, accounts=FEW) as standin:
        for endpoint in ("leaderboard", "vaults"):
            standin.faults.add("empty", endpoint=endpoint)
        report = await collect(standin, tmp_path, 4)
    assert 0 < report.accounts_with_positions <= report.accounts < 80


async def test_a_list_of_another_form_costs_only_itself(coins, tmp_path):
    async with Standin(coins, now=BEFORE_THE_HOUR - 20 * MINUTE, accounts=FEW) as standin:
        standin.faults.add("reorganised_list", endpoint="leaderboard")
        report = await collect(standin, tmp_path, 4)
    assert report.accounts > 10
    assert "leaderboard" in report.last_error


async def test_unreadable_positions_and_empty_states_close_nothing(coins, tmp_path):
    async with Standin(coins, now=BEFORE_THE_HOUR - 40 * MINUTE, accounts=FEW) as standin:
        first = await collect(standin, tmp_path, 4)
        standin.faults.add("empty", endpoint="account_state", probability=0.1)
        standin.faults.add("missing_field", endpoint="account_state", probability=0.2)
        second = await collect(standin, tmp_path, 18, speed=300.0)
        true = int((standin.population.book.n_positions > 0).sum())
    assert second.states_received > 10
    assert second.accounts_with_positions >= 0.9 * min(first.accounts_with_positions, true)


def test_a_home_without_network_says_so_and_makes_no_map(tmp_path):
    settings = Settings(home=tmp_path, positions_url="http://127.0.0.1:9")
    report = collect_positions(settings, clock=lambda: datetime.now(UTC), seconds=1.5)
    assert (report.accounts, report.states_received, report.trades_received) == (0, 0, 0)
    assert not report.is_stream_connected
    assert "check the network" in report.last_error
    written = json.loads((tmp_path / "positions.json").read_text())
    assert written["is_stream_connected"] is False
    assert written["outages"]
    assert not (tmp_path / "landing").exists()
