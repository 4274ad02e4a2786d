"""What participants rate (KSDiff §4): four aspects, each from 1 (very poor) to 5 (excellent), and
the figures of the paper's Table 2 (26 participants).
"""

from types import MappingProxyType
from typing import NamedTuple


class Criterion(NamedTuple):
    """An aspect that is rated; `title` is its column in the paper's table."""

    name: str
    title: str
    question: str


CRITERIA = (
    Criterion("full_face", "Full-face", "How natural is the whole face?"),
    Criterion("lip_sync", "Lip sync", "How well do the lips fit the speech?"),
    Criterion("head_motion", "Head motion", "How plausible is the motion of the head?"),
    Criterion("fluency", "Fluency", "How fluent is the video as a whole?"),
)
SCALE = ("very poor", "poor", "fair", "good", "excellent")

PAPER_TABLE_2 = MappingProxyType(
    {
        "SadTalker": (3.77, 3.64, 4.06, 3.62),
        "FaceDiffuser": (3.24, 3.36, 1.58, 3.37),
        "DiffTalk": (4.06, 3.91, 4.27, 4.16),
        "Hallo2": (4.05, 4.31, 3.98, 3.94),
        "KeyFace": (4.12, 4.24, 4.42, 4.27),
        "DiffSpeaker": (3.69, 4.32, 1.37, 3.63),
        "KSDiff": (4.22, 4.48, 4.60, 4.45),
    }
)


def of_paper(system: str) -> tuple[str, tuple[float, ...]] | None:
    """Return the paper's name of a system and its scores, in the order of `CRITERIA`; None for a
    system that the paper does not have.
    """
    names = {name.casefold(): name for name in PAPER_TABLE_2}
    name = names.get(system.casefold())
    return (name, PAPER_TABLE_2[name]) if name else None
