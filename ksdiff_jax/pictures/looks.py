"""Drawn people: the identity, colours, hair, light and camera of a rendered clip.

A person is the dressed built-in head with shape coefficients from a standard normal distribution
(face/head/identity.py). The colours of skin, lips, hair, irises and shirt are multiplied by the
ratio of a drawn colour to the head's own, so that shading painted into the colours stays. Hair is
the head's locks, its cap alone, or cropped. A clip has one person, one light and one fixed camera.
"""

from typing import NamedTuple

import numpy as np

from ksdiff_jax.data.tracking.crops import SQUARE_OF_FACE
from ksdiff_jax.export.raster import Camera, Studio, Surface
from ksdiff_jax.face import FaceModel
from ksdiff_jax.face.dressed import dressed_head, dressed_spans
from ksdiff_jax.face.head.file import load_head
from ksdiff_jax.face.head.parts import HAIR, IRIS, SKIN
from ksdiff_jax.motion.space import SHAPE_DIMS
from ksdiff_jax.typing import Float

# Linear-light colours, each a line along which a person's colour lies.
SKINS = np.array([[0.70, 0.47, 0.37], [0.52, 0.30, 0.20], [0.26, 0.13, 0.075], [0.09, 0.045, 0.03]])
HAIRS = np.array(
    [[0.012, 0.009, 0.008], [0.05, 0.03, 0.02], [0.16, 0.075, 0.03], [0.40, 0.27, 0.12]]
)
IRISES = np.array(
    [[0.03, 0.015, 0.008], [0.09, 0.055, 0.02], [0.06, 0.10, 0.05], [0.09, 0.17, 0.25]]
)
GREY_SHARE = 0.15
# MediaPipe's landmarks of forehead and chin on drawn faces are nearer to each other than the head's
# own points; mean of 12 people, standard deviation 0.03.
TRACKED_HEIGHT = 0.91
SHIRT = np.array([0.037, 0.058, 0.079])  # the head's own
HAIR_STYLES = ("locks", "cap", "cropped")
_LARGEST_SHAPE = 2.5  # standard deviations
_LIGHT_YAW, _LIGHT_PITCH = np.radians(65), np.radians(12)


class Look(NamedTuple):
    """One person in one light, before one camera."""

    shape: Float[np.ndarray, "100"]
    surface: Surface
    studio: Studio
    camera: Camera


def drawn_look(rng: np.random.Generator) -> Look:
    """Return a person, a light and a camera, drawn at random."""
    shape = np.clip(rng.normal(size=SHAPE_DIMS), -_LARGEST_SHAPE, _LARGEST_SHAPE)
    shape = shape.astype(np.float32)
    return Look(shape, drawn_surface(rng), drawn_studio(rng), drawn_camera(rng, shape))


def drawn_surface(rng: np.random.Generator) -> Surface:
    """Return the dressed head with the colours and the hair of a person."""
    face, head, dressed = dressed_head(), load_head().spans, dressed_spans()
    colours = np.array(face.colours)
    skin = _along(SKINS, rng.uniform()) * rng.uniform(0.92, 1.08, 3)
    grey = rng.random() < GREY_SHARE
    hair = np.full(3, rng.uniform(0.15, 0.5)) if grey else _along(HAIRS, rng.uniform())
    brow = hair * rng.uniform(0.5, 0.9)
    iris, shirt = _along(IRISES, rng.uniform()), rng.uniform(0.02, 0.5, 3)
    flush = rng.uniform(0.85, 1.15)  # of the lips
    for name in ("mouth", "left_lids", "right_lids", "skin", "left_ear", "right_ear"):
        colours[head[name]] *= _ratio(skin, SKIN)
    colours[head["mouth"], 0] *= flush
    for name in ("left_brow", "right_brow"):
        colours[head[name]] *= _ratio(brow, HAIR)
    for span in (head["hair"], dressed["locks"]):
        colours[span] *= _ratio(hair, HAIR)
    for name in ("left_eye", "right_eye"):
        eye = colours[head[name]]
        colours[head[name]] = np.where(_is_iris(eye)[:, None], eye * _ratio(iris, IRIS), eye)
    colours[dressed["bust"]] *= _ratio(shirt, SHIRT)
    style = HAIR_STYLES[int(rng.integers(len(HAIR_STYLES)))]
    hidden = {"locks": [], "cap": [dressed["locks"]], "cropped": [dressed["locks"], head["hair"]]}
    faces = _without(face, hidden[style])
    return Surface(faces, np.clip(colours, 0, 1).astype(np.float32), np.asarray(face.gloss))


