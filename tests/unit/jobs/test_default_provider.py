"""The provider that ``marts.assets`` shows is the one that commands and the page choose."""

import random
from datetime import UTC, datetime

import pyarrow as pa

from jobs.read.accuracy import DEFAULT_PROVIDER, LEDGERS, provider_by_skill
from warehouse.connect import select_model
from warehouse.contracts import relations

AT = datetime(2026, 3, 6, tzinfo=UTC)
ESTIMATORS = ("turnover", "public_convention")
MODELS = (*ESTIMATORS, *LEDGERS, "liquidation_forecast")


def table(name, rows):
    """Return rows of a mart, NULL in what they leave out."""
    schema = relations()[name].arrow_schema
    return pa.Table.from_pylist(rows, pa.schema([field.with_nullable(True) for field in schema]))


def skill_rows(asset, draw):
    """Return some rows of skill of an asset, any of which may be missing or without figures."""
    rows = []
    for window in (7, 30):
        for provider in MODELS:
            low, high = sorted(draw.choice((-0.3, -0.1, 0.1)) for _ in range(2))
            row = {
                "asset": asset,
                "as_of": AT,
                "provider": provider,
                "null_model": "path_ledger",
                "window_days": window,
                "status": draw.choice(("scored",) * 5 + ("short",)),
                "deviance_removed_ratio": (low + high) / 2,
                "deviance_removed_low_ratio": draw.choice((low, low, None)),
                "deviance_removed_high_ratio": draw.choice((high,) * 5 + (None,)),
            }
            if provider != "path_ledger" and draw.random() < 0.9:
                rows.append(row)
            if draw.random() < 0.5:
                rows.append({**row, "null_model": "training_mean"})
    return rows


def test_the_mart_and_the_words_choose_the_same_provider():
    draw = random.Random(7)  # noqa: S311
    assets = [f"A{number}" for number in range(400)]
    skill = {asset: skill_rows(asset, draw) for asset in assets}
    shown = {
        asset: {name for name in (*ESTIMATORS, *LEDGERS) if draw.random() < 0.7} for asset in assets
    }
    rows = select_model(
        "marts.assets",
        {
            "marts.asset_quality_hourly": table(
                "marts.asset_quality_hourly",
                [{"asset": asset, "venue": "all", "as_of": AT} for asset in assets],
            ),
            "marts.estimator_skill_daily": table(
                "marts.estimator_skill_daily", [row for own in skill.values() for row in own]
            ),
            "marts.liquidation_bands_hourly": table(
                "marts.liquidation_bands_hourly",
                [
                    {"asset": asset, "as_of": AT, "venue": "all", "provider": name, "side": "long"}
                    for asset, names in shown.items()
                    for name in names
                ],
            ),
            "marts.market_context_hourly": table("marts.market_context_hourly", []),
            "marts.cascade_scenarios_hourly": table("marts.cascade_scenarios_hourly", []),
        },
    )
    chosen = {row["asset"]: row["default_provider"] for row in rows}
    assert set(chosen.values()) == {None, DEFAULT_PROVIDER, *LEDGERS}
    for asset in assets:
        name = provider_by_skill(skill[asset], shown[asset]).name
        if name not in shown[asset] and LEDGERS[0] in shown[asset]:
            name = LEDGERS[0]
        assert chosen[asset] == (name if name in shown[asset] else None), asset
