"""Hours, maps and captures put into a warehouse by hand, to be compared."""

from datetime import UTC, datetime, timedelta

import numpy as np

from jobs.compare.compare_maps import compare_maps
from jobs.compare.outside_maps import outside_map_rows
from jobs.engines.shard_engine import thread_engine
from transforms.maps import window_first_bin

HOUR = timedelta(hours=1)
AT = datetime(2026, 3, 3, 15, tzinfo=UTC)
PRICE = 100.0
FIRST = int(window_first_bin(PRICE))
VOLATILITY_DAY = 0.025
VOLUME_HOUR_USD = 1e6


def insert(connection, relation, rows):
    names = list(dict.fromkeys(name for row in rows for name in row))
    columns = ", ".join(f'"{name}"' for name in names)
    connection.executemany(
        f"insert into {relation} ({columns}) values ({', '.join('?' * len(names))})",
        [[row.get(name) for name in names] for row in rows],
    )


def add_hours(connection, *, hours=30, venues=("alpha",), asset="BTC", until=AT, price=PRICE):
    """Store hours that end at `until`: prices stand still, but for their known volatility."""
    zero = dict.fromkeys(
        (
            "zero_volume_bar_count",
            "violation_count",
            "unchanged_traded_bar_count",
            "volume_quantity",
            "volume_base",
        ),
        0,
    )
    insert(
        connection,
        "intermediate.int_instrument_hour",
        [
            {
                "venue": venue,
                "instrument": f"{asset}/USDT:USDT",
                "asset": asset,
                "contract_kind": "linear",
                "as_of": until - back * HOUR,
                "bar_seconds": 300,
                "bar_count": 12,
                "open": price,
                "high": price * 1.001,
                "low": price * 0.999,
                "close": price,
                "squared_log_return": VOLATILITY_DAY**2 / 24,
                "volume_usd": VOLUME_HOUR_USD,
                "open_interest_usd": 4e6,
                "open_interest_observed_count": 12,
                "change_observed_count": 12,
                **zero,
            }
            for venue in venues
            for back in range(hours)
        ],
    )


def add_map(connection, provider, *, longs=None, shorts=None, started=None, at=AT, **others):
    """Store a map of USD by position in the window around the price: 0 is 20 % below.

    `started` is the start-up mass at each position. Other columns are those of a map of
    BTC on all venues in USD unless given.
    """
    labels = {"venue": "all", "asset": "BTC", "unit": "usd", "semantics": "standing"} | others
    rows = []
    for side, held in (("long", longs or {}), ("short", shorts or {})):
        first = min(held, default=0)
        dense = np.zeros(max(held, default=-1) - first + 1)
        start_up = np.zeros_like(dense)
        for place, amount in held.items():
            dense[place - first] = amount
            start_up[place - first] = (started or {}).get(place, 0.0)
        rows.append(
            {
                **labels,
                "as_of": at,
                "provider": provider,
                "side": side,
                "price": PRICE,
                "first_bin_index": FIRST + first,
                "liquidation_usd": dense.tolist(),
                "start_up_usd": start_up.tolist() if start_up.any() else None,
                "params_hash": f"hash of {provider}",
                "run_id": "build",
            }
        )
    insert(connection, "derived.heatmap", rows)


def add_cells(connection, provider, cells, *, at=AT - timedelta(minutes=23), **more):
    """Land an outside map: cells are (low, high, side, value)."""
    insert(
        connection,
        "raw.provider_map",
        [
            {
                "provider": provider,
                "model": "map",
                "venue_scope": "all",
                "asset": "BTC",
                "as_of": at,
                "unit": "usd",
                "semantics": "standing",
                "reference_price": PRICE,
                "raw_sha256": "h",
                "source": provider,
                "ingested_at": at,
                **more,
                "price_low": low,
                "price_high": high,
                "side": side,
                "value": value,
            }
            for low, high, side, value in cells
        ],
    )


def place_outside_maps(connection, start=AT - HOUR, end=AT, assets=("BTC",)):
    """Put outside maps beside ours, as the build does."""
    for tables in outside_map_rows(connection, list(assets), start, end, "build"):
        for rows in tables:  # noqa: B007
            connection.execute("insert into derived.heatmap by name select * from rows")


def compare(connection, start=AT - HOUR, end=AT, assets=("BTC",)):
    with thread_engine(1) as engine:
        return compare_maps(connection, list(assets), start, end, "compare", engine)


def pairs(connection, side="both", where="true"):
    answer = connection.execute(
        f"select * from derived.map_disagreement where side = '{side}' and {where} "
        "order by asset, as_of, venue_a, provider_a, venue_b, provider_b"
    )
    names = [column[0] for column in answer.description]
    return [dict(zip(names, row, strict=True)) for row in answer.fetchall()]


def rows_of(connection, relation, columns="*", order="all"):
    return connection.execute(f"select {columns} from {relation} order by {order}").fetchall()


def two_plain_maps(connection, **where):
    add_map(connection, "one", longs={80: 8.0}, shorts={120: 4.0}, **where)
    add_map(
        connection,
        "two",
        longs={80: 1.0, 81: 1.0, 82: 1.0, 83: 1.0},
        shorts={120: 4.0},
        **where,
    )
