"""Measured positions on Hyperliquid: where real accounts would be liquidated.

Three forms, distinguished by their content:

wallet states
    What `fetch` returns: one line per wallet, ``{"wallet": ..., "state": ...}``, the state being
    the answer of the public info API to ``clearinghouseState``, unchanged (documented at
    ``PROVIDER.documentation_url``). One point per position, at its ``liquidationPx``, in USD there:
    size x liquidationPx, as our maps value what is forced. A position without one cannot be
    liquidated: it counts as observed, not in the map.
top wallets
    Lines of ``{committed_at, data: {coin: {currentPrice, longLiquidations, ...}}}``: the sum over
    leading wallets in 50 cells of equal width over +-30 % of the current price. ``price`` is a
    cell's middle rounded to cents; its true edges follow from the current price. A column like
    ``25x`` is the bucket of leverages above the next smaller label up to 25. Four in ten
    values recur unchanged in the next recording, at another price: they are not valued at the
    current price, most likely at entry. Positions beyond 30 % are not in it.
all accounts
    One object ``{symbol, snapshot_ts, reference_price, bucket_grid, long_distribution,
    short_distribution}``: USD by the lower edge of cells ``step`` wide. Values are whole multiples
    of the smallest size at ``reference_price``: they are valued there. The grid's outermost cells
    gather all that lies beyond it; they have no price of their own and are quarantined, but count
    as observed.

A fourth form, ``collected``, is not read here: the hourly map that ``jobs.positions.hourly_map``
makes of all accounts that are swept.

Values stay as received. ``observed_open_interest_ratio`` is what was seen of a side, valued as the
form values it, over the open interest the context gives for that instant; it is per side, as each
contract has one long and one short.
"""

import asyncio
import json
import math
import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from sources.accounts.coins import asset_of_coin, hide_addresses
from sources.accounts.info_client import INFO_URL, STATE_WEIGHT, claimed
from sources.accounts.states import AccountPosition, read_state
from sources.errors import InputRejected, ProviderRejected
from sources.http_exchange import HttpRequest, exchange
from sources.providers.answer_values import (
    amount_of,
    excerpt,
    price_of,
    read_instant,
    read_number,
    read_numbers,
    shown,
)
from sources.providers.provider import AnswerContext, MapRequest, Provider, require_model
from sources.providers.provider_answer import MapCells, ProviderAnswer
from sources.records import Batch

if TYPE_CHECKING:
    import aiohttp

NAME = "hyperliquid_positions"
VENUE = "hyperliquid"
WALLETS_AT_ONCE = 4
BUILDERS = "a contract of a builder's own exchange, which lists what it likes"
WALLET_STATES, TOP_WALLETS, ALL_ACCOUNTS = "wallet_states", "top_wallets", "all_accounts"
COLLECTED = "collected"
TOP_WALLETS_REACH = 0.3  # of the current price, to either side
TOP_WALLETS_CELLS = 50
TOP_WALLETS_ROUNDING = 0.005  # half a cent
_SIDE_KEYS = (("long", "longLiquidations"), ("short", "shortLiquidations"))


# (line number, object) of each line of an answer.
Lines = list[tuple[int, dict[str, Any]]]


def parse(raw: bytes, context: AnswerContext) -> list[Batch]:
    """Return the records of wallet states or of a recorded form (see `Provider.parse`).

    ``asset`` picks one coin of several; ``open_interest_usd`` gives what the observed share is
    taken of. ``captured_at`` is needed only for states that carry no time.
    """
    answer = ProviderAnswer(PROVIDER, context, raw)
    text = answer.text()
    first_line = text.split("\n", 1)[0]
    if '"committed_at"' in first_line or '"currentPrice"' in first_line:
        _read_top_wallets(answer, _read_lines(answer, text))
    elif '"wallet"' in first_line:
        _read_wallet_states(answer, _read_lines(answer, text))
    else:
        _read_document(answer, answer.json())
    return answer.batches(may_be_empty=True)


def _read_document(answer: ProviderAnswer, document: object) -> None:
    """Read one JSON document: all accounts, or bare states of one or more wallets."""
    if isinstance(document, dict) and (
        "long_distribution" in document or "short_distribution" in document
    ):
        _read_all_accounts(answer, document)
        return
    states: list[Any] = document if isinstance(document, list) else [document]
    if not (states and all(isinstance(each, dict) and "assetPositions" in each for each in states)):
        raise answer.refusal(
            f"neither wallet states nor a known recording: {shown(document)}",
            "give answers to clearinghouseState, one JSON object per line",
        )
    _read_wallet_states(answer, list(enumerate(states, start=1)))


