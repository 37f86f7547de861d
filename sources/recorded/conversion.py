"""Figures as received into the columns of records.

Belongs here: what each kind's record holds, units. Does not belong here: which rows are used.
"""

import datetime as dt
from typing import Any

import numpy as np
import pyarrow as pa

from sources.recorded.bar_prices import BarPrices
from sources.recorded.cells import FloatArray, IntArray
from sources.recorded.instrument_book import InstrumentBook
from sources.recorded.kinds import Part
from sources.recorded.mapping import Mapping
from sources.recorded.mapping_sections import (
    BAR_PRICES,
    RATE_UNITS,
    FundingRule,
    LiquidationRule,
    MarkRule,
    OhlcvRule,
    OpenInterestRule,
    RatioRule,
    SentimentRule,
)
from sources.recorded.part_rows import PartRows
from sources.records import INSTANT, Batch, make_batch
from sources.units import ContractUnits
from sources.venues.declared import sides_counted_by

_INSTANT_COLUMN = {
    "ohlcv": "bar_start_at",
    "mark_ohlc": "bar_start_at",
    "open_interest": "observed_at",
    "funding_rate": "funded_at",
    "realised_liquidation": "period_start_at",
    "long_short_ratio": "observed_at",
    "sentiment": "observed_at",
}
_NEVER = np.iinfo(np.int64).max
# Columns of a record, arrays of shape (n_rows,) or one value for all rows.
Columns = dict[str, Any]


