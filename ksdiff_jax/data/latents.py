"""Latents of a frozen picture encoder, computed once per clip and cached in a user's folder.

    latents = encoder(pictures of the whole clip)        (t, h, w, c), stored as bfloat16

They are kept as speech features are (features.py): the name of a file contains two SHA-256, of the
encoder's weights and of the clip's pictures, so that a change of either results in another file. A
row needs two frames of a clip. A file is therefore read frame by frame: each frame is followed by
its CRC-32C, and a damaged one is an error that names the file.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import google_crc32c
import ml_dtypes
import numpy as np

from ksdiff_jax.data.coded_pictures import CodedPictures
from ksdiff_jax.data.description import PathLike, check_pictures, dataset_info
from ksdiff_jax.data.features import private_folder, tenths
from ksdiff_jax.data.schema import Clip
from ksdiff_jax.data.shards import ShardReader
from ksdiff_jax.errors import InputError
from ksdiff_jax.files import replacing
from ksdiff_jax.typing import Float, Int, UInt8

BATCH = 16  # pictures encoded at once, always so many: one compiled program
_BFLOAT16 = np.dtype(ml_dtypes.bfloat16)
_CHECK_BYTES = 4


@runtime_checkable
class PictureEncoder(Protocol):
    """A frozen encoder of pictures of `side` pixels."""

    digest: str  # SHA-256 of its weights and configuration, in hexadecimal
    source: str  # for messages: its path or name
    side: int
    shape: tuple[int, int, int]  # of the latent of one picture

    def __call__(self, pictures: UInt8[np.ndarray, "n y x 3"]) -> Float[np.ndarray, "n h w c"]: ...


@dataclass(frozen=True)
class KeptLatents:
    """The latents of one clip on disk."""

    path: Path
    shape: tuple[int, int, int]
    frames: int

    @property
    def row_bytes(self) -> int:
        """Bytes of one frame in the file."""
        return _BFLOAT16.itemsize * int(np.prod(self.shape)) + _CHECK_BYTES

    @property
    def complete(self) -> bool:
        """Whether the file is there and has its length."""
        try:
            return self.path.stat().st_size == self.frames * self.row_bytes
        except OSError:
            return False

    def take(self, numbers: Sequence[int] | Int[np.ndarray, "n"]) -> Float[np.ndarray, "n h w c"]:
        """Return the latents of some frames, bfloat16; raise `InputError` if the file is missing or
        one of these frames is damaged.
        """
        try:
            with self.path.open("rb") as file:
                rows = [self._row(file, int(number)) for number in numbers]
        except OSError as error:
            raise InputError(f"{self.path}: kept latents are missing; start again") from error
        return np.stack(rows)

    def _row(self, file, number: int) -> Float[np.ndarray, "h w c"]:
        if not 0 <= number < self.frames:
            raise IndexError(f"frame {number} of {self.frames}")
        file.seek(number * self.row_bytes)
        data = file.read(self.row_bytes)
        content, check = data[:-_CHECK_BYTES], data[-_CHECK_BYTES:]
        if len(data) != self.row_bytes or _check(content) != check:
            raise InputError(
                f"{self.path}: the latent of frame {number} is damaged; delete the file and start "
                "again"
            )
        return np.frombuffer(content, _BFLOAT16).reshape(self.shape)

    def write(self, latents: Float[np.ndarray, "t h w c"]) -> None:
        """Write the latents of all frames."""
        with replacing(self.path) as temporary, temporary.open("wb") as file:
            for latent in np.asarray(latents, _BFLOAT16):
                content = latent.tobytes()
                file.write(content + _check(content))


@dataclass(frozen=True)
class LatentCache:
    """Kept latents of one encoder; a plain value, so that it can be sent to reader processes.

    Called with a clip, it returns the clip's `KeptLatents`.
    """

    folder: Path
    encoder_digest: str
    shape: tuple[int, int, int]

    def __call__(self, clip: Clip) -> KeptLatents:
        """Return the latents of a clip, which need not exist; raise `InputError` for a clip without
        pictures.
        """
        key = hashlib.sha256(pictures_of(clip).record()).hexdigest()
        path = self.folder / self.encoder_digest / key[:2] / key
        return KeptLatents(path, self.shape, clip.frames)

    def fill(
        self,
        clips: Sequence[Clip],
        encoder: PictureEncoder,
        *,
        done: Callable[[int], None] = lambda count: None,
    ) -> None:
        """Compute missing latents; `done` is called with the number of finished clips after
        each.
        """
        for count, clip in enumerate(clips, start=1):
            kept = self(clip)
            if not kept.complete:
                kept.write(encoded_pictures(pictures_of(clip), encoder))
            done(count)


def pictures_of(clip: Clip) -> CodedPictures:
    """Return the pictures of a clip; raise `InputError` if it has none."""
    if clip.pictures is None:
        raise InputError(
            f"clip {clip.clip_id!r}: no pictures in its record; make the data set again with "
            "--pictures"
        )
    return clip.pictures


def encoded_pictures(
    pictures: CodedPictures, encoder: PictureEncoder
) -> Float[np.ndarray, "t h w c"]:
    """Return the latents of all pictures; the encoder is called with `BATCH` pictures each time."""
    parts = []
    for first in range(0, len(pictures), BATCH):
        some = pictures.take(range(first, min(first + BATCH, len(pictures))))
        padded = np.concatenate([some, np.repeat(some[-1:], BATCH - len(some), axis=0)])
        parts.append(np.asarray(encoder(padded))[: len(some)].astype(_BFLOAT16))
    return np.concatenate(parts)


def kept_latents(
    folder: PathLike,
    *,
    splits: Sequence[str],
    encoder: PictureEncoder,
    cache: Path,
    tell: Callable[[str], None],
) -> LatentCache:
    """Return the latents of a data set's pictures, cached under `cache`; missing ones are computed
    now.

    Raise `InputError` if the data set has no pictures of the encoder's size.
    """
    check_pictures(dataset_info(folder), encoder.side, what=str(folder))
    kept = LatentCache(private_folder(cache / "latents"), encoder.digest, encoder.shape)
    for split in splits:
        clips = ShardReader(folder, split)
        tell(f"latents of {len(clips):,} {split} clips, computed if not yet in {kept.folder}")
        kept.fill(clips, encoder, done=tenths(len(clips), tell))
    return kept


def _check(content: bytes) -> bytes:
    return int(google_crc32c.value(content)).to_bytes(_CHECK_BYTES, "little")
