"""Features of a frozen speech encoder, computed once per clip and cached: in a user's folder, or in
the shards.

    features = encoder(sound of the whole clip)        (2t, d) at 50 Hz, stored as bfloat16

The name of a cached file contains two SHA-256: of the encoder's weights, and of the clip's samples
and length. A change of either results in another file. The file contains the bytes of the features
and, in its last 32 bytes, their own SHA-256; a damaged file is computed again. Shards contain
features of one encoder, whose digest is in `dataset.json`.

Cached features can be used by a run only if the encoder is frozen, its last layer is used and the
sound of a clip is never changed; `why_not_kept` returns which of these conditions is not met.
Features are then computed in the training step, from the cut.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ksdiff_jax.audio.timebase import samples_of_motion_frames
from ksdiff_jax.audio.waveform import from_int16
from ksdiff_jax.config import Config
from ksdiff_jax.data.description import PathLike
from ksdiff_jax.data.earlier_space import known_space
from ksdiff_jax.data.schema import Clip, features_from_bytes, features_to_bytes
from ksdiff_jax.data.shards import DatasetInfo, ShardReader, dataset_info, write_dataset
from ksdiff_jax.data.transforms import FeaturesOf
from ksdiff_jax.errors import InputError
from ksdiff_jax.files import make_folder, replacing
from ksdiff_jax.speech.load import SpeechEncoder
from ksdiff_jax.typing import Float

DIGEST_BYTES = hashlib.sha256().digest_size


def why_not_kept(config: Config, *, split: str) -> str | None:
    """Return why features on disk cannot be used by this configuration for the clips of `split`;
    None if they can.
    """
    encoder = config.model.encoder
    if encoder.kind != "pretrained":
        return "the encoder is trained with the model"
    if encoder.finetune:
        return "model.encoder.finetune changes the encoder"
    if encoder.layer != "last":
        return f"model.encoder.layer {encoder.layer} needs every hidden state"
    if split == "train" and config.data.augment is not None:
        return "data.augment changes the sound"
    return None


def clip_sound(clip: Clip) -> Float[np.ndarray, "s"]:
    """Return the sound of a clip, cut or padded with silence to 640 samples per motion frame."""
    samples = samples_of_motion_frames(clip.frames)
    audio = from_int16(clip.audio[:samples])
    return np.pad(audio, (0, samples - len(audio)))


def encode_sound(clip: Clip, encoder: SpeechEncoder) -> Float[np.ndarray, "f d"]:
    """Return the features of the whole clip."""
    return encoder.chunked(clip_sound(clip))


def stored_features(clip: Clip) -> Float[np.ndarray, "f d"]:
    """Return the features that a clip has from its shard; raise `InputError` if it has none."""
    if clip.speech_features is None:
        raise InputError(
            f"clip {clip.clip_id!r}: no speech features, but dataset.json declares them; create "
            "the data set again"
        )
    return clip.speech_features


@dataclass(frozen=True)
class FeatureCache:
    """Cached features of one encoder; a plain value, so that it can be sent to reader processes."""

    folder: Path
    encoder_digest: str

    def path(self, clip: Clip) -> Path:
        """Return the path of the features of a clip; the file need not exist."""
        key = hashlib.sha256(
            clip.frames.to_bytes(8, "little") + clip.audio.astype("<i2").tobytes()
        ).hexdigest()
        return self.folder / self.encoder_digest / key[:2] / key

    def find(self, clip: Clip) -> Float[np.ndarray, "f d"] | None:
        """Return the features of a clip, or None if the file is missing or damaged."""
        try:
            content = self.path(clip).read_bytes()
        except OSError:
            return None
        data, digest = content[:-DIGEST_BYTES], content[-DIGEST_BYTES:]
        if hashlib.sha256(data).digest() != digest:
            return None
        return features_from_bytes(data, frames=clip.frames)

    def keep(self, clip: Clip, features: Float[np.ndarray, "f d"]) -> None:
        """Write the features of a clip."""
        data = features_to_bytes(features)
        with replacing(self.path(clip)) as temporary:
            temporary.write_bytes(data + hashlib.sha256(data).digest())

    def __call__(self, clip: Clip) -> Float[np.ndarray, "f d"]:
        """Return the features of a clip that `fill` has processed; raise `InputError` if they are
        missing.
        """
        features = self.find(clip)
        if features is None:
            raise InputError(
                f"{self.path(clip)}: the features of clip {clip.clip_id!r} are missing; start again"
            )
        return features

    def fill(
        self,
        clips: Sequence[Clip],
        encoder: SpeechEncoder,
        *,
        done: Callable[[int], None] = lambda count: None,
    ) -> None:
        """Compute missing features; `done` is called with the number of finished clips after
        each.
        """
        for count, clip in enumerate(clips, start=1):
            if self.find(clip) is None:
                self.keep(clip, encode_sound(clip, encoder))
            done(count)


def kept_features(
    folder: PathLike,
    *,
    splits: Sequence[str],
    encoder: SpeechEncoder,
    cache: Path,
    tell: Callable[[str], None],
) -> FeaturesOf:
    """Return a function that reads the features of a data set's clips: its own if it has them,
    otherwise those cached under `cache`, which are computed now.

    Raise `InputError` if the data set's own are of another encoder.
    """
    info = dataset_info(folder)
    if info.encoder_digest:
        if info.encoder_digest != encoder.digest:
            raise InputError(
                f"{folder}: its speech features are of encoder {info.encoder_digest[:12]}, "
                f"{encoder.source!r} is encoder {encoder.digest[:12]}; name that encoder, or "
                "compute the features again with `ksdiff-jax corpus --from`"
            )
        return stored_features
    kept = FeatureCache(private_folder(cache / "features"), encoder.digest)
    for split in splits:
        clips = ShardReader(folder, split)
        tell(
            f"speech features of {len(clips):,} {split} clips, computed if not yet in {kept.folder}"
        )
        kept.fill(clips, encoder, done=tenths(len(clips), tell))
    return kept


def private_folder(path: Path) -> Path:
    """Return a folder that only this user can read; create it if it does not exist."""
    folder = make_folder(path)
    folder.chmod(0o700)
    return folder


def with_features(clips: Iterable[Clip], encoder: SpeechEncoder) -> Iterator[Clip]:
    """Yield the clips with their `speech_features`."""
    for clip in clips:
        yield replace(clip, speech_features=encode_sound(clip, encoder))


def write_features(
    folder: str | Path,
    out: str | Path,
    *,
    encoder: SpeechEncoder,
    progress: Callable[[int], None] = lambda clips_done: None,
    overwrite: bool = False,
    space: str = "",
) -> DatasetInfo:
    """Write the data set of `folder` with features to `out`, which may be the same folder.

    `space` is the motion space of a data set of an earlier version that does not show it.
    """
    info, done = dataset_info(folder), 0
    space = known_space(folder, given=space)

    def counted(split: str) -> Iterator[Clip]:
        nonlocal done
        for clip in with_features(ShardReader(folder, split, space=space), encoder):
            done += 1
            progress(done)
            yield clip

    return write_dataset(
        out,
        {split: counted(split) for split in info.splits},
        licence=info.licence,
        made_by=f"{info.made_by}; speech features of {encoder.source}",
        encoder_digest=encoder.digest,
        source_digests=info.source_digests,
        overwrite=overwrite,
    )


def tenths(total: int, tell: Callable[[str], None]) -> Callable[[int], None]:
    def done(count: int) -> None:
        if count % max(1, total // 10) == 0:
            tell(f"  {count:,} of {total:,} clips")

    return done
