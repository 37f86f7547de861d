"""Blocks that a parameter hangs on, and what few of them do to its interval."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from transforms.calibration.effective_blocks import (
    effective_blocks,
    widened_interval,
)
from transforms.calibration.poisson import LEAST_BLOCKS, BlockDraws, fit_poisson
from transforms.errors import InvalidInput

N_BLOCKS, HOURS = 12, 24
BLOCK = np.repeat(np.arange(N_BLOCKS), HOURS)
NO_MOVE = np.zeros((BLOCK.size, 2))


def fitted(columns, realised, **given):
    return fit_poisson(columns, realised, NO_MOVE, has_move=False, has_constant=False, **given)


def exposed_in(shares):
    """Return one column whose exposure is spread over blocks in the given shares."""
    return np.repeat(np.asarray(shares, dtype=float), HOURS)[:, None, None] * np.ones((1, 2, 1))


def test_equal_blocks_count_as_many_as_there_are():
    columns = exposed_in(np.ones(N_BLOCKS))
    counts = effective_blocks(
        fitted(columns, columns[..., 0]), columns, columns[..., 0], NO_MOVE, BLOCK
    )
    assert_allclose(counts, [N_BLOCKS, 0.0, 0.0])


def test_one_block_that_holds_everything_gives_no_interval():
    columns = exposed_in([1.0] + [0.0] * (N_BLOCKS - 1))
    counts = effective_blocks(
        fitted(columns, columns[..., 0]), columns, columns[..., 0], NO_MOVE, BLOCK
    )
    assert_allclose(counts[0], 1.0)
    low, high = widened_interval([1.0], [0.01], counts[:1])
    assert (low[0], high[0]) == (0.0, np.inf)


def test_unknown_hours_count_nothing_and_labels_of_blocks_do_not_matter():
    columns = exposed_in(np.arange(1.0, N_BLOCKS + 1))
    realised = columns[..., 0].copy()
    fit = fitted(columns, realised)
    counts = effective_blocks(fit, columns, realised, NO_MOVE, BLOCK)
    assert_allclose(counts, effective_blocks(fit, columns, realised, NO_MOVE, 7 - 3 * BLOCK))
    realised[BLOCK == N_BLOCKS - 1] = np.nan
    less = effective_blocks(fit, columns, realised, NO_MOVE, BLOCK)
    sizes = np.arange(1.0, N_BLOCKS)
    assert_allclose(less[0], sizes.sum() ** 2 / (sizes**2).sum())


def test_quantiles_are_those_of_student():
    # Quantile .95 of t with 2, 3, 4, 10 and 22 degrees of freedom, from tables.
    known = np.array([2.920, 2.353, 2.132, 1.812, 1.717])
    blocks = np.array([3.0, 4.0, 5.0, 11.0, 23.0])
    _, high = widened_interval(np.ones(5), np.ones(5), blocks)
    assert_allclose(np.log(high) / np.sqrt(blocks / (blocks - 1)), known, rtol=4e-3)
    low, high = widened_interval([2.0], [0.3], [1e9])
    assert_allclose([low[0], high[0]], 2.0 * np.exp([-1.645 * 0.3, 1.645 * 0.3]), rtol=1e-3)


def test_intervals_hold_the_truth_where_few_blocks_hold_the_evidence():
    # A few blocks hold most, and what is realised of a block varies from block to block.
    shares = 0.5 ** np.arange(N_BLOCKS)
    columns = exposed_in(shares)
    covered = {"draws": [], "widened": []}
    for seed in range(60):
        generator = np.random.default_rng(seed)
        factor = generator.gamma(10.0, 0.1, N_BLOCKS)
        realised = columns[..., 0] * factor[BLOCK][:, None]
        fit = fitted(columns, realised, block_draws=BlockDraws(BLOCK, generator))
        counts = effective_blocks(fit, columns, realised, NO_MOVE, BLOCK)
        assert LEAST_BLOCKS - 1.5 < counts[0] < LEAST_BLOCKS + 3
        log_sd = np.log(fit.draws[:, 0]).std()
        low, high = widened_interval(fit.weights, [log_sd], counts[:1])
        covered["draws"].append(fit.low[0] <= 1.0 <= fit.high[0])
        covered["widened"].append(low[0] <= 1.0 <= high[0])
    assert np.mean(covered["draws"]) < 0.8
    assert np.mean(covered["widened"]) >= 0.85


def test_a_fit_of_other_columns_is_refused():
    columns = exposed_in(np.ones(N_BLOCKS))
    fit = fitted(columns, columns[..., 0])
    with pytest.raises(InvalidInput, match="there are 2 columns, the fit has 1 weights"):
        effective_blocks(fit, np.repeat(columns, 2, axis=2), columns[..., 0], NO_MOVE, BLOCK)
