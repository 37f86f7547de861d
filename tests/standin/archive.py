"""A stand-in for Binance's public archive: zips of a market, by day and by month, with faults.

Belongs here: the archive's layout, file contents as the venue writes them, and what may go wrong on
the way. Does not belong here: the market.
"""

import asyncio
import datetime as dt
import hashlib
import io
import re
import zipfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from aiohttp import web

from standin.market_data import MarketData, Series

BAR = 300_000
_PATH = re.compile(
    r"data/futures/(?P<market>um|cm)/(?P<period>daily|monthly)/(?P<dataset>\w+)/(?P<symbol>\w+)/"
    r"(?:5m/)?(?P=symbol)-(?:5m|(?P=dataset))-(?P<stamp>[\d-]+)\.zip"
)
_KLINES_HEADER = (
    "open_time,open,high,low,close,volume,close_time,quote_volume,count,taker_buy_volume,"
    "taker_buy_quote_volume,ignore"
)
_METRICS_HEADER = (
    "create_time,symbol,sum_open_interest,sum_open_interest_value,count_toptrader_long_short_ratio,"
    "sum_toptrader_long_short_ratio,count_long_short_ratio,sum_taker_long_short_vol_ratio"
)

FAULTS = (
    "missing",  # 404 for the file and its checksum
    "no_checksum",  # 404 for the checksum alone
    "wrong_checksum",
    "truncated",  # half of the file, with a checksum of the whole
    "cut",  # the connection closes within the file
    "too_many_requests",  # 429 with Retry-After
    "server_error",
    "slow",
    "no_zip",  # a web page, with a checksum that fits
    "other_symbol",
    "other_day",
)


def milliseconds(day: dt.date) -> int:
    """Return midnight UTC of a day [ms]."""
    return int(dt.datetime.combine(day, dt.time(), tzinfo=dt.UTC).timestamp() * 1000)


