"""Lip sync as measured by a lip-sync model (DisentTalk Eq. 10): its accuracy in distinguishing true
from shifted motion, and its confidence in a motion.

A trial compares one window of one second of speech with the motion of the same second and with the
motion of another second of the clip. The other second is shifted by at least `loss.shift_frames`
(0.4 s) and drawn from all such windows of the clip. The trial is won if the cosine with the true
motion is the larger one; chance is one half. Every window of a clip is one trial.

Windows of silence cannot be distinguished. A window is spoken if at least `SPOKEN_SHARE` of its
frames are louder than `SPOKEN_DB` below the loud frames (95th percentile) of the clip. The figures
are of spoken windows only; those with `_all` are of all windows.

| figure | definition |
|---|---|
| sync_accuracy | share of trials won on the clips' own motion: the mean over clips |
| sync_accuracy_low, _high | 95 % interval of this mean over clips (Student's t) |
| sync_accuracy_all | of all windows, spoken or not |
| sync_chance | 0.5 |
| sync_confidence_truth | p = (1 + cos) / 2 of the clips' own motion: the mean over clips |
| sync_confidence, sync_accuracy_predicted | the same of the motion of a system |
| sync_held_out_accuracy, _low, _high | as the checkpoint records it, of pairs held out of the fit |
| sync_held_out_people, _windows | the number of these people and windows, if it is recorded |
"""

import zlib
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import jax
import numpy as np

from ksdiff_jax.audio.timebase import SAMPLES_PER_MOTION_FRAME, SPEECH_FRAMES_PER_MOTION_FRAME
from ksdiff_jax.audio.waveform import from_int16
from ksdiff_jax.data.features import clip_sound
from ksdiff_jax.data.schema import Clip
from ksdiff_jax.data.tally import motion_of_clip
from ksdiff_jax.evaluate.intervals import bounded, t_interval
from ksdiff_jax.models.speech_encoder import encodes_recordings, speech_features
from ksdiff_jax.models.sync.expert import Expert, window_vectors
from ksdiff_jax.models.sync.training import numbered_partner, partner_counts, probability
from ksdiff_jax.speech.utterance import Speech, stack_rows, whole_frames, zero_padded
from ksdiff_jax.typing import Bool, Float

SPOKEN_DB = 30.0
SPOKEN_SHARE = 0.5
MAX_OFFSET_FRAMES = 8
# Clips are padded to whole blocks and processed in batches of this size, so that few programs are
# compiled.
_BLOCK_FRAMES, _ROWS = 128, 8
Features = Sequence[Float[np.ndarray, "f d"] | None]
_vectors = jax.jit(window_vectors, static_argnames="system")


class Judgement(NamedTuple):
    """The results of the model for one clip, at each of its windows."""

    won: Float[np.ndarray, "w"]  # 1, or 0, or one half for equal cosines; NaN without a partner
    probability: Float[np.ndarray, "w"]  # that speech and motion are in sync
    spoken: Bool[np.ndarray, "w"]
    # of the motion relative to the speech, at the largest mean cosine; positive: the motion is late
    offset_frames: int


def sync_figures(
    expert: Expert,
    clips: Sequence[Clip],
    motions: Sequence[Float[np.ndarray, "_ m"]] | None = None,
) -> dict[str, float]:
    """Return the figures of the clips' own motion, and of `motions`, one for each clip."""
    features, own = recorded_features(expert, clips), [motion_of_clip(clip) for clip in clips]
    truth = judge(expert, clips, own, features=features)
    accuracy = t_interval(_means(truth, "won") or [float("nan")])
    figures = {
        **bounded("sync_accuracy", accuracy, low=0.0, high=1.0),
        "sync_accuracy_all": _mean(_means(truth, "won", spoken=False)),
        "sync_chance": 0.5,
        "sync_clips": float(accuracy.count),
        "sync_confidence_truth": _mean(_means(truth, "probability")),
        **held_out_figures(expert),
    }
    if motions is None:
        return figures
    predicted = judge(expert, clips, motions, features=features)
    return figures | {
        "sync_confidence": _mean(_means(predicted, "probability")),
        "sync_accuracy_predicted": _mean(_means(predicted, "won")),
    }