def _read_lines(answer: ProviderAnswer, text: str) -> Lines:
    """Return the objects of all lines; broken lines are quarantined."""
    read: Lines = []
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            item = json.loads(line)
        except (json.JSONDecodeError, RecursionError) as exc:
            reason = f"line is not JSON ({excerpt(str(exc), 60)})"
            answer.reject_row(reason, hide_addresses(line), number)
            continue
        if isinstance(item, dict):
            read.append((number, item))
        else:
            answer.reject_row("line is not a JSON object", hide_addresses(line), number)
    return read


def _observed_ratio(
    context: AnswerContext, asset: str, as_of: datetime, observed_usd: float
) -> float | None:
    """Return the share of open interest seen on one side, None where open interest is unknown."""
    total = context.open_interest_usd(asset, as_of) if context.open_interest_usd else None
    return observed_usd / total if total and math.isfinite(total) and total > 0 else None


def _read_top_wallets(answer: ProviderAnswer, lines: Lines) -> None:
    wanted = answer.context.asset or answer.wanted_of_symbol()
    seen: set[str] = set()
    for number, line in lines:
        as_of = read_instant(line.get("committed_at") or line.get("lastUpdated"))
        coins = line.get("data")
        if as_of is None or not isinstance(coins, dict):
            answer.reject_row("committed_at or data is missing", line, number, "committed_at")
            continue
        labels = _bucket_labels(line)
        for coin, snapshot in coins.items():
            asset, multiplier = asset_of_coin(coin)
            seen.add(asset)
            if wanted is not None and asset != wanted:
                continue
            if not isinstance(snapshot, dict):
                answer.reject_row("not an object", snapshot, number, coin)
                continue
            try:
                current = price_of(snapshot.get("currentPrice"), "currentPrice")
            except ValueError as exc:
                answer.reject_row(str(exc), snapshot, number, "currentPrice")
                continue
            one_coin = _CoinSnapshot(number, as_of, asset, multiplier, current, labels)
            for side, key in _SIDE_KEYS:
                _read_top_wallets_side(answer, one_coin, side, key, snapshot.get(key))
    if wanted is not None and seen and wanted not in seen:
        raise answer.refusal(
            f"the recording has {', '.join(sorted(seen))}, not the requested {wanted!r}",
            "give a recording of that asset",
        )


def _bucket_labels(line: Mapping[str, Any]) -> dict[str, float]:
    """Return the largest leverage of each bucket by its label, as the line declares them."""
    declared = line.get("leverageBuckets")
    labels: dict[str, float] = {}
    for bucket in declared if isinstance(declared, list) else []:
        largest = read_number(bucket.get("max")) if isinstance(bucket, dict) else math.nan
        if math.isfinite(largest) and largest > 0:
            labels[str(bucket.get("label"))] = largest
    return labels


@dataclass(frozen=True, slots=True)
class _CoinSnapshot:
    """One coin of one line of top wallets: where it is, its current price, its buckets."""

    line_number: int
    as_of: datetime
    asset: str
    multiplier: float
    current: float
    labels: Mapping[str, float]


def _read_top_wallets_side(
    answer: ProviderAnswer, coin: _CoinSnapshot, side: str, key: str, listed: object
) -> None:
    if not isinstance(listed, list):
        answer.reject_row(f"{key} is not a list", listed, coin.line_number, key)
        return
    cells: list[tuple[float, float, float, float]] = []
    for item in listed:
        try:
            cells.extend(_read_top_wallets_cell(item, coin.current, coin.labels))
        except ValueError as exc:
            answer.reject_row(f"{coin.asset} {side}: {exc}", item, coin.line_number, key, VENUE)
    if not cells:
        return
    low, high, leverage, value = np.array(cells).T
    observed_usd = float(value.sum())
    answer.add_cells(
        MapCells(
            asset=coin.asset,
            as_of=coin.as_of,
            model=TOP_WALLETS,
            venue_scope=VENUE,
            edges=(low, high),
            side=side,
            leverage=leverage,
            value=value,
            reference_price=coin.current,
            multiplier=coin.multiplier,
            observed_open_interest_ratio=_observed_ratio(
                answer.context, coin.asset, coin.as_of, observed_usd
            ),
        )
    )


