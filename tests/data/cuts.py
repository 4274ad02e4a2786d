"""The training batches of a configuration of KSDiff."""

from ksdiff_jax.data.loader import RandomCut, TrainingBatches, training_batches
from ksdiff_jax.models import build_system


def cuts(config, folder, *, features_of=None, **options) -> TrainingBatches:
    cut = RandomCut(build_system(config).example, config.data.clip_frames, features_of)
    return training_batches(cut, folder, data=config.data, **options)
