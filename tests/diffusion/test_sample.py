"""DDIM against closed forms: point masses and Gaussians."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ksdiff_jax.diffusion.guidance import guide, one_batch, under_each
from ksdiff_jax.diffusion.process import add_noise, implied_noise
from ksdiff_jax.diffusion.sample import ddim
from ksdiff_jax.diffusion.schedule import alpha_bars, sampling_steps
from ksdiff_jax.models.ksdiff.config import DiffusionConfig

CONFIG = DiffusionConfig()
KEY = jax.random.key(0)


def fresh(noise):
    """Noise of each step, like `noise` and independent of it."""
    return lambda step: jax.random.normal(jax.random.fold_in(KEY, step), noise.shape)


def test_the_schedule_follows_its_definition():
    bars = alpha_bars(CONFIG)
    beta = np.linspace(np.sqrt(0.00085), np.sqrt(0.012), 1000) ** 2
    expected = 1.0
    for n in range(1000):
        expected *= 1 - beta[n]
        if n in (0, 1, 500, 999):
            np.testing.assert_allclose(bars[n], expected, rtol=1e-5)


@pytest.mark.parametrize("count", [1, 4, 50, 1000])
def test_sampling_visits_the_noisiest_step_first_and_ends_at_the_clean_signal(count):
    steps = sampling_steps(CONFIG, steps=count)
    assert len(steps.step) == count
    assert steps.step[0] == 999
    assert np.all(np.diff(steps.step) < 0)
    assert steps.alpha_bar_next[-1] == 1.0


@pytest.mark.parametrize("count", [0, 1001])
def test_impossible_step_counts_are_refused(count):
    with pytest.raises(ValueError, match="need 1 to 1000"):
        sampling_steps(CONFIG, steps=count)


@pytest.mark.parametrize("eta", [0.0, 1.0])
@pytest.mark.parametrize("count", [1, 7, 50])
def test_ddim_is_exact_on_a_point_mass(eta, count):
    point = jax.random.normal(jax.random.key(1), (2, 5, 3))
    noise = jax.random.normal(KEY, point.shape)
    sample = ddim(
        lambda x, n: point, noise, fresh(noise), steps=sampling_steps(CONFIG, steps=count), eta=eta
    )
    np.testing.assert_allclose(sample, point, atol=1e-6)


@pytest.mark.parametrize(("eta", "count"), [(0.0, 50), (1.0, 250)])
def test_ddim_has_the_right_mean_and_variance_on_gaussian_data(eta, count):
    # normalised data: pure noise stands in for the schedule's last step, whose ᾱ is 0.005
    mean, std = 0.3, 0.6
    bars = jnp.asarray(alpha_bars(CONFIG))

    def posterior_mean(x, n):  # E[x0 | x_n] for x0 ~ N(mean, std²)
        bar = bars[n]
        gain = jnp.sqrt(bar) * std**2 / (bar * std**2 + 1 - bar)
        return mean + gain * (x - jnp.sqrt(bar) * mean)

    noise = jax.random.normal(KEY, (1, 20_000, 1))
    sample = ddim(
        posterior_mean, noise, fresh(noise), steps=sampling_steps(CONFIG, steps=count), eta=eta
    )
    assert abs(float(sample.mean()) - mean) < 0.03
    assert abs(float(sample.std()) - std) < 0.03


def test_implied_noise_inverts_adding_noise():
    clean, noise = jax.random.normal(KEY, (2, 1, 4, 3))
    noisy = add_noise(clean, noise, jnp.full(1, 0.3))
    np.testing.assert_allclose(implied_noise(noisy, clean, jnp.float32(0.3)), noise, atol=1e-5)


def test_guidance_at_one_is_the_conditional_model_and_at_zero_the_unconditional():
    conditional, unconditional = jax.random.normal(KEY, (2, 1, 4, 3))
    np.testing.assert_allclose(guide(conditional, unconditional, scale=1.0), conditional, atol=1e-6)
    np.testing.assert_allclose(
        guide(conditional, unconditional, scale=0.0), unconditional, atol=1e-6
    )


def test_predictions_under_each_condition_are_the_same_in_turn_and_in_one_batch():
    draw = np.random.default_rng(0)
    noisy = jnp.asarray(draw.normal(size=(3, 4, 2)), jnp.float32)
    added = [jnp.asarray(draw.normal(size=(3, 1, 2)), jnp.float32) for _ in range(3)]
    conditions = [{"add": each, "none": None} for each in added]
    sizes = []

    def predict(noisy, step, condition):
        sizes.append(len(noisy))
        return noisy * step + condition["add"]

    found = {
        together: under_each(predict, conditions, together=together)(noisy, jnp.int32(7))
        for together in (False, True)
    }
    assert sizes == [3, 3, 3, 9]
    for number in range(3):
        expected = 7 * noisy + added[number]
        np.testing.assert_allclose(found[False][number], expected, rtol=1e-6)
        np.testing.assert_array_equal(found[True][number], found[False][number])


def test_guidance_is_one_batch_where_jax_computes_on_no_cpu(monkeypatch):
    assert not one_batch(None) and one_batch(True)
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert one_batch(None) and not one_batch(False)
