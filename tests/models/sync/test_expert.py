"""The trained model as a loss for other systems."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ksdiff_jax.errors import InputError
from ksdiff_jax.models.pretrained import save_pretrained
from ksdiff_jax.models.sync.expert import load_expert, sync_loss
from ksdiff_jax.models.sync.system import Sync
from ksdiff_jax.motion.space import BUILTIN
from tests.models.ksdiff.conftest import padded, random_batch
from tests.models.sync import plain
from tests.models.sync.conftest import TINY, WINDOW
from tests.models.sync.test_network import FRAMES, vectors
from tests.run_once import jit_to_run_once


@pytest.fixture(scope="module")
def graded(tiny):
    """(batch, mask) -> (losses, gradients by the motion, the sound and the weights)."""
    system, params = tiny

    def total(motion, audio, params, speech, mask):
        losses = sync_loss(params, speech._replace(audio=audio), motion, mask, system=system)
        return losses.sum(), losses

    compiled = jit_to_run_once(jax.value_and_grad(total, argnums=(0, 1, 2), has_aux=True))

    def grade(batch, mask=None):
        speech = batch.speech
        mask = speech.mask if mask is None else mask
        (_, losses), gradients = compiled(batch.motion, speech.audio, params, speech, mask)
        return np.asarray(losses), gradients

    return grade


def test_the_loss_is_the_mean_over_windows_of_the_negative_logarithm_of_the_probability(
    tiny, graded
):
    batch = random_batch(FRAMES)
    losses, _ = graded(batch)
    for clip, (speech, motion) in enumerate(zip(*vectors(tiny, batch), strict=True)):
        windows = zip(speech, motion, strict=True)
        expected = np.mean([-np.log((1 + plain.cosine(a, m)) / 2) for a, m in windows])
        assert losses[clip] == pytest.approx(expected, rel=1e-3)


def test_only_the_motion_of_mouth_and_valid_frames_gets_a_gradient(graded):
    batch = random_batch(FRAMES)
    mask = jnp.arange(FRAMES) < jnp.array([[FRAMES], [FRAMES - 3]])
    _, (by_motion, by_sound, by_weights) = graded(batch, mask)
    by_motion = np.asarray(by_motion)
    assert (np.abs(by_motion[0]).max(axis=1) > 0).all()
    assert not by_motion[1, FRAMES - 3 :].any() and by_motion[1, : FRAMES - 3].any()
    pose = (*range(*BUILTIN.slice("rotation").indices(99)), *range(56, BUILTIN.width))
    assert not by_motion[..., pose].any()
    assert not np.asarray(by_sound).any()
    assert not any(np.asarray(leaf).any() for leaf in jax.tree.leaves(by_weights))


def test_padding_changes_no_loss_and_a_clip_shorter_than_a_window_has_none(graded):
    batch = random_batch(FRAMES)
    losses, _ = graded(batch)
    np.testing.assert_allclose(graded(padded(batch, 6))[0], losses, rtol=1e-3)
    short = jnp.arange(FRAMES) < jnp.array([[WINDOW - 1], [WINDOW]])
    found, (by_motion, *_) = graded(batch, short)
    assert found[0] == 0.0 and found[1] > 0.0
    assert np.isfinite(by_motion).all()


def test_an_expert_is_read_from_its_checkpoint_and_another_one_is_refused(tiny, tmp_path):
    space = BUILTIN.with_statistics(*np.random.default_rng(0).random((2, BUILTIN.width)))
    save_pretrained(tmp_path / "tiny", config=TINY, params=tiny[1], space=space)
    expert = load_expert(tmp_path / "tiny", space="builtin")
    assert expert.system == Sync(TINY, space) and expert.digest
    np.testing.assert_array_equal(
        expert.params["motion_windows"]["embed"]["bias"], tiny[1]["motion_windows"]["embed"]["bias"]
    )
    with pytest.raises(InputError, match="of the builtin space, the motion is of the bfm space"):
        load_expert(tmp_path / "tiny", space="bfm")
    with pytest.raises(InputError, match="of the system ksdiff; need a lip-sync model"):
        load_expert("demo", space="builtin")
