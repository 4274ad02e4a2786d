"""Computes the tongue, hair and shoulders of the dressed head and stores them as
`assets/face/dressing.npz`.

python -m ksdiff_jax.asset_builders.dressing
"""

from pathlib import Path

import numpy as np

from ksdiff_jax.face.dressed import PARTS, STORED
from ksdiff_jax.face.head.bust import make_bust
from ksdiff_jax.face.head.locks import make_locks
from ksdiff_jax.face.head.parts import Part, joined
from ksdiff_jax.face.head.tongue import make_tongue_body
from ksdiff_jax.files import replacing

MAKERS = {"tongue": make_tongue_body, "locks": make_locks, "bust": make_bust}


def make_dressing() -> dict[str, Part]:
    """Build the parts, in the order of `PARTS`."""
    return {name: MAKERS[name]() for name in PARTS}


def save_dressing(parts: dict[str, Part], path: Path) -> None:
    """Write the parts, as `face.dressed` reads them."""
    whole = joined(list(parts.values()))
    with replacing(path) as temporary:
        np.savez_compressed(
            temporary,
            points=whole.points.astype(np.float32),
            faces=whole.faces.astype(np.uint16),
            colours=np.round(whole.colours * 65535).astype(np.uint16),
            gloss=whole.gloss.astype(np.float16),
            counts=np.array([len(part.points) for part in parts.values()]),
        )


if __name__ == "__main__":
    save_dressing(make_dressing(), STORED)
