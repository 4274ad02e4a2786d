"""Converts a raw video to clips: tracks its face by landmarks and a fit, without licensed weights.

    video -> shots -> one face followed -> 478 landmarks a frame, by the video's clock
          -> 25 Hz -> fit -> take -> clips

The camera of the result refers to a square centred at the mean position of the face, 1.25 times as
large as the face. The square is fixed over the take, so that head motion is in the camera's
translation.
"""

import warnings
from pathlib import Path

import numpy as np

from ksdiff_jax.audio.timebase import MOTION_RATE_HZ, SAMPLE_RATE_HZ
from ksdiff_jax.audio.waveform import AudioWarning, Recording, read_recording
from ksdiff_jax.data.prepare.overlap import Lengths, Span, check_lengths, overlap, stretch_to
from ksdiff_jax.data.prepare.source import (
    Cut,
    Offset,
    Outcome,
    Rejected,
    Rejection,
    Settings,
    Source,
)
from ksdiff_jax.data.prepare.take import Take, clips_of_take, sound_of_take
from ksdiff_jax.data.prepare.take_pictures import with_pictures
from ksdiff_jax.data.tracking.follow import FollowedFace, follow, single_face, survey
from ksdiff_jax.data.tracking.speaker import (
    SURE_LEAD,
    AudioVisualOffset,
    audio_visual_offset,
)
from ksdiff_jax.data.tracking.tracker import Tracker
from ksdiff_jax.data.tracking.video import can_be_opened, has_sound
from ksdiff_jax.errors import InputError
from ksdiff_jax.face import (
    FaceModel,
    builtin_face,
    face_height,
    face_vertices,
    load_face,
    mouth_opening,
)
from ksdiff_jax.face.fit import FaceFit, fit_landmarks
from ksdiff_jax.face.landmarks import (
    TRACKED_POINTS,
    LandmarkEmbedding,
    builtin_landmarks,
    landmark_model,
    read_landmarks,
)
from ksdiff_jax.motion.resample import resampled
from ksdiff_jax.speech.transcripts.read import read_transcript
from ksdiff_jax.speech.transcripts.sidecar import find_sidecar
from ksdiff_jax.speech.transcripts.spoken_words import Transcript
from ksdiff_jax.typing import Float

TOOL = "ksdiff-jax tracker"
LONGEST_GAP_S = 0.32  # a face lost for longer ends the take
LEAST_SEEN_SHARE = 0.8
LONGEST_TAKE_S = 40.0  # one identity is fitted to each; bounds memory
SQUARE_OF_FACE = 1.25
# Median distance between fitted and detected landmarks, in half squares: 4 pixels of 256. Real
# clips have 0.005.
LARGEST_ERROR = 0.03
# a transcript without times still applies to a take if at most this much of the sound is missing
ALL_WORDS_S = 0.5


def clips_of_video(source: Source, settings: Settings) -> Outcome:
    """Track the face of a video. Raises `Rejected` if nothing of it can be used."""
    recording, transcript = sound_of_video(source, settings), transcript_of(source)
    face, embedding = face_and_landmarks(settings)
    rejections: list[Rejection] = []
    with Tracker(settings.tracker_python) as tracker:
        try:
            seen = survey(source.video, tracker, start_s=source.start_s, end_s=source.end_s)
        except InputError as error:
            raise Rejected("unreadable", str(error)) from error
        shared, cut = shared_part(seen.times_s, recording, source, stretch=settings.stretch)
        crops = {}
        for number, shot in enumerate(seen.shots):
            name, seconds = (
                _name(source, seen.times_s[shot.start]),
                float(np.ptp(seen.times_s[shot])),
            )
            if seconds < settings.min_s:
                detail = f"a shot of {seconds:.2f} s; need {settings.min_s:g} s or more"
                rejections.append(Rejection(name, "too_short", detail))
                continue
            try:
                crops[number] = single_face(seen, shot)
            except Rejected as reason:
                rejections.append(Rejection(name, reason.reason, reason.detail))
        followed = follow(
            source.video, seen, crops, tracker, start_s=source.start_s, end_s=source.end_s
        )
    takes, offsets = [], []
    all_words = len(seen.shots) == 1 and cut.sound_s <= ALL_WORDS_S
    for shot_face in followed.values():
        kept_face = part_of_face(shot_face, shared, stretch=cut.stretch)
        for stretch in stretches(kept_face):
            whole = all_words and len(stretch.times_s) == len(kept_face.times_s)
            name = _name(source, stretch.times_s[0])
            try:
                take = take_of_face(
                    stretch, recording.audio, face=face, embedding=embedding, whole=whole
                )
                offsets.append(offset_of_take(name, take))
                take = aligned(take, recording.audio, settings)
            except Rejected as reason:
                rejections.append(Rejection(name, reason.reason, reason.detail))
                continue
            offsets[-1] = offsets[-1]._replace(corrected_s=take.offset_s)
            takes.append((take, stretch))
    clips = []
    for take in with_pictures(takes, source, side=settings.pictures, stretch=cut.stretch):
        kept, refused = clips_of_take(take, source, transcript, settings)
        clips += kept
        rejections += refused
    return Outcome(tuple(clips), tuple(rejections), cut, offsets=tuple(offsets))


