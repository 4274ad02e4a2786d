"""One clip of the built-in corpus: clip = f(seed, split, index), given espeak's previous calls in
the process.

The lips are a function of the sound and its phonemes. Head, brows and blinks are random and aligned
with the accents of the speech. Every clip draws from its own random streams, named by seed, split,
index and purpose.
"""

import zlib
from collections.abc import Iterator, Sequence

import numpy as np

from ksdiff_jax.audio.prosody import extract_prosody
from ksdiff_jax.audio.timebase import SAMPLE_RATE_HZ, motion_frames
from ksdiff_jax.data.corpus import phonemes as ph
from ksdiff_jax.data.corpus.articulation import mouth_motion
from ksdiff_jax.data.corpus.espeak import PhonemeTime
from ksdiff_jax.data.corpus.expression_motion import upper_face_actions
from ksdiff_jax.data.corpus.head_motion import camera, head_rotation
from ksdiff_jax.data.corpus.listening import LISTENING_SHARE, listen_clip, unvoiced_clip
from ksdiff_jax.data.corpus.sentences import Split
from ksdiff_jax.data.corpus.speech import SpokenClip, speak_clip
from ksdiff_jax.data.corpus.targets import PHONETIC, PHONETIC_NAME, Targets, named_targets
from ksdiff_jax.data.corpus.voices import ESPEAK, open_voice
from ksdiff_jax.data.schema import Clip, Timed
from ksdiff_jax.face.actions import actions_to_expression
from ksdiff_jax.motion.space import BUILTIN
from ksdiff_jax.typing import Float

OPENING_GAIN = (0.85, 1.15)  # how wide a speaker opens the mouth
SOURCE = "ksdiff-jax built-in corpus"


def synthesise_block(
    *,
    seed: int,
    split: Split,
    first: int,
    count: int,
    languages: Sequence[str],
    voices: Sequence[str] = ESPEAK,
    targets: str = PHONETIC_NAME,
) -> Iterator[Clip]:
    """Generate clips `first` to `first + count` of a split, by the voices in turn, with mouths of
    the table `targets`.

    The result is deterministic only if these are the first calls of a fresh process.
    """
    table = named_targets(targets)
    synthesisers = [open_voice(voice, languages=languages) for voice in voices]
    for index in range(first, first + count):
        rng = _stream(seed, split, index, "speech")
        speaking = synthesisers[index % len(synthesisers)]
        listens = split == "train" and rng.random() < LISTENING_SHARE
        if speaking is None:
            spoken = unvoiced_clip(rng, languages=tuple(languages), split=split)
        elif listens:
            spoken = listen_clip(rng, languages=tuple(languages), split=split)
        else:
            spoken = speak_clip(speaking, rng, languages=speaking.languages, split=split)
        clip_id = f"{split}-{index:06d}"
        rng = _stream(seed, split, index, "motion")
        yield animate_clip(spoken, rng, clip_id=clip_id, targets=table)


def animate_clip(
    spoken: SpokenClip,
    rng: np.random.Generator,
    *,
    clip_id: str,
    source: str = SOURCE,
    targets: Targets = PHONETIC,
) -> Clip:
    """Generate the face motion for a recording; `source` names the set that it belongs to,
    `targets` are those of the mouth.
    """
    turning, zooming = rng.spawn(2)  # streams of their own for head and camera
    frames = motion_frames(len(spoken.audio))
    samples = spoken.audio / np.float32(32768.0)
    mouth = mouth_motion(
        spoken.phonemes,
        samples,
        sample_rate_hz=SAMPLE_RATE_HZ,
        frames=frames,
        opening_gain=float(rng.uniform(*OPENING_GAIN)),
        targets=targets,
    )
    accents_s, strength = accents(spoken.phonemes, samples)
    upper = upper_face_actions(rng, frames=frames, accents_s=accents_s, accent_strength=strength)
    rotation = head_rotation(
        turning,
        frames=frames,
        accents_s=accents_s,
        accent_strength=strength,
        pauses_s=pauses_s(spoken.phonemes, duration_s=len(spoken.audio) / SAMPLE_RATE_HZ),
    )
    return Clip(
        clip_id=clip_id,
        space=BUILTIN.name,
        speaker_id=spoken.speaker_id,
        language=spoken.language,
        source=source,
        audio=spoken.audio,
        expression=np.asarray(actions_to_expression(mouth.actions + upper), np.float32),
        rotation=rotation,
        jaw=mouth.jaw,
        camera=camera(zooming, frames=frames),
        transcript=spoken.transcript,
        words=tuple(Timed(*word) for word in spoken.words),
        phonemes=tuple(Timed(*phoneme) for phoneme in spoken.phonemes),
        prosody=np.asarray(extract_prosody(samples), np.float32),
    )


def accents(
    phonemes: tuple[PhonemeTime, ...], samples: Float[np.ndarray, "s"]
) -> tuple[Float[np.ndarray, "a"], Float[np.ndarray, "a"]]:
    """Return the times of the vowels with primary stress, and their strength: energy relative to
    that of the clip's mean accent.
    """
    times, energies = [], []
    for phoneme in phonemes:
        parts = ph.segments(*phoneme)
        if parts[0].stress == 2 and any(part.symbol in ph.VOWELS for part in parts):
            sound = samples[
                int(phoneme.start_s * SAMPLE_RATE_HZ) : int(phoneme.end_s * SAMPLE_RATE_HZ)
            ]
            times.append((phoneme.start_s + phoneme.end_s) / 2)
            energies.append(float(np.sqrt(np.mean(sound**2))) if sound.size else 0.0)
    energy = np.array(energies)
    strength = (
        np.clip(energy / max(float(energy.mean()), 1e-6), 0.3, 1.8) if energy.size else energy
    )
    return np.array(times), strength


def pauses_s(phonemes: tuple[PhonemeTime, ...], *, duration_s: float) -> Float[np.ndarray, "n 2"]:
    """Return begin and end of every stretch of at least a tenth of a second without a phoneme."""
    spoken = [(p.start_s, p.end_s) for p in phonemes if p.ipa]
    begins = [0.0, *(end for _, end in spoken)]
    ends = [*(start for start, _ in spoken), duration_s]
    gaps = [(b, e) for b, e in zip(begins, ends, strict=True) if e - b > 0.1]
    return np.array(gaps).reshape(-1, 2)


def _stream(seed: int, split: Split, index: int, purpose: str) -> np.random.Generator:
    return np.random.default_rng(
        [seed, zlib.crc32(split.encode()), index, zlib.crc32(purpose.encode())]
    )
