"""Methods behind the `System` protocol, and the choice among them."""

from collections.abc import Callable, Collection

from ksdiff_jax.config import Config
from ksdiff_jax.models.ksdiff import KSDiff
from ksdiff_jax.models.ksdiff.check import check_model_config
from ksdiff_jax.models.ksdiff.flops import training_step_flops
from ksdiff_jax.models.system import Batch, System

__all__ = ["build_system", "step_flops"]


def build_system(config: Config) -> System:
    """The system that a configuration describes; raises `InputError` for one that cannot be
    built.
    """
    check_model_config(config)
    return KSDiff(config)


def step_flops(config: Config, *, held: Collection[str] = ()) -> Callable[[Batch], float]:
    """The floating-point operations of a training step of that system, as a function of the batch.

    `held` are the parts of it that training keeps still.
    """

    def count(batch: Batch) -> float:
        clips, frames = batch.motion.shape[:2]
        features = batch.speech.features is not None
        return training_step_flops(config, batch=clips, frames=frames, features=features, held=held)

    return count
