"""The ablations of a system, each as a change to a configuration, with the paper's own figures and
ours beside them.

Those of KSDiff are of the paper's Table 3 (§4):

| row | what changes |
|---|---|
| w/o speech split | both paths take one shared feature |
| w/o dual-path diff | one denoiser over all 59 dimensions |
| w/o keyframe | no keyframe predictors, no keyframes in the generator, no cross-entropy |
| w/o prosody | the expression path is not modulated by pitch and energy |
| w/o transcript | no transcript anywhere |
| wav2vec only | the output of the speech encoder goes straight to both paths |

With our own small encoder (`model.encoder.kind` "mel") the last row means that encoder only. The
table has one more row, the paper's baseline DiffSpeaker (`models/ksdiff/diffspeaker.py`), which
changes several fields at once. The ablations of DisentTalk and of FD2Talk's motion stage are in
`models/disenttalk/ablations.py` and `models/fd2talk/motion/ablations.py`.
"""

import dataclasses
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from ksdiff_jax.config import Config, flatten, to_dict
from ksdiff_jax.errors import InputError
from ksdiff_jax.models.disenttalk import ablations as disenttalk
from ksdiff_jax.models.fd2talk.motion import ablations as fd2talk_motion
from ksdiff_jax.models.ksdiff import diffspeaker
from ksdiff_jax.models.syncnet.folder import NEEDED
from ksdiff_jax.overrides import override

FULL = "full model"
ABLATIONS = MappingProxyType(
    {
        FULL: {},
        "w/o speech split": {"model.speech_paths.split": False},
        "w/o dual-path diff": {"model.generator.dual_path": False},
        "w/o keyframe": {"model.keyframes.enabled": False},
        "w/o prosody": {"model.speech_paths.prosody": False},
        "w/o transcript": {"model.transcript.enabled": False},
        "wav2vec only": {"model.speech_paths.refine": False},
    }
)

# Table 3, on HDTF with a different face tracker and lip-sync network than ours: the figures show
# directions and are not goals. LVE is in the paper's unit. The paper's Table 1 has 4.835 for the
# full model's LVE where Table 3 has 4.635.
PAPER_TABLE_3 = MappingProxyType(
    {
        FULL: {
            "LSE-C": 0.708,
            "LSE-D": 9.204,
            "LVE": 4.635,
            "Diversity": 0.318,
            "Beat Align": 0.354,
        },
        "w/o speech split": {
            "LSE-C": 0.640,
            "LSE-D": 9.865,
            "LVE": 5.445,
            "Diversity": 0.238,
            "Beat Align": 0.261,
        },
        "w/o dual-path diff": {
            "LSE-C": 0.652,
            "LSE-D": 9.629,
            "LVE": 5.172,
            "Diversity": 0.270,
            "Beat Align": 0.316,
        },
        "w/o keyframe": {
            "LSE-C": 0.663,
            "LSE-D": 9.570,
            "LVE": 5.329,
            "Diversity": 0.256,
            "Beat Align": 0.292,
        },
        "w/o prosody": {
            "LSE-C": 0.683,
            "LSE-D": 9.481,
            "LVE": 4.818,
            "Diversity": 0.296,
            "Beat Align": 0.331,
        },
        "w/o transcript": {
            "LSE-C": 0.699,
            "LSE-D": 9.372,
            "LVE": 5.720,
            "Diversity": 0.305,
            "Beat Align": 0.342,
        },
        "wav2vec only": {
            "LSE-C": 0.576,
            "LSE-D": 10.528,
            "LVE": 5.584,
            "Diversity": 0.221,
            "Beat Align": 0.254,
        },
    }
)


class Figure(NamedTuple):
    """A figure of the table: its name in `scores.score`, and the paper's for the same, if any."""

    name: str
    title: str
    better: str = ""  # "↑" or "↓"; "" if neither applies
    paper: str = ""  # the column of the paper's table

    @property
    def heading(self) -> str:
        """Title and direction."""
        return f"{self.title} {self.better}".strip()