@dataclass
class Archive:
    """Serves files of a market as of a day.

    Parameters
    ----------
    market : MarketData
        Of binance: linear contracts are USDT-M, inverse ones coin-M.
    today : date
        Files of earlier days and months are published.
    relabelled_from : date or None
        From this day on, labels of USDT-M metrics are five minutes before the instant meant.
    faults : dict of str to (str, int)
        By path: what happens, and how often; -1 is without end.
    """

    market: MarketData
    today: dt.date
    relabelled_from: dt.date | None = None
    faults: dict[str, tuple[str, int]] = field(default_factory=dict)
    requested: Counter[str] = field(default_factory=Counter)
    most_at_once: int = 0
    base_url: str = ""
    _at_once: int = 0

    async def start(self, port: int = 0) -> None:
        """Listen on loopback."""
        app = web.Application()
        app.router.add_get("/{path:.*}", self._handle)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", port)
        await site.start()
        assert site._server is not None
        port = site._server.sockets[0].getsockname()[1]  # type: ignore[attr-defined]
        self.base_url = f"http://127.0.0.1:{port}"

    async def stop(self) -> None:
        """Listen no more."""
        await self._runner.cleanup()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        self.requested[request.match_info["path"]] += 1
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            return await self._answer(request)
        finally:
            self._at_once -= 1

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        requested = request.match_info["path"]
        path = requested.removesuffix(".CHECKSUM")
        is_checksum = path != requested
        fault = self._fault(path, is_checksum)
        if fault == "too_many_requests":
            return web.Response(status=429, headers={"Retry-After": "0.01"}, text="slow down")
        if fault == "server_error":
            return web.Response(status=503, text="<html>unavailable</html>")
        if fault == "slow":
            await asyncio.sleep(0.05)
        body = self.file(path, fault)
        if body is None or fault == "missing" or (fault == "no_checksum" and is_checksum):
            return web.Response(status=404, text="<Code>NoSuchKey</Code>")
        if is_checksum:
            digest = hashlib.sha256(body).hexdigest()
            if fault == "wrong_checksum":
                digest = "0" * 64
            return web.Response(text=f"{digest}  {path.rpartition('/')[2]}\n")
        if fault == "truncated":
            body = body[: len(body) // 2]
        if fault == "cut":
            response = web.StreamResponse(headers={"Content-Length": str(len(body))})
            await response.prepare(request)
            await response.write(body[:100])
            assert request.transport is not None
            request.transport.abort()
            return response
        return web.Response(body=body, content_type="application/zip")

    def _fault(self, path: str, is_checksum: bool) -> str | None:
        kind, times = self.faults.get(path, (None, 0))
        if times == 0:
            return None
        # Most faults are of the file; a checksum is only requested once it came.
        if not is_checksum and times > 0 and kind not in ("wrong_checksum", "truncated"):
            self.faults[path] = (str(kind), times - 1)
        return kind

    def file(self, path: str, fault: str | None = None) -> bytes | None:
        """Return the zip at a path; None where the archive has none."""
        found = _PATH.fullmatch(path)
        if found is None:
            return None
        series = self._series(found["market"], found["symbol"])
        first, end = _days(found["period"], found["stamp"])
        is_published = end <= self.today
        is_wrong_period = (found["dataset"], found["period"]) in (
            ("metrics", "monthly"),
            ("fundingRate", "daily"),
        )
        if series is None or not is_published or is_wrong_period:
            return None
        if fault == "no_zip":
            return b"<html>not what you want</html>"
        if fault == "other_day":
            first, end = first - dt.timedelta(days=1), first
        lines = list(self._lines(series, found["dataset"], first, end))
        if not lines:
            return None
        header, symbol = _KLINES_HEADER, found["symbol"]
        if found["dataset"] == "metrics":
            header = _METRICS_HEADER
        elif found["dataset"] == "fundingRate":
            header = "calc_time,funding_interval_hours,last_funding_rate"
        text = "\n".join([header, *lines]) + "\n"
        if fault == "other_symbol":
            text = text.replace(symbol, "ETHUSDT")
        return zipped(path.rpartition("/")[2].replace(".zip", ".csv"), text.encode())

    def _series(self, market: str, symbol: str) -> Series | None:
        for series in self.market.of_venue("binance"):
            one = series.instrument
            spelled = f"{one.base}USD_PERP" if one.is_inverse else f"{one.base}{one.quote}"
            if spelled == symbol and one.is_inverse == (market == "cm"):
                return series
        return None

    def _lines(self, series: Series, dataset: str, first: dt.date, end: dt.date) -> Iterator[str]:
        low, high = milliseconds(first), milliseconds(end)
        if dataset == "metrics":
            yield from self._metrics(series, first, low, high)
        elif dataset == "fundingRate":
            for at, rate in series.fundings(high - 1, low, None, None, from_end=False):
                yield f"{at},{series.instrument.funding_interval_hours},{rate}"
        else:
            yield from _klines(series, low, high, is_mark=dataset == "markPriceKlines")

    def _metrics(self, series: Series, day: dt.date, low: int, high: int) -> Iterator[str]:
        one = series.instrument
        # Files hold the instants from 00:05 to the next midnight. Coin-M ones have always labelled
        # them 00:00 to 23:55, USDT-M ones since a day.
        is_late = one.is_inverse or (
            self.relabelled_from is not None and day >= self.relabelled_from
        )
        for at, quantity, ratio in series.samples(BAR, high, low + BAR, high, None, from_end=False):
            (price,) = series.prices_at([at])
            label = dt.datetime.fromtimestamp((at - BAR * is_late) / 1000, tz=dt.UTC)
            if one.is_inverse:
                cells = (quantity / one.contract_size, quantity / price)
                symbol = f"{one.base}USD_PERP"
            else:
                cells = (quantity / one.base_multiplier, quantity * price)
                symbol = f"{one.base}{one.quote}"
            amount, value = (f"{cell:.17g}" for cell in cells)
            yield f'{label:%Y-%m-%d %H:%M:%S},{symbol},{amount},{value},"","",{ratio},1.1'


def _klines(series: Series, low: int, high: int, *, is_mark: bool) -> Iterator[str]:
    one = series.instrument
    for bar in series.candles(BAR, high, low, high - 1, None, from_end=False, is_mark=is_mark):
        prices = (one.quoted_price(price) for price in (bar.open, bar.high, bar.low, bar.close))
        size = one.contract_size if one.is_inverse else one.base_multiplier
        volume, bought = (0, 0) if is_mark else (bar.quantity / size, bar.taker_buy / size)
        cells = ",".join(f"{price:.17g}" for price in prices)
        end = bar.start + BAR - 1
        yield f"{bar.start},{cells},{volume:.17g},{end},0,{bar.trades},{bought:.17g},0,0"


def _days(period: str, stamp: str) -> tuple[dt.date, dt.date]:
    if period == "daily":
        first = dt.date.fromisoformat(stamp)
        return first, first + dt.timedelta(days=1)
    first = dt.date.fromisoformat(f"{stamp}-01")
    return first, (first + dt.timedelta(days=31)).replace(day=1)


def zipped(name: str, content: bytes) -> bytes:
    """Return a zip of one file, the same for the same content."""
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return body.getvalue()