def sound_of_video(source: Source, settings: Settings) -> Recording:
    """Return the sound of a video or of coefficients, from the first instant of its file on, at 16
    kHz.
    """
    path = source.audio or source.video
    if not source.audio and not has_sound(source.video):
        if not Path(source.video).is_file() or not Path(source.video).stat().st_size:
            raise Rejected("unreadable", f"{source.video}: no such file, or 0 bytes")
        if not can_be_opened(source.video):
            detail = "not a video that FFmpeg can read; a broken or incomplete file"
            raise Rejected("unreadable", f"{source.video}: {detail}")
        raise Rejected(
            "no_sound",
            f"{path}: no sound track, and no recording of that name beside it or in --audio",
        )
    try:
        recording = read_recording(
            path, channel=settings.channel, audio_stream=settings.audio_stream
        )
    except InputError as error:
        raise Rejected("no_sound", str(error)) from error
    for note in recording.notes:
        warnings.warn(note, AudioWarning, stacklevel=2)
    return recording


def transcript_of(source: Source) -> Transcript:
    """Return the transcript from a file beside the sound or the video, otherwise the one in the
    source itself.
    """
    for path in filter(None, (source.audio, source.video, source.coefficients)):
        if sidecar := find_sidecar(path):
            return read_transcript(sidecar, recording=path)
    return Transcript(source.transcript, "")


def face_and_landmarks(settings: Settings) -> tuple[FaceModel, LandmarkEmbedding]:
    """Return the face model to fit, and the positions of the tracker's points on it."""
    if not settings.face:
        return builtin_face(), builtin_landmarks()
    if not settings.landmarks:
        raise InputError(
            f"--face {settings.face}: give the positions of the tracker's points on it with "
            "--landmarks; "
            "FLAME comes with mediapipe_landmark_embedding.npz"
        )
    face = load_face(settings.face)
    return face, read_landmarks(settings.landmarks, face)


def sound_span(recording: Recording) -> Span:
    """Return the span from the first recorded sound to the end; before it a player is silent, and
    so is the recording.
    """
    return Span(recording.start_s, len(recording.audio) / SAMPLE_RATE_HZ)


def wanted(source: Source) -> Span:
    """Return the part of the file to use."""
    return Span(source.start_s, float("inf") if source.end_s is None else source.end_s)


def shared_part(
    times_s: Float[np.ndarray, "n"], recording: Recording, source: Source, *, stretch: bool
) -> tuple[Span, Cut]:
    """Return the part that pictures and sound share, and what is cut off. Raises `Rejected` if they
    do not match.

    Pictures and sound of one file share its clock: they are only cut. Sound from another file may
    have another speed or be another recording; only whole files are compared.
    """
    period_s = float(np.median(np.diff(times_s))) if len(times_s) > 1 else 1 / MOTION_RATE_HZ
    motion_s, sound_s, factor = (
        float(times_s[-1]) + period_s,
        len(recording.audio) / SAMPLE_RATE_HZ,
        1.0,
    )
    if source.audio and source.start_s == 0 and source.end_s is None:
        if stretch:
            factor = stretch_to(motion_s=motion_s, sound_s=sound_s, what=source.video)
        else:
            average_s = motion_s / len(times_s)
            check_lengths(
                Lengths(len(times_s), period_s=average_s, motion_s=motion_s, sound_s=sound_s),
                what=source.video,
                origin=f"by its clock; the sound is {source.audio}",
                remedy="",
            )
    motion = Span(max(0.0, factor * float(times_s[0])), factor * motion_s)
    shared, cut = overlap(motion, sound_span(recording), wanted=wanted(source))
    if not shared.seconds:
        raise Rejected(
            "length_mismatch",
            f"{source.video}: pictures and sound do not overlap in time; need both at once",
        )
    return shared, cut._replace(stretch=round(factor, 6))


