"""Motions that are wrong for a clip in a known way, for tests of what a metric can tell.

| name | motion |
|---|---|
| another clip | the truth of the next clip that is as long or longer, cut |
| reversed | the truth played backwards |
| still | one pose in every frame: the mean of the motion space |
| lips closed | one pose in every frame: the face at rest, whose lips touch |
| its spectrum | noise with the amplitude spectrum of the truth in every coefficient |
| white noise | independent noise with mean and deviation of the truth in every coefficient |

The phases of "its spectrum" are random and the same in all coefficients, which keeps how
coefficients move together. If no other clip is as long, the longest is played back and forth.
"""

from collections.abc import Sequence

import numpy as np

from ksdiff_jax.errors import InputError
from ksdiff_jax.typing import Float

Motions = Sequence[Float[np.ndarray, "_ m"]]
CONTROLS = ("another clip", "reversed", "still", "lips closed", "its spectrum", "white noise")


def control_motions(
    truth: Motions, *, mean: Float[np.ndarray, "m"], seed: int = 0
) -> dict[str, list[Float[np.ndarray, "_ m"]]]:
    """Return every control of every clip; `mean` is the pose of "still". Raise `InputError` for
    fewer than two clips.
    """
    if len(truth) < 2:
        raise InputError(f"controls: got {len(truth)} clips, need two or more to exchange motions")
    numbered = list(enumerate(truth))
    made = (
        [of_another_clip(truth, number) for number, _ in numbered],
        [motion[::-1].copy() for motion in truth],
        [np.tile(np.float32(mean), (len(motion), 1)) for motion in truth],
        [np.zeros_like(motion) for motion in truth],
        [spectral_noise(m, rng=np.random.default_rng([seed, 0, n])) for n, m in numbered],
        [white_noise(m, rng=np.random.default_rng([seed, 1, n])) for n, m in numbered],
    )
    return dict(zip(CONTROLS, made, strict=True))


def of_another_clip(truth: Motions, number: int) -> Float[np.ndarray, "t m"]:
    """Return the motion of the next clip that is as long as clip `number`, cut to its length."""
    frames = len(truth[number])
    others = [*truth[number + 1 :], *truth[:number]]
    other = next((each for each in others if len(each) >= frames), max(others, key=len))
    there_and_back = np.concatenate([other, other[::-1]])
    return np.resize(there_and_back, (frames, other.shape[1]))


def late(motion: Float[np.ndarray, "t m"], frames: int) -> Float[np.ndarray, "t m"]:
    """Return a motion `frames` frames late: the first pose is held, the end is cut."""
    return motion[np.maximum(np.arange(len(motion)) - frames, 0)]


def spectral_noise(
    motion: Float[np.ndarray, "t m"], *, rng: np.random.Generator
) -> Float[np.ndarray, "t m"]:
    """Return noise with the mean and the amplitude spectrum of every coefficient of a motion."""
    mean = motion.mean(axis=0)
    spectrum = np.fft.rfft(motion - mean, axis=0)
    turned = spectrum * np.exp(2j * np.pi * rng.random(len(spectrum)))[:, None]
    if len(motion) % 2 == 0:
        turned[-1] = spectrum[-1]  # real, as the last of an even number of frames must be
    return (mean + np.fft.irfft(turned, n=len(motion), axis=0)).astype(motion.dtype)


def white_noise(
    motion: Float[np.ndarray, "t m"], *, rng: np.random.Generator
) -> Float[np.ndarray, "t m"]:
    """Return independent normal noise with the mean and deviation of every coefficient."""
    noise = rng.standard_normal(motion.shape) * motion.std(axis=0) + motion.mean(axis=0)
    return noise.astype(motion.dtype)
