"""The frozen lip-sync model that a system's configuration names, as a loss of that system
(DisentTalk Eq. 10, FD2Talk Eq. 11).

`model.sync.path` names a checkpoint of the system `sync`. Its weights are constants of the training
step; they are not part of the parameters or checkpoints of the system that it trains. The model
reads the cached features of a batch if both have the same encoder, and the sound otherwise.
"""

import functools
from collections.abc import Callable

import jax

from ksdiff_jax.config import Config
from ksdiff_jax.errors import InputError
from ksdiff_jax.models.sync.expert import Expert, load_expert, sync_loss
from ksdiff_jax.motion.space import MotionSpace
from ksdiff_jax.speech.utterance import Speech
from ksdiff_jax.typing import Array, Float

# The loss of each clip, from its speech and its raw motion; the model's parameters are constant.
SyncLoss = Callable[[Speech, Float[Array, "b t m"]], Float[Array, "b"]]


def configured_sync_loss(config: Config, space: MotionSpace) -> SyncLoss | None:
    """Return the loss that `loss.sync` weights; None if that is 0.

    Raise `InputError` if no lip-sync model is named, or if its digest is not `model.sync.digest`.
    """
    if not config.loss.sync:
        return None
    path, digest = config.model.sync.path, config.model.sync.digest
    if not path:
        raise InputError(
            f"loss.sync {config.loss.sync:g}: needs a lip-sync model, model.sync.path, as "
            "`ksdiff-jax train sync_demo` makes one; or set --loss.sync 0"
        )
    expert = _expert(path, space.name)
    if digest not in ("", expert.digest):
        raise InputError(
            f"{path}: this lip-sync model has digest {expert.digest[:12]}, the configuration "
            f"names {digest[:12]}; name that one, or leave model.sync.digest empty"
        )
    shared = _reads_the_features_of(config, expert)

    def loss(speech: Speech, motion: Float[Array, "b t m"]) -> Float[Array, "b"]:
        if not shared and not speech.audio.shape[-1]:
            raise InputError(
                f"{path}: this lip-sync model uses another encoder than model.encoder, and "
                "batches of cached features have no sound; train one with --model.encoder.path "
                f"{config.model.encoder.path}, or set --loss.sync 0"
            )
        speech = speech if shared else speech._replace(features=None)
        return sync_loss(expert.params, speech, motion, speech.mask, system=expert.system)

    return loss


@functools.lru_cache(maxsize=4)
def _expert(path: str, space: str) -> Expert:
    # A training step may be traced when the model is first needed; what is kept must be arrays.
    with jax.ensure_compile_time_eval():
        return load_expert(path, space=space)


def _reads_the_features_of(config: Config, expert: Expert) -> bool:
    """Return whether the lip-sync model has the same frozen encoder."""
    ours, theirs = config.model.encoder, expert.system.config.model.encoder
    frozen = ours.kind == theirs.kind == "pretrained" and not (ours.finetune or theirs.finetune)
    return frozen and ours.digest == theirs.digest
