"""Ridge regression in plain NumPy, from moments that add up over clips.

For rows x (d) with targets y, of mean x̄ and ȳ, the weights w and the intercept b minimise

    Σ (y − b − w · x)² + λ Σ_j v_j w_j²,      v_j = the variance of column j

which is ridge regression on columns of variance 1: the scale of a feature does not matter. With the
centred sums C = Σ (x − x̄)(x − x̄)ᵀ and c = Σ (x − x̄)(y − ȳ) the solution is

    w = (C + λ diag(v))⁻¹ c,      b = ȳ − w · x̄

Several targets of the same rows (k columns) are fitted at once: c, w and b then have k columns.

`Moments` are sums, so those of a set of clips without some of them are a difference; leaving one
group of people out after the other needs no second pass over the rows.
"""

from typing import NamedTuple

import numpy as np
from scipy.linalg import solve

from ksdiff_jax.errors import InputError
from ksdiff_jax.typing import Float

# A column of smaller variance is constant (a band of digital silence) and gets no weight.
CONSTANT_VARIANCE = 1e-10


class Moments(NamedTuple):
    """Sums over rows, from which a ridge is fitted."""

    count: int
    x: Float[np.ndarray, "d"]
    y: Float[np.ndarray, "*k"]
    xx: Float[np.ndarray, "d d"]
    xy: Float[np.ndarray, "d *k"]

    def plus(self, other: "Moments") -> "Moments":
        """Return the moments of both sets of rows."""
        return Moments(*(a + b for a, b in zip(self, other, strict=True)))

    def minus(self, other: "Moments") -> "Moments":
        """Return the moments without the rows of `other`, which are among them."""
        return Moments(*(a - b for a, b in zip(self, other, strict=True)))


class Ridge(NamedTuple):
    """A fitted linear map."""

    weights: Float[np.ndarray, "d *k"]
    intercept: Float[np.ndarray, "*k"]

    def predict(self, rows: Float[np.ndarray, "t d"]) -> Float[np.ndarray, "t *k"]:
        """Return the map's values of each row."""
        return rows @ self.weights + self.intercept


def moments(rows: Float[np.ndarray, "t d"], targets: Float[np.ndarray, "t *k"]) -> Moments:
    """Return the sums of rows with their targets, in double precision."""
    x, y = rows.astype(np.float64), targets.astype(np.float64)
    return Moments(len(x), x.sum(axis=0), y.sum(axis=0), x.T @ x, x.T @ y)


def fit_ridge(sums: Moments, *, penalty: float) -> Ridge:
    """Return the ridge of the module's docstring for λ = `penalty`; raise `InputError` for fewer
    than two rows, or a penalty that is not above zero.
    """
    if sums.count < 2 or not penalty > 0:
        raise InputError(
            f"ridge: got {sums.count} rows and the penalty {penalty:g}, need two rows or more and "
            "a penalty above zero"
        )
    mean_x, mean_y = sums.x / sums.count, sums.y / sums.count
    centred = sums.xx - sums.count * np.outer(mean_x, mean_x)
    together = sums.xy - sums.count * np.multiply.outer(mean_x, mean_y)
    variance = np.diag(centred) / sums.count
    varies = variance > CONSTANT_VARIANCE
    weights = np.zeros(sums.xy.shape)
    kept = np.ix_(varies, varies)
    lifted = centred[kept] + penalty * np.diag(variance[varies])
    weights[varies] = solve(lifted, together[varies], assume_a="pos")
    return Ridge(weights, mean_y - mean_x @ weights)


def with_neighbours(rows: Float[np.ndarray, "t d"], *, reach: int) -> Float[np.ndarray, "t k"]:
    """Return each row with its `reach` neighbours on both sides, k = (2 reach + 1) d; rows beyond
    an end are copies of the last one there.
    """
    padded = np.pad(rows, [(reach, reach), (0, 0)], mode="edge")
    return np.concatenate([padded[k : k + len(rows)] for k in range(2 * reach + 1)], axis=1)
