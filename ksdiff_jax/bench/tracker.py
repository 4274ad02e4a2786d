"""`ksdiff-jax bench tracker`: frames per second from raw video to coefficients, and their accuracy.

The video is ten seconds of the built-in head, which turns and opens its mouth in a known way; it is
drawn and encoded here. The measured pipeline is that of `ksdiff-jax prepare`: decoding, faces,
landmarks, fit, clip, with a new tracker process each time. The first run, which compiles the fit,
is reported separately.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

SECONDS = 10
FRAMES = 25 * SECONDS
NEEDED_FRAMES_PER_S = 25


def measure(args: argparse.Namespace) -> dict:
    """Measure frames per second, and errors against the motion that was drawn."""
    import numpy as np

    from ksdiff_jax.bench.machine import machine
    from ksdiff_jax.bench.voice import made_up_voice
    from ksdiff_jax.data.prepare.source import Settings, Source
    from ksdiff_jax.data.prepare.track import clips_of_video
    from ksdiff_jax.data.tracking.tracker import tracker_python
    from ksdiff_jax.face import builtin_face, face_height, face_vertices, mouth_opening

    tracker_python()  # fails at once if there is none
    face, (rotation, jaw) = builtin_face(), _motion()
    still = np.zeros((FRAMES, 50), np.float32)
    with tempfile.TemporaryDirectory() as folder:
        video = _drawn(
            Path(folder), made_up_voice(SECONDS), still=still, rotation=rotation, jaw=jaw
        )
        seconds = []
        for _ in range(args.repeats + 1):
            started = time.perf_counter()
            outcome = clips_of_video(Source("bench", video=str(video)), Settings())
            seconds.append(time.perf_counter() - started)
    (clip,) = outcome.clips
    warm_s = statistics.median(seconds[1:])
    opening, true = (
        np.asarray(
            mouth_opening(face, face_vertices(face, expression, shape=shape, jaw_pose=opened))
        )
        / face_height(face)
        for expression, shape, opened in (
            (clip.expression, clip.shape, clip.jaw),
            (still, None, jaw),
        )
    )
    frames = min(len(opening), len(true))
    turned = clip.rotation[:frames] - rotation[:frames]
    turned = np.degrees(np.abs(turned - turned.mean(axis=0)))
    return {
        "summary": f"{FRAMES / warm_s:.0f} frames/s from video to coefficients; "
        f"{NEEDED_FRAMES_PER_S} are needed",
        "work": f"{SECONDS} s of the built-in head, 512 x 512, 25 frames a second, sound inside",
        "frames_per_s": round(FRAMES / warm_s, 1),
        "first_s": round(seconds[0], 2),
        "seconds": [round(value, 2) for value in seconds[1:]],
        "reprojection_error_pixels_of_256": round(128 * clip.measures["reprojection_error"], 2),
        "mouth_opening_correlation": round(
            float(np.corrcoef(opening[:frames], true[:frames])[0, 1]), 4
        ),
        "head_rotation_error_deg": round(float(turned.mean()), 3),
        "machine": machine(),
    }


def _motion():
    """Return head rotations and jaw (t, 3), axis-angle: a head that looks around and speaks
    something like "ba ba ba".
    """
    import numpy as np

    t = np.arange(FRAMES) / 25
    rotation = np.stack(
        [0.08 * np.sin(2 * t), 0.2 * np.sin(1.7 * t), 0.06 * np.sin(2.3 * t)], axis=1
    )
    jaw = np.zeros((FRAMES, 3), np.float32)
    jaw[:, 0] = 0.12 * np.clip(np.sin(2 * np.pi * 1.5 * t) * np.sin(0.9 * t), 0, 1)
    return rotation.astype(np.float32), jaw


def _drawn(folder: Path, voice, *, still, rotation, jaw) -> Path:
    from ksdiff_jax.audio.waveform import write_wav
    from ksdiff_jax.export.picture import picture_form, pictures
    from ksdiff_jax.export.soundtrack import soundtrack
    from ksdiff_jax.export.video import VideoForm, write_video
    from ksdiff_jax.face import builtin_face, face_vertices

    face = builtin_face()
    write_wav(folder / "voice.wav", voice)
    vertices = face_vertices(face, still, global_orient=rotation, jaw_pose=jaw)
    drawn = pictures([vertices.__array__()], face, picture_form())
    form, sound = VideoForm(frames=FRAMES, fps=25), soundtrack(folder / "voice.wav")
    return write_video(folder / "head.mp4", drawn, form=form, sound=sound)
