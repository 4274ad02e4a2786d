"""The layout of the diffusion UNet: every field with its source.

`R` marks our choice: the paper prints no width. Defaults are latent diffusion's layout for pictures
of 256 × 256 (Rombach et al. 2022, Table 12, CelebA-HQ).
"""

from dataclasses import dataclass

from ksdiff_jax.limits import at_least, need


@dataclass(frozen=True)
class UNetConfig:
    """The UNet. Level 0 has the resolution of the latent, each further level half of it."""

    channels: int = 224  # R: of level 0
    multipliers: tuple[int, ...] = (1, 2, 3, 4)  # R: of the channels, per level
    blocks: int = 2  # R: per level on the way down; one more on the way up
    head_width: int = 32  # R: channels of an attention head
    # R: levels with self-attention. φ₁ and φ₂ are in the blocks of all levels.
    self_attention_levels: tuple[int, ...] = (1, 2, 3)
    context_width: int = 512  # R: of the tokens of motion and reference
    motion_tokens: int = 8  # R: the linear projection of a frame's {β, p} has this many
    ffn_ratio: int = 4  # R
    groups: int = 32  # R: of the normalisation
    # False: the ablation "concatenated conditions": one cross-attention to all tokens
    decoupled: bool = True

    def __post_init__(self) -> None:
        group = "model.unet"
        at_least(self, group, channels=1, blocks=1, head_width=2, context_width=4)
        at_least(self, group, motion_tokens=1, ffn_ratio=1, groups=1)
        levels = bool(self.multipliers) and min(self.multipliers) >= 1
        need(levels, self, f"{group}.multipliers", "one integer of 1 or more per level")
        for name, unit in (("head_width", self.head_width), ("groups", self.groups)):
            divisible = self.channels % unit == 0
            need(divisible, self, f"{group}.channels", f"a multiple of the {name}, {unit}")
        known = set(self.self_attention_levels) <= set(range(len(self.multipliers)))
        what = f"levels from 0 to {len(self.multipliers) - 1}"
        need(known, self, f"{group}.self_attention_levels", what)
        fours = "a multiple of 4: sines and cosines of two axes"
        need(self.context_width % 4 == 0, self, f"{group}.context_width", fours)

    @property
    def widths(self) -> tuple[int, ...]:
        """Return the channels of every level, the finest first."""
        return tuple(self.channels * multiplier for multiplier in self.multipliers)

    @property
    def divisor(self) -> int:
        """Return the number that divides the sides of a latent."""
        return 2 ** (len(self.multipliers) - 1)
