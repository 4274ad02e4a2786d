"""Δ of a clip by region: the difference between its expression E and that of the same clip with the
region neutral.

| pairs | for | Δ |
|---|---|---|
| given | every clip, if the user names a data set for the region | clip − its partner |
| actions | clips of the built-in corpus | clip − clip with the region's actions at rest |
| landmarks | other clips of a face with landmarks | fit of the clip − fit with the region closed |
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from ksdiff_jax.data.regions import neutral_corpus, neutral_tracked
from ksdiff_jax.data.regions.select import REGIONS
from ksdiff_jax.data.schema import Clip
from ksdiff_jax.data.tally import motion_of_clip
from ksdiff_jax.errors import InputError
from ksdiff_jax.face.landmarks import LandmarkEmbedding, LandmarkModel
from ksdiff_jax.motion.space import BFM, SPACES, expression_columns
from ksdiff_jax.typing import Float

AT_REST = {"lip": neutral_corpus.lips_at_rest, "eye": neutral_corpus.lids_at_rest}
NAMES = {"lip": "lips", "eye": "eyes"}
CLOSED = {"lip": neutral_tracked.lips_closed, "eye": neutral_tracked.lids_closed}


class Neutral(NamedTuple):
    """The source of neutralised clips: partners by region, otherwise actions or landmarks."""

    given: Mapping[str, Callable[[Clip], Clip]] = {}
    landmarks: tuple[LandmarkModel, LandmarkEmbedding] | None = None  # of the clips' face


def pairs_of(clip: Clip, region: str, neutral: Neutral) -> str:
    """Return the kind of pairs of the module's table that a clip has for a region; "" if it has
    none.
    """
    if region in neutral.given:
        return "given"
    if neutral_corpus.is_of_corpus(clip):
        return "actions"
    return "landmarks" if neutral.landmarks else ""


def check_pairs(clip: Clip, neutral: Neutral) -> None:
    """Raise `InputError` for a clip without pairs for some region."""
    lacking = [region for region in REGIONS if not pairs_of(clip, region, neutral)]
    if not lacking:
        return
    face = "" if clip.space == BFM.name else "name its face with --face and --landmarks, or "
    raise InputError(
        f"clip {clip.clip_id!r} of the {clip.space} space: no face is available to close "
        f"{' and '.join(NAMES[region] for region in lacking)} on; {face}give "
        f"{' and '.join(f'--neutral-{NAMES[region]}' for region in lacking)}, data sets of the "
        "same clips with that region neutral"
    )


def expression_of(clip: Clip) -> Float[np.ndarray, "t k"]:
    """Return E of a clip, frame by frame."""
    return motion_of_clip(clip)[:, expression_columns(SPACES[clip.space])]


def changes_of(clip: Clip, neutral: Neutral) -> dict[str, Float[np.ndarray, "t k"]]:
    """Return Δ by region; raise `InputError` for a clip without pairs."""
    check_pairs(clip, neutral)
    fitted = None
    changes = {}
    for region in REGIONS:
        pairs = pairs_of(clip, region, neutral)
        if pairs == "given":
            before, after = clip, neutral.given[region](clip)
        elif pairs == "actions":
            before, after = clip, AT_REST[region](clip)
        else:
            fitted = fitted or neutral_tracked.refitted(clip, *neutral.landmarks)
            before = fitted
            after = neutral_tracked.refitted(clip, *neutral.landmarks, close=CLOSED[region])
        changes[region] = expression_of(before) - expression_of(after)
    return changes
