"""Whisper from its own library, tiny and random: from samples to words with times."""

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is not installed: make test-parity brings it")

from ksdiff_jax.errors import InputError
from ksdiff_jax.speech.transcribe import load_transcriber
from tests.speech.originals import build, save
from tests.speech.tiny_whisper import write_tiny_whisper

pytestmark = pytest.mark.parity


@pytest.mark.parametrize("seconds", [4.0, 43.0])
def test_words_have_times_inside_short_and_long_recordings(seconds, tmp_path):
    transcribe = load_transcriber(str(write_tiny_whisper(tmp_path)))
    audio = 0.1 * np.random.default_rng(0).normal(size=int(16_000 * seconds)).astype(np.float32)
    heard = transcribe(audio)
    assert heard.text and heard.spoken and heard.unit == "word" and heard.source == str(tmp_path)
    starts = [word.start_s for word in heard.spoken]
    assert starts == sorted(starts)
    assert all(0 <= word.start_s <= word.end_s <= seconds for word in heard.spoken)
    assert seconds < 30 or heard.spoken[-1].end_s > 30


def test_another_kind_of_model_and_no_model_are_one_line_each(tmp_path):
    with pytest.raises(InputError, match="--transcribe") as caught:
        load_transcriber(str(save(build("wav2vec2 base"), tmp_path / "encoder")))
    assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match="no such model here, and it could not be downloaded"):
        load_transcriber(str(tmp_path / "nothing"))
