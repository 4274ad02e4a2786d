"""Hierarchical region-aware spatial attention (Eq. 4).

    E_r = V_r x + lift_r                     features of region r: from those of the block, and
                                             from the noisy parameters of the region itself (R)
    F_spatial = W_f [Attention(E_r)]_{r in (eye, lip, global)}

The attention of a region is over the frames of its clip, with rotary positions (R); this is the
temporal context in region-specific processing. Without it (the ablation "w/o HIERARCHICAL") the
features of the regions are fused unchanged.
"""

import flax.linen as nn

from ksdiff_jax.layers.attention import Attention
from ksdiff_jax.layers.dense import Dense, JoinedDense
from ksdiff_jax.layers.execution import Execution
from ksdiff_jax.models.disenttalk.config import ModelConfig
from ksdiff_jax.typing import AnyArray, Array, Bool, Float


class RegionAttention(nn.Module):
    """F_spatial of Eq. 4 for the regions in `regions`, in their order."""

    config: ModelConfig
    regions: tuple[str, ...]
    execution: Execution = Execution()

    @nn.compact
    def __call__(
        self,
        x: Float[Array, "b t d"],
        lifted: tuple[Float[Array, "b t d"], ...],
        *,
        mask: Bool[Array, "b t"],
        time_s: Float[AnyArray, "t"],
    ) -> Float[Array, "b t d"]:
        config, dtype = self.config, self.execution.dtype
        attended = []
        for region, own in zip(self.regions, lifted, strict=True):
            features = Dense(config.width, dtype=dtype, name=f"view_{region}")(x) + own
            if config.region_attention:
                attention = Attention(
                    config.width, config.heads, self.execution, name=f"attention_{region}"
                )
                memory = attention.project(features, time_s)
                features = attention(features, memory, time_s=time_s, mask=mask[:, None, None])
            attended.append(features)
        return JoinedDense(config.width, dtype=dtype, name="fuse")(*attended)
