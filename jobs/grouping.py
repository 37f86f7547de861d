"""Consecutive equal keys in columns that are in order of them."""

from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt


def run_offsets(*keys: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """Return where runs of equal keys begin, and the end of the last.

    Parameters
    ----------
    *keys : ndarray, shape (n_rows,)
        Columns; a run ends where any of them changes.

    Returns
    -------
    ndarray of int64, shape (n_runs + 1,)

    Examples
    --------
    >>> run_offsets(np.array(["a", "a", "b"]), np.array([1, 2, 2])).tolist()
    [0, 1, 2, 3]
    """
    is_new = np.ones(len(keys[0]) + 1, dtype=np.bool_)
    is_new[1:-1] = False
    for key in keys:
        is_new[1:-1] |= key[1:] != key[:-1]
    return np.flatnonzero(is_new)


def run_slices(*keys: npt.NDArray[Any]) -> list[slice]:
    """Return the rows of each run of equal keys, as in `run_offsets`."""
    return [slice(start, stop) for start, stop in pairwise(run_offsets(*keys).tolist())]
