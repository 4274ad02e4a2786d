"""A frame's draws depend only on the clip and the frame."""

import jax
import numpy as np

from ksdiff_jax.motion.space import MOTION_DIMS
from ksdiff_jax.rng import frame_noise, frame_uniform, stream, streams

KEYS = jax.random.split(jax.random.key(0), 2)


def test_noise_is_fixed_by_key_and_absolute_frame_alone():
    for draw in (
        lambda *where: frame_noise(KEYS, *where, (3, 2)),
        lambda *w: frame_uniform(KEYS, *w),
    ):
        long = np.asarray(draw(np.array([0, 0], np.int32), 50))
        later = np.asarray(draw(np.array([20, 0], np.int32), 10))
        np.testing.assert_array_equal(later[0], long[0, 20:30])
        np.testing.assert_array_equal(later[1], long[1, :10])
        assert np.abs(long[0] - long[1]).max() > 0.5
        assert np.abs(np.diff(long, axis=1)).min() > 0


def test_noise_is_standard_normal_and_white():
    noise = np.asarray(frame_noise(KEYS[:1], np.zeros(1, np.int32), 2000, (MOTION_DIMS,)))[0]
    assert abs(noise.mean()) < 0.01 and abs(noise.std() - 1) < 0.01
    assert abs(np.mean(noise[1:] * noise[:-1])) < 0.01


def test_uniform_numbers_cover_the_unit_interval_evenly():
    uniform = np.asarray(frame_uniform(KEYS[:1], np.zeros(1, np.int32), 4000))[0]
    counts, _ = np.histogram(uniform, bins=10, range=(0, 1))
    assert counts.sum() == 4000 and np.abs(counts - 400).max() < 5 * np.sqrt(400)


def test_any_text_names_a_stream():
    names = ("", "\udcff", "\ud800", "a\nb", "é")
    data = {tuple(np.asarray(jax.random.key_data(stream(KEYS[0], name)))) for name in names}
    assert len(data) == len(names)


def test_the_streams_of_several_keys_are_those_of_each():
    together = jax.random.key_data(streams(KEYS, "noise", 7))
    alone = [jax.random.key_data(stream(key, "noise", 7)) for key in KEYS]
    np.testing.assert_array_equal(together, alone)
