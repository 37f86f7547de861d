"""Make the default margin ladders from recorded brackets, and measure how wrong they are.

``python -m bench.ladders --recorded FOLDER``, where the folder holds ``leverage_brackets`` and
``daily_120perps_2022``. Prints the ladders that ``transforms.margin`` keeps and the error of the
liquidation price at the reference position, leaving out the contract it is measured on.

How much open interest a contract has is recorded for 114 of them, as the median of the last quarter
of 2022; the brackets are those of 2026. So the mapping from size to ladder is four years wide, and
its error is part of what is measured.
"""

import argparse
import json
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from transforms.ladders import DEFAULT_LADDERS, Ladder, default_ladder
from transforms.margin import Brackets, maintenance_deductions, tier_log_offsets

FloatArray = npt.NDArray[np.float64]

LEVERAGES = (2.0, 3.0, 5.0, 10.0, 20.0, 25.0, 50.0, 75.0, 100.0)
SHOWN = (10.0, 25.0, 50.0)
REFERENCE_USD = 10_000.0
# Round notionals; a ladder changes nowhere else [USD].
FLOORS = np.array([0, 5e3, 1e4, 2e4, 5e4, 1e5, 2e5, 5e5, 1e6, 2e6, 5e6, 1e7, 2e7, 5e7])
BEFORE = Ladder(
    0.0, (0.0, 5e3, 20e3, 100e3, 500e3), (0.01, 0.02, 0.025, 0.05, 0.1), (50, 25, 20, 10, 5)
)
"""The one ladder for every coin but BTC and ETH that these replace."""


def read_tables(path: Path) -> dict[str, FloatArray]:
    """Return floor, cap, maintenance ratio and maximum leverage by contract, shape (n, 4)."""
    keys = ("minNotional", "maxNotional", "maintenanceMarginRate", "maxLeverage")
    return {
        symbol: np.array([[tier[key] for key in keys] for tier in tiers], dtype=np.float64)
        for symbol, tiers in json.loads(path.read_text()).items()
        # Floors of the others are not dollars.
        if symbol.split(":")[1].split("-")[0] != "BTC"
    }


def read_open_interest(folder: Path) -> dict[str, float]:
    """Return the median open interest of the last 90 days by coin [USD]."""
    base = pd.read_csv(folder / "open_interest.csv").set_index("t")
    close = pd.read_csv(folder / "close_volume.csv").set_index("t")
    return {
        column.split("USDT_")[0]: float(
            (base[column] * close[column.replace("_oi", "_close")]).iloc[-90:].median()
        )
        for column in base.columns
    }


def make_ladder(tables: list[FloatArray], smallest_usd: float) -> Ladder:
    """Return the median maximum leverage and maintenance ratio at each round notional.

    Medians are values that some contract has: the lower one of an even number. Sizes that may not
    be leveraged at all are left to the last bracket.
    """
    at = [np.searchsorted(table[:, 0], FLOORS, side="right") - 1 for table in tables]
    median = [
        np.quantile(
            [table[rows, column] for table, rows in zip(tables, at, strict=True)],
            0.5,
            axis=0,
            method="inverted_cdf",
        )
        for column in (2, 3)
    ]
    ratio, leverage = np.maximum.accumulate(median[0]), np.minimum.accumulate(median[1])
    is_new = np.r_[True, (np.diff(ratio) > 0) | (np.diff(leverage) < 0)] & (leverage > 1)
    return Ladder(
        smallest_usd,
        tuple(FLOORS[is_new].tolist()),
        tuple(ratio[is_new].tolist()),
        tuple(leverage[is_new].tolist()),
    )


def distances(brackets: Brackets) -> FloatArray:
    """Return how far below entry longs of the shown tiers are liquidated [ratio of entry]."""
    offsets = tier_log_offsets(LEVERAGES, brackets, REFERENCE_USD)[0]
    shown: FloatArray = np.exp(offsets[[LEVERAGES.index(leverage) for leverage in SHOWN]])
    return shown


def own_brackets(table: FloatArray) -> Brackets:
    """Return a contract's own brackets."""
    floor, cap, ratio, leverage = table.T
    return Brackets(floor, cap, ratio, maintenance_deductions(floor, ratio), leverage)


def measure(
    tables: Mapping[str, FloatArray], choose: Callable[[str], Brackets], symbols: list[str]
) -> str:
    """Return median and 90th percentile of the error by tier, as a row of a table."""
    errors = np.array(
        [abs(distances(choose(each)) - distances(own_brackets(tables[each]))) for each in symbols]
    )
    return " | ".join(
        f"{100 * np.median(column):.2f} / {100 * np.quantile(column, 0.9):.2f}"
        for column in errors.T
    )


def main() -> None:
    """Print the ladders and their errors."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recorded", type=Path, required=True)
    folder = parser.parse_args().recorded
    brackets = folder / "leverage_brackets"
    tables = read_tables(brackets / "binance_usdm_2026-09.json")
    known = read_open_interest(folder / "daily_120perps_2022")

    def coin(symbol: str) -> str:
        return symbol.split("/")[0]

    def size(symbol: str) -> float:
        return known.get(coin(symbol), np.nan) if symbol.endswith("/USDT:USDT") else np.nan

    of_symbol = {symbol: default_ladder(coin(symbol), size(symbol)) for symbol in tables}
    with_size = [symbol for symbol in tables if np.isfinite(size(symbol))]
    majors = [symbol for symbol, name in of_symbol.items() if name == "btc_eth"]
    # The smallest class also covers contracts of unknown size, so it rests on all of them.
    pools = {
        name: [symbol for symbol in with_size if of_symbol[symbol] == name]
        for name in ("large", "middle")
    } | {"small": [symbol for symbol in tables if symbol not in majors]}
    for name, members in pools.items():
        ladder = make_ladder(
            [tables[each] for each in members], DEFAULT_LADDERS[name].smallest_open_interest_usd
        )
        agrees = "as kept" if ladder == DEFAULT_LADDERS[name] else "DIFFERS from what is kept"
        print(f"{name}: {len(members)} contracts, {agrees}\n  {ladder}")

    def without(symbol: str) -> Brackets:
        name = of_symbol[symbol]
        if name == "btc_eth":
            return DEFAULT_LADDERS[name].brackets()
        others = [tables[each] for each in pools[name] if each != symbol]
        return make_ladder(others, 0.0).brackets()

    def before(symbol: str) -> Brackets:
        return (DEFAULT_LADDERS["btc_eth"] if symbol in majors else BEFORE).brackets()

    older = read_tables(brackets / "binance_usdm_2024-10.json")
    print("\nerror at 10,000 USD [% of entry], median / 90th percentile")
    print("| | " + " | ".join(f"{leverage:g}x" for leverage in SHOWN) + " |")
    for text, of_tables, symbols in (
        ("all of 2026-09", tables, list(tables)),
        ("open interest known", tables, with_size),
        *(
            (f"{name} by open interest", tables, [s for s in with_size if of_symbol[s] == name])
            for name in ("large", "middle", "small")
        ),
    ):
        print(f"| {text} ({len(symbols)}), one ladder | {measure(of_tables, before, symbols)} |")
        print(f"| {text}, by size, left out | {measure(of_tables, without, symbols)} |")
    same = [symbol for symbol in older if symbol in tables]
    print(f"| brackets of 2024-10 ({len(same)}), one ladder | {measure(older, before, same)} |")
    print(f"| brackets of 2024-10, by size, left out | {measure(older, without, same)} |")


if __name__ == "__main__":
    main()
