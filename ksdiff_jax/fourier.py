"""The real Fourier transform along the last axis, computed on the devices of its input.

    X_k = Σ_n x_n exp(-2πi k n / N),   k = 0 … N / 2

It equals `jnp.fft.rfft` bit for bit. XLA's partitioner cannot split an FFT over a batch that is
sharded over devices (jaxlib 0.10.2): every device would gather the whole batch and transform all of
it, at a cost that grows with the number of devices. Here a sharding rule states that all axes
except the last may be split, and each device transforms its own part.
"""

import jax
import jax.numpy as jnp
from jax.experimental.custom_partitioning import custom_partitioning

from ksdiff_jax.typing import Array, Complex, Float


def rfft(signal: Float[Array, "*b n"], *, points: int | None = None) -> Complex[Array, "*b k"]:
    """Return the spectrum of every signal, padded with zeros to `points`: k = points / 2 + 1
    values.
    """
    length = signal.shape[-1]
    padded = jnp.pad(signal, [(0, 0)] * (signal.ndim - 1) + [(0, (points or length) - length)])
    return jnp.fft.rfft(padded) if jax.device_count() == 1 else _transform(padded)


@jax.custom_vjp
def _transform(signal: Float[Array, "*b n"]) -> Complex[Array, "*b k"]:
    return _in_place(lambda whole: jnp.fft.rfft(whole))(signal)


def _forward(signal: Float[Array, "*b n"]) -> tuple[Complex[Array, "*b k"], int]:
    return _transform(signal), signal.shape[-1]


def _backward(points: int, cotangent: Complex[Array, "*b k"]) -> tuple[Float[Array, "*b n"]]:
    def transposed(whole: Complex[Array, "*b k"]) -> Float[Array, "*b n"]:
        signal = jax.ShapeDtypeStruct((*whole.shape[:-1], points), whole.real.dtype)
        return jax.linear_transpose(jnp.fft.rfft, signal)(whole)[0]

    return (_in_place(transposed)(cotangent),)


_transform.defvjp(_forward, _backward)


def _in_place(function):
    """Return `function` of one array, which changes only the last axis, sharded over devices as its
    argument is.
    """
    partitioned = custom_partitioning(function)
    partitioned.def_partition(
        partition=lambda mesh, arguments, result: (
            mesh,
            function,
            result.sharding,
            tuple(argument.sharding for argument in arguments),
        ),
        sharding_rule="... n -> ... k",
        need_replication_factors=("n", "k"),
    )
    return partitioned