def _read_top_wallets_cell(
    item: object, current: float, labels: Mapping[str, float]
) -> list[tuple[float, float, float, float]]:
    """Return (price_low, price_high, leverage, USD) per bucket of a cell, or ValueError."""
    if not isinstance(item, dict):
        raise ValueError("not an object")  # noqa: TRY004 - one kind of fault for the caller
    price, value = price_of(item.get("price")), amount_of(item.get("value"))
    width = 2 * TOP_WALLETS_REACH / TOP_WALLETS_CELLS * current
    if width / 2 <= TOP_WALLETS_ROUNDING:
        raise ValueError(
            f"price is rounded to cents, its cell is {width:.4g} wide: its cell is ambiguous"
        )
    # Cell 0 begins at the current price; cells below it count down.
    index = math.floor((price - current) / width)
    middle = current + (index + 0.5) * width
    is_in_reach = -TOP_WALLETS_CELLS // 2 <= index < TOP_WALLETS_CELLS // 2
    if not is_in_reach or abs(middle - price) > TOP_WALLETS_ROUNDING * (1 + 1e-6) + 1e-9 * current:
        raise ValueError(
            f"price {price:.8g} is no middle of a cell {width:.6g} wide within 30 % of "
            f"{current:.8g}"
        )
    edges = (current + index * width, current + (index + 1) * width)
    unknown = set(item) - set(labels) - {"price", "value", "cumulative"}
    if unknown:
        raise ValueError(f"unknown leverage key {', '.join(sorted(unknown))}")
    shares = {label: read_number(item.get(label, 0)) for label in labels}
    if not labels:
        return [(*edges, math.nan, value)]
    if not all(math.isfinite(share) and share >= 0 for share in shares.values()):
        raise ValueError("a leverage bucket is negative or no number")
    if abs(sum(shares.values()) - value) > 1e-6 * max(value, 1.0):
        raise ValueError(
            f"leverage buckets add up to {sum(shares.values()):.8g}, not to value {value:.8g}"
        )
    return [(*edges, labels[label], share) for label, share in shares.items() if share > 0]


def _read_all_accounts(answer: ProviderAnswer, document: Mapping[str, Any]) -> None:
    symbol = document.get("symbol")
    asset, multiplier = answer.require_asset(symbol if isinstance(symbol, str) else None)
    as_of = read_instant(document.get("snapshot_ts")) or answer.require_capture()
    grid = answer.require_object(document.get("bucket_grid"), "bucket_grid")
    first, step, last = (read_number(grid.get(key)) for key in ("min_price", "step", "max_price"))
    reference = read_number(document.get("reference_price"))
    for name, number in (("bucket_grid.step", step), ("reference_price", reference)):
        if not (math.isfinite(number) and number > 0):
            raise answer.refusal(
                f"{name} is {number}, expected a positive number", "fetch the recording again"
            )
    answer.check_reference_price(reference / multiplier)
    for side in ("long", "short"):
        column = f"{side}_distribution"
        distribution = document.get(column)
        if not isinstance(distribution, dict):
            answer.reject_row(f"{column} is not an object", distribution, None, column)
            continue
        prices = read_numbers(list(distribution))
        values = read_numbers(list(distribution.values()))
        is_usable = np.isfinite(prices) & (prices > 0) & np.isfinite(values) & (values >= 0)
        observed_usd = float(values[is_usable].sum())
        reasons = np.where(is_usable, "", "price or value is negative or no number").astype(object)
        # Written so that a grid without its bounds has no outermost cells.
        is_outermost = is_usable & ((prices < first + step / 2) | (prices > last - step))
        reasons[is_outermost] = "outermost cell: holds all that lies beyond the grid"
        for index, (key, item) in enumerate(distribution.items()):
            if reasons[index]:
                answer.reject_row(reasons[index], {key: item}, index + 1, column, VENUE)
        keep = is_usable & ~is_outermost
        answer.add_cells(
            MapCells(
                asset=asset,
                as_of=as_of,
                model=ALL_ACCOUNTS,
                venue_scope=VENUE,
                edges=(prices[keep], prices[keep] + step),
                side=side,
                value=values[keep],
                reference_price=reference,
                multiplier=multiplier,
                observed_open_interest_ratio=_observed_ratio(
                    answer.context, asset, as_of, observed_usd
                ),
            )
        )


@dataclass(slots=True)
class _CoinPositions:
    """Positions of one coin over all wallets."""

    liquidations: list[tuple[float, str, float, float]] = field(default_factory=list)
    observed_usd: dict[str, float] = field(default_factory=lambda: {"long": 0.0, "short": 0.0})
    marks: list[float] = field(default_factory=list)

    def add(self, position: AccountPosition) -> None:
        price = position.mark_price
        if math.isfinite(price):
            self.marks.append(price)
        else:
            price = position.entry_price
        usd = position.quantity * price
        self.observed_usd[position.side] += usd if math.isfinite(usd) else 0.0
        at = position.liquidation_price
        if at is not None:
            self.liquidations.append((at, position.side, position.leverage, position.quantity))


