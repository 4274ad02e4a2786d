"""Recordings through pipes, and other inputs that are not files."""

import os
import threading

import numpy as np
import pytest

from ksdiff_jax.audio.voice import voice
from ksdiff_jax.audio.waveform import read_recording
from ksdiff_jax.errors import InputError
from tests.recordings import bursts, wav


def fed(pipe, content):
    """A FIFO that somebody writes into."""
    os.mkfifo(pipe)
    threading.Thread(target=lambda: pipe.write_bytes(content), daemon=True).start()
    return pipe


def test_a_pipe_is_read_whole_and_its_sound_can_be_had_again(tmp_path):
    speech = bursts(1.0)
    content = wav(tmp_path / "a.wav", np.stack([speech, -speech], axis=1)).read_bytes()
    recording = read_recording(fed(tmp_path / "pipe", content))
    np.testing.assert_allclose(recording.audio, speech, atol=2e-3)
    assert recording.notes[0].startswith(f"{tmp_path / 'pipe'}: channel 2")
    assert sum(map(len, voice(recording.heard, 48_000))) == 48_000


@pytest.mark.parametrize(
    ("content", "says"), [(b"", "0 bytes"), (b"no recording\n" * 50, "not a recording")]
)
def test_an_error_of_a_pipe_names_the_pipe(tmp_path, content, says):
    with pytest.raises(InputError, match=says) as caught:
        read_recording(fed(tmp_path / "pipe", content))
    assert str(caught.value).startswith(f"{tmp_path / 'pipe'}: ")


def test_a_device_and_a_name_that_cannot_be_are_one_line(tmp_path):
    with pytest.raises(InputError, match="device"):
        read_recording("/dev/null")
    with pytest.raises(InputError, match="cannot be read"):
        read_recording(str(tmp_path / "a\0b"))
    with pytest.raises(InputError, match="cannot be read"):
        read_recording(tmp_path / ("x" * 300))
