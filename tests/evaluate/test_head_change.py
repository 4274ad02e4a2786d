"""Heads of different recordings under the same noise."""

import numpy as np
import pytest

from ksdiff_jax.animate.engine import Engine
from ksdiff_jax.evaluate.head_change import correlation, head_change
from ksdiff_jax.models.system import Sample
from ksdiff_jax.speech.utterance import Utterance
from tests.data.clips import make_clip


class Heads(Engine):
    """An engine whose heads are the sum of what the noise and the speech draw."""

    def __init__(self, *, speech):  # the base class is not initialised: no network is needed
        self._speech = speech

    def read_clip(self, clip):
        return Utterance(*SILENCE, digest=clip.clip_id, noise_id=clip.clip_id)

    def sample(self, utterances, *, seed):
        def turns(name):
            return np.random.default_rng([seed, *name.encode()]).normal(size=(100, 3))

        return [
            Sample(
                np.concatenate(
                    [
                        np.zeros((100, 50)),
                        0.1 * turns(each.noise_id) + self._speech * turns("s" + each.digest),
                        np.zeros((100, 6)),
                    ],
                    axis=1,
                ),
                {},
            )
            for each in utterances
        ]


SILENCE = (
    np.zeros(1, np.float32),
    np.zeros((2, 2), np.float32),
    np.zeros(1, np.int32),
    np.zeros(1, bool),
)
CLIPS = [make_clip(number) for number in range(8)]


def test_heads_of_the_noise_alone_are_the_same_for_all_speech():
    figures = head_change(Heads(speech=0.0), CLIPS)
    assert figures["head_other_speech_deg"] == pytest.approx(0.0, abs=1e-6)
    assert figures["head_r_common_noise"] == pytest.approx(1.0)
    assert abs(figures["head_r_own_noise"]) < 0.1


def test_speech_that_moves_as_much_as_the_noise_leaves_a_correlation_of_one_half():
    figures = head_change(Heads(speech=0.1), CLIPS)
    assert figures["head_r_common_noise"] == pytest.approx(0.5, abs=0.1)
    assert figures["head_r_common_noise_low"] > figures["head_r_own_noise_high"]
    # the mean length of a difference of two normal vectors, each of deviation 0.1 in 3 axes
    assert figures["head_other_speech_deg"] == pytest.approx(np.degrees(0.2 * 1.128), rel=0.1)


def test_one_clip_has_no_other_and_a_still_head_no_correlation():
    assert head_change(Heads(speech=0.1), CLIPS[:1]) == {}
    assert correlation(np.zeros((9, 3)), np.ones((9, 3))) == 0.0
