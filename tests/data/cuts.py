"""The training batches of a configuration of KSDiff."""

from ksdiff_jax.data.loader import (
    RandomCut,
    ShuffledEpochs,
    TrainingBatches,
    training_batches,
    training_reader,
)
from ksdiff_jax.models import build_system


def cuts(config, folder, *, seed, features_of=None, **options) -> TrainingBatches:
    cut = RandomCut(build_system(config).example, config.data.clip_frames, features_of)
    clips = ShuffledEpochs(training_reader(folder, data=config.data), seed)
    return training_batches(cut, clips, data=config.data, seed=seed, **options)
