"""Rows of the derived tables that describe one series: exposure by leverage, books, checkpoints.

Belongs here: shaping. Does not belong here: modelling.
"""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from jobs.build.bracket_choice import bracket_columns
from jobs.build.hourly_maps import HourlyMaps, nullable, repeat_sides
from jobs.build.replay_records import Series, Stretch
from transforms.series import SIDES, FloatArray, Outputs
from warehouse.contracts import stored_rows

UNLEVERED_TIER = "unlevered"
BEYOND_RANGE_TIER = "beyond_range"


def series_maps(stretch: Stretch) -> HourlyMaps:
    """Return the maps of one series."""
    outputs = stretch.outputs
    return HourlyMaps(
        stretch.hours,
        outputs.close,
        outputs.first_bin,
        outputs.liquidation_usd,
        outputs.start_up_usd if outputs.start_up_usd.any() else None,
    )


def _identity(series: Series, stretch: Stretch, repeats: int) -> dict[str, pa.Array]:
    return {
        "asset": series.asset,
        "as_of": np.repeat(stretch.hours, repeats),
        "provider": stretch.provider,
        "venue": series.venue,
        "instrument": series.instrument,
    }


def exposure_rows(
    series: Series, stretch: Stretch, leverages: Sequence[float], run_id: str
) -> pa.Table:
    """Return rows of derived.leverage_exposure: tiers, unlevered, and out of range.

    Consumed and swept amounts are those of the tiers alone, in range or not.
    """
    outputs = stretch.outputs
    tiers = [f"{leverage:g}x" for leverage in leverages] + [UNLEVERED_TIER, BEYOND_RANGE_TIER]
    n_rows = 2 * len(stretch.hours)
    offsets = np.arange(n_rows + 1, dtype=np.int32) * len(tiers)

    none = np.zeros_like(outputs.unlevered_base)
    per_base = _quantity_per_base(series, outputs)[:, None, None]
    not_observed = pa.array(np.isnan(outputs.consumed_usd).any(axis=2).ravel())

    def by_tier(
        tier_values: FloatArray,
        unlevered: FloatArray = none,
        beyond: FloatArray = none[:, :, None],
        is_null: pa.Array | None = None,
    ) -> pa.Array:
        total_beyond = beyond.sum(axis=2, keepdims=True)
        values = np.concatenate((tier_values, unlevered[:, :, None], total_beyond), axis=2)
        return pa.ListArray.from_arrays(offsets, pa.array(values.ravel()), mask=is_null)

    return stored_rows(
        "derived.leverage_exposure",
        {
            **_identity(series, stretch, 2),
            "side": repeat_sides(len(stretch.hours)),
            "tier": pa.repeat(pa.scalar(tiers), n_rows),
            "position_base": by_tier(
                outputs.in_range_base, outputs.unlevered_base, outputs.beyond_base
            ),
            "position_usd": by_tier(
                outputs.in_range_usd, outputs.unlevered_usd, outputs.beyond_usd
            ),
            "near_base": by_tier(outputs.near_base),
            "near_usd": by_tier(outputs.near_usd),
            "consumed_base": by_tier(outputs.consumed_quantity / per_base, is_null=not_observed),
            "consumed_usd": by_tier(outputs.consumed_usd, is_null=not_observed),
            "swept_base": by_tier(outputs.swept_quantity / per_base, is_null=not_observed),
            "swept_usd": by_tier(outputs.swept_usd, is_null=not_observed),
            "params_hash": stretch.params_hash,
            "run_id": run_id,
        },
    )


def series_hour_rows(series: Series, stretch: Stretch, run_id: str) -> pa.Table:
    """Return rows of derived.series_hour: the books of each hour."""
    outputs = stretch.outputs
    per_base = _quantity_per_base(series, outputs)
    held = (
        outputs.in_range_base.sum(axis=2) + outputs.beyond_base.sum(axis=2) + outputs.unlevered_base
    )
    flows = {
        "consumed": outputs.consumed_quantity.sum(axis=2),
        "swept": outputs.swept_quantity.sum(axis=2),
        "excess": outputs.excess_quantity,
    }
    # The source of most of the hour's bars.
    is_last = outputs.last_price_count * 2 > outputs.bar_count
    return stored_rows(
        "derived.series_hour",
        {
            **_identity(series, stretch, 1),
            "price": outputs.close,
            "open_interest_base": outputs.open_interest / per_base,
            **{f"{side}_base": held[:, number] for number, side in enumerate(SIDES)},
            **{
                f"{name}_{side}_base": nullable(quantity[:, number] / per_base)
                for name, quantity in flows.items()
                for number, side in enumerate(SIDES)
            },
            "balance_factor_min": nullable(outputs.balance_min),
            "balance_factor_max": nullable(outputs.balance_max),
            "books_error_ratio": outputs.books_error.max(axis=1),
            "bar_count": outputs.bar_count,
            "violation_count": outputs.violation_count,
            "imputed_count": outputs.imputed_count,
            "liquidation_price_source": pa.array(["mark", "last"]).take(
                pa.array(is_last.astype(np.int64))
            ),
            **{
                f"start_up_{side}_ratio": nullable(outputs.start_up_ratio[:, number])
                for number, side in enumerate(SIDES)
            },
            "start_up_in_range_ratio": nullable(outputs.start_up_in_range_ratio.max(axis=1)),
            "is_warm_up": stretch.is_warm_up,
            **bracket_columns(stretch.brackets, stretch.hours, stretch.reference_position_usd),
            "params_hash": stretch.params_hash,
            "run_id": run_id,
        },
    )


def _quantity_per_base(series: Series, outputs: Outputs) -> FloatArray:
    """Return quantity per unit of the asset at each instant: the close for inverse contracts."""
    return outputs.close if series.contract_kind == "inverse" else np.ones(len(outputs))


def checkpoint_rows(series: Series, stretch: Stretch, run_id: str) -> pa.Table:
    """Return rows of derived.model_checkpoint."""
    kept = stretch.checkpoints
    return stored_rows(
        "derived.model_checkpoint",
        {
            "asset": series.asset,
            "checkpoint_at": np.array([each.at for each in kept], dtype=np.int64),
            "provider": stretch.provider,
            "venue": series.venue,
            "instrument": series.instrument,
            "first_bar_at": series.first_bar_start,
            "last_bar_end_at": np.array([each.last_bar_end for each in kept], dtype=np.int64),
            "observed_bar_end_at": np.array([each.observed_end for each in kept], dtype=np.int64),
            "state": pa.array([each.state.to_bytes() for each in kept], pa.binary()),
            "params_hash": stretch.params_hash,
            "run_id": run_id,
        },
    )
