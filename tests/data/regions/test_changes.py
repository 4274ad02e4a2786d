"""Pairs of a clip with and without a region, and what is counted of them."""

import dataclasses

import numpy as np
import pytest

from ksdiff_jax.data.corpus.synthesis import SOURCE
from ksdiff_jax.data.regions.agreement import halves_agree, jaccard
from ksdiff_jax.data.regions.changes import Neutral, changes_of, expression_of
from ksdiff_jax.data.regions.extremes import farthest_frames
from ksdiff_jax.data.regions.found import as_json, dimension_names, find_regions
from ksdiff_jax.data.regions.neutral_given import partners
from ksdiff_jax.data.regions.tally import tally_pairs
from ksdiff_jax.data.shards import write_dataset
from ksdiff_jax.errors import InputError
from ksdiff_jax.face.actions import ACTIONS, actions_to_expression
from ksdiff_jax.motion.space import BUILTIN
from tests.data.clips import make_clip


def acted(number: int, *, lips: bool = True, lids: bool = True, frames: int = 20):
    """A clip of the corpus whose face is made of one action each of lips, lids and brows."""
    rng = np.random.default_rng(number)
    weights = np.zeros((frames, len(ACTIONS)))
    draws = {name: rng.uniform(size=frames) for name in ("MouthPucker", "EyeBlinkLeft", "BrowDown")}
    weights[:, ACTIONS.index("MouthPucker")] = draws["MouthPucker"] * lips
    weights[:, ACTIONS.index("EyeBlinkLeft")] = draws["EyeBlinkLeft"] * lids
    weights[:, ACTIONS.index("BrowDownLeft")] = draws["BrowDown"]
    jaw = np.stack([0.2 * rng.uniform(size=frames) * lips, *np.zeros((2, frames))], axis=1)
    expression = actions_to_expression(weights).astype(np.float32)
    clip = make_clip(number, frames=frames, expression=expression, jaw=jaw.astype(np.float32))
    return dataclasses.replace(clip, source=SOURCE)


def test_without_its_lip_or_lid_actions_a_clip_is_the_one_that_was_made_without_them():
    changes = changes_of(acted(3), Neutral())
    for region, without in (("lip", {"lips": False}), ("eye", {"lids": False})):
        expected = expression_of(acted(3)) - expression_of(acted(3, **without))
        assert np.abs(expected).max() > 0.1
        np.testing.assert_allclose(changes[region], expected, atol=1e-5)


def test_ratios_are_those_of_plain_loops_over_all_frames_of_all_clips():
    rng = np.random.default_rng(0)
    motions = [rng.normal(size=(frames, 3)) + 5 for frames in (4, 9)]
    changes = [{"lip": rng.normal(size=motion.shape)} for motion in motions]
    tally = tally_pairs(zip(motions, changes, strict=True))
    everything = np.concatenate(motions)
    for k in range(3):
        std = np.sqrt(sum((x - everything[:, k].mean()) ** 2 for x in everything[:, k]) / 13)
        sizes = [abs(x) for change in changes for x in change["lip"][:, k]]
        assert tally.ratios("max")["lip"][k] == pytest.approx(max(sizes) / std)
        assert tally.ratios("mean")["lip"][k] == pytest.approx(sum(sizes) / 13 / std)
    second = tally.part(np.array([1]))
    assert second.std() == pytest.approx(motions[1].std(axis=0))


def test_halves_that_move_alike_agree_and_halves_that_do_not_differ():
    rng = np.random.default_rng(1)
    motions = [rng.normal(size=(50, 6)) for _ in range(8)]
    scales = np.array([9.0, 8.0, 1.0, 0.5, 0.2, 0.1])
    steady = tally_pairs((m, {"lip": scales * np.ones_like(m)}) for m in motions)
    agreement = halves_agree(steady, {"lip": 2}, statistic="max")["lip"]
    assert agreement == (1.0, 1.0, 1.0)
    one_each = tally_pairs(
        (m, {"lip": np.eye(6)[[i % 6] * len(m)]}) for i, m in enumerate(motions[:6])
    )
    assert halves_agree(one_each, {"lip": 3}, statistic="mean")["lip"].mean == 0.0
    single = halves_agree(steady.part(np.array([0])), {"lip": 2}, statistic="max")
    assert np.isnan(single["lip"].mean)
    assert jaccard((1, 2, 3), (3, 4)) == 1 / 4


