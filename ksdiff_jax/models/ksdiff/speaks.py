"""The motion spaces that KSDiff trains on, and the settings that hold in one of them only."""

from ksdiff_jax.config import Config
from ksdiff_jax.errors import InputError
from ksdiff_jax.motion.space import BUILTIN, EXPRESSION, FLAME

SPACES = (BUILTIN.name, FLAME.name)


def check_space(config: Config, space: str, *, what: str) -> None:
    """Raise `InputError` where KSDiff, or this configuration of it, does not fit the motion space.

    `loss.lip_gap` measures on the built-in head. `sample.lip_dims` may name single expression
    directions of the built-in head; all of them, or none, mean the same in every space.
    """
    if space not in SPACES:
        raise InputError(
            f"{what}: its coefficients are of the {space} space, KSDiff trains on "
            f"{' and '.join(SPACES)}; prepare the videos themselves, or FLAME coefficients of them"
        )
    if space == BUILTIN.name:
        return
    if config.loss.lip_gap:
        raise InputError(
            f"{what}: its coefficients are of the {space} space, loss.lip_gap "
            f"{config.loss.lip_gap:g} measures on the built-in head; set --loss.lip_gap 0"
        )
    chosen = set(config.sample.lip_dims) & set(range(EXPRESSION.stop))
    if chosen and len(chosen) < EXPRESSION.stop:
        raise InputError(
            f"{what}: its coefficients are of the {space} space, sample.lip_dims names "
            f"{len(chosen)} expression directions of the built-in head; set "
            "--sample.lip_dims 53,54,55 (the jaw) or name all directions"
        )
