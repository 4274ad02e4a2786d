"""Speech features of a stream, a few frames at a time, by a pretrained encoder.

A Whisper reads `whisper_recording.PAST_S` before the new frames, and the look-ahead, with silence
behind it; a student its own past and look-ahead. Other encoders have no such form. A Whisper's
log-mel frames are computed once and kept, and the loudest of them since the beginning
of the stream sets their floor, as in `whisper_recording.sliding`. One program serves all calls.
"""

from typing import NamedTuple

import numpy as np

from ksdiff_jax.audio.live_sound import LiveSound, part
from ksdiff_jax.audio.timebase import SAMPLES_PER_SPEECH_FRAME, SPEECH_RATE_HZ
from ksdiff_jax.errors import InputError
from ksdiff_jax.speech.backbone import encode
from ksdiff_jax.speech.config import StudentEncoderConfig, WhisperEncoderConfig
from ksdiff_jax.speech.load import SpeechEncoder
from ksdiff_jax.speech.student_recording import check_look_ahead
from ksdiff_jax.speech.whisper import SILENCE_FRAMES
from ksdiff_jax.speech.whisper_mel import EDGE, HOP_SAMPLES, WINDOW_SAMPLES
from ksdiff_jax.speech.whisper_recording import PAST_S, encode_log_mel, log_mel_of, silent_frames
from ksdiff_jax.typing import Float

_MEL_PER_FRAME = SAMPLES_PER_SPEECH_FRAME // HOP_SAMPLES
_WHISPER_PAST_FRAMES = round(PAST_S * SPEECH_RATE_HZ)
_BLOCK_FRAMES = 16  # log-mel frames that are computed at once


class FeaturesSoFar(NamedTuple):
    """What the features of later frames need beside the sound."""

    mel: Float[np.ndarray, "n bands"]  # the latest log-mel frames of a Whisper
    mel_frames: int  # so far
    loudest: float


class LiveFeatures:
    """A pretrained encoder for streams. A call gives `count` frames at 50 Hz; the sound is known
    before the end of frame `reach` - 1 from the first of them.
    """

    def __init__(self, encoder: SpeechEncoder, *, count: int, reach: int):
        config, self.bands = encoder.config, 0
        if isinstance(config, StudentEncoderConfig):
            check_look_ahead(config, (reach - count + 1) / SPEECH_RATE_HZ)
            self.past_frames = config.past_frames
        elif isinstance(config, WhisperEncoderConfig):
            # the sound that the next log-mel frames read; the earlier ones are kept
            self.past_frames, self.bands = 2, config.mel_bands
        else:
            raise InputError(
                f"{encoder.source}: a {config.architecture} has no form for live speech, its norms "
                "are over the whole recording; use a Whisper or a student"
            )
        self.encoder, self.count, self.reach = encoder, count, reach

    def empty(self) -> FeaturesSoFar:
        """Return the state before the first frame."""
        return FeaturesSoFar(np.zeros((0, self.bands), np.float32), 0, -np.inf)

    def next(
        self, so_far: FeaturesSoFar, sound: LiveSound, *, first: int, end: int
    ) -> tuple[FeaturesSoFar, Float[np.ndarray, "n d"]]:
        """Return the features of the frames from `first` on and the state behind them; the sound is
        known before the end of frame `end` - 1, and silent after it.
        """
        if self.bands:
            return self._of_whisper(so_far, sound, first=first, end=end)
        return so_far, self._of_student(sound, first=first, end=end)

    def _of_student(self, sound: LiveSound, *, first: int, end: int) -> Float[np.ndarray, "n d"]:
        hop, begin = SAMPLES_PER_SPEECH_FRAME, max(0, first - self.past_frames)
        length = self.past_frames + self.reach + 1
        audio = np.zeros((1, length * hop), np.float32)
        audio[0, : (end - begin) * hop] = part(sound, begin * hop, end * hop)
        mask = (np.arange(length) < end - begin)[None]
        given = {"config": self.encoder.config, "dtype": self.encoder.dtype}
        found = encode(self.encoder.params, audio, mask, **given)
        return np.asarray(found, np.float32)[0, first - begin : first - begin + self.count]

    def _of_whisper(
        self, so_far: FeaturesSoFar, sound: LiveSound, *, first: int, end: int
    ) -> tuple[FeaturesSoFar, Float[np.ndarray, "n d"]]:
        config, begin = self.encoder.config, max(0, first - _WHISPER_PAST_FRAMES)
        length = _WHISPER_PAST_FRAMES + self.reach + SILENCE_FRAMES
        # the last log-mel frame of the known sound reads beyond it
        so_far = self._with_mel(so_far, sound, count=_MEL_PER_FRAME * end - 1)
        kept = so_far.mel[_MEL_PER_FRAME * begin - (so_far.mel_frames - len(so_far.mel)) :]
        cut = silent_frames(1, _MEL_PER_FRAME * length, bands=config.mel_bands)
        cut[0, : len(kept)] = kept
        found = encode_log_mel(
            self.encoder.params,
            cut,
            np.full(1, so_far.loudest, np.float32),
            np.full(1, end - begin + SILENCE_FRAMES, np.int32),
            config=config,
            dtype=self.encoder.dtype,
        )
        rows = np.asarray(found, np.float32)[0, first - begin : first - begin + self.count]
        return so_far._replace(mel=kept), rows

    def _with_mel(self, so_far: FeaturesSoFar, sound: LiveSound, *, count: int) -> FeaturesSoFar:
        """Return the state with the first `count` log-mel frames of the stream."""
        mel, frames, loudest = so_far
        samples = _BLOCK_FRAMES * HOP_SAMPLES + WINDOW_SAMPLES - HOP_SAMPLES
        while frames < count:
            begin = frames * HOP_SAMPLES - EDGE
            known = part(sound, max(0, begin), min(begin + samples, (count + 1) * HOP_SAMPLES))
            if begin < 0:  # mirrored, as the beginning of a recording is
                known = np.concatenate([np.pad(known, (0, EDGE))[EDGE:0:-1], known])
            block = np.zeros((1, samples), np.float32)
            block[0, : len(known)] = known[:samples]
            new = np.asarray(log_mel_of(block, bands=self.bands))[0, : count - frames]
            mel, frames = np.concatenate([mel, new]), frames + len(new)
            loudest = max(loudest, float(new.max()))
        return FeaturesSoFar(mel, frames, loudest)
