"""Files with a mark of ours, and files that only resemble them."""

import json
import os
import zipfile

import av
import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from ksdiff_jax.evaluate.report import Curves, plot_openings
from ksdiff_jax.export.plot import write_plot
from ksdiff_jax.export.sheet import SheetEntry, write_sheet
from ksdiff_jax.export.video import VideoForm, write_video
from ksdiff_jax.motion.clip import MotionClip
from ksdiff_jax.motion.space import MOTION_DIMS
from ksdiff_jax.outputs import write_document
from ksdiff_jax.ownership import CHECKPOINT, DATA_SET, mark, purpose_of
from ksdiff_jax.speech.transcripts.spoken_words import Spoken, Transcript, write_words
from ksdiff_jax.train.report.run_page import write_run_page


def motion():
    return MotionClip.from_coefficients(np.zeros((5, MOTION_DIMS), np.float32))


def small_video(path, **options):
    pictures = (np.full((16, 16, 3), 99, np.uint8) for _ in range(3))
    return write_video(path, pictures, form=VideoForm(3, 25, 16), **options)


def metrics(path, **options):
    write_document(path, {"schema": "ksdiff-metrics/1", "figures": {}}, **options)
    return path


def words(path, **options):
    write_words(path, Transcript("a", "b.lab", "word", (Spoken("a", 0.0, 1.0),)), **options)
    return path


def openings(path, **options):
    plot_openings(path, [Curves("a", np.zeros(5), np.zeros(5))], title="t", **options)
    return path


def sheet(path, **options):
    entry = SheetEntry("a", np.zeros(3200, np.float32), np.zeros((5, 3), np.float32), 25.0, "x")
    return write_sheet(path, [entry], title="t", **options)


WRITERS = {
    "motion": ("a.motion.npz", lambda path, **options: motion().save(path, **options)),
    "video": ("a.mp4", small_video),
    "plot": (
        "a.png",
        lambda path, **options: write_plot(path, motion(), opening_m=np.zeros(5), **options),
    ),
    "words": ("a.words.json", words),
    "metrics": ("metrics.json", metrics),
    "openings": ("openings.png", openings),
    "sheet": ("sheet.png", sheet),
}


@pytest.mark.parametrize("purpose", WRITERS)
def test_what_is_written_carries_its_mark_under_any_name(tmp_path, purpose):
    name, write = WRITERS[purpose]
    path = write(tmp_path / name)
    assert purpose_of(path) == purpose
    assert purpose_of(path.rename(tmp_path / os.fsdecode(b"\xff name"))) == purpose


def test_a_run_page_carries_its_mark(tmp_path):
    assert purpose_of(write_run_page(tmp_path, ending="finished")) == "run-page"


def test_a_video_with_a_mark_plays_as_before(tmp_path):
    with av.open(str(small_video(tmp_path / "a.mp4"))) as container:
        assert container.metadata["comment"] == "ksdiff-jax: ksdiff-video/1"
        assert sum(1 for _ in container.decode(video=0)) == 3


@pytest.mark.parametrize("purpose", [purpose for purpose in WRITERS if purpose != "video"])
def test_a_file_cut_short_or_empty_is_not_ours(tmp_path, purpose):
    name, write = WRITERS[purpose]
    path = write(tmp_path / name)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2] if not name.endswith(".png") else content[:30])
    assert purpose_of(path) is None
    path.write_bytes(b"")
    assert purpose_of(path) is None


def mp4_with(path, **tags):
    with av.open(str(path), "w", format="mp4") as container:
        container.metadata.update(tags)
        stream = container.add_stream("libx264", rate=25)
        stream.width = stream.height = 16
        stream.pix_fmt = "yuv420p"
        container.mux(
            stream.encode(
                av.VideoFrame.from_ndarray(np.zeros((16, 16, 3), np.uint8), format="rgb24")
            )
        )
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize(
    "tags",
    [
        {},
        {"title": "ksdiff-jax: ksdiff-video/1"},
        {"comment": "made with ksdiff-jax"},
        {"comment": "my edit of ksdiff-jax: ksdiff-video/1"},
        {"comment": "ksdiff-jax: ksdiff-video/1, cut by me"},
        {"artist": "ksdiff-jax", "comment": "ksdiff-video/1"},
    ],
    ids=str,
)
def test_a_video_that_only_mentions_us_is_not_ours(tmp_path, tags):
    assert purpose_of(mp4_with(tmp_path / "a.mp4", **tags)) is None


