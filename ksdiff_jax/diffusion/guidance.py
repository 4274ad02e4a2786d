"""Classifier-free guidance (Ho and Salimans 2022): x̂₀ = x̂₀(∅) + s (x̂₀(c) − x̂₀(∅)); s = 1 is the
conditional model.
"""

from ksdiff_jax.typing import Array, Float


def guide(
    conditional: Float[Array, "*b"], unconditional: Float[Array, "*b"], *, scale: float
) -> Float[Array, "*b"]:
    """Extrapolate a prediction away from the unconditional one by `scale`."""
    return unconditional + scale * (conditional - unconditional)