def part_of_face(face: FollowedFace, part: Span, *, stretch: float = 1.0) -> FollowedFace:
    """Return the frames within a part, on the clock of the sound."""
    times_s = face.times_s * stretch
    inside = (times_s >= part.start_s) & (times_s < part.end_s)
    return FollowedFace(times_s[inside], face.landmarks[inside])


def stretches(face: FollowedFace) -> list[FollowedFace]:
    """Return the parts of a shot in which the face was not lost for long, none longer than the
    longest take.
    """
    seen = np.flatnonzero(face.seen)
    if not len(seen):
        return []
    breaks = np.flatnonzero(np.diff(face.times_s[seen]) > LONGEST_GAP_S) + 1
    parts = []
    for run in np.split(seen, breaks):
        span = slice(run[0], run[-1] + 1)
        pieces = int(np.ceil(np.ptp(face.times_s[span]) / LONGEST_TAKE_S)) or 1
        parts += np.array_split(np.arange(span.start, span.stop), pieces)
    return [FollowedFace(face.times_s[part], face.landmarks[part]) for part in parts]


def take_of_face(
    followed: FollowedFace,
    audio: Float[np.ndarray, "s"],
    *,
    face: FaceModel,
    embedding: LandmarkEmbedding,
    whole: bool = False,
) -> Take:
    """Fit a face to one stretch of landmarks.

    Raises `Rejected` for bad tracking and for a face that does not speak.
    """
    start_s = max(0.0, float(followed.times_s[0]))
    heard = int((len(audio) / SAMPLE_RATE_HZ - start_s) * MOTION_RATE_HZ + 1e-6)
    frames = min(int((followed.times_s[-1] - start_s) * MOTION_RATE_HZ + 1e-6) + 1, max(1, heard))
    wanted_s = start_s + np.arange(frames) / MOTION_RATE_HZ
    share = float(followed.seen.mean())
    if share < LEAST_SEEN_SHARE:
        raise Rejected(
            "bad_tracking",
            f"the face is seen in {share:.0%} of the frames; need {LEAST_SEEN_SHARE:.0%}",
        )
    points, weights = _at_motion_rate(followed, wanted_s)
    model = landmark_model(face, embedding)
    fit = fit_landmarks(model, _in_square(points[:, embedding.points]), weights)
    error = float(np.median(fit.error))
    if not error < LARGEST_ERROR:
        raise Rejected(
            "bad_tracking",
            f"the face model misses the landmarks by {error:.3f}; need {LARGEST_ERROR:g}",
        )
    sound = sound_of_take(audio, start_s=start_s, frames=frames)
    opening = fitted_opening(fit, face)
    mouth = audio_visual_offset(opening, sound)
    if not mouth.speaks:
        detail = (
            f"the mouth moves by {np.std(opening):.4f} of the face's height while there is sound"
        )
        raise Rejected("silent_speaker", detail)
    measures = {"reprojection_error": error, "seen_share": share}
    measures |= {"mouth_opening_std": float(np.std(opening))} | _offset_measures(mouth)
    pose = fit.pose
    return Take(
        start_s=start_s,
        expression=np.asarray(pose.expression),
        rotation=np.asarray(pose.rotation),
        jaw=np.asarray(pose.jaw),
        camera=np.asarray(pose.camera),
        shape=fit.shape,
        audio=sound,
        tool=TOOL,
        measures=measures,
        whole=whole,
        space=face.space,
    )


def _offset_measures(mouth: AudioVisualOffset) -> dict[str, float]:
    """Return what is known of the offset of sound and face; {} where it is undefined."""
    if not np.isfinite(mouth.correlation):
        return {}
    return {
        "av_offset_s": mouth.offset_s,
        "av_correlation": mouth.correlation,
        "av_lead": mouth.lead,
    }


