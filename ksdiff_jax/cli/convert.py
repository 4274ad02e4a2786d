"""`ksdiff-jax convert encoder|syncnet|... SRC --out DIR`: converts models of other tools to
this package's format. `ksdiff-jax convert checkpoint SRC --out DIR`: makes a checkpoint one small
folder.
"""

import argparse
import time
from pathlib import Path

from ksdiff_jax.cli.console import Console, add_output_arguments, add_overwrite_argument
from ksdiff_jax.errors import InputError, first_line

SUMMARY = "convert speech encoders, SyncNet, picture networks, or a run to one small folder"
EXAMPLES = """examples:
  ksdiff-jax convert encoder facebook/wav2vec2-base-960h --out encoders/wav2vec2-base-960h
  ksdiff-jax convert encoder ~/models/hubert-large --out encoders/hubert-large
  ksdiff-jax convert encoder openai/whisper-tiny.en --out encoders/whisper-tiny
  ksdiff-jax convert encoder runs/student --out encoders/student    # a trained one
  ksdiff-jax convert syncnet syncnet_v2.model --out syncnet    # for evaluate --syncnet syncnet
  ksdiff-jax convert autoencoder ~/models/ldm-celebahq-256/vqvae --out autoencoders/vq-f4
  ksdiff-jax convert lpips lpips_vgg.pt --out lpips    # the state of LPIPS(net="vgg")
  ksdiff-jax convert inception pt_inception-2015-12-05-6726825d.pth --out inception
  ksdiff-jax train paper --model.encoder.path encoders/wav2vec2-base-960h
  ksdiff-jax convert checkpoint runs/mine --out mine --card mine.md    # float16, with its encoder
  ksdiff-jax convert checkpoint runs/frames --out frames    # painted frames: with the autoencoder

Weights of picture metrics, which others distribute:
  lpips      the features and linear weights of LPIPS with VGG-16, as one PyTorch state: in Python,
             torch.save(lpips.LPIPS(net="vgg").state_dict(), "lpips_vgg.pt") with the package lpips.
             Used by `evaluate --lpips` and as model.perceptual_path of fd2talk_autoencoder.
  inception  the Inception of FID, pt_inception-2015-12-05-6726825d.pth of pytorch-fid's releases.
             Another Inception converts, too, but `evaluate --inception` gives FID with that file
             alone, which it knows by its digest.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments: the kind of model, its source and its destination."""
    parser.epilog = EXAMPLES
    parser.add_argument(
        "kind",
        choices=("encoder", "syncnet", "autoencoder", "lpips", "inception", "checkpoint"),
        help="encoder: a Wav2Vec 2.0, HuBERT, WavLM, Whisper or student; syncnet: the weights that "
        "LSE-C and LSE-D need; autoencoder: a VQModel or AutoencoderKL of diffusers; lpips, "
        "inception: networks of picture metrics; checkpoint: one of ours, to a folder that "
        "contains its speech encoder or autoencoder, with weights as float16",
    )
    parser.add_argument(
        "source",
        metavar="SRC",
        help="a folder of Hugging Face (config.json and weights) or of CTranslate2 (a Whisper's "
        "model.bin), a name on the Hugging Face hub, or the run of a student; for "
        "SyncNet its authors' file syncnet_v2.model; for a checkpoint its folder, run or name",
    )
    parser.add_argument("--out", required=True, metavar="DIR", help="folder of the converted model")
    parser.add_argument(
        "--encoder", metavar="PATH", help="folder of a checkpoint's speech encoder, if it has moved"
    )
    parser.add_argument(
        "--autoencoder",
        metavar="DIR",
        help="folder of the autoencoder of a checkpoint that paints frames, if it has moved",
    )
    parser.add_argument(
        "--card", metavar="FILE", help="Markdown card of a checkpoint; default: the one it has"
    )
    add_overwrite_argument(parser)
    add_output_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Convert, and print a summary of the result."""
    console = Console("convert", quiet=args.quiet, verbose=args.verbose, as_json=args.json)
    if args.kind == "checkpoint":
        return _checkpoint(args, console)
    for name in ("encoder", "autoencoder", "card"):
        if getattr(args, name) is not None:
            kind = {"encoder": "an encoder", "syncnet": "a SyncNet"}.get(args.kind, args.kind)
            raise InputError(f"--{name}: of a checkpoint, and {args.source} is {kind}; omit it")
    commands = {"encoder": _encoder, "syncnet": _syncnet}
    return commands.get(args.kind, _picture_network)(args, console)


def _checkpoint(args: argparse.Namespace, console: Console) -> int:
    from ksdiff_jax.models.pretrained import read_pretrained
    from ksdiff_jax.models.self_contained import save_self_contained

    card = ""
    if args.card:
        try:
            card = Path(args.card).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(
                f"--card {args.card}: {first_line(error)}; name a text file"
            ) from error
    moved = {"encoder": args.encoder, "autoencoder": args.autoencoder}
    out = save_self_contained(args.source, args.out, **moved, card=card, overwrite=args.overwrite)
    size = sum(file.stat().st_size for file in out.iterdir())
    model = read_pretrained(out).config.model
    encoder = getattr(model, "encoder", None)
    held = " with its speech encoder" if encoder and encoder.kind == "pretrained" else ""
    held += " with its autoencoder" if getattr(model, "autoencoder_path", "") else ""
    console.say(f"{out}: {args.source}{held}, float16, {size / 1e6:.1f} MB")
    console.result({"out": str(out), "bytes": size})
    return 0


def _syncnet(args: argparse.Namespace, console: Console) -> int:
    from ksdiff_jax.models.syncnet.folder import convert_syncnet

    found = convert_syncnet(args.source, args.out, overwrite=args.overwrite)
    console.say(f"{args.source}: SyncNet, {found.parameters / 1e6:.1f} M parameters")
    console.say(f"  SHA-256 of the file {found.source_sha256}; digest {found.digest[:12]}")
    console.say(f"next: ksdiff-jax evaluate --metrics lse --syncnet {args.out}")
    facts = {"parameters": found.parameters, "digest": found.digest}
    console.result({"out": str(args.out), "source_sha256": found.source_sha256} | facts)
    return 0


def _picture_network(args: argparse.Namespace, console: Console) -> int:
    from ksdiff_jax.pictures.inception import convert_inception
    from ksdiff_jax.pictures.lpips import convert_lpips
    from ksdiff_jax.pictures.published_autoencoder import convert_autoencoder

    kinds = {"lpips": convert_lpips, "inception": convert_inception}
    convert = kinds.get(args.kind, convert_autoencoder)
    found = convert(args.source, args.out, overwrite=args.overwrite)
    layout = "".join(f", {name} {value}" for name, value in found.layout.items())
    console.say(f"{args.source}: {found.kind}, {found.parameters / 1e6:.1f} M parameters{layout}")
    console.say(f"  SHA-256 of the weights {found.source_sha256}; digest {found.digest[:12]}")
    facts = {"kind": found.kind, "parameters": found.parameters, "digest": found.digest}
    console.result({"out": str(args.out), "source_sha256": found.source_sha256} | facts)
    return 0


def _encoder(args: argparse.Namespace, console: Console) -> int:
    from ksdiff_jax.speech.convert import convert_encoder

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
