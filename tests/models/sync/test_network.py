"""The encoders of windows against the equations written out."""

import functools

import jax.numpy as jnp
import numpy as np
import pytest

from ksdiff_jax.errors import InputError
from ksdiff_jax.models.sync.expert import window_vectors
from ksdiff_jax.models.sync.network import Network, cosines, mouth_numbers, valid_windows
from ksdiff_jax.models.sync.system import Sync
from ksdiff_jax.motion.space import BFM, BUILTIN
from ksdiff_jax.speech.config import EncoderConfig
from tests.models.ksdiff.conftest import padded, random_batch
from tests.models.sync import plain
from tests.models.sync.conftest import TINY, WINDOW, with_model
from tests.run_once import jit_to_run_once
from tests.tiny_encoder import LAYOUT

FRAMES = 14
_vectors = jit_to_run_once(window_vectors, static_argnames="system")


def vectors(tiny, batch):
    """What both encoders return, (b, w, e) each."""
    system, params = tiny
    found = _vectors(params, batch.speech, batch.motion, batch.speech.mask, system=system)
    return found.speech, found.motion


def test_a_vector_of_motion_is_that_of_the_equations_for_its_window_alone(tiny):
    batch = random_batch(FRAMES)
    _, found = vectors(tiny, batch)
    mouth = np.asarray(batch.motion)[..., mouth_numbers(TINY.model, BUILTIN)]
    for clip in range(2):
        frames = plain.normalised(mouth[clip])
        for start in range(FRAMES - WINDOW + 1):
            window = frames[start : start + WINDOW]
            expected = plain.window_vector(window, tiny[1]["motion_windows"], TINY.model)
            np.testing.assert_allclose(found[clip, start], expected, rtol=2e-4, atol=2e-5)


def test_the_mouth_is_expression_and_jaw_and_no_pose():
    assert mouth_numbers(TINY.model, BUILTIN) == (*range(50), 53, 54, 55)
    assert mouth_numbers(TINY.model, BFM) == (*range(64), 67, 68, 69)


def test_a_mouth_of_numbers_that_the_space_does_not_have_is_refused():
    model = with_model(TINY, mouth=(3, BUILTIN.width)).model
    assert mouth_numbers(model, BFM) == (3, BUILTIN.width)
    with pytest.raises(InputError, match=r"model.mouth .* numbers below .* builtin"):
        mouth_numbers(model, BUILTIN)


def test_a_vector_of_speech_is_that_of_the_two_features_of_each_frame_of_its_window(tiny):
    encoder = EncoderConfig(kind="pretrained", architecture=LAYOUT)
    network, batch = Sync(with_model(TINY, encoder=encoder)).network, random_batch(FRAMES)
    features = np.random.default_rng(3).normal(size=(2, 2 * FRAMES, 8)).astype(np.float32)
    params = {part: leaves for part, leaves in tiny[1].items() if part != "encoder"}
    speech = batch.speech._replace(features=jnp.asarray(features))
    embed = jit_to_run_once(functools.partial(network.apply, method=Network.embed_speech))
    found = embed({"params": params}, speech)
    weights = {name: np.float64(leaf) for name, leaf in params["speech_norm"].items()}
    normed = plain.norm(features.astype(np.float64), **weights)
    for start in range(FRAMES - WINDOW + 1):
        window = normed[1, 2 * start : 2 * (start + WINDOW)].reshape(WINDOW, 2 * 8)
        expected = plain.window_vector(window, params["speech_windows"], TINY.model)
        np.testing.assert_allclose(found[1, start], expected, rtol=2e-4, atol=2e-5)


def test_the_built_in_encoder_is_run_also_where_features_of_another_one_are_given(tiny):
    batch = random_batch(FRAMES)
    speech = batch.speech._replace(features=jnp.ones((2, 2 * FRAMES, 5)))
    given, _ = vectors(tiny, batch._replace(speech=speech))
    np.testing.assert_array_equal(given, vectors(tiny, batch)[0])


def test_padding_changes_no_vector_of_a_valid_window(tiny):
    batch = random_batch(FRAMES)
    longer = padded(batch, 5)
    windows = FRAMES - WINDOW + 1
    for short, long in zip(vectors(tiny, batch), vectors(tiny, longer), strict=True):
        np.testing.assert_allclose(short, long[:, :windows], rtol=1e-4, atol=1e-5)
    valid = valid_windows(longer.speech.mask, window=WINDOW)
    assert valid.shape[1] == windows + 5
    assert np.asarray(valid).sum(axis=1).tolist() == [windows] * 2


def test_scale_and_shift_of_a_tracker_change_no_vector_of_motion(tiny):
    batch = random_batch(FRAMES)
    scaled = batch._replace(motion=1e3 * (batch.motion + 1.0))
    more = batch._replace(motion=2e3 * (batch.motion + 3.0))
    np.testing.assert_allclose(vectors(tiny, scaled)[1], vectors(tiny, more)[1], atol=5e-3)


def test_a_cosine_is_that_of_numpy_and_0_for_a_vector_of_zeros():
    a, b = np.random.default_rng(0).normal(size=(2, 7, 5)).astype(np.float32)
    expected = [plain.cosine(x, y) for x, y in zip(a, b, strict=True)]
    np.testing.assert_allclose(cosines(jnp.asarray(a), jnp.asarray(b)), expected, atol=1e-6)
    assert float(cosines(jnp.zeros(5), jnp.asarray(b[0]))) == 0.0


def test_the_linear_form_correlates_the_mouth_with_the_one_that_the_features_suggest():
    encoder = EncoderConfig(kind="pretrained", architecture=LAYOUT)
    config = with_model(TINY, form="linear", context_frames=2, encoder=encoder, mouth=(20, 22, 53))
    system, batch, rng = Sync(config), random_batch(FRAMES), np.random.default_rng(4)
    features = rng.normal(size=(2, 2 * FRAMES, 8)).astype(np.float32)
    kernel = rng.normal(size=(5 * 8, 3)).astype(np.float32)
    params = {"suggested_mouth": {"map": {"kernel": kernel}}}
    long, short = FRAMES, FRAMES - 4  # the second clip is padded: garbage beyond its end
    mask = jnp.arange(FRAMES) < jnp.array([[long], [short]])
    speech = batch.speech._replace(features=jnp.asarray(features), mask=mask)
    found = _vectors(params, speech, batch.motion, mask, system=system)
    mouths = np.asarray(batch.motion)[..., [20, 22, 53]]
    for clip, count in enumerate((long, short)):
        suggested = plain.suggested_mouth(features[clip, : 2 * count], kernel, reach=2)
        mouth = plain.normalised(mouths[clip, :count])
        for start in range(count - WINDOW + 1):
            window = slice(start, start + WINDOW)
            ours = (found.speech[clip, start], found.motion[clip, start])
            for vector, frames in zip(ours, (suggested, mouth), strict=True):
                expected = plain.movement(frames[window])
                np.testing.assert_allclose(vector, expected, rtol=2e-4, atol=2e-4)