def offset_of_take(name: str, take: Take) -> Offset:
    """Return the offset that was measured on a take, with its sound as in the source."""
    measured = [take.measures.get(key) for key in ("av_offset_s", "av_correlation", "av_lead")]
    return Offset(name, *measured, sure=_measured_offset(take).sure, corrected_s=0.0)


def aligned(take: Take, audio: Float[np.ndarray, "s"], settings: Settings) -> Take:
    """Return a take with its sound moved by the measured offset, if that is sure and
    `settings.offset` asks for it; `audio` is the whole sound of its source.

    The frames for which there is no sound are left out. Raise `Rejected` for an offset that is not
    sure if it is to be refused.
    """
    offset = _measured_offset(take)
    if settings.offset == "refuse" and not offset.sure:
        detail = (
            f"the mouth follows the sound best at {offset.offset_s:+.2f} s, r "
            f"{offset.correlation:.2f}, {offset.lead:.2f} above any other shift; need {SURE_LEAD:g}"
        )
        raise Rejected("uncertain_offset", detail)
    if settings.offset == "keep" or not offset.frames:
        return take
    offset_s = offset.frames / MOTION_RATE_HZ
    heard_s = take.start_s - offset_s  # of the first frame, on the clock of the sound
    first = max(0, int(np.ceil(-heard_s * MOTION_RATE_HZ - 1e-6)))
    last = min(
        len(take.expression), int((len(audio) / SAMPLE_RATE_HZ - heard_s) * MOTION_RATE_HZ + 1e-6)
    )
    if first >= last:
        raise Rejected("too_short", f"no sound is left after its offset of {offset_s:+.2f} s")
    moved = {
        name: getattr(take, name)[first:last]
        for name in ("expression", "rotation", "jaw", "camera")
    }
    start_s = take.start_s + first / MOTION_RATE_HZ
    sound = sound_of_take(audio, start_s=start_s - offset_s, frames=last - first)
    return take._replace(start_s=start_s, audio=sound, offset_s=offset_s, **moved)


def _measured_offset(take: Take) -> AudioVisualOffset:
    values = (
        take.measures.get(key, np.nan) for key in ("av_offset_s", "av_correlation", "av_lead")
    )
    return AudioVisualOffset(*values, speaks=True)


def _at_motion_rate(
    followed: FollowedFace, wanted_s: Float[np.ndarray, "t"]
) -> tuple[Float[np.ndarray, "t n 2"], Float[np.ndarray, "t"]]:
    """Landmarks at the wanted times, interpolated between the frames that show the face, and
    weights: 1 where such a frame is within 1 / MOTION_RATE_HZ seconds, else 0.
    """
    times_s = followed.times_s[followed.seen]
    points = resampled(followed.landmarks[followed.seen][:, :TRACKED_POINTS], times_s, wanted_s)
    following = np.searchsorted(times_s, wanted_s)
    after_s = np.abs(times_s[np.clip(following, 1, len(times_s) - 1)] - wanted_s)
    before_s = np.abs(times_s[np.clip(following - 1, 0, None)] - wanted_s)
    near = np.minimum(after_s, before_s) <= 1.0 / MOTION_RATE_HZ
    return points, near.astype(np.float32)


def _in_square(points: Float[np.ndarray, "t c 2"]) -> Float[np.ndarray, "t c 2"]:
    """Pixels as half widths of a square around the face of the clip, y up."""
    half = SQUARE_OF_FACE * float(np.median(np.ptp(points, axis=1).max(axis=-1))) / 2
    in_square = (points - points.mean(axis=(0, 1))) / half * np.array([1, -1])
    return in_square.astype(np.float32)


def fitted_opening(fit: FaceFit, face: FaceModel) -> Float[np.ndarray, "t"]:
    """Return the distance of the inner lips over the face's height."""
    vertices = face_vertices(face, fit.pose.expression, shape=fit.shape, jaw_pose=fit.pose.jaw)
    return np.asarray(mouth_opening(face, vertices)) / face_height(face)


def _name(source: Source, time_s: float) -> str:
    return f"{source.source_id}@{max(0.0, float(time_s)):.2f}"
