"""The requirements of KSDiff on a data set, and the settings that are valid on the built-in head
only.
"""

from ksdiff_jax.models.ksdiff.config import Config
from ksdiff_jax.models.system import Needs
from ksdiff_jax.motion.space import BUILTIN, EXPRESSION, FLAME


def needs_of(config: Config) -> Needs:
    """Return the requirements of a configuration.

    `loss.lip_gap` measures on the built-in head, and drawn blinks are its own. `sample.lip_dims`
    may name single expression directions of the built-in head; a list of all directions, or of
    none, has the same meaning in every space.
    """
    builtin_only = []
    if config.loss.lip_gap:
        builtin_only.append(
            f"loss.lip_gap {config.loss.lip_gap:g} measures on the built-in head; "
            "set --loss.lip_gap 0"
        )
    if config.sample.blinks == "drawn":
        builtin_only.append(
            "sample.blinks drawn are blinks of the built-in head; set --sample.blinks sampled"
        )
    chosen = set(config.sample.lip_dims) & set(range(EXPRESSION.stop))
    if chosen and len(chosen) < EXPRESSION.stop:
        builtin_only.append(
            f"sample.lip_dims names {len(chosen)} expression directions of the built-in head; set "
            "--sample.lip_dims 53,54,55 (the jaw) or name all directions"
        )
    return Needs(
        spaces=(BUILTIN.name, FLAME.name),
        builtin_only=tuple(builtin_only),
        kept=("speech",) if config.model.encoder.kind == "pretrained" else (),
        # The styles of a distilled model are drawn, not those of its data.
        styles=() if config.distill.teacher else config.model.generator.styles,
        per_style=("regression/*",),
    )
