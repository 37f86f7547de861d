"""How fast the maps of providers are compared, and what the steps around that cost.

``python -m bench.disagreement`` compares 8 providers (28 pairs, 3 sides) over 500 assets x 1 hour
and over 8 assets x 480 hours, from dense float32 maps as they are stored to the metrics. Then
consensus, bands, cascades, odds of touch and rebinning are timed on the same maps. Seconds are
processor time of the best of some runs.
"""

import argparse
import time
from collections.abc import Callable
from functools import partial

import numpy as np
import numpy.typing as npt

from bench.stopwatch import best_seconds, print_machine
from transforms.bands import find_bands
from transforms.cascade import simulate_cascades
from transforms.consensus import build_consensus
from transforms.disagreement import Disagreement, measure_disagreement
from transforms.grid import bin_edges, published_bins
from transforms.group_disagreement import summarise_groups
from transforms.maps import MapBatch, align_maps
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
    parser.add_argument("--repeats", type=int, default=3, help="runs of which the best counts")
    repeats = parser.parse_args().repeats
    print_machine()
    start = time.process_time()
    compare(*simulated_maps(1, seed=0))
    print(f"first call (compiles unless cached): {time.process_time() - start:.1f} s")
    for name, n_groups in (("500 assets x 1 hour", 500), ("8 assets x 480 hours", 3840)):
        maps = simulated_maps(n_groups, seed=1)
        seconds = best_seconds(partial(compare, *maps), repeats)
        count = n_groups * 84
        print(f"{name}: {count:,} comparisons in {seconds:.2f} s, {count / seconds:,.0f} a second")
    report_neighbours(*maps, repeats)


if __name__ == "__main__":
    main()
