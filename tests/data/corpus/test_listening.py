"""Clips without speech: loud or silent, always with the mouth at rest."""

import numpy as np
import pytest

from ksdiff_jax.audio.timebase import SAMPLE_RATE_HZ, SAMPLES_PER_MOTION_FRAME
from ksdiff_jax.data.augment import random_noise
from ksdiff_jax.data.corpus.listening import LEVEL_DBFS, LONGEST_S, listen_clip, unvoiced_clip


@pytest.fixture(scope="module")
def clips():
    return [
        listen_clip(np.random.default_rng(seed), languages=("en",), split="train")
        for seed in range(40)
    ]


def level_db(clip):
    return 20 * np.log10(np.sqrt(np.mean((clip.audio / 32768.0) ** 2)) + 1e-9)


def test_nobody_speaks(clips):
    for clip in clips:
        assert clip.phonemes == () and clip.words == () and clip.transcript == ""
        assert (
            len(clip.audio) % SAMPLES_PER_MOTION_FRAME == 0
            and len(clip.audio) <= LONGEST_S * SAMPLE_RATE_HZ
        )


def test_some_rooms_are_silent_and_the_rest_spread_over_the_range_of_levels(clips):
    levels = np.array([level_db(clip) for clip in clips])
    silent = levels < -150
    assert 1 <= silent.sum() <= 16
    heard = levels[~silent]
    assert heard.max() <= LEVEL_DBFS[1] + 0.1 and heard.min() >= LEVEL_DBFS[0] - 1.0
    assert heard.max() > -30 and heard.min() < -45


def test_the_same_generator_state_gives_the_same_room():
    first, again = (
        listen_clip(np.random.default_rng(3), languages=("en",), split="train") for _ in range(2)
    )
    np.testing.assert_array_equal(first.audio, again.audio)


def test_the_voice_none_makes_tones_and_noise_and_no_clip_twice():
    clips = [
        unvoiced_clip(np.random.default_rng(seed), languages=("en",), split="train")
        for seed in range(60)
    ]
    assert all(clip.phonemes == () and clip.audio.any() for clip in clips)
    assert len({clip.audio.tobytes() for clip in clips}) == 60
    flat = []  # geometric over arithmetic mean of the spectrum: near 0 for tones
    for clip in clips:
        power = np.abs(np.fft.rfft(clip.audio[:16_000] * np.hanning(16_000)))[50:4000] ** 2 + 1e-9
        flat.append(np.exp(np.log(power).mean()) / power.mean())
    tonal = np.mean(np.array(flat) < 0.05)
    assert 0.3 < tonal < 0.9


def test_noises_come_steady_and_in_bursts():
    """Loudness within 20 ms over the clip's own: steady noise stays near 1, knocks and gusts leave
    it far behind.
    """
    bursts = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        noise = random_noise(
            rng.standard_normal(3 * SAMPLE_RATE_HZ, dtype=np.float32), rng, limits=None
        )
        assert noise.shape == (3 * SAMPLE_RATE_HZ,) and np.isfinite(noise).all()
        power = (noise**2).reshape(-1, 320).mean(1)
        bursts.append(power.max() / power.mean())
    assert min(bursts) < 1.7 and max(bursts) > 8.0