class Conversion:
    """Makes the records of one input file.

    Parameters
    ----------
    mapping : Mapping
        Units and conventions of the columns.
    book : InstrumentBook
        The instruments of the file.
    bar_seconds : int
        Length of its bars.
    prices : BarPrices or None
        Prices that value the open interest, where it needs one.
    """

    def __init__(
        self, mapping: Mapping, book: InstrumentBook, bar_seconds: int, prices: BarPrices | None
    ) -> None:
        self._mapping = mapping
        self._book = book
        self._bar_seconds = bar_seconds
        self._prices = prices
        self._is_inverse = mapping.instrument.is_inverse
        self._multiplier = book.column("base_multiplier")
        # A linear contract's size counts quoted units in a mapping, units of the asset in records.
        size = book.column("contract_size")
        self._contract_size = size if self._is_inverse else size * self._multiplier

    def make_batch(self, part: Part, rows: PartRows, ingested_at: dt.datetime) -> Batch:
        """Return the records of rows of a part."""
        columns: Columns = {
            _INSTANT_COLUMN[part.kind]: pa.array(rows.at).view(INSTANT),
            "bar_seconds": self._bar_seconds,
            "period_seconds": self._bar_seconds,
            **self._columns(part, rows),
            "source": self._mapping.source,
            "ingested_at": ingested_at,
        }
        if part.kind != "sentiment":
            for name in ("venue", "instrument"):
                names = [getattr(one, name) for one in self._book.instruments]
                columns[name] = pa.array(names, pa.string()).take(rows.series)
        return make_batch(part.kind, len(rows), columns)

    def make_instruments(self, first_seen: IntArray, ingested_at: dt.datetime) -> Batch:
        """Return one record per instrument that gave records, as of its first one.

        Parameters
        ----------
        first_seen : ndarray of int64, shape (n_instruments,)
            First instant of each [microseconds since 1970]; the largest integer where it has none.
        ingested_at : datetime
            Stamp of the records.
        """
        seen = np.flatnonzero(first_seen != _NEVER)
        instruments = [self._book.instruments[i] for i in seen]
        columns: Columns = {
            name: [getattr(one, name) for one in instruments]
            for name in ("venue", "instrument", "asset", "quote")
        }
        columns |= {
            "contract_kind": "inverse" if self._is_inverse else "linear",
            "contract_size": self._contract_size[seen],
            "base_multiplier": self._multiplier[seen],
            "is_active": True,
            "observed_at": pa.array(first_seen[seen]).view(INSTANT),
            "source": self._mapping.source,
            "ingested_at": ingested_at,
        }
        return make_batch("instrument", len(seen), columns)

    def snapshot_prices(self, rows: PartRows) -> FloatArray:
        """Return the price that values each row's open interest [USD per asset unit]."""
        if "price" in rows.values:
            return rows.values["price"] / self._multiplier[rows.series]
        if self._prices is None:
            return np.full(len(rows), np.nan)
        return self._prices.look_up(rows.series, rows.at)

    def _columns(self, part: Part, rows: PartRows) -> Columns:
        match part.rule:
            case OhlcvRule() as rule:
                return self._ohlcv(rule, rows)
            case MarkRule():
                multiplier = self._multiplier[rows.series]
                return {f"mark_{cell}": one / multiplier for cell, one in rows.values.items()}
            case OpenInterestRule() as rule:
                return self._open_interest(rule, rows)
            case FundingRule() as rule:
                interval = self._book.column("funding_interval_hours")[rows.series]
                return {
                    "funding_rate_ratio": rows.values["rate"] * RATE_UNITS[rule.rate_unit],
                    "funding_interval_hours": rows.values.get("interval", interval),
                }
            case LiquidationRule() as rule:
                return {"side": part.label, **self._liquidation(rule, rows)}
            case RatioRule():
                return {"measure": part.label, "long_short_ratio": rows.values["ratio"]}
            case SentimentRule() as rule:
                # The index's own words follow from its figure.
                return {"index_name": rule.index, "index_value": rows.values["value"]}

    def _units(self, rows: PartRows) -> ContractUnits:
        """Return the terms of each row's contract."""
        return ContractUnits(
            "inverse" if self._is_inverse else "linear",
            contract_size=self._contract_size[rows.series],
            base_multiplier=self._multiplier[rows.series],
        )

    def _ohlcv(self, rule: OhlcvRule, rows: PartRows) -> Columns:
        multiplier = self._multiplier[rows.series]
        prices = {cell: rows.values[cell] / multiplier for cell in ("open", "high", "low", "close")}
        valued_at = self._mapping.volume_valued_at
        price: FloatArray | None = None
        if "price" in rows.values:
            price = rows.values["price"] / multiplier
        elif valued_at == "middle":
            price = (prices["high"] + prices["low"]) / 2
        elif valued_at in BAR_PRICES:
            price = prices[valued_at]
        units = self._units(rows)
        columns: Columns = {
            **prices,
            "volume_quantity": units.to_position(rows.values["volume"], rule.volume_unit, price),
            "trade_count": rows.values.get("trade_count"),
        }
        if "taker_buy" in rows.values:
            columns["taker_buy_quantity"] = units.to_position(
                rows.values["taker_buy"], rule.volume_unit, price
            )
        return columns

    def _open_interest(self, rule: OpenInterestRule, rows: PartRows) -> Columns:
        decisive = rows.values["amount" if rule.amount else "value"]
        is_valued = self._mapping.open_interest_valued_at is not None
        price = self.snapshot_prices(rows) if is_valued else None
        counted = [
            rule.sides_counted or sides_counted_by(one.venue) for one in self._book.instruments
        ]
        sides = np.array(counted, dtype=np.int32)[rows.series]
        quantity = self._units(rows).to_position(decisive, rule.decisive_unit, price)
        return {
            "open_interest_quantity": quantity / sides,
            "received_amount": rows.values.get("amount"),
            "received_amount_unit": rule.amount_unit,
            "received_value": rows.values.get("value"),
            "received_value_unit": rule.value_unit,
            "sides_counted": sides,
        }

    def _liquidation(self, rule: LiquidationRule, rows: PartRows) -> Columns:
        amounts = rows.values["amount"]
        columns: Columns = {"is_complete_feed": rule.is_complete_feed, "order_key": ""}
        if rule.unit == "usd" or self._is_inverse:
            columns["liquidated_usd"] = self._units(rows).to_usd(amounts, rule.unit)
        if rule.unit != "usd" or self._is_inverse:
            columns["liquidated_quantity"] = self._units(rows).to_position(amounts, rule.unit)
        return columns
