"""The protocols, by name: usual port, and the function that makes a frame's packet."""

from collections.abc import Callable, Sequence

from ksdiff_jax.live.clock import TOO_LATE_S, Punctuality, on_time
from ksdiff_jax.live.destination import Destination
from ksdiff_jax.live.frame import Stream
from ksdiff_jax.live.ifacialmocap import ifacialmocap_text
from ksdiff_jax.live.live_link_packet import live_link_packet
from ksdiff_jax.live.vmc import vmc_bundle

# packet_of(time_s, frame, subject=..., fps=...)
PacketOf = Callable[..., bytes]

PACKETS: dict[str, PacketOf] = {
    "livelink": live_link_packet,
    "vmc": vmc_bundle,
    "ifacialmocap": ifacialmocap_text,
}


def send(
    stream: Stream,
    destinations: Sequence[tuple[PacketOf, Destination]],
    *,
    subject: str,
    fps: float | int,
    too_late_s: float = TOO_LATE_S,
    refused: Callable[[Destination], None] = lambda destination: None,
) -> Punctuality:
    """Send every frame of a stream when it is due to all destinations, by one clock.

    A frame that is late by more than `too_late_s` is left out. `refused` is called once for each
    destination that refuses a packet; sending continues, so that a receiver may be started later.
    """
    punctuality = Punctuality()
    for time_s, frame in on_time(stream, punctuality, too_late_s=too_late_s):
        for packet_of, destination in destinations:
            packet = packet_of(time_s, frame, subject=subject, fps=fps)
            if not destination.send(packet) and destination.refused == 1:
                refused(destination)
    return punctuality
