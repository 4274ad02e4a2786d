"""The denoisers of the two paths in sequence, as the model runs them, against both in one batched
computation.

Grouping stacks the parameters of both, so that every product multiplies two pairs of matrices at
once. An accelerator that small kernels leave idle then runs fewer, larger kernels. It requires
denoisers of one shape; here both have the dimensions of the wider one. Forward and backward are
measured together, interleaved.
"""

import statistics
import time
from collections.abc import Callable

from ksdiff_jax.config import Config


def measure_grouping(config: Config, *, clips: int, frames: int, repeats: int) -> dict[str, float]:
    """Measure the seconds of both forms, and separate over grouped: above 1 grouping is faster."""
    import jax

    forms, arguments = two_forms(config, clips=clips, frames=frames)
    compiled = {
        name: jax.jit(jax.value_and_grad(form)).lower(*arguments).compile()
        for name, form in forms.items()
    }

    def seconds(work: Callable) -> float:
        started = time.perf_counter()
        jax.block_until_ready(work(*arguments))
        return time.perf_counter() - started

    for work in compiled.values():
        seconds(work)
    pairs = [[seconds(work) for work in compiled.values()] for _ in range(repeats)]
    result = {
        f"{name}_s": round(statistics.median(pair[i] for pair in pairs), 5)
        for i, name in enumerate(compiled)
    }
    return result | {
        "ratio": round(statistics.median(separate / grouped for separate, grouped in pairs), 3)
    }


def two_forms(config: Config, *, clips: int, frames: int) -> tuple[dict[str, Callable], tuple]:
    """Return a loss of both denoisers, "separate" and "grouped", and its arguments; the path is the
    first axis of each leaf.
    """
    import jax
    import jax.numpy as jnp

    from ksdiff_jax.layers.execution import Execution
    from ksdiff_jax.models.ksdiff.motion_generator import UNKNOWN_BIT, MotionGenerator
    from ksdiff_jax.models.ksdiff.network import generator_dims

    model = config.model
    dtype, width = jnp.dtype(model.compute_dtype), model.width
    dims = max(len(part) for part in generator_dims(model).values())
    denoiser = MotionGenerator(
        model, dims, execution=Execution(dtype=dtype, attention=model.attention)
    )
    text_mask = jnp.ones((clips, model.transcript.max_tokens), bool)
    mask, step = jnp.ones((clips, frames), bool), jnp.zeros(clips, jnp.int32)
    bits, kept = jnp.full((clips, frames), UNKNOWN_BIT), jnp.zeros(clips, bool)

    def denoised(module: MotionGenerator, noisy, features, text):
        memory = module.memory((features,), (bits,), text, drop_speech=kept)
        return module(noisy, step, memory, mask=mask, text_mask=text_mask, deterministic=True)

    def error(params, noisy, features, text):
        return jnp.mean(
            (denoiser.apply(params, noisy, features, text, method=denoised) - noisy) ** 2
        )

    def separate(params, *arrays):
        paths = (
            jax.tree.map(lambda leaf, path=path: leaf[path], (params, *arrays)) for path in range(2)
        )
        return sum(error(*path) for path in paths)

    def grouped(params, *arrays):
        return jax.vmap(error)(params, *arrays).sum()

    keys = jax.random.split(jax.random.key(0), 2)
    arrays = [
        jax.random.normal(jax.random.fold_in(keys[0], size), (2, clips, rows, size))
        for rows, size in ((frames, dims), (frames, width), (model.transcript.max_tokens, width))
    ]
    first = [array[0] for array in arrays]
    params = jax.vmap(lambda key: denoiser.init(key, *first, method=denoised))(keys)
    return {"separate": separate, "grouped": grouped}, (params, *arrays)
