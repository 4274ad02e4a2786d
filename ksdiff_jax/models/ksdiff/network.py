"""All parameters of KSDiff in one Linen module, and the computations that training and sampling
share.

The module contains the speech encoder, DPSE (`SpeechPaths`), the transcript encoder, and one
`KeyframePredictor` and one `MotionGenerator` per path. `models.ksdiff.training` and
`models.ksdiff.sampling` call its methods through `apply`.
"""

from typing import NamedTuple

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike

from ksdiff_jax.audio.timebase import SPEECH_FRAMES_PER_MOTION_FRAME
from ksdiff_jax.layers.attention import KeysValues
from ksdiff_jax.layers.execution import Execution
from ksdiff_jax.models.ksdiff.config import ModelConfig
from ksdiff_jax.models.ksdiff.keyframe_predictor import KeyframePredictor, PredictorMemory
from ksdiff_jax.models.ksdiff.motion_generator import GeneratorMemory, MotionGenerator
from ksdiff_jax.models.ksdiff.path_split import path_split
from ksdiff_jax.models.ksdiff.speech_paths import PathFeatures, SpeechPaths
from ksdiff_jax.models.ksdiff.speech_regression import SpeechRegression
from ksdiff_jax.models.ksdiff.transcript_encoder import TranscriptEncoder
from ksdiff_jax.motion.space import BUILTIN
from ksdiff_jax.speech.encoder import build_encoder
from ksdiff_jax.speech.transcript import BEGIN, END
from ksdiff_jax.speech.utterance import Speech
from ksdiff_jax.typing import AnyArray, Array, Bool, Float, Int, PyTree

TRACKS = ("expression", "head")  # the paths of speech features and of keyframes


class Encoded(NamedTuple):
    """Encoded speech and transcript, the conditions of predictors and generators."""

    features: PathFeatures
    text: Float[Array, "b l d"]
    text_mask: Bool[Array, "b l"]
    mask: Bool[Array, "b t"]
    # the regression of the expression (`model.regression`), and the same with dropout, for its loss
    regression: Float[Array, "b t c"] | None = None
    dropped_regression: Float[Array, "b t c"] | None = None
    causal: Bool[Array, "b"] | None = None  # clips in the causal mode; None: none is


def expression_generator(config: ModelConfig) -> str:
    """Return the name of the generator that moves the mouth."""
    return "expression" if config.generator.dual_path else "motion"


def generator_dims(config: ModelConfig) -> dict[str, tuple[int, ...]]:
    """Return the motion dimensions of every generator by its name: two paths, or one called
    "motion".
    """
    if not config.generator.dual_path:
        return {"motion": tuple(range(BUILTIN.width))}
    split = path_split(BUILTIN, config.jaw_path)
    return {"expression": split.expression, "head": split.head}