def drawn_studio(rng: np.random.Generator) -> Studio:
    """Return a key light from above at either side, a weaker fill light and a plain background."""
    yaw = rng.uniform(-_LIGHT_YAW, _LIGHT_YAW)
    key = _direction(yaw, np.radians(rng.uniform(5, 55)))
    fill = _direction(-np.sign(yaw) * np.radians(rng.uniform(20, 70)), _LIGHT_PITCH)
    half = key + np.array([0.0, 0.0, 1.0])
    warmth = rng.uniform(-0.12, 0.12)
    tint = np.array([1 + warmth, 1.0, 1 - warmth])
    top = rng.uniform(0.02, 0.6) * rng.uniform(0.7, 1.3, 3)
    rows = (
        key,
        fill,
        half / np.linalg.norm(half),
        rng.uniform(0.6, 1.1) * tint,
        rng.uniform(0.08, 0.4) * tint[::-1],
        top,
        top * rng.uniform(0.3, 1.2),
    )
    return Studio(*(tuple(map(float, row)) for row in rows))


def drawn_camera(rng: np.random.Generator, shape: Float[np.ndarray, "100"]) -> Camera:
    """Return a fixed camera whose picture is the crop of a person's face at rest, a little off."""
    face = dressed_head()
    pair = np.asarray(face.height_pair)
    top, chin = face.template[pair] + np.tensordot(shape, face.shape_directions[:, pair], 1)
    height = float(np.linalg.norm(top - chin))
    target = (top + chin) / 2 + rng.normal(scale=0.015, size=3) * height
    return Camera(
        target=tuple(map(float, target)),
        height_m=SQUARE_OF_FACE * TRACKED_HEIGHT * height * float(rng.uniform(0.95, 1.05)),
        yaw_rad=float(rng.normal(scale=0.08)),
        pitch_rad=float(rng.normal(scale=0.05)),
    )


def _along(colours: Float[np.ndarray, "n 3"], share: float) -> Float[np.ndarray, "3"]:
    """Return the colour at a share of the way from the first colour to the last."""
    place = share * (len(colours) - 1)
    return np.array([np.interp(place, np.arange(len(colours)), column) for column in colours.T])


def _ratio(colour: Float[np.ndarray, "3"], own) -> Float[np.ndarray, "3"]:
    return (np.asarray(colour) / np.asarray(own)).astype(np.float32)


def _is_iris(colours: Float[np.ndarray, "n 3"]) -> np.ndarray:
    """Return which vertices of an eye are iris: neither white nor the black of the pupil."""
    return (colours[:, 2] > 0.02) & (colours[:, 2] < 0.4)


def _without(face: FaceModel, spans: list[slice]) -> np.ndarray:
    hidden = np.zeros(len(face.template), bool)
    for span in spans:
        hidden[span] = True
    return face.faces[~hidden[face.faces].any(axis=1)]


def _direction(yaw_rad: float, pitch_rad: float) -> Float[np.ndarray, "3"]:
    """Return the unit vector towards a light; yaw to the right, pitch up."""
    across = np.cos(pitch_rad)
    return np.array([np.sin(yaw_rad) * across, np.sin(pitch_rad), np.cos(yaw_rad) * across])
