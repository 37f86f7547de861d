"""Inputs of every kind, damaged at random, and what the program makes of them.

Belongs here: sound inputs small enough to damage anywhere, the damage, and running them. Does not
belong here: how many (the test and ``bench/fuzz.py`` say).
"""

import gzip
import io
import json
import logging
import random
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from typer.testing import CliRunner

from cli.main import app
from jobs.build.estimator_choice import read_estimator
from jobs.check.gates_in_force import read_gates
from jobs.collect.landing import land
from jobs.errors import LIQHEAT_ERRORS
from jobs.pipeline import load
from jobs.settings import Settings
from jobs.writer import open_writer
from sources.providers.answer_values import excerpt
from sources.records import SCHEMAS, Batch
from sources.universe import read_universe

UNFORESEEN = ("Please report", "Traceback")
"""What a run must not print: nobody thought of the damage."""

MAPPING = """
description: Hourly bars with open interest at their end
venue: binance
instrument:
  unified: "{base}/{quote}:{quote}"
  column: symbol
  column_pattern: "{base}{quote}"
  contract_size: 1
time: {column: t, unit: seconds, label: bar_open}
bar: 1h
ohlcv: {open: o, high: h, low: l, close: c, volume: v, volume_unit: base}
open_interest: {amount: oi, amount_unit: base, shift: 1h}
"""
HEADER = "symbol,t,o,h,l,c,v,oi"
FIRST = 1_772_323_200  # 2026-03-01


def bars(first_hour: int, n_hours: int = 4) -> str:
    """Return a CSV of hourly bars."""
    lines = [
        f"BTCUSDT,{FIRST + 3600 * (first_hour + hour)},100,110,90,105,7,{50 + hour}"
        for hour in range(n_hours)
    ]
    return "\n".join([HEADER, *lines, ""])


def _zipped(text: str) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bars.csv", text)
    return target.getvalue()


def _parquet(text: str) -> bytes:
    header, *lines = text.strip().split("\n")
    names = header.split(",")
    cells = [line.split(",") for line in lines]
    columns = {
        name: [row[at] if name == "symbol" else float(row[at]) for row in cells]
        for at, name in enumerate(names)
    }
    target = io.BytesIO()
    pq.write_table(pa.table(columns), target)
    return target.getvalue()


_TIERS = [
    {"tier": 1, "minNotional": 0, "maxNotional": 50000, "maintenanceMarginRate": 0.004,
     "maxLeverage": 125, "info": {"cum": "0"}},
    {"tier": 2, "minNotional": 50000, "maxNotional": 600000, "maintenanceMarginRate": 0.005,
     "maxLeverage": 100, "info": {"cum": "50"}},
]  # fmt: skip

ARCHIVES = {
    "csv": bars(0).encode(),
    "zip": _zipped(bars(0)),
    "csv.gz": gzip.compress(bars(0).encode(), mtime=0),
    "parquet": _parquet(bars(0)),
}
BRACKETS = json.dumps({"BTC/USDT:USDT": _TIERS, "ETH/USDT:USDT": _TIERS}).encode()
PROVIDERS = {
    "coinank": json.dumps(
        {"success": True, "code": "1", "data": {
            "symbol": "BTCUSDT", "x25": [1.0, 2.0], "x50": [0.5, 1.0], "x100": [0.1, 0.2],
            "prices": [99000.0, 101000.0], "lastIndex": 1, "lastPrice": 100000.0}}
    ).encode(),
    "coinglass": json.dumps(
        {"code": "0", "data": {
            "y_axis": [99000, 100000, 101000],
            "liquidation_leverage_data": [[0, 0, 5.5], [1, 2, 7.5]],
            "price_candlesticks": [[FIRST, "100000", "100100", "99900", "100000", "5"],
                                   [FIRST + 3600, "100000", "100100", "99900", "100000", "5"]]}}
    ).encode(),
    "file": b"provider,asset,as_of,price_low,price_high,side,value,unit,semantics\n"
    b"mine,BTC,2026-03-03T14:00:00Z,99,101,long,5.5,usd,standing\n"
    b"mine,BTC,2026-03-03T14:00:00Z,101,103,short,2.5,usd,standing\n",
}  # fmt: skip
SETTINGS_FILES: dict[str, tuple[str, Callable[[Path], object]]] = {
    "universe.yaml": ("venues: [binance, okx]\nassets: [BTC]\nexclude: [USDC]\n", read_universe),
    "estimator.yaml": (
        "provider: mine\nbase: turnover\nturnover_share_ratio: 0.3\n", read_estimator),
    "quality_thresholds.yaml": (
        "price_gap: {soft: 0.01, hard: 0.5}\n",
        lambda path: read_gates(Settings(home=path.parent))),
}  # fmt: skip

