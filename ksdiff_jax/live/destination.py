"""The UDP address that packets go to.

UDP has no answers. If nothing listens on this machine, the system reports it at the next packet.
Networks report a port or a host that cannot be reached late and not for every packet, about once in
a few seconds; many drop the packets unseen. `refused` counts the reports.
"""

import errno
import ipaddress
import socket
import time
from typing import IO

from ksdiff_jax import locks
from ksdiff_jax.errors import InputError
from ksdiff_jax.files import cache_folder

LOOPBACK = "127.0.0.1"
REPORTED_WITHIN_S = 5.0  # by the network, of a packet that cannot reach its host
_REFUSALS = {
    *(errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN, errno.ENETDOWN),
}


class Destination:
    """A socket to one host and port, kept from other senders of this user until it is closed."""

    def __init__(self, host: str, port: int, *, from_port: int = 0):
        for name, number in (("port", port), ("from-port", from_port or 1)):
            if not 1 <= number <= 65535:
                raise InputError(f"{name}: got {number}, need 1 to 65535")
        family, address = _resolved(host, port)
        self.name, self.sent, self.refused = f"{host}:{port}", 0, 0
        self._refused_s = -REPORTED_WITHIN_S
        self._near = ipaddress.ip_address(address[0].partition("%")[0]).is_loopback
        self._lock = _alone(f"{address[0]}-{port}", self.name)
        self._socket = socket.socket(family, socket.SOCK_DGRAM)
        try:
            self._bind(family, from_port)
            self._socket.connect(address)
        except OSError as error:
            self.close()
            raise InputError(
                f"{self.name}: cannot be reached ({error.strerror}); name another --host"
            ) from error
        except InputError:
            self.close()
            raise

    def __enter__(self) -> "Destination":
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def close(self) -> None:
        """Close the socket and let other senders in."""
        self._socket.close()
        self._lock.close()

    def send(self, packet: bytes) -> bool:
        """Send a packet; return whether the one before it was taken.

        The system reports the refusal of a packet instead of sending the next, which is therefore
        sent again.
        """
        self.sent += 1
        for attempt in range(2):
            try:
                self._socket.send(packet)
                return attempt == 0
            except OSError as error:
                if error.errno not in _REFUSALS:
                    raise
                self.refused += attempt == 0
                self._refused_s = time.monotonic()
        return False

    @property
    def absent(self) -> bool:
        """Whether packets were refused to the end: on this machine all but the last, whose refusal
        would be seen at the next; elsewhere some of the last `REPORTED_WITHIN_S`.
        """
        if self._near:
            return 0 < self.refused >= self.sent - 1
        return self.refused > 0 and time.monotonic() - self._refused_s < REPORTED_WITHIN_S

    def _bind(self, family: int, from_port: int) -> None:
        try:
            self._socket.bind(("::" if family == socket.AF_INET6 else "", from_port))
        except OSError as error:
            if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                raise
            why = "is in use" if error.errno == errno.EADDRINUSE else "needs more rights"
            raise InputError(
                f"from-port: got {from_port}, which {why}; name another or leave it out"
            ) from error


def _resolved(host: str, port: int) -> tuple[int, tuple]:
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(
            f"host: got {host!r}, which has no address ({reason}); give a name or an address like "
            "192.168.1.20"
        ) from error
    return family, address


def _alone(key: str, name: str) -> IO[bytes]:
    """Return the lock of an address; raise `InputError` if another sender has it."""
    folder = cache_folder() / "senders"
    folder.mkdir(exist_ok=True)
    lock = (folder / f"{key.replace(':', '_').replace('%', '_')}.lock").open("ab")
    if not locks.take_at_once(lock):
        lock.close()
        raise InputError(
            f"{name}: another `ksdiff-jax send` is sending there; stop it or name another --port"
        )
    return lock
