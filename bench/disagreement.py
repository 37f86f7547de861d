"""How fast the maps of providers are compared, against a plain numpy version, and what else costs.

Run from the project root::

    python bench/disagreement.py

It compares 8 providers (28 pairs, 3 sides) over 8 assets x 480 hours and over 500 assets x 1 hour,
from the dense float32 maps as they are stored to the metrics. The plain version works a group at a
time with numpy, bands included, over the first groups of the same maps; before anything is
reported both must agree. Then consensus, bands, cascades, odds of touch and rebinning are timed on
the same maps. Seconds are of one core's time, so that other work on the machine does not count; the
best of some runs counts.
"""

import argparse
import os
import platform
import time
from collections.abc import Callable
from functools import partial

import numpy as np
import numpy.typing as npt

from transforms.bands import find_bands
from transforms.cascade import simulate_cascades
from transforms.consensus import build_consensus
from transforms.disagreement import METRICS, Disagreement, measure_disagreement
from transforms.grid import bin_edges, published_bins
from transforms.group_disagreement import summarise_groups
from transforms.maps import MapBatch, align_maps, window_first_bin
from transforms.rebin import rebin_cells
from transforms.touch import reach_probability

FloatArray = npt.NDArray[np.float64]

N_PROVIDERS = 8
N_BINS = 500


def simulated_maps(n_groups: int, seed: int) -> tuple[MapBatch, MapBatch]:
    """Return long and short maps of 8 providers that share some of their structure."""
    generator = np.random.default_rng(seed)
    price = np.exp(generator.uniform(-3.0, 11.0, n_groups))
    first_bin = published_bins(price)[0]
    distance = np.abs(np.arange(N_BINS) - N_BINS / 2) / N_BINS
    sides = []
    for is_short in (False, True):
        shared = generator.lognormal(0.0, 1.5, (n_groups, 1, N_BINS)).astype(np.float32)
        own = generator.lognormal(0.0, 1.0, (n_groups, N_PROVIDERS, N_BINS)).astype(np.float32)
        decay = generator.uniform(5.0, 30.0, (n_groups, N_PROVIDERS, 1)).astype(np.float32)
        values = 1e5 * shared * own * np.exp(-decay * distance.astype(np.float32))
        values[generator.random((n_groups, N_PROVIDERS)) < 0.1, ::2] = 0.0
        is_behind = (
            np.arange(N_BINS) < N_BINS // 2 if is_short else np.arange(N_BINS) >= N_BINS // 2
        )
        values[..., is_behind] = 0.0
        n_maps = n_groups * N_PROVIDERS
        sides.append(
            MapBatch(
                values.reshape(-1),
                np.arange(n_maps + 1) * N_BINS,
                np.repeat(first_bin, N_PROVIDERS),
                np.repeat(price, N_PROVIDERS),
            )
        )
    return sides[0], sides[1]


def compare(long: MapBatch, short: MapBatch) -> Disagreement:
    """Return the metrics, from the maps as stored."""
    n_entries = long.n_maps
    return measure_disagreement(
        align_maps(long),
        align_maps(short),
        long.price,
        np.arange(0, n_entries + 1, N_PROVIDERS),
        np.arange(n_entries) % 2,
    )


def plain_bands(row: FloatArray, position: float) -> list[tuple[float, int, int]]:
    """Return (amount, first, last) of the ten first bands of one map."""
    filled = row[row > 0.0]
    if filled.size == 0:
        return []
    dense = np.flatnonzero((row > 0.0) & (row >= np.percentile(filled, 90)))
    runs = np.split(dense, np.flatnonzero(np.diff(dense) > 2) + 1)
    bands = []
    for run in runs:
        inside = row[run[0] : run[-1] + 1]
        peak = run[np.argmax(row[run])]
        bands.append((-float(inside.sum()), abs(peak - position), int(run[0]), int(run[-1])))
    return [(-held, first, last) for held, _, first, last in sorted(bands)[:10]]


