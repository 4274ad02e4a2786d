"""The 50 named face actions and their fixed linear relation to the 50 expression coefficients.

Names follow ARKit if it has one, otherwise FACS. A weight of 1 is the full action. Opening the jaw
is a joint rotation, not an action: rotate `jaw_pose` about +x. `MouthClose` at 1 brings the lips
together over a jaw opened by `MOUTH_CLOSE_JAW_RAD`; for an angle a, use the weight a /
MOUTH_CLOSE_JAW_RAD, which is 0 for a closed jaw.

    expression = weights @ M          weights = expression @ M⁻¹

M (50, 50) is `actions_to_expression_matrix()`. It is block-diagonal over `GROUPS`; block g is
diag(1 / s_g) U_g where s is the typical standard deviation of each action in continuous speech and
U_g is orthogonal. Coefficients then have a standard deviation near 1 in speech, and the expression
directions of the built-in head are mutually orthogonal within a group. Blinks are the exception:
closing both eyes fully is exactly one unit of one coefficient. The matrix is stored and not
recomputed, because trained models depend on it.
"""

import functools
from pathlib import Path

import jax.numpy as jnp
import numpy as np

from ksdiff_jax.typing import Array, Float

ACTIONS: tuple[str, ...] = (
    *(
        "EyeBlinkLeft",
        "EyeBlinkRight",
        "EyeSquintLeft",
        "EyeSquintRight",
        "EyeWideLeft",
        "EyeWideRight",
    ),
    *(
        "JawForward",
        "JawLeft",
        "JawRight",
        "MouthClose",
        "MouthFunnel",
        "MouthPucker",
        "MouthLeft",
        "MouthRight",
    ),
    *(
        "MouthSmileLeft",
        "MouthSmileRight",
        "MouthFrownLeft",
        "MouthFrownRight",
        "MouthDimpleLeft",
        "MouthDimpleRight",
    ),
    *(
        "MouthStretchLeft",
        "MouthStretchRight",
        "MouthRollLower",
        "MouthRollUpper",
        "MouthShrugLower",
    ),
    *(
        "MouthShrugUpper",
        "MouthPressLeft",
        "MouthPressRight",
        "MouthLowerDownLeft",
        "MouthLowerDownRight",
    ),
    *(
        "MouthUpperUpLeft",
        "MouthUpperUpRight",
        "BrowDownLeft",
        "BrowDownRight",
        "BrowInnerUp",
        "BrowOuterUpLeft",
    ),
    *(
        "BrowOuterUpRight",
        "CheekPuff",
        "CheekSquintLeft",
        "CheekSquintRight",
        "NoseSneerLeft",
        "NoseSneerRight",
    ),
    *(
        "LipTuckLower",
        "LipTightener",
        "LipsPart",
        "CheekSuck",
        "ChinRaiser",
        "NostrilDilator",
        "NostrilCompressor",
    ),
    "LidTightener",
)
MOUTH_CLOSE_JAW_RAD = 0.25

# Actions whose expression coefficients are mixed with each other and with no others.
GROUPS: dict[str, tuple[str, ...]] = {
    "blink": ACTIONS[:2],
    "lids": (*ACTIONS[2:6], "LidTightener"),
    "brows": tuple(name for name in ACTIONS if name.startswith("Brow")),
    "cheeks_and_nose": tuple(name for name in ACTIONS if name.startswith(("Cheek", "Nos"))),
    "mouth": tuple(name for name in ACTIONS if name.startswith(("Jaw", "Mouth", "Lip", "Chin"))),
}
# Typical standard deviations of weights in continuous speech; blinks are scaled by their full
# closure instead.
SPEECH_STD: dict[str, float] = {
    name: 0.25 if name.startswith(("Mouth", "Lip")) else 0.15 if name == "ChinRaiser" else 0.10
    for name in ACTIONS
}
_STORED = Path(__file__).parents[1] / "assets" / "face" / "actions.npy"


def actions_to_expression(
    weights: Float[Array | np.ndarray, "*b a"],
) -> Float[Array | np.ndarray, "*b e"]:
    """Return the expression coefficients of action weights; NumPy arrays give NumPy arrays."""
    return weights @ _like(actions_to_expression_matrix(), weights)


def expression_to_actions(
    expression: Float[Array | np.ndarray, "*b e"],
) -> Float[Array | np.ndarray, "*b a"]:
    """Return the action weights of expression coefficients: the inverse of
    `actions_to_expression`.
    """
    return expression @ _like(_inverse_matrix(), expression)


def actions_to_expression_matrix() -> Float[np.ndarray, "50 50"]:
    """Return M of the module docstring."""
    return _matrix().copy()


def coefficients_of(*groups: str) -> tuple[int, ...]:
    """Return the expression coefficients of the actions of these groups, which no others use."""
    rows = [ACTIONS.index(name) for group in groups for name in GROUPS[group]]
    return tuple(np.flatnonzero(_matrix()[rows].any(axis=0)).tolist())


@functools.cache
def _matrix() -> Float[np.ndarray, "50 50"]:
    return np.load(_STORED, allow_pickle=False)


@functools.cache
def _inverse_matrix() -> Float[np.ndarray, "50 50"]:
    return np.linalg.inv(_matrix())


def _like(matrix: Float[np.ndarray, "50 50"], values: Float[Array | np.ndarray, "..."]):
    if isinstance(values, np.ndarray):
        return matrix.astype(values.dtype)
    return jnp.asarray(matrix, dtype=values.dtype)
