"""How action weights were turned into expression coefficients: orthogonal directions of typical
size 1.

Within a group of actions with displacements D (a, 3v) and typical standard deviations s, the shapes
S = diag(s) D have the Gram matrix S S^T = U Λ U^T. The group's expression directions are the rows
of U^T S: orthogonal to each other, largest first. Since D = diag(1 / s) U (U^T S), weights w become
coefficients w diag(1 / s) U, and weights of standard deviation s become coefficients of standard
deviation 1. For the two blinks the directions are their sum and half their difference mirrored, so
that closing both eyes is one unit of the first.

The result is stored with the package (`actions.npy`) and is not recomputed: see `face.actions`.
"""

import numpy as np

from ksdiff_jax.face.actions import ACTIONS, GROUPS, SPEECH_STD
from ksdiff_jax.typing import Float


def coefficient_matrix(displacements: Float[np.ndarray, "50 v 3"]) -> Float[np.ndarray, "50 50"]:
    """The matrix M of `expression = weights @ M` for these action displacements."""
    matrix = np.zeros((len(ACTIONS), len(ACTIONS)))
    place = 0
    for name, group in GROUPS.items():
        rows = np.array([ACTIONS.index(action) for action in group])
        columns = np.arange(place, place + len(group))
        place += len(group)
        matrix[np.ix_(rows, columns)] = (
            _blinks() if name == "blink" else _group(displacements[rows], group)
        )
    return matrix


def _blinks() -> Float[np.ndarray, "2 2"]:
    return np.array([[0.5, 0.5], [0.5, -0.5]])


def _group(
    displacements: Float[np.ndarray, "a v 3"], names: tuple[str, ...]
) -> Float[np.ndarray, "a a"]:
    typical = np.array([SPEECH_STD[name] for name in names])
    shapes = typical[:, None] * displacements.reshape(len(names), -1)
    _, vectors = np.linalg.eigh(shapes @ shapes.T)
    vectors = vectors[:, ::-1]
    # Eigenvectors have no sign: let the action that weighs most count positive.
    strongest = np.argmax(np.abs(vectors), axis=0)
    vectors = vectors * np.sign(vectors[strongest, np.arange(len(names))])
    return vectors / typical[:, None]