class Ablations(NamedTuple):
    """The rows of a system's table: the first one is the full model."""

    title: str
    rows: Mapping[str, Mapping[str, object]]  # changes to the configuration, by row
    paper: Mapping[str, Mapping[str, float]]  # the paper's figures, by row and column
    figures: tuple[Figure, ...]
    groups: tuple[str, ...]  # of `scores.score`, which have the figures
    unmeasured: Mapping[str, str]  # columns of the paper that have no figure here, and the reason


_SYNCNET = f"needs {NEEDED}"
_POSE = (
    Figure("diversity_over_time_rad", "Diversity over time, rad", "", "Diversity"),
    Figure("beat_align", "Beat Align", "", "Beat Align"),
)
_MOUTH = (
    Figure("jaw_correlation", "jaw r", "↑"),
    Figure("opening_correlation", "opening r", "↑"),
    Figure("closure_rate", "closed in /p b m/", "↑"),
)
_OF_SYSTEM = MappingProxyType(
    {
        "ksdiff": Ablations(
            "KSDiff, Table 3",
            MappingProxyType(ABLATIONS | {diffspeaker.NAME: diffspeaker.DIFFSPEAKER}),
            MappingProxyType(PAPER_TABLE_3 | {diffspeaker.NAME: diffspeaker.PAPER_TABLE_1}),
            (
                Figure("lve_distance_mm", "LVE, mm", "↓", "LVE"),
                *_POSE,
                *_MOUTH,
                Figure("keyframe_expression_f1", "keyframe F1, expression", "↑"),
                Figure("keyframe_head_f1", "keyframe F1, head", "↑"),
            ),
            ("lips", "keyframes", "pose", "beats"),
            MappingProxyType({"LSE-C": _SYNCNET, "LSE-D": _SYNCNET}),
        ),
        "disenttalk": Ablations(
            "DisentTalk, Table IV",
            disenttalk.ABLATIONS,
            disenttalk.PAPER_TABLE_4,
            (
                Figure("lmd_mm", "LMD, mm", "↓", "LMD"),
                Figure("blink_rate_hz", "blinks a second", "", "Blink"),
                Figure("lve_distance_mm", "LVE, mm", "↓"),
                *_MOUTH,
            ),
            ("lips", "landmarks", "blinks"),
            MappingProxyType({"LSE-C": _SYNCNET}),
        ),
        "fd2talk_motion": Ablations(
            "FD2Talk, motion rows of Tables 2 and 3",
            fd2talk_motion.ABLATIONS,
            fd2talk_motion.PAPER_TABLES_2_AND_3,
            (
                *_POSE,
                *_MOUTH,
                Figure("lve_distance_mm", "LVE, mm", "↓"),
            ),
            ("lips", "pose", "beats"),
            MappingProxyType({"LSE-C": _SYNCNET, "SyncNet": _SYNCNET}),
        ),
    }
)


def ablations_of(config: Config) -> Ablations:
    """Return the table of a configuration's system; raise `InputError` if it has none."""
    if config.system not in _OF_SYSTEM:
        raise InputError(
            f"{config.name or config.system}: the system {config.system} has no table of "
            f"ablations; need a configuration of {' or '.join(_OF_SYSTEM)}"
        )
    return _OF_SYSTEM[config.system]


def ablated(config: Config, row: str, *, seed: int | None = None) -> Config:
    """Return the configuration of a row of the table, named `<config>, <row>`, with that training
    seed if one is given.

    Raises `InputError` for a row that the system does not have.
    """
    rows = ablations_of(config).rows
    if row not in rows:
        raise InputError(f"no ablation {row!r}: need one of {', '.join(rows)}")
    changes = rows[row] | ({} if seed is None else {"train.seed": seed})
    if "model.generator.dual_path" in changes:  # one generator has one guidance
        changes |= {"sample.head_guidance": None}
    return dataclasses.replace(override(config, changes), name=f"{config.name}, {row}")


def changes_nothing(config: Config, row: str) -> str:
    """Return the changes of a row that this configuration has already, if it has all of them; ""
    for a row that is another model, and for the full one.
    """
    changes, present = ablations_of(config).rows[row], flatten(to_dict(config))
    same = [f"{name} is {value}" for name, value in changes.items() if present[name] == value]
    return ", ".join(same) if len(same) == len(changes) else ""
