"""The 50 named face actions and their fixed linear relation to the 50 expression coefficients.

Names follow ARKit where it has one and FACS elsewhere; a weight of 1 is the full action. Opening the jaw is not an
action but a joint: rotate `jaw_pose` about +x. `MouthClose` at 1 brings the lips together over a jaw opened by
`MOUTH_CLOSE_JAW_RAD`; over an angle a use a / MOUTH_CLOSE_JAW_RAD, and 0 over a closed jaw.

    expression = weights @ M          weights = expression @ M⁻¹

M (50, 50) is `actions_to_expression_matrix()`. It is block-diagonal over `GROUPS`; block g is diag(1 / s_g) U_g with
s the typical standard deviation of each action in running speech and U_g orthogonal, so that coefficients have
standard deviation near 1 in speech and the expression directions of the built-in head are mutually orthogonal inside
a group. Blinks are the exception: closing both eyes fully is exactly one unit of one coefficient. The numbers are
stored, not recomputed: trained models depend on them.
"""

import functools

import jax.numpy as jnp
import numpy as np

from ksdiff_jax.typing import Array, Float

ACTIONS: tuple[str, ...] = (
    *("EyeBlinkLeft", "EyeBlinkRight", "EyeSquintLeft", "EyeSquintRight", "EyeWideLeft", "EyeWideRight"),
    *("JawForward", "JawLeft", "JawRight", "MouthClose", "MouthFunnel", "MouthPucker", "MouthLeft", "MouthRight"),
    *("MouthSmileLeft", "MouthSmileRight", "MouthFrownLeft", "MouthFrownRight", "MouthDimpleLeft", "MouthDimpleRight"),
    *("MouthStretchLeft", "MouthStretchRight", "MouthRollLower", "MouthRollUpper", "MouthShrugLower"),
    *("MouthShrugUpper", "MouthPressLeft", "MouthPressRight", "MouthLowerDownLeft", "MouthLowerDownRight"),
    *("MouthUpperUpLeft", "MouthUpperUpRight", "BrowDownLeft", "BrowDownRight", "BrowInnerUp", "BrowOuterUpLeft"),
    *("BrowOuterUpRight", "CheekPuff", "CheekSquintLeft", "CheekSquintRight", "NoseSneerLeft", "NoseSneerRight"),
    *("LipTuckLower", "LipTightener", "LipsPart", "CheekSuck", "ChinRaiser", "NostrilDilator", "NostrilCompressor"),
    "LidTightener",
)
MOUTH_CLOSE_JAW_RAD = 0.25

_SPEECH_STD = {"Mouth": 0.25, "Lip": 0.25, "Jaw": 0.2, "Chin": 0.2}
_OTHER_STD = 0.1


def actions_to_expression(weights: Float[Array | np.ndarray, "*b a"]) -> Float[Array | np.ndarray, "*b e"]:
    """Expression coefficients of action weights; NumPy in gives NumPy out."""
    return weights @ _like(actions_to_expression_matrix(), weights)


def expression_to_actions(expression: Float[Array | np.ndarray, "*b e"]) -> Float[Array | np.ndarray, "*b a"]:
    """The inverse of `actions_to_expression`."""
    return expression @ _like(_inverse_matrix(), expression)


def actions_to_expression_matrix() -> Float[np.ndarray, "50 50"]:
    """M of the module docstring."""
    return _matrix().copy()


def action_index(name: str) -> int:
    """Position of a named action in a weight vector."""
    return ACTIONS.index(name)


@functools.cache
def _matrix() -> Float[np.ndarray, "50 50"]:
    scale = [next((s for p, s in _SPEECH_STD.items() if name.startswith(p)), _OTHER_STD) for name in ACTIONS]
    matrix = np.diag(1.0 / np.array(scale))
    matrix[:2, :2] = [[0.5, 0.5], [0.5, -0.5]]
    return matrix


@functools.cache
def _inverse_matrix() -> Float[np.ndarray, "50 50"]:
    return np.linalg.inv(_matrix())


def _like(matrix: Float[np.ndarray, "50 50"], values: Float[Array | np.ndarray, "..."]):
    if isinstance(values, np.ndarray):
        return matrix.astype(values.dtype)
    return jnp.asarray(matrix, dtype=values.dtype)
