import numpy as np

from ksdiff_jax.audio.waveform import write_wav
from ksdiff_jax.evaluate.lips import CLOSED_BELOW
from ksdiff_jax.evaluate.rest import rest
from tests.evaluate.pretend import loudness_engine


def scene(folder):
    """A folder of silence and of steady noise."""
    (folder / "audio").mkdir(parents=True)
    write_wav(folder / "audio" / "vad_zero.wav", np.zeros(16_000, np.float32))
    noise = np.random.default_rng(0).uniform(-0.01, 0.01, 16_000).astype(np.float32)
    write_wav(folder / "audio" / "noise_1.wav", noise)


def test_a_system_that_opens_with_the_loudness_rests(tmp_path):
    scene(tmp_path)
    figures = rest(loudness_engine(), tmp_path)
    assert figures["silence_opening_max"] < CLOSED_BELOW
    assert figures["noise_closed_share"] == 1.0
    assert figures["noise_opening_std"] < 0.005


def test_a_mouth_that_hangs_open_does_not_rest(tmp_path):
    scene(tmp_path)
    figures = rest(loudness_engine(offset=0.3), tmp_path)
    assert figures["silence_opening_max"] > CLOSED_BELOW
    assert figures["noise_closed_share"] == 0.0
