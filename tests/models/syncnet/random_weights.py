"""Random weights of SyncNet under the names of the original's file, in the range in which its
layers work.
"""

import numpy as np

from ksdiff_jax.models.syncnet.origins import origins


def random_weights(seed: int = 0) -> dict[str, np.ndarray]:
    """Kernels that preserve the scale, and norms with moments and gains of their own."""
    random = np.random.default_rng(seed)
    weights = {}
    for name, origin in origins().items():
        values = random.standard_normal(origin.shape, np.float32)
        if origin.key.endswith("running_var"):
            values = 0.5 + values**2
        elif len(origin.shape) > 1:
            values *= np.float32((2 / np.prod(origin.shape[1:])) ** 0.5)
        else:
            values = 0.2 * values + (1 if name.endswith("/scale") else 0)
        weights[origin.key] = values.astype(np.float32)
    return weights
