"""Live Link, Audio2Face and ARKit files, read by readers that follow the formats alone."""

import csv
import dataclasses
import json

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from ksdiff_jax.errors import InputError
from ksdiff_jax.export.endings import ENDINGS
from ksdiff_jax.export.live_link import live_link_angles, timecode, write_live_link
from ksdiff_jax.export.take import Take
from ksdiff_jax.export.writers import WRITERS, write_take
from ksdiff_jax.face.arkit import ARKIT_NAMES
from ksdiff_jax.ownership import purpose_of
from tests.export.takes import known_take

REAL_TAKE = "coeffs/livelink_alex_rom_3.csv"


def read_live_link(path):
    """Seconds and values by column, from the description of the CSV."""
    with path.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    values = {name: np.array([float(row[name]) for row in rows]) for name in list(rows[0])[2:]}
    return [row["Timecode"] for row in rows], values


def test_every_format_has_an_ending_and_a_function():
    assert WRITERS.keys() == ENDINGS.keys() and len(set(ENDINGS.values())) == len(ENDINGS)


def test_the_live_link_file_has_the_columns_of_a_real_take(shared_data, tmp_path):
    write_live_link(tmp_path / "talk.csv", known_take())
    real, own = (
        (p / n).read_text().splitlines()
        for p, n in ((shared_data, REAL_TAKE), (tmp_path, "talk.csv"))
    )
    assert own[0] == real[0]
    assert own[1].split(",")[1] == real[1].split(",")[1]
    shape = [
        [len(piece) for piece in time.split(":")]
        for time in (own[1].split(",")[0], real[1].split(",")[0])
    ]
    assert shape[0] == shape[1]


def test_the_signs_of_the_eyes_are_those_of_a_real_take(shared_data, tmp_path):
    """In the take an eye's pitch follows its look down, and its yaw the look to the right."""
    take = known_take()
    _, real = read_live_link(shared_data / REAL_TAKE)
    write_live_link(tmp_path / "talk.csv", take)
    _, own = read_live_link(tmp_path / "talk.csv")
    for side, out in (("Left", 1), ("Right", -1)):
        down = real[f"EyeLookDown{side}"] - real[f"EyeLookUp{side}"]
        left = out * (real[f"EyeLookOut{side}"] - real[f"EyeLookIn{side}"])
        eye = take.rotations(f"{side.lower()}_eye")
        for axis, look, column in ((0, down, "Pitch"), (1, left, "Yaw")):
            theirs = np.corrcoef(look, real[f"{side}Eye{column}"])[0, 1]
            ours = np.corrcoef(eye[:, axis], own[f"{side}Eye{column}"])[0, 1]
            assert theirs * ours > 0.5, (side, column)


def test_live_link_values_come_back_by_name(tmp_path):
    take = known_take()
    write_live_link(tmp_path / "talk.csv", take)
    times, values = read_live_link(tmp_path / "talk.csv")
    assert len(times) == len(take) == 60 and times[31] == "00:00:01:01.000"
    for name, column in zip(ARKIT_NAMES, take.arkit.T, strict=True):
        np.testing.assert_allclose(values[name[0].upper() + name[1:]], column, atol=1e-6)
    turn = Rotation.from_euler("Y", -values["HeadYaw"][:, None]) * Rotation.from_euler(
        "XZ", np.stack([values["HeadPitch"], -values["HeadRoll"]], axis=1)
    )
    assert (turn.inv() * take.head).magnitude().max() < 1e-6


@pytest.mark.parametrize("fps", [24, 25, 30, 50, 60])
def test_timecode_neither_drifts_nor_skips(fps):
    frames = [*range(200), *range(3600 * fps - 100, 3600 * fps + 100)]
    for frame in frames:
        hours, minutes, seconds, count = timecode(frame, fps).split(":")
        whole = (int(hours) * 60 + int(minutes)) * 60 + int(seconds)
        assert whole * fps + float(count) == frame
    assert timecode(1, 29.97) == "00:00:00:01.001"


