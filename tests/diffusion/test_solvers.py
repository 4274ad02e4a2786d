"""DPM-Solver++(2M) and UniPC against the exact solution for Gaussian data, DDIM and each other."""

import functools

import jax
import jax.experimental
import jax.numpy as jnp
import numpy as np
import pytest

from ksdiff_jax.diffusion.dpm_solver import dpm_solver_pp_2m
from ksdiff_jax.diffusion.sample import ddim
from ksdiff_jax.diffusion.samplers import sampler_of
from ksdiff_jax.diffusion.schedule import SamplingSteps, alpha_bars, half_log_snr, sampling_steps
from ksdiff_jax.diffusion.unipc import unipc
from ksdiff_jax.models.ksdiff.config import DiffusionConfig

CONFIG = DiffusionConfig()
# Early versions of JAX have it under `experimental` only.
enable_x64 = jax.enable_x64 if hasattr(jax, "enable_x64") else jax.experimental.enable_x64
MEAN, STD = 0.3, 0.6
SOLVERS = {
    "ddim": ddim,
    "2m": dpm_solver_pp_2m,
    "unipc 1": functools.partial(unipc, order=1),
    "unipc 2": unipc,
    "unipc 2, bh1": functools.partial(unipc, variant="bh1"),
    "unipc 3": functools.partial(unipc, order=3),
}


def no_draw(step):
    raise AssertionError("a deterministic sampler draws nothing")


def exact(noisy, start, end):
    """The solution of the probability flow for x0 ~ N(MEAN, STD²): z-scores are constant."""
    spreads = [np.sqrt(bar * STD**2 + 1 - bar) for bar in (start, end)]
    return np.sqrt(end) * MEAN + (noisy - np.sqrt(start) * MEAN) * spreads[1] / spreads[0]


def posterior_mean(alpha_bar):
    """E[x0 | x] for x0 ~ N(MEAN, STD²), of the ᾱ of every step."""
    bars = jnp.asarray(alpha_bar)

    def denoise(noisy, step):
        bar = bars[step]
        gain = jnp.sqrt(bar) * STD**2 / (bar * STD**2 + 1 - bar)
        return MEAN + gain * (noisy - jnp.sqrt(bar) * MEAN)

    return denoise


def error(solver, count):
    """The largest error of `count` steps of equal log-SNR from ᾱ = 0.02 to 0.98."""
    with enable_x64(True):
        halves = np.linspace(*(np.log(bar / (1 - bar)) / 2 for bar in (0.02, 0.98)), count + 1)
        bars = 1 / (1 + np.exp(-2 * halves))
        steps = SamplingSteps(np.arange(count), bars[:-1], bars[1:])
        noise = jnp.linspace(-2.0, 2.0, 6, dtype=jnp.float64).reshape(1, 3, 2)
        found = solver(posterior_mean(bars), noise, no_draw, steps=steps)
        return float(np.abs(np.asarray(found) - exact(np.asarray(noise), bars[0], bars[-1])).max())


@pytest.mark.parametrize(
    ("solver", "order"),
    [("ddim", 1), ("2m", 2), ("unipc 1", 2), ("unipc 2", 3), ("unipc 2, bh1", 3), ("unipc 3", 4)],
)
def test_halving_the_steps_divides_the_error_by_two_to_the_order(solver, order):
    errors = [error(SOLVERS[solver], count) for count in (40, 80, 160)]
    orders = np.log2(np.divide(errors[:-1], errors[1:]))
    assert abs(orders[-1] - order) < 0.2, (errors, orders)


@pytest.mark.parametrize("solver", SOLVERS)
def test_one_step_is_the_prediction_and_two_begin_as_ddim_does(solver):
    noise = jax.random.normal(jax.random.key(0), (2, 5, 3))
    steps = sampling_steps(CONFIG, steps=1)
    np.testing.assert_allclose(
        SOLVERS[solver](lambda x, n: 0.5 * x + 0.1, noise, no_draw, steps=steps),
        0.5 * noise + 0.1,
        atol=1e-6,
    )
    begun = sampling_steps(CONFIG, steps=2)
    begun = SamplingSteps(*(array[:1] for array in begun))
    found = SOLVERS[solver](lambda x, n: jnp.sin(x), noise, no_draw, steps=begun)
    expected = ddim(lambda x, n: jnp.sin(x), noise, no_draw, steps=begun)
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("count", [2, 3, 7, 1000])
def test_a_point_mass_is_reached_with_any_number_of_steps(solver, count):
    point = jax.random.normal(jax.random.key(1), (1, 5, 3))
    noise = jax.random.normal(jax.random.key(0), point.shape)
    steps = sampling_steps(CONFIG, steps=count)
    found = SOLVERS[solver](lambda x, n: point, noise, no_draw, steps=steps)
    np.testing.assert_allclose(found, point, atol=1e-6)


def test_ten_steps_are_nearer_to_the_exact_motion_than_those_of_ddim():
    steps = sampling_steps(CONFIG, steps=10, spacing="log_snr")
    bars = alpha_bars(CONFIG)
    noise = jnp.linspace(-2.0, 2.0, 6).reshape(1, 3, 2)
    truth = exact(np.asarray(noise), steps.alpha_bar[0], 1.0)
    errors = {
        name: float(np.abs(solver(posterior_mean(bars), noise, no_draw, steps=steps) - truth).max())
        for name, solver in SOLVERS.items()
    }
    assert errors["2m"] < errors["ddim"] / 4, errors
    assert errors["unipc 2"] < errors["ddim"] / 4, errors


def test_an_order_below_one_is_refused():
    noise = jnp.zeros((1, 2, 3))
    with pytest.raises(ValueError, match="order of UniPC: got 0, need 1 or more"):
        unipc(lambda x, n: x, noise, no_draw, steps=sampling_steps(CONFIG, steps=2), order=0)


@pytest.mark.parametrize("count", [1, 2, 7, 50, 999, 1000])
def test_steps_of_even_log_snr_begin_with_the_noisiest_and_are_distinct(count):
    steps = sampling_steps(CONFIG, steps=count, spacing="log_snr")
    assert len(steps.step) == count and steps.step[0] == 999 and steps.alpha_bar_next[-1] == 1
    assert np.all(np.diff(steps.step) < 0) and steps.step[-1] >= 0
    np.testing.assert_array_equal(steps.alpha_bar, alpha_bars(CONFIG)[steps.step])
    if 1 < count < 10:  # of more, the training steps are too few where there is little noise
        ends = half_log_snr(alpha_bars(CONFIG)[[999, 0]])
        even = (ends[1] - ends[0]) / count
        np.testing.assert_allclose(np.diff(half_log_snr(steps.alpha_bar)), even, rtol=0.2)


def test_samplers_by_name_and_noise_in_those_that_draw_none():
    noise = jax.random.normal(jax.random.key(0), (1, 4, 2))
    steps = sampling_steps(CONFIG, steps=3)
    for name, solver in (("ddim", ddim), ("dpm++2m", dpm_solver_pp_2m), ("unipc", unipc)):
        found = sampler_of(name)(lambda x, n: 0.3 * x, noise, no_draw, steps=steps)
        np.testing.assert_array_equal(
            found, solver(lambda x, n: 0.3 * x, noise, no_draw, steps=steps)
        )
    drawn = []
    sampler_of("ddim", eta=1.0)(
        lambda x, n: x, noise, lambda n: drawn.append(n) or 0 * noise, steps=steps
    )
    assert len(drawn) == 1  # traced once
    with pytest.raises(ValueError, match=r"eta 0\.5: unipc draws no noise"):
        sampler_of("unipc", eta=0.5)
