"""`ksdiff-jax inspect` describes valid files and refuses invalid ones."""

import json

import av
import numpy as np
import pytest

from ksdiff_jax import hub
from ksdiff_jax.audio.waveform import write_wav
from ksdiff_jax.cli.main import main
from ksdiff_jax.data.shards import write_dataset
from ksdiff_jax.data.tfrecord import find_records
from ksdiff_jax.motion.clip import MotionClip
from ksdiff_jax.motion.space import MOTION_DIMS
from tests.data.clips import make_clip


def inspected(capsys, *arguments):
    status = main(["inspect", *map(str, arguments), "--json"])
    captured = capsys.readouterr()
    return (json.loads(captured.out) if status == 0 else captured.err), status


def test_a_motion_file_is_described(tmp_path, capsys):
    keyframes = np.arange(50) % 25 == 0
    clip = MotionClip.from_coefficients(
        np.zeros((50, MOTION_DIMS), np.float32),
        tracks={"keyframes_head": keyframes},
        meta={"seed": 3},
    )
    facts, _ = inspected(capsys, clip.save(tmp_path / "a.motion.npz"))
    assert (facts["kind"], facts["frames"], facts["seconds"], facts["seed"]) == (
        "motion",
        50,
        2.0,
        3,
    )
    assert facts["keyframes_head"] == "2 (1.00 per second)"


def test_a_motion_of_the_causal_mode_has_its_guidance(tmp_path, capsys):
    clip = MotionClip.from_coefficients(
        np.zeros((5, MOTION_DIMS), np.float32),
        meta={"guidance": 1.0, "causal_guidance": 2.0, "causal": False},
    )
    facts, _ = inspected(capsys, clip.save(tmp_path / "a.motion.npz"))
    assert facts["guidance"] == 1.0 and "causal" not in facts
    clip.meta["causal"] = True
    facts, _ = inspected(capsys, clip.save(tmp_path / "b.motion.npz"))
    assert facts["guidance"] == 2.0 and facts["causal"]
    clip.meta["causal_guidance"] = None
    facts, _ = inspected(capsys, clip.save(tmp_path / "c.motion.npz"))
    assert facts["guidance"] == 1.0


def test_a_checkpoint_is_described_and_a_corrupt_one_named(checkpoint, capsys):
    facts, _ = inspected(capsys, checkpoint, "--verify")
    assert facts["kind"] == "checkpoint" and facts["parameters"] == 1 and facts["verified"]
    assert facts["sampling"]["guidance"] == 1.0 and "styles" not in facts
    weights = checkpoint / "weights.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    error, status = inspected(capsys, checkpoint)
    assert status == 2 and "'scale' is corrupt" in error


@pytest.mark.parametrize("name", ["nothing", "."])
def test_what_is_nothing_of_ours_is_one_line(tmp_path, monkeypatch, capsys, name):
    monkeypatch.chdir(tmp_path)
    error, status = inspected(capsys, name)
    assert status == 2 and error.count("\n") == 1


def test_text_output_has_a_line_per_fact(tmp_path, capsys):
    clip = MotionClip.from_coefficients(np.zeros((5, MOTION_DIMS), np.float32))
    assert main(["inspect", str(clip.save(tmp_path / "a.motion.npz"))]) == 0
    assert capsys.readouterr().out.splitlines()[0].split() == ["kind", "motion"]


@pytest.fixture
def shards(tmp_path):
    clips = [make_clip(i, frames=30 + 30 * i, language="en" if i % 2 else "") for i in range(5)]
    splits = {"train": clips[:4], "val": clips[4:]}
    write_dataset(tmp_path / "set", splits, licence="CC0", made_by="a test", clips_per_shard=2)
    return tmp_path / "set"


def test_a_data_set_is_described(shards, capsys):
    facts, _ = inspected(capsys, shards, "--verify")
    assert facts["train"] == {
        "clips": 4,
        "hours": round((30 + 60 + 90 + 120) / 25 / 3600, 3),
        "shards": 2,
        "speakers": 1,
    }
    assert facts["clips_by_seconds"] == {"1": 1, "2": 1, "3": 1, "4": 1, "6": 1}
    assert set(facts["hours_by_language"]) == {"en", "unknown"}
    assert facts["statistics"]["head_std_deg"]["yaw"] == pytest.approx(np.degrees(0.1), rel=0.1)
    assert facts["statistics"]["keyframes_per_s"]["head"] > 0 and facts["verified"]
    assert main(["inspect", str(shards)]) == 0
    assert "   5-6   s   0" in capsys.readouterr().out


def test_a_set_without_speech_has_no_hours_by_language(tmp_path, capsys):
    command = "ksdiff-jax corpus --clips 2 --seed 0 --languages en --voices none --pictures 64"
    write_dataset(tmp_path / "rest", {"train": [make_clip(0)]}, licence="CC0", made_by=command)
    facts, _ = inspected(capsys, tmp_path / "rest")
    assert "hours_by_language" not in facts and facts["train"]["clips"] == 1


