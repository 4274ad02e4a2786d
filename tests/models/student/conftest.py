"""A student small enough for tests, and the folder of a trained one."""

from pathlib import Path

import numpy as np
import pytest

from ksdiff_jax.config import DataConfig
from ksdiff_jax.models.pretrained import save_pretrained
from ksdiff_jax.models.student.config import Config, LossConfig, ModelConfig, TeacherConfig
from ksdiff_jax.motion.space import BUILTIN
from ksdiff_jax.speech.config import EncoderConfig
from tests.speech.tiny_student import LAYOUT, student_params

TEACHER_WIDTH = 5
TINY = Config(
    name="tiny",
    model=ModelConfig(
        encoder=EncoderConfig(kind="student", architecture=LAYOUT),
        teacher=TeacherConfig(path="teacher", width=TEACHER_WIDTH),
    ),
    loss=LossConfig(teacher=0.75, phonemes=0.25),
    data=DataConfig(clip_frames=20),
)


def write_student(folder: Path, *, seed: int = 0, **changes) -> Path:
    """A checkpoint as a run writes it, with other leaves if they are given."""
    head = {"kernel": np.ones((LAYOUT.hidden_size, TEACHER_WIDTH), np.float32)}
    params = {"encoder": {"backbone": student_params(seed)}, "head": head} | changes
    space = BUILTIN.with_statistics(np.zeros(BUILTIN.width), np.ones(BUILTIN.width))
    return save_pretrained(folder, config=TINY, params=params, space=space)


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    """A run with its checkpoint in it."""
    folder = tmp_path_factory.mktemp("student") / "run"
    write_student(folder / "pretrained")
    return folder
