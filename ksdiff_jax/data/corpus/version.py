"""The version of the built-in corpus, which names the folders in which generated clips are cached.

Increase `VERSION` whenever a clip changes, through a change here, in `data/augment.py`, in `face/`
or in the face's stored arrays, so that old caches are not used. A change that leaves every clip as
it was keeps the version and every user's cache.

`FINGERPRINT` belongs to the version. It contains statistics of four clips that a test generates and
compares (tests/data/corpus/test_corpus.py), so that a changed corpus cannot keep its version. It
contains statistics instead of a digest, because the last bits of a clip differ between releases of
NumPy and librosa.
"""

VERSION = "v3"

# Of each clip: frames; mean |sample| of the audio; root mean square of expression, rotation, jaw
# and camera; the expression against a fixed pattern in time and dimension; mean log energy.
FINGERPRINT = (
    (173, 731.173, 0.368007, 0.077317, 0.0401383, 5.215507, -4.06358, -4.64072),
    (204, 1671.9, 0.362924, 0.054298, 0.0529703, 5.011104, -5.44222, -3.82361),
    (130, 2310.37, 0.390936, 0.05284, 0.0525677, 5.122773, 7.72392, -3.90248),
    (225, 777.19, 0.295319, 0.056761, 0.037524, 5.05328, 2.28227, -5.28832),
)
