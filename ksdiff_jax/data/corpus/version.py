"""The version of the built-in corpus, which names the folders in which generated clips are cached.

Increase `VERSION` whenever a clip changes, through a change here, in `data/augment.py`, in `face/`
or in the face's stored arrays, so that old caches are not used. A change that leaves every clip as
it was keeps the version and every user's cache.
"""

VERSION = "v2"
