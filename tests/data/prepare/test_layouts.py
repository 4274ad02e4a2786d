"""The sources found below a folder: names, sound, coefficients, speakers, and the layouts of HDTF
and VoxCeleb.
"""

import os
from pathlib import Path

import pytest

from ksdiff_jax.data.prepare.corpora import hdtf_speaker, hdtf_splits, voxceleb_splits
from ksdiff_jax.data.prepare.layouts import find_sources
from ksdiff_jax.errors import InputError


def touch(root: Path, *names: str) -> Path:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    return root


def found(root, **options):
    return {source.source_id: source for source in find_sources([root], **options)}


def test_files_are_found_in_order_below_the_root_with_unique_names(tmp_path):
    touch(tmp_path, "b/x.mp4", "a/x.MP4", "a/x.mov", "note.txt", ".hidden.mp4", "y.npz")
    names = list(found(tmp_path))
    assert names == sorted(names) and len(names) == 4
    assert "b/x" in names and "y" in names
    assert sum(name.endswith("a/x.MP4") or name.endswith("a/x.mov") for name in names) == 2


def test_sound_is_found_by_its_name_exact_first_then_what_goes_on(tmp_path):
    motion = touch(tmp_path / "motion", "one.mat", "two.npz", "three.npy", "four.pkl", "four.wav")
    sounds = touch(
        tmp_path / "sounds", "one.wav", "one_16k.wav", "two_16k.wav", "three_a.wav", "three_b.wav"
    )
    sources = found(motion, audio=sounds)
    assert [Path(sources[name].audio).name for name in ("one", "two", "four")] == [
        "one.wav",
        "two_16k.wav",
        "four.wav",
    ]
    assert sources["three"].audio == ""  # two candidates: neither


def test_coefficients_and_a_video_of_one_name_are_one_source(tmp_path):
    touch(tmp_path / "in", "a.mp4", "a.mat", "b.mp4")
    sources = found(tmp_path / "in")
    assert set(sources) == {"a", "b"}
    assert sources["a"].coefficients.endswith("a.mat") and sources["a"].video.endswith("a.mp4")
    touch(tmp_path / "smirk", "b.npz")
    assert found(tmp_path / "in", coefficients=tmp_path / "smirk")["b"].coefficients.endswith(
        "smirk/b.npz"
    )


def test_the_speaker_is_the_folder_or_the_file_or_what_a_pattern_says(tmp_path):
    touch(tmp_path, "anna/x_1.mp4", "bo_2.mp4")
    assert {name: s.speaker_id for name, s in found(tmp_path).items()} == {
        "anna/x_1": "anna",
        "bo_2": "bo_2",
    }
    assert found(tmp_path, speaker_from="file")["anna/x_1"].speaker_id == "x_1"
    by_pattern = found(tmp_path, speaker_from=r"([a-z]+)_\d$")
    assert {s.speaker_id for s in by_pattern.values()} == {"x", "bo"}
    with pytest.raises(InputError, match="does not match 'bo_2'"):
        found(tmp_path, speaker_from="zzz")


def test_a_wrong_path_or_an_empty_folder_is_named(tmp_path):
    with pytest.raises(InputError, match="no such file or folder"):
        find_sources([tmp_path / "nowhere"])
    with pytest.raises(InputError, match="no video and no coefficient file"):
        find_sources([tmp_path])


def test_the_real_coefficients_find_their_sound(shared_data):
    (source,) = find_sources(
        [shared_data / "coeffs" / "styletalk_reagan_clip1.mat"], audio=shared_data / "audio"
    )
    assert Path(source.audio).name == "styletalk_reagan_clip1_16k.wav"


@pytest.fixture
def hdtf(tmp_path):
    touch(
        tmp_path,
        "JoeNeguse.mp4",
        "AmyKlobuchar0.mp4",
        "WDA_AmyKlobuchar0_000.mp4",
        "RD_Radio11_001.mp4",
    )
    published = touch(tmp_path, "HDTF_dataset/x").joinpath("HDTF_dataset")
    (published / "WDA_annotion_time.txt").write_text(
        "JoeNeguse.mp4 00:35-01:40 02:10-02:55 \nAmyKlobuchar0.mp4 00:10-04:30\n"
    )
    (published / "RD_annotion_time.txt").write_text("Radio11.mp4 00:30-01:00 01:30-02:30\n")
    (published / "x").unlink()
    return tmp_path


