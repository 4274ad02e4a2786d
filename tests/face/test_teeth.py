"""Teeth against lips: never in front of them, and no white corners behind them.

The scene is drawn into buffers of 0.5 mm a pixel, seen from the front without perspective.
"""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from ksdiff_jax.audio.timebase import SAMPLE_RATE_HZ, SAMPLES_PER_MOTION_FRAME
from ksdiff_jax.data.corpus import phonemes
from ksdiff_jax.data.corpus.articulation import mouth_motion
from ksdiff_jax.data.corpus.espeak import PhonemeTime
from ksdiff_jax.export.raster import _fill_buffers
from ksdiff_jax.face import builtin_face
from ksdiff_jax.face.actions import ACTIONS, actions_to_expression
from ksdiff_jax.face.head.file import load_head
from ksdiff_jax.face.head.mouth import bag_start
from ksdiff_jax.face.head.rig import JAW_JOINT

MILLIMETRE = 1e-3
PIXEL_M, WIDE, TALL = 0.5 * MILLIMETRE, 140, 180
LOWER_FACE = [
    index
    for index, name in enumerate(ACTIONS)
    if name.startswith(("Mouth", "Lip", "Jaw", "Chin", "Cheek", "Nos"))
]


class Scene:
    """The lower face: triangles of skin and lips, of the bag, of each row of teeth, of the
    tongue.
    """

    def __init__(self):
        self.face, head = builtin_face(), load_head()
        names = ("mouth", "skin", "upper_teeth", "lower_teeth", "tongue")
        part = np.zeros(len(self.face.template), int)
        for number, name in enumerate(names, 1):
            part[head.spans[name]] = number
        part[head.spans["mouth"].start + bag_start(head.mouth) : head.spans["mouth"].stop] = 6
        x, y, z = self.face.template.T
        part[(part == 2) & ~((np.abs(x) < 0.04) & (y > -0.085) & (y < -0.015) & (z > 0.04))] = 0
        self.vertices = np.flatnonzero(part)
        place = np.full(len(part), -1)
        place[self.vertices] = np.arange(len(self.vertices))
        faces = self.face.faces[(part[self.face.faces] > 0).all(axis=1)]
        kinds = part[faces].max(axis=1)  # a triangle between lip and bag is the bag's
        self.triangles = np.ascontiguousarray(place[faces], np.int32)
        self.cover = np.ascontiguousarray(self.triangles[kinds < 3])
        self.lower_row = kinds == 4
        self.teeth = np.flatnonzero(np.isin(part[self.vertices], (3, 4)))

    def posed(self, actions, jaw):
        """Return (n, v, 3); a second implementation of the rig, for the jaw alone."""
        expression = actions_to_expression(actions)
        moved = self.face.template[self.vertices] + np.tensordot(
            expression, self.face.expression_directions[:, self.vertices], 1
        )
        turn = Rotation.from_rotvec(jaw).as_matrix()
        turned = (moved - JAW_JOINT) @ turn.swapaxes(1, 2) + JAW_JOINT
        weight = self.face.skinning_weights[self.vertices, 2][:, None]
        return moved + weight * (turned - moved)

    def drawn(self, points, triangles):
        """Return the buffers of height (metres, −1 where nothing is) and of triangle numbers."""
        screen = self.screen(points)
        depth, owner = np.zeros((TALL, WIDE), np.float32), np.full((TALL, WIDE), -1, np.int32)
        _fill_buffers(screen, triangles, depth, owner)
        return depth - 1.0, owner

    def screen(self, points):
        pixels = points[:, :2] * [1, -1] / PIXEL_M + [WIDE / 2, -0.010 / PIXEL_M]
        return np.concatenate([pixels, 1.0 + points[:, 2:]], axis=1).astype(np.float32)

    def furthest_out(self, points):
        """Return how far in front of lips and skin the teeth reach, in metres; negative behind."""
        height, _ = self.drawn(points, self.cover)
        screen = self.screen(points[self.teeth])
        column, row = np.round(screen[:, :2].T).astype(int)
        seen = (column >= 0) & (column < WIDE) & (row >= 0) & (row < TALL)
        there = height[row[seen], column[seen]]
        covered = there > -1
        return float((points[self.teeth][seen][covered, 2] - there[covered]).max())

    def shown(self, points):
        """Return the visible pixels of the lower teeth by column."""
        _, owner = self.drawn(points, self.triangles)
        return (self.lower_row[owner] & (owner >= 0)).sum(axis=0)


