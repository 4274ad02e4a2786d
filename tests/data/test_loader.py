"""Training batches are a function of the seed and the position alone; evaluation sees every clip
once.
"""

import dataclasses
import hashlib

import jax
import numpy as np
import pytest

from ksdiff_jax.audio.timebase import SAMPLES_PER_MOTION_FRAME
from ksdiff_jax.config import AugmentConfig, DataConfig
from ksdiff_jax.data.loader import evaluation_batches
from ksdiff_jax.data.shards import ShardReader, write_dataset
from ksdiff_jax.errors import InputError
from ksdiff_jax.models import build_system
from ksdiff_jax.models.ksdiff.config import Config
from ksdiff_jax.motion.space import MOTION_DIMS
from tests.data.clips import make_clip
from tests.data.cuts import cuts

FRAMES = [20, 40, 64, 65, 90, 130, 31, 70, 128, 100]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "set"
    clips = [make_clip(i, frames=frames) for i, frames in enumerate(FRAMES)]
    write_dataset(path, {"train": clips}, licence="", made_by="", clips_per_shard=4)
    return path


@pytest.fixture(scope="module")
def config():
    return Config(data=DataConfig(batch_size=4, clip_frames=48, augment=AugmentConfig()))


def digest(batch):
    return hashlib.sha256(
        b"".join(np.ascontiguousarray(leaf).tobytes() for leaf in jax.tree.leaves(batch))
    ).digest()


def take(iterator, count):
    return [digest(next(iterator)) for _ in range(count)]


def test_batches_have_the_shapes_that_systems_expect(folder, config):
    iterator = cuts(config, folder, seed=0)
    batch = next(iterator)
    iterator.close()
    assert batch.motion.shape == (4, 48, MOTION_DIMS) and batch.speech.audio.shape == (
        4,
        48 * SAMPLES_PER_MOTION_FRAME,
    )
    assert batch.speech.prosody.shape == (4, 96, 2) and batch.speech.mask.shape == (4, 48)
    assert all(leaf.dtype in (np.float32, np.int32, bool) for leaf in jax.tree.leaves(batch))
    valid = np.repeat(batch.speech.mask, SAMPLES_PER_MOTION_FRAME, axis=1)
    assert not batch.speech.audio[~valid].any() and np.isfinite(batch.speech.audio).all()


def test_the_seed_decides_everything(folder, config):
    first, again, other = (cuts(config, folder, seed=seed) for seed in (1, 1, 2))
    one, two, three = (take(iterator, 4) for iterator in (first, again, other))
    assert one == two and not set(one) & set(three)
    assert len(set(one)) == 4


def test_a_restored_position_continues_exactly(folder, config):
    iterator = cuts(config, folder, seed=3)
    take(iterator, 3)  # in the middle of the second epoch: 12 of 10 clips
    state = iterator.get_state()
    expected = take(iterator, 5)
    iterator.close()
    restored = cuts(config, folder, seed=3)
    restored.set_state(state)
    assert take(restored, 5) == expected


def test_every_clip_is_seen_once_per_epoch_in_an_order_that_changes(folder, config):
    plain = dataclasses.replace(config, data=DataConfig(batch_size=10, clip_frames=130))
    iterator = cuts(plain, folder, seed=0)
    epochs = [next(iterator).speech.mask.sum(axis=1).tolist() for _ in range(3)]
    assert all(sorted(epoch) == sorted(FRAMES) for epoch in epochs)
    assert epochs[0] != epochs[1] != epochs[2]


def rows_of(batch):
    """Something unique of every row: its clip's random motion."""
    return [row.tobytes() for row in np.asarray(batch.motion[:, :10])]