def png_with(path, **texts):
    information = PngInfo()
    for key, text in texts.items():
        information.add_text(key, text)
    Image.new("L", (4, 4)).save(path, pnginfo=information)
    return path


def npz_with(path, **arrays):
    np.savez(path, **arrays)
    return path


def text_file(path, text):
    path.write_text(text, encoding="utf-8")
    return path


OTHERS = {
    "a png of matplotlib": lambda f: png_with(
        f / "a.png", Software="Matplotlib version3.9, https://matplotlib.org/"
    ),
    "a png that mentions us": lambda f: png_with(
        f / "a.png", Title=mark("plot"), Comment="ksdiff-jax"
    ),
    "an npz without meta": lambda f: npz_with(f / "a.motion.npz", exp=np.zeros(3)),
    "an npz of another schema": lambda f: npz_with(
        f / "a.npz", meta=np.array(json.dumps({"schema": "smirk/1"}))
    ),
    "an npz with a list as meta": lambda f: npz_with(f / "a.npz", meta=np.array("[1]")),
    "an npz with pickles": lambda f: npz_with(
        f / "a.npz", meta=np.array([{"schema": "ksdiff-motion/1"}], object)
    ),
    "json without a schema": lambda f: text_file(f / "a.json", '{"text": "ksdiff-words/1"}'),
    "json of a list": lambda f: text_file(f / "a.json", '["ksdiff-words/1"]'),
    "json whose schema is a number": lambda f: text_file(f / "a.json", '{"schema": 1}'),
    "json schema's own": lambda f: text_file(f / "a.json", '{"$schema": "ksdiff-words/1"}'),
    "json that ends too early": lambda f: text_file(
        f / "a.json", '{"schema": "ksdiff-words/1", "text": '
    ),
    "json ten thousand deep": lambda f: text_file(f / "a.json", '{"schema":' * 10_000),
    "a page": lambda f: text_file(
        f / "a.html", "<!doctype html><title>ksdiff-jax: ksdiff-run-page/1</title>"
    ),
    "plain text": lambda f: text_file(f / "a.txt", mark("words")),
    "a zip": lambda f: zipped(f / "a.npz"),
    "a folder": lambda f: f,
    "nothing": lambda f: f / "nothing",
}


def zipped(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("meta.npy", "ksdiff-motion/1")
    return path


@pytest.mark.parametrize("kind", OTHERS)
def test_files_of_others_are_not_ours(tmp_path, kind):
    assert purpose_of(OTHERS[kind](tmp_path)) is None


def test_a_pipe_is_not_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert purpose_of(tmp_path / "pipe") is None


def test_a_later_number_of_a_schema_is_still_ours(tmp_path):
    assert purpose_of(text_file(tmp_path / "a.json", '{"schema": "ksdiff-words/2"}')) == "words"


def test_a_folder_is_ours_by_the_schema_of_its_manifest_and_not_by_a_file_name(tmp_path):
    # as StyleGAN writes one
    text_file(tmp_path / "dataset.json", '{"labels": [["00000/img.png", 6]]}')
    assert not DATA_SET.owns(tmp_path)
    text_file(
        tmp_path / "dataset.json",
        '{"schema": "ksdiff-clip/1", "file": "train-00000-of-00001.tfrecord"}',
    )
    assert DATA_SET.owns(tmp_path)
    text_file(tmp_path / "config.json", '{"architectures": ["Wav2Vec2Model"]}')
    assert not CHECKPOINT.owns(tmp_path)


def test_what_belongs_to_a_data_set_is_what_its_manifest_names(tmp_path):
    text_file(
        tmp_path / "dataset.json",
        '{"schema": "ksdiff-clip/1", "file": "train-00000-of-00001.tfrecord"}',
    )
    ours = [
        "train-00000-of-00001.tfrecord",
        "train-00000-of-00001.index",
        "report.json",
        "features.json",
    ]
    theirs = [
        "notes.txt",
        "train-00000-of-00001.txt",
        "train-00000-of-00001",
        "val-00000-of-00001.tfrecord",
    ]
    for name in ours + theirs:
        (tmp_path / name).touch()
    assert DATA_SET.other_names(tmp_path) == sorted(theirs)
