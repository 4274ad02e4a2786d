"""Sends datagrams at their times over UDP.

The deadline of a frame is the start plus its time, on one monotonic clock: a late frame does not
delay those after it. Frames come from any iterator of (seconds, datagram), so a live source works
as a file does.

A host that nobody answers is noticed where the system reports it: an ICMP message on a connected
socket, which comes on loopback and often not from other machines. UDP has no other answer. One
sender at a time may send to a port of a host: a second one on this machine is refused by a lock.
"""

import socket
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from ksdiff_jax.errors import InputError

LOCK_OFFSET = 20_000  # the lock is a bound loopback port, this far above the target's


class Sent(NamedTuple):
    """What was sent."""

    frames: int
    seconds: float
    latest_s: float  # the largest delay of a frame after its deadline
    refused: int  # datagrams that the system reported as not received


def send_frames(
    frames: Iterable[tuple[float, bytes]], *, host: str, port: int, clock=time.monotonic
) -> Sent:
    """Send each datagram at its time; raise `InputError` for a host that cannot be reached."""
    with only_sender(port), _connected(host, port) as target:
        start, count, latest, refused = clock(), 0, 0.0, 0
        for time_s, data in frames:
            ahead = start + time_s - clock()
            if ahead > 0:
                time.sleep(ahead)
            latest = max(latest, clock() - start - time_s)
            try:
                target.send(data)
            except ConnectionRefusedError:
                refused += 1
            except OSError as error:
                raise InputError(
                    f"{host} port {port}: cannot be reached ({error.strerror})"
                ) from error
            count += 1
        return Sent(count, clock() - start, latest, refused)


@contextmanager
def only_sender(port: int) -> Iterator[None]:
    """Hold the lock of a port; raise `InputError` if another sender holds it."""
    number = port + LOCK_OFFSET if port + LOCK_OFFSET < 65536 else port - LOCK_OFFSET
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as lock:
        try:
            lock.bind(("127.0.0.1", number))
        except OSError as error:
            raise InputError(
                f"port {port}: another `ksdiff-jax send` sends to it, or a program uses port "
                f"{number}, which marks that; wait for it, or name another --port"
            ) from error
        yield


@contextmanager
def _connected(host: str, port: int) -> Iterator[socket.socket]:
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
    except OSError as error:
        raise InputError(
            f"{host}: no such host ({error.strerror}); name one with --host"
        ) from error
    with socket.socket(family, kind) as target:
        try:
            target.connect(address)
        except OSError as error:
            raise InputError(f"{host} port {port}: cannot be reached ({error.strerror})") from error
        yield target
