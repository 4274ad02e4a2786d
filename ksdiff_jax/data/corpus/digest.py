"""The name under which made clips may be kept: a digest of everything that decides what a clip
holds.
"""

import hashlib
from pathlib import Path


def source_digest() -> str:
    """SHA-256 over the sources of corpus, noises and face, and the face's data: another digest,
    other clips.
    """
    package = Path(__file__).parents[2]
    folders = [package / "data" / "corpus", package / "face", package / "assets" / "face"]
    digest = hashlib.sha256()
    noises = package / "data" / "augment.py"
    for source in (noises, *sorted(path for folder in folders for path in folder.glob("*.*"))):
        digest.update(source.name.encode() + source.read_bytes())
    return digest.hexdigest()
