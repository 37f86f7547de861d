"""The chart's modules hold their invariants, and read what Python encodes; run by node."""

import json
import os
import shutil
import subprocess
from datetime import timedelta
from pathlib import Path

import duckdb
import numpy as np
import pytest
from workbench import END

from jobs.read.query import published_file
from jobs.settings import Settings
from plots.map_grid import encode_grid, read_grid
from warehouse.read import open_published

BEGIN = END - timedelta(hours=12)
CHECKS = Path(__file__).with_name("chart_checks.mjs")
CHART = Path(__file__).parents[3] / "plots/chart"


def test_invariants_of_the_chart(small_home, tmp_path):
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed; it runs the checks of the chart's modules")
    # A folder of its own says that these files are modules.
    modules = shutil.copytree(CHART, tmp_path / "chart")
    (modules / "package.json").write_text('{"type": "module"}')
    published = published_file(Settings(home=small_home))
    with open_published(published) as reader:
        grid = read_grid(
            reader,
            asset="BTC",
            provider="turnover",
            venue="all",
            from_at=BEGIN,
            until_at=END,
        )
    (tmp_path / "grid").write_bytes(encode_grid(grid))
    with duckdb.connect(str(published), read_only=True) as connection:
        sums = {
            side: connection.execute(
                "select sum(liquidation_usd) as usd from marts.liquidation_heatmap_hourly "
                "where asset = 'BTC' and provider = 'turnover' and venue = 'all' and side = ? "
                "and as_of > ? and as_of <= ? group by as_of order by as_of",
                [side, BEGIN, END],
            ).fetchnumpy()["usd"]
            for side in ("long", "short")
        }
        ((first_edge,),) = connection.execute(
            "select min(price_low) from marts.liquidation_heatmap_hourly where asset = 'BTC' "
            "and provider = 'turnover' and venue = 'all' and side = 'long' and as_of = ?",
            [END],
        ).fetchall()
    assert len(sums["long"]) == 12
    expected = {
        "sums": {side: np.asarray(values).tolist() for side, values in sums.items()},
        "first_edge": first_edge,
    }
    ran = subprocess.run(
        [node, "--test", str(CHECKS)],
        env={
            **os.environ,
            "CHART_MODULES": modules.as_uri(),
            "CHART_GRID": str(tmp_path / "grid"),
            "CHART_EXPECTED": json.dumps(expected),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout[-4000:] + ran.stderr[-2000:]
