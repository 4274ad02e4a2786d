"""JSON for web avatars: the viseme track, TalkingHead, Azure and LAM.

| format | content |
|---|---|
| visemes | `names`, `weights` a frame, `cues`, `source`: `phonemes` or `motion` |
| talkinghead | `dt` (ms), `vs` by morph target; `words`, `visemes` and their times in ms |
| azure | `FrameIndex`, `BlendShapes`: 52 weights, roll of head, left and right eye; 60 frames/s |
| lam | `names`, `metadata`, `frames` of `weights`, `time` and `rotation` (x, y, z, w) |

LAM and OpenAvatarChat leave `rotation` empty; here it is the head's. Angles are radians.
"""

import json
from pathlib import Path

import numpy as np

from ksdiff_jax.export.live_link import live_link_angles
from ksdiff_jax.export.take import Take, yaw_pitch_roll
from ksdiff_jax.export.viseme_shapes import VISEME_TARGETS, VISEMES
from ksdiff_jax.export.visemes import cues
from ksdiff_jax.face.arkit import ARKIT_NAMES

AZURE_RATE_HZ = 60  # the file does not state it; readers assume it
_AVATAR_NAMES = dict(
    zip(VISEMES, (name.removeprefix("viseme_") for name in VISEME_TARGETS), strict=True)
)


def write_visemes(path: Path, take: Take) -> None:
    """Write the track of 15 visemes."""
    content = {
        "schema": "ksdiff-visemes/1",
        "name": take.name,
        "fps": take.fps,
        "source": "phonemes" if take.phonemes else "motion",
        "names": list(VISEMES),
        "weights": take.visemes.round(4).tolist(),
        "cues": [
            {"viseme": name, "start": round(start_s, 4), "end": round(end_s, 4)}
            for name, start_s, end_s in cues(take.visemes, fps=take.fps)
        ],
    }
    _write(path, content)


def write_talkinghead(path: Path, take: Take) -> None:
    """Write an animation of TalkingHead."""
    yaw, pitch, roll = yaw_pitch_roll(take.head).round(5).T
    curves = dict(zip(ARKIT_NAMES, take.arkit.round(4).T, strict=True))
    curves |= {"headRotateX": pitch, "headRotateY": yaw, "headRotateZ": roll}
    spoken = cues(take.visemes, fps=take.fps)
    content = {
        "schema": "ksdiff-talkinghead/1",
        "name": take.name,
        "dt": [round(1000 / take.fps, 4)] * len(take),
        "vs": {name: curve.tolist() for name, curve in curves.items()},
        **_timed("words", "w", take.words),
        **_timed("visemes", "v", [(_AVATAR_NAMES[name], a, b) for name, a, b in spoken]),
    }
    _write(path, content)


def write_azure(path: Path, take: Take) -> None:
    """Write Azure's blend shapes, at 60 frames a second."""
    take = take.at(AZURE_RATE_HZ)
    rolls = live_link_angles(take)[:, 2::3]
    content = {
        "schema": "ksdiff-azure/1",
        "FrameIndex": 0,
        "BlendShapes": np.concatenate([take.arkit, rolls], axis=1).round(5).tolist(),
    }
    _write(path, content)


def write_lam(path: Path, take: Take) -> None:
    """Write the expression file of LAM and OpenAvatarChat."""
    rows = zip(take.times_s, take.arkit.round(5), take.head.as_quat().round(6), strict=True)
    content = {
        "schema": "ksdiff-lam/1",
        "names": list(ARKIT_NAMES),
        "metadata": {
            "fps": take.fps,
            "frame_count": len(take),
            "blendshape_names": list(ARKIT_NAMES),
        },
        "frames": [
            {"weights": weights.tolist(), "time": round(time_s, 6), "rotation": turn.tolist()}
            for time_s, weights, turn in rows
        ],
    }
    _write(path, content)


def _timed(name: str, letter: str, spoken) -> dict[str, list]:
    """Return the three lists of TalkingHead: texts, starts and durations in milliseconds."""
    return {
        name: [text for text, _, _ in spoken],
        f"{letter}times": [round(1000 * start_s, 2) for _, start_s, _ in spoken],
        f"{letter}durations": [round(1000 * (end_s - start_s), 2) for _, start_s, end_s in spoken],
    }


def _write(path: Path, content: dict) -> None:
    path.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
