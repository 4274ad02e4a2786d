"""Lips and jaw from hand-written phoneme times; espeak is not needed."""

import numpy as np
import pytest

from ksdiff_jax.data.corpus.articulation import mouth_motion, refine_closures
from ksdiff_jax.data.corpus.espeak import PhonemeTime
from ksdiff_jax.face import builtin_face, face_height, face_vertices, mouth_opening
from ksdiff_jax.face.actions import ACTIONS, actions_to_expression

RATE_HZ = 16000


def spell(*names: str, each_s: float = 0.1, start_s: float = 0.5):
    """Phonemes of equal length, silence around them."""
    edges = [start_s + index * each_s for index in range(len(names) + 1)]
    spoken = tuple(
        PhonemeTime(name, a, b) for name, a, b in zip(names, edges[:-1], edges[1:], strict=True)
    )
    return (PhonemeTime("", 0.0, start_s), *spoken, PhonemeTime("", edges[-1], edges[-1] + 1.0))


def tone(phonemes) -> np.ndarray:
    """Sound of constant level while somebody speaks."""
    samples = np.zeros(int(phonemes[-1].end_s * RATE_HZ), np.float32)
    for phoneme in phonemes:
        if phoneme.ipa:
            samples[int(phoneme.start_s * RATE_HZ) : int(phoneme.end_s * RATE_HZ)] = 0.1
    return samples


def move(phonemes, samples=None, **options):
    samples = tone(phonemes) if samples is None else samples
    frames = round(phonemes[-1].end_s * 25)
    return mouth_motion(phonemes, samples, sample_rate_hz=RATE_HZ, frames=frames, **options)


def opening(motion) -> np.ndarray:
    """Inner-lip opening over face height of the built-in head."""
    face = builtin_face()
    vertices = face_vertices(face, actions_to_expression(motion.actions), jaw_pose=motion.jaw)
    return np.asarray(mouth_opening(face, vertices)) / face_height(face)


def weight(motion, name: str) -> np.ndarray:
    return motion.actions[:, ACTIONS.index(name)]


def frames_of(phoneme: PhonemeTime, *, margin: int = 0) -> slice:
    first, last = (
        int(np.floor(phoneme.start_s * 25)) - margin,
        int(np.ceil(phoneme.end_s * 25)) + margin,
    )
    return slice(max(0, first), last + 1)


@pytest.mark.parametrize("consonant", ["p", "b", "m"])
@pytest.mark.parametrize("each_s", [0.05, 0.08, 0.15])
def test_lips_meet_in_every_bilabial_between_open_vowels(consonant: str, each_s: float):
    phonemes = spell("ˈa", consonant, "ˈa", consonant, "a", each_s=each_s)
    motion = move(phonemes)
    apart = opening(motion)
    for phoneme in phonemes:
        if phoneme.ipa == consonant:
            assert apart[frames_of(phoneme, margin=1)].min() < 0.015
    assert apart.max() > 0.03  # the control: the vowels do open


def test_lips_do_not_meet_in_a_vowel():
    phonemes = spell("ˈa", "t", "ˈa", "k", "a")
    apart = opening(move(phonemes))
    assert apart[int(0.52 * 25) : int(0.98 * 25)].min() > 0.02


def test_the_mouth_rests_closed_in_silence():
    phonemes = spell("h", "ə", "l", "ˈəʊ")
    apart = opening(move(phonemes))
    assert apart[: int(0.35 * 25)].max() < 0.015
    assert apart[int((0.9 + 0.35) * 25) :].max() < 0.015


def test_no_phonemes_at_all_is_a_closed_mouth():
    motion = mouth_motion((), np.zeros(RATE_HZ, np.float32), sample_rate_hz=RATE_HZ, frames=25)
    assert opening(motion).max() < 0.015


@pytest.mark.parametrize("consonant", ["f", "v"])
def test_the_lower_lip_goes_to_the_teeth_in_labiodentals_only(consonant: str):
    phonemes = spell("ˈa", consonant, "ˈa", "s", "ˈa")
    tuck = weight(move(phonemes), "LipTuckLower")
    assert tuck[frames_of(phonemes[2])].max() > 0.6
    assert tuck[frames_of(phonemes[4])].max() < 0.2


def test_lips_round_before_a_rounded_vowel_sounds():
    phonemes = spell("s", "t", "ˈuː", "p", each_s=0.12)
    pucker = weight(move(phonemes), "MouthPucker")
    unrounded = weight(move(spell("s", "t", "ˈiː", "p", each_s=0.12)), "MouthPucker")
    onset = round(phonemes[3].start_s * 25)
    assert pucker[onset] > 0.3
    assert pucker[onset - 3] > unrounded[onset - 3] + 0.05


def test_spread_vowels_spread_and_do_not_pucker():
    motion = move(spell("s", "ˈiː", "s", "ˈiː", "z"))
    assert weight(motion, "MouthStretchLeft").max() > 0.15
    assert weight(motion, "MouthPucker").max() < 0.05


def test_loud_and_stressed_syllables_open_wider():
    phonemes = spell("ˈa", "t", "ˈa", "t", "a", each_s=0.15)
    quiet = tone(phonemes)
    quiet[: int(phonemes[2].end_s * RATE_HZ)] *= 0.25
    jaw = move(phonemes, quiet).jaw[:, 0]
    first, second, unstressed = (jaw[frames_of(phonemes[index])].max() for index in (1, 3, 5))
    assert second > 1.1 * first
    assert second > 1.1 * unstressed


def test_fast_speech_undershoots():
    slow = move(spell("t", "ˈa", "t", "ˈa", "t", each_s=0.2)).jaw[:, 0].max()
    fast = move(spell("t", "ˈa", "t", "ˈa", "t", each_s=0.05)).jaw[:, 0].max()
    assert fast < 0.9 * slow


def test_the_silence_before_a_burst_belongs_to_the_stop():
    phonemes = spell("a", "p", "a")
    samples = tone(phonemes)
    # espeak puts the /p/ at its burst, at 0.6 s
    samples[int(0.54 * RATE_HZ) : int(0.6 * RATE_HZ)] = 0.0
    refined = refine_closures(phonemes, samples, sample_rate_hz=RATE_HZ)
    assert refined[2].start_s == pytest.approx(0.54, abs=0.006)
    assert refined[1].end_s == refined[2].start_s
    assert [p.ipa for p in refined] == [p.ipa for p in phonemes]


def test_a_stop_without_silence_keeps_its_time():
    phonemes = spell("a", "b", "a")
    assert refine_closures(phonemes, tone(phonemes), sample_rate_hz=RATE_HZ) == phonemes
