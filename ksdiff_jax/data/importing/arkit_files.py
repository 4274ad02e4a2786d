"""Reads recordings of ARKit's 52 weights, as a phone or another program writes them, as motion of
the built-in head.

| file | recognised by | times | head |
|---|---|---|---|
| CSV of Live Link Face | `Timecode` | the timecodes | HeadYaw, HeadPitch, HeadRoll in radians |
| CSV of Audio2Face | `timeCode` | that column, in seconds | at rest |
| `.arkit.json` of `export` | `names`, `weights` | `times`, or `fps` | `head`, x, y, z, w |
| JSON of Audio2Face | `facsNames`, `weightMat` | `exportFps` | the joint `head`, w, x, y, z |
| JSON of LAM, OpenAvatarChat | `frames`, `metadata` | `time`, or `fps` | `rotation`, x, y, z, w |
| JSON of TalkingHead | `vs`, `dt` | `dt` in milliseconds | headRotateX, Y, Z in radians |

Columns are found by name, in any order and spelling (`JawOpen`, `jawOpen`, `blendShapes.JawOpen`,
`eyeBlink_L`). Everything but `TongueOut`, which the built-in head does not show, is needed. A clip
has no place for the turns of the eyes, so that the looks and the columns of the eyes' angles are
not used. The frames of a timecode count at the smallest usual rate that is above all of them; in a
recording within one second, whose rate does not show, at the smallest of the phone's rates.
"""

import csv
import io
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy.spatial.transform import Rotation

from ksdiff_jax.errors import InputError
from ksdiff_jax.face.arkit import ARKIT_NAMES
from ksdiff_jax.typing import Float

SUFFIXES = (".csv", ".json")
MAX_BYTES = 400_000_000
TIMECODE_RATES_HZ = (24, 25, 30, 48, 50, 60, 120, 240)
PHONE_RATES_HZ = (30, 60, 120, 240)
_SNIFFED_BYTES = 1 << 16
_FEW_NAMES = 10  # a file with this many of the 52 names is a recording, though names may be missing
_NOT_NEEDED = {"tongueout"}
_LARGEST_WEIGHT = 2.0  # recorders exceed 1 a little where they are calibrated
_DAY_S = 86_400.0
_HEAD = ("headyaw", "headpitch", "headroll")
_NAMES = {name.lower(): name for name in ARKIT_NAMES}
_DIRECTIONS = {"jawleft", "jawright", "mouthleft", "mouthright"}
_TIMECODE = re.compile(r"(\d+):(\d+):(\d+)[:;](\d+(?:\.\d+)?)")


class ArkitRecording(NamedTuple):
    """A recorded face, t frames: the weights of `ARKIT_NAMES`, the head's rotation, the times."""

    weights: Float[np.ndarray, "t 52"]
    head: Float[np.ndarray, "t 3"]  # axis-angle, radians
    times_s: Float[np.ndarray, "t"]  # from the first frame on
    tool: str


def plain_name(name: str) -> str:
    """Return `eyeblinkleft` for `EyeBlinkLeft`, `eyeBlink_L` and `blendShapes.EyeBlinkLeft`."""
    name = name.strip().rpartition(".")[2].lower()
    for letter, side in (("_l", "left"), ("_r", "right")):
        if name.endswith(letter):
            name = name.removesuffix(letter) + side
    return name.replace("_", "")


def is_arkit_recording(path: Path) -> bool:
    """Return whether the beginning of a `.csv` or `.json` has names of ARKit's shapes."""
    if path.suffix.lower() not in SUFFIXES:
        return False
    try:
        with path.open("rb") as stream:
            begin = stream.read(_SNIFFED_BYTES).decode("utf-8", "replace")
    except OSError:
        return False
    found = re.findall(r"[A-Za-z_.]{7,40}", begin)
    return len({plain_name(word) for word in found} & _NAMES.keys()) >= _FEW_NAMES


def read_arkit_recording(path: Path) -> ArkitRecording:
    """Read a recording; raise `InputError` with the file and the fault."""
    if (size := path.stat().st_size) > MAX_BYTES:
        raise InputError(f"{path}: {size} bytes; need at most {MAX_BYTES}")
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not text in UTF-8 ({error.reason}); save it as UTF-8") from error
    read = _csv if path.suffix.lower() == ".csv" else _json
    recording = read(path, text)
    _check(path, recording)
    return recording