def held_out_figures(expert: Expert) -> dict[str, float]:
    """Return the accuracy of the model on held-out pairs as its checkpoint records it, under names
    that begin with `sync_held_out_`; empty if it does not.
    """
    recorded = expert.recorded
    source = next((name for name in ("held_out", "sync") if f"{name}_accuracy" in recorded), None)
    if source is None:
        return {}
    accuracy = [f"accuracy{end}" for end in ("", "_low", "_high")]
    found = {name: recorded.get(f"{source}_{name}") for name in accuracy}
    if source == "held_out":
        found |= {name: recorded.get(name) for name in ("people", "windows")}
    return {f"sync_held_out_{k}": float(v) for k, v in found.items() if v is not None}


def accuracy_note(figures: Mapping[str, float]) -> str:
    """Return a sentence on the accuracy of the model: on the clips of the figures, and on the
    held-out pairs that its checkpoint records.
    """
    parts = [f"on these clips it tells {_per_cent(figures, 'sync_accuracy')} of the true pairs"]
    if "sync_held_out_accuracy" in figures:
        people = figures.get("sync_held_out_people")
        who = f" of {people:.0f} people" if people else ""
        share = _per_cent(figures, "sync_held_out_accuracy")
        parts.append(
            f"of the pairs{who} held out of its training {share}, as its checkpoint records"
        )
    else:
        parts.append("its checkpoint records no accuracy on held-out pairs")
    return f"The lip-sync model: {'; '.join(parts)}; chance is 50 %."


def _per_cent(figures: Mapping[str, float], name: str) -> str:
    if not np.isfinite(figures[name]):
        return "an undefined share"
    bounds = [
        100 * figures[f"{name}_{end}"] for end in ("low", "high") if f"{name}_{end}" in figures
    ]
    shown = " [{:.1f}, {:.1f}]".format(*bounds) if len(bounds) == 2 else ""
    return f"{100 * figures[name]:.1f} %{shown}"


def recorded_features(expert: Expert, clips: Sequence[Clip]) -> Features:
    """Return the features of a pretrained encoder for each clip, to be computed once for several
    motions; None for each where the network computes them.
    """
    config = expert.system.config
    if not encodes_recordings(config) or not clips:
        return [None] * len(clips)
    encode = speech_features(config, expert.params)
    return [np.asarray(encode(clip_sound(clip)), np.float32) for clip in clips]


