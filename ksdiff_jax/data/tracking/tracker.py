"""Faces and landmarks of pictures, by MediaPipe in a separate environment, connected by a pair of
pipes.

`tracker_python` finds the environment: given by the caller, by $KSDIFF_TRACKER_PYTHON, or created
by `make tracker` as `.venv-tracker` in the working folder or beside the package.
"""

import os
import select
import shlex
import struct
import subprocess
from pathlib import Path
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np

from ksdiff_jax.errors import InputError
from ksdiff_jax.typing import Float, UInt8

WORKER = Path(__file__).with_name("mediapipe_worker.py")
PROTOCOL = 1
LANDMARKS = 478
ENVIRONMENT = ".venv-tracker"
START_S = 120.0  # the first start after an installation compiles its bytecode
ANSWER_S = 60.0


class FoundFace(NamedTuple):
    """A detected face in a picture, in pixels."""

    x: float
    y: float
    width: float
    height: float
    score: float


@runtime_checkable
class FaceTracker(Protocol):
    """Detects faces, and the 478 points of MediaPipe's face mesh on the one face of a picture."""

    def faces(self, picture: UInt8[np.ndarray, "y x 3"]) -> list[FoundFace]: ...

    def landmarks(
        self, picture: UInt8[np.ndarray, "y x 3"]
    ) -> Float[np.ndarray, "478 3"] | None: ...

    def forget(self) -> None: ...


class TrackerDied(RuntimeError):
    """The tracker's process ended or stopped answering."""


def how_to_install() -> str:
    """Return the command that creates the tracker's environment: `make tracker` in a checkout,
    otherwise pip's.
    """
    if (Path(__file__).parents[3] / "Makefile").is_file():
        return "make tracker"
    needs = Path(__file__).with_name("requirements.txt")
    return (
        f"python3 -m venv {ENVIRONMENT} && {ENVIRONMENT}/bin/pip install -r "
        f"{shlex.quote(str(needs))}"
    )


def tracker_python(named: str = "") -> str:
    """Return the Python that has MediaPipe; raise `InputError` if there is none."""
    stated = named or os.environ.get("KSDIFF_TRACKER_PYTHON", "")
    if stated:
        if not os.access(stated, os.X_OK):
            raise InputError(
                f"{stated}: no tracker's Python there; `{how_to_install()}` makes one, name "
                "its bin/python"
            )
        return stated
    for folder in (Path(), Path(__file__).parents[3]):
        python = folder / ENVIRONMENT / "bin" / "python"
        if os.access(python, os.X_OK):
            return str(python.absolute())
    raise InputError(
        f"no face tracker: {ENVIRONMENT} is not here; `{how_to_install()}` installs it (or name a "
        "Python that has mediapipe 0.10.21 with --tracker), or give coefficients of another tool "
        "with --coefficients"
    )


class Tracker:
    """A running tracker. Use it in a `with` statement; it answers within a minute or raises
    `TrackerDied`.
    """

    def __init__(self, python: str = ""):
        command = [tracker_python(python), "-I", str(WORKER)]
        # Its libraries log many lines to the terminal.
        environment = os.environ | {"GLOG_minloglevel": "3", "TF_CPP_MIN_LOG_LEVEL": "3"}
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
        )
        try:
            version = struct.unpack("<I", self._read(4, wait_s=START_S))[0]
        except TrackerDied as error:
            self.close()
            raise InputError(
                f"{command[0]}: the face tracker does not start ({error}); install it again with "
                f"`{how_to_install()}`"
            ) from error
        if version != PROTOCOL:
            self.close()
            raise InputError(
                f"{WORKER}: tracker protocol {version}, need {PROTOCOL}; install the package again"
            )

    def faces(self, picture: UInt8[np.ndarray, "y x 3"]) -> list[FoundFace]:
        """Return the faces in an RGB picture, at most three."""
        count = self._request(b"D", picture)
        return [FoundFace(*map(float, self._floats(5))) for _ in range(count)]

    def landmarks(self, picture: UInt8[np.ndarray, "y x 3"]) -> Float[np.ndarray, "478 3"] | None:
        """Return the landmarks of the one face in an RGB picture, in pixels from its top left
        corner, or None.
        """
        found = [
            self._floats(3 * LANDMARKS).reshape(LANDMARKS, 3)
            for _ in range(self._request(b"M", picture))
        ]
        return found[0] if found else None

    def forget(self) -> None:
        """Reset tracking: the next picture is not the successor of the last one."""
        self._write(struct.pack("<cII", b"R", 0, 0))

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            pipe.close()

    def __enter__(self) -> "Tracker":
        return self

    def __exit__(self, *_error) -> None:
        self.close()

    def _request(self, kind: bytes, picture: np.ndarray) -> int:
        height, width, _ = picture.shape
        self._write(struct.pack("<cII", kind, height, width) + picture.tobytes())
        return struct.unpack("<I", self._read(4, wait_s=ANSWER_S))[0]

    def _write(self, data: bytes) -> None:
        try:
            self._process.stdin.write(data)
            self._process.stdin.flush()
        except OSError as error:
            raise TrackerDied(
                f"it takes no more pictures, exit status {self._process.poll()}"
            ) from error

    def _floats(self, count: int) -> Float[np.ndarray, "n"]:
        return np.frombuffer(self._read(4 * count, wait_s=ANSWER_S), "<f4").astype(np.float32)

    def _read(self, count: int, *, wait_s: float) -> bytes:
        parts, handle = [], self._process.stdout.fileno()
        while count:
            if not select.select([handle], [], [], wait_s)[0]:
                raise TrackerDied(f"no answer in {wait_s:.0f} s")
            part = os.read(handle, count)
            if not part:
                raise TrackerDied(f"it ended, exit status {self._process.wait()}")
            parts.append(part)
            count -= len(part)
        return b"".join(parts)
