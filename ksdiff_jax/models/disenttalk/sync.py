"""The frozen lip-sync model of Eq. 10 as a loss of DisentTalk.

`model.sync.path` names a checkpoint of the system `sync`; its weights are constants of the training
step, and no part of DisentTalk's parameters or checkpoints.
"""

import functools

from ksdiff_jax.errors import InputError
from ksdiff_jax.models.disenttalk.config import Config
from ksdiff_jax.models.disenttalk.training import SyncLoss
from ksdiff_jax.motion.space import MotionSpace


def configured_sync_loss(config: Config, space: MotionSpace) -> SyncLoss | None:
    """The loss that `loss.sync` weighs; None where that is 0.

    Raises `InputError` where no lip-sync model is named, or another one than `model.sync.digest`.
    """
    if not config.loss.sync:
        return None
    if not config.model.sync.path:
        raise InputError(
            f"loss.sync {config.loss.sync:g}: needs a lip-sync model, model.sync.path, as "
            "`ksdiff-jax train sync_demo` makes one; or set --loss.sync 0"
        )
    return _sync_loss(config.model.sync.path, config.model.sync.digest, space.name)


@functools.lru_cache(maxsize=4)
def _sync_loss(path: str, digest: str, space: str) -> SyncLoss:
    from ksdiff_jax.models.sync.expert import load_expert, sync_loss

    expert = load_expert(path, space=space)
    if digest not in ("", expert.digest):
        raise InputError(
            f"{path}: this lip-sync model has digest {expert.digest[:12]}, the configuration "
            f"names {digest[:12]}; name that one, or leave model.sync.digest empty"
        )
    return lambda speech, motion: sync_loss(
        expert.params, speech, motion, speech.mask, system=expert.system, space=expert.space
    )