def judge(
    expert: Expert,
    clips: Sequence[Clip],
    motions: Sequence[Float[np.ndarray, "_ m"]],
    *,
    features: Features | None = None,
) -> list[Judgement]:
    """Return the judgement of each clip with a motion of its length. `features` are those of
    `recorded_features`, computed here if they are not given.
    """
    features = recorded_features(expert, clips) if features is None else features
    order = sorted(range(len(clips)), key=lambda index: clips[index].frames)
    found: list[Judgement | None] = [None] * len(clips)
    for first in range(0, len(order), _ROWS):
        some = order[first : first + _ROWS]
        frames = -(-clips[some[-1]].frames // _BLOCK_FRAMES) * _BLOCK_FRAMES
        rows = some + [some[-1]] * (_ROWS - len(some))
        speech = stack_rows([_speech_row(clips[index], frames, features[index]) for index in rows])
        motion = np.stack([zero_padded(motions[index], frames) for index in rows])
        vectors = jax.device_get(
            _vectors(
                expert.params,
                speech,
                motion.astype(np.float32),
                speech.mask,
                system=expert.system,
            )
        )
        for row, index in enumerate(some):
            windows = int(vectors.valid[row].sum())
            pair = (vectors.speech[row, :windows], vectors.motion[row, :windows])
            found[index] = _judged(expert, clips[index], *pair)
    return found


def _judged(
    expert: Expert, clip: Clip, speech: Float[np.ndarray, "w e"], motion: Float[np.ndarray, "w e"]
) -> Judgement:
    """Return the results of one clip; its trials are drawn with a seed from its id."""
    config, windows = expert.system.config, len(speech)
    cosine = unit(speech) @ unit(motion).T
    window = np.arange(windows)
    counts = partner_counts(window, np.full(1, windows), shift=config.loss.shift_frames)
    before, after = map(np.asarray, counts)
    rng = np.random.default_rng(zlib.crc32(clip.clip_id.encode("utf-8", "surrogatepass")))
    number = np.floor(rng.random(windows) * (before + after)).astype(int)
    partner = numbered_partner(window, number, before, shift=config.loss.shift_frames)
    exists = before + after > 0
    true, shifted = cosine[window, window], cosine[window, np.where(exists, partner, window)]
    spoken = spoken_windows(clip, window=config.model.window_frames)
    return Judgement(
        won=np.where(exists, (np.sign(true - shifted) + 1) / 2, np.nan),
        probability=probability(true),
        spoken=spoken,
        offset_frames=best_offset(cosine, spoken),
    )


def best_offset(cosine: Float[np.ndarray, "w w"], spoken: Bool[np.ndarray, "w"]) -> int:
    """Return the delay of the motion in frames, within ±`MAX_OFFSET_FRAMES`, at the largest mean
    cosine; of equal means the smallest delay.

    cosine[i, j] is that of speech i and motion j.
    """
    means = {}
    for offset in sorted(range(-MAX_OFFSET_FRAMES, MAX_OFFSET_FRAMES + 1), key=abs):
        diagonal = np.diagonal(cosine, offset)
        counted = spoken[max(0, -offset) :][: len(diagonal)]
        if counted.any():
            means[offset] = diagonal[counted].mean()
    return max(means, key=means.get) if means else 0


def spoken_windows(clip: Clip, *, window: int) -> Bool[np.ndarray, "w"]:
    """Return whether each window of a clip contains speech."""
    sound = whole_frames(from_int16(clip.audio), clip.frames).reshape(clip.frames, -1)
    power = np.square(sound.astype(np.float64)).mean(axis=1)
    loud = (power > np.percentile(power, 95) * 10 ** (-SPOKEN_DB / 10)) & (power > 0)
    if clip.frames < window:
        return np.zeros(0, bool)
    shares = np.lib.stride_tricks.sliding_window_view(loud, window).mean(axis=1)
    return shares >= SPOKEN_SHARE


def unit(vectors: Float[np.ndarray, "w e"]) -> Float[np.ndarray, "w e"]:
    """Return the vectors scaled to length 1."""
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-6)


def _speech_row(clip: Clip, frames: int, features: Float[np.ndarray, "f d"] | None) -> Speech:
    """Return the sound of a clip, or its features; a lip-sync model reads no other field."""
    speech_frames = SPEECH_FRAMES_PER_MOTION_FRAME * frames
    row = Speech(
        audio=np.zeros(0, np.float32),
        prosody=np.zeros((speech_frames, 2), np.float32),
        mask=np.arange(frames) < clip.frames,
        tokens=np.zeros(2, np.int32),
        token_mask=np.ones(2, bool),
    )
    if features is not None:
        return row._replace(features=zero_padded(features, speech_frames))
    sound = whole_frames(from_int16(clip.audio), clip.frames)
    return row._replace(audio=zero_padded(sound, SAMPLES_PER_MOTION_FRAME * frames))


def _means(judgements: Sequence[Judgement], field: str, *, spoken: bool = True) -> list[float]:
    """Return the mean of a field over the (spoken) windows of each clip that has such windows."""
    means = []
    for judgement in judgements:
        values = getattr(judgement, field)
        counted = np.isfinite(values) & (judgement.spoken | (not spoken))
        if counted.any():
            means.append(float(values[counted].mean()))
    return means


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else float("nan")
