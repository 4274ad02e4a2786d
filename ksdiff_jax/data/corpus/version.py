"""The version of the built-in corpus, which names the folders in which made clips are kept.

Raise `VERSION` whenever a clip comes out otherwise than before, be it by a change here, in
`data/augment.py`, in `face/` or in the face's stored arrays: old caches are then not mistaken for
new ones. A change that leaves every clip as it was keeps the version and everybody's cache.
"""

VERSION = "v2"
