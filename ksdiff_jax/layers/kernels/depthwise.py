"""Depthwise convolution over time as a few shifted multiply-adds, forwards and backwards.

    y[t, c] = Σ_k x[t + (k − (K − 1) / 2) · dilation, c] · w[k, c],   zeros beyond both ends

XLA fuses them. On a CPU they are faster than its grouped convolution. They are also faster than the
pads and sums of a differentiated shift.

Measured forward and backward against the plain form in interleaved pairs, two CPU cores, float32,
jaxlib 0.10.2; medians of 21 with the quartiles:
8 x 256 x 256, 5 frames, two filters a channel: 21 times as fast as the grouped convolution (18 to
23).
"""

import functools

import jax
import jax.numpy as jnp

from ksdiff_jax.typing import Array, Float


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def depthwise(
    x: Float[Array, "b f d"], kernel: Float[Array, "k n"], dilation: int
) -> Float[Array, "b f n"]:
    """Apply n / d filters of k frames per channel, with zeros beyond both ends; the output has all
    channels' first filters, then their second.
    """
    channels, (taps, filters) = x.shape[-1], kernel.shape
    windows = _windows(x, taps, dilation, before=dilation * (taps - 1) // 2)
    multiples = [slice(first, first + channels) for first in range(0, filters, channels)]
    return jnp.concatenate(
        [
            sum(window * kernel[tap, some] for tap, window in enumerate(windows))
            for some in multiples
        ],
        axis=-1,
    )


def _depthwise_forward(x: Array, kernel: Array, dilation: int) -> tuple[Array, tuple[Array, Array]]:
    return depthwise(x, kernel, dilation), (x, kernel)


def _depthwise_backward(
    dilation: int, kept: tuple[Array, Array], gradient: Array
) -> tuple[Array, Array]:
    x, kernel = kept
    taps, reach = len(kernel), dilation * (len(kernel) - 1)
    parts = jnp.split(gradient, kernel.shape[1] // x.shape[-1], axis=-1)
    filters = jnp.split(kernel, len(parts), axis=-1)
    to_x = sum(
        window * kernel[taps - 1 - tap]
        for part, kernel in zip(parts, filters, strict=True)
        for tap, window in enumerate(_windows(part, taps, dilation, before=reach - reach // 2))
    )
    windows = _windows(x, taps, dilation, before=reach // 2)
    to_kernel = [
        jnp.stack([jnp.sum(window * part, axis=(0, 1)) for window in windows]) for part in parts
    ]
    return to_x, jnp.concatenate(to_kernel, axis=-1)


depthwise.defvjp(_depthwise_forward, _depthwise_backward)


def _windows(
    x: Float[Array, "b f d"], taps: int, dilation: int, *, before: int
) -> list[Float[Array, "b f d"]]:
    """Return x shifted so that entry `tap` has frame t - before + tap · dilation at t, with zeros
    beyond both ends.
    """
    padding = ((0, 0), (before, dilation * (taps - 1) - before), (0, 0))
    # without this, every read of a window would test for the edge
    padded = jax.lax.optimization_barrier(jnp.pad(x, padding))
    return [padded[:, tap * dilation : tap * dilation + x.shape[1]] for tap in range(taps)]
