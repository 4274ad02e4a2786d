"""The targets of a student: centred over their clip, and in units of the pooled deviation."""

import numpy as np

from ksdiff_jax.data.teacher_targets import teacher_targets
from tests.data.clips import make_clip


def features_of(clip):
    """Features whose level and spread differ from clip to clip; the last one never moves."""
    random = np.random.default_rng(clip.frames)
    spread = np.array([1.0, 30.0, 0.0]) * clip.frames
    return random.normal(size=(2 * clip.frames, 3)) * spread + clip.frames


def test_targets_have_mean_0_in_every_clip_and_deviation_1_over_all():
    clips = [make_clip(i, frames=frames) for i, frames in enumerate((10, 20, 30))]
    targets = teacher_targets(features_of, [clips[:1], clips[1:]])
    found = [targets(clip) for clip in clips]
    for values in found:
        np.testing.assert_allclose(values.mean(axis=0), 0, atol=1e-5)
    together = np.concatenate(found)
    np.testing.assert_allclose(np.sqrt((together**2).mean(axis=0)), [1, 1, 0], atol=1e-4)
    # Not each clip on its own: what moves more stays larger.
    assert found[2][:, 0].std() > 2 * found[0][:, 0].std()