def _read_wallet_states(answer: ProviderAnswer, lines: Lines) -> None:
    context = answer.context
    wanted = context.asset or answer.wanted_of_symbol()
    coins: dict[str, _CoinPositions] = defaultdict(_CoinPositions)
    instants: list[datetime] = []
    wallets: set[str] = set()
    for number, line in lines:
        wallet = str(line.get("wallet", number)).lower()
        if wallet in wallets:
            reason = "a wallet twice; only its first state counts"
            answer.reject_row(reason, line.get("state"), number, "wallet")
            continue
        wallets.add(wallet)
        try:
            state = read_state(line.get("state") if "wallet" in line else line, wallet)
        except ProviderRejected:
            answer.reject_row("no clearinghouse state", line.get("state"), number, "state", VENUE)
            continue
        if state.at is not None:
            instants.append(state.at)
        for fault in state.faults:
            answer.reject_row(fault.reason, fault.received, number, "assetPositions", VENUE)
        for position in state.positions:
            if position.dex:
                answer.reject_row(BUILDERS, asdict(position), number, "assetPositions", VENUE)
            elif wanted is None or position.asset == wanted:
                coins[position.asset].add(position)
    if not coins:
        return
    # The instant of a map made of several answers is that of the last of them.
    as_of = max(instants) if instants else answer.require_capture()
    for asset, found in sorted(coins.items()):
        reference = float(np.median(found.marks)) if found.marks else context.reference_price
        if reference is not None and wanted is not None:
            answer.check_reference_price(reference)
        if not found.liquidations:
            continue
        prices, sides, leverages, sizes = zip(*found.liquidations, strict=True)
        price = np.array(prices)
        ratios = {
            side: _observed_ratio(context, asset, as_of, usd)
            for side, usd in found.observed_usd.items()
        }
        answer.add_cells(
            MapCells(
                asset=asset,
                as_of=as_of,
                model=WALLET_STATES,
                venue_scope=VENUE,
                edges=(price, price),
                side=np.array(sides),
                leverage=np.array(leverages),
                value=np.array(sizes) * price,
                reference_price=reference,
                observed_open_interest_ratio=np.array(
                    [ratios[side] for side in sides], dtype=np.float64
                ),
            )
        )


async def _send(session: "aiohttp.ClientSession", secrets: list[str], request: MapRequest) -> bytes:
    """Return the states of the wallets requested, one line each, as received; no key is needed.

    Either every wallet answers or the call fails: a share of open interest observed must not
    depend on which answers came through.
    """
    del secrets
    require_model(NAME, (WALLET_STATES,), request.model)
    if not request.wallets:
        raise ProviderRejected(f"{NAME}: no wallets given; list the addresses to observe")
    wallets = list(dict.fromkeys(wallet.lower() for wallet in request.wallets))
    for wallet in wallets:
        if re.fullmatch(r"0x[0-9a-f]{40}", wallet) is None:
            raise InputRejected(
                f"{NAME}: wallet {shown(wallet, 60)} is no address; give 0x and 40 hex digits"
            )
    url = request.url(INFO_URL, "info")
    at_once = asyncio.Semaphore(WALLETS_AT_ONCE)

    async def state_of(wallet: str) -> bytes:
        body = {"type": "clearinghouseState", "user": wallet}
        sent = HttpRequest("POST", url, request.timeout_seconds, (wallet,), json_body=body)
        async with at_once, claimed(request.budget, STATE_WEIGHT, "ingest"):
            state = await exchange(session, NAME, sent)
        # A line break between tokens would end the line that carries this state.
        one_line = state.replace(b"\r", b" ").replace(b"\n", b" ").strip()
        return b'{"wallet":"' + wallet.encode() + b'","state":' + one_line + b"}"

    tasks = [asyncio.ensure_future(state_of(wallet)) for wallet in wallets]
    try:
        return b"\n".join(await asyncio.gather(*tasks))
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


PROVIDER = Provider(
    name=NAME,
    sends="positions of real accounts by their liquidation price",
    unit="usd",
    semantics="standing",
    valuation=(
        "collected and wallet states at the liquidation price, top wallets most likely at entry, "
        "all accounts at reference price"
    ),
    documentation_url=(
        "https://hyperliquid.gitbook.io/hyperliquid-docs/for-developers/api/info-endpoint/"
        "perpetuals"
    ),
    models=(COLLECTED, WALLET_STATES, TOP_WALLETS, ALL_ACCOUNTS),
    key_variables=(),
    answer_suffix=".jsonl",
    parse=parse,
    send=_send,
)
