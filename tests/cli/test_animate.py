"""`ksdiff-jax animate`: its outputs, and each kind of bad input."""

import dataclasses
import json
import os
import wave

import av
import numpy as np
import pytest

from ksdiff_jax import Motion
from ksdiff_jax.animate.animator import Animator
from ksdiff_jax.cli import animate as animate_command
from ksdiff_jax.cli.animate_outputs import file_stems
from ksdiff_jax.face import load_face
from ksdiff_jax.motion.clip import MotionClip
from ksdiff_jax.motion.space import MOTION_DIMS
from tests.face.made_faces import made_face, written


def wav_of(path, samples, *, width=2):
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(width)
        file.setframerate(16_000)
        file.writeframes(np.asarray(samples).tobytes())
    return path


def float_wav_of(path, samples):
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_f32le", rate=16_000, layout="mono")
        frame = av.AudioFrame.from_ndarray(
            np.asarray(samples, np.float32)[None], format="flt", layout="mono"
        )
        frame.sample_rate = 16_000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def test_one_recording_gives_motion_video_and_plot(animate, speech):
    status, out, err, files = animate(speech)
    assert status == 0 and err == []
    assert files == ["speech.motion.npz", "speech.mp4", "speech.png"]
    assert any("real-time factor" in line for line in out)


def test_only_the_formats_asked_for_are_written(animate, speech):
    assert animate(speech, "--formats", "npz")[3] == ["speech.motion.npz"]


def test_archives_of_flame_tools_are_refused_before_any_work_for_another_space(animate, speech):
    status, _, err, files = animate(speech, "--formats", "npz", "deca")
    assert status == 2 and files == [] and "--formats deca: for FLAME" in err[0]


def test_files_for_other_programs_come_with_the_motion(animate, speech):
    files = animate(speech, "--formats", "npz", "livelink", "talkinghead")[3]
    assert files == ["speech.csv", "speech.motion.npz", "speech.talkinghead.json"]


def test_samples_are_numbered_and_differ(animate, speech, tmp_path):
    files = animate(speech, "--formats", "npz", "--samples", "2")[3]
    assert files == ["speech.1.motion.npz", "speech.2.motion.npz"]
    first, second = (MotionClip.load(tmp_path / "out" / name) for name in files)
    assert np.abs(first.exp - second.exp).max() > 1e-3


def test_json_is_one_document_and_quiet_is_silent(animate, speech):
    status, out, err, _ = animate(speech, "--formats", "npz", "--json")
    report = json.loads("\n".join(out))
    assert (
        status == 0 and err == [] and report["results"][0]["files"][0].endswith("speech.motion.npz")
    )
    assert animate(speech, "--formats", "npz", "--quiet")[1:3] == ([], [])


def test_two_recordings_of_one_name_get_distinct_files(animate, speech, tmp_path):
    (tmp_path / "other").mkdir()
    twin = tmp_path / "other" / "speech.wav"
    twin.write_bytes(speech.read_bytes())
    files = animate(speech, twin, "--formats", "npz")[3]
    assert files == ["speech-2.motion.npz", "speech.motion.npz"]
    assert file_stems(["a.wav", "a.mp3", "a-2.wav", "b/a.wav"]) == ["a", "a-2", "a-2-2", "a-3"]


@pytest.mark.parametrize("name", ["x" * 251, "é" * 125, "日" * 84, os.fsdecode(b"\xff" * 251)])
def test_the_longest_names_leave_room_for_what_comes_after_them(name):
    stems = file_stems([f"{name}.wav", f"{name}.mp3"])
    assert len(set(stems)) == 2 and all(name.startswith(stem[:70]) for stem in stems)
    longest = max(len(os.fsencode(f"{stem}.999.motion.npz")) for stem in stems)
    assert longest <= 255
    assert "\N{REPLACEMENT CHARACTER}" not in "".join(stems)


def test_a_transcript_file_in_another_script_is_read(animate, speech, tmp_path):
    (tmp_path / "said.txt").write_text("你好，世界", encoding="utf-8")
    status, out, _, _ = animate(
        speech, "--formats", "npz", "--transcript-file", tmp_path / "said.txt"
    )
    # the next step is one that can be taken
    assert "Motion.load" in out[-1] and ".mp4" not in out[-1]
    assert status == 0 and any(f"transcript of {tmp_path / 'said.txt'}" in line for line in out), (
        out
    )


