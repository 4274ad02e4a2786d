import numpy as np
import pytest

from ksdiff_jax.errors import InputError
from ksdiff_jax.evaluate.controls import (
    CONTROLS,
    control_motions,
    late,
    of_another_clip,
    spectral_noise,
    white_noise,
)


def motion(number: int, frames: int) -> np.ndarray:
    steps = np.random.default_rng(number).normal(size=(frames, 4))
    return (steps.cumsum(axis=0) * [1.0, 0.1, 10.0, 0.0] + number).astype(np.float32)


@pytest.mark.parametrize("frames", [60, 61])
def test_noise_of_its_spectrum_differs_from_the_truth_in_phase_only(frames):
    truth = motion(0, frames)
    noise = spectral_noise(truth, rng=np.random.default_rng(1))
    amplitudes = [np.abs(np.fft.rfft(each.astype(np.float64), axis=0)) for each in (truth, noise)]
    np.testing.assert_allclose(amplitudes[1], amplitudes[0], atol=2e-3)
    np.testing.assert_allclose(noise.std(axis=0), truth.std(axis=0), rtol=1e-3)
    assert np.abs(noise - truth)[:, :3].max() > 0.1
    # one phase for all coefficients: they move together as before
    np.testing.assert_allclose(np.cov(noise.T), np.cov(truth.T), rtol=1e-2, atol=1e-4)


def test_white_noise_has_the_mean_and_deviation_of_every_coefficient():
    truth = motion(0, 5000)
    noise = white_noise(truth, rng=np.random.default_rng(1))
    np.testing.assert_allclose(noise.mean(axis=0), truth.mean(axis=0), atol=0.1 * truth.std())
    np.testing.assert_allclose(noise.std(axis=0), truth.std(axis=0), rtol=0.05)
    assert abs(np.corrcoef(noise[:-1, 0], noise[1:, 0])[0, 1]) < 0.05


def test_another_clip_is_the_next_one_that_is_as_long():
    truth = [motion(n, frames) for n, frames in enumerate((30, 20, 40))]
    np.testing.assert_array_equal(of_another_clip(truth, 0), truth[2][:30])
    np.testing.assert_array_equal(of_another_clip(truth, 1), truth[2][:20])
    # none is as long as the last one: the longest of the others goes back where it ends
    last = of_another_clip(truth, 2)
    np.testing.assert_array_equal(last, np.concatenate([truth[0], truth[0][:-11:-1]]))


def test_a_late_motion_holds_its_first_pose():
    np.testing.assert_array_equal(late(np.arange(5.0)[:, None], 2)[:, 0], [0, 0, 0, 1, 2])
    np.testing.assert_array_equal(late(motion(0, 4), 0), motion(0, 4))


def test_every_control_has_the_shape_of_its_clip_and_is_reproducible():
    truth = [motion(n, frames) for n, frames in enumerate((30, 20, 40))]
    mean = np.arange(4.0)
    found = control_motions(truth, mean=mean, seed=3)
    assert tuple(found) == CONTROLS
    for name, series in found.items():
        assert [each.shape for each in series] == [each.shape for each in truth], name
        assert {each.dtype for each in series} == {np.dtype(np.float32)}, name
    np.testing.assert_array_equal(found["reversed"][1][0], truth[1][-1])
    np.testing.assert_array_equal(found["still"][2], np.tile(np.float32(mean), (40, 1)))
    assert not found["lips closed"][0].any()
    again, other = (control_motions(truth, mean=mean, seed=seed) for seed in (3, 4))
    for name in CONTROLS[4:]:
        np.testing.assert_array_equal(found[name][0], again[name][0])
        assert (found[name][0] != other[name][0]).any()
    with pytest.raises(InputError, match="got 1 clips, need two or more"):
        control_motions(truth[:1], mean=mean)
