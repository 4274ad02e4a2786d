"""The builder of the lip-sync model that ships, on people whose mouth is a linear function of the
features of their speech, and on people whose mouth is not; and what the shipped one records.
"""

import dataclasses

import numpy as np
import pytest

from ksdiff_jax.asset_builders import sync_expert as builder
from ksdiff_jax.data.shards import write_dataset
from ksdiff_jax.data.tally import motion_of_clip
from ksdiff_jax.errors import InputError
from ksdiff_jax.evaluate.people_folds import PeopleFolds, people_folds
from ksdiff_jax.files import SHIPPED
from ksdiff_jax.models.pretrained import read_manifest, save_pretrained
from ksdiff_jax.models.sync.expert import load_expert
from tests.data.clips import make_clip
from tests.evaluate.pretend import STILL
from tests.models.sync.conftest import TINY

FOLDS = PeopleFolds((("anna", "bo"), ("cem", "dana"), ("fay",)), frozenset({"eve"}))
PEOPLE = tuple(person for people in FOLDS.folds for person in people)
SMOOTH, WIDTH = np.ones(5) / 5, 16


def clip_of(person: str, number: int, *, frames: int = 75):
    """A clip of smooth random motion, loud throughout."""
    clip = make_clip(number, frames=frames, speaker_id=f"folder/{person}")
    smooth = [np.convolve(column, SMOOTH, "same") for column in clip.expression.T]
    return dataclasses.replace(clip, expression=np.array(smooth, np.float32).T)


def features_of(expert, clips, *, follow: bool):
    """Two rows of features a frame: a mixture of the expression, or noise without any relation."""
    mixture = np.random.default_rng(5).normal(size=(50, WIDTH))
    rows = []
    for clip in clips:
        noise = np.random.default_rng(int(clip.clip_id[5:])).normal(size=(clip.frames, WIDTH))
        known = motion_of_clip(clip)[:, :50] @ mixture
        rows.append(np.repeat(known + 0.1 * noise if follow else noise, 2, axis=0))
    return [row.astype(np.float32) for row in rows]


@pytest.fixture
def data(tmp_path, monkeypatch):
    """Data sets of five people and of a sixth, and a corpus; the folds are those above."""
    people = [clip_of(p, 10 * k + n) for k, p in enumerate(PEOPLE) for n in (1, 2)]
    sets = {"people": people, "eve": [clip_of("eve", 91)], "corpus": [clip_of("x", 95)]}
    for name, clips in sets.items():
        digests = [f"{name}-file"] * (name != "corpus")
        write_dataset(
            tmp_path / name, {"train": clips}, licence="", made_by="test", source_digests=digests
        )
    monkeypatch.setattr(builder, "people_folds", lambda: FOLDS)
    monkeypatch.setattr(builder, "held_out_corpus", lambda *_, **__: tmp_path / "corpus")
    monkeypatch.setattr(builder, "PENALTIES", (1.0, 100.0))
    return tmp_path


@pytest.mark.parametrize("follow", [True, False])
def test_people_are_judged_by_maps_that_were_not_fitted_to_them(data, monkeypatch, follow):
    """Noise of 48 columns would be followed by a map that has seen it, and so beat chance."""
    monkeypatch.setattr(
        builder, "recorded_features", lambda *given: features_of(*given, follow=follow)
    )
    save_pretrained(data / "out", config=TINY, params={}, space=STILL, card="mine")
    builder.main(str(data / "people"), str(data / "out"), str(data / "eve"))
    found = load_expert(data / "out", space="builtin").recorded
    assert found["people"] == 5 and found["windows"] > 100
    shares = [found[f"held_out_accuracy/{name}"] for name in PEOPLE]
    assert found["held_out_accuracy"] == pytest.approx(np.mean(shares))
    assert found["held_out_accuracy_low"] <= np.mean(shares) <= found["held_out_accuracy_high"]
    if follow:
        assert min(*shares, found["never_seen_accuracy/eve"]) > 0.95
    else:
        assert 0.25 < np.mean(shares) < 0.75
    extra = read_manifest(data / "out")["extra"]
    assert extra["sources_digests"] == ["people-file"]
    assert (data / "out" / "card.md").read_text(encoding="utf-8").strip() == "mine"


def test_corpus_and_people_have_equal_weight_in_the_map():
    random, untrained = np.random.default_rng(0), builder.Expert(None, {"suggested_mouth": {}})
    corpus, people = (
        builder.moments(random.normal(size=(n, 4)), random.normal(size=(n, 2))) for n in (40, 15)
    )
    twice = corpus.plus(corpus)
    kernels = [
        builder.fitted(untrained, each, [people], penalty=3.0).params["suggested_mouth"]["map"]
        for each in (corpus, twice)
    ]
    np.testing.assert_allclose(kernels[0]["kernel"], kernels[1]["kernel"], rtol=1e-5)
    rows = builder.fit_ridge(people.plus(people), penalty=3.0).weights
    alone = builder.fitted(untrained, people, [people], penalty=3.0).params["suggested_mouth"]
    np.testing.assert_allclose(alone["map"]["kernel"], rows, rtol=1e-5)


def test_people_that_are_unknown_and_files_that_are_not_recorded_are_refused(data):
    with pytest.raises(InputError, match="the files of the clips are not recorded"):
        builder.main(str(data / "corpus"), str(data / "out"))
    with pytest.raises(InputError, match="nothing is fitted to eve; prepare them apart"):
        builder.main(str(data / "eve"), str(data / "out"))
    with pytest.raises(InputError, match=r"nobody here is of \['eve'\]"):
        builder.main(str(data / "people"), str(data / "out"), str(data / "people"))
    clips = {"train": [clip_of("anna", 1)], "test": [clip_of("bo", 2)]}
    write_dataset(data / "b", clips, licence="", made_by="test", source_digests=["a"])
    with pytest.raises(InputError, match=r"test split are not recorded.*--held-out 0"):
        builder.main(str(data / "b"), str(data / "out"))
    clips = {"train": [clip_of("anna", 1), clip_of("fay", 2)]}
    write_dataset(data / "c", clips, licence="", made_by="test", source_digests=["a"])
    with pytest.raises(InputError, match="people of 2 folds"):
        builder.main(str(data / "c"), str(data / "out"))
    (data / "mine").mkdir()
    (data / "mine" / "notes.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(InputError, match="not empty and not a checkpoint of ours"):
        builder.main(str(data / "people"), str(data / "mine"))
    assert not (data / "out").exists()


def test_what_ships_records_its_people_its_files_and_its_accuracy_as_the_card_prints_it():
    manifest = read_manifest(SHIPPED / "sync")
    figures, files = manifest["extra"]["metrics"], manifest["extra"]["sources_digests"]
    people = {person for people in people_folds().folds for person in people}
    assert {
        name.partition("/")[2] for name in figures if name.startswith("held_out_accuracy/")
    } == people
    # the shipped animation model was trained on the same files
    assert files == read_manifest(SHIPPED / "whisper_demo")["extra"]["sources_digests"]
    card = (SHIPPED / "sync" / "card.md").read_text(encoding="utf-8")
    for name in ("held_out_accuracy", "held_out_accuracy_against_another_clip"):
        share, low, high = (100 * figures[f"{name}{end}"] for end in ("", "_low", "_high"))
        assert f"{share:.1f} % [{low:.1f}, {high:.1f}]" in card
    assert f"{figures['people']} people" in card and f"{figures['windows']:,} windows" in card
    assert figures["held_out_accuracy_low"] > 0.75
