import numpy as np

from ksdiff_jax.audio.waveform import write_wav
from ksdiff_jax.evaluate.lips import CLOSED_BELOW
from ksdiff_jax.evaluate.rest import SECONDS, rest, resting_sounds, synthetic_rest
from ksdiff_jax.face import builtin_face
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


def test_synthetic_sounds_have_their_levels_and_a_mouth_that_hangs_open_is_seen_on_each():
    sounds = resting_sounds()
    assert [len(of_kind) for of_kind in sounds.values()] == [1, 4, 2, 2]
    assert not sounds["silence"][0].any()
    levels = [20 * np.log10(np.sqrt(np.mean(s.astype(float) ** 2))) for s in sounds["noise"]]
    np.testing.assert_allclose(levels, [-20, -40, -20, -40], atol=0.05)
    hum = np.abs(np.fft.rfft(sounds["hum"][0]))
    assert np.argmax(hum) == 50 * SECONDS
    figures = synthetic_rest(loudness_engine(), face=builtin_face())
    assert set(figures) == {f"rest_{kind}_opening_max" for kind in sounds}
    # it opens with the loudness, so only silence leaves it shut
    assert figures["rest_silence_opening_max"] < CLOSED_BELOW < figures["rest_music_opening_max"]
    open_mouth = synthetic_rest(loudness_engine(offset=0.3), face=builtin_face())
    assert min(open_mouth.values()) > CLOSED_BELOW
