"""Mixes the channels of a recording to one voice.

The mix of channels x_i with weights w_i is Σ w_i x_i. It is determined from the channels'
covariances over the whole file and from base weights a_i (1; in a named surround layout: centre √2,
surround 1/√2, subwoofer 0):

1. A channel 40 dB below the loudest is idle: w_i = 0. The only remaining channel may be the
   subwoofer's: recorders that do not know the layout put a microphone there.
2. A channel whose correlation with the loudest is below -`UNRELATED` is inverted (a miswired cable:
   the plain mean of the two would be silence).
3. The centre of a surround layout is used alone if the other channels contain other sounds: films
   put speech there.
4. Channels of the same sound: w_i ∝ a_i, scaled so that a voice keeps the level of its loudest
   channel. For channels of about equal level this is the mean.
5. Channels of different sounds, such as two people with a microphone each: w_i = a_i / max a. Each
   keeps its level.

Two faults can be detected only over time. Delayed copies of the loudest channel (`audio.delayed`)
are left out. If the mix is silent in some part of a file although its channels are not (a cable was
reversed during the recording), the loudest channel is used alone.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np

from ksdiff_jax.audio.delayed import DelayedCopies
from ksdiff_jax.errors import InputError
from ksdiff_jax.typing import Float

IDLE_DB = -40.0
UNRELATED = 0.15  # correlation below which two channels count as different sounds
ANOTHER_VOICE_DB = -20.0  # of an unrelated channel, relative to the loudest: quieter ones are noise
CANCELLED_DB = -10.0  # of a mix, below the sum of its channels' energies
PART_SAMPLES = 40_000  # 0.8 s at 48 kHz, 2.5 s at 16 kHz
EQUAL_LEVEL_DB = 3.0
SURROUND_GAINS = {"FC": 2.0**0.5, "FL": 1.0, "FR": 1.0, "LFE": 0.0, "LFE2": 0.0}
OTHER_SURROUND_GAIN = 0.5**0.5


class Mix(NamedTuple):
    """The weights that mix the channels of one layout to one."""

    weights: Float[np.ndarray, "c"]
    inverted: tuple[int, ...] = ()  # inverted channels, from 1
    voices: int = 1  # number of different sounds that are added
    centre: int = 0  # the channel that is used alone as the centre, from 1
    alone: int = 0  # the channel that is used alone because the mix is silent in places, from 1

    def __call__(self, channels: Float[np.ndarray, "c s"]) -> Float[np.ndarray, "s"]:
        """Mix some samples."""
        used = np.flatnonzero(self.weights)
        mixed = self.weights[used[0]] * channels[used[0]]
        for number in used[1:]:
            mixed += self.weights[number] * channels[number]
        return mixed


class Covariance:
    """Sums over all samples of a layout's channels, accumulated block by block."""

    def __init__(self, channels: int):
        self._samples = 0
        self._sum = np.zeros(channels)
        self._products = np.zeros((channels, channels))
        self._parts: list[Float[np.ndarray, "c c"]] = []  # centred products of parts in time

    def add(self, channels: Float[np.ndarray, "c s"]) -> None:
        """Add finite samples to the sums."""
        for start in range(0, channels.shape[1], PART_SAMPLES):
            # float64: in float32 the products of a constant offset do not cancel its mean's
            part = channels[:, start : start + PART_SAMPLES].astype(np.float64)
            total, products = part.sum(axis=1), part @ part.T
            self._sum += total
            self._products += products
            self._parts.append(products - np.outer(total, total / part.shape[1]))
        self._samples += channels.shape[1]

    @property
    def matrix(self) -> Float[np.ndarray, "c c"]:
        """Return the covariances; the constant offset of a channel is removed."""
        samples = max(1, self._samples)
        mean = self._sum / samples
        return self._products / samples - np.outer(mean, mean)

    def cancels(self, weights: Float[np.ndarray, "c"]) -> bool:
        """Return True if a mix with these weights is silent in some part in which its channels are
        not.
        """
        if not self._parts:
            return False
        parts = np.stack(self._parts)
        mixed = np.einsum("c,pcd,d->p", weights, parts, weights)
        apart = np.einsum("c,pcc->p", weights**2, parts)
        loud = apart > _ratio(ANOTHER_VOICE_DB) ** 2 * apart.max()
        return bool((mixed[loud] < _ratio(CANCELLED_DB) ** 2 * apart[loud]).any())


