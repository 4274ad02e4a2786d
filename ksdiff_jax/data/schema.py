"""A clip: one utterance of one speaker with the motion of the speaker's face, and its encoding as a
record.

In memory a `Clip` contains NumPy arrays. On disk it is a `tf.train.Example` that a TFDS
`FeaturesDict` can also read and write (`tfds_files.record_features`). Arrays are raw little-endian
bytes in scalar bytes features: with numeric features a 5 s clip has 2.7 times the size, and TFDS
takes 17.5 ms to write it and 6.4 ms to read it. `ARRAYS` gives dtype and trailing shape of each;
`dataset.json` repeats it for readers in other languages. Times of words and phonemes are JSON.
`speech_features`, the output of a frozen encoder, is present or absent for a whole data set and has
the encoder's width. So are `pictures`, crops of the face for each motion frame, with their squares
in the source as `picture_boxes` (coded_pictures.py); records without pictures lack both.

`space` names the motion space of the expression (motion/space.py). It belongs to the data set and
is stored in `dataset.json`, not in the records. In the space `bfm` there is no jaw (zeros) and
`camera` is a translation. `measures` are numbers by name about how a clip was made (`av_offset_s`,
`reprojection_error`, ...).

Invariants, checked on writing and on reading (`check_clip`): shapes agree on t, all motion is
finite, |samples - t · 16000 / fps| is less than one frame, and words and phonemes end after they
start.
"""

import json
from dataclasses import dataclass, field
from typing import NamedTuple

import ml_dtypes
import numpy as np

from ksdiff_jax.audio.timebase import MOTION_RATE_HZ, SAMPLE_RATE_HZ, SPEECH_FRAMES_PER_MOTION_FRAME
from ksdiff_jax.data.coded_pictures import CodedPictures, pictures_from_record
from ksdiff_jax.data.example_record import decode_example, encode_example
from ksdiff_jax.errors import InputError
from ksdiff_jax.motion.space import EXPRESSION_DIMS, SHAPE_DIMS, SPACES
from ksdiff_jax.plain_text import json_text
from ksdiff_jax.typing import Float, Int

SCHEMA = "ksdiff-clip/1"
_EXPRESSION_WIDTHS = {name: space.slice("expression").stop for name, space in SPACES.items()}


class Timed(NamedTuple):
    """A word, or a phoneme in IPA, and its time."""

    text: str
    start_s: float
    end_s: float


@dataclass(frozen=True, eq=False)
class Clip:
    """One training or test example. t motion frames at `fps`, s samples at 16 kHz, 2t prosody
    frames.
    """

    clip_id: str
    audio: Int[np.ndarray, "s"]  # int16, 16 kHz mono
    expression: Float[np.ndarray, "t e"]  # the width is that of the space
    rotation: Float[np.ndarray, "t 3"]  # global head rotation, axis-angle, radians
    jaw: Float[np.ndarray, "t 3"]  # axis-angle, radians
    camera: Float[np.ndarray, "t 3"]  # weak perspective: scale, tx, ty
    shape: Float[np.ndarray, "100"] = field(
        default_factory=lambda: np.zeros(SHAPE_DIMS, np.float32)
    )
    speaker_id: str = ""
    language: str = ""
    source: str = ""
    fps: float = float(MOTION_RATE_HZ)
    transcript: str = ""
    words: tuple[Timed, ...] = ()
    phonemes: tuple[Timed, ...] = ()
    prosody: Float[np.ndarray, "f 2"] | None = None  # raw: f0 in Hz (0 unvoiced), log energy; 50 Hz
    # bfloat16, output of the encoder that `dataset.json` names
    speech_features: Float[np.ndarray, "f d"] | None = None
    pictures: CodedPictures | None = None  # of the face, one per motion frame
    measures: dict[str, float] = field(default_factory=dict)
    space: str = ""  # name of a motion space; "": not known, as in data of earlier versions
    data_set: str = ""  # name of its source in a run with several (data/mixture.py); not stored

    @property
    def frames(self) -> int:
        """The number of motion frames t."""
        return len(self.expression)

    @property
    def duration_s(self) -> float:
        """The duration of the motion in seconds."""
        return self.frames / self.fps


class ArrayField(NamedTuple):
    """The encoding of an array in its bytes feature: little-endian, C order, the leading axis
    determined by the length.
    """

    dtype: str
    trailing_shape: tuple[int, ...]


