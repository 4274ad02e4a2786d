"""`ksdiff-jax push CHECKPOINT org/name`: uploads a checkpoint to the Hugging Face hub, with its
card as the README.
"""

import argparse

from ksdiff_jax.cli.console import Console, add_output_arguments

SUMMARY = "upload a checkpoint to the Hugging Face hub"
EXAMPLES = """examples:
  ksdiff-jax push runs/demo org/name --private
  ksdiff-jax push runs/demo org/name --licence apache-2.0 --message "3,000 steps"

The token comes from `hf auth login` or from the variable HF_TOKEN.
`animate --checkpoint org/name` downloads the checkpoint.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments: the checkpoint, its destination and its metadata."""
    parser.epilog = EXAMPLES
    parser.add_argument(
        "checkpoint",
        metavar="CHECKPOINT",
        help="checkpoint folder, training workdir or shipped name",
    )
    parser.add_argument("repo", metavar="REPO", help="owner/name on the hub, created if needed")
    parser.add_argument(
        "--private",
        action="store_true",
        help="create the repository as a private one, if it is new",
    )
    parser.add_argument(
        "--message",
        metavar="TEXT",
        default="Checkpoint of ksdiff-jax",
        help="message of the commit",
    )
    parser.add_argument(
        "--licence",
        metavar="ID",
        help="licence in the metadata, as the hub spells it: apache-2.0; default none",
    )
    parser.add_argument(
        "--overwrite",
        action="store_true",
        help="also replace files of the same names that are not one of our checkpoints",
    )
    add_output_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Verify and upload; any obstacle raises `InputError`."""
    from ksdiff_jax.models.publish import push_to_hub

    console = Console("push", quiet=args.quiet, verbose=args.verbose, as_json=args.json)
    address = push_to_hub(
        args.checkpoint,
        args.repo,
        private=args.private or None,  # None: the default of the hub's settings
        message=args.message,
        licence=args.licence,
        overwrite=args.overwrite,
    )
    console.say(f"{args.checkpoint} is at {address}")
    console.result({"checkpoint": args.checkpoint, "repo": args.repo, "address": address})
    return 0
