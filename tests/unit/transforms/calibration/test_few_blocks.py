"""Blocks that a parameter hangs on, and what few of them do to its interval."""

import numpy as np
from numpy.testing import assert_allclose

from transforms.calibration.few_blocks import spread_rows, widened_interval
from transforms.calibration.poisson import LEAST_EFFECTIVE_BLOCKS, BlockDraws, fit_poisson

N_BLOCKS, HOURS = 12, 24
BLOCK = np.repeat(np.arange(N_BLOCKS), HOURS)
NO_MOVE = np.zeros((BLOCK.size, 2))


def fitted(columns, realised, **given):
    return fit_poisson(columns, realised, NO_MOVE, has_move=False, has_constant=False, **given)


def counted(columns, realised, block=BLOCK):
    """Return the blocks behind each parameter of a fit with a few draws."""
    return fitted(
        columns, realised, block_draws=BlockDraws(block, np.random.default_rng(0), n_draws=2)
    ).block_count


def exposed_in(shares):
    """Return one column whose exposure is spread over blocks in the given shares."""
    return np.repeat(np.asarray(shares, dtype=float), HOURS)[:, None, None] * np.ones((1, 2, 1))


def test_equal_blocks_count_as_many_as_there_are():
    columns = exposed_in(np.ones(N_BLOCKS))
    counts = counted(columns, columns[..., 0])
    assert_allclose(counts, [N_BLOCKS, 0.0, 0.0])


def test_one_block_that_holds_everything_gives_no_interval():
    columns = exposed_in([1.0] + [0.0] * (N_BLOCKS - 1))
    counts = counted(columns, columns[..., 0])
    assert_allclose(counts[0], 1.0)
    low, high = widened_interval([1.0], [0.01], counts[:1])
    assert (low[0], high[0]) == (0.0, np.inf)


def test_unknown_hours_count_nothing_and_labels_of_blocks_do_not_matter():
    columns = exposed_in(np.arange(1.0, N_BLOCKS + 1))
    realised = columns[..., 0].copy()
    assert_allclose(counted(columns, realised), counted(columns, realised, 7 - 3 * BLOCK))
    realised[BLOCK == N_BLOCKS - 1] = np.nan
    less = counted(columns, realised)
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
        counts = fit.block_count
        assert LEAST_EFFECTIVE_BLOCKS - 1.5 < counts[0] < LEAST_EFFECTIVE_BLOCKS + 3
        log_sd = np.log(fit.draws[:, 0]).std()
        low, high = widened_interval(fit.weights, [log_sd], counts[:1])
        covered["draws"].append(fit.low[0] <= 1.0 <= fit.high[0])
        covered["widened"].append(low[0] <= 1.0 <= high[0])
    assert np.mean(covered["draws"]) < 0.8
    assert np.mean(covered["widened"]) >= 0.85


def test_rows_of_a_map_keep_the_spread_that_few_blocks_leave_open():
    # Seen in all blocks, in two, in none.
    columns = np.stack(
        [exposed_in(np.ones(N_BLOCKS)), exposed_in([1.0, 1.0] + [0.0] * (N_BLOCKS - 2))], axis=-1
    )[:, :, 0]
    columns = np.concatenate([columns, np.zeros_like(columns[..., :1])], axis=-1)
    fit = fitted(
        columns, columns.sum(axis=-1),
        block_draws=BlockDraws(BLOCK, np.random.default_rng(0), n_draws=4000),
    )  # fmt: skip
    spread = spread_rows(fit, np.random.default_rng(1))
    factor = spread[:, :3] / fit.draws[:, :3]
    assert_allclose(fit.block_count[1:3], [2.0, 0.0], atol=0.1)
    # A gamma variable of shape k and mean 1 has the variance 1 / k.
    expected = 1.0 / (0.5 * (1.0 + fit.block_count[:3]))
    assert_allclose(factor.mean(axis=0), 1.0, atol=0.08)
    assert_allclose(factor.var(axis=0), expected, rtol=0.15)
    assert np.abs(np.corrcoef(factor.T) - np.eye(3)).max() < 0.06
    assert_allclose(spread[:, 3:], fit.draws[:, 3:])


def test_a_fit_without_draws_has_none_to_spread():
    columns = exposed_in(np.ones(N_BLOCKS))
    assert spread_rows(fitted(columns, columns[..., 0]), np.random.default_rng(0)).shape == (0, 3)