# What turns up in broken files, and what people have sent to break readers.
NASTY = (
    b"NaN", b"-1", b"1e999", b"-0", b"9" * 5000, b"null", b"\"\"", b"[]", b"{}", b"[" * 3000,
    b"2026-13-45", b"!!timestamp foo", b"\\ud800", b"\xff\xfe", b"\x00", b"<b>", b"../../x",
    b"\x1b[2J", b"0x10", b"1_000", b"true", b"99999-01-01", b"&a [*a]", b"\n\n", b",", b"'", b"\"",
)  # fmt: skip


def damaged(content: bytes, rng: random.Random) -> bytes:
    """Return the content with one to three pieces of damage."""
    for _ in range(rng.choice((1, 1, 2, 3))):
        content = rng.choice((_cut, _flip, _insert, _replace_token, _repeat, _empty))(content, rng)
    return content


def _cut(content: bytes, rng: random.Random) -> bytes:
    return content[: rng.randrange(len(content) + 1)]


def _flip(content: bytes, rng: random.Random) -> bytes:
    if not content:
        return content
    at = rng.randrange(len(content))
    return content[:at] + bytes([content[at] ^ (1 << rng.randrange(8))]) + content[at + 1 :]


def _insert(content: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(content) + 1)
    return content[:at] + rng.choice(NASTY) + content[at:]


def _replace_token(content: bytes, rng: random.Random) -> bytes:
    """Replace the value between two separators."""
    stops = [at for at, byte in enumerate(content) if byte in b",:[]{} \n"]
    if len(stops) < 2:
        return content
    first = rng.randrange(len(stops) - 1)
    return content[: stops[first] + 1] + rng.choice(NASTY) + content[stops[first + 1] :]


def _repeat(content: bytes, rng: random.Random) -> bytes:
    start = rng.randrange(len(content) + 1)
    stop = min(len(content), start + rng.randrange(200))
    return content[:stop] + content[start:stop] * rng.choice((1, 2, 50)) + content[stop:]


def _empty(content: bytes, rng: random.Random) -> bytes:
    return b"" if rng.random() < 0.2 else _flip(content, rng)


@dataclass(slots=True)
class Outcome:
    """What came of many damaged inputs.

    Parameters
    ----------
    tried : int
        Inputs given.
    refused : int
        Runs that ended with a message.
    unforeseen : list of str
        What nobody thought of: the kind of input, its bytes, what the program printed.
    """

    tried: int = 0
    refused: int = 0
    unforeseen: list[str] = field(default_factory=list)

    def note(self, kind: str, content: bytes, printed: str) -> None:
        """Note an input that the program did not expect."""
        self.unforeseen.append(f"{kind}: {excerpt(repr(content), 400)}\n{printed[-6000:]}")


