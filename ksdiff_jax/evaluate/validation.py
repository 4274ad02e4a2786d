"""The metrics that the validation of a training run computes in addition to the loss."""

from collections.abc import Sequence

from ksdiff_jax.animate.engine import Engine
from ksdiff_jax.data.schema import Clip
from ksdiff_jax.data.transforms import FeaturesOf
from ksdiff_jax.evaluate.painted import painted_figures
from ksdiff_jax.evaluate.run import evaluate_clips
from ksdiff_jax.evaluate.scores import groups_without_face
from ksdiff_jax.evaluate.student import student_figures
from ksdiff_jax.evaluate.sync import sync_figures
from ksdiff_jax.models.fd2talk.autoencoder.system import FD2TalkAutoencoder
from ksdiff_jax.models.student.system import Student
from ksdiff_jax.models.sync.expert import Expert
from ksdiff_jax.models.sync.system import Sync
from ksdiff_jax.models.system import PaintingSystem, System
from ksdiff_jax.typing import PyTree


def validation_figures(
    system: System,
    params: PyTree,
    clips: Sequence[Clip],
    *,
    features_of: FeaturesOf | None = None,
) -> dict[str, float]:
    """Return the metrics of a system on clips: the accuracy of a lip-sync model, how close a
    student is to its teacher, the PSNR of a picture system, the motion scores of any other system.
    """
    if isinstance(system, Sync):
        return sync_figures(Expert(system, params), clips)
    if isinstance(system, Student):
        return student_figures(system, params, clips, features_of=features_of)
    if isinstance(system, FD2TalkAutoencoder | PaintingSystem):
        return painted_figures(system, params, clips)
    engine = Engine(system, params, features_of=features_of)
    return evaluate_clips(engine, clips, groups=groups_without_face(system.space.name))