def test_the_transcript_beside_a_recording_is_read_and_its_words_are_written(animate, speech):
    labels = speech.with_suffix(".lab")
    labels.write_text("0.1 0.4 hello\n0.4 0.8 there\n")
    status, out, _, files = animate(speech, "--formats", "npz")
    assert status == 0 and files == ["speech.motion.npz", "speech.words.json"]
    assert any(f"transcript of {labels}" in line for line in out)
    assert animate(speech, "--formats", "npz", "--no-sidecar", out="bare")[3] == [
        "speech.motion.npz"
    ]
    labels.write_text("0.1 0.4 hello\nthere\n")
    status, _, err, _ = animate(speech, "--formats", "npz")
    assert status == 2 and len(err) == 1 and "line 2" in err[0]


def test_phones_of_the_text_grid_beside_it_or_of_an_option_are_written(animate, speech, tmp_path):
    grid = """File type = "ooTextFile"\nObject class = "TextGrid"\n\n0\n0.8\n<exists>\n2
"IntervalTier"\n"words"\n0\n0.8\n1\n0.1 0.4 "be"
"IntervalTier"\n"phones"\n0\n0.8\n2\n0.1 0.2 "B"\n0.2 0.4 "IY1"\n"""
    speech.with_suffix(".TextGrid").write_text(grid)
    status, _, _, files = animate(speech, "--formats", "words")
    assert status == 0 and files == ["speech.words.TextGrid", "speech.words.json"]
    written = json.loads((tmp_path / "out" / "speech.words.json").read_text(encoding="utf-8"))
    assert [phone["text"] for phone in written["phones"]] == ["b", "ˈi"]
    assert '"phones"' in (tmp_path / "out" / "speech.words.TextGrid").read_text(encoding="utf-8")
    (tmp_path / "speech.lab").write_text("0.1 0.3 m\n0.3 0.4 iy\n")
    given = ("--phonemes", tmp_path / "speech.lab", "--no-sidecar")
    assert animate(speech, "--formats", "npz", *given, out="of_labels")[0] == 0
    written = json.loads((tmp_path / "of_labels" / "speech.words.json").read_text(encoding="utf-8"))
    assert [phone["text"] for phone in written["phones"]] == ["m", "i"] and not written["spoken"]


def test_the_lips_take_a_temperature_between_0_and_1(animate, speech):
    assert animate(speech, "--formats", "npz", "--lip-temperature", "0.5")[0] == 0
    status, _, err, _ = animate(speech, "--lip-temperature", "-1")
    assert status == 2 and "lip_temperature -1" in err[0]


def test_a_transcript_of_50_kb_is_cut_with_one_line(animate, speech):
    status, _, err, files = animate(speech, "--formats", "npz", "--transcript", "word " * 10_000)
    assert status == 0 and files == ["speech.motion.npz"]
    assert len(err) == 1 and "warning" in err[0] and "50,000 bytes" in err[0]


BAD_RECORDINGS = {
    "no such file": lambda folder: folder / "none.wav",
    "folder": lambda folder: folder,
    "not a recording": lambda folder: _text(folder / "text.wav"),
    "is empty": lambda folder: _empty(folder / "empty.wav"),
    "0 samples": lambda folder: wav_of(folder / "header_only.wav", np.zeros(0, np.int16)),
    "motion frame": lambda folder: wav_of(folder / "one_sample.wav", np.zeros(1, np.int16)),
    "NaN": lambda folder: float_wav_of(folder / "nan.wav", np.full(16_000, np.nan)),
}


def _text(path):
    path.write_text("This is no sound.\n" * 100)
    return path


def _empty(path):
    path.touch()
    return path


@pytest.mark.parametrize("said", BAD_RECORDINGS)
def test_a_bad_recording_is_one_line_status_2_and_nothing_written(animate, tmp_path, said):
    recording = BAD_RECORDINGS[said](tmp_path)
    status, _, err, files = animate(recording)
    assert status == 2 and files == [] and not (tmp_path / "out").exists()
    assert len(err) == 1 and err[0].startswith("ksdiff-jax animate: ") and str(recording) in err[0]
    assert said in err[0]


