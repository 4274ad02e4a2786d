"""Distillation of a sampler into few steps: a student returns at once what its teacher returns
after all of its steps.

    A    = sampler(x_T, teacher)          the end of the teacher's trajectory, guidance included
    x'   = √ᾱ' x̂₀ + √(1 − ᾱ') ε           a step of DDIM from the student's own x̂₀, no gradient
    loss = mean over visited steps of  L(f(x, n), A)                    models/distillation.py

The student f is a consistency function (Song et al. 2023, Eq. 5): at every step that it visits it
has the same target, the end of the trajectory that begins at x_T. Its target is computed by the
teacher's solver (as in Luhman and Luhman 2021), not by the student at an adjacent step, so nothing
is bootstrapped. The steps are those of 1, 2, 4 ... evenly spaced steps of DDIM; one network serves
all of them. After the first step it gets what its own sampling gives it, so that it corrects its
own errors. The teacher's guidance becomes part of the student (Meng et al. 2023).
"""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp

from ksdiff_jax.diffusion.config import DistillConfig
from ksdiff_jax.diffusion.process import implied_noise
from ksdiff_jax.diffusion.sample import Denoiser
from ksdiff_jax.diffusion.samplers import sampler_of
from ksdiff_jax.diffusion.schedule import Schedule, sampling_steps
from ksdiff_jax.typing import Array, Float


class Path(NamedTuple):
    """What is distilled: a part of the motion that has a sampling loop of its own."""

    student: Denoiser
    teacher: Denoiser  # with its guidance
    noise: Float[Array, "b t c"]  # x_T, as sampling begins


def trajectory_end(
    path: Path, *, schedule: Schedule, settings: DistillConfig
) -> Float[Array, "b t c"]:
    """Return A of the module's docstring, without a gradient."""
    steps = sampling_steps(schedule, steps=settings.steps, spacing=settings.spacing)
    sampler = sampler_of(settings.sampler)
    return jax.lax.stop_gradient(sampler(path.teacher, path.noise, jnp.zeros_like, steps=steps))


def visited(
    denoise: Denoiser,
    noise: Float[Array, "b t c"],
    *,
    schedule: Schedule,
    student_steps: Sequence[int],
) -> list[Float[Array, "b t c"]]:
    """Return x̂₀ of the student at every step of every number of steps; the noisiest step, which
    all of them begin with, is evaluated once. The last one of each number is its sample.
    """
    found = []
    for count in student_steps:
        steps = sampling_steps(schedule, steps=count)
        noisy, clean = noise, found[0] if found else denoise(noise, jnp.asarray(steps.step[0]))
        if not found:
            found.append(clean)
        for place in range(1, count):
            alpha_bar, following = jnp.asarray(steps.alpha_bar[place - 1 : place + 1])
            clean = jax.lax.stop_gradient(clean)
            epsilon = implied_noise(noisy, clean, alpha_bar)
            noisy = jnp.sqrt(following) * clean + jnp.sqrt(1 - following) * epsilon
            clean = denoise(noisy, jnp.asarray(steps.step[place]))
            found.append(clean)
    return found
