"""Stand-ins for the tests of the evaluation: clips with a known motion, and systems that need no
training.
"""

import jax.numpy as jnp
import numpy as np

from ksdiff_jax.data.schema import Clip, Timed
from ksdiff_jax.models.ksdiff.config import Config
from ksdiff_jax.models.system import Sample, Statistics

STILL = Statistics(mean=np.zeros(59, np.float32), std=np.ones(59, np.float32))
OPEN_RAD = 0.2


def talking_clip(number: int, *, frames: int = 60) -> Clip:
    """A mouth that opens and closes with the loudness of its sound, a /p/ wherever it is shut, a
    swaying head.

    Loudness is constant over a motion frame, so that a system can read it off exactly.
    """
    random = np.random.default_rng(number)
    loud = np.clip(
        np.sin(2 * np.pi * np.arange(frames) / (14 + number) + random.uniform(0, 6)), 0.0, 1.0
    )
    audio = np.repeat(loud, 640) * np.where(np.arange(640 * frames) % 2, 0.5, -0.5)
    jaw = np.zeros((frames, 3), np.float32)
    jaw[:, 0] = OPEN_RAD * loud
    rotation = np.zeros((frames, 3), np.float32)
    rotation[:, 1] = 0.1 * np.sin(2 * np.pi * np.arange(frames) / 25)
    shut = np.flatnonzero((loud == 0) & (np.roll(loud, -1) == 0))
    return Clip(
        clip_id=f"pretend-{number}",
        audio=(audio * 32767).astype(np.int16),
        expression=np.zeros((frames, 50), np.float32),
        rotation=rotation,
        jaw=jaw,
        camera=np.zeros((frames, 3), np.float32),
        phonemes=tuple(Timed("p", float(f / 25), float(f / 25 + 0.01)) for f in shut[:3]),
        prosody=np.zeros((2 * frames, 2), np.float32),
    )


class LoudnessSystem:
    """Opens the jaw by the loudness of each frame (all of the truth of `talking_clip`); its head is
    pure noise.
    """

    def __init__(self, *, gain: float = 1.0):
        self.config = Config()
        self.gain = gain

    def init(self, key):
        return {"offset": jnp.zeros(())}

    def loss(self, params, batch, key, *, statistics, train):
        return params["offset"], {}

    def sample(self, params, speech, noise, key, *, statistics, options) -> Sample:
        loud = jnp.abs(speech.audio).reshape(*speech.mask.shape, 640).max(axis=-1) * 2
        motion = (
            jnp.zeros_like(noise).at[..., 53].set(self.gain * OPEN_RAD * loud + params["offset"])
        )
        motion = motion.at[..., 50:53].set(0.05 * noise[..., 50:53])
        none = jnp.zeros(speech.mask.shape, bool)
        return Sample(
            motion, none, none, jnp.zeros(speech.mask.shape), jnp.zeros(speech.mask.shape)
        )
