"""`ksdiff-jax push CHECKPOINT org/name`: a checkpoint onto the Hugging Face hub, its card as the
README.
"""

import argparse

from ksdiff_jax.cli.console import Console, add_output_arguments

SUMMARY = "put a checkpoint on the Hugging Face hub"
EXAMPLES = """examples:
  ksdiff-jax push runs/demo org/name --private
  ksdiff-jax push runs/demo org/name --licence apache-2.0 --message "3,000 steps"

The token is that of `hf auth login`, or in the variable HF_TOKEN.
`animate --checkpoint org/name` takes the checkpoint from there.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What, where to, and what is said of it there."""
    parser.epilog = EXAMPLES
    parser.add_argument(
        "checkpoint",
        metavar="CHECKPOINT",
        help="checkpoint folder, training workdir or shipped name",
    )
    parser.add_argument("repo", metavar="REPO", help="owner/name on the hub, made if need be")
    parser.add_argument(
        "--private", action="store_true", help="make the repository a private one, if it is new"
    )
    parser.add_argument(
        "--message", metavar="TEXT", default="Checkpoint of ksdiff-jax", help="of the commit"
    )
    parser.add_argument(
        "--licence",
        metavar="ID",
        help="for the metadata, as the hub writes it: apache-2.0; default none",
    )
    parser.add_argument(
        "--overwrite",
        action="store_true",
        help="also replace files of the same names that are no checkpoint of ours",
    )
    add_output_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Verify and send; whatever keeps it from the hub is an `InputError`."""
    from ksdiff_jax.models.publish import push_to_hub

    console = Console("push", quiet=args.quiet, verbose=args.verbose, as_json=args.json)
    address = push_to_hub(
        args.checkpoint,
        args.repo,
        private=args.private or None,  # None: as the hub's settings have it
        message=args.message,
        licence=args.licence,
        overwrite=args.overwrite,
    )
    console.say(f"{args.checkpoint} is at {address}")
    console.result({"checkpoint": args.checkpoint, "repo": args.repo, "address": address})
    return 0