def test_one_bad_recording_among_five_does_not_stop_the_others(animate, speech, tmp_path):
    good = []
    for name in "abcd":
        good.append(tmp_path / f"{name}.wav")
        good[-1].write_bytes(speech.read_bytes())
    bad = _text(tmp_path / "bad.wav")
    status, out, err, files = animate(*good[:2], bad, *good[2:], "--formats", "npz")
    assert status == 2 and files == [f"{name}.motion.npz" for name in "abcd"]
    assert len(err) == 1 and str(bad) in err[0]
    assert out[-1] == f"4 of 5 recordings animated; not animated: {bad}"


def test_a_file_in_the_way_of_the_out_folder_is_said_before_any_work(animate, speech, tmp_path):
    (tmp_path / "taken").write_text("mine")
    status, out, err, _ = animate(speech, out="taken")
    assert status == 2 and out == [] and len(err) == 1 and "in the way" in err[0]
    assert (tmp_path / "taken").read_text() == "mine"


def test_a_checkpoint_of_another_schema_is_one_line(animate, speech, checkpoint):
    config = checkpoint / "config.json"
    config.write_text(config.read_text().replace("ksdiff-checkpoint/1", "ksdiff-checkpoint/7"))
    status, _, err, files = animate(speech)
    assert status == 2 and files == [] and len(err) == 1 and "ksdiff-checkpoint/7" in err[0]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--steps", "0"], "steps 0: need 1 or more"),
        (["--steps", "many"], "--steps"),
        (["--stpes", "5"], "did you mean --steps"),
        (["--sampler", "euler"], "'ddim'"),
        (["--seed", "-5"], "seed: got -5"),
        (["--samples", "0"], "--samples 0"),
        (["--best-of", "0"], "best of 0 samples: need at least 1"),
        (["--fps", "0"], "fps 0: need a frame rate from 5 to 240"),
        (["--batch-size", "0"], "--batch-size 0: need at least 1"),
        (["--style", "grid"], "style grid: need it empty, the model has no styles"),
        (["--keyframe-guidance", "-1"], "keyframe_guidance -1.0: need a number of 0 or more"),
        (["--head-keyframes", "0.1", "99"], "keyframe of the head at 99 s: need a time within"),
        (["--head-keyframes", "1", "--pose", "demo"], "--pose demo; leave one out"),
        (["--formats", "gif"], "gif"),
        (["--face", "nowhere.npz"], "nowhere.npz"),
        (["--transcript-file", "nowhere.txt"], "nowhere.txt"),
        (["--checkpoint", "nowhere"], "no checkpoint 'nowhere'"),
        (["--device", "abacus"], "abacus"),
    ],
)
def test_a_wrong_option_is_one_line_and_status_2(
    speech, checkpoint, tmp_path, capsys, options, said
):
    from ksdiff_jax.cli.main import main

    arguments = [
        "animate",
        str(speech),
        "--out",
        str(tmp_path / "out"),
        "--checkpoint",
        str(checkpoint),
        *options,
    ]
    assert main(arguments) == 2
    err = capsys.readouterr().err.splitlines()
    assert len(err) == 1 and said in err[0], err
    assert not (tmp_path / "out").exists()


def test_a_failure_while_writing_leaves_nothing_under_a_final_name(
    animate, speech, monkeypatch, tmp_path
):
    from ksdiff_jax.export import plot

    def broken(*args, **kwargs):
        raise RuntimeError("our own mistake")

    monkeypatch.setattr(plot, "_draw_head", broken)
    with pytest.raises(RuntimeError, match="our own mistake"):
        animate(speech, "--formats", "png")
    assert not (tmp_path / "out").exists()


def test_standard_input_is_refused_in_one_line_where_the_system_has_no_file_for_it(
    animate, monkeypatch
):
    monkeypatch.setattr(animate_command, "STANDARD_INPUT", "/dev/not-there")
    status, _, errors, files = animate("-")
    assert (status, files) == (2, [])
    assert errors == [
        "ksdiff-jax animate: -: this system has no /dev/not-there; save the recording to a file "
        "and name it"
    ]


