"""`ksdiff-jax export --blender-script FILE.py`: writes the script for Blender and exits."""

import argparse


class WriteBlenderScript(argparse.Action):
    """Write a copy of export/blender_script.py; as `--version` does, this needs no other argument.
    A script of ours is replaced.
    """

    def __call__(self, parser, namespace, values, option_string=None):
        from importlib.resources import files

        from ksdiff_jax.cli.console import Console
        from ksdiff_jax.errors import paths_as_input
        from ksdiff_jax.outputs import writing

        source = files("ksdiff_jax") / "export" / "blender_script.py"
        with paths_as_input(), writing(values, "blender-script") as temporary:
            temporary.write_bytes(source.read_bytes())
        Console("export").say(f"  wrote {values}; its first lines describe its use")
        parser.exit()
