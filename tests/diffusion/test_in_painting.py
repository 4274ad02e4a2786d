"""An edited sample beside the plain one: pinned values, frames that stay, and what leads there."""

import jax.numpy as jnp
import numpy as np

from ksdiff_jax.diffusion.in_painting import REACH_FRAMES, filled, side_by_side
from ksdiff_jax.diffusion.sample import ddim
from ksdiff_jax.diffusion.schedule import sampling_steps
from ksdiff_jax.models.ksdiff.config import DiffusionConfig

T, C = 60, 3


def signal(seed: int) -> np.ndarray:
    return np.cumsum(np.random.default_rng(seed).normal(size=(T, C)), axis=0).astype(np.float32)


def test_kept_values_are_exact_and_far_from_them_nothing_changes():
    free, given = signal(0), signal(1)
    kept = np.zeros((T, C), bool)
    kept[20:30, :2] = True
    found = filled(free, given, kept)
    np.testing.assert_array_equal(found[kept], given[kept])
    untouched = np.ones((T, C), bool)
    untouched[20 - REACH_FRAMES + 1 : 30 + REACH_FRAMES - 1, :2] = False
    np.testing.assert_array_equal(found[untouched], free[untouched])


def test_what_is_between_approaches_the_kept_values_without_a_step():
    free, kept = np.zeros((T, 1), np.float32), np.zeros((T, 1), bool)
    kept[:20] = kept[45:] = True
    given = np.full((T, 1), 2.0, np.float32)
    for found in (filled(free, given, kept), np.asarray(filled(jnp.asarray(free), given, kept))):
        steps = np.diff(found[:, 0])
        assert found[32, 0] == 0  # the middle is free
        assert np.abs(steps).max() < 2 * 1.6 / REACH_FRAMES and abs(steps[19]) < 0.1
    # where the kept values rise, what follows rises on
    rising = np.arange(T, dtype=np.float32)[:, None] * 0.1
    after = np.diff(filled(free, rising, kept)[:, 0])
    assert after[18] > 0.09 and after[19] > 0.03


def test_between_two_near_kept_values_there_is_a_bridge():
    kept = np.ones((T, 1), bool)
    kept[30:33] = False
    ramp = np.linspace(0, 1, T, dtype=np.float32)[:, None]
    found = filled(np.zeros((T, 1), np.float32), ramp, kept)
    np.testing.assert_allclose(found, ramp, atol=0.02)


def of_signal(clean, *, mixing: float):
    """A denoiser that returns a clean signal and a share of the clip's mean: it reaches far."""
    return lambda noisy, step: clean + mixing * noisy.mean(axis=1, keepdims=True)


def test_a_sampler_returns_the_plain_sample_where_nothing_is_free_and_the_pins_exactly():
    plain, edited = (of_signal(jnp.asarray(signal(n))[None], mixing=0.3) for n in (0, 1))
    noise = jnp.asarray(np.random.default_rng(2).normal(size=(1, T, C)), jnp.float32)
    steps = sampling_steps(DiffusionConfig(steps=50), steps=5)
    alone = ddim(plain, noise, lambda step: noise, steps=steps)
    given = jnp.asarray(signal(3))[None]
    pinned, free = np.zeros((1, T, C), bool), np.zeros((1, T), bool)
    pinned[:, 25:30, 1], free[:, 15:40] = True, True
    both = side_by_side(plain, edited, given, pinned=jnp.asarray(pinned), free=jnp.asarray(free))
    twice = jnp.concatenate([noise, noise], axis=-1)
    found = ddim(both, twice, lambda step: twice, steps=steps)
    np.testing.assert_allclose(found[..., :C], alone, atol=1e-5)
    np.testing.assert_allclose(found[0, :15, C:], found[0, :15, :C], atol=1e-5)
    np.testing.assert_allclose(found[..., C:][pinned], given[pinned], atol=1e-5)
    assert np.abs(found[0, 18:22, C:] - found[0, 18:22, :C]).max() > 0.1

    unedited = side_by_side(
        plain, plain, given, pinned=jnp.zeros(pinned.shape, bool), free=jnp.asarray(free)
    )
    same = ddim(unedited, twice, lambda step: twice, steps=steps)
    np.testing.assert_allclose(same[..., C:], same[..., :C], atol=1e-5)
