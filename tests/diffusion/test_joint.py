"""Windows that are sampled jointly, around denoisers whose answer is known."""

import functools

import jax.numpy as jnp
import numpy as np
import pytest

from ksdiff_jax.diffusion.joint import jointly, owned, row_by_row
from ksdiff_jax.diffusion.samplers import sampler_of
from ksdiff_jax.diffusion.schedule import sampling_steps
from ksdiff_jax.models.ksdiff.config import DiffusionConfig
from ksdiff_jax.speech.utterance import Joint
from ksdiff_jax.typing import Array

WIDTH, FRAMES = 24, 50
SPANS = ((0, 22), (14, 36), (29, 50))  # shared: 8 and 7 frames
MASK = np.arange(WIDTH) < np.array([[stop - start] for start, stop in SPANS])


def joint_of(held: int = 0) -> Joint:
    """The windows of SPANS, of which the first holds as many frames."""
    nothing = np.zeros((3, WIDTH, 2), np.float32)
    marked = np.zeros((3, WIDTH), bool)
    marked[0, :held] = True
    shared = ([0, 8, 7], [8, 7, 0])
    return Joint(*map(jnp.array, (*shared, marked, nothing, nothing)))


def windows(values: np.ndarray) -> np.ndarray:
    """The windows of a clip's values (50, ...), padded."""
    padded = np.concatenate([values, np.zeros((WIDTH, *values.shape[1:]), values.dtype)])
    return np.stack([padded[start : start + WIDTH] for start, _ in SPANS]) * MASK.reshape(
        3, WIDTH, *(1,) * (values.ndim - 1)
    )


def levels(noisy: Array, step: Array) -> Array:
    """Each window has a level of its own: 1, 2 and 3."""
    return jnp.zeros_like(noisy) + jnp.arange(1.0, 4.0)[:, None, None]


@pytest.mark.parametrize("sampler", ["ddim", "dpm++2m", "unipc"])
def test_neighbours_are_one_signal_that_is_ramped_from_level_to_level(sampler):
    noise = windows(np.random.default_rng(0).normal(size=(FRAMES, 2)).astype(np.float32))
    steps = sampling_steps(DiffusionConfig(steps=50), steps=5)
    denoise = jointly(levels, joint_of(), jnp.zeros_like(noise), mask=jnp.asarray(MASK))
    draw = lambda step: jnp.zeros_like(noise)  # noqa: E731
    found = np.asarray(sampler_of(sampler)(denoise, jnp.asarray(noise), draw, steps=steps))
    np.testing.assert_array_equal(found[0, 14:22], found[1, :8])
    np.testing.assert_array_equal(found[1, 15:22], found[2, :7])
    ramp = np.sin(np.pi / 2 * (np.arange(8) + 0.5) / 8) ** 2
    np.testing.assert_allclose(found[0, 14:22, 0], 1 + ramp, atol=1e-5)
    assert (np.abs(found[0, :14] - 1) < 1e-5).all() and (np.abs(found[1, 8:15] - 2) < 1e-5).all()


def test_held_frames_stay_and_the_rest_approaches_them():
    noise = jnp.asarray(windows(np.zeros((FRAMES, 2), np.float32)))
    held = jnp.zeros_like(noise).at[0, :4].set(5.0)
    clean = np.asarray(
        jointly(levels, joint_of(4), held, mask=jnp.asarray(MASK))(noise, jnp.int32(0))
    )
    np.testing.assert_array_equal(clean[0, :4], 5)
    assert (np.diff(clean[0, 3:14, 0]) <= 0).all() and abs(clean[0, 4, 0] - 5) < 0.5
    np.testing.assert_array_equal(clean[2, 7:21], 3)


def test_a_frame_has_the_value_of_the_window_that_owns_it():
    values = np.arange(3)[:, None] + np.zeros((3, WIDTH), np.int32)
    found = np.asarray(owned(jnp.asarray(values), joint_of(), mask=jnp.asarray(MASK)))
    whole = np.repeat([0, 1, 2], [18, 14, 18])  # the second overlap, 29 to 36, changes at 32
    np.testing.assert_array_equal(found * MASK, windows(whole))


def test_rows_in_turn_are_those_of_the_batch_and_absent_ones_are_zero():
    rows = (jnp.arange(12.0).reshape(3, 4), jnp.array([1, 2, 3]))
    double = lambda row: {"double": 2 * row[0], "more": (row[1] + 1,)}  # noqa: E731
    whole = row_by_row(double, rows, None)
    some = row_by_row(double, rows, jnp.array([True, False, True]))
    for found, wanted in ((some["double"], whole["double"]), (some["more"][0], whole["more"][0])):
        np.testing.assert_array_equal(found[::2], wanted[::2])
        np.testing.assert_array_equal(found[1], 0)
    of_none = functools.partial(row_by_row, double, rows)
    assert not np.asarray(of_none(jnp.zeros(3, bool))["double"]).any()