def test_hdtf_whole_videos_become_their_annotated_stretches_and_cut_ones_stay(hdtf):
    sources = found(hdtf, layout="hdtf")
    assert {name: (s.start_s, s.end_s, s.speaker_id) for name, s in sources.items()} == {
        "JoeNeguse_000": (35.0, 100.0, "JoeNeguse"),
        "JoeNeguse_001": (130.0, 175.0, "JoeNeguse"),
        "RD_Radio11_001": (0.0, None, "Radio11"),
        "WDA_AmyKlobuchar0_000": (0.0, None, "AmyKlobuchar"),
    }


def test_hdtf_people_of_several_videos_or_names_are_one_speaker():
    assert hdtf_speaker("AmyKlobuchar1") == hdtf_speaker("AmyKlobuchar0") == "AmyKlobuchar"
    assert hdtf_speaker("WhipJimClyburn") == hdtf_speaker("JamesClyburn1")
    assert hdtf_speaker("Radio1") != hdtf_speaker("Radio11")


def test_hdtf_lists_of_papers_are_obeyed(hdtf):
    (hdtf / "test.txt").write_text("WDA_JoeNeguse_001.mp4\nRD_Radio11\n")
    sources = find_sources([hdtf], layout="hdtf")
    assert hdtf_splits(sources, [hdtf]) == {"JoeNeguse_001": "test", "RD_Radio11_001": "test"}


def test_voxceleb_says_speakers_and_splits_by_its_folders(tmp_path):
    touch(
        tmp_path, "dev/mp4/id00012/2DLq_Kkc1r8/00016.mp4", "test/mp4/id00017/01dfn2spqyE/00001.mp4"
    )
    touch(tmp_path, "dev/aac/id00012/2DLq_Kkc1r8/00016.m4a")
    sources = find_sources([tmp_path], layout="voxceleb")
    assert [source.speaker_id for source in sources] == ["id00012", "id00017"]
    assert (
        sources[0].audio.endswith("dev/aac/id00012/2DLq_Kkc1r8/00016.m4a")
        and sources[1].audio == ""
    )
    assert list(voxceleb_splits(sources, [tmp_path]).values()) == ["train", "test"]


def test_voxceleb_splits_come_from_its_table_where_folders_do_not_say(tmp_path):
    touch(tmp_path, "mp4/id00012/abc/00016.mp4", "mp4/id00017/def/00001.mp4")
    (tmp_path / "vox2_meta.csv").write_text(
        "VoxCeleb2 ID ,VGGFace2 ID ,Gender ,Set \nid00012 ,n000012 ,m ,dev \nid00017 ,n000017 ,m "
        ",test \n"
    )
    sources = find_sources([tmp_path], layout="voxceleb")
    assert list(voxceleb_splits(sources, [tmp_path]).values()) == ["train", "test"]
    touch(tmp_path / "other", "x.mp4")
    with pytest.raises(InputError, match="not VoxCeleb's layout"):
        find_sources([tmp_path / "other"], layout="voxceleb")


def test_names_of_any_bytes_give_ids_that_are_text_and_paths_that_open_the_file(tmp_path):
    touch(tmp_path, os.fsdecode(b"an\xe9/x\xff.npz"), "new\nline.npz", "[a]*.npz", "[a]*.wav")
    sources = found(tmp_path)
    assert set(sources) == {r"an\xe9/x\xff", r"new\nline", "[a]*"}
    assert {source.speaker_id for source in sources.values()} == {r"an\xe9", r"new\nline", "[a]*"}
    assert all(Path(source.coefficients).exists() for source in sources.values())
    assert Path(sources["[a]*"].audio).name == "[a]*.wav"


def test_the_sound_asked_for_goes_before_that_of_the_video_and_one_beside_does_not(
    tmp_path, monkeypatch
):
    monkeypatch.setattr("ksdiff_jax.data.tracking.video.has_sound", lambda path: True)
    for path in ("in/talk.MP4", "in/talk.wav", "in/film.wmv", "sounds/talk.wav"):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).touch()
    sources = {Path(source.video).name: source.audio for source in find_sources([tmp_path / "in"])}
    assert sources == {"talk.MP4": "", "film.wmv": ""}
    sources = {
        Path(source.video).stem: source.audio
        for source in find_sources([tmp_path / "in"], audio=tmp_path / "sounds")
    }
    assert sources == {"talk": str(tmp_path / "sounds" / "talk.wav"), "film": ""}
