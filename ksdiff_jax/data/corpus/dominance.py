"""Coarticulation by dominance functions (Cohen and Massaro 1993, "Modeling coarticulation in
synthetic visual speech").

Segment i has a target T_i for an articulator, with a dominance that is α_i inside the segment's
core and decays exponentially outside of it, at separate rates before (anticipation) and after
(carry-over):

    D_i(t) = α_i exp(−θ_before d)   for t a distance d before the core
    D_i(t) = α_i exp(−θ_after  d)   for t a distance d after the core
    F(t)   = Σ_i D_i(t) T_i / Σ_i D_i(t)

A target of high dominance (a closure) is therefore reached in every context, and a weak one (a
schwa) is pulled towards its neighbours. In fast speech, where segments are short, every target is
undershot.
"""

from typing import NamedTuple

import numpy as np

from ksdiff_jax.typing import Float


class Segments(NamedTuple):
    """The cores of n segments, their targets T and their dominances α."""

    core_start_s: Float[np.ndarray, "n"]
    core_end_s: Float[np.ndarray, "n"]
    target: Float[np.ndarray, "n"]
    dominance: Float[np.ndarray, "n"]


def blend(
    times_s: Float[np.ndarray, "t"],
    segments: Segments,
    *,
    rate_before_hz: float,
    rate_after_hz: float,
) -> Float[np.ndarray, "t"]:
    """Return F(t) of one articulator; segments with dominance 0 have no effect. The θ are in
    1/s.
    """
    core_start_s, core_end_s, target, dominance = segments
    before = np.maximum(0.0, core_start_s - times_s[:, None])
    after = np.maximum(0.0, times_s[:, None] - core_end_s)
    # The largest exponent is factored out of both sums, so that far from every segment the nearest
    # one still determines the result.
    with np.errstate(divide="ignore"):
        exponent = np.log(dominance) - rate_before_hz * before - rate_after_hz * after
    weight = np.exp(exponent - exponent.max(axis=1, keepdims=True))
    return weight @ target / weight.sum(axis=1)
