"""The forward (noising) process of DDPM (Ho et al. 2020, Eq. 4): x_n = √ᾱ_n x₀ + √(1 − ᾱ_n) ε."""

import jax.numpy as jnp

from ksdiff_jax.typing import Array, Float


def add_noise(
    clean: Float[Array, "b *n"], noise: Float[Array, "b *n"], alpha_bar: Float[Array, "b"]
) -> Float[Array, "b *n"]:
    """Return x_n of the equation above, with one ᾱ per batch element."""
    alpha_bar = alpha_bar.reshape(-1, *(1,) * (clean.ndim - 1))
    return jnp.sqrt(alpha_bar) * clean + jnp.sqrt(1 - alpha_bar) * noise


def implied_noise(
    noisy: Float[Array, "*b"], clean: Float[Array, "*b"], alpha_bar: Float[Array, "*#b"]
) -> Float[Array, "*b"]:
    """Return the ε that gives `noisy` from `clean` at ᾱ."""
    return (noisy - jnp.sqrt(alpha_bar) * clean) / jnp.sqrt(1 - alpha_bar)


def implied_clean(
    noisy: Float[Array, "*b"], noise: Float[Array, "*b"], alpha_bar: Float[Array, "*#b"]
) -> Float[Array, "*b"]:
    """Return the x₀ that gives `noisy` with `noise` at ᾱ."""
    return (noisy - jnp.sqrt(1 - alpha_bar) * noise) / jnp.sqrt(alpha_bar)