def test_partners_are_found_by_their_ids_in_any_order(tmp_path):
    clips = [acted(number) for number in range(3)]
    quiet = [acted(number, lips=False) for number in (2, 0, 1)]
    write_dataset(tmp_path / "quiet", {"train": quiet}, licence="none", made_by="test")
    partner = partners(clips, tmp_path / "quiet", split="train", space="builtin")
    changes = changes_of(clips[1], Neutral({"lip": partner}))
    np.testing.assert_array_equal(changes["lip"], expression_of(clips[1]) - expression_of(quiet[2]))
    with pytest.raises(InputError, match=r"1 of 4 clips have no partner .* 'clip-9'"):
        partners([*clips, acted(9)], tmp_path / "quiet", split="train", space="builtin")
    with pytest.raises(InputError, match="of the builtin space, those of the originals bfm"):
        partners(clips, tmp_path / "quiet", split="train", space="bfm")
    with pytest.raises(InputError, match=r"'clip-1' has 20 frames at 25 .* the original 30"):
        partner(acted(1, frames=30))


@pytest.mark.parametrize(
    ("space", "width", "says"),
    [
        (
            "bfm",
            64,
            "clip 'clip-5' of the bfm space: no face is available to close lips and eyes on; give",
        ),
        ("flame", 50, "name its face with --face and --landmarks, or give --neutral-lips and"),
    ],
)
def test_a_clip_that_cannot_be_neutralised_is_named_with_what_to_bring(space, width, says):
    clip = make_clip(5, space=space, expression=np.zeros((40, width), np.float32))
    with pytest.raises(InputError, match=says):
        changes_of(clip, Neutral())


def test_the_regions_of_acted_clips_are_the_numbers_of_their_actions():
    clips = [acted(number) for number in range(4)]
    options = {"space": BUILTIN, "statistic": "max"}
    found = find_regions(clips, Neutral(), sizes={"lip": 30, "eye": 8}, **options)
    matrix = actions_to_expression(np.eye(len(ACTIONS)))
    for region, action, more in (("lip", "MouthPucker", {50}), ("eye", "EyeBlinkLeft", set())):
        moved = np.flatnonzero(np.abs(matrix[ACTIONS.index(action)]) > 1e-6)
        assert set(found.regions[region]) == {*moved.tolist(), *more}
    numbers = [number for region in found.regions.values() for number in region]
    assert sorted(numbers) == list(range(53))
    assert found.pairs == {"lip": {"actions": 4}, "eye": {"actions": 4}}
    content = as_json(found, data={"digest": "d"})
    assert content["data"] == {"digest": "d", "clips": 4, "frames": 80}
    assert content["options"]["--model.regions.eye"] == ",".join(map(str, found.regions["eye"]))
    assert [dimension_names(BUILTIN)[k] for k in (0, 49, 50, 52)] == [
        *("expression 0", "expression 49"),
        *("jaw x", "jaw z"),
    ]
    with pytest.raises(InputError, match="region global: lip and eye take all 53"):
        lively = Neutral(dict.fromkeys(("lip", "eye"), lambda clip: make_clip(77, frames=20)))
        find_regions(clips, lively, sizes={"lip": 33, "eye": 20}, **options)


def test_the_farthest_frame_shows_a_regions_own_numbers_and_the_mean_of_the_others():
    mean = np.array([1.0, 2.0, 3.0])
    motion = mean + np.array([[0.1, 0, 9], [-3.0, 1, 0], [2.0, 2, 0]])
    metric = np.diag([1.0, 0.0, 1.0])  # the second number moves nothing
    frames = farthest_frames([motion], {"lip": (0, 1), "eye": (2,)}, mean=mean, metric=metric)
    np.testing.assert_allclose(frames["lip"], [-2.0, 3.0, 3.0])
    np.testing.assert_allclose(frames["eye"], [1.0, 2.0, 12.0])
