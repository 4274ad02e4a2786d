"""`ksdiff-jax export-model --out DIR`: a checkpoint as programs that run without this package."""

import argparse
import time

from ksdiff_jax.cli.console import Console, add_output_arguments, add_overwrite_argument

SUMMARY = "a checkpoint as StableHLO programs and weights that run without this package"
SAMPLING = ("steps", "sampler", "spacing", "guidance", "style")
EXAMPLES = """examples:
  ksdiff-jax export-model --out deploy
  ksdiff-jax export-model --checkpoint runs/demo --out deploy --steps 4 --lengths 128 512
  ksdiff-jax export-model --out deploy --sampler dpm++2m --steps 10
  ksdiff-jax export-model --out deploy --platforms cuda
  ksdiff-jax export-model --out deploy --weights int8

  ksdiff-jax export-model --out deploy --onnx --lengths 256

  cd deploy && python run.py example.npz motion.npz          needs jax, numpy, flatbuffers
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options: the checkpoint, the folder, the programs, the sampling options in them."""
    parser.epilog = EXAMPLES
    parser.add_argument("--out", required=True, metavar="DIR", help="folder for the exported model")
    add_overwrite_argument(parser)
    parser.add_argument(
        "--checkpoint",
        metavar="DIR",
        help="checkpoint folder, training workdir, shipped name or org/name on the hub; default: "
        "the shipped checkpoint",
    )
    parser.add_argument(
        "--encoder",
        metavar="PATH",
        help="the checkpoint's pretrained speech encoder, if it has moved",
    )
    parser.add_argument(
        "--lengths",
        nargs="+",
        type=int,
        metavar="N",
        help="padded lengths in motion frames at 25 Hz, one program each; default 64 128 256 512 "
        "1024",
    )
    parser.add_argument(
        "--platforms",
        nargs="+",
        choices=("cpu", "cuda", "rocm", "tpu"),
        metavar="P",
        help="where the programs run; default cpu cuda tpu",
    )
    parser.add_argument(
        "--weights",
        choices=("float32", "float16", "int8"),
        default="float32",
        help="how the weights are stored (default float32); the programs compute in float32",
    )
    parser.add_argument(
        "--onnx",
        action="store_true",
        help="also write ONNX models and run_onnx.py, for onnxruntime (minutes a length)",
    )
    parser.add_argument("--steps", type=int, metavar="N", help="denoising steps in the programs")
    parser.add_argument(
        "--sampler",
        metavar="NAME",
        help="ddim, dpm++2m (DPM-Solver++) or unipc; default the checkpoint's",
    )
    parser.add_argument(
        "--spacing",
        metavar="NAME",
        help="of the steps: trailing or log_snr; default the checkpoint's",
    )
    parser.add_argument("--guidance", type=float, metavar="S", help="guidance scale, 1 is none")
    parser.add_argument("--style", metavar="NAME", help="style, if the checkpoint has styles")
    add_output_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Trace and write the programs; every obstacle raises `InputError`."""
    from ksdiff_jax.cli.device import use_device

    use_device("cpu")  # nothing is computed; weights and precision are those of a CPU

    from ksdiff_jax.animate.animator import Animator
    from ksdiff_jax.animate.program import FRAMES, PLATFORMS, export_model
    from ksdiff_jax.models.pretrained import DEFAULT_NAME

    started = time.perf_counter()
    console = Console("export-model", quiet=args.quiet, verbose=args.verbose, as_json=args.json)
    animator = Animator.from_pretrained(args.checkpoint or DEFAULT_NAME, encoder=args.encoder)
    options = {name: getattr(args, name) for name in SAMPLING}
    animator.engine = animator.engine.with_options(**options)
    with console.progress("exporting", unit="programs") as update:
        folder = export_model(
            animator,
            args.out,
            frames=args.lengths or FRAMES,
            platforms=args.platforms or PLATFORMS,
            stored=args.weights,
            onnx=args.onnx,
            overwrite=args.overwrite,
            progress=update,
        )
    files = {path.name: path.stat().st_size for path in sorted(folder.iterdir())}
    seconds = time.perf_counter() - started
    console.say(
        f"wrote {folder}: {len(files)} files, {sum(files.values()) / 1e6:.1f} MB, {seconds:.0f} s"
    )
    console.say(f"next: cd {folder} && python run.py example.npz motion.npz")
    console.result({"out": str(folder), "files": files, "seconds": seconds})
    return 0
