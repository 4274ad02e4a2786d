"""Fits the network that reads visemes from motion.

    python -m ksdiff_jax.asset_builders.viseme_network ksdiff_jax/assets/visemes.npz

Inputs are ARKit's mouth weights of windows of the built-in corpus, targets the visemes of its
phonemes (export/visemes.py). 200 clips of the training split are fitted; 50 of the validation split
choose the number of steps, by macro F1, and the bias of PP, the lowest of `BIASES` whose recall of
PP reaches `PP_RECALL`. The test split is read once, for the figures that are printed.
"""

import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax

from ksdiff_jax.data.shards import ShardReader
from ksdiff_jax.data.tally import motion_of_clip
from ksdiff_jax.export.viseme_shapes import VISEMES
from ksdiff_jax.export.visemes import RATE_HZ, phoneme_visemes, windows
from ksdiff_jax.face.arkit import arkit_weights
from ksdiff_jax.files import cache_folder
from ksdiff_jax.motion.clip import MotionClip
from ksdiff_jax.train.sources import built_in_corpus

CORPUS_CLIPS, CLIPS, SOLVED_AT_ONCE = 1000, {"train": 200, "val": 50, "test": 50}, 50
HIDDEN, BATCH, STEPS, RATE, DECAY, TRIED_EVERY = 64, 512, 3000, 2e-3, 1e-4, 500
BIASES, PP_RECALL, PP = np.arange(0.0, 4.0, 0.25), 0.88, VISEMES.index("PP")
Split = tuple[list[np.ndarray], list[np.ndarray]]  # windows and visemes of each clip


def read_split(reader: ShardReader, clips: int) -> Split:
    """Return the windows and the visemes of clips spread over a split."""
    chosen = [reader[int(n)] for n in np.linspace(0, len(reader) - 1, clips)]
    inputs, targets = [], []
    for start in range(0, clips, SOLVED_AT_ONCE):
        some = chosen[start : start + SOLVED_AT_ONCE]
        motion = np.concatenate([motion_of_clip(clip) for clip in some])
        weights = arkit_weights(MotionClip.from_coefficients(motion, fps=float(RATE_HZ)))
        for clip in some:
            own, weights = weights[: clip.frames], weights[clip.frames :]
            inputs.append(windows(own).astype(np.float32))
            phonemes = tuple(map(tuple, clip.phonemes))
            targets.append(phoneme_visemes(phonemes, np.arange(clip.frames) / RATE_HZ))
    return inputs, targets


def logits(network: dict, x):
    """Return the scores before softmax."""
    return jnp.maximum(x @ network["w1"] + network["b1"], 0) @ network["w2"] + network["b2"]


def fitted(train: Split, val: Split, *, seed: int = 0) -> dict[str, np.ndarray]:
    """Return the network of the best validation, with PP's bias raised."""
    x, y = np.concatenate(train[0]), np.concatenate(train[1])
    one, two = jax.random.split(jax.random.key(seed))
    network = {
        "w1": jax.random.normal(one, (x.shape[1], HIDDEN)) * np.sqrt(2 / x.shape[1]),
        "b1": jnp.zeros(HIDDEN),
        "w2": jax.random.normal(two, (HIDDEN, len(VISEMES))) * np.sqrt(1 / HIDDEN),
        "b2": jnp.zeros(len(VISEMES)),
    }
    optimiser = optax.adamw(optax.cosine_decay_schedule(RATE, STEPS), weight_decay=DECAY)
    state = optimiser.init(network)

    @jax.jit
    def step(network, state, x, y):
        def loss(network):
            return optax.softmax_cross_entropy_with_integer_labels(logits(network, x), y).mean()

        change, state = optimiser.update(jax.grad(loss)(network), state, network)
        return optax.apply_updates(network, change), state

    random, best = np.random.default_rng(seed), (-1.0, network)
    for number in range(1, STEPS + 1):
        rows = random.integers(len(x), size=BATCH)
        network, state = step(network, state, x[rows], y[rows])
        if number % TRIED_EVERY == 0:
            score = scores(network, val)["macro_f1"]
            best = max(best, (score, network), key=lambda tried: tried[0])
    return _with_bias({name: np.array(value) for name, value in best[1].items()}, val)


def _with_bias(network: dict[str, np.ndarray], val: Split) -> dict[str, np.ndarray]:
    plain = network["b2"].copy()
    for bias in BIASES:
        network["b2"] = plain + bias * (np.arange(len(VISEMES)) == PP)
        if scores(network, val)["pp_recall"] >= PP_RECALL:
            break
    return network


def scores(network: dict, split: Split, *, drawn: np.ndarray | None = None) -> dict[str, float]:
    """Return macro F1, accuracy, and PP's recall and precision over the frames of some clips."""
    order = np.arange(len(split[0])) if drawn is None else drawn
    found = np.concatenate([np.asarray(logits(network, split[0][n])).argmax(1) for n in order])
    truth = np.concatenate([split[1][n] for n in order])
    table = np.zeros((len(VISEMES), len(VISEMES)))
    np.add.at(table, (truth, found), 1)
    hits, real, said = table.diagonal(), table.sum(axis=1), table.sum(axis=0)
    f1 = 2 * hits / np.maximum(real + said, 1)
    usual = real.argmax()
    return {
        "macro_f1": float(f1.mean()),
        "accuracy": float(hits.sum() / table.sum()),
        "pp_recall": float(hits[PP] / real[PP]),
        "pp_precision": float(hits[PP] / max(said[PP], 1)),
        "usual_accuracy": float(real[usual] / real.sum()),
        "usual_macro_f1": float(2 * real[usual] / (real[usual] + real.sum()) / len(VISEMES)),
    }


def report(network: dict, test: Split) -> str:
    """Return the figures with intervals of 95 % over clips."""
    random, clips = np.random.default_rng(0), len(test[0])
    draws = [scores(network, test, drawn=random.integers(clips, size=clips)) for _ in range(200)]
    lines = []
    for name, value in scores(network, test).items():
        low, high = np.percentile([draw[name] for draw in draws], [2.5, 97.5])
        lines.append(f"{name} {value:.3f} ({low:.3f} to {high:.3f})")
    return "\n".join(lines)


def main(out: str) -> None:
    """Fit the network, write it and print its figures."""
    folder = built_in_corpus(CORPUS_CLIPS, cache_folder(), tell=print)
    splits = {name: read_split(ShardReader(folder, name), n) for name, n in CLIPS.items()}
    network = fitted(splits["train"], splits["val"])
    np.savez_compressed(Path(out), **{n: v.astype(np.float16) for n, v in network.items()})
    print(report(network, splits["test"]))


if __name__ == "__main__":
    main(sys.argv[1])
