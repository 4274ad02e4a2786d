"""The version of the built-in corpus, which names the folders in which generated clips are cached.

Increase `VERSION` whenever a clip changes, through a change here, in `data/augment.py`, in `face/`
or in the face's stored arrays, so that old caches are not used. A change that leaves every clip as
it was keeps the version and every user's cache.

`FINGERPRINT` belongs to the version. It contains statistics of four clips that a test generates and
compares (tests/data/corpus/test_corpus.py), so that a changed corpus cannot keep its version. It
contains statistics instead of a digest, because the last bits of a clip differ between releases of
NumPy and librosa.
"""

VERSION = "v2"

# Of each clip: frames; mean |sample| of the audio; root mean square of expression, rotation, jaw
# and camera; the expression against a fixed pattern in time and dimension; mean log energy.
FINGERPRINT = (
    (173, 731.173, 0.367857, 0.0717942, 0.0401383, 5.11774, -3.53728, -4.64072),
    (204, 1671.9, 0.362789, 0.0213754, 0.0529703, 5.20592, -5.5188, -3.82361),
    (130, 2310.37, 0.390739, 0.0607971, 0.0525677, 5.25187, 7.62277, -3.90248),
    (225, 777.19, 0.294716, 0.0473732, 0.037524, 5.15743, 2.5864, -5.28832),
)
