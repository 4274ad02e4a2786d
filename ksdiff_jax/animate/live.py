"""Samples live speech block by block, with a state of bounded size.

A block is `count` motion frames. Block n is sampled as soon as the sound of its first frame and the
look-ahead behind it are known, so that the length of the chunks in which sound arrives changes
nothing. Its last frames have less look-ahead than its first one. Everything that later blocks need
is in a `Progress`, a tree of arrays and numbers. The same blocks are sampled for a recording in the
causal mode (`live_samples`), which therefore has the motion of a stream bit for bit.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol, runtime_checkable

import jax
import numpy as np

from ksdiff_jax.animate.drawn_blinks import DrawnBlinks
from ksdiff_jax.audio.live_sound import LiveSound, ended, no_sound, part, without_past
from ksdiff_jax.audio.running_prosody import PAST_FRAMES, ProsodySoFar, next_prosody
from ksdiff_jax.audio.timebase import (
    SAMPLES_PER_MOTION_FRAME,
    SAMPLES_PER_SPEECH_FRAME,
    SPEECH_FRAMES_PER_MOTION_FRAME,
    SPEECH_RATE_HZ,
    motion_frames,
)
from ksdiff_jax.config import Config
from ksdiff_jax.errors import InputError
from ksdiff_jax.models.ksdiff.live import LiveState, LiveWindow, alignment_frames, window_frames
from ksdiff_jax.models.speech_encoder import encodes_recordings, recording_encoder
from ksdiff_jax.models.system import Sample, System
from ksdiff_jax.motion.space import BUILTIN, EXPRESSION
from ksdiff_jax.parallel.programs import kept_program
from ksdiff_jax.speech.config import StudentEncoderConfig
from ksdiff_jax.speech.live_features import FeaturesSoFar, LiveFeatures
from ksdiff_jax.speech.student_recording import look_ahead_s
from ksdiff_jax.speech.utterance import PREDICTED, Speech, Utterance, zero_padded
from ksdiff_jax.typing import Array, Float, Int, Key, PyTree

BLOCK_FRAMES = 4  # 160 ms; a smaller block costs as much and gives fewer frames
_PER_FRAME = SPEECH_FRAMES_PER_MOTION_FRAME


@runtime_checkable
class LiveSystem(Protocol):
    """A system that can sample a stream; see `models.ksdiff.system.KSDiff`."""

    def live_state(self) -> PyTree:
        """Return the state before the first frame."""

    def live_step(self, params, state, window, keys, *, frames) -> tuple[PyTree, Sample]:
        """Return the state behind the next frames, and these."""


class Progress(NamedTuple):
    """A stream up to a block."""

    frames: int  # sampled so far
    sound: LiveSound
    prosody: ProsodySoFar
    features: FeaturesSoFar | None  # None: the encoder runs in the network
    begin: int  # first motion frame of the rows below
    prosody_rows: Float[np.ndarray, "f 2"]
    feature_rows: Float[np.ndarray, "f d"]
    model: LiveState


class LiveSampler:
    """Samples the streams of a system; `params` are on the device, `given` have the encoder."""

    def __init__(self, system: System, params: PyTree, given: PyTree):
        if not (isinstance(system, LiveSystem) and hasattr(system.config.sample, "causal")):
            raise InputError("stream: this model has no causal mode, it reads whole recordings")
        self.system, self._params = system, params
        config = system.config
        self.ahead = config.model.causal.look_ahead_frames
        self.count = block_frames(config)
        self._features = _live_features(config, given, ahead=self.ahead, count=self.count)
        # an encoder in the network reads the look-ahead itself
        self._behind = self.ahead if self._features is None else 0
        self._window = window_frames(config.model)

    def start(self) -> Progress:
        """Return the state before the first sound."""
        features = None if self._features is None else self._features.empty()
        none = np.zeros((0, 2), np.float32)
        model = jax.device_get(self.system.live_state())
        return Progress(0, no_sound(), ProsodySoFar(), features, 0, none, none[:, :0], model)

    def needs(self, progress: Progress) -> int:
        """Return the number of samples at 16 kHz that must be known for the next block."""
        return (progress.frames + 1 + self.ahead) * SAMPLES_PER_MOTION_FRAME

    def end(self, progress: Progress) -> tuple[Progress, int]:
        """Return the stream with its sound cut or padded to whole frames, as that of a recording
        is, and the number of all its frames.
        """
        total = motion_frames(progress.sound.converted)
        sound = ended(progress.sound, total * SAMPLES_PER_MOTION_FRAME)
        return progress._replace(sound=sound), total

    def block(
        self,
        progress: Progress,
        key: Key[Array, ""],
        *,
        total: int | None = None,
        keyframes: Int[np.ndarray, "t 2"] | None = None,
    ) -> tuple[Progress, Sample]:
        """Return the stream behind its next block, and the block. `total` is the number of all
        frames, if the stream has ended; `keyframes` are those placed by hand of all frames.
        """
        first = progress.frames
        frames = self.count if total is None else min(self.count, total - first)
        known = first + 1 + self.ahead if total is None else min(first + 1 + self.ahead, total)
        progress = self._with_rows(progress, first=first, frames=frames, known=known)
        window = self._speech(progress, first=first, frames=frames, known=known)
        if keyframes is not None:
            placed = keyframes[progress.begin : progress.begin + len(window.mask)]
            missing = ((0, len(window.mask) - len(placed)), (0, 0))
            placed = np.pad(placed, missing, constant_values=PREDICTED)
            window = window._replace(keyframes=placed.astype(np.int32))
        window = LiveWindow(
            jax.tree.map(lambda array: array[None], window),
            np.int32(first - progress.begin),
            np.int32(first),
        )
        model, sample = _step(
            *(self._params, progress.model, window, key[None]),
            system=self.system,
            frames=self.count,
        )
        sample = jax.tree.map(lambda array: np.asarray(array)[0, :frames], sample)
        progress = progress._replace(frames=first + frames, model=model)
        return self._without_past(progress), sample

    def _with_rows(self, progress: Progress, *, first: int, frames: int, known: int) -> Progress:
        """Return the stream with the prosody and the features of the next frames."""
        row, count, hop = _PER_FRAME * first, _PER_FRAME * frames, SAMPLES_PER_SPEECH_FRAME
        past = min(row, PAST_FRAMES)
        heard = part(progress.sound, (row - past) * hop, _PER_FRAME * known * hop)
        prosody, rows = next_prosody(progress.prosody, heard, count=count, past=past)
        if progress.prosody_rows.size:
            rows = np.concatenate([progress.prosody_rows, rows])
        progress = progress._replace(prosody=prosody, prosody_rows=rows)
        if self._features is None:
            return progress
        given = {"first": row, "end": _PER_FRAME * known}
        features, rows = self._features.next(progress.features, progress.sound, **given)
        if progress.feature_rows.size:
            rows = np.concatenate([progress.feature_rows, rows])
        return progress._replace(features=features, feature_rows=rows)

    def _speech(self, progress: Progress, *, first: int, frames: int, known: int) -> Speech:
        """Return the window of speech as a row of a batch."""
        length, begin = self._window + self._behind, progress.begin
        stop = min(first + frames + self._behind, known)
        hop, rows = SAMPLES_PER_MOTION_FRAME, _PER_FRAME * length
        features = None
        if self._features is not None:
            features = zero_padded(progress.feature_rows[:rows], rows)
        return Speech(
            audio=zero_padded(part(progress.sound, begin * hop, stop * hop), length * hop),
            prosody=zero_padded(progress.prosody_rows, rows),
            mask=np.arange(length) < stop - begin,
            # begin and end of a transcript: live speech has none
            tokens=np.zeros(2, np.int32),
            token_mask=np.ones(2, bool),
            features=features,
        )

    def _without_past(self, progress: Progress) -> Progress:
        """Return the stream without what no later block reads."""
        align = alignment_frames(self.system.config.model)
        begin = max(0, progress.frames + self.count - self._window)
        begin = max(progress.begin, -(-begin // align) * align)
        rows = _PER_FRAME * (begin - progress.begin)
        past = PAST_FRAMES if self._features is None else self._features.past_frames
        past = max(past, PAST_FRAMES) * SAMPLES_PER_SPEECH_FRAME
        kept = progress.frames * SAMPLES_PER_MOTION_FRAME - past
        return progress._replace(
            begin=begin,
            prosody_rows=progress.prosody_rows[rows:],
            feature_rows=progress.feature_rows[rows:],
            sound=without_past(
                progress.sound, begin=max(0, min(kept, begin * SAMPLES_PER_MOTION_FRAME))
            ),
        )


def block_frames(config: Config) -> int:
    """Return the number of frames of a block: up to `BLOCK_FRAMES`, and no more than the look-ahead
    of the encoder allows.
    """
    ahead, layout = config.model.causal.look_ahead_frames, config.model.encoder.architecture
    count = min(BLOCK_FRAMES, ahead + 1)
    if isinstance(layout, StudentEncoderConfig):
        # of the last speech frame of a block, counted from its beginning
        spare = _PER_FRAME * (1 + ahead) + 1 - look_ahead_s(layout) * SPEECH_RATE_HZ
        count = max(1, min(count, int(spare // _PER_FRAME)))
    return count


def live_samples(
    sampler: LiveSampler,
    utterances: Sequence[Utterance],
    keys: Sequence[Key[Array, ""]],
    *,
    progress: Callable[[int, int], None] | None = None,
) -> list[Sample]:
    """Return what the streams of these recordings give, for `Engine.sample`."""
    done, total = 0, sum(utterance.frames for utterance in utterances)
    samples = []
    for utterance, key in zip(utterances, keys, strict=True):
        state, blocks = sampler.start(), []
        audio = np.clip(utterance.audio, -1.0, 1.0)
        sound = LiveSound(len(audio), np.zeros(0, np.float32), len(audio), audio)
        state, blinks = state._replace(sound=sound), blinks_of(sampler.system, key)
        while state.frames < utterance.frames:
            ended = {"total": utterance.frames, "keyframes": utterance.keyframes}
            first = state.frames
            state, sample = sampler.block(state, key, **ended)
            blocks.append(with_blinks(sample, blinks, first=first))
            done += len(sample.motion)
            if progress:
                progress(done, total)
        samples.append(jax.tree.map(lambda *parts: np.concatenate(parts), *blocks))
    return samples


def blinks_of(system: System, key: Key[Array, ""]) -> DrawnBlinks | None:
    """Return the blinks that the options ask for; None if the model samples its own. Blinks of live
    speech are not closed: whether one closes on its own is not known before its end.
    """
    drawn = system.space.name == BUILTIN.name and system.config.sample.blinks == "drawn"
    return DrawnBlinks(key) if drawn else None


def with_blinks(sample: Sample, blinks: DrawnBlinks | None, *, first: int) -> Sample:
    """Return a block from frame `first` on with its drawn blinks."""
    if blinks is None:
        return sample
    motion = sample.motion.copy()
    motion[:, EXPRESSION] = blinks.drawn(motion[:, EXPRESSION], first=first)
    return sample._replace(motion=motion)


def _live_features(config: Config, given: PyTree, *, ahead: int, count: int) -> LiveFeatures | None:
    if encodes_recordings(config):
        encoder = recording_encoder(config, given)
        reach = _PER_FRAME * (1 + ahead)
        return LiveFeatures(encoder, count=_PER_FRAME * count, reach=reach)
    if config.model.encoder.kind == "pretrained":
        raise InputError(
            f"sample.causal: model.encoder.layer {config.model.encoder.layer} reads the whole "
            "recording; need a model with layer last"
        )
    return None


@kept_program("system", "frames")
def _step(
    params: PyTree,
    state: PyTree,
    window: LiveWindow,
    keys: Key[Array, "b"],
    *,
    system: System,
    frames: int,
) -> tuple[PyTree, Sample]:
    """Return `live_step` of the system, compiled once per system."""
    return system.live_step(params, state, window, keys, frames=frames)
