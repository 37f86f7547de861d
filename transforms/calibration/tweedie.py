"""A generalised linear model of realised USD: Tweedie deviance, log link, ridge penalty.

Belongs here: the fit and the prediction. Does not belong here: features (``features``) and dummies
for sides or assets, which are columns that the caller adds.

Features are clipped at two quantiles of the spans fitted and standardised there, so that a span
outside of what was seen is predicted like the most extreme one seen. With y scaled to mean 1,
coefficients minimise::

    1 / (2 n) sum_i d(y_i, exp(a + b x_i)) + ridge / 2 |b|^2

    d(y, mu) = 2 (y^(2-p) / ((1-p) (2-p)) - y mu^(1-p) / (1-p) + mu^(2-p) / (2-p))

with d the deviance of a Tweedie distribution of power p between 1 (Poisson) and 2 (gamma), see
Dunn and Smyth, Generalized Linear Models With Examples in R, chapter 12. The loss is convex in a
and b, so iteratively reweighted least squares with observed weights and step halving finds its
minimum from any start. Predictions are then rescaled to sum to what was realised.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from transforms.calibration.fit_status import FitStatus
from transforms.errors import InvalidInput, InvalidParameters
from transforms.series import FloatArray

CLIPPED: Final = (0.005, 0.998)
"""Quantiles at which features are clipped."""

LEAST_ROWS_PER_FEATURE: Final = 10
"""Rows that a fit needs for each feature."""

FLOOR_RATIO: Final = 0.001
"""Least prediction, in units of the mean realised amount [ratio]."""

TOLERANCE: Final = 1e-12
"""Decrease of the loss that a whole step promises at convergence [1]; the loss is of order 1."""

MOST_STEPS: Final = 100
"""Steps after which a fit counts as not converged."""


@dataclass(frozen=True, slots=True)
class TweedieFit:
    """Coefficients and what features are scaled by; NaN without figures.

    Parameters
    ----------
    lower, upper : ndarray of float64, shape (p,)
        Bounds at which each feature is clipped [as the feature].
    center, spread : ndarray of float64, shape (p,)
        Mean and standard deviation of each clipped feature [as the feature]; the spread of a
        feature that does not vary is 1, and its coefficient 0.
    coefficients : ndarray of float64, shape (p,)
        Change of the logarithm for one spread of each feature [1].
    intercept : float
        Logarithm of the expected amount at the center, rescaling included [ln USD].
    floor : float
        Least prediction [USD].
    is_converged : bool
        Whether the criterion held.
    rows : int
        Rows fitted.
    deviance : float
        Tweedie deviance of the prediction on them [USD^(2 - power)].
    status : FitStatus
        Whether there are figures, and why not.
    """

    lower: FloatArray
    upper: FloatArray
    center: FloatArray
    spread: FloatArray
    coefficients: FloatArray
    intercept: float
    floor: float
    is_converged: bool
    rows: int
    deviance: float
    status: FitStatus


def fit_tweedie(
    x: FloatArray, y: FloatArray, power: float = 1.5, ridge: float = 0.03
) -> TweedieFit:
    """Return the coefficients that minimise penalised Tweedie deviance.

    Parameters
    ----------
    x : ndarray of float64, shape (n, p)
        Features, one row for each span and side. NaN: not known; the row is left out.
    y : ndarray of float64, shape (n,)
        Realised amounts [USD], at least 0. NaN: not known; the row is left out.
    power : float
        Power of the variance function, above 1 and below 2.
    ridge : float
        Penalty on standardised coefficients, at least 0.

    Returns
    -------
    TweedieFit
        The same for the same input. Where nothing can be fitted ``status`` says why.

    Raises
    ------
    InvalidInput
        If shapes differ or an amount is negative.
    InvalidParameters
        If power or ridge is out of range.

    Examples
    --------
    >>> x = np.linspace(0.0, 1.0, 400)[:, None]
    >>> fit = fit_tweedie(x, np.exp(2.0 * x[:, 0]), ridge=0.0)
    >>> fit.status.value, bool(abs(fit.coefficients[0] / fit.spread[0] - 2.0) < 0.01)
    ('fitted', True)
    """
    if x.ndim != 2 or y.shape != (len(x),):
        raise InvalidInput(f"x and y have shapes {x.shape} and {y.shape}, expected (n, p) and (n,)")
    if np.any(y < 0.0):
        raise InvalidInput("y holds a negative amount; give NaN for unknown")
    if not (1.0 < power < 2.0 and ridge >= 0.0):
        raise InvalidParameters(
            f"power is {power} and ridge {ridge}; expected 1 < power < 2 and ridge at least 0"
        )
    is_known = np.isfinite(y) & np.isfinite(x).all(axis=1)
    x, y = x[is_known], y[is_known]
    if len(y) < LEAST_ROWS_PER_FEATURE * max(x.shape[1], 1):
        return _without_figures(x.shape[1], len(y), FitStatus.TOO_FEW_SPANS)
    if not np.any(y > 0.0):
        return _without_figures(x.shape[1], len(y), FitStatus.NOTHING_REALISED)
    lower, upper = np.quantile(x, CLIPPED, axis=0)
    clipped = np.clip(x, lower, upper)
    center, spread = clipped.mean(axis=0), clipped.std(axis=0)
    spread = np.where(spread > 1e-12 * np.maximum(np.abs(center), 1e-300), spread, 1.0)
    mean = y.mean()
    design = np.column_stack([np.ones(len(y)), (clipped - center) / spread])
    theta, is_converged = _minimise(design, y / mean, power, ridge)
    mu = mean * np.exp(design @ theta)
    rescaling = y.sum() / mu.sum()
    mu = np.maximum(mu * rescaling, FLOOR_RATIO * mean)
    return TweedieFit(
        lower=lower,
        upper=upper,
        center=center,
        spread=spread,
        coefficients=theta[1:],
        intercept=float(theta[0] + np.log(mean * rescaling)),
        floor=float(FLOOR_RATIO * mean),
        is_converged=is_converged,
        rows=len(y),
        deviance=tweedie_deviance(y, mu, power),
        status=FitStatus.FITTED if is_converged else FitStatus.NOT_CONVERGED,
    )


def predict_tweedie(fit: TweedieFit, x: FloatArray) -> FloatArray:
    """Return expected amounts, floored.

    Parameters
    ----------
    fit : TweedieFit
        Coefficients; without figures everything predicted is NaN.
    x : ndarray of float64, shape (..., p)
        Features as fitted.

    Returns
    -------
    ndarray of float64, shape (...)
        Expected amounts [USD]; NaN where a feature is NaN.

    Raises
    ------
    InvalidInput
        If the number of features is not that of the fit.

    Examples
    --------
    >>> x = np.linspace(0.0, 1.0, 400)[:, None]
    >>> fit = fit_tweedie(x, np.exp(2.0 * x[:, 0]), ridge=0.0)
    >>> predict_tweedie(fit, np.array([[0.5], [np.nan]])).round(2).tolist()
    [2.72, nan]
    """
    if x.shape[-1] != fit.coefficients.size:
        raise InvalidInput(f"x has {x.shape[-1]} features, the fit {fit.coefficients.size}")
    standard = (np.clip(x, fit.lower, fit.upper) - fit.center) / fit.spread
    predicted: FloatArray = np.maximum(
        np.exp(fit.intercept + standard @ fit.coefficients), fit.floor
    )
    return predicted


def tweedie_deviance(y: FloatArray, mu: FloatArray, power: float = 1.5) -> float:
    """Return the Tweedie deviance of expected amounts.

    Parameters
    ----------
    y, mu : ndarray of float64, shape (n,)
        Realised and expected amounts [USD]; expected ones above 0.
    power : float
        Power of the variance function, above 1 and below 2.

    Returns
    -------
    float
        Deviance [USD^(2 - power)].

    Examples
    --------
    >>> tweedie_deviance(np.array([0.0, 4.0]), np.array([4.0, 4.0]))
    8.0
    """
    a, b = 1.0 - power, 2.0 - power
    terms = y**b / (a * b) - y * mu**a / a + mu**b / b
    return float(2.0 * terms.sum())


def _minimise(
    design: FloatArray, y: FloatArray, power: float, ridge: float
) -> tuple[FloatArray, bool]:
    """Return intercept and coefficients at the minimum, and whether the criterion held."""
    n, p = design.shape
    penalty = np.full(p, ridge)
    # A sliver keeps the system solvable where columns are collinear or do not vary.
    penalty[0], sliver = 0.0, np.diag(np.full(p, 1e-10))
    a, b = 1.0 - power, 2.0 - power

    def loss(theta: FloatArray) -> float:
        eta = design @ theta
        # A step that overflows is no step down; it is halved.
        with np.errstate(over="ignore", invalid="ignore"):
            terms = np.exp(b * eta) / b - y * np.exp(a * eta) / a
        return float(terms.mean() + penalty @ theta**2 / 2.0)

    theta = np.zeros(p)
    value = loss(theta)
    for _ in range(MOST_STEPS):
        eta = design @ theta
        up, down = np.exp(b * eta), y * np.exp(a * eta)
        gradient = design.T @ (up - down) / n + penalty * theta
        observed = b * up - a * down
        curvature = (design * observed[:, None]).T @ design / n + np.diag(penalty) + sliver
        step = -np.linalg.solve(curvature, gradient)
        if -gradient @ step / 2.0 < TOLERANCE:
            return theta + step, True
        length = 1.0
        while length > 1e-8:
            lower = loss(theta + length * step)
            if lower <= value + 1e-14 * abs(value):
                break
            length /= 2.0
        theta, value = theta + length * step, lower
    return theta, False


def _without_figures(n_features: int, rows: int, status: FitStatus) -> TweedieFit:
    """Return a fit that says why it has no figures."""
    unknown = np.full(n_features, np.nan)
    return TweedieFit(
        lower=unknown,
        upper=unknown,
        center=unknown,
        spread=unknown,
        coefficients=unknown,
        intercept=np.nan,
        floor=np.nan,
        is_converged=False,
        rows=rows,
        deviance=np.nan,
        status=status,
    )
