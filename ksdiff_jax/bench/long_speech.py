"""Three hours of speech against ten minutes, each a file and a new process, on the shipped
checkpoint: time, memory, and whether the motion's statistics drift.

| name | definition |
|---|---|
| over_linear | time of the long speech over its multiple of the short one's |
| peak_mb | peak of memory of the process with the long speech |
| drift | difference of the last ten minutes from the first, in standard deviations of the |
|       | difference of two of the ten-minute parts before the last; the largest statistic's |

The statistics are standard deviation and mean speed of expression, jaw, rotation and camera. The
voice repeats after a minute; the noise of sampling differs in each window.
"""

import json
import subprocess
import sys
import tempfile
import wave
from pathlib import Path

import numpy as np

from ksdiff_jax.audio.timebase import MOTION_RATE_HZ, SAMPLE_RATE_HZ
from ksdiff_jax.audio.waveform import to_int16
from ksdiff_jax.bench.voice import made_up_voice
from ksdiff_jax.typing import Float

SHORT_S, LONG_S = 600, 10_800
_CODE = """
import json, resource, sys, time
from ksdiff_jax.animate.animator import Animator
from ksdiff_jax.bench.long_speech import statistics
from ksdiff_jax.bench.voice import made_up_voice
animator = Animator.from_pretrained()
animator(made_up_voice(60.0), sample_rate_hz=16_000)
began = time.perf_counter()
motion = animator(sys.argv[1])
spent_s = time.perf_counter() - began
found = statistics(motion.coefficients).tolist()
peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
print(json.dumps({"s": spent_s, "peak_mb": peak_mb, "statistics": found}))
"""


def measure(*, short_s: int = SHORT_S, long_s: int = LONG_S) -> dict:
    """Return the figures; both lengths are whole minutes, and the longer one has at least three
    times ten of them.
    """
    short, long = (_in_a_new_process(seconds) for seconds in (short_s, long_s))
    return {
        "short_s": round(short["s"], 1),
        "long_s": round(long["s"], 1),
        "times_real_time": round(long_s / long["s"], 2),
        "over_linear": round(long["s"] / short["s"] * short_s / long_s, 3),
        "peak_mb": round(long["peak_mb"]),
        "drift": round(drift(np.array(long["statistics"])), 2),
    }


def statistics(motion: Float[np.ndarray, "t m"]) -> Float[np.ndarray, "n k"]:
    """Return eight statistics of each ten minutes of a motion at 25 Hz."""
    from ksdiff_jax.motion.space import CAMERA, EXPRESSION, JAW, ROTATION

    length = SHORT_S * MOTION_RATE_HZ
    parts = [motion[at : at + length] for at in range(0, len(motion) - length + 1, length)]
    return np.array(
        [
            [
                value
                for place in (EXPRESSION, JAW, ROTATION, CAMERA)
                for value in (
                    part[:, place].std(axis=0).mean(),
                    np.abs(np.diff(part[:, place], axis=0)).mean(),
                )
            ]
            for part in parts
        ]
    )


def drift(found: Float[np.ndarray, "n k"]) -> float:
    """Return the largest difference of the last row from the first, in standard deviations of the
    difference of two of the rows before the last; infinite where these are alike.
    """
    spread = np.sqrt(2) * found[:-1].std(axis=0, ddof=1)
    difference = np.abs(found[-1] - found[0])
    with np.errstate(divide="ignore"):
        shares = np.divide(difference, spread, out=np.zeros_like(spread), where=difference > 0)
    return float(shares.max())


def _in_a_new_process(seconds: int) -> dict:
    with tempfile.TemporaryDirectory() as folder:
        recording = Path(folder) / "voice.wav"
        _write_minutes(recording, seconds // 60)
        command = [sys.executable, "-c", _CODE, str(recording)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def _write_minutes(path: Path, minutes: int) -> None:
    minute = to_int16(made_up_voice(60.0)).astype("<i2").tobytes()
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, SAMPLE_RATE_HZ, 0, "NONE", ""))
        for _ in range(minutes):
            file.writeframes(minute)
