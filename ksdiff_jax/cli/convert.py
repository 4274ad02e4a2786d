"""`ksdiff-jax convert encoder SRC --out DIR`: converts models of other tools to this package's
format.
"""

import argparse
import time

from ksdiff_jax.cli.console import Console, add_output_arguments, add_overwrite_argument

SUMMARY = "convert models of other tools: speech encoders of Hugging Face and CTranslate2"
EXAMPLES = """examples:
  ksdiff-jax convert encoder facebook/wav2vec2-base-960h --out encoders/wav2vec2-base-960h
  ksdiff-jax convert encoder ~/models/hubert-large --out encoders/hubert-large
  ksdiff-jax convert encoder openai/whisper-tiny.en --out encoders/whisper-tiny
  ksdiff-jax convert encoder runs/student --out encoders/student    # a trained one
  ksdiff-jax train paper --model.encoder.path encoders/wav2vec2-base-960h
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments: the kind of model, its source and its destination."""
    parser.epilog = EXAMPLES
    parser.add_argument(
        "kind",
        choices=("encoder",),
        help="encoder: a Wav2Vec 2.0, HuBERT, WavLM, Whisper or student",
    )
    parser.add_argument(
        "source",
        metavar="SRC",
        help="a folder of Hugging Face (config.json and weights) or of CTranslate2 (a Whisper's "
        "model.bin), a name on the Hugging Face hub, or the run of a student",
    )
    parser.add_argument("--out", required=True, metavar="DIR", help="folder of the converted model")
    add_overwrite_argument(parser)
    add_output_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Convert, and print a summary of the result."""
    from ksdiff_jax.speech.convert import convert_encoder

    console = Console("convert", quiet=args.quiet, verbose=args.verbose, as_json=args.json)
    started = time.perf_counter()
    conversion = convert_encoder(args.source, args.out, overwrite=args.overwrite)
    config = conversion.config
    console.say(
        f"{args.source}: {config.architecture}, {config.num_layers} layers of width "
        f"{config.hidden_size}, {conversion.parameters / 1e6:.1f} M parameters"
    )
    if conversion.ignored:
        console.say(
            f"  left out, not part of the encoder: {', '.join(conversion.ignored[:6])}"
            + (f" and {len(conversion.ignored) - 6} more" if len(conversion.ignored) > 6 else "")
        )
    console.say(f"  licence {conversion.licence}; digest {conversion.digest[:12]}")
    console.say(f"{args.out}: written in {time.perf_counter() - started:.1f} s")
    console.say(f"next: ksdiff-jax train paper --model.encoder.path {args.out}")
    console.result(
        {
            "out": str(args.out),
            "architecture": config.architecture,
            "layers": config.num_layers,
            "width": config.hidden_size,
            "parameters": conversion.parameters,
            "licence": conversion.licence,
            "digest": conversion.digest,
            "left_out": list(conversion.ignored),
        }
    )
    return 0
