"""The pitch tracker against librosa's, which decides alike in every frame."""

import subprocess
import sys

import numpy as np
import pytest

from ksdiff_jax.audio.compiled_librosa import librosa_module
from ksdiff_jax.audio.pitch import (
    BINS_PER_SEMITONE,
    F0_RANGE_HZ,
    WINDOW_SAMPLES,
    _likeliest_path,
    pyin_hz,
)
from ksdiff_jax.bench.voice import made_up_voice

TIME_S = np.arange(24_000) / 16_000
NOISE = np.random.default_rng(0).normal(size=len(TIME_S))
NOTES_HZ = np.random.default_rng(1).uniform(80, 480, 16)
SOUNDS = {
    "voice": made_up_voice(3.0),
    "noise": NOISE,
    "glide beyond both ends of the range": np.sin(2 * np.pi * (40 * TIME_S + 200 * TIME_S**2)),
    "pulses, every other of which fades": (np.arange(len(TIME_S)) % 80 == 0)
    * np.where(np.arange(len(TIME_S)) % 160 == 0, 1.0, 1 - TIME_S / TIME_S[-1]),
    "notes that jump, in noise": 0.7 * NOISE
    + np.sign(np.sin(np.cumsum(np.repeat(NOTES_HZ, 1_500)) * 2 * np.pi / 16_000)),
    "half of it silent": np.where(TIME_S < 0.7, 0.0, NOISE),
    "silence": np.zeros(len(TIME_S)),
    "one window": NOISE[:WINDOW_SAMPLES],
}


@pytest.mark.parametrize("name", SOUNDS)
def test_it_decides_as_librosa_in_every_frame(name):
    samples = SOUNDS[name].astype(np.float64)
    hz, voiced, _ = librosa_module("core").pyin(
        samples,
        fmin=F0_RANGE_HZ[0],
        fmax=F0_RANGE_HZ[1],
        sr=16_000,
        frame_length=WINDOW_SAMPLES,
        hop_length=320,
        resolution=1 / BINS_PER_SEMITONE,
        center=False,
    )
    np.testing.assert_array_equal(pyin_hz(samples), np.where(voiced, hz, 0.0))


def test_its_path_is_the_likeliest_of_all():
    librosa_module("core")  # the first import compiles, here under a lock
    from librosa.sequence import transition_local, transition_loop, viterbi

    rng, bins, frames = np.random.default_rng(0), 177, 400
    voiced = rng.random((bins, frames)) ** 8 * (rng.random((bins, frames)) < 0.03)
    voiced /= np.maximum(1, 1.01 * voiced.sum(axis=0))
    voiced[:, 100:120] = np.eye(bins)[:, rng.integers(0, bins, 20)]  # certain, and out of reach
    unvoiced = np.broadcast_to((1 - voiced.sum(axis=0)) / bins, voiced.shape)
    given = np.concatenate([voiced, unvoiced]) * (rng.random(frames) < 0.9)  # or all impossible
    moves = np.kron(transition_loop(2, 0.99), transition_local(bins, 46, window="triangle"))
    expected = viterbi(given, moves, p_init=np.full(2 * bins, 1 / (2 * bins)))
    found = _likeliest_path(given)
    np.testing.assert_array_equal(found, expected)
    assert 0.1 < (found < bins).mean() < 0.9 and np.abs(np.diff(found % bins)).max() > 23


@pytest.mark.parametrize("move", [-24, -23, -22, 22, 23, 24])
def test_it_glides_as_far_in_a_frame_as_librosa(move):
    librosa_module("core")
    from librosa.sequence import transition_local, transition_loop, viterbi

    bins = 177
    given = np.zeros((2 * bins, 2))
    given[88, 0], given[88 + move, 1], given[bins:, 1] = 1.0, 0.9, 0.1 / bins
    moves = np.kron(transition_loop(2, 0.99), transition_local(bins, 46, window="triangle"))
    np.testing.assert_array_equal(_likeliest_path(given), viterbi(given, moves))
    assert (_likeliest_path(given)[1] < bins) == (-23 <= move <= 22)


def test_its_sounds_have_frames_of_both_kinds():
    voiced = np.concatenate([pyin_hz(sound.astype(np.float64)) > 0 for sound in SOUNDS.values()])
    assert 0.2 < voiced.mean() < 0.8


def test_prosody_needs_neither_librosa_nor_its_compiler():
    code = (
        "import sys, numpy as np; from ksdiff_jax.audio.prosody import extract_prosody; "
        "extract_prosody(np.random.default_rng(0).normal(size=16000).astype(np.float32)); "
        "print(sorted({'librosa', 'numba'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
