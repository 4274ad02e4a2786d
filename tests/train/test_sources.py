"""The data of a run from several data sets: space, statistics, validation clips, and refusals."""

import json

import numpy as np
import pytest

from ksdiff_jax.data.coded_pictures import coded_pictures
from ksdiff_jax.data.drawn_lids import with_drawn_lids
from ksdiff_jax.data.picture_rows import frame_pair
from ksdiff_jax.data.shards import dataset_info, write_dataset
from ksdiff_jax.errors import InputError
from ksdiff_jax.face.actions import coefficients_of
from ksdiff_jax.models import build_system
from ksdiff_jax.models.ksdiff.config import Config
from ksdiff_jax.models.system import Needs
from ksdiff_jax.motion.space import BUILTIN
from ksdiff_jax.overrides import override
from ksdiff_jax.train.run_space import keep_run_space
from ksdiff_jax.train.sources import known_deviation, open_training_data
from ksdiff_jax.train.validation_clips import write_validation_clips
from tests.data.clips import make_clip
from tests.data.test_picture_rows import Convolution

SMALL = {"data.batch_size": 4, "data.clip_frames": 20, "train.validate_clips": 4}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Two data sets with validation clips: `made`, and `real` of two people."""
    root = tmp_path_factory.mktemp("sets")
    made = [make_clip(i, speaker_id="voice") for i in range(4)]
    real = [make_clip(10 + i, speaker_id=f"p{i % 2}") for i in range(4)]
    write_dataset(root / "made", {"train": made[:2], "val": made[2:]}, licence="", made_by="me")
    splits = {"train": real[:2], "val": real[2:]}
    write_dataset(root / "real", splits, licence="", made_by="me", source_digests=("ab", "cd"))
    return root


def opened(folders, sources, tell=lambda line: None, workdir=None, **fields):
    text = ", ".join(f"path={folders / name} {rest}" for name, rest in sources.items())
    config = override(Config(), SMALL | {"data.sources": text} | fields)
    system = build_system(config)
    return open_training_data(system, cache=folders, tell=tell, workdir=workdir)


def test_rows_validation_clips_and_digests_come_from_every_source(folders):
    data = opened(
        folders,
        {"made": "weight=3", "real": "head_weight=0"},
        **{"model.generator.styles": "made,real/p1", "model.jaw_path": "expression"},
    )
    batch = next(data.batches)
    data.batches.close()
    assert batch.head_weight.tolist().count(0.0) == 1  # one row of four
    assert {clip.data_set for clip in data.clips[:2]} == {"made", "real"}
    assert len(data.clips) == 4
    assert list(data.source_digests) == ["ab", "cd"]
    styles = {
        (clip.data_set, clip.speaker_id): int(row)
        for part in data.validation
        for clip, row in zip(
            [c for c in data.clips if c.clip_id in part.ids], part.batch.style, strict=False
        )
    }
    assert set(styles.values()) <= {0, 1, 2} and 1 in styles.values()


def test_a_source_with_drawn_lids_has_blinks_of_the_corpus_in_training_and_validation(folders):
    data = opened(folders, {"made": "", "real": "lids=drawn"})
    batch = next(data.batches)
    data.batches.close()
    lids = batch.motion[..., list(coefficients_of("blink", "lids"))]
    # the lids of these clips are noise of deviation 1, those of the corpus rest at 0
    assert np.sort(np.median(np.abs(lids), axis=(1, 2)) < 0.1).tolist() == [False] * 2 + [True] * 2
    for clip in data.clips:
        quiet = np.median(np.abs(clip.expression[:, :2])) < 0.1
        assert quiet == (clip.data_set == "real")


def test_statistics_are_pooled_or_one_sources_or_those_of_the_start(folders, tmp_path):
    infos = {name: dataset_info(folders / name) for name in ("made", "real")}
    both = {"made": "", "real": ""}
    own = opened(folders, both, **{"data.statistics": "real"}).space
    np.testing.assert_allclose(own.mean, infos["real"].mean, rtol=1e-6)
    pooled = opened(folders, both).space
    halfway = (np.array(infos["real"].mean) + infos["made"].mean) / 2
    np.testing.assert_allclose(pooled.mean, halfway, atol=1e-6)
    init = {"data.statistics": "init"}
    with pytest.raises(InputError, match=r"name these with --train\.init_from"):
        opened(folders, both, **init)
    start = opened(folders, both, **init, **{"train.init_from": "demo"}).space
    assert not np.allclose(start.mean, pooled.mean)
    keep_run_space(tmp_path, own)  # a resumed run keeps its own, without the starting weights
    (tmp_path / "checkpoints" / "1").mkdir(parents=True)
    assert opened(folders, both, workdir=tmp_path, **init).space == own


def test_the_statistics_of_drawn_lids_are_those_of_the_corpus_unless_the_run_began_before(
    folders, tmp_path
):
    info, lids = dataset_info(folders / "real"), list(coefficients_of("blink", "lids"))
    drawn = {"real": "lids=drawn"}
    own = opened(folders, drawn)
    clips = [with_drawn_lids(make_clip(0, frames=4000), np.random.default_rng(n)) for n in range(9)]
    motion = np.concatenate([clip.expression[:, lids] for clip in clips])
    np.testing.assert_allclose(np.array(own.space.mean)[lids], motion.mean(axis=0), atol=0.02)
    std = motion.std(axis=0)  # one lid moves as the other: half of the numbers are constant
    known = np.where(std < 1e-6, 1.0, std)
    np.testing.assert_allclose(np.array(own.space.std)[lids], known, rtol=0.1)
    others = np.delete(np.arange(len(info.mean)), lids)
    np.testing.assert_allclose(np.array(own.space.mean)[others], np.array(info.mean)[others])
    own.batches.close()
    before = opened(folders, {"real": ""}).space
    keep_run_space(tmp_path, before)
    (tmp_path / "checkpoints" / "1").mkdir(parents=True)
    assert opened(folders, drawn, workdir=tmp_path).space == before


def test_a_number_that_the_named_statistics_hardly_know_has_the_deviation_of_all_data():
    found = known_deviation(np.array([0.001, 0.3, 0.5, 0.0]), np.array([0.2, 1.1, 0.1, 0.3]))
    np.testing.assert_array_equal(found, [0.2, 0.3, 0.5, 0.3])


def test_a_resumed_run_keeps_its_validation_clips_of_each_source(folders, tmp_path):
    first = opened(folders, {"made": "", "real": ""}, workdir=tmp_path)
    write_validation_clips(tmp_path, first.clips)
    entries = json.loads((tmp_path / "validation_clips.json").read_text())
    assert [entry["data_set"] for entry in entries] == ["made", "real"] * 2
    lines = []
    again = opened(folders, {"made": "", "real": ""}, lines.append, workdir=tmp_path)
    assert [clip.clip_id for clip in again.clips] == [clip.clip_id for clip in first.clips]
    assert not any("drawn anew" in line for line in lines)


def test_the_same_person_in_validation_and_training_of_two_sources_is_told(folders, tmp_path):
    lines = []
    write_dataset(
        tmp_path / "third", {"train": [make_clip(50, speaker_id="p1")]}, licence="", made_by=""
    )
    opened(folders, {"real": "", str(tmp_path / "third"): ""}, lines.append)
    assert any(
        "p1 in the validation split of real and in the training split of third" in line
        for line in lines
    )


def test_styles_without_sources_are_refused(folders):
    fields = {"data.path": str(folders / "made"), "model.generator.styles": "made"}
    system = build_system(override(Config(), SMALL | fields))
    with pytest.raises(InputError, match=r"name the data by data\.sources"):
        open_training_data(system, cache=folders, tell=print)


@pytest.mark.parametrize(
    ("sources", "fields", "says"),
    [
        ({"made": "name=a", "made/../made": "name=b"}, {}, "is clip 'clip-0' of a"),
        ({"made": "", "empty": ""}, {}, "data.sources empty .*no training clips in it"),
        ({"made": "", "flame": ""}, {}, "made of the builtin space and flame of the flame space"),
        # what differs is named before what the system lacks in one of them
        (
            {"flame": "", "made": ""},
            {"loss.lip_gap": "0.5"},
            "flame of the flame space and made of the builtin",
        ),
        ({"made": ""}, {"model.generator.styles": "maid"}, "styles maid: no source .* made"),
        ({"made": ""}, {"model.generator.styles": "made/x"}, "need some of made, made/voice"),
        ({"made": "head_weight=0"}, {}, "model.jaw_path head: need expression"),
        ({"flame": "lids=drawn"}, {}, "flame lids=drawn: blinks are those of the built-in head"),
        ({"made": "lids=none"}, {}, "data.sources.lids: got 'none', need one of 'own', 'drawn'"),
        ({"made": "name=a/b"}, {}, "data.sources name=a/b: need a name without /"),
        ({"made": "name=init"}, {}, "data.sources name=init: .* and not init"),
        ({"made": "weight=nan"}, {}, "data.sources.weight nan: need a finite number"),
        ({"made": "weight=0"}, {}, "their weights are all 0"),
        ({"made": "", "nowhere": ""}, {}, "nowhere: no data set here"),
    ],
)
def test_sources_that_cannot_be_used_are_refused_in_one_line(folders, sources, fields, says):
    if not (folders / "empty").exists():
        write_dataset(folders / "empty", {"val": [make_clip(60)]}, licence="", made_by="")
        clip = make_clip(61, space="flame")
        write_dataset(folders / "flame", {"train": [clip]}, licence="", made_by="")
    with pytest.raises(InputError, match=says):
        opened(folders, sources, **fields)


class Painting:
    """What `open_training_data` reads of a system that paints from kept latents."""

    def __init__(self, path, *, side, kept=()):
        self.config = override(Config(), SMALL | {"data.path": str(path)})
        self.needs = Needs(("builtin",), kept=kept, pictures=side)
        self.space = BUILTIN

    def init(self, key):
        raise NotImplementedError

    loss = sample = init

    def example(self, clip, frames, *, rng=None, features=None):
        return frame_pair(clip, rng, latents=features)


def test_a_system_that_paints_gets_pictures_and_kept_latents_or_a_refusal(folders, tmp_path):
    with pytest.raises(InputError, match=r"made: no pictures in it, 16 are needed"):
        open_training_data(Painting(folders / "made", side=16), cache=tmp_path, tell=print)
    pictures = coded_pictures(np.zeros((20, 16, 16, 3), np.uint8), side=16)
    clips = [make_clip(i, frames=20, pictures=pictures) for i in range(3)]
    write_dataset(tmp_path / "set", {"train": clips[:2], "val": clips[2:]}, licence="", made_by="")
    system = Painting(tmp_path / "set", side=16, kept=("latents",))
    data = open_training_data(system, cache=tmp_path, tell=print, encoder=Convolution())
    batch = next(data.batches)
    data.batches.close()
    assert batch.target.shape == (4, 16, 16, 3)
    assert batch.target_latent.shape == (4, 4, 4, 3)
    assert data.validation[0].batch.reference_latent.shape == (8, 4, 4, 3)