def flipped_byte(shards):
    shard = shards / "train-00001-of-00002.tfrecord"
    offset, length = find_records(shard)[0][1]
    content = bytearray(shard.read_bytes())
    content[offset + 12 + length // 3] ^= 8
    shard.write_bytes(content)
    return rf"train-00001-of-00002.tfrecord: record 1 at byte {offset} is damaged"


def truncated_record(shards):
    shard = shards / "val-00000-of-00001.tfrecord"
    shard.write_bytes(shard.read_bytes()[:-100])
    return "val-00000-of-00001.tfrecord: record 0 at byte 0 is cut off"


def other_schema(shards):
    description = shards / "dataset.json"
    description.write_text(description.read_text().replace("ksdiff-clip/1", "ksdiff-clip/7"))
    return "schema 'ksdiff-clip/7', this version reads 'ksdiff-clip/1'"


@pytest.mark.parametrize("fault", [flipped_byte, truncated_record, other_schema])
def test_what_is_wrong_with_a_data_set_is_named_in_one_line(shards, capsys, fault):
    named = fault(shards)
    error, status = inspected(capsys, shards, "--verify")
    assert status == 2 and named in error and error.count("\n") == 1


def test_a_stale_index_is_rebuilt_and_said(shards, capsys):
    index = shards / "train-00000-of-00002.index"
    good = index.read_bytes()
    index.write_bytes(good[:16])
    assert main(["inspect", str(shards), "--verify"]) == 0
    assert "train-00000-of-00002.index: stale; rebuilt" in capsys.readouterr().err
    assert index.read_bytes() == good


@pytest.mark.parametrize("space", ["builtin", "bfm"])
def test_a_contact_sheet_is_drawn(shards, tmp_path, capsys, space):
    from matplotlib.image import imread

    if space == "bfm":
        clip = make_clip(0, expression=np.zeros((40, 64), np.float32), space="bfm")
        write_dataset(shards, {"train": [clip]}, licence="", made_by="")
    facts, _ = inspected(capsys, shards, "--sheet", tmp_path / "sheet.png")
    picture = imread(facts["sheet"])
    assert picture.shape[1] == 1430 and picture[..., :3].std() > 0.05
    again = tmp_path / "again.png"
    inspected(capsys, shards, "--sheet", again)
    assert again.read_bytes() == (tmp_path / "sheet.png").read_bytes()


def test_only_a_data_set_has_a_contact_sheet(checkpoint, tmp_path, capsys):
    error, status = inspected(capsys, checkpoint, "--sheet", tmp_path / "sheet.png")
    assert (
        status == 2
        and "--sheet draws clips of a data set" in error
        and not (tmp_path / "sheet.png").exists()
    )


def test_a_recording_is_described_and_what_is_none_of_all_is_one_line(tmp_path, capsys):
    write_wav(tmp_path / "a.wav", 0.1 * np.sin(np.arange(24_000)).astype(np.float32))
    facts, _ = inspected(capsys, tmp_path / "a.wav")
    assert (facts["kind"], facts["seconds"], facts["container"]) == ("recording", 1.5, "wav")
    assert facts["sound"] == {"codec": "pcm_s16le", "rate_hz": 16_000, "channels": 1}
    (tmp_path / "a.txt").write_text("words " * 1000)
    (tmp_path / "empty.mp4").touch()
    for name in ("a.txt", "empty.mp4"):
        error, status = inspected(capsys, tmp_path / name)
        assert status == 2 and error.count("\n") == 1 and name in error


def test_a_video_is_described_by_its_frames_own_times(tmp_path, capsys):
    pictures = np.random.default_rng(0).integers(0, 255, (30, 48, 64, 3), np.uint8)
    silent = tmp_path / "silent.mp4"
    with av.open(str(silent), "w") as container:
        stream = container.add_stream("mpeg4", rate=30)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for picture in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    facts, _ = inspected(capsys, silent)
    assert facts["kind"] == "video" and facts["sound"] == "none"
    assert facts["pictures"] == {
        "codec": "mpeg4",
        "width": 64,
        "height": 48,
        "frames": 30,
        "fps": 30.0,
    }


def test_the_hub_is_not_asked_for_a_file_that_is_missing_from_a_folder_here(
    tmp_path, monkeypatch, capsys
):
    def asked(name, patterns):
        raise AssertionError(name)

    monkeypatch.setattr(hub, "fetch", asked)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "out").mkdir()
    error, status = inspected(capsys, "out/missing.motion.npz")
    assert status == 2 and "out/missing.motion.npz: no such file or folder" in error
    with pytest.raises(AssertionError, match="somebody"):
        inspected(capsys, "somebody/something")
