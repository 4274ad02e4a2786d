"""The messages of Audio2Face-3D's service, as its public definitions number their fields.

| from the client (`controller.v1.AudioStream`) | number: content |
|---|---|
| header | 1: {1: {1 format, 2 channels, 3 samples per second, 4 bits}, 4: blend shape parameters} |
| audio | 2: {1: PCM} |
| end of audio | 3: {} |

| to the client (`controller.v1.AnimationDataStream`) | number: content |
|---|---|
| header | 1: {1: header of the audio, 2: {1 blend shapes, 2 joints}, 3 start, s since the epoch} |
| a frame | 2: {1: {1 weights, 2 translations, 3 rotations}, 2: {1 time, 2 PCM}} |
| end of the animation | 3: {1: 0} |
| status | 4: {1 code, 2 text} |

Weights, translations and rotations are {1 time in s, 2 values}; a rotation is {1 real, 2 i, 3 j,
4 k}. The joints, which Audio2Face leaves empty, are the head and the jaw.
"""

import struct
from dataclasses import dataclass, field

import numpy as np

from ksdiff_jax.export.live_link import pascal_case
from ksdiff_jax.face.arkit import ARKIT_NAMES
from ksdiff_jax.live import wire
from ksdiff_jax.typing import Float

METHOD = "/nvidia_ace.services.a2f_controller.v1.A2FControllerService/ProcessAudioStream"
JOINTS = ("head", "jaw")
NAMES = tuple(map(pascal_case, ARKIT_NAMES))
SUCCESS, ERROR = 0, 3


@dataclass(frozen=True)
class AudioHeader:
    """What the client says of its sound, and how it wants the weights scaled."""

    channels: int
    rate_hz: int
    bits: int
    encoding: int = 0  # 0: PCM, the only one that is defined
    multipliers: dict[str, float] = field(default_factory=dict)  # by name, as `JawOpen`
    offsets: dict[str, float] = field(default_factory=dict)


def part_of_stream(message: bytes) -> AudioHeader | bytes | None:
    """Return a client's message: the header, a piece of sound, or None at the end of the sound.

    Raises `ValueError` if it is none of these.
    """
    found = wire.fields(message)
    if 1 in found:
        return _header(_message(found, 1))
    if 2 in found:
        return b"".join(part for part in _message(found, 2).get(1, []) if isinstance(part, bytes))
    if 3 in found:
        return None
    raise ValueError("a message without header, audio or end of audio")


def _header(content: dict[int, list[wire.Content]]) -> AudioHeader:
    audio, shapes = _message(content, 1), _message(content, 4)
    encoding, channels, rate_hz, bits = (_number(audio, n) for n in (1, 2, 3, 4))
    return AudioHeader(channels, rate_hz, bits, encoding, _map(shapes, 1), _map(shapes, 2))


def _message(content: dict[int, list[wire.Content]], number: int) -> dict[int, list[wire.Content]]:
    parts = content.get(number, [b""])
    if not isinstance(parts[-1], bytes):
        raise ValueError(f"field {number} is a number, need a message")
    return wire.fields(parts[-1])


def _number(content: dict[int, list[wire.Content]], number: int) -> int:
    value = content.get(number, [0])[-1]
    if not isinstance(value, int):
        raise ValueError(f"field {number} is no integer")
    return value


def _map(content: dict[int, list[wire.Content]], number: int) -> dict[str, float]:
    """Return a map from texts to floats: repeated entries {1: key, 2: value}."""
    found = {}
    for entry in content.get(number, []):
        pair = wire.fields(entry) if isinstance(entry, bytes) else {}
        key, value = pair.get(1, [b""])[-1], pair.get(2, [bytes(4)])[-1]
        if not isinstance(key, bytes) or not isinstance(value, bytes) or len(value) != 4:
            raise ValueError(f"field {number} is no map from texts to floats")
        found[key.decode()] = struct.unpack("<f", value)[0]
    return found


def header_message(audio: AudioHeader, *, start_s: float) -> bytes:
    """Return the header of the animation."""
    sound = (wire.whole(2, audio.channels), wire.whole(3, audio.rate_hz), wire.whole(4, audio.bits))
    skeleton = (wire.texts(1, NAMES), wire.texts(2, JOINTS))
    return wire.block(1, wire.block(1, *sound), wire.block(2, *skeleton), wire.double(3, start_s))


def frame_message(
    time_s: float,
    weights: Float[np.ndarray, "52"],
    quaternions: Float[np.ndarray, "2 4"],
    sound: bytes,
) -> bytes:
    """Return a frame: weights, head and jaw as quaternions w, x, y, z, and the sound from its time
    to that of the next frame.
    """
    time = wire.double(1, time_s)
    turns = [wire.block(2, *_quaternion(turn)) for turn in quaternions.tolist()]
    places = [wire.block(2) for _ in JOINTS]  # (0, 0, 0)
    skeleton = (
        wire.block(1, time, wire.floats(2, weights)),
        wire.block(2, time, *places),
        wire.block(3, time, *turns),
    )
    return wire.block(2, wire.block(1, *skeleton), wire.block(2, time, wire.block(2, sound)))


def _quaternion(turn: list[float]) -> list[bytes]:
    return [wire.single(number, value) for number, value in enumerate(turn, start=1)]


def end_message() -> bytes:
    """Return the event that the animation is complete."""
    return wire.block(3, wire.whole(1, 0))


def status_message(code: int, text: str) -> bytes:
    """Return a status, which ends a stream."""
    return wire.block(4, wire.whole(1, code), wire.block(2, text.encode("utf-8", "replace")))
