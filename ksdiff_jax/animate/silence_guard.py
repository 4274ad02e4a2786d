"""A mouth that is closed where nothing is heard.

A frame is silent if its level is `BELOW_SPEECH_DB` below that of speech, the 95th percentile of the
recording's frames, and if the frames around it are, for `LEAST_S` or more. In silence the
coefficients of the mouth and the jaw are those of the closed mouth; over `FADE_S` inside both ends
of it they are mixed with those of the motion, so no frame with sound changes. In a space other than
that of the built-in head the whole expression is closed with the mouth, because its coefficients
each move several parts of a face.
"""

import dataclasses

import numpy as np

from ksdiff_jax.audio.timebase import SAMPLES_PER_MOTION_FRAME
from ksdiff_jax.errors import InputError
from ksdiff_jax.face.actions import coefficients_of
from ksdiff_jax.motion.clip import MotionClip
from ksdiff_jax.motion.space import BUILTIN
from ksdiff_jax.typing import Bool, Float

BELOW_SPEECH_DB = 40.0
LEAST_LEVEL_DB = -65.0  # of full scale; below it nothing is speech
LEAST_S, FADE_S = 0.4, 0.16


def silent_frames(audio: Float[np.ndarray, "s"], *, fps: float) -> Bool[np.ndarray, "t"]:
    """Return which motion frames of 640 samples at 16 kHz are silent."""
    frames = audio[: len(audio) // SAMPLES_PER_MOTION_FRAME * SAMPLES_PER_MOTION_FRAME]
    power = np.square(frames.reshape(-1, SAMPLES_PER_MOTION_FRAME)).mean(axis=1)
    level = 10 * np.log10(power + 1e-12)
    threshold = max(LEAST_LEVEL_DB, float(np.percentile(level, 95)) - BELOW_SPEECH_DB)
    quiet = level < threshold
    for start, stop in _runs(quiet):
        quiet[start:stop] = stop - start >= LEAST_S * fps
    return quiet


def with_silence_guard(motion: MotionClip, audio: Float[np.ndarray, "s"]) -> MotionClip:
    """Return a motion whose mouth is closed in the silence of its sound at 16 kHz.

    Raise `InputError` unless the sound has 640 samples for each frame of the motion.
    """
    if len(audio) != len(motion) * SAMPLES_PER_MOTION_FRAME:
        raise InputError(
            f"silence guard: {len(audio)} samples for {len(motion)} frames; need "
            f"{SAMPLES_PER_MOTION_FRAME} for each, at 16 kHz, as utterance.audio has"
        )
    open_share = np.ones(len(motion))
    fade = round(FADE_S * motion.fps)
    for start, stop in _runs(silent_frames(audio, fps=motion.fps)):
        at = np.arange(stop - start)
        # the motion's own first and last frames of the recording stay closed
        before = at if start > 0 else np.full_like(at, fade)
        after = at[::-1] if stop < len(motion) else np.full_like(at, fade)
        x = np.clip((np.minimum(before, after) + 1) / (fade + 1), 0, 1)
        open_share[start:stop] = 1 - x * x * (3 - 2 * x)
    expression, share = motion.exp.copy(), open_share[:, None].astype(np.float32)
    mouth = coefficients_of("mouth") if motion.space == BUILTIN.name else range(expression.shape[1])
    expression[:, list(mouth)] *= share
    return dataclasses.replace(
        motion,
        exp=expression,
        jaw_pose=motion.jaw_pose * share,
        meta=motion.meta | {"silence_guard": True},
    )


def _runs(marked: Bool[np.ndarray, "t"]) -> list[tuple[int, int]]:
    """Return (start, stop) of every run of marked frames."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], marked.astype(int), [0]])))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))
