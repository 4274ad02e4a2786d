"""The inference engine: it reads speech, pads it, cuts it into windows and samples their motion.

    engine = Engine(system, params)
    utterance = engine.read("speech.wav")               # or engine.read_clip(clip) of a data set
    (sample,) = engine.sample([utterance], seed=0)      # Sample(motion (t, 59), tracks of (t,))

The animator, the evaluation and the videos of a training run all sample with this engine, so the
evaluation measures the sampler that users run. Sample number n of an utterance has the key

    stream(stream(key(seed), "sample", n), "noise " + noise_id)

With `sample.causal` no frame depends on sound more than the look-ahead after it. A recording is
sampled as a stream (`live.py`; a system without streams has a `causal_form` of the recording), and
its noise id, unless the caller gave one, is "stream".

The noise id is a digest of the decoded sound unless the caller gives one, so that different
recordings get different noise. The empty id has the key without the second `stream`, the noise of
which depends on the seed alone. The random numbers of a frame depend on this key and the frame's
index only. The padded length of an utterance, its windows, and the other utterances of a batch do
not change them.

An utterance is padded to the next length of `buckets`; a longer one is cut into windows of at most
the last bucket (`windows.py`). All batches of a bucket have one size, so the sampler compiles once
per bucket and system. The compiled function is cached for later engines of the same system. A batch
is split over the devices of the mesh on which the parameters are placed, or over all devices if
they are placed on no mesh.
"""

import copy
import dataclasses
import functools
import hashlib
import warnings
from collections.abc import Callable, Sequence

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding

from ksdiff_jax.animate.batches import Runner, bucket_of
from ksdiff_jax.animate.causal_form import causal_form, live_form
from ksdiff_jax.animate.editing import check_edits, sample_edited
from ksdiff_jax.animate.joining import part_of_progress, sample_whole, window_frames, with_blinks
from ksdiff_jax.animate.keys import check_seed, sample_key
from ksdiff_jax.animate.live import LiveSampler, LiveSystem, live_samples
from ksdiff_jax.animate.options import with_look_ahead, with_sampling
from ksdiff_jax.animate.windows import plan_windows
from ksdiff_jax.audio.prosody import normalise_prosody
from ksdiff_jax.audio.waveform import from_int16
from ksdiff_jax.config import Config, MeshConfig
from ksdiff_jax.data.schema import Clip
from ksdiff_jax.data.transforms import FeaturesOf, raw_prosody, transcript_of_clip
from ksdiff_jax.errors import InputError, Notice
from ksdiff_jax.models.speech_encoder import (
    SpeechFeatures,
    encodes_recordings,
    sliding_features,
    speech_features,
)
from ksdiff_jax.models.system import Sample, System
from ksdiff_jax.motion.space import BUILTIN, MotionSpace
from ksdiff_jax.parallel.arrays import replicated
from ksdiff_jax.parallel.mesh import make_mesh
from ksdiff_jax.speech.feature_rows import FeatureRows
from ksdiff_jax.speech.reading import SpeechSource, read_utterance
from ksdiff_jax.speech.spoken_parts import byte_count, spoken_text
from ksdiff_jax.speech.transcript import SPECIAL_TOKENS
from ksdiff_jax.speech.transcripts.spoken_words import Transcript
from ksdiff_jax.speech.utterance import (
    Utterance,
    alike,
    cut_utterance,
    noise_id_of,
    part_of_text,
    whole_frames,
)
from ksdiff_jax.typing import PyTree

BUCKETS = (64, 128, 192, 256, 384, 512, 768, 1024)  # motion frames: 2.6 s to 41 s


class TranscriptWarning(Notice):
    """The transcript of a window exceeds the model's tokens and was cut."""


class CausalWarning(Notice):
    """The causal mode of a model that was not trained for it, or a transcript that it ignores."""