class Network(nn.Module):
    """The parameters of KSDiff and the computations that use them."""

    config: ModelConfig
    execution: Execution = Execution()

    def setup(self) -> None:
        config, execution = self.config, self.execution
        self.encoder = build_encoder(config.encoder, execution)
        self.speech_paths = SpeechPaths(config, execution)
        if config.transcript.enabled:
            self.transcript_encoder = TranscriptEncoder(config, execution)
        if config.keyframes.enabled:
            self.predictors = {track: KeyframePredictor(config, execution) for track in TRACKS}
        tracks = 1 if config.generator.dual_path else len(TRACKS)
        self.generators = {
            name: MotionGenerator(config, len(dims), tracks, execution)
            for name, dims in generator_dims(config).items()
        }
        if config.regression.enabled:
            dims = len(generator_dims(config)[expression_generator(config)])
            self.regression = SpeechRegression(config, dims, execution)

    def encode(
        self,
        speech: Speech,
        *,
        drop_transcript: Bool[Array, "b"],
        deterministic: bool,
        style: Int[Array, "b"] | None = None,
    ) -> Encoded:
        """Return the features of DPSE (§2.1) and of the transcript encoder, and the regression in a
        style.

        The speech encoder runs only if `speech.features` is None. A dropped transcript is replaced
        with an empty one, as is that of a causal clip. Without a transcript encoder, the text is
        one zero token (b, 1, D).
        """
        frame_mask = jnp.repeat(speech.mask, SPEECH_FRAMES_PER_MOTION_FRAME, axis=1)
        speech_features = self._speech_features(speech, frame_mask)
        features = self.speech_paths(
            speech_features,
            speech.prosody,
            frame_mask,
            deterministic=deterministic,
            causal=speech.causal,
        )
        ends = {"mask": speech.mask, "causal": speech.causal}
        if self.config.regression.enabled:
            ends |= self._regressions(speech_features, speech, style, deterministic=deterministic)
        if not self.config.transcript.enabled:
            nothing = jnp.zeros((speech.mask.shape[0], 1, self.config.width), features.head.dtype)
            return Encoded(features, nothing, jnp.ones(nothing.shape[:2], bool), **ends)
        if speech.causal is not None:
            drop_transcript = drop_transcript | speech.causal
        empty = jnp.zeros_like(speech.tokens).at[:, :2].set(jnp.array([BEGIN, END]))
        tokens = jnp.where(drop_transcript[:, None], empty, speech.tokens)
        text_mask = jnp.where(drop_transcript[:, None], empty > 0, speech.token_mask)
        text = self.transcript_encoder(tokens, text_mask, deterministic=deterministic)
        return Encoded(features, text, text_mask, **ends)

    def _regressions(
        self,
        features: Float[Array, "b f d"],
        speech: Speech,
        style: Int[Array, "b"] | None,
        *,
        deterministic: bool,
    ) -> dict[str, Float[Array, "b t c"]]:
        """Return both regressions of `Encoded` by their names."""
        given = {"style": style, "causal": speech.causal}
        share = self.config.regression.share
        dropped = {"share": 0.0, "deterministic": deterministic}
        return {
            "regression": self.regression(
                features, speech.mask, share=share, deterministic=True, **given
            ),
            "dropped_regression": self.regression(features, speech.mask, **dropped, **given),
        }

    def _speech_features(self, speech: Speech, mask: Bool[Array, "b f"]) -> Float[Array, "b f d"]:
        """Return the given features of the speech, or those of the encoder. Only the encoder that
        is trained with the model has a causal form here; a pretrained one reads the whole clip.
        """
        if speech.features is not None:
            return speech.features.astype(jnp.float32)
        if speech.causal is None or self.config.encoder.kind != "mel":
            return self.encoder(speech.audio, mask)
        ahead = self.config.causal.look_ahead_speech_frames
        return self.encoder(speech.audio, mask, causal=speech.causal, ahead=ahead)

    def predictor_memory(self, track: str, encoded: Encoded) -> PredictorMemory:
        """Return the memory that the keyframe predictor of `track` attends to."""
        return self.predictors[track].memory(getattr(encoded.features, track), encoded.text)

    def keyframe_logits(
        self, track: str, previous: Int[Array, "b t"], encoded: Encoded, *, deterministic: bool
    ) -> Float[Array, "b t"]:
        """Return the teacher-forced logits of `track`; `previous` contains the bits shifted by one
        frame.
        """
        return self.predictors[track](
            previous,
            getattr(encoded.features, track),
            self.predictor_memory(track, encoded),
            mask=encoded.mask,
            text_mask=encoded.text_mask,
            deterministic=deterministic,
            causal=encoded.causal,
        )

    def keyframe_block(
        self, track: str, *inputs: PyTree, **options: PyTree
    ) -> tuple[Float[Array, "b n"], tuple[KeysValues, ...]]:
        """Return what `KeyframePredictor.block` of `track` returns."""
        return self.predictors[track].block(*inputs, **options)

    def live_keyframe_step(
        self, track: str, *inputs: PyTree, **options: PyTree
    ) -> tuple[Float[Array, "b"], tuple[KeysValues, ...]]:
        """Return what `KeyframePredictor.live_step` of `track` returns."""
        return self.predictors[track].live_step(*inputs, **options)

    def live_denoise(
        self, name: str, *inputs: PyTree, **options: PyTree
    ) -> tuple[Float[Array, "b k c"], tuple[KeysValues, ...]]:
        """Return what `MotionGenerator.next_frames` of the generator `name` returns."""
        return self.generators[name].next_frames(*inputs, **options)

    def generator_memory(
        self,
        name: str,
        encoded: Encoded,
        keyframes: dict[str, Int[Array, "b t"]],
        *,
        drop_speech: Bool[Array, "b"],
        first: Int[AnyArray, ""] | int = 0,
    ) -> GeneratorMemory:
        """Return the memory that the generator `name` attends to; `keyframes` are bits or
        `UNKNOWN_BIT` per track, `first` is the index of the first frame.
        """
        tracks = (name,) if self.config.generator.dual_path else TRACKS
        features = tuple(getattr(encoded.features, track) for track in tracks)
        bits = tuple(keyframes[track] for track in tracks) if self.config.keyframes.enabled else ()
        regression = encoded.regression if name == expression_generator(self.config) else None
        given = {"drop_speech": drop_speech, "regression": regression, "causal": encoded.causal}
        return self.generators[name].memory(features, bits, encoded.text, **given, first=first)

    def denoise(self, name: str, *inputs: PyTree, **options: PyTree) -> Float[Array, "b t c"]:
        """Return x̂₀ of the generator `name`; c is the number of its motion dimensions. The inputs
        and options are those of `MotionGenerator.__call__`.
        """
        return self.generators[name](*inputs, **options)

    def __call__(self, speech: Speech) -> None:
        """Use every parameter once; for initialisation only."""
        batch, frames = speech.mask.shape
        nothing = jnp.zeros(batch, bool)
        encoded = self.encode(speech, drop_transcript=nothing, deterministic=True)
        bits = {track: jnp.zeros((batch, frames), jnp.int32) for track in TRACKS}
        if self.config.keyframes.enabled:
            for track in TRACKS:
                self.keyframe_logits(track, bits[track], encoded, deterministic=True)
        for name, dims in generator_dims(self.config).items():
            memory = self.generator_memory(name, encoded, bits, drop_speech=nothing)
            noisy = jnp.zeros((batch, frames, len(dims)))
            step = jnp.zeros(batch, jnp.int32)
            masks = {"mask": encoded.mask, "text_mask": encoded.text_mask}
            self.denoise(name, noisy, step, memory, **masks, deterministic=True)


def keyframe_tracks(config: ModelConfig) -> tuple[str, ...]:
    """Return the keyframe tracks that this model predicts: both, or none in the ablation "w/o
    keyframe".
    """
    return TRACKS if config.keyframes.enabled else ()


def compute_dtype(config: ModelConfig) -> DTypeLike:
    """Return the dtype of activations."""
    return jnp.dtype(config.compute_dtype)