def _csv(path: Path, text: str) -> ArkitRecording:
    first = text[: text.find("\n")]
    delimiter = max(",;\t", key=first.count)
    rows = [row for row in csv.reader(io.StringIO(text), delimiter=delimiter) if any(row)]
    if len(rows) < 2:
        raise InputError(f"{path}: no frames; need a row of names and one row a frame")
    heading = [name.strip() for name in rows[0]]
    for number, row in enumerate(rows[1:], start=2):
        if len(row) != len(heading):
            raise InputError(
                f"{path}, row {number}: {len(row)} values, {len(heading)} names in the first row; "
                "the file is cut off or damaged there"
            )
    columns = dict(zip(heading, zip(*rows[1:], strict=True), strict=True))
    used = {plain_name(name): name for name in heading if plain_name(name) in (*_NAMES, *_HEAD)}
    curves = {plain: _numbers(path, name, columns[name]) for plain, name in used.items()}
    if "Timecode" in columns:
        times_s, tool = timecode_seconds(path, columns["Timecode"]), "Live Link Face"
    elif "timeCode" in columns:
        times_s, tool = _numbers(path, "timeCode", columns["timeCode"]), "Audio2Face"
    else:
        raise InputError(
            f"{path}: no column of times; need `Timecode` (Live Link Face) or `timeCode` in "
            "seconds (Audio2Face)"
        )
    head = np.zeros((len(times_s), 3))
    if all(name in curves for name in _HEAD):
        yaw, pitch, roll = (curves[name] for name in _HEAD)
        head = _head_turn(path, -yaw, pitch, -roll)
    return ArkitRecording(_weights(path, curves), head, times_s - times_s[0], tool)


def timecode_seconds(path: Path, codes: Sequence[str]) -> Float[np.ndarray, "t"]:
    """Return the seconds of timecodes `HH:MM:SS:FF.mmm`, also across midnight."""
    found = [_TIMECODE.fullmatch(code.strip()) for code in codes]
    if None in found:
        number = found.index(None)
        raise InputError(
            f"{path}, row {number + 2}: Timecode {codes[number]!r}; need HH:MM:SS:FF.mmm"
        )
    hours, minutes, seconds, frames = np.array([match.groups() for match in found], float).T
    rates = TIMECODE_RATES_HZ if np.ptp(seconds) else PHONE_RATES_HZ
    rate = next((rate for rate in rates if frames.max() < rate), None)
    if rate is None:
        raise InputError(f"{path}: a timecode counts to frame {frames.max():g}; need below 240")
    times_s = 3600 * hours + 60 * minutes + seconds + frames / rate
    times_s[1:] += _DAY_S * np.cumsum(np.diff(times_s) < -_DAY_S / 2)
    return times_s


def _json(path: Path, text: str) -> ArkitRecording:
    try:
        content = json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(f"{path}: not JSON ({error.msg}, line {error.lineno})") from error
    readers = {
        ("names", "weights"): _of_arkit,
        ("facsNames", "weightMat"): _of_audio2face,
        ("frames", "metadata"): _of_lam,
        ("vs", "dt"): _of_talkinghead,
    }
    keys = set(content) if isinstance(content, dict) else set()
    reader = next((read for needed, read in readers.items() if keys.issuperset(needed)), None)
    if reader is None:
        known = "; ".join(" and ".join(needed) for needed in readers)
        raise InputError(
            f"{path}: its keys {', '.join(sorted(keys)[:8]) or '(none)'} are those of no known "
            f"recording of ARKit's weights; known are {known}"
        )
    try:
        return reader(path, content)
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise InputError(
            f"{path}: not a complete recording ({type(error).__name__}: {str(error)[:100]})"
        ) from error


def _of_arkit(path: Path, content: dict) -> ArkitRecording:
    weights = _weights(path, _by_name(content["names"], content["weights"]))
    times_s = _times(content.get("times"), content.get("fps"), len(weights))
    head = content.get("head")
    return ArkitRecording(weights, _turns(head, len(weights)), times_s, "ARKit")


def _of_audio2face(path: Path, content: dict) -> ArkitRecording:
    weights = _weights(path, _by_name(content["facsNames"], content["weightMat"]))
    head, joints = None, [str(name).lower() for name in content.get("joints") or ()]
    if "head" in joints and content.get("rotations"):
        turns = np.asarray(content["rotations"], float)[:, joints.index("head")]
        head = np.roll(turns, -1, axis=1)
    times_s = _times(None, content["exportFps"], len(weights))
    return ArkitRecording(weights, _turns(head, len(weights)), times_s, "Audio2Face")


def _of_lam(path: Path, content: dict) -> ArkitRecording:
    frames, about = content["frames"], content["metadata"]
    names = content.get("names") or about["blendshape_names"]
    weights = _weights(path, _by_name(names, [frame["weights"] for frame in frames]))
    given = [frame.get("rotation") for frame in frames]
    head = given if all(given) and len(given[0]) == 4 else None
    times = [frame.get("time") for frame in frames]
    times_s = _times(None if None in times else times, about.get("fps"), len(weights))
    return ArkitRecording(weights, _turns(head, len(weights)), times_s, "LAM")


