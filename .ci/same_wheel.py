"""Checks that two wheels contain the same files, including `configs/` and `py.typed`; prints their
contents by folder.
"""

import collections
import sys
import zipfile

NEEDED = (
    "py.typed",
    "configs/demo.py",
    "configs/paper.py",
    "assets/demo.wav",
    "assets/checkpoints/demo/config.json",
    "assets/checkpoints/sync/config.json",
    "assets/checkpoints/whisper_demo/config.json",
)


def contents(path: str) -> dict[str, int]:
    """Return the checksum of each file by name."""
    return {info.filename: info.CRC for info in zipfile.ZipFile(path).infolist()}


first, second = map(contents, sys.argv[1:])
different = sorted(name for name in {*first, *second} if first.get(name) != second.get(name))
assert not different, f"built from the sources and from the sdist these differ: {different}"
missing = [name for name in NEEDED if f"ksdiff_jax/{name}" not in first]
assert not missing, f"the wheel lacks {missing}"
foreign = [name for name in first if not name.startswith(("ksdiff_jax/", "ksdiff_jax-"))]
assert not foreign, f"the wheel would put these beside the package: {foreign}"
folders = collections.Counter("/".join(name.split("/")[:-1][:2]) for name in first)
for folder, count in sorted(folders.items()):
    print(f"{count:5} {folder}")
