"""Converts a take, a stretch of tracked motion with its sound, to clips of trainable length.

Long takes are cut where the speaker pauses: at the quietest moment of the last third before the
maximum length. Every clip gets the words spoken in it. A transcript without times applies to the
whole take, so clips of a take that was cut get no transcript.
"""

from typing import NamedTuple

import numpy as np

from ksdiff_jax.audio.prosody import extract_prosody, log_energy
from ksdiff_jax.audio.timebase import (
    MOTION_RATE_HZ,
    SAMPLES_PER_MOTION_FRAME,
    SPEECH_FRAMES_PER_MOTION_FRAME,
    samples_of_motion_frames,
)
from ksdiff_jax.audio.waveform import to_int16
from ksdiff_jax.data.coded_pictures import CodedPictures
from ksdiff_jax.data.prepare.source import Rejection, Settings, Source
from ksdiff_jax.data.schema import Clip, Timed
from ksdiff_jax.speech.transcripts.spoken_words import Transcript
from ksdiff_jax.typing import Float

QUIET_WINDOW_FRAMES = 5
# Sound below -66 dB counts as silence.
SILENT_LEVEL = np.log(0.0005)


class Take(NamedTuple):
    """Motion at 25 Hz and the sound from its first frame on."""

    start_s: float  # in the source
    expression: Float[np.ndarray, "t e"]
    rotation: Float[np.ndarray, "t 3"]
    jaw: Float[np.ndarray, "t 3"]
    camera: Float[np.ndarray, "t 3"]
    shape: Float[np.ndarray, "100"]
    audio: Float[np.ndarray, "s"]  # 16 kHz
    tool: str  # the tool that tracked it
    measures: dict[str, float]
    whole: bool  # the take is all of its source
    space: str  # name of the motion space of the expression
    # the mouth moves this much later than the sound in the source; `audio` is moved by it
    offset_s: float = 0.0
    pictures: CodedPictures | None = None  # crops of the face, one per frame


def sound_of_take(
    audio: Float[np.ndarray, "s"], *, start_s: float, frames: int
) -> Float[np.ndarray, "n"]:
    """Return the sound of `frames` motion frames from `start_s` on, with silence after its end."""
    first = round(start_s * MOTION_RATE_HZ * SAMPLES_PER_MOTION_FRAME)
    samples = samples_of_motion_frames(frames)
    part = audio[max(0, first) : first + samples]
    return np.pad(part, (max(0, -first), samples - len(part) - max(0, -first)))


def clips_of_take(
    take: Take, source: Source, transcript: Transcript, settings: Settings
) -> tuple[list[Clip], list[Rejection]]:
    """Return the clips of a take, and rejections for pieces that are too short or silent."""
    clips, rejections = [], []
    pieces = cut_at_pauses(
        take.audio, frames=len(take.expression), longest=round(settings.max_s * MOTION_RATE_HZ)
    )
    for first, last in pieces:
        clip_id = f"{source.source_id}@{take.start_s + first / MOTION_RATE_HZ:.2f}"
        seconds = (last - first) / MOTION_RATE_HZ
        audio = take.audio[samples_of_motion_frames(first) : samples_of_motion_frames(last)]
        if seconds < settings.min_s:
            detail = f"{seconds:.2f} s; need {settings.min_s:g} s or more"
            rejections.append(Rejection(clip_id, "too_short", detail))
        elif float(log_energy(audio).max()) < SILENT_LEVEL:
            rejections.append(Rejection(clip_id, "no_sound", f"{seconds:.2f} s of silence"))
        else:
            clips.append(_clip(take, source, transcript, clip_id=clip_id, first=first, last=last))
    return clips, rejections


def cut_at_pauses(
    audio: Float[np.ndarray, "s"], *, frames: int, longest: int
) -> list[tuple[int, int]]:
    """Return (first, last) motion frames of pieces of at most `longest` frames each, in order and
    without gaps.
    """
    level = log_energy(audio).reshape(-1, SPEECH_FRAMES_PER_MOTION_FRAME).mean(axis=1)
    window = np.ones(QUIET_WINDOW_FRAMES) / QUIET_WINDOW_FRAMES
    smooth = np.convolve(np.pad(level, QUIET_WINDOW_FRAMES // 2, mode="edge"), window, "valid")
    pieces, first = [], 0
    while frames - first > longest:
        # At least a third of a piece remains beyond this piece, so that no very short piece is left
        # over.
        latest = min(first + longest, frames - longest // 3)
        earliest = max(first + 1, latest - longest // 3)
        cut = earliest + int(smooth[earliest:latest].argmin())
        pieces.append((first, cut))
        first = cut
    return [*pieces, (first, frames)]


def _clip(
    take: Take,
    source: Source,
    transcript: Transcript,
    *,
    clip_id: str,
    first: int,
    last: int,
) -> Clip:
    """The motion frames from `first` to before `last` of a take."""
    part = slice(first, last)
    audio = take.audio[samples_of_motion_frames(first) : samples_of_motion_frames(last)]
    from_s = take.start_s + first / MOTION_RATE_HZ
    heard_s = from_s - take.offset_s  # on the clock of the sound
    words = _words(transcript, from_s=heard_s, to_s=heard_s + (last - first) / MOTION_RATE_HZ)
    text = " ".join(word.text for word in words)
    if take.whole and last - first == len(take.expression):
        text = transcript.text or source.transcript
    return Clip(
        clip_id=clip_id,
        audio=to_int16(audio),
        expression=take.expression[part].astype(np.float32),
        rotation=take.rotation[part].astype(np.float32),
        jaw=take.jaw[part].astype(np.float32),
        camera=take.camera[part].astype(np.float32),
        shape=take.shape.astype(np.float32),
        speaker_id=source.speaker_id,
        language=source.language,
        source=f"{take.tool}: {source.source_id}",
        transcript=text,
        words=words,
        prosody=extract_prosody(audio, frames=SPEECH_FRAMES_PER_MOTION_FRAME * (last - first)),
        pictures=None if take.pictures is None else take.pictures.part(first, last),
        measures=take.measures | {"start_s": from_s},
        space=take.space,
    )


def _words(transcript: Transcript, *, from_s: float, to_s: float) -> tuple[Timed, ...]:
    """Return the words whose middle is in the clip, timed from its start."""
    if transcript.unit != "word":
        return ()
    return tuple(
        Timed(word.text, max(0.0, word.start_s - from_s), min(word.end_s, to_s) - from_s)
        for word in transcript.spoken
        if from_s <= (word.start_s + word.end_s) / 2 < to_s
    )
