import numpy as np
import pytest

from ksdiff_jax.errors import InputError
from ksdiff_jax.face import builtin_face, face_vertices, mouth_opening
from ksdiff_jax.face.actions import ACTIONS, actions_to_expression
from ksdiff_jax.face.arkit import (
    ARKIT_NAMES,
    EYE_LOOK_RAD,
    arkit_basis,
    arkit_vertices,
    arkit_weights,
)
from ksdiff_jax.motion.clip import MotionClip
from ksdiff_jax.motion.space import MOTION_DIMS


def motion_of(frames: int, **given) -> MotionClip:
    """A motion on the built-in head: action weights by name, `jaw` (radians) and `eyes`."""
    weights = np.zeros((frames, 50), np.float32)
    jaw, eyes = given.pop("jaw", 0.0), given.pop("eyes", np.zeros((frames, 6)))
    for name, values in given.items():
        weights[:, ACTIONS.index(name)] = values
    still = MotionClip.from_coefficients(np.zeros((frames, MOTION_DIMS)))
    still = {name: getattr(still, name) for name in still.__dataclass_fields__}
    turned = np.zeros((frames, 3))
    turned[:, 0] = jaw
    still |= {"exp": actions_to_expression(weights), "jaw_pose": turned, "eyes_pose": eyes}
    return MotionClip(**still)


def of(weights, name):
    return weights[:, ARKIT_NAMES.index(name)]


def test_the_names_are_arkits_52_with_left_before_right():
    assert len(set(ARKIT_NAMES)) == 52
    for i, name in enumerate(ARKIT_NAMES):
        if name.endswith("Right"):
            assert ARKIT_NAMES.index(name.removesuffix("Right") + "Left") < i
    own = {name[0].lower() + name[1:] for name in ACTIONS}
    others = {n for n in ARKIT_NAMES if n.startswith("eyeLook")} | {"jawOpen", "tongueOut"}
    assert set(ARKIT_NAMES) - own == others


def test_a_motion_of_arkit_shapes_gives_back_their_weights():
    rise = np.linspace(0, 1, 30)
    eyes = np.zeros((30, 6))
    eyes[:, 0], eyes[:, 1], eyes[:, 4] = EYE_LOOK_RAD * rise, 0.5 * EYE_LOOK_RAD * rise, 0.2
    made = motion_of(
        30, MouthSmileLeft=0.8 * rise, BrowInnerUp=rise**2, EyeBlinkRight=rise, eyes=eyes
    )
    found = arkit_weights(made)
    for name, truth in (
        ("mouthSmileLeft", 0.8 * rise),
        ("browInnerUp", rise**2),
        ("eyeBlinkRight", rise),
        ("eyeLookDownLeft", rise),
        ("eyeLookOutLeft", 0.5 * rise),
        ("eyeLookInRight", np.full(30, 0.2 / EYE_LOOK_RAD)),
        ("mouthSmileRight", 0 * rise),
        ("jawOpen", 0 * rise),
    ):
        np.testing.assert_allclose(of(found, name), truth, atol=0.06, err_msg=name)
    assert found.dtype == np.float32 and found.min() >= 0 and found.max() <= 1


def test_jaw_open_and_mouth_close_at_the_same_weight_keep_the_lips_together():
    face, weights = builtin_face(), np.zeros((3, 52), np.float32)
    weights[1:, ARKIT_NAMES.index("jawOpen")] = 1
    weights[2, ARKIT_NAMES.index("mouthClose")] = 1
    rest, opened, closed = np.asarray(mouth_opening(face, arkit_vertices(weights)))
    assert opened > rest + 0.010
    assert closed < 1e-4


def test_the_rig_shows_what_the_motion_shows():
    random = np.random.default_rng(0)
    waves = np.sin(np.cumsum(random.normal(size=(40, 50)) * 0.3, axis=0)) * 0.25
    made = motion_of(40, jaw=0.1 + 0.1 * waves[:, 0], **dict(zip(ACTIONS, waves.T, strict=True)))
    shown = np.asarray(face_vertices(builtin_face(), made.exp, jaw_pose=made.jaw_pose))
    away = 1000 * np.linalg.norm(arkit_vertices(arkit_weights(made)) - shown, axis=-1)
    moved = 1000 * np.linalg.norm(shown - builtin_face().template, axis=-1)
    lips = builtin_face().regions["lips"]
    assert away[:, lips].mean() < 0.35 * moved[:, lips].mean()


def test_a_motion_of_another_space_is_refused_in_one_line():
    foreign = MotionClip.from_coefficients(np.zeros((2, MOTION_DIMS)), space="flame")
    with pytest.raises(InputError, match="flame space, but the face built-in head"):
        arkit_weights(foreign)
    assert arkit_basis(builtin_face()).shape == (52, len(builtin_face().template), 3)