@pytest.mark.parametrize("hosts", [1, 2, 4, 8])
def test_hosts_share_no_clip_and_leave_none_out(folder, config, hosts):
    """Ten clips in batches of eight: an epoch ends in the middle of a batch, and still every clip
    comes once.
    """
    whole = dataclasses.replace(config, data=DataConfig(batch_size=8, clip_frames=20))
    sequence = []
    iterators = [cuts(whole, folder, seed=2, host=host, hosts=hosts) for host in range(hosts)]
    for _ in range(10):
        rows = [rows_of(next(iterator)) for iterator in iterators]
        assert all(len(part) == 8 // hosts for part in rows)
        sequence += [
            rows[position // (8 // hosts)][position % (8 // hosts)] for position in range(8)
        ]
    alone = cuts(whole, folder, seed=2)
    assert sequence == [row for _ in range(10) for row in rows_of(next(alone))]


def test_every_epoch_of_many_hosts_holds_every_clip_once(folder, config):
    whole = dataclasses.replace(config, data=DataConfig(batch_size=4, clip_frames=130))
    iterators = [cuts(whole, folder, seed=7, host=host, hosts=4) for host in range(4)]
    lengths = [int(next(iterators[n % 4]).speech.mask.sum()) for n in range(40)]
    for epoch in range(4):
        assert sorted(lengths[10 * epoch : 10 * epoch + 10]) == sorted(FRAMES)


def test_a_position_saved_on_two_hosts_continues_on_four(folder, config):
    eight = dataclasses.replace(config, data=dataclasses.replace(config.data, batch_size=8))
    two = [cuts(eight, folder, seed=3, host=host, hosts=2) for host in range(2)]
    for iterator in two:
        take(iterator, 3)
    states = [iterator.get_state() for iterator in two]
    assert states[0] == states[1]
    four = [cuts(eight, folder, seed=3, host=host, hosts=4) for host in range(4)]
    for iterator in four:
        iterator.set_state(states[0])
    before, after = (
        [rows_of(next(iterator)) for iterator in iterators] for iterators in (two, four)
    )
    assert [row for part in before for row in part] == [row for part in after for row in part]


def test_a_batch_that_hosts_cannot_share_is_refused(folder, config):
    with pytest.raises(
        InputError, match=r"batch_size 4 for host 0 of 3: need a multiple of the hosts"
    ):
        cuts(config, folder, seed=0, hosts=3)


def test_augmentation_leaves_the_motion_alone(folder, config):
    plain = dataclasses.replace(
        config, data=dataclasses.replace(config.data, augment=None, clip_frames=130)
    )
    loud = dataclasses.replace(config, data=dataclasses.replace(config.data, clip_frames=130))
    clean, changed = (next(cuts(c, folder, seed=5)) for c in (plain, loud))
    np.testing.assert_array_equal(clean.motion, changed.motion)
    assert not np.array_equal(clean.speech.audio, changed.speech.audio)


def test_evaluation_gives_whole_clips_in_few_shapes(folder, config):
    seen, shapes = [], set()
    example = build_system(config).example
    for batch, clips in evaluation_batches(example, ShardReader(folder, "train"), batch_size=3):
        shapes.add(batch.motion.shape)
        for row, clip in enumerate(clips):
            seen.append(clip.clip_id)
            assert batch.speech.mask[row].sum() == clip.frames
            np.testing.assert_array_equal(batch.motion[row, : clip.frames, :50], clip.expression)
        for row in range(len(clips), 3):
            np.testing.assert_array_equal(batch.motion[row], batch.motion[len(clips) - 1])
    assert sorted(seen) == sorted(f"clip-{i}" for i in range(10))
    assert shapes == {(3, 64, MOTION_DIMS), (3, 128, MOTION_DIMS), (3, 192, MOTION_DIMS)}


def test_a_data_set_without_a_training_split_is_refused(tmp_path, config):
    write_dataset(tmp_path / "set", {"val": [make_clip(0)]}, licence="", made_by="")
    with pytest.raises(InputError, match="no split 'train'; known are val"):
        cuts(config, tmp_path / "set", seed=0)
