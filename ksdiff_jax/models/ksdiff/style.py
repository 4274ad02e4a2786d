"""The style of a clip: how its source, or its speaker, moves.

A model has a list of named styles, `model.generator.styles`, each the name of a data source or
`source/speaker`. A source may have the style of another one (`style=` of `data.sources`). The
number of a style is its place in the list, from 1; 0 is the unknown one. In training a clip has the
style of its speaker if there is one, otherwise that of its source, otherwise the unknown one; every
style is at random replaced with the unknown one (`style_drop_probability`), which therefore learns
what all of them share. In sampling `sample.style` names one; without it the style is unknown.
"""

from collections.abc import Sequence

from ksdiff_jax.config import SourceConfig
from ksdiff_jax.data.schema import Clip

UNKNOWN_STYLE = 0


def style_of_clip(
    clip: Clip, styles: Sequence[str], *, sources: Sequence[SourceConfig] = ()
) -> int:
    """Return the number of the style of a clip from one of the `sources`."""
    given = {source.label: source.style for source in sources if source.style}
    source = given.get(clip.data_set, clip.data_set)
    named = (f"{clip.data_set}/{clip.speaker_id}", source)
    return next((style_number(name, styles) for name in named if name in styles), UNKNOWN_STYLE)


def style_number(name: str, styles: Sequence[str]) -> int:
    """Return the number of a named style; "" is the unknown one."""
    return styles.index(name) + 1 if name else UNKNOWN_STYLE
