"""Recordings of ARKit's weights, a real one and our own exports, become motion of the built-in
head.
"""

import csv
import json

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from ksdiff_jax.audio.waveform import write_wav
from ksdiff_jax.data.importing.arkit_files import (
    is_arkit_recording,
    read_arkit_recording,
    timecode_seconds,
)
from ksdiff_jax.data.importing.clip import clip_of_coefficients
from ksdiff_jax.data.prepare.layouts import find_sources
from ksdiff_jax.data.prepare.source import Rejected, Settings, Source
from ksdiff_jax.errors import InputError
from ksdiff_jax.export.endings import ENDINGS
from ksdiff_jax.export.writers import write_take
from ksdiff_jax.face.arkit import ARKIT_NAMES, motion_of_arkit
from tests.export.takes import known_take
from tests.recordings import bursts

REAL_TAKE = "coeffs/livelink_alex_rom_3.csv"
EXPORTS = ("livelink", "arkit", "a2f", "a2f-json", "lam", "talkinghead")


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A take of two seconds at 60 frames a second, and its file in every format that is read."""
    take, folder = known_take(fps=60.0), tmp_path_factory.mktemp("exported")
    return take, {kind: write_take(folder / f"talk{ENDINGS[kind]}", take, kind) for kind in EXPORTS}


@pytest.mark.parametrize("kind", EXPORTS)
def test_our_own_exports_come_back(exported, kind):
    take, paths = exported
    assert is_arkit_recording(paths[kind])
    found = read_arkit_recording(paths[kind])
    np.testing.assert_allclose(found.weights, take.arkit, atol=6e-5)
    np.testing.assert_allclose(found.times_s, take.times_s, atol=2e-6 * len(take))
    head = Rotation.from_rotvec(found.head)
    if kind == "a2f":  # that file has no place for the head
        assert not found.head.any()
    else:
        assert (head.inv() * take.head).magnitude().max() < 1e-4


def with_sound(folder, name, *, seconds, text):
    """A recording and a sound of that length beside it."""
    (folder / name).write_text(text)
    sound = folder / f"{name.split('.')[0]}.wav"
    write_wav(sound, bursts(seconds))
    return Source("a", audio=str(sound), coefficients=str(folder / name))


def test_a_real_take_becomes_a_clip_at_25_hz_by_its_timecodes(shared_data, tmp_path):
    rows = (shared_data / REAL_TAKE).read_text().splitlines()[:121]
    source = with_sound(tmp_path, "alex.csv", seconds=4.0, text="\n".join(rows))
    (clip,) = clip_of_coefficients(source, Settings()).clips
    assert clip.space == "builtin" and clip.frames == 99 and clip.source.startswith("Live Link")
    table = list(csv.DictReader(rows))
    jaw = np.array([float(row["JawOpen"]) for row in table])
    codes = [row["Timecode"].split(":") for row in table]
    seconds = np.array([int(second) + float(frame) / 60 for _, _, second, frame in codes])
    seconds -= seconds[0]  # the part is within one minute
    assert 3.9 < seconds[-1] < 4.1
    np.testing.assert_allclose(
        clip.jaw[:, 0], 0.25 * np.interp(np.arange(99) / 25, seconds, jaw), atol=2e-3
    )


def test_the_head_and_the_mouth_of_a_recording_are_in_the_clip(exported, tmp_path):
    take, paths = exported
    source = with_sound(tmp_path, "talk.csv", seconds=2.0, text=paths["livelink"].read_text())
    (clip,) = clip_of_coefficients(source, Settings()).clips
    turns = Rotation.from_rotvec(clip.rotation[:49])
    wanted = take.at(25)
    assert (turns.inv() * Rotation.from_rotvec(wanted.rotations("head")[:49])).magnitude().max() < (
        0.01
    )
    motion = motion_of_arkit(take.arkit, fps=60.0)
    np.testing.assert_allclose(clip.jaw.mean(axis=0), motion.jaw_pose.mean(axis=0), atol=5e-3)


def test_folders_find_recordings_by_content_and_their_sound_by_the_stem(exported, tmp_path):
    _, paths = exported
    write_wav(tmp_path / "talk.wav", bursts(2.0))
    (tmp_path / "talk.arkit.json").write_bytes(paths["arkit"].read_bytes())
    (tmp_path / "talk.words.json").write_text('{"text": "hello"}')
    (tmp_path / "table.csv").write_text("start,end,text\n0,1,hello\n")
    (source,) = find_sources([tmp_path])
    assert source.coefficients == str(tmp_path / "talk.arkit.json")
    assert source.audio == str(tmp_path / "talk.wav") and source.source_id == "talk"


def test_timecodes_run_over_midnight_at_the_rate_of_their_frames(tmp_path):
    codes = [f"23:59:59:{n:02d}.500" for n in range(30)] + ["00:00:00:00.500"]
    np.testing.assert_allclose(np.diff(timecode_seconds(tmp_path, codes)), 1 / 30)
    assert timecode_seconds(tmp_path, ["00:00:01:45.000"])[0] == 1.75


HEADING = ["Timecode", "BlendShapeCount", *(name[0].upper() + name[1:] for name in ARKIT_NAMES)]


def table(*rows: list, heading: list[str] = HEADING) -> str:
    return "\n".join(",".join(map(str, row)) for row in [heading, *rows])


def row(time: str, weight: object = 0.25) -> list:
    return [time, 61, weight, *[0.25] * 51]


BROKEN = {
    "a weight is missing": (
        table(row("0:0:0:0")[:-2], heading=HEADING[:-2]),
        "1 of ARKit's 52 weights are missing: noseSneerRight;",
    ),
    "per cent": (table(row("0:0:0:0", 25)), "eyeBlinkLeft is 25 in frame 0; need weights from 0"),
    "not a number": (table(row("0:0:0:0", "x")), "row 2: EyeBlinkLeft is 'x'; need a number"),
    "nan": (table(row("0:0:0:0", "nan")), "eyeBlinkLeft is nan in frame 0"),
    "cut off": (table(row("0:0:0:0"), row("0:0:0:1")[:7]), "row 3: 7 values, 54 names"),
    "timecode": (table(row("now")), "row 2: Timecode 'now'; need HH:MM:SS:FF.mmm"),
    "backwards": (table(row("0:0:0:1"), row("0:0:0:0")), "frame 1 is not after that of frame 0"),
    "no times": (table(row("0"), heading=["x", *HEADING[1:]]), "no column of times"),
    "only names": (table(), "no frames"),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_a_fault_is_told_in_one_line(tmp_path, fault):
    text, message = BROKEN[fault]
    source = with_sound(tmp_path, "a.csv", seconds=1.0, text=text)
    with pytest.raises(Rejected) as caught:
        clip_of_coefficients(source, Settings())
    assert caught.value.reason == "bad_coefficients"
    assert message in caught.value.detail and "\n" not in caught.value.detail


def test_json_of_another_kind_is_named_by_its_keys(tmp_path, exported):
    (tmp_path / "a.json").write_text('{"text": "hello"}')
    with pytest.raises(InputError, match="its keys text are those of no known recording"):
        read_arkit_recording(tmp_path / "a.json")
    content = json.loads(exported[1]["arkit"].read_text())
    (tmp_path / "b.json").write_text(json.dumps(content | {"head": content["head"][:-1]}))
    with pytest.raises(InputError, match=r"head rotations of shape \(119, 4\) for 120 frames"):
        read_arkit_recording(tmp_path / "b.json")


def test_another_length_than_the_sounds_is_refused(exported, tmp_path):
    text = exported[1]["livelink"].read_text()
    source = with_sound(tmp_path, "talk.csv", seconds=10.0, text=text)
    with pytest.raises(Rejected, match=r"120 frames at 60 fps \(by its times\) are 2.00 s"):
        clip_of_coefficients(source, Settings())
