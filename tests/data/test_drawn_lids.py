"""Clips with drawn lids: what is replaced, by what, and that each visit has its own."""

import numpy as np

from ksdiff_jax.data.corpus.expression_motion import BLINK_RATE_HZ
from ksdiff_jax.data.drawn_lids import DrawnLids, with_drawn_lids
from ksdiff_jax.face.actions import ACTIONS, GROUPS, expression_to_actions
from tests.data.clips import make_clip

LIDS = [ACTIONS.index(name) for name in (*GROUPS["blink"], *GROUPS["lids"])]
BLINKS, SQUINTS, OTHERS = LIDS[:2], LIDS[2:4], LIDS[4:]


def actions(clip):
    return expression_to_actions(clip.expression.astype(np.float64))


def test_only_the_lids_change_and_they_are_those_of_the_corpus():
    clip = make_clip(0, frames=5000)
    drawn = with_drawn_lids(clip, np.random.default_rng(0))
    before, after = actions(clip), actions(drawn)
    np.testing.assert_allclose(np.delete(after, LIDS, 1), np.delete(before, LIDS, 1), atol=1e-5)
    assert np.array_equal(drawn.expression[:, 7:], clip.expression[:, 7:])
    assert drawn.jaw is clip.jaw and drawn.clip_id == clip.clip_id
    blink = after[:, BLINKS]
    np.testing.assert_allclose(blink[:, 0], blink[:, 1], atol=1e-5)
    assert np.median(blink) < 1e-5 and abs(blink.max() - 1) < 1e-5
    begun = np.flatnonzero((blink[1:, 0] > 0.5) & (blink[:-1, 0] <= 0.5))
    closed = [blink[first : first + 10, 0].max() > 0.99 for first in begun]
    assert all(closed)
    low, high = BLINK_RATE_HZ
    assert 0.8 * low < len(begun) / 200 < 1.2 * high  # 5000 frames are 200 s
    assert after[:, SQUINTS].min() > -1e-5 and after[:, SQUINTS].max() < 0.3
    assert np.abs(after[:, OTHERS]).max() < 1e-5


def test_each_visit_of_a_clip_has_other_blinks_and_the_same_visit_the_same():
    clips = [make_clip(0, frames=200)] * 4
    lids = [clip.expression[:, :7] for clip in DrawnLids(clips, seed=3)]
    assert len(DrawnLids(clips, seed=3)) == 4
    assert len({each.tobytes() for each in lids}) == 4
    np.testing.assert_array_equal(DrawnLids(clips, seed=3)[2].expression[:, :7], lids[2])
    assert not np.array_equal(DrawnLids(clips, seed=4)[2].expression[:, :7], lids[2])
    np.testing.assert_array_equal(clips[0].expression, make_clip(0, frames=200).expression)
