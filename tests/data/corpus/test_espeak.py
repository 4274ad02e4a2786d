"""A fresh process that makes the same calls to espeak gets the same samples, at any time."""

import hashlib
import subprocess
import sys
import time

import pytest

pytest.importorskip("espeakng_loader")
SPEAK = """
import sys
from ksdiff_jax.data.corpus.espeak import Espeak, Voice
voice = Voice(name="en-us+victor", words_per_minute=160, pitch=50, pitch_range=50)  # a breathy one
sys.stdout.buffer.write(Espeak().speak("Over there.", voice=voice).samples.tobytes())
"""


def test_a_breathy_voice_does_not_depend_on_the_time_of_day():
    spoken = []
    for _ in range(2):
        done = subprocess.run([sys.executable, "-c", SPEAK], capture_output=True, check=True)
        spoken.append(hashlib.sha256(done.stdout).hexdigest())
        time.sleep(1 - time.time() % 1)  # into another second, by which espeak would seed its noise
    assert len(done.stdout) > 20_000 and spoken[0] == spoken[1]
