"""Computes the built-in head and stores it as `assets/face/head.npz`.

python -m ksdiff_jax.asset_builders.head
"""

from pathlib import Path

import numpy as np

from ksdiff_jax.face.head.file import STORED
from ksdiff_jax.face.head.mesh import NAMES, HeadMesh, make_head
from ksdiff_jax.files import replacing


def save_head(head: HeadMesh, path: Path) -> None:
    """Write a head; `load_head` reads it with colours rounded to 1/65535."""
    part, mouth, eye = head.part, head.mouth, head.eye
    with replacing(path) as temporary:
        np.savez_compressed(
            temporary,
            points=part.points,
            faces=part.faces.astype(np.uint16),
            colours=np.round(part.colours * 65535).astype(np.uint16),
            gloss=part.gloss.astype(np.float32),
            side=part.side.astype(np.int8),
            counts=np.array([head.spans[name].stop - head.spans[name].start for name in NAMES]),
            mouth_outer=mouth.outer_ring,
            mouth_upper=mouth.upper_contact,
            mouth_lower=mouth.lower_contact,
            mouth_lips=mouth.lips,
            eye_rings=eye.rings,
            eye_column=eye.column,
            eye_upper=eye.upper,
        )


if __name__ == "__main__":
    save_head(make_head(), STORED)
