"""Joint draws of the parameters of a fit, as text small enough to ship.

Belongs here: packing and unpacking. Does not belong here: how draws are made (``poisson``) and
what is made of them.

Draws have to stay joint. Rows of a ledger resemble one another, so only their sums are known well,
and what is wrong about rows that were never crossed is wrong about all of them: drawn row by row,
the 80 % interval of what a map holds within 2 % of price is up to twice as wide in logs, and within
20 % half as wide (``docs/decisions/0024-joint-draws-of-a-fit.md``).
"""

import base64

import numpy as np

from transforms.errors import InvalidInput
from transforms.series import Float32Array, FloatArray


def pack_draws(draws: Float32Array, parameters: FloatArray) -> str:
    """Return draws as text: the logarithm of each over its parameter, in 16 bits, base 64.

    Parameters
    ----------
    draws : ndarray of float32, shape (n_draws, p)
        Parameters of each draw, at least 0 [as the parameter].
    parameters : ndarray of float64, shape (p,)
        Parameters of the fit [as the draws]; where 0, the draws are 0 too.

    Returns
    -------
    str
        ASCII; 36 kB for 200 draws of 66 parameters.

    Raises
    ------
    InvalidInput
        If shapes differ, or a draw is not finite.

    Examples
    --------
    >>> text = pack_draws(np.array([[1.0, 0.0], [4.0, 0.0]], dtype=np.float32), np.array([2.0, 0]))
    >>> unpack_draws(text, np.array([2.0, 0.0])).round(2).tolist()
    [[1.0, 0.0], [4.0, 0.0]]
    """
    if draws.ndim != 2 or draws.shape[1:] != parameters.shape:
        raise InvalidInput(
            f"draws have shape {draws.shape}, expected (n_draws, {parameters.size}) as parameters"
        )
    if not np.isfinite(draws).all():
        raise InvalidInput("a draw is not finite; a fit without figures has no draws to pack")
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.where(parameters > 0.0, np.log(draws.astype(np.float64) / parameters), 0.0)
    return base64.b64encode(logs.astype("<f2").tobytes()).decode("ascii")


def unpack_draws(text: str, parameters: FloatArray) -> Float32Array:
    """Return the draws that `pack_draws` made text of.

    Parameters
    ----------
    text : str
        Text of `pack_draws`.
    parameters : ndarray of float64, shape (p,)
        The parameters they were packed with.

    Returns
    -------
    ndarray of float32, shape (n_draws, p)
        Draws [as the parameter], to .4 % or better within a factor of 3,000 of the parameter.

    Raises
    ------
    InvalidInput
        If the text does not hold whole draws of as many parameters.

    Examples
    --------
    >>> unpack_draws(pack_draws(np.ones((1, 1), dtype=np.float32), np.ones(1)), np.ones(1)).tolist()
    [[1.0]]
    """
    try:
        logs = np.frombuffer(base64.b64decode(text, validate=True), dtype="<f2")
        ratios = np.exp(logs.reshape(-1, parameters.size).astype(np.float64))
    except ValueError as exc:
        raise InvalidInput(
            f"the text does not hold draws of {parameters.size} parameters; pack them again"
        ) from exc
    return (ratios * parameters).astype(np.float32)
