"""The built-in head's mesh as a stored file, so that every machine has the same vertices in the
same order.

`make_head` takes seconds, and its triangulation depends on the version of the geometry library. The
package therefore ships its result. After a change to the geometry run `python -m
ksdiff_jax.asset_builders.head`.
"""

from pathlib import Path

import numpy as np

from ksdiff_jax.face.head.eyes import Eye
from ksdiff_jax.face.head.mesh import NAMES, HeadMesh
from ksdiff_jax.face.head.mouth import Mouth
from ksdiff_jax.face.head.parts import Part

STORED = Path(__file__).parents[2] / "assets" / "face" / "head.npz"


def load_head(path: Path = STORED) -> HeadMesh:
    """Read a stored head.

    The parts of mouth and lids have no faces of their own; the whole mesh has them all.
    """
    with np.load(path, allow_pickle=False) as stored:
        part = Part(
            points=stored["points"],
            faces=stored["faces"].astype(np.int64),
            colours=stored["colours"] / 65535,
            gloss=stored["gloss"].astype(np.float64),
            side=stored["side"].astype(np.int64),
        )
        stops = np.cumsum(stored["counts"])
        spans = {
            name: slice(int(b - n), int(b))
            for name, b, n in zip(NAMES, stops, stored["counts"], strict=True)
        }
        rings = stored["eye_rings"]
        return HeadMesh(
            part=part,
            spans=spans,
            mouth=Mouth(
                part=_piece(part, spans["mouth"]),
                outer_ring=stored["mouth_outer"],
                upper_contact=stored["mouth_upper"],
                lower_contact=stored["mouth_lower"],
                lips=stored["mouth_lips"],
            ),
            eye=Eye(
                part=_piece(part, spans["left_lids"]),
                rings=rings,
                outer_ring=rings[-1],
                column=stored["eye_column"],
                upper=stored["eye_upper"],
            ),
        )


def _piece(whole: Part, span: slice) -> Part:
    return Part(
        points=whole.points[span],
        faces=np.zeros((0, 3), np.int64),
        colours=whole.colours[span],
        gloss=whole.gloss[span],
        side=whole.side[span],
    )
