"""`ksdiff-jax send MOTION --to livelink`: a motion file to a running program, in real time."""

import argparse

from ksdiff_jax.cli.console import Console, add_output_arguments
from ksdiff_jax.cli.export import FRAME_RATES, motion_stem, open_take
from ksdiff_jax.errors import InputError

SUMMARY = "a motion file to a running program, in real time: Live Link, VMC, iFacialMocap"
TARGETS = ("livelink", "vmc", "ifacialmocap")
EXAMPLES = """examples:
  ksdiff-jax send out/talk.motion.npz --to livelink
  ksdiff-jax send out/talk.motion.npz --to vmc --host 192.168.1.20 --port 39540 --fps 60

Without --host, the datagrams go to this machine only.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments: motion, program and address."""
    parser.epilog = EXAMPLES
    parser.add_argument("motion", metavar="MOTION", help="a .motion.npz file")
    parser.add_argument("--to", required=True, choices=TARGETS, help="the protocol")
    parser.add_argument("--host", default="127.0.0.1", help="default: this machine")
    parser.add_argument(
        "--port", type=int, metavar="N", help="default: livelink 11111, vmc 39539, others 49983"
    )
    parser.add_argument(
        "--fps",
        type=int,
        choices=FRAME_RATES,
        help="frames a second, e.g. 60; default the motion's",
    )
    parser.add_argument("--face", metavar="FILE", help="the face of a motion of the flame space")
    parser.add_argument("--space", default="", metavar="NAME", help="see export")
    add_output_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Send every frame at its time."""
    from ksdiff_jax.export.live_packets import FRAMES, PORTS
    from ksdiff_jax.export.live_sender import only_sender, send_frames

    console = Console("send", quiet=args.quiet, verbose=args.verbose, as_json=args.json)
    port = PORTS[args.to] if args.port is None else args.port
    if not 1 <= port <= 65535:
        raise InputError(f"--port {port}: need 1 to 65535")
    with only_sender(port):  # before the work of solving
        pass
    take = open_take(
        args.motion, motion_stem(args.motion), fps=args.fps, face=args.face, space=args.space
    )
    frames = list(FRAMES[args.to](take))  # solved before the clock starts
    console.say(f"sending {len(frames)} frames to {args.host} port {port}")
    sent = send_frames(frames, host=args.host, port=port)
    console.say(
        f"{sent.frames} frames in {sent.seconds:.2f} s, at most {1000 * sent.latest_s:.1f} ms late"
    )
    if sent.refused:
        console.warn(
            f"{args.host} port {port}: nothing received {sent.refused} of {sent.frames} datagrams; "
            "start the program that listens there first"
        )
    console.result(sent._asdict() | {"host": args.host, "port": port})
    return 2 if sent.frames > 1 and sent.refused >= sent.frames // 2 else 0
