"""Methods behind the `System` protocol, and the choice among them."""

from ksdiff_jax.config import Config
from ksdiff_jax.models.ksdiff import KSDiff
from ksdiff_jax.models.system import System

__all__ = ["build_system"]


def build_system(config: Config) -> System:
    """The system that a configuration describes."""
    return KSDiff(config)
