"""`ksdiff-jax audio2face`: animates speech for clients of NVIDIA's Audio2Face-3D over gRPC."""

import argparse
import os
from typing import TYPE_CHECKING

from ksdiff_jax.cli.console import Console, add_output_arguments
from ksdiff_jax.errors import InputError

if TYPE_CHECKING:
    import numpy as np

    from ksdiff_jax.export.take import Take

SUMMARY = "animate speech for programs that are clients of Audio2Face-3D (gRPC)"
PORT = 52000  # of Audio2Face-3D
EXAMPLES = """examples:
  ksdiff-jax audio2face
  ksdiff-jax audio2face --checkpoint runs/me --fps 60 --port 50051
  ksdiff-jax audio2face --host 0.0.0.0    for other machines: whoever reaches the port

A client's address is HOST:52000, without encryption. It sends 16-bit mono PCM of any rate and
receives 52 ARKit weights and the joints head and jaw. Stop with Ctrl+C. Needs the extra grpc:
pip install 'ksdiff-jax[grpc]'
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments: checkpoint, address, sampling."""
    parser.epilog = EXAMPLES
    parser.add_argument(
        "--checkpoint",
        metavar="DIR",
        help="checkpoint folder, training workdir, shipped name or org/name on the hub; default: "
        "the shipped checkpoint",
    )
    parser.add_argument("--host", default="127.0.0.1", help="address; default: this machine alone")
    parser.add_argument("--port", type=int, default=PORT, help=f"default: {PORT}")
    parser.add_argument(
        "--fps", type=float, default=30.0, help="frames a second; default 30, as Audio2Face"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="default 0")
    parser.add_argument(
        "--steps", type=int, metavar="N", help="denoising steps; default the checkpoint's"
    )
    parser.add_argument(
        "--device", choices=("cpu", "gpu", "tpu"), help="default: the fastest that JAX finds"
    )
    add_output_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Serve until interrupted."""
    if not 1 <= args.fps <= 240:
        raise InputError(f"--fps {args.fps:g}: need 1 to 240; for example 30 or 60")
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # its errors are raised, and printed here
    from ksdiff_jax.live.audio2face_service import Audio2FaceServer

    console = Console("audio2face", quiet=args.quiet, verbose=args.verbose, as_json=args.json)
    served = _Animation(args, console)
    server = Audio2FaceServer(served, host=args.host, port=args.port)
    try:
        served.load()
        server.start()
        console.say(f"serving Audio2Face's clients on {args.host}:{server.port}; stop with Ctrl+C")
        server.wait()
    except KeyboardInterrupt:
        console.say(f"stopped after {served.requests} requests")
    finally:
        server.stop()
    console.result({"requests": served.requests, "address": f"{args.host}:{server.port}"})
    return 0


class _Animation:
    """Animates the sound of one request after the other."""

    def __init__(self, args: argparse.Namespace, console: Console):
        self._args, self._console = args, console
        self._options = {} if args.steps is None else {"steps": args.steps}
        self.requests = 0

    def load(self) -> None:
        """Read the checkpoint, and animate noise once, so that the first client waits less for the
        compiler.
        """
        import numpy as np

        from ksdiff_jax.animate.animator import Animator
        from ksdiff_jax.cli.device import keep_compilations, use_device
        from ksdiff_jax.face import builtin_face, check_face

        use_device(self._args.device)
        keep_compilations()
        given = [self._args.checkpoint] if self._args.checkpoint else []
        self._animator = Animator.from_pretrained(*given)
        check_face(builtin_face(), self._animator.pretrained.space.name, what="--checkpoint")
        noise = np.random.default_rng(0).integers(-3000, 3000, 32_000).astype(np.int16)
        self._take(noise, 16_000)

    def _take(self, samples: "np.ndarray", rate_hz: int) -> "Take":
        from ksdiff_jax.export.take import Take

        motion = self._animator(
            samples, sample_rate_hz=rate_hz, transcript="", seed=self._args.seed, **self._options
        )
        take = Take(motion, self._args.fps, "speech")
        take.arkit  # noqa: B018 solved here, one request at a time
        return take

    def __call__(self, samples: "np.ndarray", rate_hz: int) -> "Take":
        import time

        started = time.perf_counter()
        try:
            take = self._take(samples, rate_hz)
        except InputError as error:
            self._console.warn(f"a request was refused: {error}")
            raise
        self.requests += 1
        seconds = time.perf_counter() - started
        self._console.say(f"{len(samples) / rate_hz:.1f} s of speech in {seconds:.1f} s")
        return take
