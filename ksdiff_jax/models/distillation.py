"""The loss of a student (diffusion/distillation.py), per clip, for every system.

    L = mean over visited steps of  L_rec(x̂₀, A) + λ_vel L_vel(x̂₀, A) + λ_mr L_mr(x̂₀, A)

L_rec, L_vel and L_mr are those of KSDiff, Eq. 5 and 6: squared errors of motion and velocity, and
the error of the magnitude of short-time spectra, which keeps the amplitude of what is random.
"""

from collections.abc import Mapping

from ksdiff_jax.diffusion.config import DistillConfig
from ksdiff_jax.diffusion.distillation import Path, trajectory_end, visited
from ksdiff_jax.diffusion.schedule import Schedule
from ksdiff_jax.models.ksdiff.losses import reconstruction_loss, spectral_loss, velocity_loss
from ksdiff_jax.models.system import Terms
from ksdiff_jax.typing import Array, Bool


def distillation_terms(
    paths: Mapping[str, Path],
    mask: Bool[Array, "b t"],
    *,
    schedule: Schedule,
    settings: DistillConfig,
) -> Terms:
    """Return every weighted term of each clip, `<path>/<term>`; `mask` marks valid frames."""
    terms = {}
    for name, path in paths.items():
        target = trajectory_end(path, schedule=schedule, settings=settings)
        given = {"schedule": schedule, "student_steps": settings.student_steps}
        found = visited(path.student, path.noise, **given)

        def mean(loss, found=found, target=target, **options):
            return sum(loss(each, target, mask, **options) for each in found) / len(found)

        terms[f"{name}/reconstruction"] = mean(reconstruction_loss)
        terms[f"{name}/velocity"] = settings.velocity * mean(velocity_loss)
        spectral = mean(spectral_loss, windows=settings.spectral_windows)
        terms[f"{name}/spectral"] = settings.spectral * spectral
    return terms
