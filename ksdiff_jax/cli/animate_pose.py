"""Where `ksdiff-jax animate --pose SOURCE` takes the head pose from: a motion file, or another
checkpoint that is sampled on the same recording with the same seed, noise id and sample numbers.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ksdiff_jax.errors import InputError
from ksdiff_jax.speech.transcripts.spoken_words import Transcript

if TYPE_CHECKING:  # slow to import
    from ksdiff_jax.animate.motion import Motion
    from ksdiff_jax.audio.waveform import Recording

# (recording, transcript, seed, samples) -> a motion for each sample
PoseOf = Callable[["Recording", Transcript, int, int], "Sequence[Motion]"]


def pose_source(source: str, *, noise_id: str | None = None) -> PoseOf:
    """Return the poses of a recording's samples as a function; raise `InputError` where `source` is
    neither a motion file nor a checkpoint.
    """
    from ksdiff_jax.animate.animator import Animator
    from ksdiff_jax.animate.motion import Motion

    path = Path(source)
    if path.is_file():
        reference = Motion.load(path)
        return lambda recording, transcript, seed, samples: [reference] * samples
    try:
        animator = Animator.from_pretrained(source)
    except InputError as error:
        raise InputError(f"--pose {source}: no motion file and no checkpoint ({error})") from error

    def poses(recording: "Recording", transcript: Transcript, seed: int, samples: int):
        utterance = animator.read(recording, transcript=transcript, noise_id=noise_id)
        return animator.animate([utterance] * samples, numbers=range(samples), seed=seed)

    return poses