@pytest.fixture(scope="module")
def scene():
    return Scene()


def spoken(rng, *, count):
    """Mouths of random phonemes, as the corpus makes them."""
    actions, jaws = [], []
    symbols = [symbol for symbol in phonemes.TARGETS if symbol]
    while sum(map(len, actions)) < count:
        edges = 0.2 + np.cumsum([0, *rng.uniform(0.04, 0.16, 40)])
        times = [
            PhonemeTime(str(name), start, stop)
            for name, start, stop in zip(
                rng.choice(symbols, 40), edges[:-1], edges[1:], strict=True
            )
        ]
        sound = np.full(int(edges[-1] * SAMPLE_RATE_HZ), 0.1, np.float32)
        motion = mouth_motion(
            tuple(times),
            sound,
            sample_rate_hz=SAMPLE_RATE_HZ,
            frames=len(sound) // SAMPLES_PER_MOTION_FRAME,
            opening_gain=rng.uniform(0.8, 1.2),
        )
        actions.append(motion.actions)
        jaws.append(motion.jaw)
    return np.concatenate(actions)[:count], np.concatenate(jaws)[:count]


def drawn_at_random(rng, *, count):
    """Up to six actions of the lower face at a time, over any jaw of speech."""
    actions = np.zeros((count, len(ACTIONS)), np.float32)
    for row in actions:
        chosen = rng.choice(LOWER_FACE, rng.integers(1, 7), replace=False)
        row[chosen] = rng.uniform(-0.2, 1.0, len(chosen))
    jaw = np.zeros((count, 3), np.float32)
    jaw[:, 0] = rng.uniform(0, 0.3, count)
    return actions, jaw


def test_teeth_are_behind_lips_and_skin_in_every_action_and_in_a_thousand_motions(scene):
    rng = np.random.default_rng(0)
    single = np.repeat(np.eye(len(ACTIONS), dtype=np.float32), 3, axis=0)
    jaws = np.zeros((len(single), 3), np.float32)
    jaws[:, 0] = np.tile([0.0, 0.2, 0.5], len(ACTIONS))
    for actions, jaw in (
        (single, jaws),
        spoken(rng, count=500),
        drawn_at_random(rng, count=500),
    ):
        for points in scene.posed(actions, jaw):
            assert scene.furthest_out(points) < -0.5 * MILLIMETRE


def test_teeth_in_front_of_the_lips_would_be_found(scene):
    points = scene.posed(np.zeros((1, len(ACTIONS))), np.zeros((1, 3)))[0]
    points[scene.teeth, 2] += 12 * MILLIMETRE
    assert scene.furthest_out(points) > MILLIMETRE


def test_the_lower_row_shows_no_corners_in_speech(scene):
    rng = np.random.default_rng(1)
    for points in scene.posed(*spoken(rng, count=300)):
        shown = scene.shown(points)
        middle = shown[WIDE // 2 - 8 : WIDE // 2 + 8].mean()
        corners = max(shown[: WIDE // 2 - 20].max(), shown[WIDE // 2 + 20 :].max())
        assert corners <= middle + 1
    wide = scene.posed(np.zeros((1, len(ACTIONS))), np.array([[0.4, 0, 0]]))[0]
    assert scene.shown(wide).sum() > 100  # a wide mouth does show the row


def test_the_lower_teeth_are_darker_than_the_upper_ones(scene):
    head, face = load_head(), builtin_face()
    upper, lower = (
        face.colours[head.spans[f"{name}_teeth"]].reshape(6, 49, 3) for name in ("upper", "lower")
    )
    assert (lower[2:5] < 0.6 * upper[2:5]).all()  # from the middle to the chewing edge
    assert (upper[2, 0] < 0.5 * upper[2, 24]).all()  # and their ends lie in the dark
