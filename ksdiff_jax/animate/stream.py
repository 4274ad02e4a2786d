"""The motion of live speech: chunks of samples in, `Motion` parts out.

    stream = animator.stream(chunks, sample_rate_hz=16_000)     # chunks: an iterable of arrays (n,)
    for part in stream:                                         # Motion of one to four frames
        part.timestamps                                         # seconds of the stream

    stream = animator.stream(sample_rate_hz=16_000)             # the same by hand
    parts = stream.push(chunk)                                  # again and again
    parts = stream.finish()                                     # the frames that are left

A part is returned as soon as its sound and the look-ahead are known, and never changes. The state
of a stream is of bounded size; `stream.state.save(path)` writes it, and a stream that begins with
`StreamState.load(path)` gives the same frames as the uninterrupted one, bit for bit.
"""

import dataclasses
import json
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import jax
import numpy as np

from ksdiff_jax.animate.live import LiveSampler, Progress, blinks_of, with_blinks
from ksdiff_jax.animate.motion import Motion
from ksdiff_jax.audio.live_sound import check_chunk, check_rate, with_chunk
from ksdiff_jax.audio.timebase import MOTION_RATE_HZ
from ksdiff_jax.errors import InputError
from ksdiff_jax.outputs import writing
from ksdiff_jax.tree import named_leaves
from ksdiff_jax.typing import Array, Float, Key

SCHEMA = "ksdiff-stream/1"


@dataclass(frozen=True, eq=False)
class StreamState:
    """A stream between two parts: arrays by name, and what the stream was made with."""

    arrays: dict[str, np.ndarray]
    settings: dict

    def save(self, path: str | Path, *, overwrite: bool = False) -> Path:
        """Write an npz (complete or not at all) and return its path."""
        path, meta = Path(path), json.dumps({"schema": SCHEMA, **self.settings}, sort_keys=True)
        with (
            writing(path, "stream", overwrite=overwrite) as temporary,
            temporary.open("wb") as file,
        ):
            np.savez(file, **self.arrays, meta=np.array(meta))
        return path

    @classmethod
    def load(cls, path: str | Path) -> "StreamState":
        """Read what `save` wrote; raise `InputError` for any other file."""
        try:
            with np.load(path, allow_pickle=False) as archive:
                arrays = {name: archive[name] for name in archive.files}
            settings = json.loads(str(arrays.pop("meta")[()]))
            if settings.pop("schema") != SCHEMA:
                raise ValueError
        except (OSError, ValueError, KeyError, AttributeError, zipfile.BadZipFile) as error:
            raise InputError(
                f"{path}: not the state of a stream ({SCHEMA}); need a file of StreamState.save"
            ) from error
        return cls(arrays, settings)


class MotionStream:
    """A stream; iterate over it if it has chunks, otherwise `push` and `finish`."""

    def __init__(
        self,
        sampler: LiveSampler,
        key: Key[Array, ""],
        *,
        chunks: Iterable[np.ndarray] | None,
        settings: dict,
        meta: dict,
        state: StreamState | None,
    ):
        self._sampler, self._key, self._chunks = sampler, key, chunks
        self._rate_hz, self._meta = check_rate(settings["sample_rate_hz"]), meta
        self._settings = settings | {"sample_rate_hz": self._rate_hz}
        self._blinks, self._ended = blinks_of(sampler.system, key), False
        self._progress = sampler.start()
        if state is not None:
            self._progress = _restored(self._progress, state, self._settings)

    @property
    def state(self) -> StreamState:
        """The state behind the last part that was returned."""
        leaves = jax.tree.map(np.asarray, jax.device_get(self._progress))
        return StreamState(dict(named_leaves(leaves)), self._settings)

    @property
    def look_ahead_ms(self) -> int:
        """The sound that a part needs after its first frame, in milliseconds."""
        return 1000 * self._sampler.ahead // MOTION_RATE_HZ

    def __iter__(self) -> Iterator[Motion]:
        if self._chunks is None:
            raise InputError("stream: got no chunks to iterate over; give them, or use push")
        for chunk in self._chunks:
            self._add(chunk)
            yield from self._parts()
        self._end()
        yield from self._parts()

    def push(self, chunk: np.ndarray) -> list[Motion]:
        """Return the parts that a chunk (n,) of float32 or int16 completes."""
        self._add(chunk)
        return list(self._parts())

    def finish(self) -> list[Motion]:
        """Return the last parts: the speech has ended."""
        self._end()
        return list(self._parts())

    def _add(self, chunk: np.ndarray) -> None:
        if self._ended:
            raise InputError("stream: it has ended; begin another one")
        sound = self._progress.sound
        checked = check_chunk(chunk, given=sound.given, rate_hz=self._rate_hz)
        sound = with_chunk(sound, checked, rate_hz=self._rate_hz)
        self._progress = self._progress._replace(sound=sound)

    def _end(self) -> None:
        sound = self._progress.sound
        if not sound.given:
            raise InputError("stream: it ended before the first sample; need sound")
        if not self._ended:
            none = np.zeros(0, np.float32)
            sound = with_chunk(sound, none, rate_hz=self._rate_hz, last=True)
            self._progress, self._total = self._sampler.end(self._progress._replace(sound=sound))
            self._ended = True

    def _parts(self) -> Iterator[Motion]:
        while self._ready():
            first, total = self._progress.frames, self._total if self._ended else None
            progress, sample = self._sampler.block(self._progress, self._key, total=total)
            sample = with_blinks(sample, self._blinks, first=first)
            self._progress = progress
            yield self._motion(sample.motion, dict(sample.tracks), first=first)

    def _ready(self) -> bool:
        if self._ended:
            return self._progress.frames < self._total
        return self._progress.sound.converted >= self._sampler.needs(self._progress)

    def _motion(self, motion: Float[np.ndarray, "t m"], tracks: dict, *, first: int) -> Motion:
        part = Motion.from_coefficients(
            motion,
            fps=MOTION_RATE_HZ,
            space=self._sampler.system.space.name,
            meta=self._meta | {"first_frame": first},
            tracks=tracks,
        )
        return dataclasses.replace(part, timestamps=(first + np.arange(len(part))) / MOTION_RATE_HZ)


def _restored(start: Progress, state: StreamState, settings: dict) -> Progress:
    """Return the progress in a state; raise `InputError` if it is of other settings."""
    for name, value in json.loads(json.dumps(settings)).items():
        if state.settings.get(name) != value:
            raise InputError(
                f"stream: {name} is {value!r}, the state was saved with "
                f"{state.settings.get(name)!r}; begin the stream as that one was begun"
            )
    leaves, tree = jax.tree.flatten(start)
    names = named_leaves(jax.tree.map(np.asarray, start)).keys()
    if names != state.arrays.keys():
        raise InputError("stream: this state is of another version; begin a new stream")
    found = [
        array if isinstance(leaf, (np.ndarray, jax.Array)) else type(leaf)(array[()])
        for leaf, array in zip(leaves, (state.arrays[name] for name in names), strict=True)
    ]
    return jax.tree.unflatten(tree, found)