def _of_talkinghead(path: Path, content: dict) -> ArkitRecording:
    curves = {plain_name(name): np.asarray(curve, float) for name, curve in content["vs"].items()}
    weights = _weights(path, curves)
    starts_ms = np.cumsum([0.0, *content["dt"]])[: len(weights)]
    axes = [curves.get(f"headrotate{axis}") for axis in "yxz"]
    still = any(axis is None for axis in axes)
    head = np.zeros((len(weights), 3)) if still else _head_turn(path, *axes)
    return ArkitRecording(
        weights, head, _times(starts_ms / 1000, None, len(weights)), "TalkingHead"
    )


def _by_name(names: Sequence[str], rows: Any) -> dict[str, Float[np.ndarray, "t"]]:
    table = np.asarray(rows, float)
    if table.ndim != 2 or table.shape[1] != len(names):
        raise ValueError(f"weights of shape {table.shape} for {len(names)} names")
    return {plain_name(str(name)): curve for name, curve in zip(names, table.T, strict=True)}


def _times(times: Any, fps: Any, frames: int) -> Float[np.ndarray, "t"]:
    if times is not None:
        times_s = np.asarray(times, float)
        if times_s.shape != (frames,):
            raise ValueError(f"{times_s.size} times for {frames} frames")
        return times_s - times_s[:1]
    if fps is None or not 0 < float(fps) < 1000:
        raise ValueError(f"a frame rate of {fps}; need one positive rate in Hz")
    return np.arange(frames) / float(fps)


def _turns(quaternions: Any, frames: int) -> Float[np.ndarray, "t 3"]:
    """Return axis-angle vectors of quaternions x, y, z, w; zeros if there are none."""
    if quaternions is None:
        return np.zeros((frames, 3))
    values = np.asarray(quaternions, float)
    if values.shape != (frames, 4):
        raise ValueError(f"head rotations of shape {values.shape} for {frames} frames")
    return Rotation.from_quat(values).as_rotvec()


def _head_turn(path: Path, yaw, pitch, roll) -> Float[np.ndarray, "t 3"]:
    """Return axis-angle vectors of turns about y, x and z of the head's own axes."""
    angles = np.stack([yaw, pitch, roll], axis=1)
    if (most := np.abs(angles).max()) > np.pi:
        raise InputError(
            f"{path}: the head turns by {most:.4g} rad; need radians: if these are degrees, "
            "multiply the columns by pi / 180"
        )
    return Rotation.from_euler("YXZ", angles).as_rotvec()


def _weights(path: Path, curves: Mapping[str, np.ndarray]) -> Float[np.ndarray, "t 52"]:
    missing = [own for name, own in _NAMES.items() if name not in {*curves, *_NOT_NEEDED}]
    if missing:
        shown = ", ".join(missing[:6]) + (f" and {len(missing) - 6} more" if missing[6:] else "")
        raise InputError(
            f"{path}: {len(missing)} of ARKit's 52 weights are missing: {shown}; record or export "
            "all of them, those that do not move as zeros"
        )
    still = np.zeros_like(next(iter(curves.values())))
    weights = np.stack([curves.get(name, still) for name in _NAMES], axis=1)
    bad = np.argwhere(~(np.abs(weights) <= _LARGEST_WEIGHT))
    if len(bad):
        frame, shape = bad[0]
        raise InputError(
            f"{path}: {ARKIT_NAMES[shape]} is {weights[frame, shape]:.4g} in frame {frame}; need "
            "weights from 0 to 1: if these are per cent, divide by 100"
        )
    return np.clip(weights, 0, 1)


def _numbers(path: Path, name: str, values: Sequence[str]) -> Float[np.ndarray, "t"]:
    try:
        return np.array(values, dtype=float)
    except ValueError:
        for number, value in enumerate(values, start=2):
            try:
                float(value)
            except ValueError as error:
                raise InputError(
                    f"{path}, row {number}: {name} is {value!r}; need a number"
                ) from error
        raise


def _check(path: Path, recording: ArkitRecording) -> None:
    steps = np.diff(recording.times_s)
    if len(steps) and not (steps > 0).all():
        number = int(np.argmin(steps > 0)) + 1
        raise InputError(
            f"{path}: the time of frame {number} is not after that of frame {number - 1}; need "
            "increasing times (two recordings in one file?)"
        )
    if not np.isfinite(recording.head).all():
        raise InputError(f"{path}: the head's rotation is not finite in every frame")