ARRAYS = {
    "audio": ArrayField("<i2", ()),
    "expression": ArrayField("<f4", (EXPRESSION_DIMS,)),
    "rotation": ArrayField("<f4", (3,)),
    "jaw": ArrayField("<f4", (3,)),
    "camera": ArrayField("<f4", (3,)),
    "shape": ArrayField("<f4", ()),
    "prosody": ArrayField("<f4", (2,)),  # zero bytes: not computed
}
# The width is the encoder's, and NumPy has no type code for the dtype; absent from records without
# features.
FEATURES = "speech_features"
TEXTS = ("clip_id", "speaker_id", "language", "source", "transcript")
TIMED = ("words", "phonemes")
MEASURES = "measures"  # JSON too; absent from records of earlier versions
OPTIONAL = (FEATURES, MEASURES)
PICTURES = "pictures"  # bytes of `CodedPictures.record`; absent from records without pictures
BOXES = ArrayField("<f4", (3,))  # left, top, side
PICTURE_BOXES = "picture_boxes"


def encode_clip(clip: Clip) -> bytes:
    """Return the serialised `tf.train.Example` of a clip that satisfies the invariants."""
    check_clip(clip)
    # File names may contain bytes that are not UTF-8; the record's texts may not.
    record: dict = {name: getattr(clip, name).encode("utf-8", "backslashreplace") for name in TEXTS}
    record["fps"] = clip.fps
    for name, array in ARRAYS.items():
        value = getattr(clip, name)
        record[name] = (
            b"" if value is None else np.ascontiguousarray(value, dtype=array.dtype).tobytes()
        )
    record[FEATURES] = (
        b"" if clip.speech_features is None else features_to_bytes(clip.speech_features)
    )
    if clip.pictures is not None:
        record[PICTURES] = clip.pictures.record()
        record[PICTURE_BOXES] = np.ascontiguousarray(clip.pictures.boxes, BOXES.dtype).tobytes()
    for name in TIMED:
        record[name] = json_text([list(item) for item in getattr(clip, name)])
    record[MEASURES] = json.dumps(clip.measures)
    return encode_example(record)


def decode_clip(record: bytes, *, space: str = "") -> Clip:
    """Inverse of `encode_clip`, except for the space, which the data set names.

    Raises `InputError` if the record is not a clip of this schema.
    """
    try:
        raw = decode_example(record)
    except ValueError as error:  # also for a name that is not UTF-8
        raise InputError(
            f"not a clip of schema {SCHEMA} ({type(error).__name__}: {error})"
        ) from error
    if missing := sorted({*ARRAYS, *TEXTS, *TIMED, "fps"} - set(raw)):
        raise InputError(f"not a clip of schema {SCHEMA}: without {', '.join(missing)}")
    values: dict = {name: raw[name].decode() for name in TEXTS}
    values["fps"] = float(raw["fps"])
    for name, array in (ARRAYS | {"expression": _expression_field(raw)}).items():
        values[name] = _array(raw[name], name=name, field=array)
    if not raw["prosody"]:
        values["prosody"] = None
    if raw.get(FEATURES):
        values[FEATURES] = features_from_bytes(raw[FEATURES], frames=len(values["expression"]))
    if raw.get(PICTURES):
        boxes = _array(raw.get(PICTURE_BOXES) or b"", name=PICTURE_BOXES, field=BOXES)
        values[PICTURES] = pictures_from_record(raw[PICTURES], boxes)
    for name in TIMED:
        values[name] = tuple(
            Timed(str(text), float(start), float(end)) for text, start, end in json.loads(raw[name])
        )
    values[MEASURES] = {
        name: float(value) for name, value in json.loads(raw.get(MEASURES) or "{}").items()
    }
    clip = Clip(**values, space=space)
    check_clip(clip)
    return clip


def check_clip(clip: Clip) -> None:
    """Raise `InputError` with the clip and the first invariant that it violates."""
    if not clip.clip_id:
        raise InputError("a clip without clip_id; give every clip a unique identifier")
    if problem := _problem(clip):
        raise InputError(f"clip {clip.clip_id!r}: {problem}")


