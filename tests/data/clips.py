"""Synthetic clips with known contents for the tests of this folder."""

import json
from pathlib import Path

import numpy as np

from ksdiff_jax.audio.timebase import SAMPLES_PER_MOTION_FRAME
from ksdiff_jax.data.schema import Clip, Timed
from ksdiff_jax.data.shards import write_dataset


def make_clip(number: int, *, frames: int = 40, **changes) -> Clip:
    """A clip of random motion and sound that depends on `number` alone; every word lasts half a
    second.
    """
    rng = np.random.default_rng(number)
    words = tuple(Timed(f"w{i}", i * 0.5, (i + 1) * 0.5) for i in range(frames // 25 * 2))
    fields = {
        "clip_id": f"clip-{number}",
        "speaker_id": "høyer",
        "language": "zh",
        "source": "test",
        "space": "builtin",
        "audio": rng.integers(-8000, 8000, SAMPLES_PER_MOTION_FRAME * frames).astype(np.int16),
        "expression": rng.normal(size=(frames, 50)).astype(np.float32),
        "rotation": rng.normal(scale=0.1, size=(frames, 3)).astype(np.float32),
        "jaw": rng.normal(scale=0.1, size=(frames, 3)).astype(np.float32),
        "camera": np.zeros((frames, 3), np.float32),
        "shape": rng.normal(size=100).astype(np.float32),
        "transcript": " ".join(word.text for word in words),
        "words": words,
        "phonemes": (Timed("ʃ", 0.0, 0.1), Timed("aː", 0.1, 0.4)),
        "prosody": rng.uniform(80, 200, (2 * frames, 2)).astype(np.float32),
    }
    return Clip(**{**fields, **changes})


def earlier_dataset(
    folder: Path, clip: Clip, *, made_by: str = "ksdiff-jax prepare videos"
) -> Path:
    """A data set of one clip as a version wrote it that called every 50 coefficients FLAME's."""
    write_dataset(folder, {"train": [clip], "test": [clip]}, licence="", made_by=made_by)
    description = folder / "dataset.json"
    raw = json.loads(description.read_text())
    del raw["motion_parts"]
    description.write_text(json.dumps(raw | {"space": "flame"}))
    return folder
