"""The built-in head."""

import functools

import numpy as np

from ksdiff_jax.face.actions import ACTIONS, actions_to_expression_matrix
from ksdiff_jax.face.model import FaceModel


@functools.cache
def builtin_face() -> FaceModel:
    """First stand-in head: an ellipsoid with a mouth slit."""
    rows, columns = 70, 70
    elevation = np.linspace(1.45, -1.2, rows)
    azimuth = np.linspace(-np.pi, np.pi, columns, endpoint=False)
    e, a = np.meshgrid(elevation, azimuth, indexing="ij")
    template = np.stack([0.075 * np.cos(e) * np.sin(a), 0.02 + 0.115 * np.sin(e), 0.095 * np.cos(e) * np.cos(a)], -1)
    template = template.reshape(-1, 3)
    index = np.arange(rows * columns).reshape(rows, columns)
    right = np.roll(index, -1, axis=1)
    q = np.stack([index[:-1], index[1:], right[1:], right[:-1]], -1).reshape(-1, 4)
    mouth_row = int(np.argmin(abs(template.reshape(rows, columns, 3)[:, 35, 1] + 0.043)))
    front = abs(azimuth) < 0.3
    keep = ~(np.isin(q[:, 0], index[mouth_row][front]))
    faces = np.concatenate([q[:, [0, 1, 2]], q[:, [0, 2, 3]]])[np.tile(keep, 2)]
    upper, lower = index[mouth_row], index[mouth_row + 1]
    template[lower[front], 1] = template[upper[front], 1]
    template[lower[front], 2] = template[upper[front], 2]
    jaw = (1 / (1 + np.exp((template[:, 1] + 0.05) / 0.004))) * (template[:, 2] > 0)
    jaw[lower[front]] = 1.0
    jaw[upper[front]] = 0.0
    weights = np.zeros((len(template), 5))
    weights[:, 2] = jaw
    weights[:, 1] = 1 - jaw
    rng = np.random.default_rng(0)
    actions = np.zeros((50, len(template), 3))
    for i, name in enumerate(ACTIONS):
        centre = [0, -0.043, 0.08] if name.startswith(("Mouth", "Lip", "Jaw", "Chin")) else [0, 0.03, 0.08]
        bump = np.exp(-np.sum((template - centre - rng.normal(0, 0.01, 3)) ** 2, 1) / (2 * 0.02**2))
        actions[i] = bump[:, None] * rng.normal(0, 0.003, 3)
    close = ACTIONS.index("MouthClose")
    actions[close] = 0
    actions[close, lower[front], 1] = 0.0212
    actions[close, lower[front], 2] = 0.002
    directions = np.tensordot(np.linalg.inv(actions_to_expression_matrix()), actions, 1)
    regressor = np.zeros((5, len(template)))
    for k, place in enumerate(
        [(0, -0.1, -0.02), (0, -0.08, -0.02), (0, 0.01, 0.0), (0.03, 0.03, 0.06), (-0.03, 0.03, 0.06)]
    ):
        near = np.argsort(np.linalg.norm(template - place, axis=1))[:40]
        regressor[k, near] = 1 / 40
    centre_column = np.flatnonzero(front)[len(np.flatnonzero(front)) // 2]
    f = lambda x: np.ascontiguousarray(x, dtype=np.float32)  # noqa: E731
    return FaceModel(
        template=f(template),
        shape_directions=f(np.zeros((100, len(template), 3))),
        expression_directions=f(directions),
        pose_correctives=None,
        joint_regressor=f(regressor),
        skinning_weights=f(weights),
        faces=faces.astype(np.int32),
        colours=f(np.full((len(template), 3), 0.6)),
        regions={
            "lips": np.concatenate([upper[front], lower[front]]).astype(np.int32),
            "upper_face": np.flatnonzero((template[:, 1] > 0.03) & (template[:, 2] > 0.04)).astype(np.int32),
            "eyes": np.flatnonzero(abs(template[:, 1] - 0.03) < 0.01).astype(np.int32),
            "neck": np.flatnonzero(template[:, 1] < -0.08).astype(np.int32),
        },
        inner_lip_pairs=np.array([[upper[centre_column], lower[centre_column]]], np.int32),
        height_pair=np.array([index[5, 35], index[-1, 35]], np.int32),
        name="built-in head",
        licence="Apache-2.0",
    )