def test_the_head_pose_comes_from_a_motion_file_or_another_checkpoint(
    animate, speech, tmp_path, checkpoint
):
    options = ("--formats", "npz", "--seed", "1", "--noise-id", "take 2")
    animate(speech, *options, out="reference")
    reference = tmp_path / "reference" / "speech.motion.npz"
    assert MotionClip.load(reference).meta["noise_id"] == "take 2"
    for name, source in (("file", reference), ("checkpoint", checkpoint)):
        status, *_ = animate(speech, *options, "--pose", source, out=name)
        assert status == 0
        assert np.array_equal(
            MotionClip.load(tmp_path / name / "speech.motion.npz").coefficients,
            MotionClip.load(reference).coefficients,
        )
    status, *_ = animate(speech, "--formats", "npz", "--pose", reference, out="posed")
    posed = MotionClip.load(tmp_path / "posed" / "speech.motion.npz")
    assert status == 0 and np.array_equal(posed.cam, MotionClip.load(reference).cam)
    assert not np.array_equal(posed.exp, MotionClip.load(reference).exp)


@pytest.mark.slow
def test_keyframes_placed_by_hand_are_those_of_the_motion(animate, speech, tmp_path):
    options = ("--formats", "npz", "--keyframe-guidance", "3", "--expression-keyframes")
    status, _, errors, files = animate(speech, *options, "--head-keyframes", "0.2", "0.4")
    assert (status, errors, files) == (0, [], ["speech.motion.npz"])
    motion = MotionClip.load(tmp_path / "out" / "speech.motion.npz")
    assert np.flatnonzero(motion.keyframes_head).tolist() == [5, 10]
    assert not motion.keyframes_expression.any()
    assert motion.meta["keyframe_guidance"] == 3


def test_a_pose_that_does_not_fit_is_one_line_before_anything_is_sampled(
    animate, speech, tmp_path, monkeypatch
):
    monkeypatch.setattr(Animator, "animate", lambda *_, **__: pytest.fail("was sampled"))
    short = MotionClip.from_coefficients(np.zeros((5, MOTION_DIMS))).save(tmp_path / "short.npz")
    for source, what in ((short, "5 frames, 0.2 s; the motion has 25"), ("nothing", "no motion")):
        status, _, lines, _ = animate(speech, "--formats", "npz", "--pose", source)
        assert status == 2 and len([line for line in lines if what in line]) == 1, lines


def test_the_causal_mode_is_recorded_and_an_untrained_model_gets_a_warning(
    animate, speech, tmp_path
):
    status, _, err, _ = animate(speech, "--formats", "npz", "--causal")
    assert status == 0 and len(err) == 1 and "not trained for the causal mode" in err[0]
    meta = MotionClip.load(tmp_path / "out" / "speech.motion.npz").meta
    assert meta["causal"] is True and meta["noise_id"] == "stream"
    status, _, err, _ = animate(speech, "--causal", "--transcript", "words", out="other")
    assert status == 2 and "--causal: the causal mode reads no transcript" in err[0]


@pytest.mark.slow
def test_a_face_of_another_topology_gets_the_motion_and_the_error_is_printed(
    animate, speech, checkpoint, tmp_path, monkeypatch
):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    file = written(made_face(11, share=-0.35), tmp_path / "mine.npz")
    status, out, err, files = animate(speech, "--face", file, "--formats", "npz", "png")
    assert status == 0 and err == [] and files == ["speech.motion.npz", "speech.png"]
    (line,) = [line for line in out if "retargeted to mine (3535 vertices)" in line]
    assert "lips 0." in line and "mean error in mm" in line
    motion = Motion.load(tmp_path / "out" / "speech.motion.npz")
    assert motion.space == "flame" and motion.meta["retargeting"]["to"].startswith("mine")
    assert motion.vertices(face=load_face(file)).shape[1:] == (3535, 3)
    flat = load_face(file)
    flat = made_face(11, share=-0.35)._replace(
        face=dataclasses.replace(flat, expression_directions=0 * flat.expression_directions)
    )
    written(flat, tmp_path / "flat.npz")
    status, _, err, files = animate(speech, "--face", tmp_path / "flat.npz", out="second")
    assert status == 2 and files == [] and len(err) == 1 and "all zero" in err[0]
