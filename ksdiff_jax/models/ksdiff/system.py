"""KSDiff as a `System`: pure functions of a configuration and a motion space."""

from dataclasses import dataclass, replace
from typing import ClassVar

import jax.numpy as jnp
import numpy as np

from ksdiff_jax.config import Config
from ksdiff_jax.data.batch import Batch
from ksdiff_jax.data.schema import Clip
from ksdiff_jax.layers.execution import configured_execution
from ksdiff_jax.models.distillation import distillation_terms
from ksdiff_jax.models.frozen import stop_frozen
from ksdiff_jax.models.ksdiff.config import KeyframeConfig, SampleConfig
from ksdiff_jax.models.ksdiff.distillation import distilled_paths
from ksdiff_jax.models.ksdiff.live import LiveState, LiveWindow, empty_live_state, live_step
from ksdiff_jax.models.ksdiff.needs import needs_of
from ksdiff_jax.models.ksdiff.network import Network
from ksdiff_jax.models.ksdiff.sampling import sample_normalised
from ksdiff_jax.models.ksdiff.style import style_of_clip
from ksdiff_jax.models.ksdiff.training import training_terms
from ksdiff_jax.models.system import Needs, Sample, Terms
from ksdiff_jax.motion.space import BUILTIN, MotionSpace
from ksdiff_jax.rng import Given
from ksdiff_jax.speech.utterance import Speech, silent_speech
from ksdiff_jax.typing import Array, Bool, Float, Int, Key, PyTree


def keyframes_of_clip(clip: Clip, settings: KeyframeConfig) -> Bool[np.ndarray, "t 2"] | None:
    """Return the keyframes of a whole clip; None in the ablation "w/o keyframe"."""
    if not settings.enabled:
        return None
    # Imported here, because they need packages that sampling does not need.
    from ksdiff_jax.data.tally import motion_of_clip
    from ksdiff_jax.motion.clip_keyframes import clip_keyframes

    return clip_keyframes(
        motion_of_clip(clip),
        smoothing_frames=settings.smoothing_frames,
        threshold_std=settings.threshold_std,
        jaw=settings.head_jaw == "always",
    )


@dataclass(frozen=True)
class KSDiff:
    """Keyframe-augmented speech-aware dual-path diffusion; a `models.system.System`."""

    config: Config
    space: MotionSpace = BUILTIN
    holds_motion: ClassVar[bool] = True  # `sample` reads `Speech.held`
    joins_windows: ClassVar[bool] = True  # and `Speech.joint`

    @property
    def needs(self) -> Needs:
        """Return the requirements: motion of FLAME's parts, on the built-in head or on FLAME."""
        return needs_of(self.config)

    def example(
        self,
        clip: Clip,
        frames: int,
        *,
        rng: np.random.Generator | None = None,
        features: Float[np.ndarray, "f d"] | None = None,
    ) -> Batch:
        """Return one row of a batch: speech with its transcript, and motion of `frames` frames."""
        # Imported here, because it needs audio packages that sampling does not need.
        from ksdiff_jax.data.transforms import clip_row

        bits = keyframes_of_clip(clip, self.config.keyframe_settings)
        causal, share = None, self.config.model.causal.probability
        if rng is not None and share > 0:
            causal = bool(rng.random() < share)
        given = {"features": features, "keyframes": bits, "causal": causal}
        given["with_audio"] = bool(self.config.distill.teacher)
        row = clip_row(clip, frames, config=self.config, rng=rng, **given)
        if styles := self.config.model.generator.styles:
            style = style_of_clip(clip, styles, sources=self.config.data.sources)
            row = row._replace(style=np.int32(style))
        if self.config.weights_head:
            row = row._replace(head_weight=np.float32(_head_weight(clip, self.config)))
        return row

    @property
    def network(self) -> Network:
        """Return the Linen module of the parameters."""
        return Network(self.config.model, configured_execution(self.config))

    def init(self, key: Key[Array, ""]) -> PyTree:
        """Return new parameters, a nested dict: encoder, speech_paths, transcript_encoder,
        predictors_*, generators_*.
        """
        return self.network.init(
            key, silent_speech(tokens=self.config.model.transcript.max_tokens)
        )["params"]

    def loss(self, params: PyTree, batch: Batch, keys: Key[Array, "b"], *, train: bool) -> Terms:
        """Return every weighted term of Eq. 7 of each clip, or those of distillation; frozen
        parameters get no gradient.
        """
        params = stop_frozen(params, self.config)
        if self.config.distill.teacher:
            given = {"config": self.config, "train": train}
            paths = distilled_paths(self.network, params, batch, keys, **given)
            given = {"schedule": self.config.model.diffusion, "settings": self.config.distill}
            return distillation_terms(paths, batch.speech.mask, **given)
        settings = {"config": self.config, "space": self.space, "train": train}
        return training_terms(self.network, params, batch, keys, **settings)

    def sample(
        self, params: PyTree, speech: Speech, keys: Key[Array, "b"] | Given, first: Int[Array, "b"]
    ) -> Sample:
        """Return raw motion (b, t, 59) in `model.output_dtype`, zero on padding, and keyframe
        tracks (b, t).
        """
        options = self.config.sample
        if speech.held is not None:
            given = self.space.normalise(speech.held.motion)
            speech = speech._replace(held=speech.held._replace(motion=given))
        if speech.joint is not None:
            motion, unedited = map(
                self.space.normalise, (speech.joint.motion, speech.joint.unedited)
            )
            joint = speech.joint._replace(motion=motion, unedited=unedited)
            speech = speech._replace(joint=joint)
        sample = sample_normalised(self._sampled, params, speech, keys, first, options=options)
        motion = jnp.where(speech.mask[..., None], self.space.denormalise(sample.motion), 0.0)
        return sample._replace(motion=motion.astype(jnp.dtype(self.config.model.output_dtype)))

    @property
    def _sampled(self) -> Network:
        return Network(self.config.model, configured_execution(self.config).unrolled)

    @property
    def _live_options(self) -> SampleConfig:
        return replace(self.config.sample, causal=True)

    def live_state(self) -> LiveState:
        """Return the state of a stream before its first frame."""
        return empty_live_state(self.config.model, self._live_options)

    def live_step(
        self,
        params: PyTree,
        state: LiveState,
        window: LiveWindow,
        keys: Key[Array, "b"],
        *,
        frames: int,
    ) -> tuple[LiveState, Sample]:
        """Return the state behind the next `frames` frames of a stream, and what `sample` returns
        for them in the causal mode.
        """
        given = {"frames": frames, "options": self._live_options}
        state, sample = live_step(self._sampled, params, state, window, keys, **given)
        motion = self.space.denormalise(sample.motion)
        motion = motion.astype(jnp.dtype(self.config.model.output_dtype))
        return state, sample._replace(motion=motion)


def _head_weight(clip: Clip, config: Config) -> float:
    """Return the factor of the head's losses that the source of a clip has."""
    weights = {source.label: source.head_weight for source in config.data.sources}
    return weights.get(clip.data_set, 1.0)
