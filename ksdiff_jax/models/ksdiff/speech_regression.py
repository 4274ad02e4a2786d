"""A linear regression from speech features to the expression, as an input of its generator (R).

    s_t = norm(mean of the two speech features of frame t)         without learned scale
    r_t = b_k + Σ_{|j| <= reach} W_{k,j} dropout(s_{t+j})          k: the number of the style
    L_regression = mean |r − x|²
    r'_t = (1 − a) r_t + a r_t with the map of the first style     in every style; a: `share`

On a few minutes of real faces a ridge regression from the features of a speech recognition encoder
follows the mouths of unseen people better than a generator fine-tuned on the same minutes. Dropout
of the features has the effect of the ridge's penalty. The generator gets r' without dropout and
without a gradient, and adds what the regression lacks: closures, amplitude and everything that is
random. The first style is the built-in corpus, whose many sentences carry over to ways of speaking
that the few minutes of real faces lack.
"""

import flax.linen as nn
import jax.numpy as jnp

from ksdiff_jax.audio.timebase import SPEECH_FRAMES_PER_MOTION_FRAME
from ksdiff_jax.layers.execution import Execution
from ksdiff_jax.models.ksdiff.config import ModelConfig
from ksdiff_jax.models.ksdiff.style import UNKNOWN_STYLE
from ksdiff_jax.typing import Array, Bool, Float, Int


class SpeechRegression(nn.Module):
    """The regression of `dims` normalised coefficients, with one map for each style and one for the
    unknown style.
    """

    config: ModelConfig
    dims: int
    execution: Execution = Execution()

    @nn.compact
    def __call__(
        self,
        features: Float[Array, "b f n"],
        mask: Bool[Array, "b t"],
        *,
        style: Int[Array, "b"] | None,
        share: float,
        deterministic: bool,
        causal: Bool[Array, "b"] | None = None,
    ) -> Float[Array, "b t c"]:
        """Return r' in float32, zero on padding; `features` are those of the speech encoder. Clips
        of `causal` have frame t in place of those after it. Share 0 gives r.
        """
        settings, maps = self.config.regression, 1 + len(self.config.generator.styles)
        pairs = features.reshape(
            len(features), -1, SPEECH_FRAMES_PER_MOTION_FRAME, features.shape[-1]
        )
        rows = nn.LayerNorm(use_scale=False, use_bias=False, dtype=jnp.float32)(pairs.mean(axis=2))
        rows = nn.Dropout(settings.dropout)(rows, deterministic=deterministic)
        rows = jnp.where(mask[..., None], rows, 0.0).astype(self.execution.dtype)
        frames, reach = mask.shape[1], settings.reach_frames
        padded = jnp.pad(rows, ((0, 0), (reach, reach), (0, 0)))
        near = [padded[:, shift : shift + frames] for shift in range(2 * reach + 1)]
        if causal is not None:
            after = near[reach + 1 :]
            near[reach + 1 :] = [jnp.where(causal[:, None, None], rows, each) for each in after]
        near = jnp.concatenate(near, axis=-1)
        kernel = self.param(
            "kernel",
            nn.initializers.zeros,
            (maps, near.shape[-1], self.dims),
        )
        bias = self.param("bias", nn.initializers.zeros, (maps, self.dims))
        number = jnp.full(len(rows), UNKNOWN_STYLE) if style is None else style
        if share > 0:
            kernel, bias = ((1 - share) * each + share * each[1] for each in (kernel, bias))
        found = jnp.einsum("btn,bnc->btc", near, kernel[number].astype(near.dtype))
        found = found.astype(jnp.float32) + bias[number][:, None]
        return jnp.where(mask[..., None], found, 0.0)