class Engine:
    """A system with its parameters; it samples utterances of any length."""

    def __init__(
        self,
        system: System,
        params: PyTree,
        *,
        buckets: Sequence[int] = BUCKETS,
        features_of: FeaturesOf | None = None,
    ):
        """Copy the parameters to the devices.

        `buckets` are the padded lengths in motion frames (25 Hz). `features_of` returns the cached
        speech features of a clip of a data set, so that a pretrained encoder need not run again.
        """
        self.system = system
        self.buckets = tuple(sorted(buckets))
        self.mesh = _mesh_of(params) or make_mesh(MeshConfig())
        self._given, self._features_of = params, features_of
        # The sampler does not use an encoder that runs on whole recordings.
        idle = ("encoder",) if encodes_recordings(system.config) else ()
        params = {part: leaves for part, leaves in params.items() if part not in idle}
        # Copied once; NumPy arrays would be copied to the device at every call.
        self._params = jax.device_put(params, replicated(self.mesh))

    @property
    def space(self) -> MotionSpace:
        """Return the motion space of the system."""
        return self.system.space

    def with_options(self, **options) -> "Engine":
        """Return this engine with other sampling options, which are fields of `config.sample`.

        Raise `InputError` for an unknown option or an invalid value. Parameters are shared, not
        copied.
        """
        config = with_sampling(self.system.config, **options)
        if config.sample.blinks == "drawn" and self.space.name != BUILTIN.name:
            raise InputError(
                "blinks drawn: these are blinks of the built-in head, the checkpoint's motion is "
                f"of the {self.space.name} space; need sampled"
            )
        if options.get("causal") and config.model.causal.probability == 0:
            message = (
                "causal: this model was not trained for the causal mode, its mouth follows the "
                "speech less well; train with model.causal.probability above 0"
            )
            warnings.warn(message, CausalWarning, stacklevel=2)
        return self._with_config(config)

    def with_look_ahead(self, milliseconds: float | int | None) -> "Engine":
        """Return this engine with another look-ahead of streams; None: the model's."""
        return self._with_config(with_look_ahead(self.system.config, milliseconds))

    def _with_config(self, config: Config) -> "Engine":
        other = copy.copy(self)
        other.system = dataclasses.replace(self.system, config=config)
        return other

    def read(
        self,
        speech: SpeechSource,
        *,
        transcript: str | Transcript = "",
        sample_rate_hz: float | int | None = None,
        channel: int | None = None,
        audio_stream: int | None = None,
    ) -> Utterance:
        """Return a recording as an utterance.

        `speech` is a file or an array; `sample_rate_hz` is the rate of an array in Hz. `channel`
        and `audio_stream` select the sound of a file. A window of a long recording reads the part
        of the transcript that is spoken in it; `TranscriptWarning` if that part is too long. Raise
        `InputError` if the recording cannot be used.
        """
        utterance = read_utterance(
            speech,
            transcript=transcript,
            max_tokens=self.system.config.transcript_tokens,
            sample_rate_hz=sample_rate_hz,
            channel=channel,
            audio_stream=audio_stream,
        )
        self._warn_of_long_text(utterance)
        return utterance._replace(features=self._encoded(utterance.audio))

    def read_clip(self, clip: Clip) -> Utterance:
        """Return a clip of a data set as an utterance."""
        audio = whole_frames(from_int16(clip.audio), clip.frames)
        prosody, max_tokens = raw_prosody(clip), self.system.config.transcript_tokens
        utterance = Utterance(
            audio,
            normalise_prosody(prosody),
            np.zeros(max_tokens, np.int32),
            np.zeros(max_tokens, bool),
            digest=hashlib.sha256(clip.audio.tobytes()).hexdigest(),
            noise_id=noise_id_of(clip.audio),
            sound_id=noise_id_of(clip.audio),
            spoken=spoken_text(transcript_of_clip(clip), prosody[:, 1]),
        )
        features = self._features_of(clip) if self._features_of else self._encoded(audio)
        return cut_utterance(utterance, 0, utterance.frames)._replace(features=features)

    def sample(
        self,
        utterances: Sequence[Utterance],
        *,
        seed: int = 0,
        numbers: Sequence[int] | None = None,
        batch_size: int | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> list[Sample]:
        """Return motion (t, 59) and tracks (t,) of each utterance, as NumPy arrays in the
        utterances' order.

        `numbers` distinguishes samples of one utterance (default: all 0). `batch_size` is the
        maximum number of windows that are sampled together (default: as many as make
        `FRAMES_PER_BATCH` frames). `progress(done, total)` is called after each batch, in motion
        frames. An edited utterance (`animate.editing`) is sampled again where its edit reaches.
        Raise `InputError` for a seed out of range.
        """
        check_seed(seed)
        utterances = alike(self.prepared(utterances))
        numbers = [0] * len(utterances) if numbers is None else numbers
        keys = [sample_key(seed, n, u.noise_id) for n, u in zip(numbers, utterances, strict=True)]
        edited = [i for i, utterance in enumerate(utterances) if utterance.edit is not None]
        if edited:
            check_edits(self.system)
        if self._streams:
            return live_samples(self.live_sampler(), utterances, keys, progress=progress)
        runner = Runner(self.system, self._params, self.mesh, self.buckets)
        windows = functools.partial(sample_whole, runner, batch_size=batch_size)
        changed = [utterances[i] for i in edited]
        first, later = (window_frames(u, longest=self.buckets[-1]) for u in (utterances, changed))
        progress_first = part_of_progress(progress, after=later)
        samples = windows(utterances, keys, progress=progress_first)
        finished = [
            with_blinks(*each, system=self.system)
            for each in zip(samples, utterances, keys, strict=True)
        ]
        if edited:
            rows = [(utterances[i], samples[i], finished[i], keys[i]) for i in edited]
            progress_again = part_of_progress(progress, before=first)
            windows = functools.partial(windows, progress=progress_again)
            again = sample_edited(windows, rows, system=self.system)
            for i, sample in zip(edited, again, strict=True):
                finished[i] = sample
        return finished

    def prepared(self, utterances: Sequence[Utterance]) -> list[Utterance]:
        """Return utterances as `sample` uses them: with a bounded look-ahead if `sample.causal`,
        unchanged otherwise.
        """
        config = self.system.config
        if not getattr(config.sample, "causal", False):
            return list(utterances)
        if self._streams:
            return [u if u.causal else live_form(u) for u in utterances]
        settings = {"ahead": config.model.causal.look_ahead_speech_frames}
        settings["features_of"] = self._sliding_features
        different = {id(u): u for u in utterances}  # computed once for several samples of one
        found = {
            name: u if u.causal else causal_form(u, **settings) for name, u in different.items()
        }
        return [found[id(u)] for u in utterances]

    @property
    def _streams(self) -> bool:
        causal = getattr(self.system.config.sample, "causal", False)
        return causal and isinstance(self.system, LiveSystem)

    def live_sampler(self) -> LiveSampler:
        """Return the sampler of streams of this system."""
        return LiveSampler(self.system, self._params, self._given)

    def bucket(self, frames: int) -> int:
        """Return the padded length for `frames` motion frames, at most the last bucket."""
        return bucket_of(frames, self.buckets)

    def _encoded(self, audio: np.ndarray) -> np.ndarray | FeatureRows | None:
        """Return the features (f, d) of a whole recording, or None if the encoder runs in the
        network.
        """
        return self._speech_features(audio) if encodes_recordings(self.system.config) else None

    @functools.cached_property
    def _speech_features(self) -> SpeechFeatures:
        return speech_features(self.system.config, self._given)

    @functools.cached_property
    def _sliding_features(self) -> SpeechFeatures | None:
        config = self.system.config
        if encodes_recordings(config):
            ahead = config.model.causal.look_ahead_speech_frames
            return sliding_features(config, self._given, ahead=ahead)
        if config.model.encoder.kind == "pretrained":
            raise InputError(
                f"sample.causal: model.encoder.layer {config.model.encoder.layer} reads the whole "
                "recording; need a model with layer last"
            )
        return None

    def _warn_of_long_text(self, utterance: Utterance) -> None:
        """Warn if the transcript of a window does not fit into the tokens of the model."""
        max_bytes = self.system.config.transcript_tokens - SPECIAL_TOKENS
        windows = plan_windows(utterance.frames, longest=self.buckets[-1])
        long = sum(part_of_text(utterance, *window).left_out > 0 for window in windows)
        if long and max_bytes > 0:
            warnings.warn(
                f"the transcript is {byte_count(utterance.spoken.text):,} bytes long; this "
                f"checkpoint reads {max_bytes} bytes in a window, and {long} of {len(windows)} "
                "windows have more: of these the words nearest the middle of the window are read",
                TranscriptWarning,
                stacklevel=3,
            )


def _mesh_of(params: PyTree) -> Mesh | None:
    """Return the mesh on which arrays are placed; None for arrays of the host or of a single
    device.
    """
    shardings = [leaf.sharding for leaf in jax.tree.leaves(params) if isinstance(leaf, jax.Array)]
    meshes = [sharding.mesh for sharding in shardings if isinstance(sharding, NamedSharding)]
    return meshes[0] if meshes else None
