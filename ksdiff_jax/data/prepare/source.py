"""The inputs and outputs of `prepare`: values that are sent between processes and machines.

A source is one filmed or tracked file. Its outcome has any number of clips and of rejections. Each
rejection has a reason from `REASONS`, by which reports count. A fault that makes the whole source
unusable is raised as `Rejected`.
"""

from dataclasses import dataclass
from typing import Literal, NamedTuple

from ksdiff_jax.data.schema import Clip

REASONS = {
    "unreadable": "the file cannot be read",
    "no_sound": "no sound: none in the file, none beside it, or silence",
    "no_video": "no pictures in the file",
    "no_face": "no face was found",
    "two_faces": "more than one face",
    "bad_tracking": "the face was lost too often, or the face model does not fit it",
    "silent_speaker": "the mouth does not move with the sound: somebody else speaks",
    "uncertain_offset": "the offset of sound and face cannot be estimated (--offset refuse)",
    "too_short": "shorter than the requested minimum",
    "length_mismatch": "motion and sound differ in length as by a wrong rate, or another file's "
    "sound",
    "bad_coefficients": "wrong shapes, NaN or missing keys in a coefficient file",
    "failed": "an unexpected error, given in full",
}


@dataclass(frozen=True)
class Source:
    """One video, or one file of coefficients with its sound.

    Paths are text, local or of a remote file system.
    """

    source_id: str  # unique; the clip ids of this source begin with it
    video: str = ""  # path; empty: none
    audio: str = ""  # path of the sound; empty: the video's own
    coefficients: str = ""  # path of coefficients of another tool; empty: the video is tracked
    speaker_id: str = ""
    language: str = ""
    transcript: str = ""
    start_s: float = 0.0  # the part of the file to use
    end_s: float | None = None  # None: to its end


@dataclass(frozen=True)
class Settings:
    """Settings that are the same for all sources of a run."""

    # of coefficient files that do not contain it; None: the video's, else 25
    coefficient_fps: float | None = None
    channel: int | None = None  # of the sound, from 1; None: mix all to one voice
    audio_stream: int | None = None  # sound track, from 1; None: as players select
    min_s: float = 1.0  # shorter clips are rejected
    max_s: float = 20.0  # longer ones are cut
    face: str = ""  # face model file; empty: the built-in head
    landmarks: str = ""  # its landmark embedding; empty: the built-in head's
    stretch: bool = False  # the motion's time is scaled so that it ends with the sound
    tracker_python: str = ""  # Python of the tracker's environment; empty: searched for
    # of sound and tracked face: correct those that are sure and keep the others, keep all, or
    # correct and refuse the others (data/tracking/speaker.py)
    offset: Literal["correct", "keep", "refuse"] = "correct"
    pictures: int = 0  # side in pixels of crops of the face to keep in the clips; 0: none


class Rejection(NamedTuple):
    """A piece of a source that does not become a clip, and the reason."""

    clip_id: str
    reason: str  # a key of REASONS
    detail: str  # one line: what was got, what is needed


class Cut(NamedTuple):
    """The parts that only the motion or only the sound of a source covers, in seconds; no clip
    contains them.
    """

    motion_head_s: float = 0.0
    motion_tail_s: float = 0.0
    sound_head_s: float = 0.0
    sound_tail_s: float = 0.0
    stretch: float = 1.0  # the factor by which the motion's time was multiplied before

    @property
    def sound_s(self) -> float:
        """Total seconds of sound."""
        return self.sound_head_s + self.sound_tail_s

    @property
    def motion_s(self) -> float:
        """Total seconds of motion."""
        return self.motion_head_s + self.motion_tail_s


class Offset(NamedTuple):
    """The measured offset of sound and face of one take, in seconds; positive: the mouth moves
    later than the sound. Numbers are None if the mouth or the sound does not move.
    """

    take_id: str
    offset_s: float | None
    correlation: float | None
    lead: float | None  # of that correlation over the one at any other peak
    sure: bool
    corrected_s: float  # by which the sound was moved; 0: as it was


class Outcome(NamedTuple):
    """The result of one source."""

    clips: tuple[Clip, ...]
    rejections: tuple[Rejection, ...] = ()
    cut: Cut = Cut()
    notes: tuple[str, ...] = ()  # repairs and omissions in its files, one line each
    digests: tuple[str, ...] = ()  # SHA-256 of its video, its sound and its coefficients
    offsets: tuple[Offset, ...] = ()  # of its takes


class Rejected(Exception):
    """Raised if no part of a source can be used."""

    def __init__(self, reason: str, detail: str):
        if reason not in REASONS:
            raise ValueError(f"unknown reason {reason!r}; known are {', '.join(REASONS)}")
        super().__init__(reason, detail)  # both, so that it can be pickled
        self.reason, self.detail = reason, detail
