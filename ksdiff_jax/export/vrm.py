"""VRM animation (.vrma): glTF with the extension VRMC_vrm_animation, for VRM 1.0 avatars.

Each expression is a node whose translation along x is the weight. The five vowels are the
non-negative combination of their shapes that comes nearest to ARKit's mouth weights.

| expression | value |
|---|---|
| aa, ih, ou, ee, oh | the combination of vowels |
| blink, blinkLeft, blinkRight | eyeBlink; `blink` is the smaller of both |
| happy, angry, sad, surprised | mean of mouthSmile, browDown, mouthFrown, eyeWide |
| lookUp, lookDown, lookLeft, lookRight | mean of the eyes' looks |

A VRM reader adds `blink` to `blinkLeft` and `blinkRight`, so the sides have what exceeds it.
`relaxed` and `neutral` are not written. The bone head turns as the motion does.
"""

from pathlib import Path

import numpy as np
from scipy.optimize import nnls

from ksdiff_jax.export.gltf import Chunk
from ksdiff_jax.export.take import Take
from ksdiff_jax.export.viseme_shapes import VISEMES, viseme_poses
from ksdiff_jax.export.visemes import MOUTH
from ksdiff_jax.face.arkit import ARKIT_NAMES
from ksdiff_jax.ownership import mark
from ksdiff_jax.typing import Float

VOWELS = {"aa": "aa", "ih": "ih", "ou": "ou", "ee": "E", "oh": "oh"}
BONES = {"hips": 0.9, "spine": 0.1, "chest": 0.2, "neck": 0.2, "head": 0.1}  # metres to the parent


def vrm_expressions(take: Take) -> dict[str, Float[np.ndarray, "t"]]:
    """Return the weight, 0 to 1, of each VRM 1.0 expression."""
    named = dict(zip(ARKIT_NAMES, take.arkit.astype(np.float64).T, strict=True))

    def both(name: str) -> np.ndarray:
        return (named[f"{name}Left"] + named[f"{name}Right"]) / 2

    shapes = viseme_poses()[[VISEMES.index(viseme) for viseme in VOWELS.values()]][:, MOUTH]
    vowels = np.array([nnls(shapes.T, row)[0] for row in take.arkit[:, MOUTH].astype(np.float64)])
    total = np.maximum(vowels.sum(axis=1, keepdims=True), 1)
    found = dict(zip(VOWELS, (vowels / total).T, strict=True))
    blink = np.minimum(named["eyeBlinkLeft"], named["eyeBlinkRight"])
    found |= {"blink": blink}
    found |= {f"blink{side}": named[f"eyeBlink{side}"] - blink for side in ("Left", "Right")}
    found |= {"happy": both("mouthSmile"), "angry": both("browDown")}
    found |= {"sad": both("mouthFrown"), "surprised": both("eyeWide")}
    found |= {"lookUp": both("eyeLookUp"), "lookDown": both("eyeLookDown")}
    found["lookLeft"] = (named["eyeLookOutLeft"] + named["eyeLookInRight"]) / 2
    found["lookRight"] = (named["eyeLookInLeft"] + named["eyeLookOutRight"]) / 2
    return {name: np.clip(values, 0, 1) for name, values in found.items()}


def write_vrm_animation(path: Path, take: Take) -> None:
    """Write the file."""
    chunk = Chunk()
    expressions = vrm_expressions(take)
    nodes, bones = [], {}
    for number, (bone, height_m) in enumerate(BONES.items()):
        node = {"name": bone, "translation": [0, height_m, 0]}
        nodes.append(node | ({"children": [number + 1]} if number + 1 < len(BONES) else {}))
        bones[bone] = {"node": number}
    first = len(nodes)
    nodes += [{"name": name} for name in expressions]
    times = chunk.add(take.times_s.astype(np.float32), bounds=True)
    turns = take.head.as_quat().astype(np.float32)
    outputs = [turns / np.linalg.norm(turns, axis=1, keepdims=True)]
    targets = [{"node": bones["head"]["node"], "path": "rotation"}]
    for number, values in enumerate(expressions.values(), start=first):
        outputs.append(np.pad(values.astype(np.float32)[:, None], [(0, 0), (0, 2)]))
        targets.append({"node": number, "path": "translation"})
    samplers = [
        {"input": times, "output": chunk.add(values), "interpolation": "LINEAR"}
        for values in outputs
    ]
    channels = [{"sampler": number, "target": target} for number, target in enumerate(targets)]
    preset = {name: {"node": number} for number, name in enumerate(expressions, start=first)}
    looks = {name: preset.pop(name) for name in list(preset) if name.startswith("look")}
    extension = {
        "specVersion": "1.0",
        "humanoid": {"humanBones": bones},
        "expressions": {"preset": preset, "custom": looks},
    }
    document = {
        "asset": {"version": "2.0", "generator": mark("vrm")},
        "extensionsUsed": ["VRMC_vrm_animation"],
        "extensions": {"VRMC_vrm_animation": extension},
        "scene": 0,
        "scenes": [{"nodes": [0, *range(first, len(nodes))]}],
        "nodes": nodes,
        "animations": [{"name": take.name, "samplers": samplers, "channels": channels}],
    }
    path.write_bytes(chunk.file(document))