def usual_mix(layout: tuple[str, ...]) -> Mix:
    """Return the mix for channels of the same sound at the same level."""
    base = base_gains(layout)
    return Mix((base / base.sum()).astype(np.float32))


def one_channel(layout: tuple[str, ...], channel: int, *, path: object) -> Mix:
    """Return the mix that selects channel number `channel`, counted from 1."""
    if not 1 <= channel <= len(layout):
        has = "1 channel" if len(layout) == 1 else f"{len(layout)} channels"
        raise InputError(
            f"{path}: channel {channel} was requested; the sound has {has}, counted from 1"
        )
    weights = np.zeros(len(layout), np.float32)
    weights[channel - 1] = 1
    return Mix(weights)


def mix_in_time(
    layout: tuple[str, ...],
    sums: Covariance,
    again: Callable[[], Iterable[tuple[Float[np.ndarray, "c s"], int]]],
) -> Mix:
    """Return `fitting_mix` of channels with these sums, without delayed copies and without silent
    parts.

    `again` yields the samples and their rate once more; it is called if channels look unrelated or
    inverted.
    """
    covariance = sums.matrix
    mix = fitting_mix(layout, covariance)
    if mix.inverted or mix.voices > 1:
        copies = DelayedCopies(_loudest_used(mix, covariance))
        for channels, rate_hz in again():
            copies.add(channels, rate_hz)
        covariance = np.where(copies.found | copies.found[:, None], 0, covariance)
        mix = fitting_mix(layout, covariance)
    if np.count_nonzero(mix.weights) > 1 and sums.cancels(mix.weights):
        alone = _loudest_used(mix, covariance)
        return Mix(np.eye(len(layout), dtype=np.float32)[alone], alone=alone + 1)
    return mix


def _loudest_used(mix: Mix, covariance: Float[np.ndarray, "c c"]) -> int:
    return int(np.argmax(np.where(mix.weights != 0, np.diag(covariance), -1)))


def fitting_mix(layout: tuple[str, ...], covariance: Float[np.ndarray, "c c"]) -> Mix:
    """Return the mix for channels of this covariance, by the rules above."""
    usual = usual_mix(layout)
    level = np.sqrt(np.maximum(np.diag(covariance), 0))
    base = base_gains(layout)
    if len(layout) == 1 or not level.max() > 0:
        return usual
    loudest = int(np.argmax(np.where(base > 0, level, 0)))
    # only a channel that the layout calls a subwoofer
    if level[loudest] <= _ratio(IDLE_DB) * level.max():
        base, loudest = np.ones(len(layout)), int(np.argmax(level))
    active = (level > _ratio(IDLE_DB) * level[loudest]) & (base > 0)
    correlation = covariance / np.maximum(np.outer(level, level), 1e-30)
    inverted = active & (correlation[loudest] < -UNRELATED)
    sign = np.where(inverted, -1.0, 1.0)
    audible = active & (level > _ratio(ANOTHER_VOICE_DB) * level[loudest])
    pairs = (correlation * np.outer(sign, sign))[np.ix_(audible, audible)]
    count = int(audible.sum())
    related = count == 1 or (pairs.sum() - count) / (count * (count - 1)) > UNRELATED
    centre = layout.index("FC") if len(layout) > 2 and "FC" in layout else -1
    if centre >= 0 and count > 1 and audible[centre]:
        beside = audible & (np.arange(len(layout)) != centre)
        if np.abs(correlation[centre, beside]).mean() < UNRELATED:
            return Mix(np.eye(len(layout), dtype=np.float32)[centre], centre=centre + 1)
    if related and active.all() and level.max() < _ratio(EQUAL_LEVEL_DB) * level.min():
        weights = sign * usual.weights
    elif related:
        weights = sign * active * base * level[loudest] / (active * base * level).sum()
    else:
        weights = sign * active * base / base[active].max()
    numbers = tuple(int(number) + 1 for number in np.flatnonzero(inverted))
    return Mix(weights.astype(np.float32), numbers, 1 if related else count)


def base_gains(layout: tuple[str, ...]) -> Float[np.ndarray, "c"]:
    """Return the base weights of a layout. They are equal for mono, stereo and unnamed layouts."""
    names = set(layout)
    if len(layout) <= 2 or not names & {"FC", "FL", "FR"}:
        return np.ones(len(layout))
    gains = np.array([SURROUND_GAINS.get(name, OTHER_SURROUND_GAIN) for name in layout])
    return gains if gains.any() else np.ones(len(layout))


def _ratio(level_db: float) -> float:
    return 10 ** (level_db / 20)