def plain_matches(bands: list[list[tuple[float, int, int]]], a: int, b: int) -> float:
    """Return the band match of two maps of one side."""
    if not bands[a] or not bands[b]:
        return np.nan
    ways = []
    for sought, others in ((bands[a][:5], bands[b]), (bands[b][:5], bands[a])):
        first = np.array([band[1] for band in others])
        last = np.array([band[2] for band in others])
        near = [(np.maximum(first - one[2], one[1] - last) <= 2).any() for one in sought]
        ways.append(np.mean(near))
    return float(np.mean(ways))


def plain_ranks(values: FloatArray) -> FloatArray:
    """Return the ranks of one map's bins, ties averaged."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - 0.5 * (counts - 1))[inverse]


def plain_group(maps: FloatArray, price: float) -> dict[str, FloatArray]:
    """Return the metrics of all pairs of one group and side, but scale and bands.

    maps has shape (8, 200): windows of the side's maps.
    """
    a, b = np.triu_indices(N_PROVIDERS, 1)
    coarse = maps.reshape(N_PROVIDERS, 100, 2).sum(axis=2)
    k = window_first_bin(price) // 2 + np.arange(100)
    away = (4 * k + 1.5) * 0.001 - np.log(price)
    share = coarse / coarse.sum(axis=1, keepdims=True)
    p, q = share[a], share[b]
    middle = 0.5 * (p + q)
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(p > 0, p * np.log2(p / middle), 0.0) + np.where(
            q > 0, q * np.log2(q / middle), 0.0
        )

    def correlate(values: FloatArray, center: bool) -> FloatArray:
        if center:
            values = values - values.mean(axis=1, keepdims=True)
        values = values / np.sqrt((values**2).sum(axis=1, keepdims=True))
        return np.asarray((values[a] * values[b]).sum(axis=1))

    bucket = np.digitize(np.abs(away), (0.01, 0.02, 0.05, 0.1)) + 5 * (away >= 0)
    summed = share @ (bucket[:, None] == np.arange(10))
    overlap = np.minimum(p, q).sum(axis=1)
    reach = 0.5 * np.abs(summed[a] - summed[b]).sum(axis=1)
    nearest_first = np.argsort(np.abs(away), kind="stable")
    peak = away[nearest_first[np.argmax(coarse[:, nearest_first], axis=1)]]
    return {
        "overlap_ratio": overlap,
        "jensen_shannon_bits": 0.5 * terms.sum(axis=1),
        "wasserstein_bps": 40.0 * np.abs(np.cumsum(p - q, axis=1)).sum(axis=1),
        "cosine": correlate(coarse, False),
        "pearson": correlate(coarse, True),
        "spearman": correlate(np.stack([plain_ranks(row) for row in coarse]), True),
        "peak_distance_bps": 1e4 * np.abs(peak[a] - peak[b]),
        "reach_ratio": reach,
        "placement_ratio": 1.0 - overlap - reach,
    }


def compare_plainly(long: MapBatch, short: MapBatch, n_groups: int) -> dict[str, FloatArray]:
    """Return the metrics of the first groups, shape (n_pairs, 3) each."""
    n_entries = n_groups * N_PROVIDERS
    rows = {}
    for name, batch in (("long", long), ("short", short)):
        dense = batch.values.reshape(-1, N_BINS)[:n_entries].astype(np.float64)
        start = window_first_bin(batch.price[:n_entries]) - batch.first_bin[:n_entries]
        rows[name] = np.take_along_axis(dense, start[:, None] + np.arange(200), axis=1)
    sides = (rows["long"], rows["short"], rows["long"] + rows["short"])
    a, b = np.triu_indices(N_PROVIDERS, 1)
    found: dict[str, list[FloatArray]] = {name: [] for name in METRICS}
    for g in range(n_groups):
        own = slice(g * N_PROVIDERS, (g + 1) * N_PROVIDERS)
        price = float(long.price[own][0])
        position = np.log(price) / 0.002 - 0.25 - float(window_first_bin(price))
        group = [plain_group(side[own], price) for side in sides]
        for name in group[0]:
            found[name].append(np.stack([side[name] for side in group], axis=1))
        totals = np.stack([side[own].sum(axis=1) for side in sides], axis=1)
        scale = np.log(totals[a] / totals[b])
        scale[(a + b) % 2 == 1] = np.nan
        found["scale_log_ratio"].append(scale)
        bands = [[plain_bands(row, position) for row in side[own]] for side in sides[:2]]
        # Rows of a band are its side's own: far enough apart never to match across sides.
        shifted = [[(h, f + 1000, t + 1000) for h, f, t in one] for one in bands[1]]
        bands.append(
            [
                sorted(x + y, key=lambda band: -band[0])
                for x, y in zip(bands[0], shifted, strict=True)
            ]
        )
        found["band_match_ratio"].append(
            np.array(
                [[plain_matches(side, i, j) for side in bands] for i, j in zip(a, b, strict=True)]
            )
        )
    return {name: np.concatenate(parts) for name, parts in found.items()}


def best_seconds(function: Callable[[], object], repeats: int) -> float:
    """Return the shortest of some runs [s]."""
    seconds = []
    for _ in range(repeats):
        start = time.process_time()
        function()
        seconds.append(time.process_time() - start)
    return min(seconds)


def report_neighbours(long: MapBatch, short: MapBatch, repeats: int) -> None:
    """Print what the other steps cost on the same maps."""
    n_maps = long.n_maps
    groups = np.arange(0, n_maps + 1, N_PROVIDERS)
    aligned = align_maps(long), align_maps(short)
    pairs = compare(long, short)
    low, high = bin_edges(np.arange(-2400, 2400) * 0.97)
    n_rebinned = min(n_maps, 200)
    cells = (
        np.repeat(np.arange(n_rebinned), low.size),
        np.tile(low, n_rebinned),
        np.tile(high, n_rebinned),
        np.ones(low.size * n_rebinned),
        np.ones(n_rebinned),
    )
    close = np.exp(np.cumsum(np.random.default_rng(0).normal(0, 0.002, (100, 8640)), axis=1))
    steps: tuple[tuple[str, Callable[[], object]], ...] = (
        (f"align {2 * n_maps} maps", lambda: (align_maps(long), align_maps(short))),
        (f"bands of {2 * n_maps} maps", lambda: [find_bands(side, long.price) for side in aligned]),
        (f"summary of {groups.size - 1} groups", lambda: summarise_groups(pairs, groups)),
        (
            f"consensus of {groups.size - 1} groups",
            lambda: build_consensus(*aligned, long.price, groups),
        ),
        (
            f"cascades of {n_maps} maps, 10 shocks",
            lambda: simulate_cascades(long, short, 0.03, 1e9),
        ),
        ("odds of touch of 864,000 levels", lambda: reach_probability(close, 0.03, 86400.0)),
        (f"rebin {low.size * n_rebinned:,} cells", lambda: rebin_cells(*cells)),
    )
    for name, step in steps:
        step()
        print(f"{name}: {best_seconds(step, repeats):.3f} s")


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--plain-groups", type=int, default=384, help="groups of the plain version")
    parser.add_argument("--repeats", type=int, default=3, help="runs of which the best counts")
    options = parser.parse_args()
    print(
        f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, numpy "
        f"{np.__version__}, python {platform.python_version()}; seconds of one core"
    )
    start = time.process_time()
    compare(*simulated_maps(1, seed=0))
    print(f"first call (compiles unless cached): {time.process_time() - start:.1f} s")
    rate = 0.0
    for name, n_groups in (("500 assets x 1 hour", 500), ("8 assets x 480 hours", 3840)):
        maps = simulated_maps(n_groups, seed=1)
        seconds = best_seconds(partial(compare, *maps), options.repeats)
        rate = n_groups * 84 / seconds
        print(f"{name}: {n_groups * 84:,} comparisons in {seconds:.2f} s, {rate:,.0f} a second")
    start = time.process_time()
    plain = compare_plainly(*maps, options.plain_groups)
    seconds = time.process_time() - start
    found = compare(*maps)
    for name in METRICS:
        fast = getattr(found, name)[: options.plain_groups * 28]
        np.testing.assert_allclose(fast, plain[name], atol=1e-9, rtol=0, err_msg=name)
    plain_rate = options.plain_groups * 84 / seconds
    print(
        f"plain numpy, {options.plain_groups} of these groups: {seconds:.2f} s, "
        f"{plain_rate:,.0f} a second; agrees to 1e-9; {rate / plain_rate:.0f} times slower"
    )
    report_neighbours(*maps, options.repeats)


if __name__ == "__main__":
    main()
