"""Rows of two frames, and latents that are kept per clip and read frame by frame."""

import dataclasses
import functools
import pickle

import numpy as np
import pytest

from ksdiff_jax.config import DataConfig
from ksdiff_jax.data.coded_pictures import coded_pictures
from ksdiff_jax.data.latents import BATCH, encoded_pictures, kept_latents
from ksdiff_jax.data.loader import RandomCut, ShuffledEpochs, training_batches
from ksdiff_jax.data.picture_rows import chosen_frames, frame_pair, pair_of_frames
from ksdiff_jax.data.shards import ShardReader, write_dataset
from ksdiff_jax.data.tally import motion_of_clip
from ksdiff_jax.errors import InputError
from tests.data.clips import make_clip

SIDE, FRAMES = 16, 21


def numbered(number):
    """A clip whose picture i has the colour of i."""
    pictures = np.zeros((FRAMES, SIDE, SIDE, 3), np.uint8)
    pictures[:] = (10 * np.arange(FRAMES))[:, None, None, None]
    return make_clip(number, frames=FRAMES, pictures=coded_pictures(pictures, side=SIDE))


@dataclasses.dataclass
class Convolution:
    """A frozen encoder: one random kernel of 4 x 4 pixels with stride 4."""

    side: int = SIDE
    digest: str = "a" * 64
    source: str = "test"
    shape: tuple = (SIDE // 4, SIDE // 4, 3)
    calls: list = dataclasses.field(default_factory=list)

    def __call__(self, pictures):
        self.calls.append(len(pictures))
        kernel = np.random.default_rng(0).normal(size=(4 * 4 * 3, 3)).astype(np.float32)
        count, (h, w, _) = len(pictures), self.shape
        patches = pictures.reshape(count, h, 4, w, 4, 3).transpose(0, 1, 3, 2, 4, 5)
        return patches.reshape(count, h, w, -1) / np.float32(255) @ kernel


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("pictures") / "set"
    write_dataset(path, {"train": map(numbered, range(5))}, licence="", made_by="")
    return path


def test_a_row_has_the_pictures_and_the_motion_of_its_two_frames():
    clip = numbered(0)
    row = pair_of_frames(clip, 3, 11)
    assert (int(row.reference.mean()), int(row.target.mean())) == (30, 110)
    np.testing.assert_array_equal(row.motion, motion_of_clip(clip)[11])
    np.testing.assert_array_equal(row.reference_motion, motion_of_clip(clip)[3])
    assert row.reference_latent is None


def test_frames_are_any_two_different_ones_and_fixed_without_numbers():
    rng = np.random.default_rng(0)
    pairs = np.array([chosen_frames(5, rng) for _ in range(400)])
    assert (pairs[:, 0] != pairs[:, 1]).all()
    assert len(np.unique(pairs, axis=0)) == 5 * 4
    assert chosen_frames(5, None) == (0, 2)
    assert chosen_frames(1, rng) == (0, 0)


def test_clips_without_pictures_are_refused_in_one_line(tmp_path):
    with pytest.raises(InputError, match="'clip-0': no pictures in its record"):
        frame_pair(make_clip(0), None)
    write_dataset(tmp_path / "set", {"train": [make_clip(0)]}, licence="", made_by="")
    with pytest.raises(InputError, match=r"set: no pictures in it, 16 are needed; .*--pictures 16"):
        kept_latents(
            tmp_path / "set", splits=["train"], encoder=Convolution(), cache=tmp_path, tell=print
        )


def test_kept_latents_are_those_of_the_encoder_and_are_computed_once(folder, tmp_path):
    encoder, lines = Convolution(), []
    kept = functools.partial(kept_latents, folder, splits=["train"], cache=tmp_path)
    cache = kept(encoder=encoder, tell=lines.append)
    assert set(encoder.calls) == {BATCH}
    encoder.calls.clear()
    assert kept(encoder=encoder, tell=lines.append) == cache
    assert encoder.calls == []
    clip = ShardReader(folder, "train")[2]
    found = cache(clip).take([20, 4]).astype(np.float32)
    wanted = encoder(clip.pictures.take([20, 4]))
    np.testing.assert_allclose(found, wanted, rtol=0.01, atol=0.01)  # bfloat16
    np.testing.assert_array_equal(
        encoded_pictures(clip.pictures, encoder)[4], cache(clip).take([4])[0]
    )
    other = kept(encoder=Convolution(digest="b" * 64), tell=lines.append)
    assert other(clip).path != cache(clip).path
    row = frame_pair(clip, None, latents=cache(clip), with_pictures=False)
    assert row.reference is None and row.target_latent.shape == encoder.shape


def test_a_damaged_latent_is_named_and_the_others_are_read(folder, tmp_path):
    encoder = Convolution()
    cache = kept_latents(folder, splits=["train"], encoder=encoder, cache=tmp_path, tell=print)
    clip = ShardReader(folder, "train")[0]
    kept = cache(clip)
    data = bytearray(kept.path.read_bytes())
    data[7 * kept.row_bytes + 5] ^= 1
    kept.path.write_bytes(bytes(data))
    kept.take([6, 8])
    with pytest.raises(InputError, match="the latent of frame 7 is damaged"):
        kept.take([7])
    kept.path.write_bytes(bytes(data[:-1]))  # an incomplete file is computed again
    cache.fill([clip], encoder)
    assert kept.take([7]).shape == (1, *encoder.shape)
    kept.path.unlink()
    with pytest.raises(InputError, match="kept latents are missing"):
        kept.take([0])


@dataclasses.dataclass(frozen=True)
class PairSystem:
    """The `example` of a system that paints."""

    def example(self, clip, frames, *, rng=None, features=None):
        return frame_pair(clip, rng, latents=features)


def test_batches_of_pairs_are_read_ahead_and_continued(folder, tmp_path):
    data = DataConfig(batch_size=4, clip_frames=1)
    cache = kept_latents(
        folder, splits=["train"], encoder=Convolution(), cache=tmp_path, tell=print
    )

    def batches():
        cut = RandomCut(PairSystem().example, 1, pickle.loads(pickle.dumps(cache)))
        return training_batches(
            cut, ShuffledEpochs(ShardReader(folder, "train"), 1), data=data, seed=2
        )

    whole, resumed = batches(), batches()
    first = [next(whole) for _ in range(3)]
    resumed.set_state({"next_index": 2})
    again = next(resumed)
    for iterator in (whole, resumed):
        iterator.close()
    assert first[0].target.shape == (4, SIDE, SIDE, 3)
    assert first[0].target_latent.shape == (4, 4, 4, 3)
    np.testing.assert_array_equal(again.target, first[2].target)
    np.testing.assert_array_equal(again.motion, first[2].motion)
