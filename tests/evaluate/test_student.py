"""The figures of a student are 1 for its teacher's own answers and 0 for the mean of each clip."""

import numpy as np
import pytest

from ksdiff_jax.errors import InputError
from ksdiff_jax.evaluate import student
from ksdiff_jax.models.student.network import Answers
from ksdiff_jax.models.student.system import Student
from tests.data.clips import make_clip
from tests.models.student.conftest import TEACHER_WIDTH, TINY


def figures(monkeypatch, answer):
    clips = [make_clip(i, frames=frames) for i, frames in enumerate((10, 25, 30))]

    def targets(clip):
        values = np.random.default_rng(clip.frames).normal(size=(2 * clip.frames, TEACHER_WIDTH))
        return (values - values.mean(axis=0)).astype(np.float32)

    monkeypatch.setattr(
        student, "_answers", lambda system, params, batch: Answers(answer(batch.target), None)
    )
    return student.student_figures(Student(TINY), {}, clips, features_of=targets)


def test_they_are_1_for_the_teacher_0_for_the_mean_and_the_noises_share_else(monkeypatch):
    perfect = figures(monkeypatch, lambda target: target)
    assert perfect["teacher_r2"] == perfect["teacher_cosine"] == pytest.approx(1)
    assert figures(monkeypatch, np.zeros_like)["teacher_r2"] == pytest.approx(0)
    half = figures(monkeypatch, lambda target: 0.5 * target)
    assert half["teacher_r2"] == pytest.approx(0.75) and half["teacher_cosine"] == pytest.approx(1)
    assert half["teacher_r2_low"] <= 0.75 + 1e-6 and half["teacher_r2_high"] >= 0.75 - 1e-6
    turned = figures(monkeypatch, lambda target: -target)
    assert turned["teacher_cosine"] == pytest.approx(-1)


def test_without_a_teacher_they_are_refused():
    with pytest.raises(InputError, match="against its teacher's features"):
        student.student_figures(Student(TINY), {}, [], features_of=None)
