"""A track of the 15 visemes: from phonemes if their times are known, from the motion otherwise.

From phonemes, each frame has the viseme of the phoneme at its time; neighbours overlap by
`CROSSFADE_S`. From the motion, a network of one hidden layer reads ARKit's mouth weights of
`WINDOW` frames of 25 Hz around each frame and returns the probability of each viseme. The phonemes
of the built-in corpus are its training data (asset_builders/viseme_network.py).
"""

import functools
import itertools
from importlib.resources import files

import numpy as np

from ksdiff_jax.export.viseme_shapes import VISEMES
from ksdiff_jax.face.arkit import ARKIT_NAMES
from ksdiff_jax.typing import Float, Int

Timed = tuple[str, float, float]  # text, start_s, end_s
RATE_HZ = 25
WINDOW = 7
CROSSFADE_S = 0.06
_LETTERS = {
    "PP": "pbmβɸ",
    "FF": "fvɱʋ",
    "TH": "θð",
    "DD": "tdʈɖɾɽ",
    "kk": "kɡgŋxɣqʁχɢɴʀhɦʔħʕ",
    "CH": "ʃʒʂʐɕʑ",
    "SS": "sz",
    "nn": "nlɳɲɫɭʎɬɮ",
    "RR": "ɹrɻ",
    "aa": "aɑɐɶæʌ",
    "E": "ɛɜɞœeøəɘɚɝɵ",
    "ih": "iɪɨᵻɩjçʝcɟ",
    "oh": "oɔɒɤ",
    "ou": "uʊɯʉyʏwʍɥ",
}
VISEME_OF = {letter: name for name, letters in _LETTERS.items() for letter in letters}
_VOWELS = frozenset(VISEMES[VISEMES.index("aa") :])
MOUTH = np.array([n for n, name in enumerate(ARKIT_NAMES) if name.startswith(("mouth", "jaw"))])


def phoneme_visemes(
    phonemes: tuple[Timed, ...], times_s: Float[np.ndarray, "t"]
) -> Int[np.ndarray, "t"]:
    """Return the number of the viseme at each time; `sil` where no phoneme is.

    Letters share the time of their phoneme, a vowel twice the time of a consonant. Marks and
    letters without a viseme are ignored.
    """
    found = np.zeros(len(times_s), np.int64)
    for ipa, start_s, end_s in phonemes:
        names = [VISEME_OF[letter] for letter in ipa if letter in VISEME_OF]
        if not names:
            continue
        shares = np.cumsum([0.0, *(2.0 if name in _VOWELS else 1.0 for name in names)])
        edges = start_s + (end_s - start_s) * shares / shares[-1]
        for name, first, last in zip(names, edges[:-1], edges[1:], strict=True):
            found[(times_s >= first) & (times_s < last)] = VISEMES.index(name)
    return found


def viseme_track(
    phonemes: tuple[Timed, ...], times_s: Float[np.ndarray, "t"]
) -> Float[np.ndarray, "t 15"]:
    """Return the weight of each viseme at each time, from phonemes; they sum to 1."""
    fine = (np.linspace(-0.5, 0.5, 9) * CROSSFADE_S)[:, None]
    numbers = phoneme_visemes(phonemes, (times_s + fine).ravel())
    return np.eye(len(VISEMES))[numbers].reshape(9, len(times_s), -1).mean(axis=0)


def windows(arkit: Float[np.ndarray, "t 52"]) -> Float[np.ndarray, "t k"]:
    """Return the mouth weights of the frames around each frame; the ends are repeated."""
    half = WINDOW // 2
    padded = np.pad(arkit[:, MOUTH], [(half, half), (0, 0)], mode="edge")
    return np.concatenate([padded[k : k + len(arkit)] for k in range(WINDOW)], axis=1)


def motion_visemes(arkit: Float[np.ndarray, "t 52"]) -> Float[np.ndarray, "t 15"]:
    """Return the probability of each viseme in each frame of `RATE_HZ`."""
    network = _network()
    hidden = np.maximum(windows(arkit) @ network["w1"] + network["b1"], 0)
    logits = hidden @ network["w2"] + network["b2"]
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    return odds / odds.sum(axis=1, keepdims=True)


@functools.cache
def _network() -> dict[str, np.ndarray]:
    with (files("ksdiff_jax") / "assets" / "visemes.npz").open("rb") as stream:
        archive = np.load(stream, allow_pickle=False)
        return {name: archive[name].astype(np.float64) for name in archive.files}


def cues(
    weights: Float[np.ndarray, "t 15"], *, fps: float | int, shortest_s: float = 0.04
) -> list[Timed]:
    """Return (viseme, start_s, end_s) of the strongest viseme, without gaps; one that lasts less
    than `shortest_s` is joined to the one before.
    """
    strongest = weights.argmax(axis=1)
    found: list[Timed] = []
    edges = [0, *(np.flatnonzero(np.diff(strongest)) + 1).tolist(), len(strongest)]
    for first, last in itertools.pairwise(edges):
        name, start_s, end_s = VISEMES[strongest[first]], first / fps, last / fps
        if found and (end_s - start_s < shortest_s - 1e-9 or found[-1][0] == name):
            found[-1] = (found[-1][0], found[-1][1], end_s)
        else:
            found.append((name, start_s, end_s))
    return found
