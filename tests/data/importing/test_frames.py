"""One dictionary per frame becomes arrays of all frames, in the order of the frames' names."""

import argparse
from pathlib import Path

import numpy as np
import pytest

from ksdiff_jax.data.importing.frames import named_arrays
from ksdiff_jax.errors import InputError
from ksdiff_jax.foreign.stand_ins import Held

PATH = Path("clip.pkl")
FRAMES = [{"exp": np.full((1, 4), float(i), np.float32), "fps": 25} for i in range(12)]


def exp(content) -> list[float]:
    return named_arrays(PATH, content, {"exp", "fps"})["exp"][:, 0].tolist()


@pytest.mark.parametrize(
    "name",
    ["{}", "frame_{}", "{:03d}.png", "s1_clip_{}.jpg", "/data/take 2/{}", "0.{:02d}"],
)
def test_frames_come_in_the_order_of_the_numbers_in_their_names(name):
    by_name = {name.format(i): frame for i, frame in enumerate(FRAMES)}
    shuffled = {key: by_name[key] for key in sorted(by_name, reverse=True)}
    assert exp(shuffled) == list(range(12))
    as_text = {key: by_name[key] for key in sorted(by_name)}
    assert exp(as_text) == list(range(12))
    assert exp({i + 100: FRAMES[i] for i in reversed(range(12))}) == list(range(12))
    assert exp({f"{2 * i}": FRAMES[i] for i in reversed(range(12))}) == list(range(12))


def test_frames_without_numbers_keep_their_order_and_lists_theirs():
    names = ["start", "middle", "end"]
    assert exp(dict(zip(names, FRAMES[:3], strict=True))) == [0, 1, 2]
    assert exp(FRAMES[::-1]) == list(range(12))[::-1]
    assert exp(tuple(FRAMES)) == list(range(12))


def test_names_of_several_numbers_have_one_order_or_are_refused():
    assert exp({f"take7_{i:02d}_{i / 25:.2f}s": FRAMES[i] for i in reversed(range(12))}) == list(
        range(12)
    )
    with pytest.raises(InputError, match="several faces or clips"):
        exp({f"{i // 2:03d}_{i % 2}": FRAMES[i] for i in range(12)})


def test_keys_of_bytes_are_text():
    assert exp([{b"exp": frame["exp"]} for frame in FRAMES]) == exp(
        {b"exp": np.arange(12.0)[:, None]}
    )


def test_a_missing_frame_is_named():
    with pytest.raises(InputError, match="frames are missing between '6' and '9'"):
        exp({str(i): frame for i, frame in enumerate(FRAMES) if i not in (7, 8)})


def test_shells_around_the_arrays_are_opened():
    arrays = {"exp": np.arange(3.0)[:, None], "fps": 25}
    held = Held("argparse.Namespace")
    held.set_state(vars(argparse.Namespace(**arrays)))
    for content in (
        arrays,
        {"codedict": arrays},
        {"out": {"codedict": arrays}},
        held,
        {"args": held},
    ):
        assert exp(content) == [0, 1, 2]
    assert exp({"frames": FRAMES}) == exp({"frames": dict(enumerate(FRAMES))}) == list(range(12))


def test_the_dictionary_that_holds_the_arrays_is_found_among_other_things():
    frames = [
        {"codedict": {"exp": np.full((1, 3), k), "pose": np.zeros((1, 6))}, "frame": k}
        for k in range(3)
    ]
    clip = {
        "flame": {"exp": np.ones((3, 50)), "pose": np.zeros((3, 6))},
        "fps": 30,
        "video": {"path": "a.mp4"},
    }
    wanted = {"exp", "pose", "fps"}
    for content in (frames, dict(enumerate(frames))):
        assert named_arrays(Path("a.pkl"), content, wanted)["exp"].tolist() == [
            [k] * 3 for k in range(3)
        ]
    found = named_arrays(Path("a.pkl"), clip, wanted)
    assert (found["exp"].shape, float(found["fps"])) == ((3, 50), 30)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (
            [{"exp": np.ones((60, 4))}],
            r"exp has shape \(60, 4\) in each of 1 frames; need one row a frame",
        ),
        (
            [{"exp": np.ones(4)}, {"exp": np.ones(3)}],
            r"shape \(4,\) in its first frame, \(3,\) in another",
        ),
        ([{"exp": np.ones(4)}, {"pose": np.ones(3)}], "do not all have the same keys"),
        ({"exp": [[1.0, 2.0], [1.0]]}, "exp holds lists of different lengths"),
        ({"exp": {1, 2}}, "exp holds a set; need numbers"),
        ("text", "holds a str; need a dictionary of arrays"),
        ([1.0, 2.0], "holds a list; need a dictionary of arrays"),
    ],
)
def test_what_is_no_clip_is_named(content, said):
    with pytest.raises(InputError, match=said):
        named_arrays(PATH, content, {"exp"})


def test_one_large_array_that_many_frames_share_is_not_copied_for_each():
    shared = np.zeros(1_000_000, np.float32)
    with pytest.raises(InputError, match="too large"):
        named_arrays(PATH, [{"exp": shared}] * 2000, {"exp"})