def _problem(clip: Clip) -> str | None:
    if clip.fps <= 0:
        return f"fps is {clip.fps}; a positive rate in Hz is needed"
    if clip.frames == 0:
        return "no motion frames"
    coefficients = clip.expression.shape[-1] if clip.expression.ndim == 2 else 0
    if clip.space and clip.space not in SPACES:
        return f"space is {clip.space!r}; need {', '.join(SPACES)}"
    if coefficients not in _widths(clip.space):
        needed = " or ".join(f"{(clip.frames, width)}" for width in _widths(clip.space))
        return f"expression has shape {clip.expression.shape}; {needed} is needed"
    for name, width in (("expression", coefficients), ("rotation", 3), ("jaw", 3), ("camera", 3)):
        value = getattr(clip, name)
        if value.shape != (clip.frames, width):
            return f"{name} has shape {value.shape}; {(clip.frames, width)} is needed"
        if not np.isfinite(value).all():
            return f"{name} holds NaN or infinite values"
    if clip.shape.shape != (SHAPE_DIMS,):
        return f"shape has shape {clip.shape.shape}; {(SHAPE_DIMS,)} is needed"
    if clip.audio.dtype != np.int16 or clip.audio.ndim != 1:
        return f"audio is {clip.audio.dtype} {clip.audio.shape}; int16 mono samples are needed"
    samples_per_frame = SAMPLE_RATE_HZ / clip.fps
    if abs(len(clip.audio) - clip.frames * samples_per_frame) >= samples_per_frame:
        return (
            f"{len(clip.audio)} samples are {len(clip.audio) / SAMPLE_RATE_HZ:.3f} s, "
            f"{clip.frames} frames are {clip.duration_s:.3f} s; they may differ by less than one "
            "frame"
        )
    prosody_shape = (SPEECH_FRAMES_PER_MOTION_FRAME * clip.frames, 2)
    if clip.prosody is not None and clip.prosody.shape != prosody_shape:
        return f"prosody has shape {clip.prosody.shape}; {prosody_shape} is needed"
    if clip.prosody is not None and not np.isfinite(clip.prosody).all():
        return "prosody holds NaN or infinite values"
    if clip.speech_features is not None and len(clip.speech_features) != prosody_shape[0]:
        return (
            f"speech_features has {len(clip.speech_features)} frames; {prosody_shape[0]} are needed"
        )
    if clip.pictures is not None:
        counts = len(clip.pictures), len(clip.pictures.boxes)
        if counts != (clip.frames, clip.frames):
            return f"{counts[0]} pictures with {counts[1]} boxes; {clip.frames} each are needed"
    for item in (*clip.words, *clip.phonemes):
        if not 0 <= item[1] <= item[2]:
            return f"{item[0]!r} lasts from {item[1]} to {item[2]} s"
    return None


def _widths(space: str) -> tuple[int, ...]:
    """Return the widths that an expression may have: that of its space or, if not known, of any
    space.
    """
    return tuple(
        sorted({width for name, width in _EXPRESSION_WIDTHS.items() if space in ("", name)})
    )


def features_to_bytes(features: Float[np.ndarray, "f d"]) -> bytes:
    """Return speech features as stored on disk: bfloat16, little-endian, frame by frame."""
    return np.ascontiguousarray(features, ml_dtypes.bfloat16).view("<u2").tobytes()


def features_from_bytes(data: bytes, *, frames: int) -> Float[np.ndarray, "f d"]:
    """Return the inverse, for a clip of `frames` motion frames; raise `InputError` if the bytes
    belong to another clip.
    """
    rows = SPEECH_FRAMES_PER_MOTION_FRAME * frames
    if not rows or not data or len(data) % (2 * rows):
        raise InputError(
            f"speech_features hold {len(data)} bytes, not a multiple of {2 * rows}; the record is "
            "damaged"
        )
    return np.frombuffer(data, "<u2").astype(np.uint16).view(ml_dtypes.bfloat16).reshape(rows, -1)


def _expression_field(raw: dict) -> ArrayField:
    """Return the array field of the expression; the number of frames, known from the rotation,
    determines its width.
    """
    frames = max(1, len(raw["rotation"]) // 12)
    width = len(raw["expression"]) // (4 * frames)
    return ArrayField("<f4", (width if width in _widths("") else EXPRESSION_DIMS,))


def _array(data: bytes, *, name: str, field: ArrayField) -> np.ndarray:
    dtype = np.dtype(field.dtype)
    row_bytes = dtype.itemsize * int(np.prod(field.trailing_shape, dtype=int))
    if len(data) % row_bytes:
        raise InputError(
            f"{name} holds {len(data)} bytes, not a multiple of {row_bytes}; the record is damaged"
        )
    # The copy makes the array writable and native-endian.
    return (
        np.frombuffer(data, dtype)
        .reshape(-1, *field.trailing_shape)
        .astype(dtype.newbyteorder("="))
    )
