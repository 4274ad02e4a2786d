"""A gRPC server with the interface of Audio2Face-3D: a client sends speech and receives weights of
ARKit's shapes, and the turns of head and jaw, frame by frame.

A client's sound is animated when it is complete. Frames are sent as fast as they are computed, with
the time and the sound of each, as Audio2Face does; clients pace them by their clock. Face and
emotion parameters of a request have no counterpart here and are ignored; multipliers and offsets of
weights are applied. One request is computed at a time.
"""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from scipy.spatial.transform import Rotation

from ksdiff_jax.errors import InputError
from ksdiff_jax.export.take import Take
from ksdiff_jax.live import audio2face_messages as messages
from ksdiff_jax.live.audio2face_messages import AudioHeader
from ksdiff_jax.typing import Float, Int

LONGEST_S = 600
RATES_HZ = (8000, 192_000)
LARGEST_MESSAGE_BYTES = 64_000_000
CLIENTS = 4  # at once; the others wait

# the take of int16 samples at a rate in Hz
Animate = Callable[[Int[np.ndarray, "s"], int], Take]


def answers(parts: Iterator[bytes], animate: Animate) -> Iterator[bytes]:
    """Yield the messages that answer a client's stream; a fault is a status with one line."""
    try:
        header, sound = _received(parts)
        take = animate(np.frombuffer(sound, "<i2"), header.rate_hz)
    except (InputError, ValueError) as error:
        yield messages.status_message(messages.ERROR, " ".join(str(error).split()))
        return
    yield messages.header_message(header, start_s=time.time())
    weights, turns = scaled(take.arkit, header), _turns(take)
    edges = [2 * round(second * header.rate_hz) for second in take.times_s] + [len(sound)]
    for frame, time_s in enumerate(take.times_s.tolist()):
        part = sound[edges[frame] : edges[frame + 1]]
        yield messages.frame_message(time_s, weights[frame], turns[frame], part)
    yield messages.end_message()
    yield messages.status_message(messages.SUCCESS, f"{len(take)} frames")


def _received(parts: Iterator[bytes]) -> tuple[AudioHeader, bytes]:
    """Return the header and the whole sound of a client; raise `ValueError` for a fault."""
    header, sound = None, bytearray()
    for message in parts:
        part = messages.part_of_stream(message)
        if part is None:
            break
        if isinstance(part, AudioHeader):
            if header is not None:
                raise ValueError("a second header; send one header, then audio, then end of audio")
            header = _checked(part)
        elif header is None:
            raise ValueError("audio before its header; send the header first")
        else:
            sound += part
            if len(sound) > 2 * LONGEST_S * header.rate_hz:
                raise ValueError(f"more than {LONGEST_S} s of audio; send it in several requests")
    if header is None:
        raise ValueError("no header; send the header, then audio, then end of audio")
    if not sound or len(sound) % 2:
        raise ValueError(f"{len(sound)} bytes of audio; need an even number above 0")
    return header, bytes(sound)


def _checked(header: AudioHeader) -> AudioHeader:
    least, most = RATES_HZ
    got = (header.encoding, header.channels, header.bits)
    if got != (0, 1, 16) or not least <= header.rate_hz <= most:
        raise ValueError(
            f"audio of format {header.encoding}, {header.channels} channels, {header.bits} bits, "
            f"{header.rate_hz} Hz; need PCM (0), 1 channel, 16 bits, {least} to {most} Hz"
        )
    return header


def scaled(weights: Float[np.ndarray, "t 52"], header: AudioHeader) -> Float[np.ndarray, "t 52"]:
    """Return the weights times the client's multipliers plus its offsets, 0 to 1."""
    if not header.multipliers and not header.offsets:
        return weights
    times = np.array([header.multipliers.get(name, 1.0) for name in messages.NAMES])
    plus = np.array([header.offsets.get(name, 0.0) for name in messages.NAMES])
    return np.clip(weights * times + plus, 0, 1)


def _turns(take: Take) -> Float[np.ndarray, "t 2 4"]:
    """Return the quaternions w, x, y, z of head and jaw."""
    jaw = Rotation.from_rotvec(take.rotations("jaw"))
    return np.stack([np.roll(turn.as_quat(), 1, axis=1) for turn in (take.head, jaw)], axis=1)


class Audio2FaceServer:
    """The server. Its construction takes the port, so that a fault shows before a model is read;
    `start` serves, until `stop`.
    """

    def __init__(self, animate: Animate, *, host: str, port: int):
        grpc = _grpc()
        alone = threading.Lock()

        def one_at_a_time(samples: np.ndarray, rate_hz: int) -> Take:
            with alone:
                return animate(samples, rate_hz)

        def process(parts: Iterator[bytes], context) -> Iterator[bytes]:
            yield from answers(parts, one_at_a_time)

        service, method = messages.METHOD.strip("/").split("/")
        handlers = {method: grpc.stream_stream_rpc_method_handler(process)}  # bytes in and out
        self._server = grpc.server(
            ThreadPoolExecutor(CLIENTS),
            # Without the first, a second server would share the port.
            options=[
                ("grpc.so_reuseport", 0),
                ("grpc.max_receive_message_length", LARGEST_MESSAGE_BYTES),
            ],
        )
        self._server.add_generic_rpc_handlers(
            [grpc.method_handlers_generic_handler(service, handlers)]
        )
        if not 0 <= port <= 65535:
            raise InputError(f"port: got {port}, need 1 to 65535")
        address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        try:
            self.port = self._server.add_insecure_port(address)
        except RuntimeError as error:
            raise InputError(
                f"{address}: cannot be used, another program may have the port; name another "
                "--port, or another --host of this machine"
            ) from error

    def start(self) -> None:
        """Serve from now on."""
        self._server.start()

    def wait(self) -> None:
        """Return when the server has stopped."""
        self._server.wait_for_termination()

    def stop(self) -> None:
        """Stop, after a second for those who are being served."""
        self._server.stop(grace=1).wait()


def _grpc():
    try:
        import grpc
    except ImportError as error:
        raise InputError("grpc: not installed; run pip install 'ksdiff-jax[grpc]'") from error
    return grpc
