"""The corpus as espeak speaks it: a few clips, made by fresh processes."""

import hashlib
import sys

import numpy as np
import pytest

from ksdiff_jax.audio.timebase import SAMPLES_PER_MOTION_FRAME
from ksdiff_jax.data.corpus.espeak import Espeak
from ksdiff_jax.data.corpus.version import FINGERPRINT
from ksdiff_jax.data.corpus.write import corpus_clips, split_sizes, write_corpus
from ksdiff_jax.data.schema import encode_clip
from ksdiff_jax.data.shards import ShardReader
from ksdiff_jax.errors import InputError
from ksdiff_jax.face import builtin_face, face_height, face_vertices, mouth_opening

pytest.importorskip("espeakng_loader", reason="the built-in corpus needs ksdiff-jax[corpus]")
LANGUAGES = ("en", "es")
MOST_FRAMES = 230


@pytest.fixture(scope="module")
def clips():
    return list(corpus_clips("train", count=4, seed=5, languages=LANGUAGES, processes=1))


def openings(clip) -> np.ndarray:
    face = builtin_face()
    # Of one length, so that all clips go through one compiled program.
    expression, jaw = (
        np.resize(values, (MOST_FRAMES, values.shape[1])) for values in (clip.expression, clip.jaw)
    )
    vertices = face_vertices(face, expression, jaw_pose=jaw)
    return (np.asarray(mouth_opening(face, vertices)) / face_height(face))[: clip.frames]


def test_the_same_seed_gives_the_same_bytes_in_other_processes(clips):
    again = corpus_clips("train", count=2, seed=5, languages=LANGUAGES, processes=2)
    for first, second in zip(clips, again, strict=False):
        assert (
            hashlib.sha256(encode_clip(first)).digest()
            == hashlib.sha256(encode_clip(second)).digest()
        )


def fingerprint(clip) -> tuple[float, ...]:
    """The statistics that `ksdiff_jax.data.corpus.version.FINGERPRINT` records."""
    parts = (clip.expression, clip.rotation, clip.jaw, clip.camera)
    sizes = [np.sqrt(np.square(part, dtype=np.float64).mean()) for part in parts]
    pattern = np.cos(0.7 * np.arange(clip.expression.size)).reshape(clip.expression.shape)
    loudness = np.abs(clip.audio.astype(np.float64)).mean()
    energy = clip.prosody[:, 1].mean(dtype=np.float64)
    return (clip.frames, loudness, *sizes, (clip.expression * pattern).sum(), energy)


def test_a_change_of_the_corpus_needs_a_new_version(clips):
    found = np.array([fingerprint(clip) for clip in clips])
    changed = ~np.isclose(found, FINGERPRINT, rtol=1e-4, atol=1e-5)
    # Where this fails, the clips are others than those in the caches of this VERSION: undo the
    # change, or raise VERSION and record the statistics found here beside it.
    assert not changed.any(), np.array2string(found, precision=6, suppress_small=True)


def test_lips_meet_in_every_bilabial_of_real_sentences(clips):
    seen = 0
    for clip in clips:
        apart = openings(clip)
        for name, start_s, end_s in clip.phonemes:
            if any(letter in "pbm" for letter in name):
                first, last = max(0, int(start_s * 25) - 1), int(np.ceil(end_s * 25)) + 1
                assert apart[first : last + 1].min() < 0.015, (clip.clip_id, name, start_s)
                seen += 1
    assert seen >= 8


def test_phonemes_are_loud_and_pauses_are_silent(clips):
    """Times fit the sound: what espeak calls a pause has none of the energy of what it calls a
    vowel.
    """
    for clip in clips:
        power = np.cumsum(np.concatenate([[0.0], clip.audio.astype(np.float64) ** 2]))

        def level(start_s: float, end_s: float, power: np.ndarray = power) -> float:
            first, last = int(start_s * 16000), min(len(power) - 1, int(end_s * 16000))
            return float((power[last] - power[first]) / max(1, last - first)) ** 0.5

        vowels = [level(a, b) for name, a, b in clip.phonemes if name.startswith("ˈ")]
        pauses = [
            level(a + 0.03, b - 0.02) for name, a, b in clip.phonemes if not name and b - a > 0.1
        ]
        assert max(pauses) < 0.1 * np.median(vowels)


def test_clips_are_of_the_promised_length_and_have_words_and_prosody(clips):
    for clip in clips:
        assert 3.0 <= clip.duration_s <= 9.05
        assert len(clip.audio) == SAMPLES_PER_MOTION_FRAME * clip.frames
        assert clip.prosody is not None and (clip.prosody[:, 0] > 0).mean() > 0.1
        assert clip.words[0].text.lower() in clip.transcript.lower()
        assert clip.language in LANGUAGES


def test_a_written_corpus_reads_back_with_disjoint_voices_and_sentences(tmp_path):
    done = []
    write_corpus(tmp_path / "corpus", clips=5, seed=1, languages=("en",), progress=done.append)
    assert done == [1, 2, 3, 4, 5]
    splits = {
        split: list(ShardReader(tmp_path / "corpus", split)) for split in ("train", "val", "test")
    }
    assert (
        {split: len(found) for split, found in splits.items()}
        == split_sizes(5)
        == {"train": 3, "val": 1, "test": 1}
    )
    voices = {
        split: {clip.speaker_id.split("+")[1] for clip in found} for split, found in splits.items()
    }
    said = {split: {clip.transcript for clip in found} for split, found in splits.items()}
    for kind in (voices, said):
        assert not (
            kind["train"] & kind["test"]
            or kind["train"] & kind["val"]
            or kind["val"] & kind["test"]
        )


@pytest.mark.parametrize(("clips", "languages"), [(2, ("en",)), (10, ("klingon",))])
def test_requests_that_cannot_be_met_are_refused_and_nothing_is_written(tmp_path, clips, languages):
    with pytest.raises(InputError):
        write_corpus(tmp_path / "corpus", clips=clips, languages=languages)
    assert not list(tmp_path.iterdir())


def test_without_espeak_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "espeakng_loader", None)
    with pytest.raises(InputError, match=r"ksdiff-jax\[corpus\]"):
        Espeak()
