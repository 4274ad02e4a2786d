"""The equations of the lip-sync model in float64 NumPy, written from the docstrings, window by
window.
"""

import math

import numpy as np

from ksdiff_jax.models.sync.config import LossConfig, ModelConfig


def norm(x, scale, bias):
    """Layer normalisation of every row."""
    centred = x - x.mean(-1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-6) * scale + bias


def gelu(x):
    """The tanh form, as Flax has it."""
    return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def normalised(mouth: np.ndarray) -> np.ndarray:
    """The numbers of the mouth of one clip (t, c), over its frames."""
    centred = np.float64(mouth) - np.float64(mouth).mean(axis=0)
    return centred / np.sqrt((centred**2).mean(axis=0) + 0.3**2)


def window_vector(frames: np.ndarray, params: dict, config: ModelConfig) -> np.ndarray:
    """The vector of one window (window_frames, c)."""
    p = {part: {k: np.float64(v) for k, v in leaves.items()} for part, leaves in params.items()}
    x = frames.astype(np.float64) @ p["project"]["kernel"] + p["project"]["bias"]
    for index in range(config.layers):
        normed = norm(x, **p[f"norm_{index}"])
        layer, out = p[f"convolution_{index}"], []
        for start in range(len(x) - config.kernel_frames + 1):
            patch = normed[start : start + config.kernel_frames].reshape(-1)
            local = gelu(patch @ layer["kernel"] + layer["bias"])
            out.append(x[start + (config.kernel_frames - 1) // 2] + local)
        x = np.stack(out)
    last = norm(x, **p["norm_out"]).reshape(-1)
    return last @ p["embed"]["kernel"] + p["embed"]["bias"]


def suggested_mouth(features: np.ndarray, kernel: np.ndarray, *, reach: int) -> np.ndarray:
    """The mouth (t, c) that a linear map of features (2t, d) at 50 Hz suggests."""
    rows = np.float64(features).reshape(len(features) // 2, 2, -1).mean(axis=1)
    out = []
    for frame in range(len(rows)):
        around = [rows[min(max(frame + k, 0), len(rows) - 1)] for k in range(-reach, reach + 1)]
        out.append(np.concatenate(around) @ np.float64(kernel))
    return np.stack(out)


def movement(frames: np.ndarray) -> np.ndarray:
    """The frames of one window minus their mean, as one vector."""
    return (np.float64(frames) - np.float64(frames).mean(axis=0)).reshape(-1)


def cosine(a, b) -> float:
    """cos between two vectors."""
    a, b = np.float64(a), np.float64(b)
    return float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))


def losses(speech, motion, pairs, config: LossConfig) -> tuple[float, float]:
    """(true, shifted) of one clip: vectors (w, e), and pairs (i, j) that exist; Eq. 10."""
    true = [-math.log((1 + cosine(speech[i], motion[i])) / 2) for i, _ in pairs]
    shifted = [-math.log(1 - (1 + cosine(speech[i], motion[j])) / 2) for i, j in pairs]
    return config.true * np.mean(true), config.shifted * np.mean(shifted)


def partners(window: int, count: int, *, shift: int, reach: int | None = None) -> set[int]:
    """All windows that may be the shifted partner of one."""
    far = count if reach is None else reach
    return {j for j in range(count) if shift <= abs(j - window) <= far}
