"""Distillation of Gaussian data, whose teacher and whose exact student are known in closed form."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from ksdiff_jax.diffusion.config import DiffusionConfig, DistillConfig
from ksdiff_jax.diffusion.distillation import Path, trajectory_end, visited
from ksdiff_jax.diffusion.sample import ddim
from ksdiff_jax.diffusion.schedule import alpha_bars, sampling_steps
from ksdiff_jax.models.distillation import distillation_terms

SCHEDULE = DiffusionConfig()
SETTINGS = DistillConfig(teacher="a Gaussian", steps=40, sampler="dpm++2m")
BARS = alpha_bars(SCHEDULE)
MEAN, STD = 0.3, 0.6
NOISE = jnp.asarray(np.random.default_rng(0).normal(size=(4, 40, 2)), jnp.float32)
MASK = jnp.ones(NOISE.shape[:2], bool)
# The probability flow keeps z-scores, so the end of the trajectory of x_T is SLOPE x_T + OFFSET.
SLOPE = STD / np.sqrt(BARS[-1] * STD**2 + 1 - BARS[-1])
OFFSET = MEAN - SLOPE * np.sqrt(BARS[-1]) * MEAN


def teacher(noisy, step):
    """E[x0 | x]."""
    bar = jnp.asarray(BARS)[step]
    gain = jnp.sqrt(bar) * STD**2 / (bar * STD**2 + 1 - bar)
    return MEAN + gain * (noisy - jnp.sqrt(bar) * MEAN)


def exact_student(noisy, step):
    """The end A of the trajectory of x_T, from √ᾱ A + √(1 − ᾱ) ε with the ε that x_T implies."""
    bar, last = jnp.asarray(BARS)[step], BARS[-1]
    ratio = jnp.sqrt((1 - bar) / (1 - last))
    of_end = jnp.sqrt(bar) - ratio * np.sqrt(last)  # x = of_end · A + ratio · x_T
    return (SLOPE * noisy + ratio * OFFSET) / (SLOPE * of_end + ratio)


def terms(student):
    paths = {"all": Path(student, teacher, NOISE)}
    return distillation_terms(paths, MASK, schedule=SCHEDULE, settings=SETTINGS)


def few_steps(student, count):
    steps = sampling_steps(SCHEDULE, steps=count)
    return ddim(student, NOISE, jnp.zeros_like, steps=steps)


def test_the_target_is_the_end_of_the_probability_flow():
    path = Path(exact_student, teacher, NOISE)
    end = trajectory_end(path, schedule=SCHEDULE, settings=SETTINGS)
    np.testing.assert_allclose(end, SLOPE * NOISE + OFFSET, atol=0.01)


def test_the_exact_student_returns_the_target_at_every_step_and_has_no_loss():
    given = {"schedule": SCHEDULE, "student_steps": (1, 2, 4)}
    found = visited(exact_student, NOISE, **given)
    assert len(found) == 5  # the noisiest step is shared
    for each in found:
        np.testing.assert_allclose(each, SLOPE * NOISE + OFFSET, atol=1e-5)
    assert all(float(term.max()) < 0.02 for term in terms(exact_student).values())
    assert terms(teacher)["all/reconstruction"].min() > 0.05


@pytest.mark.parametrize("count", [1, 2, 4])
def test_the_last_visited_step_is_the_sample_of_ddim(count):
    found = visited(teacher, NOISE, schedule=SCHEDULE, student_steps=(count,))
    np.testing.assert_allclose(found[-1], few_steps(teacher, count), atol=1e-5)


def test_a_trained_student_samples_in_1_2_and_4_steps_what_its_teacher_does_in_many():
    def student(weights):
        def denoise(noisy, step):
            slope, offset = weights[step * 4 // SCHEDULE.steps]
            return slope * noisy + offset

        return denoise

    def loss(weights):
        return sum(term.mean() for term in terms(student(weights)).values())

    optimizer = optax.adam(optax.cosine_decay_schedule(0.05, 400))

    @jax.jit
    def update(weights, state):
        updates, state = optimizer.update(jax.grad(loss)(weights), state)
        return optax.apply_updates(weights, updates), state

    weights = jnp.zeros((4, 2))
    state = optimizer.init(weights)
    for _ in range(400):
        weights, state = update(weights, state)
    wanted = SLOPE * NOISE + OFFSET
    for count in (1, 2, 4):
        assert np.abs(few_steps(student(weights), count) - wanted).max() < 0.03
    # without distillation, so few steps are far from it
    assert np.abs(few_steps(teacher, 4) - wanted).max() > 0.1


def test_no_gradient_flows_from_a_step_into_the_one_before_it():
    def second(weights):
        def denoise(noisy, step):
            return weights[step * 2 // SCHEDULE.steps] * noisy

        return visited(denoise, NOISE, schedule=SCHEDULE, student_steps=(2,))[-1].sum()

    gradient = jax.grad(second)(jnp.array([0.5, 0.7]))
    assert gradient[1] == 0 and gradient[0] != 0
