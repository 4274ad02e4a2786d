"""Folds of real people, fixed in `assets/people_folds.json`: who is held out together.

Folds are by person and not by clip, because a predictor that has seen a mouth follows that mouth
better than a stranger's. The file contains names and no data; a person is named by the folder that
holds the clips.
"""

import functools
import json
from pathlib import Path
from typing import NamedTuple

FILE = Path(__file__).parents[1] / "assets" / "people_folds.json"


class PeopleFolds(NamedTuple):
    """The people of each fold, and those that nothing is trained on."""

    folds: tuple[tuple[str, ...], ...]
    never: frozenset[str]

    def group(self, person: str) -> str:
        """Return what is held out together with a person: a fold, or the person alone."""
        for number, people in enumerate(self.folds):
            if person in people:
                return f"fold {number}"
        return person


@functools.cache
def people_folds() -> PeopleFolds:
    """Return the folds that ship with the package."""
    content = json.loads(FILE.read_text(encoding="utf-8"))
    return PeopleFolds(tuple(map(tuple, content["folds"])), frozenset(content["never"]))
