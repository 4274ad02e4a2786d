"""The opening of the lips as a small network reads it from pictures of a face.

It is the yardstick for painted frames, so it is trained on true frames of other people first and
scored on true frames of unseen ones. Input is the lower part of an aligned crop, less its mean and
over its deviation; three convolutions of stride 2, one hidden layer, one number. In training the
crops are shifted by up to two pixels, mirrored, and changed in contrast and colour.
"""

from collections.abc import Iterable
from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax

from ksdiff_jax.data.latents import pictures_of
from ksdiff_jax.data.schema import Clip
from ksdiff_jax.evaluate.frame_scores import Pictures, true_opening
from ksdiff_jax.typing import AnyArray, Array, Float, PyTree, UInt8

TOP, BOTTOM, LEFT, RIGHT = 0.44, 1.0, 0.16, 0.84  # shares of the side
FILTERS, HIDDEN = (16, 32, 64), 64
STEPS, BATCH = 3000, 128
LEARNING_RATE = 1e-3
SHIFT_PIXELS = 2
OPENING_SCALE = 20.0  # openings over the face's height are about 0.05


class Mouths(NamedTuple):
    """Lower parts of crops with their true openings."""

    pictures: UInt8[np.ndarray, "n y x 3"]
    openings: Float[np.ndarray, "n"]


class Regressor(nn.Module):
    """Reads one number from the lower part of a crop."""

    @nn.compact
    def __call__(self, pictures: Float[Array, "n y x 3"]) -> Float[Array, "n"]:
        x = pictures
        for filters in FILTERS:
            x = nn.relu(nn.Conv(filters, (3, 3), strides=2)(x))
        x = nn.relu(nn.Dense(HIDDEN)(x.reshape(len(x), -1)))
        return nn.Dense(1)(x)[:, 0]


class PictureOpening(NamedTuple):
    """A trained regressor; called with pictures, it returns their openings over the face's
    height.
    """

    params: PyTree

    def __call__(self, pictures: Pictures) -> Float[np.ndarray, "t"]:
        """Return the opening in each picture of one crop size, as in training."""
        return np.asarray(_read(self.params, lower_part(pictures))) / OPENING_SCALE


def lower_part(pictures: Pictures) -> UInt8[np.ndarray, "t y x 3"]:
    """Return the part of crops that the regressor reads."""
    side = pictures.shape[1]
    top, bottom, left, right = (round(share * side) for share in (TOP, BOTTOM, LEFT, RIGHT))
    return pictures[:, top:bottom, left:right]


def mouths_of(clips: Iterable[Clip], *, every: int = 2) -> Mouths:
    """Return every `every`-th frame of clips of the built-in head with pictures."""
    pictures, openings = [], []
    for clip in clips:
        places = range(0, clip.frames, every)
        pictures.append(lower_part(pictures_of(clip).take(places)))
        openings.append(true_opening(clip)[::every])
    return Mouths(np.concatenate(pictures), np.concatenate(openings).astype(np.float32))


def train_picture_opening(mouths: Mouths, *, seed: int = 0, steps: int = STEPS) -> PictureOpening:
    """Return a regressor trained on true frames; the same mouths and seed give the same one."""
    network, rng = Regressor(), np.random.default_rng(seed)
    params = network.init(jax.random.key(seed), _normalised(mouths.pictures[:1]))["params"]
    optimizer = optax.adam(optax.cosine_decay_schedule(LEARNING_RATE, steps))
    state = optimizer.init(params)

    @jax.jit
    def step(params, state, pictures, openings):
        def loss(params):
            found = network.apply({"params": params}, _normalised(pictures))
            return jnp.mean((found - OPENING_SCALE * openings) ** 2)

        updates, state = optimizer.update(jax.grad(loss)(params), state, params)
        return optax.apply_updates(params, updates), state

    for _ in range(steps):
        chosen = rng.integers(len(mouths.pictures), size=BATCH)
        changed = _changed(mouths.pictures[chosen], rng)
        params, state = step(params, state, changed, mouths.openings[chosen])
    return PictureOpening(params)


@jax.jit
def _read(params: PyTree, pictures: UInt8[Array, "n y x 3"]) -> Float[Array, "n"]:
    return Regressor().apply({"params": params}, _normalised(pictures))


def _normalised(pictures: AnyArray) -> Float[Array, "n y x 3"]:
    x = jnp.asarray(pictures, jnp.float32)
    mean = x.mean(axis=(1, 2, 3), keepdims=True)
    return (x - mean) / (x.std(axis=(1, 2, 3), keepdims=True) + 1.0)


def _changed(
    pictures: UInt8[np.ndarray, "n y x 3"], rng: np.random.Generator
) -> Float[np.ndarray, "n y x 3"]:
    """Return crops shifted, mirrored and with other colours, at random."""
    count, reach = len(pictures), SHIFT_PIXELS
    padded = np.pad(pictures, [(0, 0), (reach, reach), (reach, reach), (0, 0)], mode="edge")
    down, across = rng.integers(0, 2 * reach + 1, (2, count))
    rows = down[:, None] + np.arange(pictures.shape[1])
    columns = across[:, None] + np.arange(pictures.shape[2])
    moved = padded[np.arange(count)[:, None, None], rows[:, :, None], columns[:, None, :]]
    mirrored = rng.random(count) < 0.5
    moved[mirrored] = moved[mirrored][:, :, ::-1]
    gains = rng.uniform(0.8, 1.25, (count, 1, 1, 3)).astype(np.float32)
    return moved.astype(np.float32) * gains
