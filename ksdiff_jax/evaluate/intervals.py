"""Confidence intervals of a mean over training runs that differ by their seed alone.

    t interval    m ± t(n − 1) · s / √n,
                  m and s the mean and standard deviation (n − 1) of n values

It holds if the values scatter normally around their mean. With two or three seeds t is 12.7 or 4.3
(at 95 %), so that such intervals are wide; they are an honest answer to little data. What varies
between the runs is in them; what is the same in all of them, such as the clips that they are scored
on, is not.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.stats import t as student_t

from ksdiff_jax.errors import InputError
from ksdiff_jax.typing import Float

Values = Sequence[float] | Float[np.ndarray, "_"]


class Interval(NamedTuple):
    """A mean of `count` values with the bounds of its confidence interval."""

    mean: float
    low: float
    high: float
    count: int

    @property
    def sign(self) -> int:
        """1 or -1 where the whole interval lies above or below zero, else 0.

        0 also for an undefined one, and for one without width: equal values (of counts, say) do not
        tell their scatter.
        """
        if self.low == self.high:
            return 0
        return 1 if self.low > 0 else -1 if self.high < 0 else 0


def t_interval(values: Values, *, confidence: float = 0.95) -> Interval:
    """Student's t interval; without bounds for one value, undefined where one of the values is.

    Raises `InputError` for no values.
    """
    array = np.asarray(values, np.float64)
    if array.size == 0:
        raise InputError("interval: got no values, need one or more")
    mean = float(array.mean())
    if array.size == 1:
        return Interval(mean, -math.inf, math.inf, 1)
    reach = float(
        student_t.ppf((1 + confidence) / 2, array.size - 1)
        * array.std(ddof=1)
        / math.sqrt(array.size)
    )
    return Interval(mean, mean - reach, mean + reach, array.size)


def difference_interval(values: Values, reference: Values, *, confidence: float = 0.95) -> Interval:
    """The t interval of `values` − `reference`, paired: the i-th of both come from runs of one
    seed.

    Raises `InputError` if there are not as many of one as of the other.
    """
    if len(values) != len(reference):
        raise InputError(
            f"paired interval: got {len(values)} and {len(reference)} values, need as many of both"
        )
    return t_interval(np.subtract(values, reference, dtype=np.float64), confidence=confidence)
