"""`ksdiff-jax send MOTION --to PROTOCOL`: a motion file, in real time, to programs that show it."""

import argparse
import contextlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from ksdiff_jax.cli.console import Console, add_output_arguments
from ksdiff_jax.cli.export import motion_stem, naming, open_take
from ksdiff_jax.errors import InputError
from ksdiff_jax.live.ports import PORTS

if TYPE_CHECKING:
    from ksdiff_jax.live.destination import Destination
    from ksdiff_jax.live.frame import Stream

SUMMARY = "a motion file, in real time, to Live Link Face, VMC or iFacialMocap receivers"
LONGEST_SUBJECT = 200  # bytes
EXAMPLES = """examples:
  ksdiff-jax send out/talk.motion.npz --to livelink
  ksdiff-jax send out/talk.motion.npz --to livelink --host 192.168.1.20 --fps 60 --loop
  ksdiff-jax send out/talk.motion.npz --to vmc --port 39540

Ports: livelink 11111, vmc 39539 (avatar programs; 39540 for others), ifacialmocap 49983. Packets
stay on this machine unless --host names another. Start the player of the sound yourself.
The status is 2 if packets were reported as refused or unreachable to the end. UDP has no answers: a
host that drops packets without a report cannot be told from one that receives them, and gives 0.
Packets of vmc (2.8 KB) are sent in fragments, for which some networks report nothing.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments: motion file, protocols, address."""
    parser.epilog = EXAMPLES
    parser.add_argument("motion", metavar="MOTION", help="a .motion.npz file")
    parser.add_argument(
        "--to",
        nargs="+",
        required=True,
        choices=PORTS,
        metavar="PROTOCOL",
        help=f"one or more of {', '.join(PORTS)}",
    )
    parser.add_argument("--host", default="127.0.0.1", help="the receiver; default: this machine")
    parser.add_argument(
        "--port", type=int, help="the receiver's UDP port, for one protocol; default: its usual one"
    )
    parser.add_argument(
        "--from-port", type=int, default=0, help="UDP port to send from; default: any free one"
    )
    parser.add_argument(
        "--fps", type=float, help="frames a second, e.g. 60; default: that of the motion"
    )
    parser.add_argument("--subject", help="the name that the receiver lists; default: the file's")
    parser.add_argument("--loop", action="store_true", help="repeat until interrupted (Ctrl+C)")
    parser.add_argument(
        "--face",
        metavar="FILE",
        help="the face that the coefficients are of, for motions of the flame space",
    )
    parser.add_argument(
        "--space",
        default="",
        metavar="NAME",
        help="motion space of a file of an earlier version that does not name it",
    )
    add_output_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Send the motion; return 2 if a receiver refused packets to the end."""
    stem = motion_stem(args.motion)
    args.subject = stem if args.subject is None else args.subject
    protocols = check_sending(args, args.to)
    if args.fps is not None and not args.fps > 0:
        raise InputError(f"fps: got {args.fps:g}, need a positive number; for example 30 or 60")
    console = Console("send", quiet=args.quiet, verbose=args.verbose, as_json=args.json)
    with opened(protocols, args) as places:
        take = open_take(args.motion, fps=args.fps, face=args.face, space=args.space)

        from ksdiff_jax.live.frame import frames_of, stream_of

        with naming(args.motion):
            frames = frames_of(take)
        where = ", ".join(f"{name} {place.name}" for name, place in places.items())
        console.say(f"sending {len(frames)} frames, {take.fps:g} a second, to {where}")
        stream = stream_of(frames, fps=take.fps, endless=args.loop)
        return send_to(places, stream, console, subject=args.subject, fps=take.fps)


def check_sending(args: argparse.Namespace, protocols: Sequence[str]) -> list[str]:
    """Return the distinct protocols; raise `InputError` for ports and a subject that do not fit."""
    protocols = list(dict.fromkeys(protocols))
    if len(protocols) > 1 and (args.port is not None or args.from_port):
        raise InputError(f"port: got one for {' and '.join(protocols)}; send to each on its own")
    subject = args.subject
    if not subject or len(subject.encode(errors="surrogateescape")) > LONGEST_SUBJECT:
        raise InputError(f"subject: got {subject!r}, need 1 to {LONGEST_SUBJECT} bytes")
    return protocols


@contextlib.contextmanager
def opened(
    protocols: Sequence[str], args: argparse.Namespace
) -> Iterator[dict[str, "Destination"]]:
    """Yield the sockets of the protocols by name, to the host and the ports of the options."""
    from ksdiff_jax.live.destination import Destination

    with contextlib.ExitStack() as open_ones:
        yield {
            name: open_ones.enter_context(
                Destination(
                    args.host,
                    PORTS[name] if args.port is None else args.port,
                    from_port=args.from_port,
                )
            )
            for name in protocols
        }


def send_to(
    places: dict[str, "Destination"],
    stream: "Stream",
    console: Console,
    *,
    subject: str,
    fps: float | int,
    too_late_s: float | None = None,
) -> int:
    """Send a stream to the opened places and report; return 2 if one refused packets to the end."""
    from ksdiff_jax.live.clock import TOO_LATE_S
    from ksdiff_jax.live.senders import PACKETS, send

    done = send(
        stream,
        [(PACKETS[name], place) for name, place in places.items()],
        subject=subject,
        fps=fps,
        too_late_s=TOO_LATE_S if too_late_s is None else too_late_s,
        refused=lambda place: console.say(
            f"{place.name}: cannot be reached (yet); sending goes on"
        ),
    )
    console.say(f"sent {done.sent} frames; the latest was {1000 * done.latest_s:.1f} ms late")
    if done.left_out:
        console.warn(f"{done.left_out} frames were due too long ago and were left out")
    return _finished(places, done.sent, console, left_out=done.left_out, latest_s=done.latest_s)


def _finished(
    places: dict[str, "Destination"], sent: int, console: Console, *, left_out: int, latest_s: float
) -> int:
    """Report, and return the exit status."""
    absent = [place for place in places.values() if place.absent]
    if absent:
        names = ", ".join(place.name for place in absent)
        console.fail(f"{names}: nothing listened there; start the receiver, or name --host, --port")
    console.result(
        {
            "frames": sent,
            "left_out": left_out,
            "latest_s": round(latest_s, 4),
            "to": {
                name: {"address": place.name, "refused": place.refused}
                for name, place in places.items()
            },
        }
    )
    return 2 if absent else 0