def test_angles_of_live_link_take_the_neck_with_the_head():
    take = known_take()
    motion = take.motion
    bent = dataclasses.replace(motion, neck_pose=np.tile([0.0, 0.1, 0.0], (len(motion), 1)))
    added = live_link_angles(dataclasses.replace(take, motion=bent)) - live_link_angles(take)
    np.testing.assert_allclose(added[0, :3], [-0.1, 0, 0], atol=1e-6)


def test_audio2face_csv_names_time_and_values(tmp_path):
    take = known_take()
    write_take(tmp_path / "a.csv", take, "a2f")
    with (tmp_path / "a.csv").open(newline="") as stream:
        rows = list(csv.reader(stream))
    assert rows[0][:3] == ["", "timeCode", "blendShapes.EyeBlinkLeft"] and len(rows[0]) == 70
    assert rows[0][17:19] == ["blendShapes.JawLeft", "blendShapes.JawRight"]
    numbers = np.array(rows[1:], float)
    np.testing.assert_allclose(numbers[:, 1], np.arange(60) / 30, atol=1e-8)
    np.testing.assert_allclose(numbers[:, 2:54], take.arkit, atol=1e-6)
    assert not numbers[:, 54:].any() and rows[0][54] == "blendShapes.TongueTipUp"


def test_audio2face_json_has_the_head_and_the_jaw_in_its_joints(tmp_path):
    take = known_take()
    write_take(tmp_path / "a.json", take, "a2f-json")
    read = json.loads((tmp_path / "a.json").read_text())
    assert (read["exportFps"], read["numPoses"], read["numFrames"]) == (30, 52, 60)
    np.testing.assert_allclose(read["weightMat"], take.arkit, atol=1e-5)
    w, x, _, _ = np.array(read["rotations"])[:, read["joints"].index("jaw")].T
    np.testing.assert_allclose(2 * np.arctan2(x, w), take.rotations("jaw")[:, 0], atol=1e-5)


def test_arkit_json_is_replaced_by_a_rerun_and_a_csv_is_not(tmp_path):
    take = known_take()
    for _ in range(2):
        write_take(tmp_path / "a.json", take, "arkit")
    assert purpose_of(tmp_path / "a.json") == "arkit"
    read = json.loads((tmp_path / "a.json").read_text())
    assert read["names"] == list(ARKIT_NAMES)
    np.testing.assert_allclose(read["weights"], take.arkit, atol=1e-5)
    write_take(tmp_path / "a.csv", take, "livelink")
    with pytest.raises(InputError, match="without the mark"):
        write_take(tmp_path / "a.csv", take, "livelink")


def test_frames_are_at_their_times_and_rotations_on_the_shorter_arc():
    take = known_take(seconds=4.0, fps=60.0)
    assert len(take) == 240
    np.testing.assert_allclose(take.times_s, np.arange(240) / 60, rtol=1e-15)
    angle = np.sin(take.times_s) * np.linalg.norm([0.2, 0.3, 0.1])
    inside = take.times_s <= 4.0 - 1 / 25
    got = take.head.magnitude()
    np.testing.assert_allclose(got[inside], np.abs(angle)[inside], atol=2e-4)


def test_a_frame_rate_of_nothing_is_refused():
    with pytest.raises(InputError, match="fps: got 0, need"):
        Take(known_take().motion, 0.0, "talk")


@pytest.mark.parametrize(("name", "factor"), [("exp", 1e6), ("jaw_pose", 57.3)])
def test_a_motion_beyond_any_face_is_refused(name, factor):
    motion = known_take().motion
    damaged = dataclasses.replace(motion, **{name: getattr(motion, name) * factor})
    with pytest.raises(InputError, match=f"talk: {name} reaches .*no face exceeds"):
        Take(damaged, 25.0, "talk")
