"""Videos and plots of the first validation clips, every `train.samples_every` steps.

    <workdir>/samples/step-00001000-<clip>.mp4    the built-in head with the clip's own sound
    <workdir>/samples/step-00001000-<clip>.png    mouth opening, head angles and keyframes over time

The clips and their noise are the same every time, so two samples of a clip differ only through the
weights.
"""

import re
import tempfile
from collections.abc import Sequence
from pathlib import Path

from ksdiff_jax.animate.engine import Engine
from ksdiff_jax.animate.motion import Motion
from ksdiff_jax.audio.waveform import write_wav
from ksdiff_jax.data.schema import Clip
from ksdiff_jax.evaluate.prediction import Prediction
from ksdiff_jax.evaluate.run import predict_clips
from ksdiff_jax.evaluate.scores import sound_of
from ksdiff_jax.export.plot import write_plot
from ksdiff_jax.files import make_folder

VIDEO_PIXELS = 256
# characters, of up to 4 bytes each: with step and extension within the 255 bytes of a file name
LONGEST_NAME = 55


def write_samples(engine: Engine, clips: Sequence[Clip], *, out: Path, step: int) -> list[Path]:
    """Write a video and a plot of each clip into `out`."""
    paths = []
    for clip, prediction in zip(clips, predict_clips(engine, clips), strict=True):
        paths += _write(
            clip, prediction, out / f"step-{step:08d}-{file_name(clip.clip_id)}", step=step
        )
    return paths


def file_name(clip_id: str) -> str:
    """Return a clip's name with only characters that every file system accepts."""
    return re.sub(r"[^\w.-]+", "_", clip_id).strip("._")[-LONGEST_NAME:] or "clip"


def _write(clip: Clip, prediction: Prediction, stem: Path, *, step: int) -> list[Path]:
    motion = Motion.from_coefficients(
        prediction.motion[0],
        fps=clip.fps,
        shape=clip.shape,
        space=clip.space,
        tracks={
            "keyframes_expression": prediction.keyframes_expression,
            "keyframes_head": prediction.keyframes_head,
        },
    )
    # Not `with_suffix`: a dot in a clip's name is part of the name.
    video, plot = (stem.parent / f"{stem.name}{suffix}" for suffix in (".mp4", ".png"))
    with tempfile.TemporaryDirectory(prefix=".sound-", dir=make_folder(stem.parent)) as folder:
        sound = Path(folder) / "sound.wav"
        write_wav(sound, sound_of(clip))
        # the folder belongs to the run
        motion.render(video, audio=sound, size=VIDEO_PIXELS, overwrite=True)
    title = f"{clip.clip_id}, step {step:,}"
    write_plot(
        plot,
        motion,
        opening_m=motion.mouth_opening(),
        audio=sound_of(clip),
        title=title,
        overwrite=True,
    )
    return [video, plot]
