"""The regions of the face (Eq. 1-2): the numbers of a motion frame that belong to each.

    E = (expression, jaw), or the expression alone in bfm, whose jaw does not move
    R = (eye, lip, global),   D_global = {0 … N − 1} \\ (D_lip ∪ D_eye)

DisentTalk generates E. The other numbers of a frame, rotation and camera or translation, are the
head pose, which the paper takes from a reference video.
"""

from ksdiff_jax.errors import InputError
from ksdiff_jax.models.disenttalk.config import RegionsConfig
from ksdiff_jax.motion.space import MotionSpace, expression_columns

LIP = "lip"
WHOLE = "face"  # the only region of the ablation "w/o DISENTANGLE"


def region_numbers(config: RegionsConfig, space: MotionSpace) -> dict[str, tuple[int, ...]]:
    """Return the indices into E of every region, in the order of Eq. 4.

    Raise `InputError` for a region without numbers, for duplicate numbers, and for numbers that E
    does not have.
    """
    count = len(expression_columns(space))
    if not config.disentangle:
        return {WHOLE: tuple(range(count))}
    chosen = {"eye": config.eye, LIP: config.lip}
    for name, numbers in chosen.items():
        if not numbers:
            raise _wrong(f"{name} is empty", count)
        if outside := [number for number in numbers if not 0 <= number < count]:
            raise _wrong(f"{name} has {outside[0]}, beyond the {space.name} space", count)
    taken = [*config.eye, *config.lip]
    if twice := sorted({number for number in taken if taken.count(number) > 1}):
        raise _wrong(f"lip and eye have {twice[0]} twice", count)
    rest = tuple(number for number in range(count) if number not in taken)
    if not rest:
        raise _wrong(f"lip and eye have all {count} numbers and leave no global region", count)
    return chosen | {"global": rest}


def _wrong(what: str, count: int) -> InputError:
    return InputError(
        f"model.regions.{what}: need different numbers from 0 to {count - 1}; "
        "`ksdiff-jax regions SHARDS` measures them"
    )
