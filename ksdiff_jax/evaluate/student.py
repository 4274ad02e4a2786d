"""How close a student is to its teacher, on the clean sound of whole clips.

y are the targets of a frame (data/teacher_targets.py), ŷ the student's answer:

| figure | definition |
|---|---|
| teacher_r2 | 1 - Σ (ŷ - y)² / Σ y², over all frames and features of all clips |
| teacher_r2_low, _high | 95 % interval of the same for each clip, over clips (Student's t) |
| teacher_cosine | ŷ·y / (|ŷ| |y|) of a frame: the mean over the frames of all clips |

The clip's mean is subtracted from y, so the mean of the clips is the prediction with R² = 0. A
teacher with less look-ahead is itself far from R² = 1, and of the same use: measure what the
features are for.
"""

from collections.abc import Sequence

import jax
import numpy as np

from ksdiff_jax.data.loader import evaluation_batches
from ksdiff_jax.data.schema import Clip
from ksdiff_jax.data.transforms import FeaturesOf
from ksdiff_jax.errors import InputError
from ksdiff_jax.evaluate.intervals import t_interval
from ksdiff_jax.models.student.system import Student
from ksdiff_jax.typing import PyTree

_ROWS = 8
_answers = jax.jit(Student.answers, static_argnames="self")


def student_figures(
    system: Student,
    params: PyTree,
    clips: Sequence[Clip],
    *,
    features_of: FeaturesOf | None,
) -> dict[str, float]:
    """Return the figures of the clips; `features_of` returns their targets."""
    if features_of is None:
        raise InputError(
            "a student is measured against its teacher's features, which this command does not "
            "compute; its figures are those of the validation of its training"
        )
    sums, cosines = [], []
    batches = evaluation_batches(system.example, clips, batch_size=_ROWS, features_of=features_of)
    for batch, some in batches:
        answers = np.asarray(_answers(system, params, batch).teacher, np.float64)
        for answer, target, mask, _ in zip(answers, batch.target, batch.mask, some, strict=False):
            ours, theirs = answer[mask], target[mask].astype(np.float64)
            sums.append((np.square(ours - theirs).sum(), np.square(theirs).sum()))
            lengths = np.linalg.norm(ours, axis=1) * np.linalg.norm(theirs, axis=1)
            cosines.append((ours * theirs).sum(axis=1) / np.maximum(lengths, 1e-9))
    error, spread = np.array(sums).T
    each = t_interval(1 - error / np.maximum(spread, 1e-9))
    return {
        "teacher_r2": float(1 - error.sum() / max(spread.sum(), 1e-9)),
        "teacher_r2_low": each.low,
        "teacher_r2_high": min(each.high, 1.0),
        "teacher_cosine": float(np.concatenate(cosines).mean()),
    }
