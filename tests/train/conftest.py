"""A tiny data set in the real shard format, made once per session."""

from pathlib import Path

import numpy as np
import pytest

from ksdiff_jax.audio.timebase import SAMPLES_PER_MOTION_FRAME
from ksdiff_jax.data.schema import Clip
from ksdiff_jax.data.shards import write_dataset


def tiny_clip(number: int, *, frames: int) -> Clip:
    """A sung sweep whose loudness opens the jaw and whose pitch turns the head: there is something
    to learn.
    """
    draw = np.random.default_rng([11, number])
    time_s = np.arange(SAMPLES_PER_MOTION_FRAME * frames) / 16000
    rate_hz, phase = draw.uniform(1.0, 3.0), draw.uniform(0, 2 * np.pi)
    loudness = 0.5 - 0.5 * np.cos(2 * np.pi * rate_hz * time_s + phase)
    f0_hz = 150 + 40 * np.sin(2 * np.pi * 0.4 * time_s + phase)
    audio = 0.4 * loudness * np.sin(2 * np.pi * np.cumsum(f0_hz) / 16000)
    opening = loudness[320::SAMPLES_PER_MOTION_FRAME]
    speech_frame = slice(160, None, 320)
    expression = np.zeros((frames, 50), np.float32)
    expression[:, :4] = opening[:, None] * np.array([1.0, -0.5, 0.3, 0.2])
    expression += draw.normal(scale=0.01, size=expression.shape)
    rotation = np.zeros((frames, 3), np.float32)
    rotation[:, 0] = 0.002 * (f0_hz[320::SAMPLES_PER_MOTION_FRAME] - 150)
    jaw = np.zeros((frames, 3), np.float32)
    jaw[:, 0] = 0.3 * opening
    return Clip(
        space="builtin",
        clip_id=f"tiny-{number}",
        speaker_id=f"voice-{number % 3}",
        language="en",
        source="tests",
        audio=np.round(audio * 32767).astype(np.int16),
        fps=25.0,
        expression=expression,
        rotation=rotation,
        jaw=jaw,
        camera=np.tile(np.array([8.0, 0.0, 0.0], np.float32), (frames, 1)),
        shape=np.zeros(100, np.float32),
        transcript="la la la",
        prosody=np.stack(
            [f0_hz[speech_frame], np.log(0.01 + loudness[speech_frame])], axis=-1
        ).astype(np.float32),
    )


@pytest.fixture(scope="session")
def tiny_dataset(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("tiny") / "shards"
    splits = {
        "train": [tiny_clip(number, frames=40 + number) for number in range(6)],
        "val": [tiny_clip(100 + number, frames=40) for number in range(2)],
        "test": [tiny_clip(200 + number, frames=40) for number in range(2)],
    }
    write_dataset(folder, splits, licence="Apache-2.0", made_by="tests", clips_per_shard=4)
    return folder