class Fuzz:
    """A home that damaged inputs are given to, and the good rows that must come through.

    Parameters
    ----------
    folder : Path
        An empty folder for inputs and the home.
    seed : int
        Of the damage.
    """

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder = folder
        self.home = folder / "home"
        self.rng = random.Random(seed)  # noqa: S311  (damage, not secrets)
        self.outcome = Outcome()
        (folder / "mine.yaml").write_text(MAPPING)

    def give(self, count: int, batch: int = 25) -> Outcome:
        """Give so many damaged inputs, in turn of every kind, and return what came of them."""
        kinds = self._kinds()
        # Logging writes to the stream of the first command's runner, which is closed by the second.
        logging.disable()
        try:
            while self.outcome.tried < count:
                next(kinds)(min(batch, count - self.outcome.tried))
        finally:
            logging.disable(logging.NOTSET)
        return self.outcome

    def _kinds(self) -> Iterator[Callable[[int], None]]:
        while True:
            yield self._archives
            yield self._settings_files
            for provider in PROVIDERS:
                yield lambda n, provider=provider: self._answers(provider, n)
            yield self._mappings
            yield self._brackets
            yield self._landing

    def _write(self, name: str, content: bytes) -> Path:
        path = self.folder / "in" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
        return path

    def _command(self, kind: str, contents: list[bytes], *arguments: object) -> None:
        result = CliRunner().invoke(
            app, [str(one) for one in arguments], env={"LIQHEAT_HOME": str(self.home)}
        )
        self.outcome.tried += len(contents)
        self.outcome.refused += result.exit_code != 0
        is_error = result.exception is not None and not isinstance(result.exception, SystemExit)
        printed = f"{result.output}\n{result.exception!r}" if is_error else result.output
        if is_error or any(sign in result.output for sign in UNFORESEEN):
            self.outcome.note(kind, b"\n---\n".join(contents[:3]), printed)

    def _archives(self, count: int) -> None:
        suffixes = [self.rng.choice(list(ARCHIVES)) for _ in range(count)]
        contents = [damaged(ARCHIVES[suffix], self.rng) for suffix in suffixes]
        paths = [
            self._write(f"bars-{self.outcome.tried + at}.{suffix}", content)
            for at, (suffix, content) in enumerate(zip(suffixes, contents, strict=True))
        ]
        good = self._write("good.csv", bars(100).encode())
        mapping = self.folder / "mine.yaml"
        self._command("archive", contents, "import", *paths, good, "--mapping", mapping)
        for path in paths:
            path.unlink()

    def _answers(self, provider: str, count: int) -> None:
        contents = [damaged(PROVIDERS[provider], self.rng) for _ in range(count)]
        paths = [
            self._write(f"{provider}-{self.outcome.tried + at}.json", content)
            for at, content in enumerate(contents)
        ]
        given = ("--asset", "BTC", "--captured-at", "2026-03-03T14:00", "--reference-price", 100000)
        self._command(provider, contents, "import-provider", provider, *paths, *given)
        for path in paths:
            path.unlink()

    def _brackets(self, count: int) -> None:
        for _ in range(min(count, 3)):
            content = damaged(BRACKETS, self.rng)
            path = self._write("brackets.json", content)
            given = ("--venue", "binance", "--valid-from", "2026-01-01")
            self._command("brackets", [content], "import-brackets", path, *given)

    def _mappings(self, count: int) -> None:
        # Damage that leaves a sound mapping may still say something else of the rows.
        bars_file = self._write("other.csv", bars(300).encode())
        for _ in range(min(count, 3)):
            content = damaged(MAPPING.encode(), self.rng)
            path = self._write("mapping.yaml", content)
            self._command("mapping", [content], "import", bars_file, "--mapping", path)

    def _settings_files(self, count: int) -> None:
        for _ in range(count):
            name = self.rng.choice(list(SETTINGS_FILES))
            text, read = SETTINGS_FILES[name]
            content = damaged(text.encode(), self.rng)
            path = self._write(name, content)
            self.outcome.tried += 1
            try:
                read(path)
            except LIQHEAT_ERRORS as exc:
                self.outcome.refused += 1
                str(exc).encode()
            except Exception as exc:  # noqa: BLE001  (that is what is looked for)
                self.outcome.note(name, content, repr(exc))

    def _landing(self, count: int) -> None:
        """Damage landing files, as a failing disk would, and load."""
        settings = Settings(home=self.home)
        for number in range(min(count, 5)):
            rows = [
                {
                    "observed_at": datetime(2026, 3, 1, number, tzinfo=UTC), "index_name": "x",
                    "index_value": 5.0, "source": "fuzz",
                    "ingested_at": datetime(2026, 3, 1, tzinfo=UTC),
                }
            ]  # fmt: skip
            names = SCHEMAS["sentiment"].names
            table = pa.Table.from_pylist(
                [{name: row.get(name) for name in names} for row in rows],
                schema=SCHEMAS["sentiment"],
            )
            name = f"fuzz-{self.outcome.tried}"
            path = land(Batch("sentiment", table), settings.landing, name)
            content = damaged(path.read_bytes(), self.rng)
            path.write_bytes(content)
            self.outcome.tried += 1
            try:
                self.outcome.refused += bool(load(settings).rejected)
            except Exception as exc:  # noqa: BLE001  (that is what is looked for)
                self.outcome.note("landing", content, repr(exc))
            path.unlink()

    def good_bars(self) -> list[tuple[object, ...]]:
        """Return the bars that were in no damaged file, as raw holds them."""
        with open_writer(Settings(home=self.home)) as connection:
            return connection.execute(
                "select epoch(bar_start_at)::bigint, close, count(*) from raw.ohlcv "
                f"where bar_start_at >= to_timestamp({FIRST + 100 * 3600}) "
                f"and bar_start_at < to_timestamp({FIRST + 104 * 3600}) group by all order by all"
            ).fetchall()
